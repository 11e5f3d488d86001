"""What a question of a modality is compared with, in which spaces, and whether its words are known.

Reads an encoder; feeds search/; imports neither PyTorch nor the model, so that a question that cannot be asked is
refused at once. Axes: D width of the matching space.
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxtyping import Float32
from numpy import ndarray

from vlsa.base.errors import VlsaError
from vlsa.config import is_in, num_shared

if TYPE_CHECKING:
    from vlsa.data.loading.tokenizer import TextCoverage
    from vlsa.retrieve.encode.encoders import Encoder

_LOG = logging.getLogger(__name__)

TARGETS = {"media": "media", "video": "video", "audio": "audio", "text": "text_vector"}
"""What can be searched in, and the column that holds it: video and audio fused, or one of the three alone."""
VECTORS = tuple(TARGETS.values())
"""Columns of vectors."""


class UnknownWordsError(VlsaError):
    """A text of which the model knows no word."""


def text_vector(text: str, encoder: "Encoder") -> Float32[ndarray, " D"]:
    """Words in the matching space. Raises UnknownWordsError for a text without a known word.

    Words that the model does not know, or that do not fit into it, are logged.
    """
    _check_coverage(text, encoder.coverage(text))
    return encoder.encode_text([text])[0]


def _check_coverage(text: str, coverage: "TextCoverage") -> None:
    unknown = ", ".join(dict.fromkeys(coverage.unknown))[:200]
    if not coverage.known:
        what = f"the model has never seen {unknown}" if unknown else "there is no word in it"
        raise UnknownWordsError(
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
    num_spaces = max(num_shared(asked, part, spaces) for part in parts_of(target))
    if not num_spaces:
        raise VlsaError(
            f"search: this model compares {', '.join(spaces)}, not {asked} with {target}; any answer would be chance. "
            "Ask otherwise, or index with a model that has that pair."
        )
    return target, num_spaces


def parts_of(target: str) -> tuple[str, ...]:
    """The modalities behind a target."""
    return ("video", "audio") if target == "media" else (target,)


def comparisons(asked: str, target: str, spaces: Sequence[str]) -> list[tuple[str, int]]:
    """For an encoder whose cosines share no scale: each modality to search in, and the number of the space to do so."""
    return [
        (part, number)
        for part in parts_of(target)
        for number, space in enumerate(spaces)
        if is_in(asked, space) and is_in(part, space)
    ]
