"""The tables of an index searched by a process of its own, so that importing Lance and loading a model happen at once.

Used by library.py for questions from a cold start: each of the two takes a second or more. The process imports neither
PyTorch nor the REST client of Lance's remote catalogues, which takes longer than all that local tables need.
"""

import importlib.abc
import importlib.machinery
import os
import subprocess
import sys
import types
import weakref
from collections.abc import Mapping, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtyping import Float32
from numpy import ndarray

from vlsa.base.errors import SearchIndexError, VlsaError
from vlsa.retrieve.search.question import Question
from vlsa.retrieve.search.spans import Span

if TYPE_CHECKING:
    from vlsa.retrieve.search.answer import Answer
    from vlsa.retrieve.search.asked import Asked
    from vlsa.retrieve.search.tables import SearchTables

UNUSED_CLIENT = "lance_namespace_urllib3_client"
COMMAND = "import sys; from vlsa.retrieve.search.tables_process import serve; serve(int(sys.argv[1]), *sys.argv[2:])"


class TablesProcess:
    """Has the methods of SearchTables that library.py calls, in another process. It ends with this object."""

    def __init__(self, path: str | Path, source: str) -> None:
        self._path = path
        self._pipe, theirs = Pipe()
        folders = os.pathsep.join(filter(None, sys.path))  # without "": that is the folder that the user is in,
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", COMMAND, str(theirs.fileno()), path, source],  # from which, -P, nothing may
            env={**os.environ, "PYTHONPATH": folders},  # be imported
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            process_group=0,  # Ctrl-C is handled in this process
        )
        theirs.close()  # so that the end of the process is the end of the pipe
        self._end = weakref.finalize(self, _end, process, self._pipe)

    def answer(self, question: Question, asked: "Sequence[Asked]", *, exact: bool = False) -> "Answer":
        """As SearchTables.answer."""
        return self._call("answer", question, asked, exact=exact)

    def stored(self, span: Span) -> "Mapping[str, Float32[ndarray, 'Q D']]":
        """As SearchTables.stored."""
        return self._call("stored", span)

    def occurs(self, words: str) -> bool:
        """As SearchTables.occurs."""
        return self._call("occurs", words)

    def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        try:
            self._pipe.send((method, arguments, options))
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise SearchIndexError(
                f"{self._path}: the process that reads the tables ended early; there is no answer. "
                "Check the free memory, and ask again."
            ) from error
        if isinstance(answer, VlsaError):
            raise answer
        return answer


def _end(process: subprocess.Popen[bytes], pipe: Connection) -> None:
    pipe.close()
    process.kill()  # it only reads
    process.wait()


def serve(descriptor: int, path: str, source: str) -> None:
    """Answer calls until the other end of the pipe is closed; the process is of no other use."""
    pipe = Connection(descriptor)
    sys.meta_path.insert(0, _Placeholders())
    tables: SearchTables | VlsaError
    try:
        tables = _open(path, source)  # while the other process loads its model
    except VlsaError as error:
        tables = error
    while True:
        try:
            method, arguments, options = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(tables if isinstance(tables, VlsaError) else getattr(tables, method)(*arguments, **options))
        except VlsaError as error:
            pipe.send(error)


def _open(path: str, source: str) -> "SearchTables":
    from vlsa.retrieve.search.tables import SearchTables

    return SearchTables.open(path, source)


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
