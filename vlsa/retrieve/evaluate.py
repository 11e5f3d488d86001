"""Retrieval in six directions over one split: what a model finds by words, by sound and by picture.

Reads a clip store and an encoder; feeds results.json, the training loop and serve/report.py. Rules: each caption is a
query of its own; a clip as query takes the best rank among its captions; the gallery holds every item that has the
modality. The headline is over pairs where both sides exist; beside it stands the recall when every clip that lacks
one of the two counts as wrong.
"""

import importlib.metadata
import json
import platform
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vlsa.data.loader import ClipSource
from vlsa.data.manifest import Progress, write_atomically
from vlsa.errors import VlsaError
from vlsa.retrieve.embed import ClipEmbeddings, ClipEncoder, embed_store
from vlsa.retrieve.encoders import VlsaEncoder
from vlsa.retrieve.metrics import TIE_RULE, Positives, Scores, chance_ranks, ranks_of_embeddings, score

DIRECTIONS = {
    f"{query}_to_{item}": (query, item)
    for query, item in [
        ("text", "video"), ("text", "audio"), ("audio", "video"),
        ("video", "text"), ("audio", "text"), ("video", "audio"),
    ]
}  # fmt: skip
TABLE_HEADER = ("direction", "R@1 %", "R@5 %", "R@10 %", "MedR", "chance R@1/5/10 %", "chance MedR", "N", "Q")


def direction_label(direction: str) -> str:
    """As people read it: text_to_video becomes "text → video"."""
    return direction.replace("_to_", " → ")


@dataclass(frozen=True)
class DirectionResult:
    """One direction: the headline over pairs where both sides exist, and what stands beside it."""

    direction: str
    scores: Scores
    chance: Scores
    """What a model gets that gives every item one score, by the same tie rule."""
    num_missing: int
    """Further queries (captions, or clips) whose clip lacks one of the two modalities."""
    recall_missing_as_wrong: dict[int, float]
    """k -> recall over all queries when the missing ones count as wrong."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        missing = {f"r{k}": share for k, share in self.recall_missing_as_wrong.items()}
        all_queries = {"Q": self.scores.num_queries + self.num_missing, "missing_queries": self.num_missing, **missing}
        return {**self.scores.as_dict(), "chance": self.chance.as_dict(), "missing_counts_as_wrong": all_queries}

    def row(self) -> tuple[str, ...]:
        """Cells under TABLE_HEADER; recalls in percent."""
        chance = " / ".join(_percent(share) for share in self.chance.recall.values())
        ranks = (f"{self.scores.median_rank:g}", chance, f"{self.chance.median_rank:g}")
        size = (f"{self.scores.num_items:,}", f"{self.scores.num_queries:,}")
        return (direction_label(self.direction), *map(_percent, self.scores.recall.values()), *ranks, *size)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


@dataclass(frozen=True)
class Evaluation:
    """Everything that a number needs beside it: data, split, sizes, seed, rules, code and versions."""

    data: str
    split: str
    num_clips: int
    num_texts: int
    directions: dict[str, DirectionResult]
    """Directions in which no clip has both modalities are left out."""
    seed: int = 0
    """Seed of the bootstrap."""
    identical_captions_count: bool = False
    model: dict[str, Any] = field(default_factory=dict)
    """What the encoder says of itself: run, checkpoint, recipe, training seed, fingerprint."""
    commit: str | None = None
    versions: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The contents of results.json; recalls are shares in [0, 1]."""
        rules = {"tie_rule": TIE_RULE, "post_processing": "none", "interval": "95%, bootstrap over queries"}
        rules |= {"identical_captions_count": self.identical_captions_count}
        about = {"data": self.data, "split": self.split, "num_clips": self.num_clips, "num_texts": self.num_texts}
        code = {"seed": self.seed, "commit": self.commit, "versions": self.versions}
        results = {name: result.as_dict() for name, result in self.directions.items()}
        return {
            "format": "vlsa-results",
            "version": 1,
            **about,
            "model": self.model,
            **rules,
            **code,
            "directions": results,
        }

    def write(self, path: str | Path) -> None:
        """Write results.json whole or not at all."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, json.dumps(self.as_dict(), indent=2, ensure_ascii=False).encode() + b"\n")

    def rows(self) -> list[tuple[str, ...]]:
        """Table rows under TABLE_HEADER, as text; recalls in percent."""
        return [result.row() for result in self.directions.values()]

    def markdown(self) -> str:
        """The table in Markdown, with the line that says what was measured."""
        lines = ["| " + " | ".join(TABLE_HEADER) + " |", "|" + "---|" * len(TABLE_HEADER)]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows()]
        return "\n".join([*lines, "", self.caption()])

    def caption(self) -> str:
        """One line: data, split, gallery, tie rule, post-processing."""
        tied = sum(result.scores.num_tied for result in self.directions.values())
        return (
            f"{self.data}, split {self.split}: {self.num_clips:,} clips, {self.num_texts:,} captions; "
            f"ties by {TIE_RULE} ({tied} tied queries); no post-processing."
        )


@dataclass(frozen=True, eq=False)
class _Side:
    """The items of one modality: a vector and the row of the clip for each, and the words where it has them."""

    vectors: np.ndarray
    clip: np.ndarray
    texts: tuple[str, ...] | None = None


def _side(embeddings: ClipEmbeddings, modality: str) -> _Side:
    if modality == "text":
        return _Side(embeddings.text, embeddings.text_clip, embeddings.texts)
    present = np.flatnonzero(getattr(embeddings, f"has_{modality}"))
    return _Side(getattr(embeddings, modality)[present], present)


def evaluate_embeddings(
    embeddings: ClipEmbeddings, *, num_resamples: int = 1000, seed: int = 0, identical_captions_count: bool = False
) -> dict[str, DirectionResult]:
    """All six directions; one without a single pair is left out.

    With `identical_captions_count`, a caption that several clips share is right for each of them. Raises VlsaError
    when an embedding is not a finite number.
    """
    results = {}
    for direction, (query, item) in DIRECTIONS.items():
        sides = _side(embeddings, query), _side(embeddings, item)
        right = list(_right_items(*sides, embeddings if identical_captions_count else None))
        if any(right):
            results[direction] = _evaluate_direction(direction, *sides, right, num_resamples, seed)
    return results


def _right_items(queries: _Side, items: _Side, shared: ClipEmbeddings | None) -> Iterator[set[int]]:
    """For each query the right items: those of its clip, and those with the same words when words may be shared."""
    items_of_clip, items_of_text, clips_of_text = (defaultdict(set) for _ in range(3))
    for position, clip in enumerate(items.clip.tolist()):
        items_of_clip[clip].add(position)
    if shared:
        for text, clip in zip(shared.texts, shared.text_clip.tolist(), strict=True):
            clips_of_text[text].add(clip)
        for position, text in enumerate(items.texts or ()):
            items_of_text[text].add(position)
    for number, clip in enumerate(queries.clip.tolist()):
        clips = {clip} | (clips_of_text[queries.texts[number]] if queries.texts else set())
        own = set().union(*(items_of_clip[one] for one in clips))
        words = {items.texts[position] for position in own} if items.texts else set()
        yield own.union(*(items_of_text[text] for text in words))


def _evaluate_direction(
    direction: str, queries: _Side, items: _Side, right: list[set[int]], num_resamples: int, seed: int
) -> DirectionResult:
    answerable = np.array([bool(found) for found in right])
    positives = Positives.of_lists(found for found in right if found)
    ranks = ranks_of_embeddings(queries.vectors[answerable], items.vectors, positives)
    # A clip that has the item but no query at all counts as one missing query.
    num_missing = int((~answerable).sum()) + len(np.setdiff1d(items.clip, queries.clip))
    scores = score(ranks, num_resamples, seed)
    share = scores.num_queries / (scores.num_queries + num_missing)
    chance = score(chance_ranks(positives, len(items.vectors)))
    as_wrong = {k: recall * share for k, recall in scores.recall.items()}
    return DirectionResult(direction, scores, chance, num_missing, as_wrong)


def evaluate_store(
    encoder: ClipEncoder,
    store: ClipSource,
    split: str = "test",
    *,
    data: str = "",
    num_resamples: int = 1000,
    seed: int = 0,
    identical_captions_count: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Encode a split of a store and score all six directions; `data` names it in the results (default: its path).

    Raises VlsaError when the split holds fewer than two clips, or none with two modalities.
    """
    data = data or str(getattr(store, "path", "clips in memory"))
    num_clips = len(store.rows(split))
    if num_clips < 2:
        raise VlsaError(
            f"{data}: split {split!r} holds {num_clips} clip(s); a ranking needs at least two. "
            "Choose another split, or prepare more footage."
        )
    embeddings = embed_store(encoder, store, split, progress=progress)
    directions = evaluate_embeddings(
        embeddings, num_resamples=num_resamples, seed=seed, identical_captions_count=identical_captions_count
    )
    if not directions:
        raise VlsaError(
            f"{data}: no clip of split {split!r} has two of picture, sound and words; there is nothing to "
            "match. Add captions, or footage with sound."
        )
    return Evaluation(
        data=data, split=split, num_clips=len(embeddings), num_texts=len(embeddings.texts), directions=directions,
        seed=seed, identical_captions_count=identical_captions_count, model=dict(getattr(encoder, "about", {})),
        commit=source_commit(), versions=library_versions(),
    )  # fmt: skip


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
