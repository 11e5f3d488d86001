"""Media that lie inside of other files (tar shards, Parquet) as files of the media folder, each written once.

Used by webdataset.py and generic.py.
"""

import io
import os
import shutil
from pathlib import Path, PurePosixPath

from vlsa.base.errors import ManifestError
from vlsa.base.files import naming
from vlsa.data.benchmarks.records import MalformedRow


def unpack(content: io.BufferedIOBase, num_bytes: int, folder: Path, name: str, where: str) -> None:
    """Write a file under a folder, unless it is there with this size. Raises MalformedRow for a name outside of it."""
    parts = PurePosixPath(name).parts
    if not parts or PurePosixPath(name).is_absolute() or ".." in parts or any("\0" in part for part in parts):
        raise MalformedRow(f"{where}: {name[:80]!r} would be written outside of the media folder. It is left out.")
    path = folder / name
    try:
        if path.stat().st_size == num_bytes:
            return
    except OSError:
        path.parent.mkdir(parents=True, exist_ok=True)
    partial_path = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with naming(partial_path):
            with partial_path.open("wb") as file:
                shutil.copyfileobj(content, file, 1 << 20)
            written = partial_path.stat().st_size
            if written != num_bytes:
                raise ManifestError(
                    f"{where}: ends after {written:,} of {num_bytes:,} bytes of {name}; the file is cut short. Copy or "
                    "download it again."
                )
            partial_path.replace(path)
    finally:
        partial_path.unlink(missing_ok=True)
