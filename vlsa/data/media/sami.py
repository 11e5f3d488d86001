"""SAMI subtitles (.smi, .sami): from each SYNC on its text is shown, in a class a language.

Of several languages one is read. Pure functions of a file's text; used by subtitles.py.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from vlsa.data.media.cue_ends import with_ends
from vlsa.data.media.markup import clean_text
from vlsa.data.media.rolling import Block

SYNC = re.compile(r"<sync\b([^<>]*)>", re.IGNORECASE)
START = re.compile(r"""\bstart\s*=\s*["']?\s*(-?\d{1,12})""", re.IGNORECASE)
"""Milliseconds."""
END = re.compile(r"""\bend\s*=\s*["']?\s*(\d{1,12})""", re.IGNORECASE)
PARAGRAPH = re.compile(r"<p\b([^<>]*)>", re.IGNORECASE)
CLASS = re.compile(r"""\bclass\s*=\s*["']?\s*([\w-]+)""", re.IGNORECASE)
BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
UNSHOWN = re.compile(r"<!--.*?-->|</sync\s*>", re.DOTALL | re.IGNORECASE)
STYLE = re.compile(r"\.([\w-]+)\s*\{([^{}]*)\}")
LANGUAGE = re.compile(r"\blang\s*:\s*([\w-]+)", re.IGNORECASE)
END_OF_BODY = re.compile(r"</(?:body|sami)\b", re.IGNORECASE)
EVERY_CLASS = ""
"""Of a paragraph without a class."""
ENGLISH = "en"


@dataclass(frozen=True)
class SamiText:
    """What a file says in one language."""

    blocks: list[Block]
    num_skipped: int
    """Texts without a time that can be read."""
    choice: str = ""
    """The language that is read, and those that are not, where there are several."""


def is_sami(text: str) -> bool:
    """Whether a text has a SYNC with a time."""
    return any(START.search(sync[1]) for sync in SYNC.finditer(text))


def sami_text(text: str, language: str | None = None) -> SamiText:
    """The cues of a file in one language: the wanted one (ISO 639) if it has it, else English, else the first."""
    syncs = list(_syncs(text))
    classes = dict.fromkeys(name for sync in syncs for name, lines in sync.paragraphs if any(map(clean_text, lines)))
    named = {name: _languages(text).get(name, name) for name in classes if name != EVERY_CLASS}
    chosen = _chosen(named, language)
    own = [_of_class(sync, chosen) for sync in syncs]
    shown = sorted((sync for sync in own if sync.paragraphs), key=lambda sync: sync.start_seconds)
    num_skipped = sum(math.isnan(sync.start_seconds) and _says(sync) for sync in shown)
    timed = [sync for sync in shown if not math.isnan(sync.start_seconds)]
    others = ", ".join(other for name, other in named.items() if name != chosen)
    choice = f"{named[chosen]} is read, and not {others}" if others else ""
    return SamiText(with_ends(list(_blocks(timed))), num_skipped, choice)


@dataclass(frozen=True)
class _Sync:
    """What is shown from a time on."""

    start_seconds: float
    """nan = not readable."""
    stop_seconds: float
    """inf = until the next."""
    paragraphs: tuple[tuple[str, tuple[str, ...]], ...]
    """Class and lines."""


def _syncs(text: str) -> Iterator[_Sync]:
    body = UNSHOWN.sub("", text[: end.start()] if (end := END_OF_BODY.search(text)) else text)
    marks = list(SYNC.finditer(body))
    for mark, after in pairwise([*marks, None]):
        assert mark is not None
        inner = body[mark.end() : after.start() if after is not None else len(body)]
        start, stop = START.search(mark[1]), END.search(mark[1])
        yield _Sync(
            max(int(start[1]) / 1000, 0.0) if start else math.nan,
            int(stop[1]) / 1000 if stop else math.inf,
            tuple(_paragraphs(inner)),
        )


def _paragraphs(inner: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    marks = list(PARAGRAPH.finditer(inner))
    first = inner[: marks[0].start()] if marks else inner
    if first.strip():
        yield EVERY_CLASS, _lines(first)
    for mark, after in pairwise([*marks, None]):
        assert mark is not None
        name = CLASS.search(mark[1])
        written = inner[mark.end() : after.start() if after is not None else len(inner)]
        yield name[1].lower() if name else EVERY_CLASS, _lines(written)


def _lines(written: str) -> tuple[str, ...]:
    """Lines are broken by tags alone."""
    return tuple(BREAK.split(written.replace("\n", " ")))


def _languages(text: str) -> dict[str, str]:
    """The language of each class, by the styles at the beginning: en-us."""
    styles = ((style[1].lower(), LANGUAGE.search(style[2])) for style in STYLE.finditer(text))
    return {name: language[1].lower() for name, language in styles if language}


def _chosen(named: dict[str, str], language: str | None) -> str:
    """The class to read."""
    for wanted in filter(None, (language, ENGLISH)):
        found = next((name for name, own in named.items() if own.partition("-")[0][:2] == wanted[:2]), None)
        if found is not None:
            return found
    return next(iter(named), EVERY_CLASS)


def _of_class(sync: _Sync, chosen: str) -> _Sync:
    return replace(sync, paragraphs=tuple(one for one in sync.paragraphs if one[0] in (chosen, EVERY_CLASS)))


def _says(sync: _Sync) -> bool:
    return any(clean_text(line) for _, lines in sync.paragraphs for line in lines)


def _blocks(syncs: list[_Sync]) -> Iterator[Block]:
    """Cues; what is blank ends the one before. Of SYNCs at one time each shows its text."""
    until = dict(pairwise([*sorted({sync.start_seconds for sync in syncs}), math.inf]))
    for sync in syncs:
        lines = tuple(line for _, lines in sync.paragraphs for line in lines)
        yield Block(sync.start_seconds, min(sync.stop_seconds, until[sync.start_seconds]), lines)
