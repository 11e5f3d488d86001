"""Windows of media files or of a store to vectors, in batches that run across files; feeds writer.py.

Decodes media in worker processes (encode/sampling.py), encodes in a thread of this one.
"""

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from vlsa.base.errors import SearchIndexError
from vlsa.config import num_shared
from vlsa.data.clip import Clip
from vlsa.data.engine.workers import Done, Heartbeat, Lost, WorkerPool
from vlsa.data.ingest.manifest import ClipRow, Rejection
from vlsa.data.store.reader import ClipStore
from vlsa.retrieve.encode.embed import embed_clips, embed_rows
from vlsa.retrieve.encode.protocol import Encoder
from vlsa.retrieve.encode.sampling import WindowSpec
from vlsa.retrieve.index.rows import IndexRow, window_rows
from vlsa.retrieve.index.writer import Writer

MOST_ROWS_PER_TASK, TASK_BYTES = 32, 64 << 20
"""Windows that a worker decodes before it hands them over: many, since decoding begins at a key frame before the first
one, but no more frames than so many bytes of wide screen, as all are in memory at once."""
CLIPS_PER_BATCH = 32
"""Windows that are encoded together."""
BATCHES_AHEAD = 2
"""So many may wait to be encoded; workers wait then."""
SMALLEST_SPREAD = 1e-4
"""Vectors of different media whose numbers differ by less are all alike."""

Decode = Callable[[WindowSpec, Sequence[ClipRow], Heartbeat], tuple[list[Clip], list[Rejection]]]


def encode_media(
    writer: Writer,
    encoder: Encoder,
    decode: Callable[[Sequence[ClipRow], Heartbeat], tuple[list[Clip], list[Rejection]]],
    num_workers: int | None,
) -> None:
    """Decode in worker processes, encode in a thread, and write in this one, all at the same time."""
    rows = {row.id: row for row in writer.windows}

    def encode(clips: list[Clip]) -> list[IndexRow]:
        return window_rows([rows[clip.id] for clip in clips], writer.paths, embed_clips(encoder, clips))

    num_processes = os.cpu_count() or 1 if num_workers is None else num_workers
    pool = WorkerPool(decode, tasks(writer.windows, encoder.window), num_processes, second_chance=True)
    waiting: list[Clip] = []
    running: deque[Future[list[IndexRow]]] = deque()
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="encode")
    try:
        for clips, rejections in _decoded(pool):
            writer.add(*rejections)
            waiting += clips
            while len(waiting) >= CLIPS_PER_BATCH:
                running.append(thread.submit(encode, waiting[:CLIPS_PER_BATCH]))
                del waiting[:CLIPS_PER_BATCH]
            while running and (running[0].done() or len(running) > BATCHES_AHEAD):
                writer.add(*running.popleft().result())
        running.append(thread.submit(encode, waiting))
        while running:
            writer.add(*running.popleft().result())
    finally:
        thread.shutdown(cancel_futures=True)


def _decoded(pool: WorkerPool) -> Iterator[tuple[list[Clip], list[Rejection]]]:
    """What the workers decode, and what cannot be decoded.

    Of a task that kills its workers, or holds one, each clip is tried by itself, so that only the guilty are left out.
    """
    for event in pool.events():
        if isinstance(event, Done):
            yield event.value
        elif isinstance(event, Lost):
            if len(event.task) > 1 and event.label != event.task[0].path:
                for row in reversed(event.task):
                    pool.submit((row,))
            else:
                message = f"{event.task[0].path}: {event.message}. Convert the file, or leave it out."
                yield [], [row.rejected(event.reason, message) for row in event.task]


def tasks(rows: Sequence[ClipRow], window: WindowSpec) -> list[tuple[ClipRow, ...]]:
    """Rows of one file each, few enough for the memory, and for workers to share a long file."""
    found: list[tuple[ClipRow, ...]] = []
    for _, group in itertools.groupby(rows, key=lambda row: row.path):
        of_file = list(group)
        frames = window.num_frames * len(window.stretches(of_file[0].stop_seconds - of_file[0].start_seconds))
        frame_bytes = 3 * window.short_side_px**2 * 16 / 9
        num_rows = int(min(max(TASK_BYTES / max(frames * frame_bytes, 1), 1), MOST_ROWS_PER_TASK))
        found += (tuple(of_file[k : k + num_rows]) for k in range(0, len(of_file), num_rows))
    return found


def encode_stored(writer: Writer, encoder: Encoder, store: ClipStore) -> None:
    """Encode the clips of a store."""
    for k in range(0, len(writer.windows), CLIPS_PER_BATCH):
        rows = writer.windows[k : k + CLIPS_PER_BATCH]
        writer.add(*window_rows(rows, writer.paths, embed_rows(encoder, store, [store[row.id] for row in rows])))


def check_usable(encoder: Encoder) -> None:
    """Raises SearchIndexError for a model whose vectors are not finite, or alike for media that are not."""
    clips = [_noise(encoder.window, number) for number in range(4)]
    encode = {"video": encoder.encode_video, "audio": encoder.encode_audio}
    for modality in encode:
        if not num_shared(modality, modality, encoder.spaces):
            continue
        vectors = encode[modality](clips)
        if not np.isfinite(vectors).all():
            raise _unusable(encoder, f"its vectors of {modality} are not finite", "a training that diverged")
        if np.ptp(vectors, axis=0).max() < SMALLEST_SPREAD:
            raise _unusable(encoder, f"its vectors of {modality} are all alike", "a training that collapsed")
    reads = num_shared("text", "text", encoder.spaces)
    if reads and not np.isfinite(encoder.encode_text(["1", "2 2"])).all():  # what words it knows is not known
        raise _unusable(encoder, "its vectors of text are not finite", "a training that diverged")


def _unusable(encoder: Encoder, what: str, why: str) -> SearchIndexError:
    return SearchIndexError(
        f"{encoder.about.get('run', encoder.fingerprint)}: {what}, as after {why}; any answer would be chance, so "
        "nothing was written. Check the run (vlsa evaluate, vlsa doctor RUN), or use another."
    )


def _noise(window: WindowSpec, number: int) -> Clip:
    """A window of random frames and audio of a brightness and loudness of its own."""
    rng, side_px = np.random.default_rng(number), window.short_side_px
    frames = rng.integers(50 * number, 50 * number + 60, (window.num_frames, side_px, side_px, 3), dtype=np.uint8)
    num_samples = round(window.window_seconds * window.sample_rate_hz)
    return Clip(
        id=f"noise-{number}",
        source="noise",
        start_seconds=0.0,
        stop_seconds=window.window_seconds,
        frames=frames,
        frame_seconds=(np.arange(window.num_frames) + 0.5) * window.window_seconds / window.num_frames,
        sound=rng.uniform(0.1, 0.2 * (number + 1), num_samples).astype(np.float32),
        sample_rate_hz=window.sample_rate_hz,
    )
