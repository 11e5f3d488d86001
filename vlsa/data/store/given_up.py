"""The list of clips that crashed or hung a worker of prepare.py, kept until the shards themselves remember them."""

from dataclasses import asdict
from pathlib import Path

from vlsa.base.errors import ManifestError, StoreError
from vlsa.base.files import read_json_lines, write_json_lines
from vlsa.data.ingest.manifest import Rejection, parse_rejection
from vlsa.data.store.shards import writing

NAME = "given_up.jsonl"
"""In the store."""
PATTERN = "given_up*.jsonl"
"""This list, and those of the parts of a run (`name_of_part`)."""


def name_of_part(label: str) -> str:
    """The list that a part of a run writes, so that no two processes write one file."""
    return f"given_up-{label}.jsonl"


def read(store_path: Path) -> dict[str, Rejection]:
    """All lists, by the id of the clip. Raises StoreError when one is damaged."""
    return {line.id: line for path in sorted(store_path.glob(PATTERN)) for line in _read(path)}


def remove(store_path: Path) -> None:
    """Remove all lists."""
    for path in list(store_path.glob(PATTERN)):
        path.unlink(missing_ok=True)


def _read(path: Path) -> list[Rejection]:
    try:
        return [parse_rejection(line, path.name) for line in read_json_lines(path)]
    except (OSError, ValueError, ManifestError) as error:
        raise StoreError(
            f"{path}: damaged; which clips crash a decoder is not known. Delete it: those clips are tried once more."
        ) from error


def add(store_path: Path, rejection: Rejection, name: str = NAME) -> None:
    """Write one more down at once, in case this run is killed too. Raises StoreError."""
    path = store_path / name
    known = _read(path) if path.exists() else []
    with writing(path):
        write_json_lines(path, map(asdict, (*known, rejection)))
