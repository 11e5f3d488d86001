"""The learning rate over a run: linear warm-up, then half a cosine to zero (as MAE; the paper names none)."""

import logging
import math

from vlsa.config import TrainConfig

_LOG = logging.getLogger(__name__)


def learning_rate(step: int, train: TrainConfig) -> float:
    """Rate of the update at `step` (0-based)."""
    if step < train.warmup_steps:
        return train.learning_rate * (step + 1) / train.warmup_steps
    done = (step - train.warmup_steps) / max(train.num_steps - train.warmup_steps, 1)
    return train.learning_rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def log_endless_warm_up(train: TrainConfig) -> None:
    """A warning for a run that is over before its warm-up: a recipe of many steps that was cut short by --set."""
    if train.num_steps <= train.warmup_steps:
        peak = learning_rate(train.num_steps - 1, train)
        _LOG.warning(
            "train.warmup_steps=%d is no less than train.num_steps=%d: the learning rate ends at %.2g, %.0f%% of "
            "train.learning_rate, and never falls; set train.warmup_steps=%d",
            train.warmup_steps,
            train.num_steps,
            peak,
            100 * peak / train.learning_rate,
            train.num_steps // 10,
        )
