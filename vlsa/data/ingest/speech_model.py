"""A model that hears speech: faster-whisper, from a folder or the Hugging Face hub. Needs the extra `speech`.

Feeds hearing.py. Silero's voice detection, which faster-whisper has inside, goes first: what is no speech is not heard.
Axes: S samples at RATE_HZ.
"""

import functools
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from vlsa.base.errors import ConfigError
from vlsa.base.hub import checkpoint_folder
from vlsa.data.media.transcripts import Transcript, Word

RATE_HZ = 16_000
"""Of the sound that a model hears."""
WANTED = ("config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*")
NEEDED = (("config.json",), ("model.bin",), ("vocabulary.*",))
WAY_OF_HEARING = 1
"""Goes up when the same model would write other words."""
EDGE_BYTES = 1 << 20
MOST_COMPRESSED = 5.0
"""Of a text by zlib; a higher ratio is a loop of the model. Of a verse that is sung four times it is about 3."""
LEAST_LOG_PROBABILITY = -1.0
"""Of a token on average, Whisper's own bound: below it the model is making up."""


@runtime_checkable
class Transcriber(Protocol):
    """Hears what is said."""

    def hear(self, sound: Float32[np.ndarray, " S"], language: str | None) -> Transcript:
        """The words in some minutes of sound at RATE_HZ, in seconds from its start. `language`: None = find out."""
        ...


@runtime_checkable
class SpeechModel(Protocol):
    """A transcriber that is not loaded yet; picklable, as another process loads it."""

    @property
    def name(self) -> str:
        """As the user wrote it."""
        ...

    @property
    def fingerprint(self) -> str:
        """Letters and digits; models with the same one write the same words."""
        ...

    def load(self) -> Transcriber:
        """Raises ConfigError."""
        ...


@dataclass(frozen=True)
class WhisperModel:
    """The files of a Whisper model, converted to CTranslate2."""

    name: str
    fingerprint: str

    @classmethod
    def find(cls, name: str) -> "WhisperModel":
        """A folder, or a hub id such as Systran/faster-whisper-small: only that may be downloaded. Raises ConfigError:
        no such model, files of another kind, or the extra is not installed.
        """
        _library()
        digest = hashlib.blake2b(f"{WAY_OF_HEARING} {_device()}".encode(), digest_size=8)
        folder = _folder(name)
        digest.update((folder / "config.json").read_bytes())
        with open(folder / "model.bin", "rb") as file:
            digest.update(file.read(EDGE_BYTES))
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - EDGE_BYTES, 0))
            digest.update(file.read() + str(size).encode())
        return cls(name, digest.hexdigest())

    def load(self) -> "Whisper":
        """Raises ConfigError: it cannot be loaded, is another one by now, or the extra is not installed."""
        if WhisperModel.find(self.name).fingerprint != self.fingerprint:
            raise ConfigError(
                f"{self.name}: another model than the one that was asked for when the index was made, or a GPU only "
                "then or only now; one text would be mixed of two. Name it again, with "
                f"--transcribe {self.name}, to hear all files with it."
            )
        return _loaded(str(_folder(self.name)))


class Whisper:
    """A Whisper model in memory."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def hear(self, sound: Float32[np.ndarray, " S"], language: str | None) -> Transcript:
        """See Transcriber. The same sound gives the same words."""
        segments, about = self._model.transcribe(
            sound,
            language=language,
            temperature=0.0,  # it samples at random at higher ones
            word_timestamps=True,
            vad_filter=True,
            condition_on_previous_text=False,  # one mistake would be repeated to the end
        )
        good = (segment for segment in segments if _is_likely(segment))
        words = tuple(
            Word(round(float(word.start), 3), round(float(word.end), 3), word.word, round(float(word.probability), 3))
            for segment in good
            for word in segment.words or ()
        )
        if not words:
            return Transcript()
        return Transcript(words, about.language, round(float(about.language_probability), 3))


def _is_likely(segment: Any) -> bool:
    return segment.compression_ratio <= MOST_COMPRESSED and segment.avg_logprob >= LEAST_LOG_PROBABILITY


@functools.lru_cache(maxsize=1)
def _loaded(folder: str) -> Whisper:
    """One model a process."""
    library = _library()
    device, numbers = _device()
    try:
        return Whisper(
            library.WhisperModel(
                folder,
                device=device,
                compute_type=numbers,
                cpu_threads=len(os.sched_getaffinity(0)),
                local_files_only=True,
            )
        )
    except (RuntimeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:160]
        raise ConfigError(
            f"{folder}: not a Whisper model that can be loaded ({reason}); nothing can be transcribed. Give one that "
            "is converted to CTranslate2, such as Systran/faster-whisper-small."
        ) from error


def _device() -> tuple[str, str]:
    """Where a model runs and the numbers it computes with, as CTranslate2 names them: other ones hear other words."""
    import ctranslate2

    return ("cuda", "default") if ctranslate2.get_cuda_device_count() > 0 else ("cpu", "int8")


def _folder(name: str) -> Path:
    folder = checkpoint_folder(name, WANTED, NEEDED)
    missing = [names[0] for names in NEEDED if not any(folder.glob(names[0]))]
    if missing:
        raise ConfigError(
            f"{name}: no speech model, as {', '.join(missing)} is not in it; nothing can be transcribed. Give one that "
            "is converted to CTranslate2, such as Systran/faster-whisper-small."
        )
    return folder


def _library() -> Any:
    try:
        import faster_whisper
    except ImportError as error:
        raise ConfigError(
            f"--transcribe: faster-whisper cannot be imported ({error}); nothing can be heard. pip install '.[speech]'"
        ) from error
    return faster_whisper
