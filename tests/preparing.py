"""Stores without media: rows, decoders that make, refuse or die of a clip, and a run of `prepare` with them."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np

from vlsa.base.errors import MediaError
from vlsa.data.clip import Clip
from vlsa.data.engine.engines import Needs, Pool
from vlsa.data.engine.workers import Heartbeat, WorkerPool
from vlsa.data.ingest.manifest import ClipRow
from vlsa.data.ingest.scan import ScannedFile, Task, scan_file
from vlsa.data.store.prepare import prepare
from vlsa.data.store.shards import StoreSettings

SETTINGS = StoreSettings(short_side_px=32, clips_per_shard=4)


def made_rows(num_rows: int) -> list[ClipRow]:
    return [ClipRow(f"clip-{k}", f"film-{k}.mp4", 0.0, 0.1, (f"text {k}",), "train") for k in range(num_rows)]


def made_clip(row: ClipRow, settings: StoreSettings) -> Clip:
    """A decoder without media: a ramp that tells the clips apart."""
    sound = (np.arange(100) * (1 + int(row.id.split("-")[1])) / 2**15).astype(np.float32)
    return Clip(
        id=row.id,
        source=row.path,
        start_seconds=row.start_seconds,
        stop_seconds=row.stop_seconds,
        sound=sound,
        sample_rate_hz=settings.sample_rate_hz,
        texts=row.texts,
    )


def dying_decoder(row: ClipRow, settings: StoreSettings) -> Clip:
    if row.id == "clip-5":
        os.kill(os.getpid(), signal.SIGSEGV)
    return made_clip(row, settings)


def killed_decoder(row: ClipRow, settings: StoreSettings) -> Clip:
    """Killed from outside at some clips: at clip-5 whenever it comes to it, at two others once."""
    mark = Path(row.path).with_suffix(".killed")
    if row.id == "clip-5" or (row.id in ("clip-1", "clip-6") and not mark.exists()):
        mark.touch()
        os.kill(os.getpid(), signal.SIGTERM if row.id == "clip-6" else signal.SIGKILL)
    return made_clip(row, settings)


class KillingEngine:
    """One process, which is killed from outside at the first scan of each file whose name begins with `killed`."""

    def pool(self, function: Any, tasks: Any, needs: Needs) -> Pool:
        assert function is scan_file
        return WorkerPool(killed_scan, tasks, 1)


def killed_scan(task: Task, beat: Heartbeat) -> ScannedFile:
    found, mark = scan_file(task, beat), task.path.with_suffix(".mark")
    if task.path.name.startswith("killed") and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return found


def refusing_decoder(row: ClipRow, settings: StoreSettings) -> Clip:
    if row.id == "clip-5":
        raise MediaError(f"{row.path}: damaged; drop it.", reason="damaged")
    return made_clip(row, settings)


def interrupted_decoder(row: ClipRow, settings: StoreSettings) -> Clip:
    if row.id == "clip-6":
        raise KeyboardInterrupt
    return made_clip(row, settings)


def slow_decoder(row: ClipRow, settings: StoreSettings) -> Clip:
    time.sleep(0.1)
    return made_clip(row, settings)


def decoder_of_a_lost_parent(row: ClipRow, settings: StoreSettings) -> Clip:
    """One that kills the process that started it, once a folder."""
    mark = Path(row.path).with_name("killed")
    if row.id == "clip-5" and not mark.exists():
        mark.touch()
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    return made_clip(row, settings)


def decoder_that_kills_its_parent(row: ClipRow, settings: StoreSettings) -> Clip:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)
    return made_clip(row, settings)


def run(rows: list[ClipRow], store_path: Path, **options: Any) -> Any:
    return prepare(rows, store_path, SETTINGS, **{"num_workers": 0, "decode": made_clip} | options)


def every_byte(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
