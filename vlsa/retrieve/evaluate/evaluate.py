"""Encode a split of a store and measure retrieval on it: by text, by audio and by video.

Reads a clip store and an encoder; feeds results.json, the training loop and show/report.py. Rules and directions are
in directions.py, tables and files in results.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vlsa.base.console import Bar
from vlsa.base.errors import VlsaError
from vlsa.base.files import Progress
from vlsa.base.versions import library_versions, source_commit
from vlsa.data.clip import Dataset
from vlsa.data.loading.dataset import open_dataset
from vlsa.retrieve.encode.doubts import log_small_frames, log_unfinished
from vlsa.retrieve.encode.embed import ClipEmbeddings, embed_store
from vlsa.retrieve.encode.encoders import VlsaEncoder, load
from vlsa.retrieve.encode.protocol import Encoder
from vlsa.retrieve.encode.sampling import COVERING, Sampling
from vlsa.retrieve.evaluate.directions import data_digest, evaluate_embeddings, evaluate_within
from vlsa.retrieve.evaluate.overlap import check_within, groups_of, overlap_of
from vlsa.retrieve.evaluate.rerank import Post, parse_posts
from vlsa.retrieve.evaluate.results import (
    DIRECTIONS,
    WATCHED,
    DirectionResult,
    Evaluation,
    PostProcessed,
    Within,
    direction_label,
)
from vlsa.retrieve.evaluate.results_file import require_place

__all__ = [
    "DIRECTIONS",
    "DirectionResult",
    "Evaluation",
    "Evaluator",
    "PostProcessed",
    "direction_label",
    "evaluate_embeddings",
    "evaluate_store",
]

BANK_SPLIT = "train"
MOST_BANK = 10_000
"""Captions of the training split that make QB-Norm's bank; of more, so many at equal distances."""


def evaluate_store(
    encoder: Encoder,
    store: Dataset,
    split: str = "test",
    *,
    data: str = "",
    num_resamples: int = 1000,
    seed: int = 0,
    identical_captions_count: bool = False,
    post: Sequence[str] = (),
    within: str | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Encode a split of a store and score all directions; `data` names it in the results (default: its path).

    `post`: re-rankings by name, as "dual-softmax", "qb-norm", or "sinkhorn:50" with a scale, in rows of their own.
    `within`: "folder" or "file", for further rows in which a query is ranked among the clips of its own one. Raises
    VlsaError when the split holds fewer than two clips, or none with two modalities, or for an unknown
    re-ranking.
    """
    data = data or str(getattr(store, "path", "clips in memory"))
    posts, commit = parse_posts(post), source_commit()  # of the code that runs, not of what replaces it meanwhile
    check_within(within)
    _require_clips(store, split, data)
    groups = groups_of(store, split, within, data) if within else []
    bank = _bank(encoder, store, split, data) if any(one.needs_bank for one in posts) else None
    embeddings = embed_store(encoder, store, split, progress=progress)
    options = {"num_resamples": num_resamples, "seed": seed, "identical_captions_count": identical_captions_count}
    directions = evaluate_embeddings(embeddings, **options)
    if not directions:
        raise VlsaError(
            f"{data}: no clip of split {split!r} has two of video, audio and text; there is nothing to "
            "match. Add captions, or footage with sound."
        )
    return Evaluation(
        data=data, split=split, num_clips=len(embeddings), num_texts=len(embeddings.texts), directions=directions,
        seed=seed, identical_captions_count=identical_captions_count, model=dict(encoder.about),
        commit=commit, versions=library_versions(), data_digest=data_digest(embeddings),
        post=tuple(_post_processed(one, embeddings, bank, options) for one in posts),
        within=_within(within, embeddings, groups, options) if within else None,
        overlap=overlap_of(embeddings, store, split),
    )  # fmt: skip


def _within(within: str, embeddings: ClipEmbeddings, groups: Sequence[np.ndarray], options: dict[str, Any]) -> Within:
    num_left_out = len(embeddings) - sum(map(len, groups))
    return Within(within, len(groups), num_left_out, evaluate_within(embeddings, groups, **options))


def _require_clips(store: Dataset, split: str, data: str) -> None:
    num_clips = len(store.rows(split))
    if num_clips < 2:
        raise VlsaError(
            f"{data}: split {split!r} holds {num_clips} clip(s); a ranking needs at least two. "
            "Choose another split, or prepare more footage."
        )


def _bank(encoder: Encoder, store: Dataset, split: str, data: str) -> np.ndarray:
    """Vectors of captions that are not of the split that is measured."""
    if split == BANK_SPLIT:
        raise VlsaError(
            f"{data}: qb-norm takes its bank from split {BANK_SPLIT!r}, which is the one to be measured; the captions "
            "would meet themselves. Choose another split, or another re-ranking."
        )
    texts = list(dict.fromkeys(store.texts(BANK_SPLIT)))
    if not texts:
        raise VlsaError(
            f"{data}: split {BANK_SPLIT!r} has no captions; qb-norm needs them as a bank of queries. "
            "Add captions, or leave --post qb-norm out."
        )
    chosen = np.linspace(0, len(texts) - 1, min(len(texts), MOST_BANK)).round().astype(int)
    return encoder.encode_text([texts[number] for number in chosen])


def _post_processed(
    post: Post, embeddings: ClipEmbeddings, bank: np.ndarray | None, options: dict[str, Any]
) -> PostProcessed:
    if post.needs_bank:  # its bank is of captions
        options = {**options, "query_modalities": ("text",)}
    directions = evaluate_embeddings(embeddings, rerank=post.rerank(bank), **options)
    return PostProcessed(post.name, post.parameters(0 if bank is None else len(bank)), directions)


@dataclass(frozen=True)
class Evaluator:
    """The training loop's evaluator: called with model and tokenizer, gives numbers. For watching, not for choosing."""

    store: Dataset
    split: str = "test"
    wrap: Callable[[Any, Any], Encoder] = VlsaEncoder
    """Makes an encoder of model and tokenizer."""

    def __call__(self, model: Any, tokenizer: Any) -> dict[str, float]:
        """Retrieval on the split: "text_to_video/r10" -> share, "text_to_video/medr" -> rank, and so on."""
        embeddings = embed_store(self.wrap(model, tokenizer), self.store, self.split)
        flat = {}
        for name, result in evaluate_embeddings(embeddings, num_resamples=0, names=WATCHED).items():
            flat |= {f"{name}/r{k}": share for k, share in result.scores.recall.items()}
            flat[f"{name}/medr"] = result.scores.median_rank
        return flat


def held_out_evaluator(dataset: Dataset) -> Evaluator | None:
    """Watches retrieval on clips that are not trained on, if there are any."""
    split = next((split for split in ("val", "test") if len(dataset.rows(split)) >= 2), None)
    return Evaluator(dataset, split) if split else None


def evaluate_run(
    run_path: Path,
    data: str | Path,
    split: str = "test",
    *,
    post: Sequence[str] = (),
    identical_captions_count: bool = False,
    within: str | None = None,
    out: Path | None = None,
    sampling: Sampling = COVERING,
) -> Evaluation:
    """Retrieval of a run in twelve directions, with a bar on stderr; written to `out`. Raises VlsaError."""
    parse_posts(post)  # before anything is loaded
    check_within(within)
    if out is not None:
        require_place(out)
    encoder, source = load(run_path, sampling=sampling), open_dataset(data)
    log_unfinished(encoder.about, "these are not the scores of the finished model")
    log_small_frames(encoder, source)
    options = {"data": str(data), "post": post, "identical_captions_count": identical_captions_count, "within": within}
    with Bar("encoding clips") as bar:
        evaluation = evaluate_store(encoder, source, split, progress=bar.update, **options)
    if out is not None:
        evaluation.write(out)
    return evaluation
