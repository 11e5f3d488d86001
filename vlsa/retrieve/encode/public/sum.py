"""Several encoders as one: each compares its own pair of modalities in its own space, and ranks are fused.

Made by load.py of public encoders, as in clip:FOLDER+clap:FOLDER. Axes: N items, D width of a vector in all spaces.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float32

from vlsa.base.errors import ConfigError, VlsaError
from vlsa.config import MODALITIES, num_shared
from vlsa.data.loading.tokenizer import TextCoverage
from vlsa.retrieve.encode.fusion import Fusion
from vlsa.retrieve.encode.protocol import Media
from vlsa.retrieve.encode.public.encoder import PublicEncoder
from vlsa.retrieve.encode.sampling import Sampling, WindowSpec


class SumEncoder:
    """A vector holds that of each encoder, in columns of its own, as wide as the widest; zeros where it has none.

    Video is encoded by one of them, and audio by one: a window has one length for all.
    """

    fusion: Fusion = "rank"

    def __init__(self, encoders: Sequence[PublicEncoder]) -> None:
        _check(encoders)
        seconds = min(encoder.window.window_seconds for encoder in encoders)
        self.encoders = tuple(encoder.with_window_seconds(seconds) for encoder in encoders)
        self.spaces = tuple(space for encoder in encoders for space in encoder.spaces)
        self._space_width = max(encoder.width // len(encoder.spaces) for encoder in encoders)
        self.width = self._space_width * len(self.spaces)

    def __repr__(self) -> str:
        return " + ".join(map(repr, self.encoders))

    @property
    def fingerprint(self) -> str:
        """Those of all, in order."""
        return "+".join(encoder.fingerprint for encoder in self.encoders)

    @property
    def about(self) -> Mapping[str, Any]:
        """The names of all, what was done alike, and the fingerprint."""
        parts = [encoder.about for encoder in self.encoders]
        name = "+".join(str(part["run"]) for part in parts)
        return {**parts[0], "run": name, "num_frames": self.window.num_frames, "fingerprint": self.fingerprint}

    @property
    def window(self) -> WindowSpec:
        """The frames of the one that sees, and the audio of the one that hears."""
        windows = [encoder.window for encoder in self.encoders]
        return replace(
            windows[0],
            num_frames=max(window.num_frames for window in windows),
            short_side_px=max(window.short_side_px for window in windows),
            sample_rate_hz=max(window.sample_rate_hz for window in windows),
        )

    def with_sampling(self, sampling: Sampling) -> "SumEncoder":
        """The same models with another rule for long and wide media."""
        other = copy.copy(self)
        other.encoders = tuple(encoder.with_sampling(sampling) for encoder in self.encoders)
        return other

    def encode_video(self, clips: Sequence[Media]) -> Float32[np.ndarray, "N D"]:
        """Vectors of the frames of files or clips."""
        return self._encode("video", lambda encoder: encoder.encode_video(clips))

    def encode_audio(self, clips: Sequence[Media]) -> Float32[np.ndarray, "N D"]:
        """Vectors of the audio of files or clips."""
        return self._encode("audio", lambda encoder: encoder.encode_audio(clips))

    def encode_text(self, texts: Sequence[str]) -> Float32[np.ndarray, "N D"]:
        """Vectors of texts, one of each encoder that reads."""
        return self._encode("text", lambda encoder: encoder.encode_text(texts))

    def coverage(self, text: str) -> TextCoverage:
        """That of the encoder which knows least of the text."""
        reading = [encoder for encoder in self.encoders if _encodes(encoder, "text")]
        return min((encoder.coverage(text) for encoder in reading), key=lambda found: len(found.known))

    def _encode(self, modality: str, encode: Callable[[PublicEncoder], np.ndarray]) -> Float32[np.ndarray, "N D"]:
        """The vectors of the encoders that have the modality, each in its columns."""
        found = [encode(encoder) if _encodes(encoder, modality) else None for encoder in self.encoders]
        num_items = next((len(vectors) for vectors in found if vectors is not None), None)
        if num_items is None:
            raise VlsaError(
                f"encode_{modality}: this model compares {', '.join(self.spaces)} alone; {modality} has no vector. "
                "Add an encoder that has it."
            )
        total = np.zeros((num_items, len(self.spaces), self._space_width), np.float32)
        first = 0
        for encoder, vectors in zip(self.encoders, found, strict=True):
            last = first + len(encoder.spaces)
            if vectors is not None:
                parts = vectors.reshape(num_items, len(encoder.spaces), -1)
                total[:, first:last, : parts.shape[2]] = parts
            first = last
        return total.reshape(num_items, self.width)


def _encodes(encoder: PublicEncoder, modality: str) -> bool:
    return bool(num_shared(modality, modality, encoder.spaces))


def _check(encoders: Sequence[PublicEncoder]) -> None:
    """Raises ConfigError where two encode the same medium: their windows would be two, and their pairs the same."""
    for modality in set(MODALITIES) - {"text"}:
        names = [str(encoder.checkpoint.name) for encoder in encoders if _encodes(encoder, modality)]
        if len(names) > 1:
            raise ConfigError(
                f"{' and '.join(names)}: both encode {modality}; which of the two answers is not clear. "
                "Add encoders of different media, as clip:... + clap:..., or make one index for each."
            )
