"""From a question to ranked stretches of media: what is asked (words, sound, video, image) and what comes back.

Reads an encoder; feeds index.py and the command line. Rank is the contract: a score is a cosine in [-1, 1] and may be
compared within one list of hits only, never between two questions or two models. Axes: D width of the matching space.
"""

import os
from dataclasses import asdict, dataclass
from typing import Any

from jaxtyping import Float32
from numpy import ndarray

from vlsa.base.errors import VlsaError
from vlsa.retrieve.encode.encoders import Encoder

TARGETS = {"media": "media", "video": "video", "audio": "audio", "text": "text_vector"}
"""What can be searched in, and the column that holds it: picture and sound fused, or one of the three alone."""


@dataclass(frozen=True)
class Hit:
    """A stretch of a file that answers a question; hits come best first."""

    path: str
    start_seconds: float
    stop_seconds: float
    score: float
    """Cosine with the question, in [-1, 1]; comparable within one list only."""
    text: str
    """The clip's own words, one text a line; empty when it has none."""
    id: str

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked: exactly one of words, a sound file, a video file or an image file."""

    text: str | None = None
    audio: str | os.PathLike[str] | None = None
    video: str | os.PathLike[str] | None = None
    image: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        given = [name for name, value in vars(self).items() if value is not None]
        if len(given) != 1:
            raise VlsaError(
                f"search: {' and '.join(given) or 'nothing'} given; one question at a time can be ranked. "
                "Give exactly one of text, audio, video, image."
            )

    def vector(self, encoder: Encoder) -> Float32[ndarray, " D"]:
        """The question in the matching space. Raises MediaError, or VlsaError for words the model does not know."""
        if self.text is not None:
            if not encoder.knows(_readable(self.text)):
                raise VlsaError(
                    f"search: {self.text[:80]!r} has no word that this model knows, so any answer would be chance. "
                    "Use words like those of the captions that the model was trained on."
                )
            return encoder.encode_text([self.text])[0]
        if self.audio is not None:
            return encoder.encode_audio([self.audio])[0]
        seen = self.video if self.video is not None else self.image
        assert seen is not None
        return encoder.encode_video([seen])[0]


def _readable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise VlsaError(
            f"search: {text[:80]!r} is not UTF-8; its words cannot be read. Type them in a terminal set to UTF-8."
        ) from error
    return text


def column_of(target: str) -> str:
    """The column behind `in_`. Raises VlsaError for an unknown one."""
    if target not in TARGETS:
        raise VlsaError(
            f"search: cannot search in {target!r}; no such vectors are kept. Use one of {', '.join(TARGETS)}."
        )
    return TARGETS[target]
