"""From a manifest to a clip store: parallel, restartable, every clip that cannot be kept reported with its reason.

Reads media files through decode.py in the processes of workers.py; writes shards.py. The unit of work is a shard, and
which rows it holds is fixed by the manifest before anything is decoded. So a shard has the same bytes whoever makes it,
a second run of the same command makes only what is missing, and no clip is lost or doubled.
"""

import contextlib
import functools
import hashlib
import json
import math
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from vlsa.base.errors import ManifestError, MediaError, StoreError
from vlsa.base.files import LOCK_NAME, Progress, locked_folder, write_json_lines
from vlsa.config import Config
from vlsa.config import overrides as settings_json
from vlsa.data.clip import Clip
from vlsa.data.engine.workers import Done, Heartbeat, Lost, Started, WorkerPool, patience_seconds
from vlsa.data.ingest.manifest import TEXT_KINDS, ClipRow, Rejection, check_unique
from vlsa.data.ingest.segments import segment_seconds
from vlsa.data.ingest.shots import FOLDER_NAME as SCENES
from vlsa.data.media import decode
from vlsa.data.media.transcripts import FOLDER_NAME as TRANSCRIPTS
from vlsa.data.store import given_up
from vlsa.data.store.reader import ClipStore
from vlsa.data.store.shard_index import read_shard_index
from vlsa.data.store.shards import ShardWriter, StoreSettings, read_header, write_header, writing
from vlsa.data.store.summary import REPORT_NAME, PrepareSummary, summarise

FEWEST_CLIPS_PER_SHARD, MOST_SMALL_SHARDS = 16, 64

Decode = Callable[[ClipRow, StoreSettings], Clip]


SMALL_VIDEO_PX = 112
"""Frames under this side are kept at the size that the model reads; larger ones an eighth larger."""
FRAMES_KEPT_PER_FRAME_SEEN = 4


def store_settings(config: Config) -> StoreSettings:
    """How to keep clips for a model: its frame size, audio rate and window, and frames to choose from."""
    video, audio = config.model.video, config.model.audio
    window_seconds = segment_seconds(audio.window_seconds)
    return StoreSettings(
        short_side_px=video.size_px if video.size_px < SMALL_VIDEO_PX else video.size_px * 8 // 7,
        frames_per_second=float(round(FRAMES_KEPT_PER_FRAME_SEEN * video.num_frames / window_seconds)),
        sample_rate_hz=audio.sample_rate_hz,
        window_seconds=window_seconds,
    )


@dataclass(frozen=True)
class ShardTask:
    """A shard to make. Picklable."""

    store_path: Path
    number: int
    settings: StoreSettings
    rows: tuple[ClipRow, ...]
    given_up: tuple[Rejection, ...]
    """Clips of this shard that have crashed or hung a worker before."""
    decode: Decode


def decode_row(row: ClipRow, settings: StoreSettings) -> Clip:
    """Decode one row of a manifest as the settings want it. Raises MediaError."""
    duration_seconds = row.stop_seconds - row.start_seconds
    if duration_seconds <= 0:
        message = f"{row.path}: clip {row.id} stops at {row.stop_seconds:g} s and starts at {row.start_seconds:g} s; "
        raise MediaError(message + "nothing can be decoded. Fix its times.", reason="zero_length")
    facts = _facts(row.path)
    decode.check_extent(facts, row.start_seconds, row.stop_seconds, settings.short_side_px, settings.frames_per_second)
    return decode.decode(
        row.path,
        row.start_seconds,
        row.stop_seconds,
        frame_times_seconds=decode.regular_times(duration_seconds, settings.frames_per_second),
        short_side_px=settings.short_side_px,
        sample_rate_hz=settings.sample_rate_hz,
        facts=facts,
        id=row.id,
        texts=row.texts,
    )


@functools.lru_cache(maxsize=16)
def _facts(path: str) -> decode.MediaFacts:
    """Neighbouring rows come from the same file: it is scanned once."""
    return decode.probe(path)


def prepare(
    rows: Sequence[ClipRow],
    store_path: str | Path,
    settings: StoreSettings,
    *,
    num_workers: int | None = None,
    rejections: Sequence[Rejection] = (),
    restart: bool = False,
    decode: Decode = decode_row,
    progress: Progress | None = None,
) -> PrepareSummary:
    """Decode every row into a store, resuming where an interrupted run of the same rows and settings stopped.

    `num_workers` processes decode (None = one per core; 0 = this process, where a crash of a decoder is the end).
    `rejections` of the manifest are added to the report. `restart` deletes what a former run made. `decode` must be
    picklable. Raises ManifestError for no or doubled rows; StoreError when the folder holds something else, a store of
    other rows or settings, or no clip at all could be prepared.
    """
    store_path = Path(store_path)
    if not rows and not rejections:
        raise ManifestError(f"{store_path}: no clips to prepare; the store would be empty. Give a manifest with rows.")
    check_unique(rows, "the manifest")
    num_workers = os.cpu_count() or 1 if num_workers is None else num_workers
    with _exclusive(store_path):
        _sweep(store_path)
        _claim(store_path, rows, settings, restart)
        tasks = _open_tasks(store_path, rows, settings, decode)
        _make_shards(tasks, store_path, len(rows), num_workers, progress)
        store = ClipStore.open(store_path)
        assert len(store) + len(store.rejections) == len(rows), (store, len(rows))
        report = [*rejections, *store.rejections]
        with writing(store_path / REPORT_NAME):
            write_json_lines(store_path / REPORT_NAME, map(asdict, report))
        (store_path / given_up.NAME).unlink(missing_ok=True)
    if not len(store):
        where = f"{store_path}: no clip could be prepared; see {REPORT_NAME} in it."
        raise StoreError(f"{where} The first: {report[0].message}")
    return summarise(store, report)


def build_shard(task: ShardTask, beat: Heartbeat) -> None:
    """Make one shard, in a worker: decode its rows in order, keep or reject each, commit."""
    known = {rejection.id: rejection for rejection in task.given_up}
    with ShardWriter(task.store_path, task.number, task.settings) as writer:
        for row in task.rows:
            if row.id in known:
                writer.reject(known[row.id])
                continue
            beat(row.id, patience_seconds(row.path, row.stop_seconds - row.start_seconds))
            try:
                clip = task.decode(row, task.settings)
            except MediaError as error:
                writer.reject(row.rejected(error.reason, str(error)))
            else:
                writer.add(clip, row.split, row.text_kind)
        writer.commit()


def shard_bounds(num_rows: int, clips_per_shard: int) -> list[tuple[int, int]]:
    """First and last + 1 row of each shard: by the number of rows alone, never by the machine.

    Small sets get up to 64 shards of at least 16 clips, so that all workers have work.
    """
    small = max(math.ceil(num_rows / MOST_SMALL_SHARDS), FEWEST_CLIPS_PER_SHARD)
    size = min(clips_per_shard, small)
    return [(first, min(first + size, num_rows)) for first in range(0, num_rows, size)]


def _claim(store_path: Path, rows: Sequence[ClipRow], settings: StoreSettings, restart: bool) -> None:
    """Make the folder a store of these rows and settings, or check that it is one."""
    if restart and (store_path / "store.json").exists():
        read_header(store_path)  # refuses to delete what is not a store
        shutil.rmtree(store_path / "shards", ignore_errors=True)
        (store_path / given_up.NAME).unlink(missing_ok=True)
        (store_path / "store.json").unlink()  # last: a run killed here may still be restarted
    num_shards = len(shard_bounds(len(rows), settings.clips_per_shard))
    wanted = {"num_shards": num_shards, "num_rows": len(rows), "manifest_digest": _digest(rows)}
    if not (store_path / "store.json").exists():
        _check_empty(store_path)
        write_header(store_path, settings, **wanted, base=os.getcwd())
        return
    header = read_header(store_path)
    different = [name for name, value in wanted.items() if header.get(name) != value]
    old, new = header["settings"], settings_json.to_dict(settings)
    changed = [f"{name} {old.get(name)} -> {new[name]}" for name in new if old.get(name) != new[name]]
    if different or changed:
        counts = f"{header.get('num_rows')} then, {len(rows)} now"
        what = ", ".join(changed) or f"other clips ({counts}), or other times, texts or splits of them"
        raise StoreError(
            f"{store_path}: holds a store made with other input: {what}; one store cannot mix them. "
            "Choose another folder, or prepare again with --restart."
        )


def _open_tasks(store_path: Path, rows: Sequence[ClipRow], settings: StoreSettings, decode: Decode) -> list[ShardTask]:
    """The shards that are still to be made."""
    _facts.cache_clear()
    if read_header(store_path).get("base", os.getcwd()) != os.getcwd():  # an earlier run was in another folder
        rows = [replace(row, path=os.path.abspath(row.path)) for row in rows]
    known = given_up.read(store_path)
    bounds = shard_bounds(len(rows), settings.clips_per_shard)
    return [
        ShardTask(
            store_path,
            number,
            settings,
            tuple(rows[first:last]),
            tuple(known[row.id] for row in rows[first:last] if row.id in known),
            decode,
        )
        for number, (first, last) in enumerate(bounds)
        if not _is_finished(store_path, number)
    ]


def _make_shards(
    tasks: list[ShardTask], store_path: Path, num_rows: int, num_workers: int, progress: Progress | None
) -> None:
    num_done = num_rows - sum(len(task.rows) for task in tasks)
    counted: Counter[int] = Counter()  # clips of each shard that are counted in num_done
    pool = WorkerPool(build_shard, tasks, num_workers)
    with _sweeping(store_path), contextlib.closing(pool.events()) as events:
        for event in events:
            number = event.task.number
            now = counted[number] + 1 if isinstance(event, Started) else len(event.task.rows) * isinstance(event, Done)
            num_done, counted[number] = num_done + now - counted[number], now
            if isinstance(event, Lost):
                pool.submit(_give_up(event))
            if progress:
                progress(num_done, num_rows, getattr(event, "label", f"shard {number}"))


def _give_up(lost: Lost) -> ShardTask:
    """The same shard without the clip that killed or held its worker."""
    task: ShardTask = lost.task
    row = next(row for row in task.rows if row.id == lost.label)
    where = f"{row.path}: {row.start_seconds:g}-{row.stop_seconds:g} s"
    message = f"{where}: {lost.message}; it would do so again. Convert the file, or leave it out."
    rejection = row.rejected(lost.reason, message)
    given_up.add(task.store_path, rejection)
    return replace(task, given_up=(*task.given_up, rejection))


def _is_finished(store_path: Path, number: int) -> bool:
    """Whether a shard is whole; a broken one is made again."""
    try:
        read_shard_index(store_path, number)
    except StoreError:
        return False
    return True


def _digest(rows: Sequence[ClipRow]) -> str:
    """Distinguishes one manifest from another. Paths do not count: the same folder may be named in several ways."""
    facts = [(row.id, row.start_seconds, row.stop_seconds, row.texts, row.split, *_unusual_kind(row)) for row in rows]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _unusual_kind(row: ClipRow) -> tuple[str, ...]:
    """Nothing for captions, so that stores from before there were kinds are known again."""
    return () if row.text_kind == TEXT_KINDS[0] else (row.text_kind,)


def _check_empty(store_path: Path) -> None:
    if {path.name for path in store_path.iterdir()} - {REPORT_NAME, LOCK_NAME, SCENES, TRANSCRIPTS}:
        raise StoreError(
            f"{store_path}: not empty and not a clip store; files in it could be mixed up with a store's. "
            "Name a new folder."
        )


def _sweep(store_path: Path) -> None:
    """Remove what killed processes left half written."""
    for name in ("store.json", REPORT_NAME, given_up.NAME, "shards/shard-*"):
        for partial_path in store_path.glob(f"{name}.*.partial"):
            partial_path.unlink(missing_ok=True)


@contextlib.contextmanager
def _sweeping(store_path: Path) -> Iterator[None]:
    try:
        yield
    finally:
        _sweep(store_path)


@contextlib.contextmanager
def _exclusive(store_path: Path) -> Iterator[None]:
    """Make the folder and hold it: two runs at once would waste each other's work."""
    busy = StoreError(f"{store_path}: another prepare is writing this store. Wait for it, or end it.")
    try:
        with locked_folder(store_path, busy):
            yield
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        if error.filename != str(store_path):
            raise
        raise StoreError(f"{store_path}: cannot be made ({error.strerror}); name one that can.") from error
