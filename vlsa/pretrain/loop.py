"""The one training loop: every recipe, ablation and resumed run goes through `pretrain`.

Reads clips through data/loading/loader.py into a `VLSA`; writes the checkpoints that retrieve/ reads. A step is a
function of (weights, moments, settings, step number) alone: the order of clips, their augmentation and the masks all
follow from the seed and the step. So a run that was killed resumes from its last checkpoint and ends with the very
weights of an unbroken run (on a GPU except for the order in which attention sums its gradients).
Axes: B clips.
"""

import hashlib
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import torch
from torch import nn

from vlsa.base.processes import any_rank, first_row, joined, num_processes, sum_over_processes
from vlsa.config import Config
from vlsa.data.batch import Batch
from vlsa.data.clip import Dataset
from vlsa.data.loading.loader import TrainingClips, fingerprint, first_clips, training_batches
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.model.types import Losses
from vlsa.model.vlsa import CALIBRATION_CLIPS, VLSA
from vlsa.pretrain import checkpoint, oom
from vlsa.pretrain.acceleration import require_real
from vlsa.pretrain.interrupt import StopRequest, stop_on_signal
from vlsa.pretrain.metrics_log import MetricsLog, only_writer, require_place
from vlsa.pretrain.parallel import finish_gradients, initial_device, spread, whole
from vlsa.pretrain.prefetch import prefetch
from vlsa.pretrain.preflight import DataSummary, log_small_frames, require_pairs, without_unmatched_pairs
from vlsa.pretrain.reporting import Evaluator, Report, Reporter, log_no_evaluation
from vlsa.pretrain.resume_rules import (
    log_other_precision,
    require_same,
    require_same_clips,
    require_steps_left,
    settings_to_go_on_with,
)
from vlsa.pretrain.schedule import learning_rate, log_endless_warm_up
from vlsa.pretrain.step import Objective, backward
from vlsa.pretrain.throughput import ThroughputMeter, ceiling
from vlsa.pretrain.trainer import Trainer, build_optimizer

Initialise = Callable[[VLSA, Tokenizer], tuple[str, ...]]
"""Puts weights from elsewhere into a fresh model; returns what `train.init` is to record of them."""

CAPTIONS_AT_A_TIME = 100_000

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
    data: DataSummary
    signal_number: int = 0
    """The signal that stopped this call; 0 = none."""

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
    """Train to the last step, resuming from the run's newest checkpoint if there is one.

    `initialise` is called on the fresh model of a new run, after its inputs were calibrated. `allow_changes`: a run may
    resume with other settings than it was started with. `trackers`: what receives the metrics in addition to
    metrics.jsonl and TensorBoard. Under torchrun each process calls this, and they train one model.

    Ctrl-C or SIGTERM ends after the current step, with a checkpoint. Raises ConfigError for settings that are not those
    of the run, a source of train.init that does not fit, a batch without pairs, or a step too large for the GPU;
    CheckpointError when the newest checkpoint is damaged or of other clips, or another process trains the run;
    StoreError for fewer clips than a batch, or none to match; VlsaError when the loss diverges.
    """
    run_path = Path(run_path)
    require_place(run_path)
    facts = require_pairs(source, config)
    config = without_unmatched_pairs(config, facts)
    with joined(device) as (ranks, device):
        saved = checkpoint.agreed(run_path)
        facts.log(config)
        log_small_frames(source, config)
        log_endless_warm_up(config.train)
        log_no_evaluation(config.train, source, evaluator)
        trainer = _trainer(config, source, saved, tokenizer, initialise, device, allow_changes)
        resumed_from = trainer.step
        if ranks.num_restarts and ranks.main:
            _LOG.info("restarted by torchrun (%d), after step %d", ranks.num_restarts, resumed_from)
        stop = _run(trainer, source, run_path, saved, evaluator, report, trackers)
    num_steps = trainer.config.train.num_steps
    done = (trainer.step, num_steps, resumed_from, trainer.seconds, trainer.metrics)
    return RunSummary(run_path, *done, facts, stop.signal_number)


def _run(
    trainer: Trainer,
    source: Dataset,
    run_path: Path,
    saved: list[Path],
    evaluator: Evaluator | None,
    report: Report | None,
    trackers: Sequence[str],
) -> StopRequest:
    """The steps that are left, while no other process may train the run."""
    config = trainer.config
    clips = TrainingClips(source, config.model, config.train, trainer.tokenizer)
    with (
        only_writer(run_path),
        checkpoint.unchanged(run_path, saved),
        MetricsLog(run_path, config, first_step=trainer.step, trackers=trackers) as metrics_log,
        stop_on_signal() as stop,
    ):
        peak_flops = ceiling(trainer.device, trainer.model.precision)
        meter = ThroughputMeter(config.model, trainer.device, num_ranks=num_processes(), peak_flops=peak_flops)
        _take_steps(trainer, clips, run_path, Reporter(metrics_log, meter, report, evaluator), stop)
    return stop


def _take_steps(trainer: Trainer, clips: TrainingClips, run_path: Path, reporter: Reporter, stop: StopRequest) -> None:
    """Steps up to the last one, or to a signal, with checkpoints at that step and at intervals before."""
    train = trainer.config.train
    started = time.perf_counter()
    with training_batches(clips, trainer.step, trainer.device) as read:
        batches = require_real(trainer.config.compute, trainer.model, read)
        for batch, waited_seconds in prefetch(batches, trainer.device):
            losses, norm = train_step(trainer, batch)
            trainer.step += 1
            reporter.meter.step(waited_seconds, len(batch))
            reporter.log(trainer, losses, norm)
            reporter.evaluate(trainer)
            last = any_rank(stop.signal_number > 0) or trainer.step == train.num_steps
            trainer.seconds += time.perf_counter() - started
            started = time.perf_counter()
            if last or trainer.step % train.checkpoint_every_steps == 0:
                trainer.guard.check()
                with reporter.meter.paused():
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
    """Take the step that the gradients ask for, unless the guard forbids it; returns the norm of the gradient."""
    finish_gradients(trainer.objective)
    largest_norm = trainer.config.train.gradient_clip or math.inf
    norm = whole(nn.utils.clip_grad_norm_(trainer.model.parameters(), largest_norm))
    loss = sum_over_processes(losses.total)
    trainer.optimizer.found_inf = trainer.guard.observe(trainer.step + 1, ids, loss, norm, losses.total)
    trainer.optimizer.step()
    trainer.model.matching.limit_scale()
    return norm


def step_generator(seed: int, step: int) -> torch.Generator:
    """The generator of a step's masks and negative pairs."""
    digest = hashlib.sha256(f"{seed}/{step}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def _trainer(
    config: Config,
    source: Dataset,
    saved: list[Path],
    tokenizer: Tokenizer | None,
    initialise: Initialise | None,
    device: torch.device,
    allow_changes: bool,
) -> Trainer:
    """A run from its newest checkpoint, or a new one."""
    data = fingerprint(source)
    require_same(config, data, tokenizer)
    if saved:
        return _resume(config, data, saved[-1], device, allow_changes)
    return _start(config, source, data, tokenizer, initialise, device)


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
    uncached = replace(config.train, cache_gib=0.0)  # a few windows: the cache of the training is made later
    clips = TrainingClips(source, config.model, uncached, tokenizer)
    first_device = initial_device(config.compute, device)
    model = checkpoint.build_model(config, tokenizer).to(first_device)
    model.calibrate(first_clips(clips, CALIBRATION_CLIPS).to(first_device))
    assert bool(initialise) == bool(config.train.init), "train.init says where the first weights are from"
    if initialise:
        config = replace(config, train=replace(config.train, init=initialise(model, tokenizer)))
    objective = spread(Objective(model), config.compute, device)
    optimizer = build_optimizer(model, config)
    return Trainer(config, model, tokenizer, optimizer, data, spread_objective=objective)


def learn_tokenizer(config: Config, source: Dataset) -> Tokenizer:
    """A vocabulary from the captions of the training clips."""
    # Clips without text train video against audio; the vocabulary is then the special tokens and one letter.
    return Tokenizer.train(list(source.texts("train")) or ["a"], config.model.text.vocabulary_size)


def _log_cut_captions(source: Dataset, tokenizer: Tokenizer, num_tokens: int) -> None:
    """Say how many captions lose their end, once, when a run starts."""
    captions, num_captions, num_cut = source.texts("train"), 0, 0
    while some := list(islice(captions, CAPTIONS_AT_A_TIME)):
        num_captions += len(some)
        num_cut += tokenizer.num_cut(some, num_tokens)
    if num_cut:
        _LOG.info(
            "%d of %d captions are longer than model.text.num_tokens=%d tokens and lose their end",
            num_cut,
            num_captions,
            num_tokens,
        )


def _resume(config: Config, data: str, path: Path, device: torch.device, allow_changes: bool) -> Trainer:
    model, tokenizer, saved = checkpoint.load_model(path)
    require_same_clips(checkpoint.training_data(checkpoint.model_file(path)) or data, data, path)
    config = settings_to_go_on_with(config, saved, path, allow_changes=allow_changes)
    if config.model != saved.model:
        weights = model.state_dict()
        model = checkpoint.build_model(config, tokenizer)
        checkpoint.load_weights(model, weights, path)
    objective = spread(Objective(model), config.compute, device)
    optimizer = build_optimizer(model, config)
    state = checkpoint.load_training(path, model, optimizer)
    require_steps_left(config, state.step, path)
    done = (data, state.step, state.seconds, state.first_loss)
    trainer = Trainer(config, model, tokenizer, optimizer, *done, spread_objective=objective)
    log_other_precision(state.precision, trainer.precision, path)
    return trainer
