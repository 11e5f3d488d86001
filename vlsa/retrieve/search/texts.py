"""Words that occur: quoted phrases as they stand, and which windows a text belongs to.

Reads subtitles, transcripts and captions with their own times; feeds answer.py, in which the windows where words occur
are one ranking and those that are alike in meaning another.
Axes: N windows, M texts.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from vlsa.retrieve.search.moments import Windows

_LATIN_GREEK = "a-z\u00df-\u024f\u0250-\u02af\u0370-\u03ff\u1d00-\u1d7f\u1e00-\u1eff\u2c60-\u2c7f\ua720-\ua7ff"
_MARKED = re.compile(rf"([{_LATIN_GREEK}])[^\w\s]+")
_STRESSED = re.compile("(е)[\u0300\u0301\u0308]+|([аиоуыэюяєіѵ]\u0308?)[\u0300\u0301]+")
"""In Cyrillic the marks of stress, and the two dots of ё; other marks make other letters there, as in й and ї."""
_STRAY = re.compile(r"(?<!\S)[^\w\s]+")
"""Marks that stand on no letter."""
_INVISIBLE = re.compile("[\u034f\u180b-\u180f\u20d0-\u20ff\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Marks that choose a drawing of the sign before them, and those that enclose it."""
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Scripts that do not set spaces between words: Thai, Lao, Burmese, Khmer, Japanese and Chinese."""
_GAP = re.compile(f"(?<=[{_UNSPACED}]) ?(?=[{_UNSPACED}])")
_HOLDS_NEXT = "\u0e40-\u0e44\u0ec0-\u0ec4\u1039\u17d2"
"""Vowels written before their consonant (Thai, Lao), and signs that put the next consonant below (Burmese, Khmer)."""
_HELD_BY_LAST = "\u0e30\u0e32\u0e45\u0eb0\u0eb2"
"""Vowels written after their consonant that are letters to Unicode; the others are marks."""


class _Kept(dict[int, int | str | None]):
    """What becomes of a character: letters, marks and numbers stay, what has no width goes, all else is a gap."""

    def __missing__(self, code: int) -> int | str | None:
        category = unicodedata.category(chr(code))
        if category == "Cf" or _INVISIBLE.match(chr(code)):
            kept: int | str | None = None
        else:
            kept = code if category[0] in "LMN" else " "
        self[code] = kept
        return kept


_KEPT = _Kept()


def normalised(text: str) -> str:
    """A text as it is compared: lower case, one form of each letter, one space a gap.

    Latin and Greek letters have no accents, Cyrillic ones no stress, and ё is е. Marks of all other scripts are
    letters of their words and stay: the vowels of Hindi, Tamil and Thai, the points of Arabic and Hebrew.
    """
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).translate(_KEPT)
    plain = _STRESSED.sub(r"\1\2", _MARKED.sub(r"\1", _STRAY.sub("", apart)))
    return " ".join(unicodedata.normalize("NFKC", plain).split())


def occurs(phrase: str, text: str) -> bool:
    """Whether the words of a phrase stand in a text, one after the other, whatever the case, accents and punctuation.

    A phrase starts and ends where words do. In scripts without spaces no mark says where that is: there a phrase
    starts and ends at any letter, but never between a letter and its vowel signs, and spaces do not count.
    """
    return _pattern(phrase).search(normalised(text)) is not None


@lru_cache(maxsize=256)
def _pattern(phrase: str) -> re.Pattern[str]:
    words = normalised(phrase)
    if not words:
        return re.compile("(?!)")  # nothing
    unspaced = re.compile(f"[{_UNSPACED}]")
    before = f"(?<![{_HOLDS_NEXT}])" if unspaced.match(words[0]) else rf"(?<![^\s{_UNSPACED}])"
    after = rf"(?![^\w\s]|[{_HELD_BY_LAST}])" if unspaced.match(words[-1]) else rf"(?![^\s{_UNSPACED}])"
    return re.compile(before + " ?".join(map(re.escape, _GAP.split(words))) + after)


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
