"""The answer to a question from the vectors and texts of an index in memory: moments, best first, each with why.

Reads what asked.py, words.py and the tables of an index give; feeds the commands. The way through it: cosines of every
part with every window (searched.py), or of a large index with candidates (candidates.py) -> one score a window
(scores.py), fused by rank with the windows in which the words occur -> filter and quoted phrases -> moments
(moments.py). Stand-outs are among all windows of the index, or a sample of them, whatever the filter.
Axes: N windows, n some of them, M texts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from vlsa.retrieve.search.asked import Asked
from vlsa.retrieve.search.candidates import MOST_EXACT, RANKED, candidates
from vlsa.retrieve.search.moments import Found, Moment, Reason, extent, find_moments, make_moment
from vlsa.retrieve.search.question import Question
from vlsa.retrieve.search.scores import Scores, Whole, scores_of
from vlsa.retrieve.search.searched import Cosines, Searched
from vlsa.retrieve.search.stand_out import LEAST_ABOVE_CHANCE, Typical, nothing_stands_out
from vlsa.retrieve.search.texts import of_windows


@dataclass(frozen=True)
class Answer:
    """Moments, best first, and whether any of them stands out."""

    moments: tuple[Moment, ...]
    stands_out: bool
    """False: "nothing here stands out"; the moments are the least unlikely."""
    num_windows: int
    notes: tuple[str, ...] = ()
    """What its filter names and no file has, where the filter keeps none; from a server also what was left out."""


def answer(
    searched: Searched,
    question: Question,
    asked: Sequence[Asked],
    *,
    words: Float[np.ndarray, " M"] | None = None,
    kept: Bool[np.ndarray, " N"] | None = None,
    margin: float = LEAST_ABOVE_CHANCE,
    exact: bool = False,
) -> Answer:
    """The k best moments. `words`: the full-text score of each text, nan = they do not occur; `kept`: the filter.

    margin: of stand-out above chance, below which nothing stands out. Of more than MOST_EXACT windows candidates alone
    are compared, unless `exact` is asked for, or too few answers are among them.
    """
    literal = _literal(searched, question, words)
    allowed = _allowed(searched, question, kept)
    if not exact and len(searched.windows) > MOST_EXACT:
        rows = candidates(searched, asked, literal, allowed)
        part, scores, found = _compared(searched, question, asked, literal, allowed, rows)
        if question.group_by == "file":  # whatever else answers in the best files
            files = np.isin(searched.windows.file, [part.windows.file[one.best] for one in found])
            rows = np.union1d(rows, np.flatnonzero(files & allowed))
            part, scores, found = _compared(searched, question, asked, literal, allowed, rows)
        if len(rows) >= np.count_nonzero(allowed) or _num_places(part, question, found) >= question.k:
            return replace(_answer(part, scores, found, margin), num_windows=len(searched.windows))
    scores = scores_of(Cosines(searched), asked, literal)
    return _answer(searched, scores, _found(searched, question, scores, allowed), margin)


def _compared(
    searched: Searched,
    question: Question,
    asked: Sequence[Asked],
    literal: Float64[np.ndarray, " N"],
    allowed: Bool[np.ndarray, " N"],
    rows: Int64[np.ndarray, " n"],
) -> tuple[Searched, Scores, list[Found]]:
    """Some windows, what they score, and the moments among them."""
    part = searched.at(rows)
    whole = Whole(Cosines(searched.sample), len(searched.windows), literal[~np.isnan(literal)], RANKED)
    scores = scores_of(Cosines(part), asked, literal[rows], whole)
    return part, scores, _found(part, question, scores, allowed[rows])


def stand_outs(
    searched: Searched, question: Question, asked: Sequence[Asked], kept: Bool[np.ndarray, " N"] | None = None
) -> Float64[np.ndarray, " N"]:
    """How far each window stands out by its meaning; nan where it cannot be compared, or is not kept."""
    found = scores_of(Cosines(searched), asked, np.full(len(searched.windows), np.nan)).stand_out
    return np.where(_allowed(searched, question, kept), found, np.nan)


def answer_of_scores(
    searched: Searched, scores: Float[np.ndarray, " N"], k: int, kept: Bool[np.ndarray, " N"] | None = None
) -> Answer:
    """The k best moments by scores that are given; nan is no answer."""
    stand_out, nothing = Typical.of(scores).stand_out(scores), np.full(len(scores), np.nan)
    given = Scores(scores, stand_out, nothing, int(np.sum(~np.isnan(scores))))
    found = find_moments(searched.windows, scores if kept is None else np.where(kept, scores, np.nan), k)
    return _answer(searched, given, found, LEAST_ABOVE_CHANCE)


def _found(searched: Searched, question: Question, scores: Scores, allowed: Bool[np.ndarray, " N"]) -> list[Found]:
    return find_moments(
        searched.windows,
        np.where(allowed, scores.order, np.nan),
        question.k,
        group_by=question.group_by,
        max_per_file=question.max_per_file,
        fold_above=question.fold_above,
        vectors=[*searched.vectors.values()],
        strength=scores.stand_out,
        words=scores.literal,
    )


def _num_places(searched: Searched, question: Question, found: Sequence[Found]) -> int:
    """How many of the k that are asked for there are."""
    if question.group_by != "file":
        return len(found)
    return len({int(searched.windows.file[one.best]) for one in found})


def _answer(searched: Searched, scores: Scores, found: Sequence[Found], margin: float) -> Answer:
    moments = tuple(_moment(searched, one, rank, scores) for rank, one in enumerate(found, 1))
    best = max((moment.stand_out for moment in moments), default=np.nan)
    is_literal = any(not np.isnan(scores.literal[one.best]) for one in found)
    stands_out = is_literal or not nothing_stands_out(best, scores.num_compared, margin)
    return Answer(moments, bool(moments) and stands_out, len(searched.windows))


def _literal(
    searched: Searched, question: Question, words: Float[np.ndarray, " M"] | None
) -> Float64[np.ndarray, " N"]:
    """The score of the words that occur in each window; with phrases alone 1 where they do."""
    if question.phrases:
        return searched.read.scores(words, question.phrases)
    if words is None or not any(map(question.finds_words, question.parts)):
        return np.full(len(searched.windows), np.nan)
    return of_windows(searched.text_places, words, searched.windows)


def _allowed(searched: Searched, question: Question, kept: Bool[np.ndarray, " N"] | None) -> Bool[np.ndarray, " N"]:
    allowed = np.ones(len(searched.windows), bool) if kept is None else kept
    return allowed & searched.read.windows_with(question.phrases) if question.phrases else allowed


def _moment(searched: Searched, found: Found, rank: int, scores: Scores) -> Moment:
    place, best = searched.windows, found.best
    why = [
        Reason(name, ranking.rank(best), float(ranking.scores[best]))
        for name, ranking in scores.reasons.items()
        if not np.isnan(ranking.scores[best])
    ]
    above = scores.stand_out[best]
    path = searched.paths[int(place.file[best])]
    return make_moment(
        place,
        found,
        rank=rank,
        path=path,
        score=float(scores.order[best]),
        stand_out=0.0 if np.isnan(above) else float(above),
        why=why,
        texts=_texts(searched, found),
        text_from=searched.text_from.get(path),
    )


def _texts(searched: Searched, found: Found) -> list[str]:
    """What is said or written during a moment."""
    start, stop = extent(searched.windows, found)
    places = searched.text_places
    rows = np.flatnonzero(places.file == searched.windows.file[found.best])
    rows = rows[(places.start_seconds[rows] < stop) & (places.stop_seconds[rows] > start)]
    rows = rows[np.argsort(places.start_seconds[rows], kind="stable")]
    return [*dict.fromkeys(searched.texts[row] for row in rows)]
