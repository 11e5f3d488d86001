"""The models of the server: each loaded once, and used by one thread, which encodes what waits together.

Reads the encoder of an index; feeds the routes. PyTorch uses all cores for one batch, so several threads would only
fight over them.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from vlsa.serve.archive.open_index import OpenIndex

if TYPE_CHECKING:
    from vlsa.retrieve.encode.encoders import Encoder

Found = TypeVar("Found")


class Models:
    """The encoders of all indexes, by fingerprint."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "encoding")
        self._loaded: dict[str, Encoder] = {}
        self._lock = threading.Lock()

    def encoder(self, index: OpenIndex) -> "Encoder":
        """The model of an index, loaded when it is first needed. Raises SearchIndexError."""
        return index.library.encoder

    def use(self, index: OpenIndex, work: "Callable[[Encoder], Found]") -> Found:
        """What a piece of work with the model of an index gives. Raises what it raises."""
        return self._thread.submit(lambda: work(self.encoder(index))).result()

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)
