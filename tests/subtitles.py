"""Cues of a subtitle file as a list."""

from pathlib import Path

from vlsa.data.media.subtitles import TimedText, read_subtitle_file


def read_subtitles(path: str | Path) -> list[TimedText]:
    """By start time."""
    return list(read_subtitle_file(path).cues)
