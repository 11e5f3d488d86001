"""The question from the pieces of a command line: `"a dog barks" --like-sound bark.wav --unlike music`.

Feeds the commands; makes a `Question`. What stands in quotation marks inside the text has to occur. `^` gives a weight:
`"a dog barks^2"`, `--like-sound bark.wav^0.5`, `--like-sound music.wav^-1`.
"""

import os
import re
from collections.abc import Sequence
from typing import Any

from vlsa.base.errors import VlsaError
from vlsa.data.media.suffixes import IMAGE_SUFFIXES, is_animation
from vlsa.retrieve.search.question import Part, PartKind, Question
from vlsa.retrieve.search.spans import parse_span

_WEIGHT = re.compile(r"(?P<value>.+)\^(?P<weight>[-+]?(?:\d+\.?\d*|\.\d+))", re.DOTALL | re.ASCII)
_NO_WEIGHT = re.compile(
    r"(?P<value>.+)\^(?P<weight>[-+]?(?:[.,]?\d[\d.,]*(?:e[-+]?\d+)?|nan|inf|infinity))", re.DOTALL | re.IGNORECASE
)
"""What looks like a weight."""
_QUOTED = re.compile(
    r'"([^"]*)"|[“”„]([^“”„]*)[“”]|«([^«»]*)»|»([^«»]*)[«»]|「([^「」]*)」|『([^『』]*)』|＂([^＂]*)＂'
)
"""English, Swedish, German, French, Danish, Japanese and full-width; as in static/question.js."""
_LONE = re.compile('["“”„«»「」『』＂]')


Pieces = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
"""One, or several."""


def question_of(
    text: str | None = None,
    *,
    like: Pieces = (),
    like_sound: Pieces = (),
    like_video: Pieces = (),
    like_moment: Pieces = (),
    unlike: Pieces = (),
    **settings: Any,
) -> Question:
    """The question that these pieces make; the settings are those of `Question`. Raises VlsaError."""
    if text is not None:
        Part("text", text)  # raises: an empty text is a slip, and in a long one marks take long to find
    words, phrases = split_phrases(text or "")
    value, weight = split_weight(words)
    parts = [Part("text", value.strip(), weight)] if words else []
    examples: tuple[tuple[PartKind | None, Pieces], ...]
    examples = (None, like), ("audio", like_sound), ("video", like_video), ("moment", like_moment)
    parts += [_example(piece, kind) for kind, pieces in examples for piece in _listed(pieces)]
    parts += [_unlike(piece) for piece in _listed(unlike)]
    return Question(parts=tuple(parts), phrases=phrases, **settings)


def _listed(pieces: Pieces) -> list[str]:
    return [os.fspath(piece) for piece in ([pieces] if isinstance(pieces, str | os.PathLike) else pieces)]


def split_phrases(text: str) -> tuple[str, tuple[str, ...]]:
    """A text without its quotation marks, and the phrases that stood in them. Raises VlsaError for a lone mark."""
    phrases = tuple(_inside(found).strip() for found in _QUOTED.finditer(text))
    plain = _QUOTED.sub(lambda found: f" {_inside(found)} ", text)
    if lone := _LONE.search(plain):
        raise VlsaError(
            f"search: a quotation mark ({lone[0]}) without its other half in {text[:80]!r}; what has to occur is not "
            'clear. Write "..." around the phrase, or leave the mark out.'
        )
    return " ".join(plain.split()), phrases


def _inside(found: re.Match[str]) -> str:
    return next(filter(None, found.groups()), "")


def split_weight(text: str) -> tuple[str, float]:
    """`bark.wav^0.5` as its value and its weight; 1 where none is given. A file of just that name comes first.

    Raises VlsaError for what looks like a weight and is none.
    """
    if os.path.lexists(text):
        return text, 1.0
    if found := _WEIGHT.fullmatch(text):
        return found["value"], float(found["weight"])
    if found := _NO_WEIGHT.fullmatch(text):
        raise VlsaError(
            f"search: {found['weight'][:40]!r} is no weight of {found['value'][:80]!r}; what it should count is not "
            "clear. Write a number such as ^0.5, ^2 or ^-1."
        )
    return text, 1.0


def _example(piece: str, kind: PartKind | None) -> Part:
    """A part of a kind; None = by its name."""
    value, weight = split_weight(piece)
    return Part(kind or _kind_of(value), value, weight)


def _kind_of(value: str) -> PartKind:
    """An image by its name, unless it moves; all else is a clip, with what it has of frames and sound."""
    path = parse_span(value).path
    is_image = os.path.splitext(path)[1].lower() in IMAGE_SUFFIXES and not is_animation(path)
    return "image" if is_image else "clip"


def _unlike(piece: str) -> Part:
    value, weight = split_weight(piece)
    return Part("text", value, -abs(weight))
