"""A table read by a process of its own, so that importing Lance and loading a model happen at the same time.

Used by index.py for questions from a cold start: each of the two takes a second or more. The process imports neither
PyTorch nor the REST client of Lance's remote catalogues, which takes longer than all that a local table needs.
"""

import importlib.abc
import importlib.machinery
import os
import subprocess
import sys
import types
import weakref
from collections.abc import Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from jaxtyping import Float32
from numpy import ndarray

from vlsa.base.errors import SearchIndexError
from vlsa.retrieve.index.lance import VectorTable
from vlsa.retrieve.index.query import Hit

UNUSED_CLIENT = "lance_namespace_urllib3_client"
COMMAND = "import sys; from vlsa.retrieve.index.table_process import serve; serve(int(sys.argv[1]))"


class TableProcess:
    """Has the reading methods of VectorTable, which are called in another process. It ends with this object."""

    def __init__(self, folder: Path, facts: dict[str, Any]) -> None:
        self._folder, self._facts = folder, facts
        self._pipe, theirs = Pipe()
        folders = os.pathsep.join(filter(None, sys.path))  # without "": that is the folder that the user is in,
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", COMMAND, str(theirs.fileno())],  # from which, -P, nothing may be imported
            env={**os.environ, "PYTHONPATH": folders},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            process_group=0,  # Ctrl-C is handled in this process
        )
        theirs.close()  # so that the end of the process is the end of the pipe
        self._end = weakref.finalize(self, _end, process, self._pipe)

    def __len__(self) -> int:
        return self._call("__len__")

    def search(self, vector: Float32[ndarray, " D"], column: str, k: int) -> list[Hit]:
        """As VectorTable.search."""
        return self._call("search", vector, column, k)

    def reopened(self, folder: Path, facts: dict[str, Any]) -> "TableProcess":
        """As VectorTable.reopened; each call opens the tables anew anyway."""
        self._folder, self._facts = folder, facts
        return self

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            self._pipe.send((self._folder, self._facts, method, arguments))
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise SearchIndexError(
                f"{self._folder}: the process that reads the table ended early; there is no answer. "
                "Check the free memory, and ask again."
            ) from error
        if isinstance(answer, SearchIndexError):
            raise answer
        return answer


def _end(process: subprocess.Popen[bytes], pipe: Connection) -> None:
    pipe.close()
    process.kill()  # it only reads
    process.wait()


def serve(descriptor: int) -> None:
    """Answer calls until the other end of the pipe is closed; the process is of no other use."""
    pipe = Connection(descriptor)
    sys.meta_path.insert(0, _Placeholders())
    import lancedb  # noqa: F401 - while the other process loads its model

    while True:
        try:
            folder, facts, method, arguments = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(getattr(VectorTable.open(folder, facts), method)(*arguments))
        except SearchIndexError as error:
            pipe.send(error)


class _Placeholders(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports empty modules of empty classes in place of UNUSED_CLIENT: lancedb imports its names and uses none."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] != UNUSED_CLIENT:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def exec_module(self, module: types.ModuleType) -> None:
        module.__getattr__ = _placeholder  # type: ignore[method-assign]


def _placeholder(name: str) -> type:
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (), {})
