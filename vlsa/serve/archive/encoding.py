"""The models of the server: each loaded once, and run by one thread, which encodes together what waits together.

Reads the models of indexes (index_model.py); feeds asking.py. PyTorch uses all cores for one batch, so several threads
would only fight over them. Files are decoded before, in processes that may die.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vlsa.base.errors import VlsaError
from vlsa.config import num_shared
from vlsa.serve.archive.open_index import OpenIndex
from vlsa.serve.http.problems import BusyError

if TYPE_CHECKING:
    from vlsa.data.loading.tokenizer import TextCoverage
    from vlsa.retrieve.encode.encoders import Encoder
    from vlsa.retrieve.encode.protocol import Media
    from vlsa.retrieve.encode.sampling import Sampling, WindowSpec

_LOG = logging.getLogger(__name__)
MOST_TOGETHER = 64
"""Texts of one batch."""
WARM_UP_TEXT = "1"


@dataclass(eq=False)
class _Job:
    run: Callable[[Sequence[Any]], Any]
    """Encodes several items, a row for each."""
    group: tuple[object, ...]
    """Jobs of one group can be encoded together."""
    item: Any
    done: "Future[Any]" = field(default_factory=Future)


class Models:
    """The encoders of all indexes, each loaded once, and the thread that uses them."""

    def __init__(self) -> None:
        self._of_index: dict[str, Encoder] = {}
        self._loading, self._changed = threading.Lock(), threading.Condition()
        self._jobs: list[_Job] = []
        self._thread: threading.Thread | None = None
        self._closed = False
        self.num_batches, self.num_items = 0, 0

    def load(self, index: OpenIndex) -> "Encoder":
        """The model of an index, loaded when it is first needed. Raises SearchIndexError."""
        index.follow_model()  # before: who waits for one index keeps no other waiting
        with self._loading:
            fingerprint, known = index.facts["model"]["fingerprint"], self._of_index.get(index.name)
            if known is None or known.fingerprint != fingerprint:
                for other in self._of_index.values():
                    if other.fingerprint == fingerprint:
                        index.model.accept(other)
                self._of_index[index.name] = index.model.encoder
            return self._of_index[index.name]

    def warm_up(self, indexes: Iterable[OpenIndex]) -> None:
        """Load the models of some indexes and encode something, so that the first question is as quick as others."""
        for index in indexes:
            try:
                encoder = self.load(index)
                if num_shared("text", "text", encoder.spaces):
                    self.encode(encoder.encode_text, (index.name,), [WARM_UP_TEXT])
            except VlsaError as error:
                _LOG.warning("%s", error)

    def encode(self, run: Callable[[Sequence[Any]], Any], group: tuple[object, ...], items: Sequence[Any]) -> list[Any]:
        """The row of each item, encoded by the thread together with others of the group. Raises what `run` raises."""
        jobs = [_Job(run, group, item) for item in items]
        with self._changed:
            if self._closed:
                raise BusyError("the server is stopping; nothing was searched. Start it again.")
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="encoding", daemon=True)
                self._thread.start()
            self._jobs += jobs
            self._changed.notify()
        return [job.done.result() for job in jobs]

    def close(self) -> None:
        """End the thread when it has done what waits."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _work(self) -> None:
        while jobs := self._next():
            self.num_batches, self.num_items = self.num_batches + 1, self.num_items + len(jobs)
            _run(jobs)

    def _next(self) -> list[_Job]:
        """The job that waits longest, with all that can be encoded with it; none when it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closed)
            together = [job for job in self._jobs if job.group == self._jobs[0].group][:MOST_TOGETHER]
            self._jobs = [job for job in self._jobs if job not in together]
            return together


def _run(jobs: Sequence[_Job]) -> None:
    """Encode, and give each its row or its error; where one of several fails, each is encoded alone."""
    try:
        rows = [*zip(jobs, jobs[0].run([job.item for job in jobs]), strict=True)]
    except Exception as error:  # of any kind: raised where the job came from, which else waits for ever
        if len(jobs) == 1:
            jobs[0].done.set_exception(error)
        else:
            for job in jobs:
                _run([job])
    else:
        for job, row in rows:
            job.done.set_result(row)


class ServedEncoder:
    """An encoder as asked.py uses it: encodes on the models' thread what was decoded elsewhere."""

    def __init__(self, encoder: "Encoder", models: Models) -> None:
        self._encoder, self._models = encoder, models
        self.width, self.spaces, self.fusion = encoder.width, encoder.spaces, encoder.fusion

    @property
    def fingerprint(self) -> str:
        return self._encoder.fingerprint

    @property
    def about(self) -> Mapping[str, Any]:
        return self._encoder.about

    @property
    def window(self) -> "WindowSpec":
        return self._encoder.window

    def with_sampling(self, sampling: "Sampling") -> "ServedEncoder":
        """The same with another rule for long and wide media."""
        return ServedEncoder(self._encoder.with_sampling(sampling), self._models)

    def coverage(self, text: str) -> "TextCoverage":
        """Which words of a text the model knows."""
        return self._encoder.coverage(text)

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of texts, each together with whatever else waits."""
        return self._on_thread(self._encoder.encode_text, "text", texts)

    def encode_video(self, clips: "Sequence[Media]") -> np.ndarray:
        """Vectors of the frames of clips."""
        return self._on_thread(self._encoder.encode_video, "video", clips)

    def encode_audio(self, clips: "Sequence[Media]") -> np.ndarray:
        """Vectors of the audio of clips."""
        return self._on_thread(self._encoder.encode_audio, "audio", clips)

    def _on_thread(self, run: Callable[[Sequence[Any]], Any], modality: str, items: Sequence[Any]) -> np.ndarray:
        return np.stack(self._models.encode(run, (id(self._encoder), modality), items))
