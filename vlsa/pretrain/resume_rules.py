"""Which settings and clips a run may have: those it started with, the same in all processes. Used by loop.py."""

import hashlib
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlsa.base.errors import CheckpointError, ConfigError
from vlsa.base.processes import from_main, rank
from vlsa.config import ComputeConfig, Config, TextConfig, TrainConfig, require
from vlsa.config.overrides import flat, to_dict
from vlsa.data.loading.loader import without_content
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.model.warm_start import same_sources

_LOG = logging.getLogger(__name__)

TRAIN_MAY_CHANGE = ("num_workers", "checkpoint_every_steps", "evaluate_every_steps", "cache_gib", "diverged_at")
"""Fields of `TrainConfig` that do not change the weights, so that a resumed run may set them anew."""
COMPUTE_MAY_CHANGE = ("compile", "attention", "recompute", "chunk_size", "sharding")
"""Fields of `ComputeConfig` that change the weights by rounding in float32 or bfloat16 alone: so does another GPU."""

OF_A_MACHINE = ("train.num_workers", "train.cache_gib")
"""What each process may have of its own."""


def require_same(config: Config, data: str, tokenizer: Tokenizer | None) -> None:
    """Raises ConfigError in a process whose command differs from rank 0's; `data`: the fingerprint of its clips."""
    vocabulary = hashlib.sha256(tokenizer.to_json().encode()).hexdigest()[:16] if tokenizer else "of the run"
    own = {"--data": data, "the vocabulary": vocabulary, **flat(to_dict(config))}
    main = from_main(own)
    other = [
        f"{name}: {main.get(name)} there, {own[name]} here"
        for name in own
        if own[name] != main.get(name) and name not in OF_A_MACHINE
    ]
    if other:
        raise ConfigError(
            f"rank {rank()}: started otherwise than rank 0 ({', '.join(other)}); the processes would train different "
            "models. Give the same command, and the same files, on each machine."
        )


def settings_to_go_on_with(asked: Config, saved: Config, path: Path, *, allow_changes: bool = False) -> Config:
    """The settings of the run from here on: those it was started with, and of those asked for what may change.

    With `allow_changes` all those asked for. Raises ConfigError with the list of the others.
    """
    # The vocabulary of the run is the size that its texts gave.
    text: TextConfig = replace(asked.model.text, vocabulary_size=saved.model.text.vocabulary_size)
    sources = saved.train.init if same_sources(asked.train.init, saved.train.init) else asked.train.init
    train = replace(asked.train, init=sources)
    asked = replace(asked, model=replace(asked.model, text=text), train=train)
    free = replace(saved, train=_with(asked.train, saved.train), compute=_with(asked.compute, saved.compute))
    changed = differences(free, asked)
    if not changed:
        return free
    listed = ", ".join(changed)
    if allow_changes:
        require(
            asked.train.init == saved.train.init,
            f"{path}: initialised from {list(saved.train.init) or 'no other weights'}, not {list(asked.train.init)}, "
            "which would not be read any more: the run has its weights. Give the same --init, or another --out.",
        )
        _LOG.warning("%s: resumes with other settings: %s", path, listed)
        return asked
    raise ConfigError(
        f"{path}: the run was started with other settings ({listed}); its result would belong to neither. "
        "Give the same settings, or another --out; --allow-changes resumes all the same."
    )


def require_same_clips(saved: str, now: str, path: Path) -> None:
    """Raises CheckpointError when a run was trained on clips of another `fingerprint`."""
    if saved == now:
        return
    if saved != without_content(now):
        raise CheckpointError(
            f"{path}: trained on other clips than these; the run would not be one experiment. "
            "Give the same --data, or another --out."
        )
    _LOG.info("%s: recorded by an earlier vlsa, without the content of its clips; only their facts are compared", path)


def log_other_precision(saved: str | None, now: str, path: Path) -> None:
    """A warning for a run that goes on in another precision, which compute.precision=auto leaves to the device."""
    if saved not in (None, now):
        _LOG.warning(
            "%s: trained in %s so far, it goes on in %s, as compute.precision means on this device; the weights "
            "will not be those of an unbroken run. Resume it on a device like the first to keep to its precision",
            path,
            saved[:20],
            now,
        )


def require_steps_left(config: Config, step: int, path: Path) -> None:
    """Raises ConfigError for a run that has done more steps than it is asked for."""
    num_steps = config.train.num_steps
    require(
        step <= num_steps,
        f"{path}: {step} steps are done, more than train.num_steps={num_steps}; none is left to take. "
        f"Set train.num_steps={step} or more, or name another --out.",
    )


def differences(before: Config, now: Config) -> list[str]:
    """Each setting that differs, as "train.seed: 0 -> 1"."""
    old, new = flat(to_dict(before)), flat(to_dict(now))
    return [f"{name}: {old[name]} -> {new[name]}" for name in old if old[name] != new[name]]


def _with(asked: Any, saved: TrainConfig | ComputeConfig) -> Any:
    names = TRAIN_MAY_CHANGE if isinstance(saved, TrainConfig) else COMPUTE_MAY_CHANGE
    return replace(saved, **{name: getattr(asked, name) for name in names})
