"""What evaluation, the index and search ask of an encoder; whatever satisfies `Encoder` can stand in for a VLSA run."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from vlsa.data.clip import Clip
from vlsa.data.loading.tokenizer import TextCoverage
from vlsa.retrieve.encode.fusion import Fusion
from vlsa.retrieve.encode.sampling import Sampling, WindowSpec

Media = str | os.PathLike[str] | Clip
"""A media file, or a clip already decoded."""


@runtime_checkable
class Encoder(Protocol):
    """Video, audio and text to float32 rows, one for each item, of unit length in each space (zeros = absent).

    The dot product of rows of two modalities is their cosine, in the one space or in the space of their pair.
    """

    width: int
    """Of a row, in all spaces together."""
    spaces: tuple[str, ...]
    """Where vectors are compared: "all", or the pair of modalities of each space."""
    fusion: Fusion
    """How comparisons in several spaces become one order: by the mean of cosines, where these share a scale, or by
    rank."""

    @property
    def fingerprint(self) -> str:
        """Equal for two encoders only if their vectors can be compared."""

    @property
    def about(self) -> Mapping[str, Any]:
        """Facts for results.json: run, checkpoint, recipe, training seed, sampling, fingerprint."""

    @property
    def window(self) -> WindowSpec:
        """What the model encodes of a stretch of media."""

    def with_sampling(self, sampling: Sampling) -> "Encoder":
        """The same model with another rule for long and wide media."""

    def encode_video(self, clips: Sequence[Media]) -> np.ndarray:
        """Vectors of the frames of files or clips."""

    def encode_audio(self, clips: Sequence[Media]) -> np.ndarray:
        """Vectors of the audio of files or clips."""

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of texts."""

    def coverage(self, text: str) -> TextCoverage:
        """Which words of a text the model knows, and how many fit into it."""
