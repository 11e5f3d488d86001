"""What is reported of a run: metrics at every tenth step, and scores on held-out clips when asked.

Used by loop.py, which launches steps without waiting for the device; what is reported here waits for it.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from vlsa.base.processes import sum_over_processes, wait_for_all
from vlsa.config import TrainConfig
from vlsa.data.clip import Dataset
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.model.geometry import geometry
from vlsa.model.types import Globals, Losses
from vlsa.model.vlsa import VLSA
from vlsa.pretrain.metrics_log import MetricsLog
from vlsa.pretrain.parallel import whole_model
from vlsa.pretrain.schedule import learning_rate
from vlsa.pretrain.throughput import ThroughputMeter
from vlsa.pretrain.trainer import Trainer

Evaluator = Callable[[VLSA, Tokenizer], dict[str, float]]
"""Scores of the model on held-out clips, by name."""
Report = Callable[[int, int, dict[str, float]], None]
"""Called with (steps done, steps in all, metrics of the step)."""

LOG_EVERY_STEPS = 10
TEACH = "global_teach_"
LOCAL_TERMS = ("local_video", "local_audio", "local_text")
"""In the order of `Losses.counts`."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reporter:
    """What receives the metrics, and the clock. Each method is called by all processes after each step."""

    metrics_log: MetricsLog
    meter: ThroughputMeter
    report: Report | None
    evaluator: Evaluator | None

    def log(self, trainer: Trainer, losses: Losses, norm: torch.Tensor) -> None:
        """The metrics of the first step, of every tenth and of the last. Raises VlsaError for a step gone bad."""
        num_steps = trainer.config.train.num_steps
        if trainer.step % LOG_EVERY_STEPS and trainer.step not in (1, num_steps):
            return
        trainer.guard.check()
        trainer.metrics = {
            **_on_host(values_of(losses)),
            "learning_rate": learning_rate(trainer.step - 1, trainer.config.train),
            **_on_host({"gradient_norm": norm, **trainer.model.matching.temperatures()}),
            **_on_host(geometry(losses.globals, trainer.model.config) if losses.globals else {}),
            **self.meter.rates(),
        }
        self.metrics_log.write(trainer.step, trainer.metrics)
        if self.report:
            self.report(trainer.step, num_steps, trainer.metrics)

    def evaluate(self, trainer: Trainer) -> None:
        """Scores on held-out clips, where it is time; rank 0 takes them and the others wait."""
        every = trainer.config.train.evaluate_every_steps
        if not (self.evaluator and every and trainer.step % every == 0):
            return
        trainer.guard.check()
        with self.meter.paused():
            model = whole_model(trainer.model, trainer.config, trainer.tokenizer)
            if model:
                self.metrics_log.write(trainer.step, self.evaluator(model, trainer.tokenizer))
            wait_for_all()


def values_of(losses: Losses) -> dict[str, torch.Tensor]:
    """The loss and its terms of the whole batch, by name; nan for a term that no clip or patch of it gives.

    Such a term is 0 in the sum. Contrast of one clip is 0 as well: there is nothing that it could be taken for.
    """
    values = {"loss": losses.total, **losses.terms}
    globals_, counts = losses.globals, losses.counts
    taught = [name.removeprefix(TEACH) for name in losses.terms if name.startswith(TEACH)]
    own = {name: _num_clips(name, globals_, taught) for name in losses.terms if globals_ and name.startswith("global")}
    summed = sum_over_processes(torch.stack([*values.values(), *own.values()]))
    num_clips = dict(zip(own, summed[len(values) :], strict=True))
    for name, value in zip(values, summed, strict=False):
        values[name] = value
        if name in num_clips:
            values[name] = value.masked_fill((value == 0) & (num_clips[name] < 2), math.nan)
        elif name in LOCAL_TERMS and counts is not None:
            values[name] = value.masked_fill(counts[LOCAL_TERMS.index(name)] == 0, math.nan)
    return values


def _num_clips(term: str, globals_: Globals, taught: Sequence[str]) -> torch.Tensor:
    """Clips of this process that a term of GAM compares: those that have all its modalities, or two that are taught."""
    has = globals_.present
    if term.startswith(TEACH):
        num_taught = torch.stack([has[name] for name in taught]).sum(dim=0)
        return (has[term.removeprefix(TEACH)] & (num_taught > 1)).sum().float()
    names = term.removeprefix("global_").split("_")[1:] or [*has]
    return torch.stack([has[name] for name in names]).all(dim=0).sum().float()


def log_no_evaluation(train: TrainConfig, source: Dataset, evaluator: Evaluator | None) -> None:
    """A warning where the settings ask for evaluations and nothing would evaluate."""
    if evaluator or not train.evaluate_every_steps:
        return
    is_held_out = any(len(source.rows(split)) >= 2 for split in ("val", "test"))
    reason = (
        "this command evaluates when the training is over; leave it out"
        if is_held_out
        else "neither split val nor test holds two clips to rank; hold some out, or leave it out"
    )
    _LOG.warning(
        "train.evaluate_every_steps=%d: no scores of held-out clips will be logged, since %s",
        train.evaluate_every_steps,
        reason,
    )


def _on_host(values: dict[str, torch.Tensor]) -> dict[str, float]:
    return {name: value.item() for name, value in values.items()}
