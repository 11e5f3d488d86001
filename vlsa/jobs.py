"""One function a stage, with its progress on stderr: what the commands and the demo both do.

Reads settings and paths; calls data/, pretrain/, retrieve/ and serve/. Libraries are imported by the stage that needs
them, so that help and errors come at once.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlsa.config import Config
from vlsa.errors import ConfigError
from vlsa.logs import Bar, training_message
from vlsa.recipes import recipe
from vlsa.settings import override

if TYPE_CHECKING:
    from vlsa.data.loader import ClipSource
    from vlsa.data.shards import StoreSettings
    from vlsa.data.summary import PrepareSummary
    from vlsa.data.tokenizer import Tokenizer
    from vlsa.data.world.write import WorldSummary
    from vlsa.pretrain.loop import RunSummary
    from vlsa.retrieve.build import IndexSummary
    from vlsa.retrieve.evaluate import Evaluation, Evaluator
    from vlsa.serve.figures import Figures

BERT_NAME, BERT_SIZE = "bert-base-uncased", 30_522
SMALL_PICTURE_PX = 112
"""Pictures under this side are kept at the size that the model sees; larger ones an eighth larger."""
FRAMES_KEPT_PER_FRAME_SEEN = 4


def usable_cores() -> int:
    """How many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def settings_of(recipe_name: str, assignments: Sequence[str] = ()) -> Config:
    """A recipe with `a.b=c` changes. Raises ConfigError."""
    return override(recipe(recipe_name), list(assignments))


def store_settings(config: Config) -> "StoreSettings":
    """How to keep clips for a model: its picture size, sound rate and window, and frames to choose from."""
    from vlsa.data.shards import StoreSettings

    video, audio = config.model.video, config.model.audio
    window_seconds = math.ceil(2 * audio.window_seconds) / 2
    return StoreSettings(
        short_side_px=video.size_px if video.size_px < SMALL_PICTURE_PX else video.size_px * 8 // 7,
        frames_per_second=float(round(FRAMES_KEPT_PER_FRAME_SEEN * video.num_frames / window_seconds)),
        sample_rate_hz=audio.sample_rate_hz,
        window_seconds=window_seconds,
    )


def make_world(folder: Path, num_train: int, num_test: int, seed: int, num_workers: int) -> "WorldSummary":
    """Made footage. Raises ConfigError."""
    from vlsa.data.world.write import make_world

    with Bar("making clips") as bar:
        return make_world(
            folder, num_train=num_train, num_test=num_test, seed=seed, num_workers=num_workers, progress=bar.update
        )


def prepare(
    source: Path,
    store_path: Path,
    settings: "StoreSettings",
    *,
    test_share: float = 0.1,
    num_workers: int | None = None,
    restart: bool = False,
) -> "PrepareSummary":
    """A folder of media, or a manifest, into a clip store. Raises VlsaError."""
    from vlsa.data import manifest
    from vlsa.data.prepare import prepare

    rejections: list[manifest.Rejection] = []
    if source.is_file():
        rows = manifest.read(source)
    else:
        with Bar("looking through files") as bar:
            rows, rejections = manifest.from_folder(
                source,
                window_seconds=settings.window_seconds,
                test_share=test_share,
                num_workers=num_workers,
                progress=bar.update,
            )
    with Bar("preparing clips") as bar:
        return prepare(
            rows,
            store_path,
            settings,
            num_workers=num_workers,
            rejections=rejections,
            restart=restart,
            progress=bar.update,
        )


def open_clips(data: str | Path) -> "ClipSource":
    """A store made by `prepare`, or a made world that is rendered as it is read. Raises StoreError, ConfigError."""
    from vlsa.data.store import ClipStore
    from vlsa.data.world.source import PREFIX, WorldClips, WorldSpec

    return WorldClips(WorldSpec.parse(str(data))) if str(data).startswith(PREFIX) else ClipStore.open(data)


def pretrain(config: Config, data: str | Path, run_path: Path, vocabulary_path: Path | None = None) -> "RunSummary":
    """Train, or go on training. Raises VlsaError; KeyboardInterrupt with a message after a Ctrl-C."""
    from vlsa.pretrain.checkpoint import checkpoints

    clips = open_clips(data)
    tokenizer = None if checkpoints(run_path) else public_tokenizer(config, vocabulary_path)
    return train(config, clips, run_path, tokenizer=tokenizer, evaluator=_evaluator(clips))


def finetune(
    pretrained: Path,
    data: str | Path,
    run_path: Path,
    *,
    pairs: Sequence[str],
    num_epochs: int,
    batch_size: int,
    assignments: Sequence[str] = (),
) -> "RunSummary":
    """A pre-trained run goes on with contrast of some pairs of modalities, as a run of its own. Raises VlsaError."""
    from vlsa.pretrain.checkpoint import load_model
    from vlsa.pretrain.finetune import finetune_config, pairs_of, start_from

    clips = open_clips(data)
    _, tokenizer, before = load_model(pretrained)
    name, initialise = start_from(pretrained)
    num_clips = len(clips.rows("train"))
    config = finetune_config(before, num_clips, pairs_of(list(pairs)), num_epochs=num_epochs, batch_size=batch_size)
    config = override(replace(config, train=replace(config.train, init=(name,))), list(assignments))
    return train(config, clips, run_path, title="fine-tuning", tokenizer=tokenizer, initialise=initialise)


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


def public_tokenizer(config: Config, path: Path | None) -> "Tokenizer | None":
    """The vocabulary in a file, or BERT's if the settings ask for it; None = one is learned from the store's words.

    Raises ConfigError when it cannot be had.
    """
    from vlsa.data.tokenizer import Tokenizer

    if path is not None:
        return Tokenizer.from_vocabulary(path)
    return _bert_tokenizer() if config.model.text.vocabulary_size == BERT_SIZE else None


def _bert_tokenizer() -> "Tokenizer":
    import tokenizers

    from vlsa.data.tokenizer import Tokenizer

    try:
        backend = tokenizers.Tokenizer.from_pretrained(BERT_NAME)
    except Exception as error:  # tokenizers raises plain Exception for whatever goes wrong on the way to the hub
        reason = str(error).partition(".")[0].partition("\n")[0]
        raise ConfigError(
            f"vocabulary {BERT_NAME}: the Hugging Face hub cannot be reached ({reason}); this recipe reads its words "
            "with it. Give the published file with --vocabulary vocab.txt, or learn a vocabulary from the captions "
            "with --set model.text.vocabulary_size=8000."
        ) from error
    backend.no_padding()
    backend.no_truncation()
    return Tokenizer(backend)


def evaluate(
    run_path: Path,
    data: str | Path,
    split: str = "test",
    *,
    post: Sequence[str] = (),
    identical_captions_count: bool = False,
) -> "Evaluation":
    """Retrieval in seven directions, and after re-rankings that are named. Raises VlsaError."""
    from vlsa.retrieve.encoders import load
    from vlsa.retrieve.evaluate import evaluate_store
    from vlsa.retrieve.rerank import parse_posts

    parse_posts(post)  # before a model is loaded
    encoder, clips = load(run_path), open_clips(data)
    with Bar("encoding clips") as bar:
        return evaluate_store(
            encoder,
            clips,
            split,
            data=str(data),
            post=post,
            identical_captions_count=identical_captions_count,
            progress=bar.update,
        )


def index(
    run_path: Path, source: Path, index_path: Path, *, num_workers: int | None = None, restart: bool = False
) -> "IndexSummary":
    """A folder of media, or a clip store, into a search index. Raises VlsaError."""
    from vlsa.retrieve.build import build_index

    with Bar("indexing") as bar:
        return build_index(run_path, source, index_path, num_workers=num_workers, restart=restart, progress=bar.update)


def show(run_path: Path, data: str | Path, out: Path, *, split: str = "test", num_clips: int = 4) -> "Figures":
    """Pictures of what a model does, a page of answers, and numbers. Raises VlsaError."""
    from vlsa.retrieve.encoders import load
    from vlsa.serve.figures import write_figures

    encoder, clips = load(run_path), open_clips(data)
    with Bar("drawing figures") as bar:
        return write_figures(encoder, clips, out, data=str(data), split=split, num_clips=num_clips, progress=bar.update)
