"""The question as a sum: words, sounds, videos, images, clips and moments of the index, each with a weight.

Made from JSON here, or from the command line by pieces.py; compared by combine.py. A part with a negative weight is
what the answer should not be like. How parts combine is stated in combine.py.

    {"parts": [{"text": "a dog barks"}, {"audio": "bark.wav", "weight": 0.5}, {"text": "music", "weight": -1}],
     "phrases": ["good boy"], "in": "media", "k": 10, "where": "duration > 60", "group_by": "file"}
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, Literal, get_args

from vlsa.base.errors import VlsaError
from vlsa.retrieve.index.query import TARGETS
from vlsa.retrieve.search.spans import Span, parse_span, require_span
from vlsa.retrieve.search.where.parse import check_filter

PartKind = Literal["text", "audio", "video", "image", "clip", "moment"]
"""Words; the sound of a file; its frames; an image; both sound and frames; a stretch that the index already holds."""
GROUPINGS = ("moment", "file")
KINDS: tuple[PartKind, ...] = get_args(PartKind)
MOST_PARTS = 32
LONGEST_TEXT = 10_000
MOST_ANSWERS = 100_000


@dataclass(frozen=True)
class Part:
    """One term of the sum. Raises VlsaError for one that cannot be asked."""

    kind: PartKind
    value: str
    """The words, or FILE or FILE@START-STOP."""
    weight: float = 1.0
    """How much it counts; below 0 the answer should be unlike it."""
    target: str | None = None
    """What this part alone is compared with; None = what the question says."""

    def __post_init__(self) -> None:
        if self.target is not None:
            _check_choice("in", self.target, TARGETS)
        if not self.value.strip():
            raise VlsaError(
                f"search: an empty {self.kind}; nothing can be compared with it. Give "
                f"{'some words' if self.kind == 'text' else 'a file'}, or leave it out."
            )
        if self.kind == "text":
            _check_unicode(self.value)
        if len(self.value) > LONGEST_TEXT:
            raise VlsaError(
                f"search: {self.value[:40]!r}... is a {self.kind} of {len(self.value)} letters, too long; "
                f"write at most {LONGEST_TEXT} letters."
            )
        if "\0" in self.value:
            raise VlsaError(f"search: a NUL character in {self.value[:40]!r}; no text or file has one. Leave it out.")
        if not math.isfinite(self.weight) or self.weight == 0 or abs(self.weight) > 1000:
            raise VlsaError(
                f"search: weight {self.weight or 0:g} of {self.kind} {self.value[:40]!r}; it would count for nothing "
                "or for all. Use a number such as 1, 0.5 or -1."
            )
        if self.kind == "moment":
            require_span(self.value)
        if self.kind == "image" and self.span.start_seconds is not None:
            raise VlsaError(
                f"{self.value[:300]}: a stretch of an image; it has no times to choose. Name the file alone, or a film."
            )

    @property
    def span(self) -> Span:
        """The file, and the stretch of it, that is asked with."""
        assert self.kind != "text", self
        return parse_span(self.value)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        named = {} if self.target is None else {"in": self.target}
        return {self.kind: self.value} | ({} if self.weight == 1 else {"weight": self.weight}) | named


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked, where it is looked for, and how the answers are laid out. Raises VlsaError."""

    parts: tuple[Part, ...] = ()
    phrases: tuple[str, ...] = ()
    """Each has to occur, as it stands, in the words of an answer."""
    target: str = "media"
    """What parts are compared with: video and audio together, or one of the three alone."""
    k: int = 10
    """Answers: moments, or files when grouped by file."""
    where: str | None = None
    """A filter: which rows are looked at."""
    group_by: str = "moment"
    max_per_file: int | None = None
    fold_above: float | None = None
    """Moments whose best windows have at least this cosine are one answer; None folds nothing."""

    def __post_init__(self) -> None:
        _check_sum(self.parts, self.phrases)
        _check_choice("in", self.target, TARGETS)
        _check_choice("group_by", self.group_by, GROUPINGS)
        check_number("k", self.k)
        if self.where is not None:
            check_filter(self.where)
        if self.max_per_file is not None:
            check_number("max_per_file", self.max_per_file)
        if self.fold_above is not None and not 0 < self.fold_above <= 1:
            raise VlsaError(
                f"search: fold_above={self.fold_above:g} is not a cosine above 0; all answers would be one, or none. "
                "Try 0.98."
            )

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types; what has its default is left out."""
        given = {_KEYS.get(field.name, field.name): getattr(self, field.name) for field in fields(self)[2:]}
        defaults = {_KEYS.get(field.name, field.name): field.default for field in fields(self)[2:]}
        asked = {"parts": [part.as_dict() for part in self.parts], "phrases": [*self.phrases]}
        changed = {name: value for name, value in given.items() if value != defaults[name]}
        return {name: value for name, value in asked.items() if value} | changed

    def target_of(self, part: Part) -> str:
        """What a part is compared with."""
        return part.target or self.target

    def finds_words(self, part: Part) -> bool:
        """Whether texts in which the words of a part occur are answers too."""
        return part.kind == "text" and part.weight > 0 and self.target_of(part) in ("media", "text")

    @classmethod
    def from_dict(cls, value: object) -> "Question":
        """The question in plain JSON types. Raises VlsaError for an unknown key, or a value of another kind."""
        given = _object(value, "the question", [_KEYS.get(field.name, field.name) for field in fields(cls)])
        parts = [_part(part) for part in _typed(given, "parts", list, [])]
        phrases = _typed(given, "phrases", list, [])
        if not all(isinstance(phrase, str) for phrase in phrases):
            raise VlsaError('search: "phrases" holds something else than texts. Write ["good boy"].')
        return cls(
            parts=tuple(parts),
            phrases=tuple(phrases),
            target=_typed(given, "in", str, "media"),
            k=_typed(given, "k", int, 10),
            where=_typed(given, "where", str, None),
            group_by=_typed(given, "group_by", str, "moment"),
            max_per_file=_typed(given, "max_per_file", int, None),
            fold_above=_typed(given, "fold_above", float, None),
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> "Question":
        """As `from_dict`, from a document."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise VlsaError(f"search: the question is not JSON ({str(error)[:80]}). Check its brackets.") from error
        return cls.from_dict(value)


_KEYS = {"target": "in"}
"""What a field is called in JSON, where it differs."""


def _check_sum(parts: tuple[Part, ...], phrases: tuple[str, ...]) -> None:
    if not parts and not phrases:
        raise VlsaError(
            'search: the question is empty; nothing can be ranked. Ask for something: "a bell rings twice".'
        )
    for phrase in phrases:
        _check_unicode(phrase)
    if sum(map(len, phrases)) > LONGEST_TEXT:
        raise VlsaError(
            f"search: quoted phrases of {sum(map(len, phrases))} letters; it would take long to look for them. "
            f"Write at most {LONGEST_TEXT} letters."
        )
    if any(not any(letter.isalnum() for letter in phrase) for phrase in phrases):
        raise VlsaError('search: a quoted phrase without a letter or digit; it occurs nowhere. Write "good boy".')
    if parts and not phrases and all(part.weight < 0 for part in parts):
        raise VlsaError(
            "search: only what the answer should be unlike is given; nearly everything is. "
            "Add something that it should be like."
        )
    if len(parts) + len(phrases) > MOST_PARTS:
        raise VlsaError(
            f"search: {len(parts) + len(phrases)} parts; {MOST_PARTS} can be asked at once. Leave some out."
        )


def _check_unicode(text: str) -> None:
    """Raises VlsaError for bytes that are no letters, as Python holds them, or half a letter in JSON."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise VlsaError(f"search: {text[:80]!r} is not UTF-8; it cannot be read. Type it in a terminal set to UTF-8.")


def check_number(name: str, number: int) -> None:
    """Raises VlsaError for a number of answers that cannot be asked for."""
    if not 1 <= number <= MOST_ANSWERS:
        raise VlsaError(f"search: {name}={number}; 1 to {MOST_ANSWERS:,} answers can be asked for. Try {name}=10.")


def _check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    if value not in choices:
        raise VlsaError(f"search: {name}={value!r} is not there; use one of {', '.join(choices)}.")


def _part(value: object) -> Part:
    given = _object(value, "a part", [*KINDS, "weight", "in"])
    kinds = [kind for kind in KINDS if kind in given]
    if len(kinds) != 1:
        raise VlsaError(
            f"search: a part with {' and '.join(kinds) or 'nothing'} in it; it is one of {', '.join(KINDS)}. "
            'Write {"text": "a dog barks"}, and one part for each.'
        )
    target = _typed(given, "in", str, None)
    return Part(kinds[0], _typed(given, kinds[0], str, ""), _typed(given, "weight", float, 1.0), target)


def _object(value: object, what: str, known: list[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise VlsaError(
            f'search: {what} is no JSON object; it cannot be read. Write {{"text": "a dog barks"}} for a part.'
        )
    for name in value:
        if name not in known:
            near = get_close_matches(name, known, 1, 0.5)
            advice = f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(known)}."
            raise VlsaError(f"search: {what} has no {name[:40]!r}; it would have no effect. {advice}")
    return value


def _typed(given: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    """A value that is there, of its kind (a whole number is also a number), or the default."""
    value = given.get(name)
    if value is None:
        return default
    fits = isinstance(value, kind) or (kind is float and isinstance(value, int))
    if not fits or (isinstance(value, bool) and kind is not bool):
        names = {str: "a text", int: "a whole number", float: "a number", list: "a list"}
        raise VlsaError(f"search: {name!r} is {str(value)[:40]!r}, and has to be {names[kind]}.")
    try:
        return float(value) if kind is float else value
    except OverflowError as error:
        raise VlsaError(
            f"search: {name!r} has hundreds of digits; nothing can be weighed by it. Use a number such as 1 or 0.5."
        ) from error
