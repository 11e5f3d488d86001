"""Training: pre-train and fine-tune on a store or a made world, with a bar on stderr."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlsa.config import Config
from vlsa.jobs.settings import public_tokenizer
from vlsa.logs import Bar, training_message

if TYPE_CHECKING:
    from vlsa.data.clip import ClipSource
    from vlsa.pretrain.loop import RunSummary
    from vlsa.pretrain.warm import WarmStart
    from vlsa.retrieve.evaluate import Evaluator


def open_clips(data: str | Path) -> "ClipSource":
    """A store made by `prepare`, or a made world that is rendered as it is read. Raises StoreError, ConfigError."""
    from vlsa.data.store import ClipStore
    from vlsa.data.world.source import PREFIX, WorldClips, WorldSpec

    return WorldClips(WorldSpec.parse(str(data))) if str(data).startswith(PREFIX) else ClipStore.open(data)


def pretrain(
    config: Config,
    data: str | Path,
    run_path: Path,
    vocabulary_path: Path | None = None,
    *,
    watch: bool = True,
    init: Sequence[str] = (),
    begun: "Callable[[WarmStart], None] | None" = None,
    trackers: Sequence[str] = (),
    allow_changes: bool = False,
) -> "RunSummary":
    """Train, or go on training.

    `watch`: with retrieval on held-out clips on the way, if the settings ask for it. `init`: public checkpoints to
    begin from; `begun` is told what was taken of them. `trackers`: where the numbers go too, "wandb" or "mlflow".
    `allow_changes`: a run that is there goes on with other settings. Raises VlsaError; KeyboardInterrupt with a message
    after a Ctrl-C.
    """
    from vlsa.pretrain.checkpoint import checkpoints
    from vlsa.pretrain.trackers import require_trackers
    from vlsa.pretrain.warm import initialiser

    require_trackers(trackers)
    clips = open_clips(data)
    config = replace(config, train=replace(config.train, init=(*config.train.init, *init)))
    fresh = not checkpoints(run_path)
    return train(
        config,
        clips,
        run_path,
        tokenizer=public_tokenizer(config, vocabulary_path or _vocabulary(config.train.init)) if fresh else None,
        initialise=initialiser(config.train.init, begun) if config.train.init else None,
        evaluator=_evaluator(clips) if watch else None,
        trackers=trackers,
        allow_changes=allow_changes,
    )


def _vocabulary(sources: Sequence[str]) -> Path | None:
    """The vocabulary of the first source that brings word embeddings. Raises ConfigError, CheckpointError."""
    from vlsa.model.warm_start import read

    wordy = (source.vocabulary for source in map(read, sources) if source.family == "bert")
    return next((path for path in wordy if path), None)


def finetune(
    pretrained: Path,
    data: str | Path,
    run_path: Path,
    *,
    pairs: Sequence[str],
    num_epochs: int,
    batch_size: int,
    assignments: Sequence[str] = (),
    trackers: Sequence[str] = (),
    allow_changes: bool = False,
) -> "RunSummary":
    """A pre-trained run goes on with contrast of some pairs of modalities, as a run of its own. Raises VlsaError."""
    from vlsa.pretrain.checkpoint import load_model
    from vlsa.pretrain.finetune import changed, finetune_config, pairs_of, start_from
    from vlsa.pretrain.needs import require_pairs
    from vlsa.pretrain.trackers import require_trackers

    require_trackers(trackers)
    clips = open_clips(data)
    _, tokenizer, before = load_model(pretrained)
    name, initialise = start_from(pretrained)
    num_clips = len(clips.rows("train"))
    config = finetune_config(before, num_clips, pairs_of(list(pairs)), num_epochs=num_epochs, batch_size=batch_size)
    config = changed(replace(config, train=replace(config.train, init=(name,))), list(assignments))
    require_pairs(clips, config, all_of_them=True)
    return train(
        config,
        clips,
        run_path,
        title="fine-tuning",
        tokenizer=tokenizer,
        initialise=initialise,
        trackers=trackers,
        allow_changes=allow_changes,
    )


def train(config: Config, clips: "ClipSource", run_path: Path, *, title: str = "training", **how: Any) -> "RunSummary":
    """The training loop with a bar; `how` goes to `vlsa.pretrain.loop.pretrain`. Raises as `pretrain`."""
    from vlsa.pretrain.loop import pretrain

    with Bar(title, keep_message=True) as bar:
        summary = pretrain(
            config,
            clips,
            run_path,
            report=lambda step, num_steps, metrics: bar.update(step, num_steps, training_message(metrics)),
            **how,
        )
    if not summary.finished:
        raise KeyboardInterrupt(f"stopped after step {summary.step} of {summary.num_steps}; the same command goes on")
    return summary


def can_measure(data: str | Path, split: str = "test") -> bool:
    """Whether a split holds enough clips to rank: two. Raises StoreError."""
    return len(open_clips(data).rows(split)) >= 2


def _evaluator(store: "ClipSource") -> "Evaluator | None":
    """Watches retrieval on the clips that training never sees, if there are any."""
    from vlsa.retrieve.evaluate import Evaluator

    split = next((split for split in ("val", "test") if len(store.rows(split)) >= 2), None)
    return Evaluator(store, split) if split else None
