"""From a manifest to a clip store: parallel, restartable, every clip that cannot be kept reported with its reason.

Reads media files through decode.py in the processes of an engine; writes shards.py. The unit of work is a shard, and
which rows it holds is fixed by the manifest before anything is decoded. So a shard has the same bytes whoever makes it,
a second run of the same command makes only what is missing, and no clip is lost or doubled.
"""

import contextlib
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from vlsa.base.errors import ManifestError, MediaError, StoreError
from vlsa.base.files import Progress, write_json_lines
from vlsa.config import Config
from vlsa.data.engine.engines import Engine, Kills, LocalEngine
from vlsa.data.engine.workers import TASK_SECONDS, Done, Heartbeat, Lost, Started, patience_seconds
from vlsa.data.ingest.manifest import ClipRow, Rejection, check_unique
from vlsa.data.ingest.segments import segment_seconds
from vlsa.data.store import given_up, index_layout
from vlsa.data.store.decoding import Decode, check_dropped, decode_row, probe_once
from vlsa.data.store.holding import (
    Part,
    check_options,
    forget_parts,
    one_part,
    shared_moment,
    sweep_shards,
    sweep_shared,
    whole_store,
)
from vlsa.data.store.index_open import list_shards
from vlsa.data.store.objects import is_address
from vlsa.data.store.plan import MADE, Plan, commit, known_plan, new_plan
from vlsa.data.store.reader import ClipStore
from vlsa.data.store.shard_index import read_shard_index, shard_bytes
from vlsa.data.store.shards import ShardWriter, StoreSettings, read_header, writing
from vlsa.data.store.staging import Staging
from vlsa.data.store.summary import REPORT_NAME, PartSummary, PrepareSummary, summarise

SMALL_VIDEO_PX = 112
"""Frames under this side are kept at the size that the model reads; larger ones an eighth larger."""
FRAMES_KEPT_PER_FRAME_SEEN = 4
SLOWEST_BYTES_PER_SECOND = 100_000
"""A shard that is sent more slowly counts as hung."""


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
    given_up_name: str
    """The list for more of them."""
    staging: Staging | None = None
    """Where the shard is sent, if the store is on an object store."""


def prepare(
    rows: Sequence[ClipRow],
    store_path: str | Path,
    settings: StoreSettings,
    *,
    num_workers: int | None = None,
    engine: Engine | None = None,
    rejections: Sequence[Rejection] = (),
    restart: bool = False,
    add: bool = False,
    part: Part | None = None,
    decode: Decode = decode_row,
    progress: Progress | None = None,
) -> PrepareSummary | PartSummary:
    """Decode every row into a store, resuming where an interrupted run of the same rows and settings stopped.

    `store_path` is a folder, or an address on an object store such as s3://bucket/store.

    `num_workers` processes decode (None = one per core; 0 = this process, where a crash of a decoder is the end), or
    another `engine` does. `rejections` of the manifest are added to the report. `restart` deletes what a former run
    made. `add` adds rows that the store does not have, in shards of their own, and leaves the others as they are.
    `part` makes some of the shards only, next to other processes; the part that ends last completes the store. `decode`
    must be picklable. Raises ManifestError for no or doubled rows; ConfigError for two of `restart`, `add` and `part`;
    StoreError when the folder holds something else, a store of other rows or settings, or no clip at all could be
    prepared.
    """
    if not rows and not rejections:
        raise ManifestError(f"{store_path}: no clips to prepare; the store would be empty. Give a manifest with rows.")
    check_options(store_path, part, add=add, restart=restart)
    check_unique(rows, "the manifest")
    engine = engine or LocalEngine(num_workers)
    staging = Staging(str(store_path)) if is_address(store_path) else None
    folder = staging.folder if staging else Path(store_path)
    run = _Run(folder, rows, settings, rejections, add, part, decode, staging)
    if part is not None:
        return run.make_part(engine, progress)
    with staging.held(restart) if staging else whole_store(folder):
        plan = run.plan(restart)
        if staging:
            staging.send_plan()
        run.make(plan, engine, progress)
        return run.finish(plan)


@dataclass(frozen=True)
class _Run:
    """One call of `prepare`."""

    store_path: Path
    rows: Sequence[ClipRow]
    settings: StoreSettings
    rejections: Sequence[Rejection]
    add: bool
    part: Part | None
    decode: Decode
    staging: Staging | None = None
    """If the store is on an object store: `store_path` is its folder then."""

    def plan(self, restart: bool = False) -> Plan:
        """What is to be in the store. The folder is held."""
        sweep_shared(self.store_path, self.part)
        if restart:
            _delete(self.store_path)
        if (self.store_path / "store.json").exists():
            return known_plan(self.store_path, self.rows, self.settings, self.add)
        return new_plan(self.store_path, self.rows, self.settings)

    def make_part(self, engine: Engine, progress: Progress | None) -> PrepareSummary | PartSummary:
        """Make the shards of a part, and complete the store if no other is missing."""
        assert self.part is not None
        with contextlib.ExitStack() as held:
            with shared_moment(self.store_path):
                held.enter_context(one_part(self.store_path, self.part))
                plan = self.plan()
            num_made = self.make(plan, engine, progress)
            with shared_moment(self.store_path):
                num_shards = len(plan.shards(self.settings.clips_per_shard))
                num_missing = list_shards(self.store_path).num_missing(num_shards)
                if num_missing:
                    return PartSummary(str(self.store_path), str(self.part), num_made, num_shards, num_missing)
                forget_parts(self.store_path)
                return self.finish(plan)

    def make(self, plan: Plan, engine: Engine, progress: Progress | None) -> int:
        """Make the shards that are missing, of the part if there is one; returns how many."""
        sweep_shards(self.store_path, self.part)
        tasks, num_rows = self._tasks(plan)
        try:
            _make_shards(tasks, num_rows, engine, progress)
        finally:
            sweep_shards(self.store_path, self.part)
        return len(tasks)

    def _tasks(self, plan: Plan) -> tuple[list[ShardTask], int]:
        """The shards that are still to be made, and how many rows they and the finished ones have."""
        probe_once.cache_clear()
        shards = [
            (number, rows)
            for number, rows in enumerate(plan.shards(self.settings.clips_per_shard))
            if self.part is None or self.part.has(number)
        ]
        elsewhere = read_header(self.store_path).get("base", os.getcwd()) != os.getcwd()  # an earlier run was there
        known = given_up.read(self.store_path)
        name = given_up.name_of_part(self.part.label) if self.part else given_up.NAME
        tasks = [
            ShardTask(
                self.store_path,
                number,
                self.settings,
                tuple(replace(row, path=os.path.abspath(row.path)) for row in rows) if elsewhere else rows,
                tuple(known[row.id] for row in rows if row.id in known),
                self.decode,
                name,
                self.staging,
            )
            for number, rows in shards
            if not _is_finished(self.store_path, number)
        ]
        return tasks, sum(len(rows) for _, rows in shards)

    def finish(self, plan: Plan) -> PrepareSummary:
        """Open the whole store, which makes its index, and write the report. The folder is held."""
        commit(self.store_path, plan, self.settings)
        store = ClipStore.open(self.store_path)
        assert len(store) + len(store.rejections) == plan.num_rows, (store, plan.num_rows)
        report = [*self.rejections, *store.rejections]
        with writing(self.store_path / REPORT_NAME):
            write_json_lines(self.store_path / REPORT_NAME, map(asdict, report))
        given_up.remove(self.store_path)
        if self.staging:
            self.staging.send_result()
        if not len(store):
            where = f"{self.store_path}: no clip could be prepared; see {REPORT_NAME} in it."
            raise StoreError(f"{where} The first: {report[0].message}")
        where = self.staging.address if self.staging else str(self.store_path)
        return replace(summarise(store, report), store_path=where, num_added=plan.num_new if self.add else None)


def files_of(task: ShardTask) -> list[str | Path]:
    """What is read to make a shard, and what has to be where it is written."""
    return [task.store_path / "store.json", *(row.path for row in task.rows)]


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
                check_dropped(task.settings.drop, row)
                clip = task.decode(row, task.settings)
                check_dropped(task.settings.drop, row, clip)
            except MediaError as error:
                writer.reject(row.rejected(error.reason, str(error)))
            else:
                writer.add(clip, row.split, row.text_kind)
        writer.commit()
    if task.staging:
        beat("", TASK_SECONDS + shard_bytes(task.store_path, task.number) / SLOWEST_BYTES_PER_SECOND)
        task.staging.send_shard(task.number)


def _delete(store_path: Path) -> None:
    """Remove what a former run made. Raises StoreError for a folder that is no store."""
    if not (store_path / "store.json").exists():
        return
    read_header(store_path)  # refuses to delete what is not a store
    shutil.rmtree(store_path / "shards", ignore_errors=True)
    given_up.remove(store_path)
    for name in (*MADE, index_layout.NAME, REPORT_NAME):
        for path in store_path.glob(name):
            path.unlink(missing_ok=True)
    (store_path / "store.json").unlink()  # last: a run killed here may still be restarted


def _make_shards(tasks: list[ShardTask], num_rows: int, engine: Engine, progress: Progress | None) -> None:
    num_done = num_rows - sum(len(task.rows) for task in tasks)
    counted: Counter[int] = Counter()  # clips of each shard that are counted in num_done
    pool, kills = engine.pool(build_shard, tasks, files_of), Kills()
    with contextlib.closing(pool.events()) as events:
        for event in events:
            number = event.task.number
            if isinstance(event, Started) and not event.label:  # its clips are made, and the shard is being sent
                continue
            now = counted[number] + 1 if isinstance(event, Started) else len(event.task.rows) * isinstance(event, Done)
            num_done, counted[number] = num_done + now - counted[number], now
            if isinstance(event, Lost):
                # without a label it was lost while the shard was sent, and no clip is at fault
                pool.submit(event.task if not event.label or kills.is_first(event) else _give_up(event))
            if progress:
                progress(num_done, num_rows, getattr(event, "label", f"shard {number}"))


def _give_up(lost: Lost) -> ShardTask:
    """The same shard without the clip that killed or held its worker."""
    task: ShardTask = lost.task
    row = next(row for row in task.rows if row.id == lost.label)
    where = f"{row.path}: {row.start_seconds:g}-{row.stop_seconds:g} s"
    message = f"{where}: {lost.message}; it would do so again. Convert the file, or leave it out."
    rejection = row.rejected(lost.reason, message)
    given_up.add(task.store_path, rejection, task.given_up_name)
    return replace(task, given_up=(*task.given_up, rejection))


def _is_finished(store_path: Path, number: int) -> bool:
    """Whether a shard is whole; a broken one is made again."""
    try:
        read_shard_index(store_path, number)
    except StoreError:
        return False
    return True
