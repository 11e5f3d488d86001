"""A run from settings and the name of a data set, with a progress bar: what `pretrain` and `finetune` start.

Opens the data set, finds the vocabulary and the first weights, then calls loop.py.
"""

import logging
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlsa.base.console import Bar, training_message
from vlsa.config import Config
from vlsa.config.idle import idle_settings
from vlsa.config.overrides import names_of
from vlsa.data.clip import Dataset
from vlsa.data.loading.dataset import open_dataset
from vlsa.data.loading.tokenizer import public_tokenizer
from vlsa.model.warm_start import Report, initialiser, read
from vlsa.pretrain import loop
from vlsa.pretrain.checkpoint import checkpoints
from vlsa.pretrain.finetune import batch_size_of, changed, finetune_config, pairs_of, require_new_run, start_from
from vlsa.pretrain.interrupt import Stopped
from vlsa.pretrain.loop import RunSummary
from vlsa.pretrain.preflight import require_pairs
from vlsa.pretrain.reporting import Evaluator
from vlsa.pretrain.trackers import require_trackers

MakeEvaluator = Callable[[Dataset], Evaluator | None]
"""Makes of a data set what scores its held-out clips, if it has any."""

_LOG = logging.getLogger(__name__)


def pretrain(
    config: Config,
    data: str | Path,
    run_path: Path,
    vocabulary_path: Path | None = None,
    *,
    make_evaluator: MakeEvaluator | None = None,
    init: Sequence[str] = (),
    on_initialised: Callable[[Report], None] | None = None,
    trackers: Sequence[str] = (),
    allow_changes: bool = False,
) -> RunSummary:
    """Train, or resume training.

    `make_evaluator`: of the data set; it scores held-out clips during training, if the settings ask for it. `init`:
    public checkpoints to initialise from; `on_initialised` is called with a report of it. `trackers`: where the metrics
    go too. `allow_changes`: an existing run resumes with other settings. Raises VlsaError; Stopped after Ctrl-C or
    SIGTERM.
    """
    require_trackers(trackers)
    clips = open_dataset(data)
    config = replace(config, train=replace(config.train, init=(*config.train.init, *init)))
    fresh = not checkpoints(run_path)
    return train(
        config,
        clips,
        run_path,
        tokenizer=public_tokenizer(config, vocabulary_path or _vocabulary(config.train.init)) if fresh else None,
        initialise=initialiser(config.train.init, on_initialised) if config.train.init else None,
        evaluator=make_evaluator(clips) if make_evaluator else None,
        trackers=trackers,
        allow_changes=allow_changes,
    )


def _vocabulary(sources: Sequence[str]) -> Path | None:
    """The vocabulary of the first source that brings word embeddings. Raises ConfigError, CheckpointError."""
    vocabularies = (source.vocabulary for source in map(read, sources) if source.family == "bert")
    return next((path for path in vocabularies if path), None)


def finetune(
    pretrained: Path,
    data: str | Path,
    run_path: Path,
    *,
    pairs: Sequence[str],
    num_epochs: int,
    batch_size: int,
    make_evaluator: MakeEvaluator | None = None,
    assignments: Sequence[str] = (),
    trackers: Sequence[str] = (),
    allow_changes: bool = False,
) -> RunSummary:
    """Train a pre-trained run on contrast of some pairs of modalities, as a new run.

    `make_evaluator`: as in `pretrain`. Raises VlsaError, Stopped.
    """
    require_trackers(trackers)
    require_new_run(Path(pretrained), Path(run_path))
    clips = open_dataset(data)
    name, tokenizer, before, initialise = start_from(pretrained)
    num_clips = len(clips.rows("train"))
    batch_size = batch_size_of(before, list(assignments), batch_size)
    config = finetune_config(before, num_clips, pairs_of(list(pairs)), num_epochs=num_epochs, batch_size=batch_size)
    config = changed(replace(config, train=replace(config.train, init=(name,))), list(assignments))
    log_idle(config, assignments)
    require_pairs(clips, config, all_of_them=True)
    return train(
        config,
        clips,
        run_path,
        title="fine-tuning",
        tokenizer=tokenizer,
        initialise=initialise,
        evaluator=make_evaluator(clips) if make_evaluator else None,
        trackers=trackers,
        allow_changes=allow_changes,
    )


def log_idle(config: Config, assignments: Sequence[str]) -> None:
    """A warning about settings that --set gives and that change nothing; the run goes on."""
    idle = idle_settings(config, sorted(names_of(config, assignments)))
    if idle:
        listed = ", ".join(f"{name} (with {reason})" for name, reason in idle.items())
        _LOG.warning("--set changes nothing: %s; leave it out, or change what it depends on", listed)


def train(config: Config, clips: Dataset, run_path: Path, *, title: str = "training", **how: Any) -> RunSummary:
    """The training loop with a progress bar; `how` goes to `vlsa.pretrain.loop.pretrain`. Raises as `pretrain`."""
    with Bar(title, keep_message=True) as bar:
        summary = loop.pretrain(
            config,
            clips,
            run_path,
            report=lambda step, num_steps, metrics: bar.update(step, num_steps, training_message(metrics)),
            **how,
        )
    if not summary.finished:
        message = f"stopped after step {summary.step} of {summary.num_steps}; the same command resumes"
        raise Stopped(message, summary.signal_number or signal.SIGINT)
    return summary
