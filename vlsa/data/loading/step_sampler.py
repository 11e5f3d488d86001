"""Which clips a step trains on: an order that follows from the seed and the epoch, for any number of processes.

Used by loader.py.
"""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from vlsa.base.errors import ConfigError
from vlsa.config import TrainConfig


class StepSampler(Sampler[list[tuple[int, int]]]):
    """The (epoch, row) keys of each step's batch, from `first_step` on; whole batches, no clip twice an epoch.

    Of several ranks each takes its part of the same batch, in order: rank 0 the first rows. Raises ConfigError for a
    batch that they cannot share evenly.
    """

    def __init__(
        self, num_clips: int, train: TrainConfig, first_step: int, *, rank: int = 0, num_ranks: int = 1
    ) -> None:
        self.num_clips, self.train, self.first_step = num_clips, train, first_step
        size, rest = divmod(train.batch_size, num_ranks)
        if rest:
            whole = f"{size * num_ranks} or " if size else ""
            raise ConfigError(
                f"train.batch_size={train.batch_size}: {num_ranks} processes cannot share it evenly; a step's loss is "
                f"over as many clips of each. Try train.batch_size={whole}{(size + 1) * num_ranks}, or another "
                "--nproc-per-node."
            )
        self.rows = slice(rank * size, (rank + 1) * size)

    def __len__(self) -> int:
        return self.train.num_steps - self.first_step

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        steps_per_epoch = self.num_clips // self.train.batch_size
        order_epoch, order = -1, np.empty(0, dtype=np.int64)
        for step in range(self.first_step, self.train.num_steps):
            epoch, place = divmod(step, steps_per_epoch)
            if epoch != order_epoch:
                order_epoch, order = epoch, np.random.default_rng([self.train.seed, epoch]).permutation(self.num_clips)
            chosen = order[place * self.train.batch_size : (place + 1) * self.train.batch_size]
            yield [(epoch, int(number)) for number in chosen[self.rows]]
