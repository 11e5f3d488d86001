"""Moments as rows: CSV for spreadsheets, JSON lines for programs, SRT for players. Feeds write.py."""

import csv
import io
import json
from collections.abc import Iterable, Sequence

from vlsa.retrieve.search.moments import Moment
from vlsa.retrieve.search.spans import clock

HEADER = ("rank", "path", "start", "stop", "start_seconds", "stop_seconds", "best_start_seconds", "best_stop_seconds")
HEADER += ("score", "stand_out", "why", "text")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(moments: Iterable[Moment]) -> str:
    """A table with a header, as RFC 4180 says. A text that a spreadsheet would run as a formula starts with a quote."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(HEADER)
    for moment in moments:
        why = "; ".join(f"{reason.modality} rank {reason.rank} ({reason.score:.3f})" for reason in moment.why)
        times = clock(moment.start_seconds), clock(moment.stop_seconds)
        seconds = moment.start_seconds, moment.stop_seconds, moment.best_start_seconds, moment.best_stop_seconds
        scores = f"{moment.score:.4f}", f"{moment.stand_out:.4f}"
        texts = _plain(moment.path), _plain(" / ".join(moment.texts))
        writer.writerow([moment.rank, texts[0], *times, *(f"{one:.3f}" for one in seconds), *scores, why, texts[1]])
    return file.getvalue()


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def json_lines(moments: Iterable[Moment]) -> str:
    """One object a line."""
    return "".join(json.dumps(moment.as_dict(), ensure_ascii=False) + "\n" for moment in moments)


def subtitles(moments: Sequence[Moment]) -> str:
    """The moments of one file as SubRip cues at their times in it: rank, stand-out, and the words there."""
    ordered = sorted(moments, key=lambda moment: (moment.start_seconds, moment.rank))
    return "\n".join(_cue(number, moment) for number, moment in enumerate(ordered, 1))


def _cue(number: int, moment: Moment) -> str:
    times = f"{_srt_time(moment.start_seconds)} --> {_srt_time(moment.stop_seconds)}"
    lines = [f"#{moment.rank} (stand-out {moment.stand_out:.1f})", *(" ".join(text.split()) for text in moment.texts)]
    shown = "\n".join(line for line in lines if line).replace("-->", "→")
    return f"{number}\n{times}\n{shown}\n"


def _srt_time(seconds: float) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d},{milliseconds:03d}"
