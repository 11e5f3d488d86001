"""The local copy of a store that lies on an object store: its small files, and the size, but not the bytes, of shards.

Used by remote_place.py for reading and by staging.py for writing. With these files all that does not read clips works
in the copy as in a store of this machine.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vlsa.base.errors import StoreError, VlsaError
from vlsa.data.store.index_open import shard_part
from vlsa.data.store.objects import Objects, Stored
from vlsa.data.store.shards import shard_path

HEADER_NAME, UNFINISHED_NAME = "store.json", "unfinished.json"
"""The header of a store, and what stands in its stead until all shards of a first run are there."""


@contextmanager
def naming_address(folder: Path, address: str) -> Iterator[None]:
    """Errors on the local copy of a store name the store itself."""
    try:
        yield
    except VlsaError as error:
        if str(folder) not in str(error):
            raise
        raise type(error)(str(error).replace(str(folder), address)) from error


@contextmanager
def writing_cache(folder: Path) -> Iterator[None]:
    """Turn what the local disk refuses into a StoreError that says what to do."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot be written ({error.strerror}); it is needed as a local copy. Make room, or set "
            "VLSA_CACHE to a folder of your own with room."
        ) from error


def shards_among(found: dict[str, Stored]) -> Iterator[tuple[int, str, Stored]]:
    """Number, suffix and facts of each object that is named as a part of a shard is."""
    for name, stored in found.items():
        if part := shard_part(name):
            yield *part, stored


def fetch_shard_indexes(objects: Objects, folder: Path, numbers: Iterable[int], tar_bytes: dict[int, int]) -> None:
    """The indexes of shards, each with a file in place of its tar. Raises StoreError, OSError."""
    numbers = list(numbers)
    names = [f"shards/{shard_path('', number).with_suffix('.jsonl').name}" for number in numbers]
    if names:
        objects.fetch(names, folder)
    for number in numbers:
        if number in tar_bytes:
            leave_hole(shard_path(folder, number), tar_bytes[number])


def leave_hole(path: Path, num_bytes: int) -> None:
    """A file of a size without its bytes: the room on the disk is free. Raises OSError."""
    with path.open("wb") as file:
        file.truncate(num_bytes)
