"""A table read by a process of its own, so that importing Lance and loading a model happen at the same time.

Used by index.py for a single question from a cold start: each of the two takes one to two seconds. The process imports
neither the model nor PyTorch.
"""

import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from jaxtyping import Float32
from numpy import ndarray

from vlsa.base.errors import SearchIndexError
from vlsa.data.engine.workers import interrupt_blocked
from vlsa.retrieve.index.lance import VectorTable
from vlsa.retrieve.index.query import Hit


class TableProcess:
    """Has the reading methods of VectorTable; the table is opened at the first call of one. Ends with this process."""

    def __init__(self, folder: Path, facts: dict[str, Any]) -> None:
        self._folder = folder
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, folder, facts), daemon=True)
        with interrupt_blocked():  # Ctrl-C is handled in this process
            process.start()
        theirs.close()  # so that the end of the process is the end of the pipe

    def __len__(self) -> int:
        return self._call("__len__")

    def search(self, vector: Float32[ndarray, " D"], column: str, k: int) -> list[Hit]:
        """As VectorTable.search."""
        return self._call("search", vector, column, k)

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            self._pipe.send((method, arguments))
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise SearchIndexError(
                f"{self._folder}: the process that reads the table ended early; there is no answer. "
                "Check the free memory, and ask again."
            ) from error
        if isinstance(answer, SearchIndexError):
            raise answer
        return answer


def _serve(pipe: Connection, folder: Path, facts: dict[str, Any]) -> None:
    """Answer until the other end is closed."""
    import lancedb  # noqa: F401 - while the other process loads its model

    while True:
        try:
            method, arguments = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(getattr(VectorTable.open(folder, facts), method)(*arguments))
        except SearchIndexError as error:
            pipe.send(error)
