"""Media that lie inside of other files (tar shards, Parquet) as files of the media folder, each written once.

Used by webdataset.py and generic.py.
"""

import io
import os
import shutil
from pathlib import Path, PurePosixPath

from vlsa.base.errors import ManifestError
from vlsa.base.files import naming, open_regular
from vlsa.data.benchmarks.records import MalformedRow

BLOCK_BYTES = 1 << 20


def unpack(content: io.BufferedIOBase, num_bytes: int, folder: Path, name: str, where: str) -> None:
    """Write a file under a folder, unless it is there. Raises MalformedRow for a name outside of it.

    Raises ManifestError where another file has that name: a list that was made before may name it.
    """
    parts = PurePosixPath(name).parts
    if not parts or PurePosixPath(name).is_absolute() or ".." in parts or any("\0" in part for part in parts):
        raise MalformedRow(f"{where}: {name[:80]!r} would be written outside of the media folder. It is left out.")
    path = folder / name
    if path.exists():
        if path.stat().st_size == num_bytes and _is_same(content, path):
            return
        raise ManifestError(
            f"{where}: {path} is there, and is another file; clips would have the media of others. Name an empty "
            "folder with --media, or remove that file."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial_path = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with naming(partial_path):
            with partial_path.open("wb") as file:
                shutil.copyfileobj(content, file, BLOCK_BYTES)
            written = partial_path.stat().st_size
            if written != num_bytes:
                raise ManifestError(
                    f"{where}: ends after {written:,} of {num_bytes:,} bytes of {name}; the file is cut short. Copy or "
                    "download it again."
                )
            partial_path.replace(path)
    finally:
        partial_path.unlink(missing_ok=True)


def _is_same(content: io.BufferedIOBase, path: Path) -> bool:
    """Whether a file holds what is still to be read of another one."""
    with open_regular(path) as file:
        while block := content.read(BLOCK_BYTES):
            if file.read(len(block)) != block:
                return False
        return not file.read(1)
