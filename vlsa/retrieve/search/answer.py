"""The answer to a question from the vectors and texts of an index in memory: moments, best first, each with why.

Reads what asked.py, words.py and the tables of an index give; feeds the commands. The way through it: cosines of every
part with every window -> one score a window (combine.py) -> fused by rank with the windows in which the words occur ->
filter and quoted phrases -> moments (moments.py). Stand-outs are among all windows of the index, whatever the filter.
Axes: N windows, M texts, D width of a vector.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

from vlsa.config import num_shared
from vlsa.retrieve.index.words import normalised
from vlsa.retrieve.search.asked import Asked
from vlsa.retrieve.search.combine import Term, combine, fuse_by_rank
from vlsa.retrieve.search.moments import Found, Moment, Reason, Windows, extent, find_moments, make_moment
from vlsa.retrieve.search.question import Question
from vlsa.retrieve.search.stand_out import LEAST_ABOVE_CHANCE, Typical, nothing_stands_out
from vlsa.retrieve.search.texts import WindowTexts, of_windows


@dataclass(frozen=True, eq=False)
class Searched:
    """What a search reads of an index, as arrays. A row of zeros is a modality that a window does not have."""

    paths: tuple[str, ...]
    """By the number of the file."""
    windows: Windows
    vectors: Mapping[str, Float32[np.ndarray, "N D"]]
    """Columns media, video and audio."""
    text_places: Windows
    texts: tuple[str, ...]
    text_vectors: Float32[np.ndarray, "M D"]
    spaces: tuple[str, ...] = ("all",)
    languages: tuple[str | None, ...] = ()
    """Of the texts; empty = none is known."""

    @cached_property
    def read(self) -> WindowTexts:
        """The texts as they are read during the windows, made once."""
        plain = [normalised(text) for text in self.texts]
        return WindowTexts.of(plain, self.text_places, self.windows, self.languages or None)

    @cached_property
    def absent(self) -> Mapping[str, Bool[np.ndarray, " N"]]:
        """By column: which windows do not have that modality."""
        return {name: ~rows.any(axis=1) for name, rows in self.vectors.items()} | {
            "text": ~self.text_vectors.any(axis=1)
        }


@dataclass(frozen=True)
class Answer:
    """Moments, best first, and whether any of them stands out."""

    moments: tuple[Moment, ...]
    stands_out: bool
    """False: "nothing here stands out"; the moments are the least unlikely."""
    num_windows: int


def answer(
    searched: Searched,
    question: Question,
    asked: Sequence[Asked],
    *,
    words: Float[np.ndarray, " M"] | None = None,
    kept: Bool[np.ndarray, " N"] | None = None,
    margin: float = LEAST_ABOVE_CHANCE,
) -> Answer:
    """The k best moments. `words`: the full-text score of each text, nan = they do not occur; `kept`: the filter.

    margin: of stand-out above chance, below which nothing stands out.
    """
    literal = _literal(searched, question, words)
    meanings = _meanings(searched, asked)
    stand_out = _stand_out(searched, meanings)
    rankings = [scores for scores in (*meanings, literal) if not np.isnan(scores).all()]
    order = fuse_by_rank(rankings) if len(rankings) > 1 else rankings[0] if rankings else literal
    allowed = _allowed(searched, question, kept)
    found = find_moments(
        searched.windows,
        np.where(allowed, order, np.nan),
        question.k,
        group_by=question.group_by,
        max_per_file=question.max_per_file,
        fold_above=question.fold_above,
        vectors=_fold_vectors(searched) if question.fold_above is not None else None,
        strength=stand_out,
        words=literal,
    )
    reasons = {**_by_modality(searched, asked), "words": literal}
    moments = tuple(_moment(searched, one, rank, order, stand_out, reasons) for rank, one in enumerate(found, 1))
    best = max((moment.stand_out for moment in moments), default=np.nan)
    is_literal = any(not np.isnan(literal[one.best]) for one in found)
    stands_out = is_literal or not nothing_stands_out(best, int(np.sum(~np.isnan(stand_out))), margin)
    return Answer(moments, bool(moments) and stands_out, len(searched.windows))


def stand_outs(
    searched: Searched, question: Question, asked: Sequence[Asked], kept: Bool[np.ndarray, " N"] | None = None
) -> Float64[np.ndarray, " N"]:
    """How far each window stands out by its meaning; nan where it cannot be compared, or is not kept."""
    found = _stand_out(searched, _meanings(searched, asked))
    return np.where(_allowed(searched, question, kept), found, np.nan)


def answer_of_scores(
    searched: Searched, scores: Float[np.ndarray, " N"], k: int, kept: Bool[np.ndarray, " N"] | None = None
) -> Answer:
    """The k best moments by scores that are given; nan is no answer."""
    stand_out = Typical.of(scores).stand_out(scores)
    found = find_moments(searched.windows, scores if kept is None else np.where(kept, scores, np.nan), k)
    moments = tuple(_moment(searched, one, rank, scores, stand_out, {}) for rank, one in enumerate(found, 1))
    best = max((moment.stand_out for moment in moments), default=np.nan)
    stands_out = not nothing_stands_out(best, int(np.sum(~np.isnan(scores))))
    return Answer(moments, bool(moments) and stands_out, len(searched.windows))


def _meanings(searched: Searched, asked: Sequence[Asked]) -> list[Float64[np.ndarray, " N"]]:
    """The sum of all parts; where spaces share no scale, that in each of them. None when words alone are asked for."""
    groups: dict[tuple[int | None, str], list[Asked]] = {}
    for one in asked:
        groups.setdefault((one.space, "" if one.space is None else one.column), []).append(one)
    liked = [group for group in groups.values() if any(one.weight > 0 for one in group)]
    apart = [one for group in groups.values() if group not in liked for one in group]  # unlike, in a space of its own
    sums = [[*group, *apart] for group in liked] or ([apart] if apart else [])
    return [combine([Term(one.weight, _cosines(searched, one.column, one)) for one in group]) for group in sums]


def _stand_out(searched: Searched, meanings: Sequence[Float[np.ndarray, " N"]]) -> Float64[np.ndarray, " N"]:
    """Of each window, in the space where it stands out most."""
    each = [Typical.of(scores).stand_out(scores) for scores in meanings]
    return np.fmax.reduce(each) if each else np.full(len(searched.windows), np.nan)


def _cosines(searched: Searched, column: str, asked: Asked) -> Float64[np.ndarray, " N"]:
    """Of one part with each window; a window has the best of the texts during it."""
    rows = searched.text_vectors if column == "text" else searched.vectors[column]
    cosines = (rows @ asked.vector).astype(np.float64) / asked.num_spaces
    cosines[searched.absent[column]] = np.nan
    return of_windows(searched.text_places, cosines, searched.windows) if column == "text" else cosines


def _by_modality(searched: Searched, asked: Sequence[Asked]) -> dict[str, Float64[np.ndarray, " N"]]:
    """Cosines with what the answer should be like, by what they are compared with; of several parts their mean."""
    found = {}
    for column in ("video", "audio", "text"):
        liked = [one for one in asked if one.weight > 0 and column in _shown(one, searched)]
        if liked:
            total = sum(one.weight for one in liked)
            found[column] = sum(one.weight / total * _cosines(searched, column, one) for one in liked)
    return found


def _shown(asked: Asked, searched: Searched) -> tuple[str, ...]:
    """The columns that say why: the one compared with, and for video and audio together each of them that can be."""
    if asked.column != "media":
        return (asked.column,)
    return tuple(column for column in ("video", "audio") if num_shared(asked.modality, column, searched.spaces))


def _literal(
    searched: Searched, question: Question, words: Float[np.ndarray, " M"] | None
) -> Float64[np.ndarray, " N"]:
    """The score of the words that occur in each window; with phrases alone 1 where they do."""
    if question.target in ("video", "audio") and not question.phrases:
        return np.full(len(searched.windows), np.nan)
    return searched.read.scores(words, question.phrases)


def _allowed(searched: Searched, question: Question, kept: Bool[np.ndarray, " N"] | None) -> Bool[np.ndarray, " N"]:
    allowed = np.ones(len(searched.windows), bool) if kept is None else kept.copy()
    return allowed & searched.read.windows_with(question.phrases)


def _fold_vectors(searched: Searched) -> Float32[np.ndarray, "N D"]:
    """What near-duplicates are compared by: their frames and sound together, where there are any."""
    return np.concatenate([searched.vectors["video"], searched.vectors["audio"]], axis=1)


def _moment(
    searched: Searched,
    found: Found,
    rank: int,
    order: Float[np.ndarray, " N"],
    stand_out: Float[np.ndarray, " N"],
    reasons: Mapping[str, Float[np.ndarray, " N"]],
) -> Moment:
    place, best = searched.windows, found.best
    why = [
        Reason(name, int(1 + np.sum(scores > scores[best])), float(scores[best]))
        for name, scores in reasons.items()
        if not np.isnan(scores[best])
    ]
    above = stand_out[best]
    return make_moment(
        place,
        found,
        rank=rank,
        path=searched.paths[int(place.file[best])],
        score=float(order[best]),
        stand_out=0.0 if np.isnan(above) else float(above),
        why=why,
        texts=_texts(searched, found),
    )


def _texts(searched: Searched, found: Found) -> list[str]:
    """What is said or written during a moment."""
    start, stop = extent(searched.windows, found)
    file = searched.windows.file[found.best]
    shown = (searched.text_places.start_seconds < stop) & (searched.text_places.stop_seconds > start)
    rows = np.flatnonzero(shown & (searched.text_places.file == file))
    rows = rows[np.argsort(searched.text_places.start_seconds[rows], kind="stable")]
    return [*dict.fromkeys(searched.texts[row] for row in rows)]
