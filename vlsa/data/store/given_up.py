"""The list of clips that crashed or hung a worker of prepare.py, kept until the shards themselves remember them."""

from dataclasses import asdict
from pathlib import Path

from vlsa.base.errors import ManifestError, StoreError
from vlsa.base.files import read_json_lines, write_json_lines
from vlsa.data.ingest.manifest import Rejection, parse_rejection
from vlsa.data.store.shards import writing

NAME = "given_up.jsonl"
"""In the store."""


def read(store_path: Path) -> dict[str, Rejection]:
    """By the id of the clip. Raises StoreError when the list is damaged."""
    path = store_path / NAME
    try:
        found = [parse_rejection(line, NAME) for line in read_json_lines(path)] if path.exists() else []
    except (OSError, ValueError, ManifestError) as error:
        raise StoreError(
            f"{path}: damaged; which clips crash a decoder is not known. Delete it: those clips are tried once more."
        ) from error
    return {rejection.id: rejection for rejection in found}


def add(store_path: Path, rejection: Rejection) -> None:
    """Write one more down at once, in case this run is killed too. Raises StoreError."""
    path = store_path / NAME
    with writing(path):
        write_json_lines(path, map(asdict, (*read(store_path).values(), rejection)))
