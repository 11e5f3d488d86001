"""Encode a split of a store and measure retrieval on it: what a model finds by words, by sound and by picture.

Reads a clip store and an encoder; feeds results.json, the training loop and serve/report.py. Rules and directions are
in directions.py, tables and files in results.py.
"""

import importlib.metadata
import platform
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vlsa.data.clip import ClipSource
from vlsa.data.manifest import Progress
from vlsa.errors import VlsaError
from vlsa.retrieve.directions import data_digest, evaluate_embeddings
from vlsa.retrieve.embed import ClipEmbeddings, ClipEncoder, embed_store
from vlsa.retrieve.encoders import VlsaEncoder
from vlsa.retrieve.rerank import Post, parse_posts
from vlsa.retrieve.results import (
    DIRECTIONS,
    TABLE_HEADER,
    DirectionResult,
    Evaluation,
    PostProcessed,
    direction_label,
)

__all__ = [
    "DIRECTIONS",
    "TABLE_HEADER",
    "DirectionResult",
    "Evaluation",
    "Evaluator",
    "PostProcessed",
    "direction_label",
    "evaluate_embeddings",
    "evaluate_store",
    "library_versions",
    "source_commit",
]

BANK_SPLIT = "train"
MOST_BANK = 10_000
"""Captions of the training split that make QB-Norm's bank; of more, so many at equal distances."""


def evaluate_store(
    encoder: ClipEncoder,
    store: ClipSource,
    split: str = "test",
    *,
    data: str = "",
    num_resamples: int = 1000,
    seed: int = 0,
    identical_captions_count: bool = False,
    post: Sequence[str] = (),
    progress: Progress | None = None,
) -> Evaluation:
    """Encode a split of a store and score all directions; `data` names it in the results (default: its path).

    `post`: re-rankings by name, as "dual-softmax", "qb-norm", or "sinkhorn:50" with a scale, in rows of their own.
    Raises VlsaError when the split holds fewer than two clips, or none with two modalities, or for an unknown
    re-ranking.
    """
    data = data or str(getattr(store, "path", "clips in memory"))
    posts = parse_posts(post)
    _require_clips(store, split, data)
    bank = _bank(encoder, store, split, data) if any(one.needs_bank for one in posts) else None
    embeddings = embed_store(encoder, store, split, progress=progress)
    options = {"num_resamples": num_resamples, "seed": seed, "identical_captions_count": identical_captions_count}
    directions = evaluate_embeddings(embeddings, **options)
    if not directions:
        raise VlsaError(
            f"{data}: no clip of split {split!r} has two of picture, sound and words; there is nothing to "
            "match. Add captions, or footage with sound."
        )
    return Evaluation(
        data=data, split=split, num_clips=len(embeddings), num_texts=len(embeddings.texts), directions=directions,
        seed=seed, identical_captions_count=identical_captions_count, model=dict(getattr(encoder, "about", {})),
        commit=source_commit(), versions=library_versions(), data_digest=data_digest(embeddings),
        post=tuple(_post_processed(one, embeddings, bank, options) for one in posts),
    )  # fmt: skip


def _require_clips(store: ClipSource, split: str, data: str) -> None:
    num_clips = len(store.rows(split))
    if num_clips < 2:
        raise VlsaError(
            f"{data}: split {split!r} holds {num_clips} clip(s); a ranking needs at least two. "
            "Choose another split, or prepare more footage."
        )


def _bank(encoder: ClipEncoder, store: ClipSource, split: str, data: str) -> np.ndarray:
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

    store: ClipSource
    split: str = "test"
    wrap: Callable[[Any, Any], ClipEncoder] = VlsaEncoder
    """Makes an encoder of model and tokenizer."""

    def __call__(self, model: Any, tokenizer: Any) -> dict[str, float]:
        """Retrieval on the split: "text_to_video/r10" -> share, "text_to_video/medr" -> rank, and so on."""
        embeddings = embed_store(self.wrap(model, tokenizer), self.store, self.split)
        flat = {}
        for name, result in evaluate_embeddings(embeddings, num_resamples=0).items():
            flat |= {f"{name}/r{k}": share for k, share in result.scores.recall.items()}
            flat[f"{name}/medr"] = result.scores.median_rank
        return flat


def source_commit() -> str | None:
    """Commit of the checkout that this code runs from, "+" added when it has changes; None for an installed package."""
    root = Path(__file__).resolve().parents[2]
    if _git(root, "rev-parse", "--show-toplevel") != str(root):  # installed inside somebody else's repository
        return None
    commit = _git(root, "rev-parse", "HEAD")
    return commit and commit + ("+" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that can move a number."""
    versions = {"python": platform.python_version()}
    for name in ("vlsa", "torch", "numpy", "av", "tokenizers"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
