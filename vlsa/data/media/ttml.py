"""TTML subtitles (.ttml, .dfxp, .itt, .xml): when each paragraph is shown, and its lines as they are written.

W3C's Timed Text Markup Language, with the times of broadcasters (frames, ticks, a programme that starts at 10:00:00).
Nothing outside of the file is loaded, and no entity is expanded. Pure functions of a file's text; used by
subtitles.py.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from xml.etree import ElementTree

NAMESPACE = re.compile(r"http://www\.w3\.org/(?:ns/ttml|2006/\d\d/ttaf1)")
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
ELEMENT = re.compile(r"<(?:[\w.-]+:)?([\w.-]+)[\s/>]")
SAMPLE_CHARACTERS = 8192
"""At the beginning of a file, in which its first element is."""
DEEPEST = 100
"""Elements in each other; more is no document of people."""
CLOCK_TIME = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2})(?:[.,](\d+)|:(\d+)(?:\.(\d+))?)?")
OFFSET_TIME = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|f|t|)")
UNIT_SECONDS = {"": 1.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
READINGS = ("text", "textContainer", "delimiter")
"""Of ruby: how the characters next to it are pronounced."""

Paragraph = tuple[float, float, tuple[str, ...]]
"""Start and stop in seconds, and lines."""


class UnreadableTtml(ValueError):
    """Not a document whose text can be read; the message says why, in a few words."""


@dataclass(frozen=True)
class _Clock:
    """What the times of a document mean."""

    frames_per_second: float
    """Counted, 30 for 29.97."""
    slowness: float
    """Seconds that last as long as one second of counted frames: 1.001 for 29.97."""
    frame_parts: float
    ticks_per_second: float
    counts_frames: bool
    """Times of the clock are numbers of frames (SMPTE)."""
    drops_frames: bool
    zero_seconds: float = 0.0

    def seconds(self, text: str) -> float:
        """A time. Raises ValueError."""
        text = text.strip()
        if match := OFFSET_TIME.fullmatch(text):
            unit_seconds = UNIT_SECONDS | {
                "f": self.slowness / self.frames_per_second,
                "t": 1 / self.ticks_per_second,
            }
            return float(match[1]) * unit_seconds[match[2]]
        match = CLOCK_TIME.fullmatch(text)
        if match is None:
            raise ValueError(text)
        hours, minutes, seconds = (int(match[group] or 0) for group in (1, 2, 3))
        whole = 3600 * hours + 60 * minutes + seconds
        if len(match[5] or "") == 3 and int(match[5]) >= self.frames_per_second:
            return whole + int(match[5]) / 1000  # as some programs write milliseconds
        frames = int(match[5] or 0) + int(match[6] or 0) / self.frame_parts
        if not self.counts_frames:
            return whole + float(f"0.{match[4] or 0}") + frames * self.slowness / self.frames_per_second
        dropped = 2 * (54 * hours + minutes - minutes // 10) if self.drops_frames else 0
        counted = whole * self.frames_per_second + frames - dropped
        return (counted / self.frames_per_second + float(f"0.{match[4] or 0}")) * self.slowness


@dataclass(frozen=True)
class _Span:
    """When an element is shown; its children count from its start."""

    start_seconds: float = 0.0
    stop_seconds: float = math.inf
    is_timed: bool = False
    """Some element around it, or itself, says when."""


def is_ttml(text: str) -> bool:
    """Whether a file's text, or its beginning, is that of a TTML document."""
    begin = text[:SAMPLE_CHARACTERS].lstrip("\ufeff \r\n\t")
    first = ELEMENT.search(COMMENT.sub("", begin))
    return begin.startswith("<") and first is not None and first[1] == "tt"


def begins_as_ttml(data: bytes) -> bool:
    """Whether a file that begins so, in whatever Unicode, is TTML: for names that do not say it (.xml)."""
    return NAMESPACE.search(data.replace(b"\0", b"").decode("ascii", "ignore")) is not None


def ttml_paragraphs(text: str) -> tuple[list[Paragraph], int]:
    """The paragraphs of a document by start time, and how many have a timing that cannot be read.

    One without an end is shown until the next begins. Raises UnreadableTtml.
    """
    root = _parsed(text)
    reader = _Reader(_clock_of(root))
    body = next((child for child in root if _name(child) == "body"), None)
    if body is not None:
        reader.read(body, _Span(), 0)
    found = sorted(reader.paragraphs, key=lambda paragraph: paragraph[:2])
    starts = sorted({start for start, _, _ in found})
    until = dict(pairwise([*starts, math.inf]))
    ended = [(start, until[start] if stop == math.inf else stop, lines) for start, stop, lines in found]
    whole = [paragraph for paragraph in ended if paragraph[1] < math.inf]
    return whole, reader.num_skipped + len(ended) - len(whole)


class _Reader:
    """Goes through a document; keeps its paragraphs."""

    def __init__(self, clock: _Clock) -> None:
        self._clock = clock
        self.paragraphs: list[Paragraph] = []
        self.num_skipped = 0

    def read(self, element: ElementTree.Element, around: _Span, depth: int) -> None:
        """Take up the paragraphs in an element. Raises UnreadableTtml: too many elements in each other."""
        self._read(element, around, around.start_seconds, depth)

    def _read(self, element: ElementTree.Element, around: _Span, begin_seconds: float, depth: int) -> _Span:
        """`begin_seconds`: from when on its times count."""
        if depth > DEEPEST:
            raise UnreadableTtml(f"more than {DEEPEST} elements in each other")
        try:
            span = self._span(element, around, begin_seconds)
        except ValueError:
            self.num_skipped += _has_text(element)
            return around
        if _name(element) in ("p", "span") and (_has_times(element) or not _has_timed_parts(element)):
            self._keep(element, span)
            return span
        is_sequence = element.get("timeContainer") == "seq"
        begin_seconds = span.start_seconds
        for child in element:
            if _name(child) in ("div", "p", "span"):
                inner = self._read(child, span, begin_seconds, depth + 1)
                begin_seconds = inner.stop_seconds if is_sequence and inner.stop_seconds < math.inf else begin_seconds
        return span

    def _span(self, element: ElementTree.Element, around: _Span, begin_seconds: float) -> _Span:
        """Raises ValueError for a time that cannot be read."""
        begin, end, duration = (self._seconds(element, name) for name in ("begin", "end", "dur"))
        start = begin_seconds + (begin or 0.0)
        stops = [around.stop_seconds]
        stops += [begin_seconds + end] if end is not None else []
        stops += [start + duration] if duration is not None else []
        return _Span(start, min(stops), around.is_timed or _has_times(element))

    def _seconds(self, element: ElementTree.Element, name: str) -> float | None:
        value = element.get(name)
        return None if value is None else self._clock.seconds(value)

    def _keep(self, element: ElementTree.Element, span: _Span) -> None:
        lines = tuple("".join(_pieces(element, 0)).split("\n"))
        if not any(line.strip() for line in lines):
            return
        if not span.is_timed:
            self.num_skipped += 1
            return
        start, stop = (max(time - self._clock.zero_seconds, 0.0) for time in (span.start_seconds, span.stop_seconds))
        self.paragraphs.append((start, stop, lines))


def _pieces(element: ElementTree.Element, depth: int) -> Iterator[str]:
    """The text in an element; only `br` breaks lines."""
    if depth > DEEPEST:
        raise UnreadableTtml(f"more than {DEEPEST} elements in each other")
    yield _on_one_line(element.text)
    for child in element:
        if _name(child) == "br":
            yield "\n"
        elif _name(child) == "span" and _attribute(child, "ruby", "") not in READINGS:
            yield from _pieces(child, depth + 1)
        yield _on_one_line(child.tail)


def _on_one_line(text: str | None) -> str:
    return (text or "").replace("\n", " ").replace("\r", " ")


def _has_text(element: ElementTree.Element) -> bool:
    return any(text.strip() for text in element.itertext())


def _has_times(element: ElementTree.Element) -> bool:
    return any(name in element.attrib for name in ("begin", "end", "dur"))


def _has_timed_parts(element: ElementTree.Element) -> bool:
    return any(_has_times(part) for part in element.iter() if part is not element and _name(part) == "span")


def _parsed(text: str) -> ElementTree.Element:
    if "<!ENTITY" in text:
        raise UnreadableTtml("it declares entities, which are not expanded")
    try:
        root = ElementTree.fromstring(text.lstrip("\ufeff \n\r\t"))
    except (ElementTree.ParseError, ValueError) as error:
        raise UnreadableTtml(str(error)) from error
    if _name(root) != "tt":
        raise UnreadableTtml(f"its root is {_name(root)[:40]!r}, not 'tt'")
    return root


def _clock_of(root: ElementTree.Element) -> _Clock:
    """Raises UnreadableTtml for numbers that are none."""
    try:
        rate = float(_attribute(root, "frameRate", "30"))
        multiplier = [float(part) for part in re.split(r"[\s:/]+", _attribute(root, "frameRateMultiplier", "1 1"))]
        frame_parts = float(_attribute(root, "subFrameRate", "1"))
        usual_ticks = rate * frame_parts if _attribute(root, "frameRate", "") else 1.0
        clock = _Clock(
            frames_per_second=rate,
            slowness=(multiplier[1] if len(multiplier) > 1 else 1.0) / multiplier[0],
            frame_parts=frame_parts,
            ticks_per_second=float(_attribute(root, "tickRate", str(usual_ticks))),
            counts_frames=_attribute(root, "timeBase", "media") == "smpte",
            drops_frames=_attribute(root, "dropMode", "nonDrop").startswith("dropNTSC"),
        )
        rates = (rate, clock.slowness, frame_parts, clock.ticks_per_second)
        if not all(0 < number < math.inf for number in rates):
            raise ValueError("a rate is not above 0")
        begins = next((each.text for each in root.iter() if _name(each) == "documentStartOfProgramme"), None)
        return replace(clock, zero_seconds=clock.seconds(begins)) if begins and clock.counts_frames else clock
    except (ValueError, ZeroDivisionError) as error:
        raise UnreadableTtml(f"its rates, or where it starts, cannot be read: {error}") from error


def _name(element: ElementTree.Element) -> str:
    """Without its namespace: there are five of them for the same words."""
    return element.tag.rpartition("}")[2]


def _attribute(element: ElementTree.Element, name: str, default: str) -> str:
    return next((value.strip() for key, value in element.items() if key.rpartition("}")[2] == name), default)
