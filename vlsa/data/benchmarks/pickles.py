"""Pickles of plain values. A pickle can run any program when it is read; these are read so that it cannot.

Only None, bool, numbers, str, bytes, list, tuple, set and dict need no class to be looked up. Whatever does is refused.
"""

import pickle
from pathlib import Path
from typing import Any, NoReturn

from vlsa.base.errors import ManifestError

FAULTS = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    KeyError,
    OverflowError,
    MemoryError,
    RecursionError,
)
"""What the interpreter's reader raises for bytes that are no pickle, or a hostile one."""


class _Forbidden(Exception):
    """The pickle asks for a class or a function."""


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> NoReturn:
        raise _Forbidden(f"{module}.{name}")


def is_pickle(path: Path) -> bool:
    """By the name, or by the first byte of protocol 2 and later. Raises OSError."""
    if path.suffix.lower() in {".pkl", ".pickle", ".p"}:
        return True
    with path.open("rb") as file:
        return file.read(1) == b"\x80"


def read_pickle(path: Path) -> Any:
    """What a pickle of plain values holds. Raises ManifestError for any other, OSError when it cannot be opened."""
    with path.open("rb") as file:
        try:
            return _PlainUnpickler(file, encoding="utf-8").load()
        except _Forbidden as error:
            raise ManifestError(
                f"{path}: this pickle asks for {str(error)[:80]!r}, which would run code of whoever made the file; "
                "only str, numbers, list and dict are read. Get the publisher's own file, or save plain dicts as JSON."
            ) from error
        except FAULTS as error:
            what = type(error).__name__ if isinstance(error, MemoryError) else str(error) or type(error).__name__
            raise ManifestError(
                f"{path}: not a whole pickle ({what[:120]}); no caption can be read from it. Copy or download it again."
            ) from error
