"""From a question to ranked segments of media: what is asked (text, audio, video, image) and what comes back.

Reads an encoder; feeds index.py and the command line; imports neither PyTorch nor the model, so that a question that
cannot be asked is refused at once. Rank is the contract: a score is a cosine in [-1, 1] and may be
compared within one list of hits only, never between two questions or two models. Axes: D width of the matching space.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from jaxtyping import Float32
from numpy import ndarray

from vlsa.base.errors import VlsaError
from vlsa.config import num_shared

if TYPE_CHECKING:
    from vlsa.data.loading.tokenizer import TextCoverage
    from vlsa.retrieve.encode.encoders import Encoder

_LOG = logging.getLogger(__name__)

TARGETS = {"media": "media", "video": "video", "audio": "audio", "text": "text_vector"}
"""What can be searched in, and the column that holds it: video and audio fused, or one of the three alone."""
VECTORS = tuple(TARGETS.values())
"""Columns of vectors."""


@dataclass(frozen=True)
class Hit:
    """A segment of a file that answers a question; hits come best first."""

    path: str
    start_seconds: float
    stop_seconds: float
    score: float
    """Cosine with the question (a mean of cosines where it is compared in several spaces), in [-1, 1]; comparable
    within one list only."""
    text: str
    """Captions and subtitles within its time, one a line; empty when there are none."""
    id: str

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked: exactly one of a text, an audio file, a video file or an image file. Raises VlsaError."""

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
        if self.text is not None:
            _check_text(self.text)

    @property
    def modality(self) -> str:
        """Of the question: text, audio or video; an image is a video of one frame."""
        return "text" if self.text is not None else "audio" if self.audio is not None else "video"

    def vector(self, encoder: "Encoder") -> Float32[ndarray, " D"]:
        """The question in the matching space. Raises MediaError, or VlsaError for text without a known word.

        Words that the model does not know, or that do not fit into it, are logged.
        """
        if self.text is not None:
            _check_coverage(self.text, encoder.coverage(self.text))
            return encoder.encode_text([self.text])[0]
        if self.audio is not None:
            return encoder.encode_audio([self.audio])[0]
        frames = self.video if self.video is not None else self.image
        assert frames is not None
        return encoder.encode_video([frames])[0]


def _check_text(text: str) -> None:
    if not text.strip():
        raise VlsaError(
            'search: the question is empty; nothing can be ranked. Ask for something: "a bell rings twice".'
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise VlsaError(
            f"search: {text[:80]!r} is not UTF-8; it cannot be read. Type it in a terminal set to UTF-8."
        ) from error


def _check_coverage(text: str, coverage: "TextCoverage") -> None:
    unknown = ", ".join(dict.fromkeys(coverage.unknown))[:200]
    if not coverage.known:
        what = f"the model has never seen {unknown}" if unknown else "there is no word in it"
        raise VlsaError(
            f"search: {text[:80]!r} has no word that this model knows ({what}), so any answer would be chance. "
            "Use words like those of the captions that the model was trained on."
        )
    if unknown:
        _LOG.warning("the model has never seen: %s; the answers follow the other words", unknown)
    if coverage.num_used < coverage.num_words:
        _LOG.warning(
            "the question has %d words; only the first %d fit into the model", coverage.num_words, coverage.num_used
        )


def compared_with(asked: str, target: str, spaces: Sequence[str]) -> tuple[str, int]:
    """What a question of a modality is compared with, and in how many spaces: its scores are sums over these.

    In a single space that is the target. With a space for each pair, video and audio fused (`media`) are what text is
    compared with; an example is compared with its own modality there. Raises VlsaError where no space holds both.
    """
    if tuple(spaces) == ("all",):
        return target, 1
    if target == "media" and asked != "text":
        target = asked
    parts = ("video", "audio") if target == "media" else (target,)
    num_spaces = max(num_shared(asked, part, spaces) for part in parts)
    if not num_spaces:
        raise VlsaError(
            f"search: this model compares {', '.join(spaces)}, not {asked} with {target}; any answer would be chance. "
            "Ask otherwise, or index with a model that has that pair."
        )
    return target, num_spaces


def column_of(target: str) -> str:
    """The column behind `in_`. Raises VlsaError for an unknown one."""
    if target not in TARGETS:
        raise VlsaError(
            f"search: cannot search in {target!r}; no such vectors are kept. Use one of {', '.join(TARGETS)}."
        )
    return TARGETS[target]


def check_request(target: str, k: int) -> None:
    """Raises VlsaError for an unknown target, or fewer answers than one."""
    if k < 1:
        raise VlsaError(f"search: k={k}; at least one answer has to be asked for. Try k=10.")
    column_of(target)
