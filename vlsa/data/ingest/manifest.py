"""The list of clips to prepare: one row {id, path, start_seconds, stop_seconds, texts, split} each.

Made from a folder of media (scan.py), from a made world or a public data set; kept as JSON lines; feeds prepare.py.
What cannot become a row becomes a `Rejection` with its reason.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from vlsa.base.errors import ManifestError
from vlsa.base.files import read_json_lines, write_json_lines
from vlsa.data.media.text_files import one_line

SPLITS = ("train", "val", "test")
TEXT_KINDS = ("caption", "transcript")
"""What the texts of a clip are: written by people for it, or heard by a model for speech."""
NOTES = frozenset({"captions", "cues", "encoding", "linked", "choice", "scenes", "sidecar", "transcript"})
"""Reasons of lines in a report that leave no clip out: on the text of a file that is kept, or on its second name."""


@dataclass(frozen=True)
class ClipRow:
    """A stretch of a media file that becomes one clip."""

    id: str
    """Unique; letters, digits, `_`, `-` and `@` only, since it names the members of a tar (`clip_id` makes one)."""
    path: str
    start_seconds: float
    stop_seconds: float
    texts: tuple[str, ...]
    split: str
    """`train`, `val` or `test`."""
    text_kind: str = TEXT_KINDS[0]
    """One of TEXT_KINDS."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_@-]+", self.id):
            raise ManifestError(
                f"clip id {self.id!r}: only letters, digits, '_', '-' and '@' are possible, since the id names files "
                "in a tar shard, and its readers cut names at the first dot. Rename the clip."
            )
        if self.split not in SPLITS:
            raise ManifestError(f"clip {self.id}: no split named {self.split!r}. Use one of {', '.join(SPLITS)}.")
        if self.text_kind not in TEXT_KINDS:
            raise ManifestError(
                f"clip {self.id}: no kind of text named {self.text_kind!r}. Use one of {', '.join(TEXT_KINDS)}."
            )

    @property
    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types; the kind of its texts only where they are no captions."""
        value = asdict(self)
        return value if self.text_kind != TEXT_KINDS[0] else {k: v for k, v in value.items() if k != "text_kind"}

    def rejected(self, reason: str, message: str) -> "Rejection":
        """The rejection of this row."""
        return Rejection(self.id, self.path, self.start_seconds, self.stop_seconds, reason, message)


@dataclass(frozen=True)
class Rejection:
    """A clip, or a whole file, that is left out, and why."""

    id: str
    path: str
    start_seconds: float | int | None
    stop_seconds: float | int | None
    reason: str
    """A short word to count by, for example `missing`."""
    message: str
    """One line for people: where, what, what to do."""


def clip_id(name: str, start_seconds: float, stop_seconds: float) -> str:
    """A readable id that is safe as a tar member and unique to (name, times): `sub_cat@12_000-18_000-1a2b3c4d`."""
    times = f"{start_seconds:.3f}-{stop_seconds:.3f}"
    digest = hashlib.sha1(f"{name}@{times}".encode(errors="surrogateescape")).hexdigest()[:8]
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", str(Path(name).with_suffix("")))[-40:]
    return f"{readable}@{times.replace('.', '_')}-{digest}"


def safe_id(id: str) -> str:
    """An id of a person's choice with `_` for what no id may hold; where that is other letters, with a digest of it."""
    safe = re.sub(r"[^A-Za-z0-9_@-]", "_", id)
    return safe if id.isascii() else f"{safe}-{hashlib.sha1(id.encode(errors='surrogateescape')).hexdigest()[:8]}"


def write(path: str | Path, rows: Iterable[ClipRow]) -> None:
    """Keep rows as JSON lines."""
    write_json_lines(Path(path), (row.as_dict for row in rows))


def read(path: str | Path) -> list[ClipRow]:
    """Rows from JSON lines. Raises ManifestError: missing, empty, malformed (with the line), or an id twice."""
    rows, number = [], 0
    try:
        for number, value in enumerate(read_json_lines(Path(path)), 1):
            rows += [] if value is None else [parse_row(value, f"{path}:{number}")]
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror}); a list of clips is needed.") from error
    except ValueError as error:
        raise ManifestError(f"{path}:{number + 1}: not JSON ({error}); no clip can be read. {_EXAMPLE}") from error
    if not rows:
        raise ManifestError(f"{path}: no clips in it; there would be nothing to prepare. Give a manifest with rows.")
    check_unique(rows, str(path))
    return rows


def check_unique(rows: Sequence[ClipRow], where: str) -> None:
    """Raises ManifestError when two rows share an id."""
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            raise ManifestError(f"{where}: clip id {row.id} occurs twice; one would hide the other. Make ids unique.")
        seen.add(row.id)


_EXAMPLE = (
    'A row is a line such as {"id": "cat-1", "path": "cat.mp4", "start_seconds": 0, "stop_seconds": 6, '
    '"texts": ["a cat"], "split": "train"}.'
)


def parse_rejection(value: Any, where: str) -> Rejection:
    """A rejection from its JSON object. Raises ManifestError."""
    known = {field.name: field.type for field in fields(Rejection)}
    if not (
        isinstance(value, dict)
        and set(value) == set(known)
        and all(isinstance(value[name], kind) for name, kind in known.items())
    ):
        raise ManifestError(f"{where}: needs exactly {', '.join(known)}, as texts and numbers of seconds.")
    _check_encodable(where, value["path"], value["id"], value["reason"], value["message"])
    return Rejection(**value)


def parse_row(value: Any, where: str) -> ClipRow:
    """A row from its JSON object, without texts in which there is nothing to see. Raises ManifestError."""
    known = [field.name for field in fields(ClipRow) if field.name != "text_kind"]
    if not isinstance(value, dict) or set(value) - {"text_kind"} != set(known):
        found = ", ".join(value) if isinstance(value, dict) else type(value).__name__
        raise ManifestError(f"{where}: needs exactly {', '.join(known)}; found {found}. {_EXAMPLE}")
    numbers = (value["start_seconds"], value["stop_seconds"])
    texts = value["texts"]
    if not all(isinstance(number, int | float) for number in numbers) or not isinstance(texts, list):
        raise ManifestError(f"{where}: the times must be numbers and texts a list. {_EXAMPLE}")
    strings = (value["id"], value["path"], value["split"], *texts)
    if not all(isinstance(text, str) for text in strings):
        raise ManifestError(f"{where}: id, path, split and each text must be strings. {_EXAMPLE}")
    try:
        times = {"start_seconds": float(numbers[0]), "stop_seconds": float(numbers[1])}
        row = ClipRow(**value | times | {"texts": tuple(text for text in texts if one_line(text))})
    except (ManifestError, OverflowError) as error:
        raise ManifestError(f"{where}: {error}") from error
    _check_encodable(where, value["path"])
    _check_encodable(where, *texts, errors="strict")
    if not (math.isfinite(row.start_seconds) and math.isfinite(row.stop_seconds)):
        raise ManifestError(f"{where}: from {row.start_seconds} to {row.stop_seconds} s is not a stretch. {_EXAMPLE}")
    return row


def _check_encodable(where: str, *texts: str, errors: str = "surrogateescape") -> None:
    """Raises ManifestError for half a character. Names of files may be any bytes; texts may not (`strict`)."""
    try:
        " ".join(texts).encode(errors=errors)
    except UnicodeEncodeError as error:
        raise ManifestError(f"{where}: {error.object!r} holds half a character; it cannot be kept. Fix it.") from error
