"""Windows of media files to vectors on the nodes of a cluster (`vlsa index --engine ray`): decoded and encoded there.

Feeds writer.py, as encode_windows.py does on one machine. A process on a node loads the model once, from the place
where it is here, and refuses another one; its rows are those that one machine makes.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vlsa.base.errors import SearchIndexError
from vlsa.data.clip import Clip
from vlsa.data.engine.engines import Engine, Kills
from vlsa.data.engine.workers import Done, Heartbeat, Lost
from vlsa.data.ingest.manifest import ClipRow, Rejection
from vlsa.retrieve.encode.embed import embed_clips
from vlsa.retrieve.encode.public.names import absolute, parse
from vlsa.retrieve.index.encode_windows import tasks
from vlsa.retrieve.index.rows import IndexRow, window_rows
from vlsa.retrieve.index.writer import Writer

if TYPE_CHECKING:
    from vlsa.retrieve.encode.protocol import Encoder
    from vlsa.retrieve.encode.sampling import Sampling

LOADING_SECONDS = 600.0
"""Patience: for the libraries and the model."""
ENCODING_SECONDS = 60.0
"""Patience: for a window, as a large model takes on one core."""
Decode = Callable[[Sequence[ClipRow], Heartbeat], tuple[list[Clip], list[Rejection]]]


@dataclass(frozen=True)
class NamedModel:
    """A model as each process of the cluster finds it."""

    name: str
    """With whole paths."""
    fingerprint: str
    sampling: "Sampling"

    @classmethod
    def of(cls, name: str, encoder: "Encoder") -> "NamedModel":
        """The model that was loaded from a path, or by its public name."""
        return cls(absolute(name), encoder.fingerprint, encoder.window.sampling)

    @property
    def files(self) -> list[str]:
        """Where it is, if it is on a disk."""
        places = [part.where for part in parse(self.name)] or [self.name]
        return [place for place in places if Path(place).exists()]

    def load(self) -> "Encoder":
        """Raises SearchIndexError where another one has its name."""
        return _loaded(self)


@functools.lru_cache(maxsize=1)
def _loaded(model: NamedModel) -> "Encoder":
    from vlsa.retrieve.encode import encoders

    encoder = encoders.load(model.name, sampling=model.sampling)
    if encoder.fingerprint != model.fingerprint:
        raise SearchIndexError(
            f"{model.name}: a node has model {encoder.fingerprint} there, and the index is of {model.fingerprint}; "
            "their vectors cannot be compared. Put the same files on every node."
        )
    return encoder


@dataclass(frozen=True)
class EncodeTask:
    """Windows of one file."""

    rows: tuple[ClipRow, ...]
    paths: dict[str, str]
    """The path to record, by window."""
    model: NamedModel
    decode: Decode

    @property
    def files(self) -> list[str]:
        """What is read for it."""
        return [self.rows[0].path, *self.model.files]


def encode_task(task: EncodeTask, beat: Heartbeat) -> tuple[list[IndexRow], list[Rejection]]:
    """Decode and encode windows; the work of a process on a node. Raises SearchIndexError as `window_rows` does."""
    clips, rejections = task.decode(task.rows, beat)
    if not clips:
        return [], rejections
    beat(task.rows[-1].id, LOADING_SECONDS + ENCODING_SECONDS * len(clips))
    rows = {row.id: row for row in task.rows}
    embedded = embed_clips(task.model.load(), clips)
    return window_rows([rows[clip.id] for clip in clips], task.paths, embedded), rejections


def encode_elsewhere(writer: Writer, encoder: "Encoder", name: str, decode: Decode, engine: Engine) -> None:
    """Decode and encode on an engine, and write in this process. Raises VlsaError."""
    model = NamedModel.of(name, encoder)
    for rows, rejections in _encoded(engine, _tasks(writer, encoder, model, decode)):
        writer.add(*rows, *rejections)


def _tasks(writer: Writer, encoder: "Encoder", model: NamedModel, decode: Decode) -> list[EncodeTask]:
    return [
        EncodeTask(rows, {row.id: writer.paths[row.id] for row in rows}, model, decode)
        for rows in tasks(writer.windows, encoder.window)
    ]


def _encoded(engine: Engine, todo: Sequence[EncodeTask]) -> Iterator[tuple[list[IndexRow], list[Rejection]]]:
    """What comes back. Of a task that ends its process, or holds one, each window is tried by itself."""
    pool, kills = engine.pool(encode_task, todo, lambda task: task.files), Kills()
    with closing(pool.events()) as events:
        for event in events:
            if isinstance(event, Done):
                yield event.value
            elif isinstance(event, Lost):
                task: EncodeTask = event.task
                if kills.is_first(event):
                    pool.submit(task)
                elif len(task.rows) > 1 and event.label != task.rows[0].path:
                    for row in reversed(task.rows):
                        pool.submit(replace(task, rows=(row,)))
                else:
                    message = f"{task.rows[0].path}: {event.message}. Convert the file, or leave it out."
                    yield [], [row.rejected(event.reason, message) for row in task.rows]
