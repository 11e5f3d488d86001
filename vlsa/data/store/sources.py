"""Whether the media files of a store are those that it was made of: STORE/sources.jsonl, a line for each file.

A file has changed when its size has, or when its time and its first or last bytes have: a copy has another time, and
another film under the same name has other bytes there. Used by plan.py.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from vlsa.base.errors import StoreError
from vlsa.base.files import open_regular, read_json_lines, write_json_lines
from vlsa.data.ingest.manifest import ClipRow

NAME = "sources.jsonl"
END_BYTES = 1 << 16
READERS = 16
"""Threads, which wait for disks or a network, not for a processor."""
MOST_NAMED = 3


def remember(store_path: Path, rows: Sequence[ClipRow]) -> None:
    """Write down the files of these rows, in addition to those that are known. Raises OSError."""
    known, firsts = _read(store_path), list(_first_rows(rows))
    with ThreadPoolExecutor(READERS) as readers:
        states = readers.map(state_of, (row.path for row in firsts))
        now = {row.id: {"id": row.id, "path": row.path, **state} for row, state in zip(firsts, states, strict=True)}
    write_json_lines(store_path / NAME, (known | now).values())


def changed_files(store_path: Path, rows: Sequence[ClipRow]) -> Iterator[str]:
    """What has changed of the files of these rows since they were written down. Raises StoreError."""
    known = _read(store_path)
    changed = [row.path for row in rows if row.id in known and _has_changed(known[row.id], row.path)]
    if changed:
        more = ", ..." if len(changed) > MOST_NAMED else ""
        yield (
            f"{len(changed)} file{'s' * (len(changed) != 1)} ({', '.join(changed[:MOST_NAMED])}{more}) replaced by "
            "another of the same name"
        )


def renamed(store_path: Path, gone: Sequence[ClipRow], fresh: Sequence[ClipRow]) -> list[tuple[str, str]]:
    """Old and new path of files of `gone` that are among those of `fresh`: of the same size, and with the same ends.

    Raises StoreError.
    """
    known = _read(store_path)
    old = {
        (one["num_bytes"], one.get("ends")): row.path for row in gone if (one := known.get(row.id)) and one["num_bytes"]
    }
    sizes = {num_bytes for num_bytes, _ in old}
    found = []
    for row in _first_rows(fresh):
        if os.path.isfile(row.path) and os.path.getsize(row.path) in sizes:
            state = state_of(row.path)
            if before := old.get((state["num_bytes"], state["ends"])):
                found.append((before, row.path))
    return found


def _first_rows(rows: Sequence[ClipRow]) -> Iterator[ClipRow]:
    """One row a file: its first."""
    seen: set[str] = set()
    for row in rows:
        if row.path not in seen:
            seen.add(row.path)
            yield row


def _read(store_path: Path) -> dict[str, dict[str, Any]]:
    """By the id of the first clip of a file: a folder may be named in several ways."""
    path = store_path / NAME
    if not path.exists():
        return {}
    try:
        return {line["id"]: line for line in read_json_lines(path) if isinstance(line["num_bytes"], int | None)}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise StoreError(
            f"{path}: damaged; whether media files have changed is not known. Delete it to go on without this check."
        ) from error


def _has_changed(known: dict[str, Any], path: str) -> bool:
    """Files that were not there, or are not there now, have not changed."""
    if known["num_bytes"] is None or not os.path.isfile(path):
        return False
    facts = os.stat(path)
    if facts.st_size != known["num_bytes"]:
        return True
    return facts.st_mtime_ns != known.get("changed_ns") and state_of(path)["ends"] != known.get("ends")


def state_of(path: str) -> dict[str, Any]:
    """Size, time, and a digest of the first and the last bytes; None for what is no file that can be read."""
    try:
        facts = os.stat(path)
        with open_regular(path) as file:
            ends = hashlib.blake2b(file.read(END_BYTES), digest_size=16)
            file.seek(max(facts.st_size - END_BYTES, 0))
            ends.update(file.read(END_BYTES))
    except (OSError, ValueError):
        return {"num_bytes": None, "changed_ns": None, "ends": None}
    return {"num_bytes": facts.st_size, "changed_ns": facts.st_mtime_ns, "ends": ends.hexdigest()}
