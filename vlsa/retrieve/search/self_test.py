"""How many of the best windows does a search of this index find, and how fast? Candidates against all windows.

Reads the tables of an index; feeds `vlsa index --self-test`. Questions are vectors of the index itself, moved away by
noise as long as they are: of random windows, video with video and sound with sound, and of texts with video and sound
together. Axes: D width of a vector.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from vlsa.base.errors import VlsaError
from vlsa.retrieve.encode.unit_vectors import unit_length
from vlsa.retrieve.index.query import compared_with
from vlsa.retrieve.search.answer import Answer, answer
from vlsa.retrieve.search.asked import Asked
from vlsa.retrieve.search.candidates import MOST_EXACT
from vlsa.retrieve.search.products import widened
from vlsa.retrieve.search.question import Part, Question
from vlsa.retrieve.search.searched import Searched

K = 10
LEAST_RECALL = 0.95
HEADER = ("asked with", "questions", "recall@10", "ms, p50", "ms, p95", "exact: ms, p50", "ms, p95 ")
KINDS = {"video": "video", "audio": "audio", "text": "media"}
"""What is asked with, and what it is compared with."""


@dataclass(frozen=True)
class Tested:
    """Of the questions of one kind."""

    kind: str
    num_questions: int
    recall: float
    """Share of the ten best windows of all that are among the ten by candidates."""
    median_ms: float
    p95_ms: float
    exact_median_ms: float
    exact_p95_ms: float

    @property
    def passes(self) -> bool:
        return self.recall >= LEAST_RECALL

    def row(self) -> tuple[str, ...]:
        """As in HEADER."""
        times = (self.median_ms, self.p95_ms, self.exact_median_ms, self.exact_p95_ms)
        return self.kind, str(self.num_questions), f"{self.recall:.3f}", *(f"{taken:.1f}" for taken in times)


def self_test(searched: Searched, num_questions: int) -> list[Tested]:
    """What is measured, by kind. Raises VlsaError for an index without vectors."""
    found = []
    for kind in KINDS:
        questions = [*_questions(searched, kind, num_questions)]
        if questions:
            found.append(_tested(searched, kind, questions))
    if not found:
        raise VlsaError("self-test: the index holds no vectors; nothing can be asked. Add footage with `vlsa index`.")
    return found


def by_candidates(searched: Searched) -> bool:
    """Whether an index of that size is searched by candidates; smaller ones are compared as a whole."""
    return len(searched.windows) > MOST_EXACT


def _questions(searched: Searched, kind: str, count: int) -> Iterator[Asked]:
    try:
        column, num_spaces = compared_with(kind, KINDS[kind], searched.spaces)
    except VlsaError:  # there is no space of both
        return
    vectors = searched.text_vectors if kind == "text" else searched.vectors[kind]
    generator = np.random.default_rng(0)
    there = np.flatnonzero(searched.present[kind])
    for row in generator.choice(there, min(count, len(there)), replace=False):
        yield Asked(1.0, kind, column, _moved(widened(vectors[row : row + 1]), searched, generator), num_spaces)


def _moved(
    vectors: Float32[np.ndarray, "Q D"], searched: Searched, generator: np.random.Generator
) -> Float32[np.ndarray, "Q D"]:
    """Vectors and as much noise, of unit length in each space that they are in."""
    num_spaces = len(searched.spaces)
    noise = unit_length(generator.standard_normal(vectors.shape).astype(np.float32), num_spaces)
    in_spaces = vectors.reshape(len(vectors), num_spaces, -1).any(axis=2)
    return unit_length(vectors + noise * np.repeat(in_spaces, vectors.shape[1] // num_spaces, axis=1), num_spaces)


def _tested(searched: Searched, kind: str, questions: list[Asked]) -> Tested:
    question = Question(parts=(Part("text", kind),), k=K)
    fast, fast_ms = _timed(lambda asked: answer(searched, question, [asked]), questions)
    exact, exact_ms = _timed(lambda asked: answer(searched, question, [asked], exact=True), questions)
    shares = [len(one & other) / max(len(one), 1) for one, other in zip(exact, fast, strict=True)]
    times = [float(np.percentile(taken, share)) for taken in (fast_ms, exact_ms) for share in (50, 95)]
    return Tested(kind, len(questions), float(np.mean(shares)), *times)


def _timed(ask: Callable[[Asked], Answer], questions: list[Asked]) -> tuple[list[set[tuple[str, float]]], list[float]]:
    """The best windows of each question, and its milliseconds; after one to warm up."""
    ask(questions[0])
    found, taken = [], []
    for asked in questions:
        started = time.perf_counter()
        moments = ask(asked).moments
        taken.append(1e3 * (time.perf_counter() - started))
        found.append({(moment.path, moment.best_start_seconds) for moment in moments})
    return found, taken
