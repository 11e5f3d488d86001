"""From scored windows to moments: windows of one file that answer together are one answer, with the best window inside.

Reads scores that are 0 for a typical window of the index (combine.py); feeds the commands and export/. A moment starts
as the best window that no moment has taken yet. It grows, window by window, over those of the same file that overlap or
touch it, as long as they score at least JOINED_ABOVE of its best one, in meaning or by the words that occur in them. A
window of which half or more lies in a better moment of its file never becomes one of its own, so moments of a file do
not repeat each other. Grouped by file, a file's moments are those that reach JOINED_ABOVE of its best window.
Axes: N windows of the index, D width of a vector, W of all columns together.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64

from vlsa.retrieve.search.products import Vectors, widened
from vlsa.retrieve.search.windows import Windows

JOINED_ABOVE = 0.6
"""Share of the best window's score from which a neighbour belongs to the moment."""
TOUCHING_SECONDS = 0.05
"""Windows with a smaller gap between them touch: times are kept in milliseconds."""

MOST_FOLDED = 1000
"""Moments, the best first, among which near-duplicates are looked for."""
SORTED_FIRST = 1024
"""Windows that are put in order before more are asked for."""


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
    text_from: str | None = None
    """Where the texts come from: table, sidecar, subtitles, or transcript, which a model has heard. None without."""
    num_folded: int = 0
    """Near-duplicates that this one stands for."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self) | {"why": [asdict(reason) for reason in self.why], "texts": [*self.texts]}


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
    vectors: Sequence[Vectors] = (),
    strength: Float[np.ndarray, " N"] | None = None,
    words: Float[np.ndarray, " N"] | None = None,
) -> list[Found]:
    """The k best moments, best first; nan = the window is no answer.

    Grouped by file these are the moments of the k best files: the file with the best one first, and the moments of a
    file together, as far as they answer. `fold_above` needs vectors, of one column or several: a moment whose best
    window has at least that cosine with the best window of a better moment is counted there, and takes no place.
    `strength` is what decides whether neighbours join, where scores are ranks; as the scores it is 0 for a typical
    window. So do `words`, the score of the words that occur in a window; nan = none do.
    """
    reasons = [scores if strength is None else strength, *([] if words is None else [words])]
    starts = ~np.isnan(scores)
    if group_by == "file":
        starts = _answering(windows, scores, reasons, k if fold_above is None else len(windows))
    found = _all_moments(windows, scores, reasons, starts)
    if fold_above is not None:
        assert vectors, "folding compares vectors"
        found = _folded(found, vectors, fold_above)
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
    windows: Windows, scores: Float[np.ndarray, " N"], reasons: Sequence[Float[np.ndarray, " N"]], num_files: int
) -> Bool[np.ndarray, " N"]:
    """Of the best files, the best window of each, and those that for one of the reasons come near to its best."""
    answering = np.zeros(len(windows), bool)
    there = windows.by_time[~np.isnan(scores[windows.by_time])]
    if not len(there):
        return answering
    firsts = np.flatnonzero(np.diff(windows.file[there], prepend=-1))
    sizes = np.diff(firsts, append=len(there))
    best = np.maximum.reduceat(scores[there], firsts)
    enough = np.partition(best, -num_files)[-num_files] if num_files < len(best) else -np.inf
    is_best = np.flatnonzero(scores[there] == np.repeat(best, sizes))
    is_first = np.flatnonzero(np.diff(windows.file[there[is_best]], prepend=-1))
    answering[there[is_best[is_first]]] = True
    for reason in reasons:
        most = np.fmax.reduceat(reason[there], firsts)
        least = np.repeat(np.where(most > 0, most * JOINED_ABOVE, np.inf), sizes)
        answering[there] |= reason[there] >= least
    answering[there] &= np.repeat(best >= enough, sizes)
    return answering


def _all_moments(
    windows: Windows,
    scores: Float[np.ndarray, " N"],
    reasons: Sequence[Float[np.ndarray, " N"]],
    starts: Bool[np.ndarray, " N"],
) -> Iterator[Found]:
    """Every moment whose best window is among `starts`, best first, made as they are asked for."""
    taken = np.isnan(scores)
    for best in _best_first(scores, windows.place, starts & ~taken):
        if not taken[best]:
            moment = _grown(windows, reasons, best, taken)
            taken[list(_covered(windows, moment))] = True
            yield moment


def _best_first(
    scores: Float[np.ndarray, " N"], place: Int64[np.ndarray, " N"], starts: Bool[np.ndarray, " N"]
) -> Iterator[int]:
    """The numbers of these windows, best first, equal scores by place. Only as many are sorted as are asked for."""
    rows, size = np.flatnonzero(starts), SORTED_FIRST
    while len(rows):
        least = np.partition(scores[rows], -size)[-size] if size < len(rows) else -np.inf
        head = rows[scores[rows] >= least]
        yield from map(int, head[np.lexsort((place[head], -scores[head]))])
        rows, size = rows[scores[rows] < least], 8 * size


def _grown(windows: Windows, reasons: Sequence[Float[np.ndarray, " N"]], best: int, taken: np.ndarray) -> Found:
    """The moment around a window."""
    least = [reason[best] * JOINED_ABOVE if reason[best] > 0 else np.inf for reason in reasons]
    members = [best]
    for step in (-1, 1):
        start, stop = windows.start_seconds[best], windows.stop_seconds[best]
        for other in windows.neighbours(best, step):
            answers = any(reason[other] >= enough for reason, enough in zip(reasons, least, strict=True))
            if taken[other] or not answers or not _touches(windows, other, start, stop):
                break
            members.append(other)
            start, stop = min(start, windows.start_seconds[other]), max(stop, windows.stop_seconds[other])
    return Found(best, tuple(sorted(members, key=lambda number: windows.start_seconds[number])))


def _touches(windows: Windows, number: int, start_seconds: float, stop_seconds: float) -> bool:
    return bool(
        windows.start_seconds[number] <= stop_seconds + TOUCHING_SECONDS
        and windows.stop_seconds[number] >= start_seconds - TOUCHING_SECONDS
    )


def _covered(windows: Windows, moment: Found) -> Iterator[int]:
    """The windows of a moment, and those that overlap it by half of their length or more."""
    yield from moment.windows
    start, stop = extent(windows, moment)
    for first, step in ((moment.windows[0], -1), (moment.windows[-1], 1)):
        for other in windows.neighbours(first, step):
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


def _folded(found: Iterator[Found], vectors: Sequence[Vectors], fold_above: float) -> Iterator[Found]:
    """Moments that are not near-duplicates of a better one, with how many they stand for.

    The best MOST_FOLDED are looked at before the first is yielded; those behind them are left as they are.
    """
    kept: list[Found] = []
    counts: list[int] = []
    directions = np.empty((MOST_FOLDED, sum(column.shape[1] for column in vectors)), np.float32)
    for moment in islice(found, MOST_FOLDED):
        direction = _direction(vectors, moment.best)
        cosines = directions[: len(kept)] @ direction
        nearest = int(np.argmax(cosines)) if kept else -1
        if kept and cosines[nearest] >= fold_above:
            counts[nearest] += 1
        else:
            directions[len(kept)] = direction
            kept.append(moment)
            counts.append(0)
    yield from (Found(one.best, one.windows, count) for one, count in zip(kept, counts, strict=True))
    yield from found


def _direction(vectors: Sequence[Vectors], row: int) -> Float32[np.ndarray, " W"]:
    """The vectors of a window as one of unit length; a window without a vector is like no other."""
    whole = np.concatenate([widened(column[row : row + 1])[0] for column in vectors])
    length = np.linalg.norm(whole)
    return whole / length if length else whole


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
    text_from: str | None = None,
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
        text_from=text_from if texts else None,
        num_folded=found.num_folded,
    )
