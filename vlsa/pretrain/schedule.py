"""The learning rate over a run: linear warm-up, then half a cosine to zero (as MAE; the paper names none)."""

import math

from vlsa.config import TrainConfig


def learning_rate(step: int, train: TrainConfig) -> float:
    """Rate of the update at `step` (0-based)."""
    if step < train.warmup_steps:
        return train.learning_rate * (step + 1) / train.warmup_steps
    done = (step - train.warmup_steps) / max(train.num_steps - train.warmup_steps, 1)
    return train.learning_rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
