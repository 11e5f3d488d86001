"""Moments written in the form that the name of a file asks for: .csv, .jsonl, .srt, .edl or .otio.

Reads moments; calls tables.py, edl.py and timeline.py. A subtitle file belongs to one media file, and an edit decision
list has one frame rate and at most 999 cuts: where there are several, each has a file of its own, with the media file,
or the rate and a number, in its name.
"""

import os
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

from vlsa.base.errors import VlsaError
from vlsa.base.files import write_atomically
from vlsa.retrieve.search.export import edl, tables, timeline
from vlsa.retrieve.search.export.clips import LeftOut, events
from vlsa.retrieve.search.export.names import check_free, plain_end
from vlsa.retrieve.search.moments import Moment

Text = dict[str, str]
"""What is written, by the part of the name that distinguishes the files; "" where there is one."""


def write_moments(
    moments: Sequence[Moment],
    out: Path,
    source: str | os.PathLike[str],
    title: str = "",
    left_out: LeftOut | None = None,
    *,
    replace: bool = False,
) -> list[Path]:
    """Write moments and return the files. Their paths are relative to `source`; `replace`: files may be there already.

    An edit list needs the media files: `left_out` is called with each moment whose file cannot be read. Raises
    MediaError without it, or if none can be; VlsaError for an ending that is not known, or a file that is there.
    """
    check_name(out)
    texts = FORMS[out.suffix.lower()](moments, source, title or out.stem, left_out)
    alone = len(texts) == 1
    paths = [out if alone else out.with_name(f"{out.stem}.{name}{out.suffix}") for name in texts]
    if not replace:
        check_free(paths)
    out.parent.mkdir(parents=True, exist_ok=True)
    for path, text in zip(paths, texts.values(), strict=True):
        write_atomically(path, text.encode("utf-8", errors="backslashreplace"))
    return paths


def check_name(out: Path) -> None:
    """Raises VlsaError for a name whose ending says no form."""
    if out.suffix.lower() not in FORMS:
        raise VlsaError(
            f"{out}: {out.suffix or 'no ending'!r} is no form of results; nothing was written. "
            f"End the name in one of {', '.join(FORMS)}."
        )


def _subtitles(moments: Sequence[Moment], source: str | os.PathLike[str], title: str, left_out: LeftOut | None) -> Text:
    paths = [*dict.fromkeys(moment.path for moment in moments)]
    names = {path: plain_end(path) for path in paths}
    if len({name.casefold() for name in names.values()}) < len(paths):  # one file to macOS and Windows
        names = {path: f"{number}_{name}" for number, (path, name) in enumerate(names.items(), 1)}
    return {names[path]: tables.subtitles([one for one in moments if one.path == path]) for path in paths} or {"": ""}


def _edit_lists(
    moments: Sequence[Moment], source: str | os.PathLike[str], title: str, left_out: LeftOut | None
) -> Text:
    found = {}
    for rate, lists in edl.edit_lists(events(moments, source, left_out), title).items():
        for number, text in enumerate(lists, 1):
            found[_rate_name(rate) + (f".{number}" if len(lists) > 1 else "")] = text
    return found or {"": f"TITLE: {title}\r\n"}


def _timeline(moments: Sequence[Moment], source: str | os.PathLike[str], title: str, left_out: LeftOut | None) -> Text:
    return {"": timeline.timeline_json(events(moments, source, left_out), title)}


def _rate_name(rate: Fraction) -> str:
    return f"{float(rate):.2f}".rstrip("0").rstrip(".") + "fps"


FORMS: dict[str, Callable[[Sequence[Moment], str | os.PathLike[str], str, LeftOut | None], Text]] = {
    ".csv": lambda moments, source, title, left_out: {"": tables.csv_text(moments)},
    ".jsonl": lambda moments, source, title, left_out: {"": tables.json_lines(moments)},
    ".srt": _subtitles,
    ".edl": _edit_lists,
    ".otio": _timeline,
}
"""What writes each form, by the ending of the name."""
