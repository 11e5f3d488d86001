"""Pickles of plain values. A pickle can run any program when it is read; these are read so that it cannot.

Only None, bool, numbers, str, bytes, list, tuple, set and dict need no class to be looked up. Of what does, defaultdict
and OrderedDict are read as plain dicts, without calling anything that the pickle names; all else is refused.
The reader of the standard library that is written in Python is used, since the one in C reserves whatever memory a few
bytes ask for. Tuples are read as lists: hashing nested ones as keys may take for ever.
"""

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from vlsa.base.errors import ManifestError
from vlsa.base.files import open_regular

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
"""What the interpreter's reader raises for bytes that are not a pickle, or a hostile one."""
DICTS = {("collections", "defaultdict"), ("collections", "OrderedDict")}
FACTORIES = {("builtins", name) for name in ("list", "dict", "set", "int", "str")}
"""What a defaultdict may make of a missing key. Also as `__builtin__`, the name in Python 2."""
OF_CLASSES = (
    *(pickle.BUILD, pickle.INST, pickle.OBJ, pickle.NEWOBJ, pickle.NEWOBJ_EX),
    *(pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.PERSID, pickle.BINPERSID, pickle.FROZENSET),
    *(pickle.BYTEARRAY8, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER),
)
"""Instructions that plain values do not need."""


class _Forbidden(Exception):
    """The pickle asks for a class or a function."""


class _Mark:
    """Stands for a class that a pickle names."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, name: tuple[str, str]) -> None:
        self.name = name


class _PlainUnpickler(pickle._Unpickler):  # type: ignore[name-defined, misc]
    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        code: read
        for code, read in pickle._Unpickler.dispatch.items()  # type: ignore[attr-defined]
        if bytes([code]) not in OF_CLASSES
    }

    def find_class(self, module: str, name: str) -> Any:
        """A mark in the place of a class that is read as a dict; nothing is imported."""
        known = (module.replace("__builtin__", "builtins"), name)
        if known in DICTS or known in FACTORIES:
            return _Mark(known)
        raise _Forbidden(f"{module}.{name}")

    def _load_reduce(self) -> None:
        arguments, mark = self.stack.pop(), self.stack.pop()
        if not isinstance(mark, _Mark) or mark.name not in DICTS or not isinstance(arguments, list):
            raise pickle.UnpicklingError("a call of something that is no dict")
        pairs = arguments[0] if arguments and isinstance(arguments[0], list) else []
        self.stack.append(dict(pairs))

    def _load_short_list(self, length: int) -> None:
        start = len(self.stack) - length
        if start < 0:
            raise pickle.UnpicklingError("values are missing")
        self.stack[start:] = [self.stack[start:]]

    dispatch[pickle.REDUCE[0]] = _load_reduce
    dispatch[pickle.TUPLE[0]] = dispatch[pickle.LIST[0]]
    dispatch[pickle.EMPTY_TUPLE[0]] = dispatch[pickle.EMPTY_LIST[0]]
    dispatch[pickle.TUPLE1[0]] = lambda self: self._load_short_list(1)
    dispatch[pickle.TUPLE2[0]] = lambda self: self._load_short_list(2)
    dispatch[pickle.TUPLE3[0]] = lambda self: self._load_short_list(3)


def is_pickle(path: Path) -> bool:
    """By the name, or by the first byte of protocol 2 and later. Raises OSError."""
    if path.suffix.lower() in {".pkl", ".pickle", ".p"}:
        return True
    with open_regular(path) as file:
        return file.read(1) == b"\x80"


def read_pickle(path: Path) -> Any:
    """What a pickle of plain values holds. Raises ManifestError for any other, OSError when it cannot be opened."""
    with open_regular(path) as file:
        data = io.BytesIO(file.read())  # unlike a file, it sets no memory aside for what it does not hold
    try:
        return _PlainUnpickler(data, encoding="utf-8").load()
    except _Forbidden as error:
        raise ManifestError(
            f"{path}: this pickle asks for {str(error)[:80]!r}, which would run code of whoever made the file; "
            "only str, numbers, list and dict are read. Get the publisher's own file, or save plain dicts as JSON."
        ) from error
    except FAULTS as error:
        what = str(error)[:120] if isinstance(error, pickle.UnpicklingError | EOFError) else type(error).__name__
        raise ManifestError(
            f"{path}: not a whole pickle ({what or type(error).__name__}); no caption can be read from it. Copy or "
            "download it again."
        ) from error
