"""The one training loop: every recipe, ablation and resumed run goes through `pretrain`.

Reads clips through data/loader.py and a `VLSA`; feeds retrieve/ with checkpoints. A step is a function of (weights,
moments, settings, step number) alone: the order of clips, their augmentation and the masks all follow from the seed
and the step. So a run that was killed goes on from its last checkpoint and ends with the very weights of an unbroken
run (on a GPU but for the order in which attention sums its gradients).
Axes: B clips.
"""

import hashlib
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from vlsa.base.errors import CheckpointError
from vlsa.base.processes import any_rank, joined, num_processes
from vlsa.config import Config
from vlsa.data.clip import Batch, Dataset
from vlsa.data.loading.loader import TrainingClips, fingerprint, first_clips, training_batches
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.model.collectives import first_row, sum_over_processes
from vlsa.model.types import Losses
from vlsa.model.vlsa import CALIBRATION_CLIPS, VLSA
from vlsa.pretrain import checkpoint, oom
from vlsa.pretrain.interrupt import Stop, stop_on_interrupt
from vlsa.pretrain.metrics_log import MetricsLog, only_writer, require_place
from vlsa.pretrain.parallel import finish_gradients, spread, whole
from vlsa.pretrain.prefetch import fed
from vlsa.pretrain.preflight import require_pairs
from vlsa.pretrain.reporting import Evaluator, Report, Reporter
from vlsa.pretrain.resume_rules import require_same, require_steps_left, settings_to_go_on_with
from vlsa.pretrain.schedule import learning_rate
from vlsa.pretrain.step import Objective, backward
from vlsa.pretrain.throughput import Meter, ceiling
from vlsa.pretrain.trainer import Trainer, build_optimizer

Initialise = Callable[[VLSA, Tokenizer], tuple[str, ...]]
"""Puts weights from elsewhere into a fresh model; returns what `train.init` is to say of them."""

_LOG = logging.getLogger(__name__)


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


def pretrain(
    config: Config,
    source: Dataset,
    run_path: str | Path,
    *,
    tokenizer: Tokenizer | None = None,
    initialise: Initialise | None = None,
    evaluator: Evaluator | None = None,
    report: Report | None = None,
    device: torch.device | str | None = None,
    allow_changes: bool = False,
    trackers: Sequence[str] = (),
) -> RunSummary:
    """Train to the last step, going on from the run's newest checkpoint if there is one.

    `initialise` is called on the fresh model of a new run, after its inputs were calibrated; a run that goes on has its
    weights already. `allow_changes`: a run may go on with other settings than it was begun with. `trackers`: told of
    the numbers beside metrics.jsonl and TensorBoard. Under torchrun each process calls this, and they train one model.

    Ctrl-C ends after the step in hand, with a checkpoint. Raises ConfigError when the run was begun with other
    settings, a source of train.init does not fit, or a step does not fit into the GPU; CheckpointError when its newest
    checkpoint is damaged or of other clips, or another process trains the run; StoreError when there are fewer clips
    than a batch or none to match; VlsaError when the loss is no longer a number.
    """
    run_path = Path(run_path)
    require_place(run_path)
    require_pairs(source, config)
    with joined(device) as (ranks, device):
        saved = checkpoint.agreed(run_path)
        data = fingerprint(source)
        require_same(config, data, tokenizer)
        if saved:
            trainer = _resume(config, data, saved[-1], device, allow_changes)
        else:
            trainer = _start(config, source, data, tokenizer, initialise, device)
        clips = TrainingClips(source, trainer.config.model, trainer.config.train, trainer.tokenizer)
        resumed_from = trainer.step
        if ranks.num_restarts and ranks.main:
            _LOG.info("started again by torchrun (%d), after step %d", ranks.num_restarts, resumed_from)
        with (
            only_writer(run_path),
            checkpoint.unchanged(run_path, saved),
            MetricsLog(run_path, trainer.config, first_step=trainer.step, trackers=trackers) as journal,
            stop_on_interrupt() as stop,
        ):
            peak_flops = ceiling(device, trainer.model.precision)
            meter = Meter(trainer.config.model, device, num_ranks=num_processes(), peak_flops=peak_flops)
            _take_steps(trainer, clips, run_path, Reporter(journal, meter, report, evaluator), stop)
    train = trainer.config.train
    return RunSummary(run_path, trainer.step, train.num_steps, resumed_from, trainer.seconds, trainer.metrics)


def _take_steps(trainer: Trainer, clips: TrainingClips, run_path: Path, watch: Reporter, stop: Stop) -> None:
    """Steps from where the run is to its last one, or to a Ctrl-C, with a checkpoint there and now and then before."""
    train = trainer.config.train
    started = time.perf_counter()
    for batch, waited_seconds in fed(training_batches(clips, trainer.step, trainer.device), trainer.device):
        losses, norm = train_step(trainer, batch)
        trainer.step += 1
        watch.meter.step(waited_seconds, len(batch))
        watch.log(trainer, losses, norm)
        watch.evaluate(trainer)
        last = any_rank(stop.asked) or trainer.step == train.num_steps
        trainer.seconds += time.perf_counter() - started
        started = time.perf_counter()
        if last or trainer.step % train.checkpoint_every_steps == 0:
            trainer.guard.check()
            with watch.meter.paused():
                trainer.save(run_path)
        if last:
            return


def train_step(trainer: Trainer, batch: Batch) -> tuple[Losses, torch.Tensor]:
    """One update; returns the losses before it and the norm of the gradient. The device is not waited for.

    With several processes `batch` holds this one's clips, and the losses are its part of a sum.
    """
    train, model = trainer.config.train, trainer.model
    for group in trainer.optimizer.param_groups:
        group["lr"] = learning_rate(trainer.step, train)
    model.train()
    first, generator = first_row(len(batch)), step_generator(train.seed, trainer.step)
    noise = model.draw_noise(len(batch) * num_processes(), generator, (first, first + len(batch))).to(trainer.device)
    trainer.optimizer.zero_grad(set_to_none=True)
    try:
        losses = backward(trainer.objective, batch, noise, trainer.config.compute.chunk_size)
        norm = _update(trainer, batch.ids, losses)
    except torch.OutOfMemoryError as error:
        raise oom.too_much(trainer, batch, noise, error) from error
    return losses, norm


def _update(trainer: Trainer, ids: tuple[str, ...], losses: Losses) -> torch.Tensor:
    """WindowSpec the step that the gradients say, unless the guard forbids it; returns the gradient's norm."""
    finish_gradients(trainer.objective)
    largest_norm = trainer.config.train.gradient_clip or math.inf
    norm = whole(nn.utils.clip_grad_norm_(trainer.model.parameters(), largest_norm))
    loss = sum_over_processes(losses.total)
    trainer.optimizer.found_inf = trainer.guard.watch(trainer.step + 1, ids, loss, norm, losses.total)
    trainer.optimizer.step()
    trainer.model.matching.limit_scale()
    return norm


def step_generator(seed: int, step: int) -> torch.Generator:
    """The generator of a step's masks and re-pairings."""
    digest = hashlib.sha256(f"{seed}/{step}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def _start(
    config: Config,
    source: Dataset,
    data: str,
    tokenizer: Tokenizer | None,
    initialise: Initialise | None,
    device: torch.device,
) -> Trainer:
    tokenizer = tokenizer or learn_tokenizer(config, source)
    text = replace(config.model.text, vocabulary_size=tokenizer.vocabulary_size)
    config = replace(config, model=replace(config.model, text=text))
    _log_cut_captions(source, tokenizer, text.num_tokens)
    clips = TrainingClips(source, config.model, config.train, tokenizer)
    model = checkpoint.build_model(config, tokenizer).to(device)
    model.calibrate(first_clips(clips, CALIBRATION_CLIPS).to(device))
    assert bool(initialise) == bool(config.train.init), "train.init says where the first weights are from"
    if initialise:
        config = replace(config, train=replace(config.train, init=initialise(model, tokenizer)))
    objective = spread(Objective(model), config.compute, device)
    optimizer = build_optimizer(model, config)
    return Trainer(config, model, tokenizer, optimizer, data, spread_objective=objective)


def learn_tokenizer(config: Config, source: Dataset) -> Tokenizer:
    """A vocabulary from the words of the training clips."""
    # Clips without words train picture against sound; the vocabulary is then the special tokens and one letter.
    return Tokenizer.train(list(source.texts("train")) or ["a"], config.model.text.vocabulary_size)


def _log_cut_captions(source: Dataset, tokenizer: Tokenizer, num_tokens: int) -> None:
    """Say how many captions lose their end, once, when a run starts."""
    captions = list(source.texts("train"))
    if num_cut := tokenizer.num_cut(captions, num_tokens):
        _LOG.info(
            "%d of %d captions are longer than model.text.num_tokens=%d tokens and lose their end",
            num_cut,
            len(captions),
            num_tokens,
        )


def _resume(config: Config, data: str, path: Path, device: torch.device, allow_changes: bool) -> Trainer:
    model, tokenizer, saved = checkpoint.load_model(path)
    config = settings_to_go_on_with(config, saved, path, allow_changes=allow_changes)
    if config.model != saved.model:
        weights = model.state_dict()
        model = checkpoint.build_model(config, tokenizer)
        checkpoint.load_weights(model, weights, path)
    objective = spread(Objective(model.to(device)), config.compute, device)
    optimizer = build_optimizer(model, config)
    state = checkpoint.load_training(path, model, optimizer)
    require_steps_left(config, state.step, path)
    if state.data != data:
        raise CheckpointError(
            f"{path}: trained on other clips than these; the run would not be one experiment. "
            "Give the same --data, or another --out."
        )
    done = (state.data, state.step, state.seconds, state.first_loss)
    return Trainer(config, model, tokenizer, optimizer, *done, spread_objective=objective)
