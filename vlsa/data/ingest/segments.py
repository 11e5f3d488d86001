"""Where the clips of one file begin and end: by caption rows, by subtitle cues, or by equal windows.

Pure functions of the file's length and its timed words; scan.py calls them. Times are seconds from the file's start,
rounded down to the millisecond, so that equal cuts get equal ids.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from vlsa.base.errors import ManifestError
from vlsa.data.ingest.captions import CaptionRow
from vlsa.data.ingest.manifest import TEXT_KINDS
from vlsa.data.media.subtitles import TimedText
from vlsa.data.media.transcripts import Word, said_between


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """What a cut has to respect."""

    file_seconds: float
    window_seconds: float
    shortest_seconds: float
    step_seconds: float | None = None
    """From the start of a window to the start of the next; None = a window, so that they do not overlap."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A stretch that becomes a clip; with a `reason`, one that cannot."""

    start_seconds: float | None
    """None only for a faulty cut that stands for the whole file."""
    stop_seconds: float | None
    texts: tuple[str, ...] = ()
    text_kind: str = TEXT_KINDS[0]
    split: str | None = None
    id: str | None = None
    """As the caption table names it."""
    reason: str = ""
    message: str = ""


def segment_seconds(model_seconds: float) -> float:
    """Length of an equal segment for a model that reads `model_seconds` at once: rounded up to half a second.

    The one rule of stores and indexes, so that both cut the same file at the same places.
    """
    return math.ceil(2 * model_seconds) / 2


def cut_windows(lengths: Lengths) -> list[Cut]:
    """Equal segments that cover the file, a step apart; a remainder below half a step joins the last one.

    A file under the shortest length is one faulty cut.
    """
    stop_of_file = floor_ms(lengths.file_seconds)
    if stop_of_file < lengths.shortest_seconds - 1e-6:
        needed = f"a clip needs {lengths.shortest_seconds:g} s. Leave it out, or give it a caption."
        message = f"only {stop_of_file:g} s long; {needed}"
        return [Cut(start_seconds=0.0, stop_seconds=stop_of_file, reason="too_short", message=message)]
    step_seconds = lengths.step_seconds or lengths.window_seconds
    num_more = max(math.floor((stop_of_file - lengths.window_seconds) / step_seconds + 0.5), 0)
    starts = [floor_ms(k * step_seconds) for k in range(num_more + 1)]
    stops = [floor_ms(k * step_seconds + lengths.window_seconds) for k in range(num_more)] + [stop_of_file]
    return [Cut(start_seconds=start, stop_seconds=stop) for start, stop in zip(starts, stops, strict=True)]


def cut_shots(lengths: Lengths, cuts_seconds: Sequence[float]) -> list[Cut]:
    """Equal segments of each shot as if it were a file, so that none goes across a cut of the video.

    A shot under the shortest length is a faulty cut.
    """
    end = floor_ms(lengths.file_seconds)
    inner = sorted({floor_ms(second) for second in cuts_seconds})
    edges = [0.0, *(second for second in inner if 0 < second < end), end]
    if len(edges) == 2:
        return cut_windows(lengths)
    return [
        _later(cut, start)
        for start, stop in itertools.pairwise(edges)
        for cut in cut_windows(replace(lengths, file_seconds=stop - start))
    ]


def _later(cut: Cut, seconds: float) -> Cut:
    assert cut.start_seconds is not None and cut.stop_seconds is not None
    times = {
        "start_seconds": floor_ms(cut.start_seconds + seconds),
        "stop_seconds": floor_ms(cut.stop_seconds + seconds),
    }
    return replace(cut, **times, message=cut.message and f"the shot from {seconds:g} s is {cut.message}")


def with_words(cuts: Iterable[Cut], words: Sequence[Word]) -> list[Cut]:
    """Cuts with what is said during each, so that each word is in one of them; where nothing is said they stay."""
    return [_with_words(cut, words) for cut in cuts]


def _with_words(cut: Cut, words: Sequence[Word]) -> Cut:
    text = "" if cut.reason else said_between(words, cut.start_seconds, cut.stop_seconds)
    return replace(cut, texts=(text,), text_kind="transcript") if text else cut


def cut_rows(rows: Sequence[CaptionRow], lengths: Lengths) -> list[Cut]:
    """Clips by rows of a caption table: as they stand if they have times, but short ones are widened as cues are.

    A row without times is parted as a long cue is.
    """
    cuts: list[Cut] = []
    for row in rows:
        start = 0.0 if row.start_seconds is None else row.start_seconds
        stop = lengths.file_seconds if row.stop_seconds is None else row.stop_seconds
        wanted = Cut(start_seconds=start, stop_seconds=stop, texts=(row.text,), split=row.split, id=row.id)
        cuts += _cut_span(wanted, lengths, may_part=row.stop_seconds is None)
    return _merge(cuts)


def cut_cues(cues: Iterable[TimedText], lengths: Lengths) -> list[Cut]:
    """Clips by subtitle cues; short ones are widened, ones over two windows are parted and each part keeps the text."""
    cuts: list[Cut] = []
    for cue in cues:
        wanted = Cut(start_seconds=cue.start_seconds, stop_seconds=cue.stop_seconds, texts=(cue.text,))
        cuts += _cut_span(wanted, lengths, may_part=True)
    return _merge(cuts)


def _cut_span(wanted: Cut, lengths: Lengths, may_part: bool) -> list[Cut]:
    faulty = _find_fault(wanted, lengths)
    if faulty:
        return [faulty]
    start, stop = _widen(wanted.start_seconds, min(wanted.stop_seconds, lengths.file_seconds), lengths)
    if not may_part or stop - start <= 2 * lengths.window_seconds:
        return [replace(wanted, start_seconds=floor_ms(start), stop_seconds=floor_ms(stop))]
    num_parts = round((stop - start) / lengths.window_seconds)
    edges = [floor_ms(start + (stop - start) * k / num_parts) for k in range(num_parts + 1)]
    return [replace(wanted, start_seconds=a, stop_seconds=b, id=None) for a, b in itertools.pairwise(edges)]


def _find_fault(wanted: Cut, lengths: Lengths) -> Cut | None:
    start, stop = wanted.start_seconds, wanted.stop_seconds
    if stop <= start:
        message = f"stops at {stop:g} s and starts at {start:g} s; nothing can be seen or heard. Fix its times."
        return replace(wanted, reason="zero_length", message=message)
    if start < 0 or start >= floor_ms(lengths.file_seconds):
        message = f"starts at {start:g} s, but the file lasts from 0 to {lengths.file_seconds:g} s. Fix its times."
        return replace(wanted, reason="outside", message=message)
    return None


def _widen(start: float, stop: float, lengths: Lengths) -> tuple[float, float]:
    """At least the shortest length around the same middle, as far as the file allows."""
    missing = lengths.shortest_seconds - (stop - start)
    if missing <= 0:
        return start, stop
    start = max(min(start - missing / 2, lengths.file_seconds - lengths.shortest_seconds), 0.0)
    return start, min(start + lengths.shortest_seconds, lengths.file_seconds)


def _merge(cuts: Iterable[Cut]) -> list[Cut]:
    """Equal stretches become one clip with several texts, in order of time. Faulty cuts stay as they are."""
    merged: dict[tuple[float, float], Cut] = {}
    faulty = []
    for cut in cuts:
        key = (cut.start_seconds, cut.stop_seconds)
        if cut.reason:
            faulty.append(cut)
        elif key not in merged:
            merged[key] = cut
        else:
            merged[key] = _join(merged[key], cut)
    return [merged[key] for key in sorted(merged)] + faulty


def _join(first: Cut, second: Cut) -> Cut:
    if first.split and second.split and first.split != second.split:
        raise ManifestError(
            f"captions of {first.start_seconds:g}-{first.stop_seconds:g} s: one row says split {first.split}, another "
            f"{second.split}; a clip in two splits would make scores worthless. Give both rows one split."
        )
    texts = dict.fromkeys(first.texts + second.texts)
    return replace(first, texts=tuple(texts), split=first.split or second.split, id=first.id or second.id)


def floor_ms(seconds: float) -> float:
    """Whole milliseconds; the small addition keeps 0.29 * 1000 = 289.99... from losing one."""
    return math.floor(seconds * 1000 + 1e-6) / 1000
