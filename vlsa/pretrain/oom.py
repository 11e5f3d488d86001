"""When a step does not fit into the memory of the GPU: how many clips do, found by trying. Used by loop.py."""

import traceback

import torch

from vlsa.base.errors import ConfigError
from vlsa.base.processes import num_processes
from vlsa.data.batch import Batch
from vlsa.model.noise import Noise
from vlsa.pretrain.step import backward
from vlsa.pretrain.trainer import Trainer


def too_much(trainer: Trainer, batch: Batch, noise: Noise, error: torch.OutOfMemoryError) -> ConfigError:
    """The one line for a step that ran out of memory: the largest number of clips at a time that fits.

    The traceback of the `error` still holds what the step had computed; it is let go before anything is tried.
    """
    traceback.clear_frames(error.__traceback__)
    train, size = trainer.config.train, trainer.config.compute.chunk_size or len(batch)
    misfit = f"train.batch_size={train.batch_size}: a step of {size} clips at a time does not fit into {_memory()}; "
    if num_processes() > 1:  # the others do not try along
        return ConfigError(
            f"{misfit}nothing was trained. Set compute.chunk_size={max(size // 2, 1)} (the same result)."
        )
    fitting = largest_that_fits(trainer, batch, noise, size)
    if not fitting:
        return ConfigError(f"{misfit}not even one clip does. Set compute.recompute=true, or take a smaller recipe.")
    return ConfigError(
        f"{misfit}{fitting} clips do. Set compute.chunk_size={fitting} (the same result, for one more isolated pass), "
        f"compute.recompute=true, or train.batch_size={fitting}."
    )


def largest_that_fits(trainer: Trainer, batch: Batch, noise: Noise, too_many: int) -> int:
    """How many clips at a time a step takes, to within a sixteenth of `too_many`; 0 when not even one fits."""
    fitting, failing = 0, too_many
    trial = max(failing // 2, 1)
    while trial < failing:
        if _fits(trainer, batch.rows(0, trial), noise):
            fitting = trial
        else:
            failing = trial
        if failing - fitting <= max(too_many // 16, 1):
            break
        trial = (fitting + failing) // 2
    trainer.optimizer.zero_grad(set_to_none=True)
    return fitting


def _fits(trainer: Trainer, batch: Batch, noise: Noise) -> bool:
    _release(trainer)
    try:
        moments = _room_for_moments(trainer)
        backward(trainer.objective, batch, noise.rows(0, len(batch)))
    except torch.OutOfMemoryError:
        return False
    else:
        del moments
        return True
    finally:
        _release(trainer)


def _room_for_moments(trainer: Trainer) -> list[torch.Tensor]:
    """As much memory as AdamW will take at the end of the first step, for what has no moments yet."""
    weights = [weight for weight in trainer.model.parameters() if not trainer.optimizer.state.get(weight)]
    return [torch.empty_like(weight) for weight in weights for _ in range(2)]


def _release(trainer: Trainer) -> None:
    trainer.optimizer.zero_grad(set_to_none=True)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _memory() -> str:
    if not torch.cuda.is_available():
        return "memory"
    return f"the {torch.cuda.get_device_properties().total_memory / 2**30:.0f} GiB of {torch.cuda.get_device_name()}"
