"""From a media file to what is said in it, some minutes at a time, so that a long file needs no more memory.

Reads files through decode.py and a model (speech_model.py); feeds transcribe.py, in whose processes it runs.
Axes: S samples.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
from jaxtyping import Float32

from vlsa.base.errors import MediaError
from vlsa.data.engine.workers import Heartbeat, patience_seconds
from vlsa.data.ingest.speech_model import RATE_HZ, Transcriber
from vlsa.data.media import decode
from vlsa.data.media.transcripts import Transcript, Word

STRETCH_SECONDS, QUIET_SECONDS = 120.0, 20.0
"""A stretch is heard at once; it ends where it is quietest in the last seconds of it, so that no word is cut."""
SHORTEST_SECONDS = 0.5
"""A rest of a file under this has no word in it."""
LOUDNESS_SECONDS = 0.3
PATIENCE_PER_SECOND = 60.0
"""A large model on a slow processor takes many times as long as the speech."""


def hear_file(path: str, transcriber: Transcriber, beat: Heartbeat) -> Transcript:
    """All words of a file. A stretch that cannot be decoded costs its own words, and is remarked on. Raises MediaError
    where nothing can be decoded.
    """
    beat(path, patience_seconds(path))
    facts = decode.probe(path)
    language, sure = None, 0.0
    words: list[Word] = []
    remarks: list[str] = []
    for start, sound in _stretches(facts, beat, remarks):
        beat(path, patience_seconds(path) + PATIENCE_PER_SECOND * STRETCH_SECONDS)
        heard = transcriber.hear(sound, language)
        words += (_later(word, start) for word in heard.words)
        if heard.words and language is None:
            language, sure = heard.language, heard.language_confidence
    return Transcript(_in_order(words, facts.audio_end_seconds or 0.0), language, sure, tuple(remarks))


def _stretches(
    facts: decode.MediaFacts, beat: Heartbeat, remarks: list[str]
) -> Iterator[tuple[float, Float32[np.ndarray, " S"]]]:
    """The sound of a file in stretches, each with its start in seconds; silent ones are left out."""
    start, end = 0.0, facts.audio_end_seconds or 0.0
    while end - start >= SHORTEST_SECONDS:
        stop = min(start + STRETCH_SECONDS, end)
        beat(facts.path, patience_seconds(facts.path, STRETCH_SECONDS))
        try:
            sound = _sound(facts, start, stop)
        except MediaError as error:
            remarks.append(str(error))
            sound = None
        if sound is not None:
            if stop < end:
                sound = sound[: _quietest(sound)]
                stop = start + len(sound) / RATE_HZ
            yield start, sound
        start = stop


def _sound(facts: decode.MediaFacts, start_seconds: float, stop_seconds: float) -> Float32[np.ndarray, " S"] | None:
    """None = nothing sounds there. Raises MediaError."""
    try:
        clip = decode.decode(
            facts.path,
            start_seconds,
            stop_seconds,
            frame_times_seconds=None,
            short_side_px=None,
            sample_rate_hz=RATE_HZ,
            facts=facts,
        )
    except MediaError as error:
        if error.reason == "nothing":
            return None
        raise
    return clip.sound


def _quietest(sound: Float32[np.ndarray, " S"]) -> int:
    """The sample in the last seconds around which the least sounds."""
    first = max(len(sound) - round(QUIET_SECONDS * RATE_HZ), 0)
    width = round(LOUDNESS_SECONDS * RATE_HZ)
    energy = np.concatenate([[0.0], np.cumsum(np.square(sound[first:], dtype=np.float64))])
    return first + int(np.argmin(energy[width:] - energy[:-width])) + width // 2


def _later(word: Word, seconds: float) -> Word:
    return replace(
        word,
        start_seconds=round(word.start_seconds + seconds, 3),
        stop_seconds=round(word.stop_seconds + seconds, 3),
    )


def _in_order(words: list[Word], end_seconds: float) -> tuple[Word, ...]:
    """Words inside the file, by time, none reaching into the next one."""
    inside = [word for word in words if word.text.strip() and 0 <= word.start_seconds < end_seconds]
    inside.sort(key=lambda word: word.start_seconds)
    ends = [*(after.start_seconds for _, after in pairwise(inside)), end_seconds]
    return tuple(
        replace(word, stop_seconds=max(min(word.stop_seconds, end), word.start_seconds))
        for word, end in zip(inside, ends, strict=True)
    )
