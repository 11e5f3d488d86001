"""Words that occur: quoted phrases as they stand, and which windows a text belongs to.

Reads subtitles, transcripts and captions with their own times; feeds combine.py, in which the windows where words occur
are one ranking and those that are alike in meaning another. Axes: N windows, M texts.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from vlsa.retrieve.index.words import normalised
from vlsa.retrieve.search.moments import Windows

_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Scripts that do not set spaces between words: Thai, Lao, Burmese, Khmer, Japanese and Chinese."""


def occurs(phrase: str, text: str) -> bool:
    """Whether the words of a phrase stand in a text, one after the other, whatever the case, accents and punctuation.

    A phrase starts and ends where words do, but in scripts without spaces.
    """
    return _pattern(phrase).search(normalised(text)) is not None


@lru_cache(maxsize=256)
def _pattern(phrase: str) -> re.Pattern[str]:
    words = normalised(phrase)
    if not words:
        return re.compile("(?!)")  # nothing
    before = "" if _UNSPACED.match(words[0]) else r"(?<!\w)"
    after = "" if _UNSPACED.match(words[-1]) else r"(?!\w)"
    return re.compile(before + re.escape(words) + after)


def rows_with(phrases: Sequence[str], texts: Sequence[str]) -> Bool[np.ndarray, " M"]:
    """Which texts have every phrase in them."""
    patterns = [_pattern(phrase) for phrase in phrases]
    found = (normalised(text) for text in texts)
    return np.array([all(pattern.search(text) for pattern in patterns) for text in found], bool)


def of_windows(texts: Windows, scores: Float[np.ndarray, " M"], windows: Windows) -> Float64[np.ndarray, " N"]:
    """The score of each window: that of the best text which is shown during it; nan where there is none.

    `texts` are where the M texts are; nan = no score. Times that only touch do not count.
    """
    best = np.full(len(windows), np.nan)
    by_time = np.lexsort((windows.start_seconds, windows.file))
    first = _bounds(windows, by_time)
    longest = float((windows.stop_seconds - windows.start_seconds).max(initial=0))
    for row in np.flatnonzero(~np.isnan(scores)):
        members = first.get(int(texts.file[row]))
        if members is not None:
            start, stop = float(texts.start_seconds[row]), float(texts.stop_seconds[row])
            near = _between(windows.start_seconds[members], start - longest, stop)
            shown = members[near][windows.stop_seconds[members[near]] > start]
            best[shown] = np.fmax(best[shown], scores[row])
    return best


def _bounds(windows: Windows, by_time: Int64[np.ndarray, " N"]) -> dict[int, Int64[np.ndarray, " n"]]:
    """The windows of each file, by time."""
    files, starts = np.unique(windows.file[by_time], return_index=True)
    return dict(zip(map(int, files), np.split(by_time, starts[1:]), strict=True))


def _between(ascending: Float[np.ndarray, " n"], low: float, high: float) -> slice:
    """Which of these are at least `low` and below `high`."""
    return slice(*map(int, np.searchsorted(ascending, [low, high])))
