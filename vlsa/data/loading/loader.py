"""From a source of clips to training batches, in an order that a step number fixes.

Reads store/reader.py (or clips in memory); used by pretrain/loop.py and retrieve/encode/. Nothing here has a state to
save: the order of an epoch follows from (seed, epoch), and the random choices for a clip from (seed, epoch, clip). So
training resumed at step s reads exactly what an unbroken run would have read, whatever the number of workers.
Axes: B clips.
"""

import multiprocessing
import signal
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import BaseContext

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler, get_worker_info
from torch.utils.data import Dataset as TorchDataset

from vlsa.base.errors import ConfigError, LostProcess, StoreError, VlsaError
from vlsa.base.processes import num_processes, rank
from vlsa.config import ModelConfig, TrainConfig
from vlsa.data.batch import Batch, ClipTensors
from vlsa.data.clip import Clip, ClipFacts, Dataset, ListedDataset, cut, digests_of
from vlsa.data.engine.workers import exit_with_parent
from vlsa.data.loading.cached_clips import CachedClips
from vlsa.data.loading.packed_batch import PackedBatch
from vlsa.data.loading.sound_controls import ShiftedSound
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.data.loading.transform import LARGEST_SQUARE, Crop, choose_window, clip_tensors

CONTENT_MARK = "-"


@dataclass(frozen=True, eq=False)
class MemoryRow:
    """Facts of a clip held in memory."""

    clip: Clip
    split: str

    @property
    def id(self) -> str:
        return self.clip.id

    @property
    def texts(self) -> tuple[str, ...]:
        return self.clip.texts

    @property
    def duration_seconds(self) -> float:
        return self.clip.duration_seconds

    @property
    def frame_seconds(self) -> np.ndarray:
        return np.empty(0) if self.clip.frame_seconds is None else self.clip.frame_seconds

    @property
    def num_samples(self) -> int:
        return 0 if self.clip.sound is None else len(self.clip.sound)

    @property
    def sample_rate_hz(self) -> int:
        return self.clip.sample_rate_hz or 0

    @cached_property
    def content_digest(self) -> str:
        """Checksums of its frames and audio."""
        return " ".join(_checksum(part) for part in (self.clip.frames, self.clip.frame_seconds, self.clip.sound))


def _checksum(array: np.ndarray | None) -> str:
    return "none" if array is None else f"{array.shape}{zlib.crc32(np.ascontiguousarray(array)):08x}"


class MemoryClips(ListedDataset):
    """A source that holds decoded clips: for generated data, and for machines without media libraries."""

    def __init__(self, splits: dict[str, Sequence[Clip]]) -> None:
        super().__init__([MemoryRow(clip, split) for split, clips in splits.items() for clip in clips])

    def read(
        self, clip: MemoryRow, *, frame_indices: Sequence[int] | None = None, sound_range: tuple[int, int] | None = None
    ) -> Clip:
        """The asked part of a clip."""
        indices = range(len(clip.frame_seconds)) if frame_indices is None else frame_indices
        first, last = sound_range or (0, clip.num_samples)
        return cut(clip.clip, indices, first, last)


def read_tensors(
    source: Dataset,
    row: ClipFacts,
    config: ModelConfig,
    tokenizer: Tokenizer,
    rng: np.random.Generator | None = None,
    crop: Crop = LARGEST_SQUARE,
) -> ClipTensors:
    """Read a window of a clip from a source (rng None = the middle) and turn it into tensors."""
    window = choose_window(row.frame_seconds, row.duration_seconds, config, rng)
    first, last = (min(sample, row.num_samples) for sample in window.sample_range(row.sample_rate_hz))
    clip = source.read(row, frame_indices=window.frame_indices, sound_range=(first, last))
    return clip_tensors(clip, window, config, tokenizer, rng, crop)


class TrainingClips(TorchDataset[ClipTensors]):
    """The training split as tensors; an item is asked for by (epoch, row)."""

    def __init__(
        self, source: Dataset, model: ModelConfig, train: TrainConfig, tokenizer: Tokenizer, split: str = "train"
    ) -> None:
        self.model, self.train, self.tokenizer = model, train, tokenizer
        self.crop = Crop(least_area=train.crop_area, most_stretch=train.crop_stretch)
        self.rows = source.rows(split)
        self.source = CachedClips(source, self.rows, train.cache_gib * 2**30) if train.cache_gib else source
        if train.sound_shift_seconds:
            self.source = ShiftedSound(self.source, train.sound_shift_seconds)
        if len(self.rows) < train.batch_size:
            smaller = f", or --set train.batch_size={len(self.rows)}" if self.rows else ""
            raise StoreError(
                f"{getattr(source, 'path', 'clips')}: {len(self.rows)} clips in split {split}, fewer than one batch of "
                f"{train.batch_size}; a step needs a whole batch. Add clips{smaller}."
            )

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: tuple[int, int]) -> ClipTensors:
        epoch, number = key
        rng = np.random.default_rng([self.train.seed, epoch, number]) if self.train.augment else None
        return read_tensors(self.source, self.rows[number], self.model, self.tokenizer, rng, self.crop)


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


def fingerprint(source: Dataset) -> str:
    """Digest of the training clips: of their ids, texts and extents, then of their media where rows have a digest."""
    facts, content = digests_of(source.rows("train"))
    return f"{facts}{CONTENT_MARK}{content}" if content else facts


def without_content(digest: str) -> str:
    """The part of a fingerprint that runs of vlsa 0.3 recorded."""
    return digest.partition(CONTENT_MARK)[0]


def first_clips(clips: TrainingClips, num_clips: int) -> Batch:
    """The first of the clips of step 0, the same on every rank."""
    keys = next(iter(StepSampler(len(clips), clips.train, 0)))
    return Batch.stack([clips[key] for key in keys[:num_clips]])


class BatchReader(TorchDataset["Batch | PackedBatch | ReadFailure"]):
    """Whole batches of training clips; in a reading process, packed for the way to the training.

    What a user can fix comes back as a value: the DataLoader would raise it anew from its traceback, as another error.
    """

    def __init__(self, clips: TrainingClips) -> None:
        self.clips = clips

    def __getitem__(self, keys: list[tuple[int, int]]) -> "Batch | PackedBatch | ReadFailure":
        try:
            clips = [self.clips[key] for key in keys]
            return PackedBatch.stack(clips) if get_worker_info() else Batch.stack(clips)
        except (VlsaError, OSError) as error:
            return ReadFailure(error)


@dataclass(frozen=True)
class ReadFailure:
    """An error on its way from a reading process to the training."""

    error: Exception


@contextmanager
def training_batches(
    clips: TrainingClips, first_step: int, device: torch.device | None = None
) -> Iterator[Iterator[Batch]]:
    """This process's batches of all steps from `first_step` on, ready to be copied to a device; readers end with it.

    Reading raises what a clip's error is. When a reading process has died, any error of the block comes as LostProcess:
    PyTorch raises that death from a signal handler, within whatever code happens to run.
    """
    loader = DataLoader(
        BatchReader(clips),
        sampler=StepSampler(len(clips), clips.train, first_step, rank=rank(), num_ranks=num_processes()),
        batch_size=None,
        num_workers=clips.train.num_workers,
        multiprocessing_context=_fresh_processes() if clips.train.num_workers else None,
        worker_init_fn=_leave_signals_to_the_loop,
        persistent_workers=False,
        pin_memory=device is not None and device.type == "cuda",
    )
    batches = iter(loader)
    readers = getattr(batches, "_workers", ())
    try:
        yield _whole(batches)
    except Exception as error:
        if any(reader.exitcode for reader in readers) and not isinstance(error, LostProcess):
            raise _lost_reader(error) from error
        raise
    finally:
        if readers:
            with suppress(RuntimeError):  # a death that is said by now
                batches._shutdown_workers()  # else the kill below counts as a death
        for reader in readers:  # each leaves a first SIGTERM to the loop; Python's exit sends one and waits
            reader.kill()


def _whole(items: Iterator["Batch | PackedBatch | ReadFailure"]) -> Iterator[Batch]:
    while (item := _received(items)) is not None:
        if isinstance(item, ReadFailure):
            raise item.error
        yield item.unpacked() if isinstance(item, PackedBatch) else item


def _received(items: Iterator["Batch | PackedBatch | ReadFailure"]) -> "Batch | PackedBatch | ReadFailure | None":
    """The next item, None at the end. Raises LostProcess where a socket closed within it: its reader is dying."""
    try:
        return next(items, None)
    except (OSError, EOFError) as error:  # errors of reading come as items
        raise _lost_reader(error) from error


def _lost_reader(error: Exception) -> LostProcess:
    cause = " ".join(str(error).split())[:200] or type(error).__name__
    return LostProcess(
        f"train.num_workers: a reading process died ({cause}), often because memory ran "
        "out; the current step cannot be finished. The last checkpoint is whole: run the same command again, with a "
        "smaller train.num_workers or train.cache_gib if this comes back."
    )


def _fresh_processes() -> BaseContext:
    """Readers start as forks of a server that has imported what they need, once for all trainings of this process.

    Importing PyTorch takes each seconds otherwise, and many at the same time wait for one disk. Without such a server
    (Windows) each is spawned. Never a fork of this process, whose threads and GPU a fork does not survive.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    resource_tracker.ensure_running()  # it starts with the server, and is to end by signals
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    forkserver.ensure_running()  # with SIGTERM blocked: its end would be that of all readers
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


def _leave_signals_to_the_loop(_worker: int) -> None:
    """Ctrl-C and a scheduler's SIGTERM reach readers too; the loop still needs them for the step in progress.

    A second SIGTERM ends one: so does a DataLoader that waits for a reader in vain. One whose training was killed ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _frame: signal.signal(number, signal.SIG_DFL))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    threading.Thread(target=exit_with_parent, daemon=True).start()
