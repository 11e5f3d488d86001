"""What an index on an object store consists of at one time: a numbered list of its files, with their digests.

    ADDRESS/files/<digest>          the bytes of a file, by their digest: an object that is there never changes
    ADDRESS/states/<number>.json    a state: each file of the index, its size and digest; created if it is not there
    ADDRESS/index_report.jsonl      as in an index of this machine, for people
    ADDRESS/index.lock              who writes

The state with the highest number is the index. Written by publishing.py, read by remote_copy.py.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlsa.base.errors import SearchIndexError
from vlsa.base.files import open_regular
from vlsa.data.store.objects import Objects, is_address

FORMAT, VERSION = "vlsa-index-state", 1
FILES, STATES = "files", "states"
STATE_NAME = re.compile(r"([0-9]{12})\.json")
DIGEST = re.compile(r"[0-9a-f]{32}")
PART = re.compile(r"(?!\.{1,2}$)[^/\\\0]{1,255}")
"""Of a path in a state; none leads out of the folder."""
COLLAPSED = re.compile(r"([a-z][a-z0-9]+):/([^/].*)")
LONGEST_BYTES = 1 << 28
"""Of a state: a longer one is damaged."""
CHUNK_BYTES = 1 << 20


class DamagedState(SearchIndexError):
    """A state, or a file that it names, is gone or has other bytes than were written."""


@dataclass(frozen=True)
class StoredFile:
    """A file of a state."""

    num_bytes: int
    digest: str

    @property
    def name(self) -> str:
        """Of its object."""
        return f"{FILES}/{self.digest}"


@dataclass(frozen=True)
class StateName:
    """A state as it is listed."""

    number: int
    version: str
    """Another one when an index was made anew at the same address."""
    modified_seconds: float | None = field(default=None, compare=False)
    """Since 1970, when it was written."""

    @property
    def name(self) -> str:
        """Of its object."""
        return f"{STATES}/{self.number:012d}.json"


Files = dict[str, StoredFile]
"""By their paths in the index."""


def address_of(path: object) -> str | None:
    """The address that a path names, also as pathlib writes it (`s3:/bucket/index`); None for a folder."""
    if is_address(path):
        return str(path)
    found = COLLAPSED.fullmatch(str(path))
    return f"{found[1]}://{found[2]}" if found else None


def states(objects: Objects) -> list[StateName]:
    """All states that are there, the newest last. Raises StoreError."""
    found = ((STATE_NAME.fullmatch(name), stored) for name, stored in objects.list(STATES).items())
    return sorted(
        (StateName(int(match[1]), stored.version, stored.modified_seconds) for match, stored in found if match),
        key=lambda one: one.number,
    )


def newest(objects: Objects) -> StateName:
    """The index as it is now. Raises SearchIndexError where there is none, StoreError where it is not reached."""
    found = states(objects)
    if not found:
        raise SearchIndexError(
            f"{objects.address}: no index there; one is needed. Make one with `vlsa index RUN FOLDER --out "
            f"{objects.address}`."
        )
    return found[-1]


def encode(files: Files) -> bytes:
    """A state as it is stored."""
    listed = {path: [file.num_bytes, file.digest] for path, file in sorted(files.items())}
    return json.dumps({"format": FORMAT, "version": VERSION, "files": listed}, indent=0).encode() + b"\n"


def decode(data: bytes, where: str) -> Files:
    """The files of a state. Raises DamagedState for one that was not written by this library, SearchIndexError for
    one of another version.
    """
    try:
        values = json.loads(data)
        facts = values["format"], values["version"]
        files = {path: StoredFile(*file) for path, file in values["files"].items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(where) from error
    if facts[0] == FORMAT and facts[1] != VERSION:
        raise SearchIndexError(
            f"{where}: of version {str(facts[1])[:20]}, this vlsa reads {VERSION}. Use the vlsa that wrote it, or "
            "index again at another address."
        )
    if facts[0] != FORMAT or not all(_is_valid(path, file) for path, file in files.items()):
        raise _damaged(where)
    return files


def _is_valid(path: str, file: StoredFile) -> bool:
    values: tuple[Any, Any] = file.num_bytes, file.digest
    if type(values[0]) is not int or values[0] < 0 or not isinstance(values[1], str):
        return False
    return bool(DIGEST.fullmatch(file.digest)) and all(map(PART.fullmatch, path.split("/")))


def _damaged(where: str) -> DamagedState:
    return DamagedState(f"{where}: damaged; which files the index has is not known. Index again with --restart.")


def digest(path: Path) -> str:
    """BLAKE2b of the bytes of a file. Raises OSError."""
    found = hashlib.blake2b(digest_size=16)
    with open_regular(path) as file:
        while chunk := file.read(CHUNK_BYTES):
            found.update(chunk)
    return found.hexdigest()


def num_bytes(files: Iterable[StoredFile]) -> int:
    """Of all files together, each counted once."""
    return sum({file.digest: file.num_bytes for file in files}.values())
