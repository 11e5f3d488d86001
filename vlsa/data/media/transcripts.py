"""What is said in a media file, word by word, as a model for speech heard it: kept as JSON, read as timed text.

Made by ingest/hearing.py; feeds scan.py and the index. Words carry their own leading space, as the model gives it, so
that languages without spaces are joined right.
"""

import itertools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlsa.base.files import read_json, write_atomically
from vlsa.data.media.subtitles import TimedText

FOLDER_NAME = "transcripts"
"""In a store or an index. Transcripts may be copied from one to another: their names say what they are of."""
FORMAT, VERSION = "vlsa-transcript", 1
LONGEST_PHRASE_SECONDS = 12.0
"""A phrase is a sentence, or what is said between two pauses; a longer one is parted."""
PAUSE_SECONDS = 0.8
"""Between two words; a longer one ends a phrase."""
SENTENCE_ENDS = (".", "?", "!", "…", "。", "？", "！", "।", "؟")


@dataclass(frozen=True, slots=True)
class Word:
    """A word that was heard. Seconds of the media file."""

    start_seconds: float
    stop_seconds: float
    text: str
    """With the space that stands before it."""
    confidence: float
    """From 0 to 1, as the model says it; not calibrated."""

    @property
    def middle_seconds(self) -> float:
        """The time that decides to which clip it belongs."""
        return (self.start_seconds + self.stop_seconds) / 2


@dataclass(frozen=True)
class Transcript:
    """All words of a file, by time."""

    words: tuple[Word, ...] = ()
    language: str | None = None
    """As ISO 639 names it: en. None where nothing is said."""
    language_confidence: float = 0.0
    remarks: tuple[str, ...] = ()
    """What could not be heard, and why."""


def said_between(words: Sequence[Word], start_seconds: float, stop_seconds: float) -> str:
    """What is said in a stretch: the words whose middle lies in it. So each word is in one of two that touch."""
    return joined([word for word in words if start_seconds <= word.middle_seconds < stop_seconds])


def joined(words: Sequence[Word]) -> str:
    """Words as a text."""
    return " ".join("".join(word.text for word in words).split())


def phrases(words: Sequence[Word]) -> list[TimedText]:
    """Sentences and phrases with their times, none longer than LONGEST_PHRASE_SECONDS unless a single word is."""
    return [
        TimedText(part[0].start_seconds, part[-1].stop_seconds, text)
        for part in _parted(words)
        if (text := joined(part)) and part[-1].stop_seconds > part[0].start_seconds
    ]


def _parted(words: Sequence[Word]) -> Iterator[list[Word]]:
    part: list[Word] = []
    for word, after in itertools.zip_longest(words, words[1:]):
        part.append(word)
        if after is None or _ends(part, after):
            yield part
            part = []


def _ends(part: Sequence[Word], after: Word) -> bool:
    is_pause = after.start_seconds - part[-1].stop_seconds > PAUSE_SECONDS
    is_sentence = part[-1].text.rstrip().endswith(SENTENCE_ENDS)
    is_long = after.stop_seconds - part[0].start_seconds > LONGEST_PHRASE_SECONDS
    return is_pause or is_sentence or is_long


def keep_transcript(path: Path, transcript: Transcript) -> None:
    """Write a transcript, all of it or nothing. Raises OSError."""
    words = [[word.start_seconds, word.stop_seconds, word.text, word.confidence] for word in transcript.words]
    value = {
        "format": FORMAT,
        "version": VERSION,
        "language": transcript.language,
        "language_confidence": transcript.language_confidence,
        "remarks": list(transcript.remarks),
        "words": words,
    }
    write_atomically(path, json.dumps(value, ensure_ascii=False).encode(errors="replace") + b"\n")


def kept_transcript(path: Path) -> Transcript | None:
    """The transcript that was kept; None where there is none, or it is damaged or of another version."""
    try:
        value = read_json(path)
        if (value["format"], value["version"]) != (FORMAT, VERSION):
            return None
        return _parsed(value)
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _parsed(value: dict[str, Any]) -> Transcript:
    """Raises ValueError or TypeError for what `keep_transcript` does not write."""
    words = tuple(Word(float(start), float(stop), text, float(sure)) for start, stop, text, sure in value["words"])
    texts = (*(word.text for word in words), *value["remarks"], value["language"] or "")
    times = [time for word in words for time in (word.start_seconds, word.stop_seconds)]
    if not all(isinstance(text, str) for text in texts) or not all(map(math.isfinite, times)):
        raise ValueError
    return Transcript(words, value["language"], float(value["language_confidence"]), tuple(value["remarks"]))
