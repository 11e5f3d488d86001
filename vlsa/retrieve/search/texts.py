"""Words that occur: quoted phrases as they stand, and which windows a text belongs to.

Reads subtitles, transcripts and captions with their own times; feeds answer.py, in which the windows where words occur
are one ranking and those that are alike in meaning another.

A phrase may go on from one cue into the next. Cues of one file and one language are read as running text where each
starts and ends after the one before it, and comes at most JOINED_SECONDS after its end. A phrase occurs in a window
when at least one of the cues that hold a part of it is shown during that window; several phrases may stand in different
cues of a window. Axes: N windows, M texts, P texts that have words, in the order in which they are read.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from vlsa.retrieve.index.words import normalised
from vlsa.retrieve.search.windows import Windows

JOINED_SECONDS = 1.0
"""Longest pause between two cues that are read as one text."""
ROWS_AT_ONCE = 4096
"""Texts that are compared with windows at a time; it bounds the memory."""

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Scripts that do not set spaces between words: Thai, Lao, Burmese, Khmer, Japanese and Chinese."""
_GAP = re.compile(f"(?<=[{_UNSPACED}]) ?(?=[{_UNSPACED}])")
_HOLDS_NEXT = "\u0e40-\u0e44\u0ec0-\u0ec4\u1039\u17d2"
"""Vowels written before their consonant (Thai, Lao), and signs that put the next consonant below (Burmese, Khmer)."""
_HELD_BY_LAST = "\u0e30\u0e32\u0e45\u0eb0\u0eb2"
"""Vowels written after their consonant that are letters to Unicode; the others are marks."""


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


@dataclass(frozen=True, eq=False)
class WindowTexts:
    """The texts of an index as they are read, made once, and the windows during which they are shown."""

    windows: Windows
    places: Windows
    """Where the M texts are."""
    running: str
    """All texts; those read as one have a space between them, the others a line break."""
    starts: Int64[np.ndarray, " P"]
    """Where each text starts in that."""
    rows: Int64[np.ndarray, " P"]

    @classmethod
    def of(
        cls, texts: Sequence[str], places: Windows, windows: Windows, languages: Sequence[str | None] | None = None
    ) -> "WindowTexts":
        """From texts as `normalised` makes them."""
        runs = _runs(texts, places, languages or [None] * len(texts))
        lines = [" ".join(texts[row] for row in run) for run in runs]
        rows = np.array([row for run in runs for row in run], np.int64)
        lengths = np.array([len(texts[row]) + 1 for row in rows], np.int64)  # each with the space or break behind it
        return cls(windows, places, "\n".join(lines), np.cumsum(lengths) - lengths, rows)

    def windows_with(self, phrases: Sequence[str]) -> Bool[np.ndarray, " N"]:
        """The windows in which every phrase occurs."""
        found = np.ones(len(self.windows), bool)
        for phrase in phrases:
            spans = np.array([*_occurrences(_pattern(phrase), self.running)], np.int64).reshape(-1, 2)
            first = np.searchsorted(self.starts, spans[:, 0], "right") - 1
            stop = np.searchsorted(self.starts, spans[:, 1])
            steps = np.zeros(len(self.rows) + 1, np.int64)
            np.add.at(steps, first, 1)
            np.add.at(steps, stop, -1)
            holds = np.full(len(self.places), np.nan)
            holds[self.rows[np.cumsum(steps[:-1]) > 0]] = 1.0
            found &= ~np.isnan(of_windows(self.places, holds, self.windows))
        return found

    def scores(self, words: Float[np.ndarray, " M"] | None, phrases: Sequence[str] = ()) -> Float64[np.ndarray, " N"]:
        """The score of the words in each window, that of its best text; nan where they do not occur.

        With phrases: at least 1 in windows where every phrase occurs, nan in all others.
        """
        none = np.full(len(self.windows), np.nan)
        best = none if words is None else of_windows(self.places, words, self.windows)
        return np.where(self.windows_with(phrases), np.fmax(best, 1.0), np.nan) if phrases else best


def _runs(texts: Sequence[str], places: Windows, languages: Sequence[str | None]) -> list[list[int]]:
    """The rows that are read one after the other, by file, language and time; those without words are left out."""
    runs: list[list[int]] = []
    open_runs: dict[tuple[int, str | None], list[list[int]]] = {}
    for row in map(int, np.lexsort((places.stop_seconds, places.start_seconds, places.file))):
        if texts[row]:
            near = open_runs.setdefault((int(places.file[row]), languages[row]), [])
            near[:] = [
                run for run in near if places.start_seconds[row] <= places.stop_seconds[run[-1]] + JOINED_SECONDS
            ]
            before = [run for run in near if _follows(places, row, run[-1])]
            if before:
                max(before, key=lambda run: places.start_seconds[run[-1]]).append(row)
            else:
                near.append([row])
                runs.append(near[-1])
    return runs


def _follows(places: Windows, row: int, last: int) -> bool:
    """Whether a text starts and ends after another."""
    return bool(
        places.start_seconds[row] > places.start_seconds[last] and places.stop_seconds[row] > places.stop_seconds[last]
    )


def _occurrences(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    """Start and stop of every match, overlapping ones too."""
    found = pattern.search(text)
    while found:
        yield found.span()
        found = pattern.search(text, found.start() + 1)


def of_windows(texts: Windows, scores: Float[np.ndarray, " M"], windows: Windows) -> Float64[np.ndarray, " N"]:
    """The score of each window: that of the best text which is shown during it; nan where there is none.

    `texts` are where the M texts are; nan = no score. Times that only touch do not count.
    """
    best = np.full(len(windows), np.nan)
    rows = np.flatnonzero(~np.isnan(scores))
    if len(windows) and len(rows):
        before = windows.longest_seconds + 1.0  # a second more than any rounding
        latest = windows.period_seconds - before  # what lies behind all windows is shown in none
        for part in np.array_split(rows, 1 + len(rows) // ROWS_AT_ONCE):
            line = texts.file[part] * windows.period_seconds
            start = line + np.clip(texts.start_seconds[part], 0, latest) - before
            stop = line + np.clip(texts.stop_seconds[part], 0, latest) + 1.0
            row, window = _near(part, start, stop, windows.line)
            window = windows.by_time[window]
            shown = texts.file[row] == windows.file[window]
            shown &= windows.start_seconds[window] < texts.stop_seconds[row]
            shown &= windows.stop_seconds[window] > texts.start_seconds[row]
            np.fmax.at(best, window[shown], scores[row[shown]])
    return best


def _near(
    rows: Int64[np.ndarray, " m"],
    starts: Float64[np.ndarray, " m"],
    stops: Float64[np.ndarray, " m"],
    line: Float64[np.ndarray, " N"],
) -> tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " p"]]:
    """Pairs of a text and the place of a window on a line of times, all that share time among them.

    On the line the files are laid one after the other.
    """
    low, high = np.searchsorted(line, starts), np.searchsorted(line, stops)
    counts = high - low
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(rows, counts), np.repeat(low, counts) + within
