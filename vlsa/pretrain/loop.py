"""The one training loop: every recipe, ablation and resumed run goes through `pretrain`.

Reads clips through data/loader.py and a `VLSA`; feeds retrieve/ with checkpoints. A step is a function of (weights,
moments, settings, step number) alone: the order of clips, their augmentation and the masks all follow from the seed
and the step. So a run that was killed goes on from its last checkpoint and ends with the very weights of an unbroken
run.
Axes: B clips.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vlsa.config import Config, TextConfig
from vlsa.data.clip import Batch, ClipSource
from vlsa.data.loader import TrainingClips, training_batches
from vlsa.data.tokenizer import Tokenizer
from vlsa.errors import CheckpointError, ConfigError, VlsaError
from vlsa.model.state import Losses
from vlsa.model.vlsa import VLSA
from vlsa.pretrain import checkpoint
from vlsa.pretrain.interrupt import stop_on_interrupt
from vlsa.pretrain.journal import Journal, only_writer, require_place
from vlsa.pretrain.needs import require_pairs
from vlsa.pretrain.schedule import learning_rate
from vlsa.pretrain.warm import kept_sources
from vlsa.settings import to_dict

Evaluator = Callable[[VLSA, Tokenizer], dict[str, float]]
"""Scores of the model on held-out clips, by name."""
Report = Callable[[int, int, dict[str, float]], None]
"""Told (steps done, steps in all, metrics of the step)."""
Initialise = Callable[[VLSA, Tokenizer], tuple[str, ...]]
"""Puts weights from elsewhere into a fresh model; returns what `train.init` is to say of them."""

LOG_EVERY_STEPS = 10
MAY_CHANGE = ("num_workers", "checkpoint_every_steps", "evaluate_every_steps", "cache_gib")
"""Fields of `TrainConfig` that do not touch the weights, so that a resumed run may set them anew."""


@dataclass(frozen=True)
class RunSummary:
    """What a call of `pretrain` did."""

    path: Path
    step: int
    num_steps: int
    resumed_from: int
    seconds: float
    """Training time of the run in all, earlier calls included."""
    metrics: dict[str, float]

    @property
    def finished(self) -> bool:
        return self.step == self.num_steps


@dataclass
class Trainer:
    """A run in progress."""

    config: Config
    model: VLSA
    tokenizer: Tokenizer
    optimizer: torch.optim.AdamW
    data: str
    step: int = 0
    seconds: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)

    def save(self, run_path: Path) -> None:
        """Checkpoint of the steps done so far."""
        state = checkpoint.TrainingState(self.step, self.data, self.seconds)
        checkpoint.save(run_path, self.model, self.optimizer, self.tokenizer, self.config, state)


def pretrain(
    config: Config,
    source: ClipSource,
    run_path: str | Path,
    *,
    tokenizer: Tokenizer | None = None,
    initialise: Initialise | None = None,
    evaluator: Evaluator | None = None,
    report: Report | None = None,
    device: torch.device | str | None = None,
) -> RunSummary:
    """Train to the last step, going on from the run's newest checkpoint if there is one.

    `initialise` is called on the fresh model of a new run, after its inputs were calibrated; a run that goes on has its
    weights already.

    Ctrl-C ends after the step in hand, with a checkpoint. Raises ConfigError when the run was begun with other
    settings or a source of train.init does not fit, CheckpointError when its newest checkpoint is damaged or of other
    clips, or another process trains the run, StoreError when there are fewer clips than a batch or none to match,
    VlsaError when the loss is no longer a number.
    """
    run_path = Path(run_path)
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    require_place(run_path)
    saved = checkpoint.checkpoints(run_path)
    require_pairs(source, config)
    trainer = _resume(config, source, saved[-1], device) if saved else _start(config, source, tokenizer, device)
    resumed_from = trainer.step
    clips = TrainingClips(source, trainer.config.model, trainer.config.train, trainer.tokenizer)
    if not saved:
        trainer.model.calibrate(next(iter(training_batches(clips, 0))).to(device))
        assert bool(initialise) == bool(trainer.config.train.init), "train.init says where the first weights are from"
        if initialise:
            init = initialise(trainer.model, trainer.tokenizer)
            trainer.config = replace(trainer.config, train=replace(trainer.config.train, init=init))
    with (
        only_writer(run_path),
        checkpoint.unchanged(run_path, saved),
        Journal(run_path, trainer.config, first_step=trainer.step) as journal,
        stop_on_interrupt() as stop,
    ):
        for batch, waited_seconds in _timed(training_batches(clips, trainer.step)):
            started = time.perf_counter()
            losses, norm = train_step(trainer, batch.to(device))
            trainer.step += 1
            _check_finite(trainer.step, batch.ids, losses, norm)
            _log(trainer, journal, report, batch.ids, losses, norm, waited_seconds, started)
            _evaluate(trainer, journal, evaluator)
            trainer.seconds += waited_seconds + time.perf_counter() - started
            last = trainer.step == trainer.config.train.num_steps or stop.asked
            if last or trainer.step % trainer.config.train.checkpoint_every_steps == 0:
                trainer.save(run_path)
            if last:
                break
    train = trainer.config.train
    return RunSummary(run_path, trainer.step, train.num_steps, resumed_from, trainer.seconds, trainer.metrics)


def train_step(trainer: Trainer, batch: Batch) -> tuple[Losses, torch.Tensor]:
    """One update; returns the losses before it and the norm of the gradient."""
    train, model = trainer.config.train, trainer.model
    for group in trainer.optimizer.param_groups:
        group["lr"] = learning_rate(trainer.step, train)
    model.train()
    losses = model(batch, step_generator(train.seed, trainer.step))
    trainer.optimizer.zero_grad(set_to_none=True)
    losses.total.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), train.gradient_clip or math.inf)
    trainer.optimizer.step()
    model.matching.limit_scale()
    return losses, norm


def step_generator(seed: int, step: int) -> torch.Generator:
    """The generator of a step's masks and re-pairings."""
    digest = hashlib.sha256(f"{seed}/{step}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def build_optimizer(model: VLSA, config: Config) -> torch.optim.AdamW:
    """AdamW; norms, biases and scales are not decayed."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": config.train.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.train.learning_rate, betas=config.train.betas, fused=True)


def _start(config: Config, source: ClipSource, tokenizer: Tokenizer | None, device: torch.device) -> Trainer:
    tokenizer = tokenizer or learn_tokenizer(config, source)
    text = replace(config.model.text, vocabulary_size=tokenizer.vocabulary_size)
    config = replace(config, model=replace(config.model, text=text))
    model = checkpoint.build_model(config, tokenizer).to(device)
    return Trainer(config, model, tokenizer, build_optimizer(model, config), fingerprint(source))


def learn_tokenizer(config: Config, source: ClipSource) -> Tokenizer:
    """A vocabulary from the words of the training clips."""
    # Clips without words train picture against sound; the vocabulary is then the special tokens and one letter.
    return Tokenizer.train(list(source.texts("train")) or ["a"], config.model.text.vocabulary_size)


def _resume(config: Config, source: ClipSource, path: Path, device: torch.device) -> Trainer:
    model, tokenizer, saved = checkpoint.load_model(path)
    _check_same_settings(config, saved, path)
    free = {name: getattr(config.train, name) for name in MAY_CHANGE}
    config = replace(saved, train=replace(saved.train, **free))
    model.to(device)
    optimizer = build_optimizer(model, config)
    state = checkpoint.load_training(path, model, optimizer)
    if state.data != fingerprint(source):
        raise CheckpointError(
            f"{path}: trained on other clips than these; the run would not be one experiment. "
            "Give the same --data, or another --out."
        )
    return Trainer(config, model, tokenizer, optimizer, state.data, state.step, state.seconds)


def _check_same_settings(asked: Config, saved: Config, path: Path) -> None:
    # The vocabulary of the run is the size that its texts gave.
    text: TextConfig = replace(asked.model.text, vocabulary_size=saved.model.text.vocabulary_size)
    train = replace(asked.train, init=kept_sources(asked.train.init, saved.train.init))
    asked = replace(asked, model=replace(asked.model, text=text), train=train)
    before, now = _flat(to_dict(saved)), _flat(to_dict(asked))
    changed = [name for name in before if before[name] != now[name] and name.split(".")[-1] not in MAY_CHANGE]
    if changed:
        listed = ", ".join(f"{name}: {before[name]} -> {now[name]}" for name in changed)
        raise ConfigError(
            f"{path}: the run was begun with other settings ({listed}); its result would belong to neither. "
            "Give the same settings, or another --out."
        )


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def fingerprint(source: ClipSource) -> str:
    """Digest of the training clips: their ids, texts and extents."""
    facts = [(row.id, list(row.texts), row.duration_seconds, row.num_samples) for row in source.rows("train")]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _timed(batches: Iterable[Batch]) -> Iterator[tuple[Batch, float]]:
    """Batches, each with the seconds that it was waited for."""
    iterator = iter(batches)
    while True:
        started = time.perf_counter()
        batch = next(iterator, None)
        if batch is None:
            return
        yield batch, time.perf_counter() - started


def _check_finite(step: int, ids: tuple[str, ...], losses: Losses, norm: torch.Tensor) -> None:
    # At each step, before anything is saved: later steps would blame other clips, and keep spoilt weights.
    if math.isfinite(losses.total.item()) and math.isfinite(norm.item()):
        return
    raise VlsaError(
        f"step {step}: loss {losses.total.item()}, norm of its gradient {norm.item()}; the weights are spoilt. The "
        f"clips were {', '.join(ids[:8])}{' ...' if len(ids) > 8 else ''}. Nothing of this step was saved: "
        "lower train.learning_rate in a new run."
    )


def _log(
    trainer: Trainer,
    journal: Journal,
    report: Report | None,
    ids: tuple[str, ...],
    losses: Losses,
    norm: torch.Tensor,
    waited_seconds: float,
    started: float,
) -> None:
    num_steps = trainer.config.train.num_steps
    if trainer.step % LOG_EVERY_STEPS and trainer.step != num_steps and trainer.step != 1:
        return
    values = {"loss": losses.total.item()} | {name: term.item() for name, term in losses.terms.items()}
    seconds = waited_seconds + time.perf_counter() - started
    trainer.metrics = values | {
        "learning_rate": learning_rate(trainer.step - 1, trainer.config.train),
        "gradient_norm": norm.item(),
        "scale": trainer.model.matching.scale.item(),
        "clips_per_second": len(ids) / seconds,
        "data_wait_share": waited_seconds / seconds,
    }
    journal.write(trainer.step, trainer.metrics)
    if report:
        report(trainer.step, num_steps, trainer.metrics)


def _evaluate(trainer: Trainer, journal: Journal, evaluator: Evaluator | None) -> None:
    every = trainer.config.train.evaluate_every_steps
    if evaluator and every and trainer.step % every == 0:
        journal.write(trainer.step, evaluator(trainer.model, trainer.tokenizer))
