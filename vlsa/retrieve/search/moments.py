"""From scored windows to moments: windows of one file that answer together are one answer, with the best window inside.

Reads scores that are 0 for a typical window of the index (combine.py); feeds the commands and export/. A moment starts
as the best window that no moment has taken yet. It grows, window by window, over those of the same file that overlap or
touch it, as long as they score at least JOINED_ABOVE of its best one, in meaning or by the words that occur in them. A
window of which half or more lies in a better moment of its file never becomes one of its own, so moments of a file do
not repeat each other. Grouped by file, a file's moments are those that reach JOINED_ABOVE of its best window.
Axes: N windows of the index.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64

JOINED_ABOVE = 0.6
"""Share of the best window's score from which a neighbour belongs to the moment."""
TOUCHING_SECONDS = 0.05
"""Windows with a smaller gap between them touch: times are kept in milliseconds."""

MOST_FOLDED = 1000
"""Moments, the best first, among which near-duplicates are looked for."""


@dataclass(frozen=True)
class Reason:
    """Why a moment is an answer: its place by one modality alone."""

    modality: str
    """video, audio, text (the meaning of its words), or words (that they occur)."""
    rank: int
    score: float
    """Cosine with the question; of words the score of the full-text search."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A stretch of a file that answers a question; moments come best first."""

    rank: int
    path: str
    start_seconds: float
    stop_seconds: float
    best_start_seconds: float
    """The window in it that answers best."""
    best_stop_seconds: float
    score: float
    """Comparable within one list only."""
    stand_out: float
    """How far the score lies above that of a typical window (stand_out.py)."""
    why: tuple[Reason, ...] = ()
    texts: tuple[str, ...] = ()
    """What is said or written there."""
    num_folded: int = 0
    """Near-duplicates that this one stands for."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self) | {"why": [asdict(reason) for reason in self.why], "texts": [*self.texts]}


@dataclass(frozen=True, eq=False)
class Windows:
    """Where the N windows of an index are."""

    file: Int64[np.ndarray, " N"]
    """A number for each file."""
    start_seconds: Float[np.ndarray, " N"]
    stop_seconds: Float[np.ndarray, " N"]

    def __len__(self) -> int:
        return len(self.file)


@dataclass(frozen=True)
class Found:
    """A moment as numbers of windows: the best one, and all that it holds, by time."""

    best: int
    windows: tuple[int, ...]
    num_folded: int = 0


def find_moments(
    windows: Windows,
    scores: Float[np.ndarray, " N"],
    k: int,
    *,
    group_by: str = "moment",
    max_per_file: int | None = None,
    fold_above: float | None = None,
    vectors: Float32[np.ndarray, "N D"] | None = None,
    strength: Float[np.ndarray, " N"] | None = None,
    words: Float[np.ndarray, " N"] | None = None,
) -> list[Found]:
    """The k best moments, best first; nan = the window is no answer.

    Grouped by file these are the moments of the k best files: the file with the best one first, and the moments of a
    file together, as far as they answer. `fold_above` needs vectors: a moment whose best window has at least that
    cosine with the best window of a better moment is counted there, and takes no place. `strength` is what decides
    whether neighbours join, where scores are ranks; as the scores it is 0 for a typical window. So do `words`, the
    score of the words that occur in a window; nan = none do.
    """
    reasons = [scores if strength is None else strength, *([] if words is None else [words])]
    starts = _answering(windows, scores, reasons) if group_by == "file" else ~np.isnan(scores)
    found = _all_moments(windows, scores, reasons, starts)
    if fold_above is not None:
        assert vectors is not None, "folding compares vectors"
        return _laid_out(windows, _folded(found, vectors, fold_above), k, group_by, max_per_file)
    return _laid_out(windows, found, k, group_by, max_per_file)


def _laid_out(windows: Windows, found: Iterator[Found], k: int, group_by: str, max_per_file: int | None) -> list[Found]:
    if group_by == "file":
        return _by_file(windows, found, k, max_per_file)
    most = max_per_file or len(windows)
    counts: Counter[int] = Counter()
    kept = []
    for moment in found:
        counts[file := int(windows.file[moment.best])] += 1
        if counts[file] <= most:
            kept.append(moment)
        if len(kept) == k:
            break
    return kept


def _by_file(windows: Windows, found: Iterator[Found], k: int, max_per_file: int | None) -> list[Found]:
    files: dict[int, list[Found]] = {}
    for moment in found:
        file = int(windows.file[moment.best])
        if file in files or len(files) < k:
            files.setdefault(file, []).append(moment)
    return [moment for moments in files.values() for moment in moments[:max_per_file]]


def _answering(
    windows: Windows, scores: Float[np.ndarray, " N"], reasons: Sequence[Float[np.ndarray, " N"]]
) -> Bool[np.ndarray, " N"]:
    """The best window of each file, and those that for one of the reasons come near to its best there."""
    there = np.flatnonzero(~np.isnan(scores))
    number = np.unique(windows.file[there], return_inverse=True)[1]
    order = np.lexsort((windows.start_seconds[there], -scores[there], number))
    answering = np.zeros(len(windows), bool)
    answering[there[order[np.unique(number[order], return_index=True)[1]]]] = True
    for reason in reasons:
        best = np.full(len(there), -np.inf)
        np.fmax.at(best, number, reason[there])
        least = np.where(best > 0, best * JOINED_ABOVE, np.inf)
        answering[there] |= reason[there] >= least[number]
    return answering


def _all_moments(
    windows: Windows,
    scores: Float[np.ndarray, " N"],
    reasons: Sequence[Float[np.ndarray, " N"]],
    starts: Bool[np.ndarray, " N"],
) -> Iterator[Found]:
    """Every moment whose best window is among `starts`, best first, made as they are asked for."""
    by_time = np.lexsort((windows.stop_seconds, windows.start_seconds, windows.file))
    place = np.empty(len(windows), np.int64)
    place[by_time] = np.arange(len(windows))
    taken = np.isnan(scores)
    order = np.lexsort((place, -scores))  # equal scores by file and time
    for best in order[starts[order]]:
        if not taken[best]:
            moment = _grown(windows, reasons, by_time, int(place[best]), taken)
            taken[list(_covered(windows, by_time, place, moment))] = True
            yield moment


def _grown(
    windows: Windows,
    reasons: Sequence[Float[np.ndarray, " N"]],
    by_time: Int64[np.ndarray, " N"],
    at: int,
    taken: np.ndarray,
) -> Found:
    """The moment around a window, which is `at` this place by time."""
    best = int(by_time[at])
    least = [reason[best] * JOINED_ABOVE if reason[best] > 0 else np.inf for reason in reasons]
    members = [best]
    for step in (-1, 1):
        start, stop = windows.start_seconds[best], windows.stop_seconds[best]
        for other in _neighbours(windows, by_time, at, step):
            answers = any(reason[other] >= enough for reason, enough in zip(reasons, least, strict=True))
            if taken[other] or not answers or not _touches(windows, other, start, stop):
                break
            members.append(other)
            start, stop = min(start, windows.start_seconds[other]), max(stop, windows.stop_seconds[other])
    return Found(best, tuple(sorted(members, key=lambda number: windows.start_seconds[number])))


def _neighbours(windows: Windows, by_time: Int64[np.ndarray, " N"], at: int, step: int) -> Iterator[int]:
    """Windows of the same file before or after a place by time, the nearest first."""
    file, place = windows.file[by_time[at]], at + step
    while 0 <= place < len(by_time) and windows.file[by_time[place]] == file:
        yield int(by_time[place])
        place += step


def _touches(windows: Windows, number: int, start_seconds: float, stop_seconds: float) -> bool:
    return bool(
        windows.start_seconds[number] <= stop_seconds + TOUCHING_SECONDS
        and windows.stop_seconds[number] >= start_seconds - TOUCHING_SECONDS
    )


def _covered(
    windows: Windows, by_time: Int64[np.ndarray, " N"], place: Int64[np.ndarray, " N"], moment: Found
) -> Iterator[int]:
    """The windows of a moment, and those that overlap it by half of their length or more."""
    yield from moment.windows
    start, stop = extent(windows, moment)
    for first, step in ((moment.windows[0], -1), (moment.windows[-1], 1)):
        for other in _neighbours(windows, by_time, int(place[first]), step):
            length = windows.stop_seconds[other] - windows.start_seconds[other]
            shared = min(windows.stop_seconds[other], stop) - max(windows.start_seconds[other], start)
            if shared <= 0:
                break
            if 2 * shared >= length:
                yield other


def extent(windows: Windows, moment: Found) -> tuple[float, float]:
    """Start and stop of a moment, seconds."""
    members = list(moment.windows)
    return float(windows.start_seconds[members].min()), float(windows.stop_seconds[members].max())


def _folded(found: Iterator[Found], vectors: Float32[np.ndarray, "N D"], fold_above: float) -> Iterator[Found]:
    """Moments that are not near-duplicates of a better one, with how many they stand for.

    The best MOST_FOLDED are looked at before the first is yielded; those behind them are left as they are.
    """
    kept: list[Found] = []
    counts: list[int] = []
    for moment in islice(found, MOST_FOLDED):
        cosines = _cosines(vectors[[one.best for one in kept]], vectors[moment.best]) if kept else np.zeros(0)
        nearest = int(np.argmax(cosines)) if kept else -1
        if kept and cosines[nearest] >= fold_above:
            counts[nearest] += 1
        else:
            kept.append(moment)
            counts.append(0)
    yield from (Found(one.best, one.windows, count) for one, count in zip(kept, counts, strict=True))
    yield from found


def _cosines(rows: Float32[np.ndarray, "n D"], one: Float32[np.ndarray, " D"]) -> Float32[np.ndarray, " n"]:
    """A window without a vector is like no other."""
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(one)
    return (rows @ one / np.where(lengths > 0, lengths, np.inf)).astype(np.float32)


def make_moment(
    windows: Windows,
    found: Found,
    *,
    rank: int,
    path: str,
    score: float,
    stand_out: float,
    why: Sequence[Reason] = (),
    texts: Sequence[str] = (),
) -> Moment:
    """The answer that is shown, from the numbers of windows."""
    start, stop = extent(windows, found)
    return Moment(
        rank=rank,
        path=path,
        start_seconds=start,
        stop_seconds=stop,
        best_start_seconds=float(windows.start_seconds[found.best]),
        best_stop_seconds=float(windows.stop_seconds[found.best]),
        score=score,
        stand_out=stand_out,
        why=tuple(why),
        texts=tuple(texts),
        num_folded=found.num_folded,
    )
