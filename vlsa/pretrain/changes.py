"""Which settings a run that goes on may have, beside those that it was begun with. Used by loop.py."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlsa.config import ComputeConfig, Config, TextConfig, TrainConfig
from vlsa.errors import ConfigError
from vlsa.pretrain.warm import kept_sources
from vlsa.settings import flat, to_dict

TRAIN_MAY_CHANGE = ("num_workers", "checkpoint_every_steps", "evaluate_every_steps", "cache_gib", "diverged_at")
"""Fields of `TrainConfig` that do not touch the weights, so that a resumed run may set them anew."""
COMPUTE_MAY_CHANGE = ("compile", "attention", "recompute", "chunk_size", "sharding")
"""Fields of `ComputeConfig` that change the weights by rounding in float32 or bfloat16 alone: so does another GPU."""


def settings_to_go_on_with(asked: Config, saved: Config, path: Path, *, allow_changes: bool = False) -> Config:
    """The settings of the run from here on: those it was begun with, and of those asked for what may change.

    With `allow_changes` all those asked for. Raises ConfigError with the list of the others.
    """
    # The vocabulary of the run is the size that its texts gave.
    text: TextConfig = replace(asked.model.text, vocabulary_size=saved.model.text.vocabulary_size)
    train = replace(asked.train, init=kept_sources(asked.train.init, saved.train.init))
    asked = replace(asked, model=replace(asked.model, text=text), train=train)
    free = replace(saved, train=_with(asked.train, saved.train), compute=_with(asked.compute, saved.compute))
    changed = differences(free, asked)
    if not changed:
        return free
    listed = ", ".join(changed)
    if allow_changes:
        logging.getLogger(__name__).warning("%s: goes on with other settings: %s", path, listed)
        return asked
    raise ConfigError(
        f"{path}: the run was begun with other settings ({listed}); its result would belong to neither. "
        "Give the same settings, or another --out; --allow-changes goes on all the same."
    )


def differences(before: Config, now: Config) -> list[str]:
    """Each setting that differs, as "train.seed: 0 -> 1"."""
    old, new = flat(to_dict(before)), flat(to_dict(now))
    return [f"{name}: {old[name]} -> {new[name]}" for name in old if old[name] != new[name]]


def _with(asked: Any, saved: TrainConfig | ComputeConfig) -> Any:
    names = TRAIN_MAY_CHANGE if isinstance(saved, TrainConfig) else COMPUTE_MAY_CHANGE
    return replace(saved, **{name: getattr(asked, name) for name in names})
