"""A made world as real files: H.264 with B-frames and AAC in .mp4, captions.csv, and the truth next to them.

Reads clips.py and the renderers; prepared like any folder of footage. The file of a clip depends only on the seed, the
split and its number, so writing is parallel, and an interrupted run resumes with the missing files.
Axes: F frames, H W pixels, S samples.
"""

import csv
import io
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from vlsa.base.errors import ConfigError
from vlsa.base.files import locked_folder, read_json, write_atomically, write_json_lines
from vlsa.data.engine.workers import CLIP_SECONDS, Done, Heartbeat, Lost, WorkerPool
from vlsa.data.world.clips import NUM_HELD_OUT, SPLITS, world_log
from vlsa.data.world.picture import render_picture
from vlsa.data.world.sound import render_sound

VERSION = 1
"""Of the rendering: a world of another version is not continued."""
FRAMES_PER_SECOND = 16
SAMPLE_RATE_HZ = 22_050
AAC_OPTIONS = {"aac_coder": "fast", "flags": "+qscale", "global_quality": "236"}
"""Constant quality with the fast coder: closer to the source than the default 64 kbit/s, in a quarter of the time."""
SMALLEST_PX = 32
FEWEST_FOR_WORKERS = 16
"""Number of files below which starting processes takes longer than writing."""
MOST_TRIES = 3
"""Tries to write a file whose worker dies."""
README = """A made world: short clips in which shapes move, collide and sound (seed {seed}, {size_px} px).

train/, test/   .mp4 files; test/ shows combinations of shape, colour, size, material, motion, count and tempo that
                train/ never does
captions.csv    path,start_seconds,stop_seconds,text,split (no times = the whole file; training clips have several)
truth.jsonl     the event log of each clip: every fact, and the time, place and loudness of each impact
world.json      what the world was made from

Colour, shape, direction and the still second object are in the video only; material and off-screen sounds are in the
audio only; motion, count, tempo and size are in both.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorldSummary:
    """What `make_world` wrote."""

    folder: Path
    num_train: int
    num_test: int
    num_captions: int
    num_written: int
    """Files written now; the others existed already."""
    seconds: float


@dataclass(frozen=True, slots=True)
class _Task:
    """One file to write. Picklable, for worker processes."""

    folder: str
    seed: int
    split: str
    index: int
    size_px: int

    @property
    def path(self) -> Path:
        return Path(self.folder) / relative_path(self.split, self.index)


def relative_path(split: str, index: int) -> str:
    """Path of a clip in the folder of its world."""
    return f"{split}/{index:05d}.mp4"


def make_world(
    folder: str | Path,
    *,
    num_train: int = 3000,
    num_test: int = 200,
    seed: int = 0,
    size_px: int = 64,
    num_workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> WorldSummary:
    """Write a made world of .mp4 files, or those that are missing; `progress` gets files done and files in total.

    Raises ConfigError for invalid sizes, a folder that holds another world or that another process writes, and a worker
    that keeps dying.
    """
    started, folder = time.monotonic(), Path(folder)
    _check(num_train, num_test, seed, size_px)
    clips = [(split, index) for split, n in zip(SPLITS, (num_train, num_test), strict=True) for index in range(n)]
    tasks = [_Task(str(folder), seed, split, index, size_px) for split, index in clips]
    busy = ConfigError(f"{folder}: another make-world is writing this world. Wait for it, or end it.")
    with _writing(folder), locked_folder(folder, busy):
        _claim(folder, {"version": VERSION, "seed": seed, "size_px": size_px}, {"train": num_train, "test": num_test})
        missing = [task for task in tasks if not task.path.exists()]
        for num_written in _written(missing, num_workers):
            if progress is not None:
                progress(len(tasks) - len(missing) + num_written, len(tasks))
        num_captions = _write_lists(folder, seed, clips)
        write_atomically(folder / "README.txt", README.format(seed=seed, size_px=size_px).encode())
    return WorldSummary(
        folder=folder,
        num_train=num_train,
        num_test=num_test,
        num_captions=num_captions,
        num_written=len(missing),
        seconds=time.monotonic() - started,
    )


def write_clip(path: Path, frames: np.ndarray, sound: np.ndarray, frames_per_second: int, sample_rate_hz: int) -> None:
    """An .mp4 of frames (uint8 F H W 3, even sides) and mono audio (float32 S); written atomically."""
    import av

    unfinished = path.with_name(f".{path.name}.part")
    with av.open(str(unfinished), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        video = _video_stream(container, frames, frames_per_second)
        audio = container.add_stream("aac", rate=sample_rate_hz, layout="mono")
        audio.options = AAC_OPTIONS
        container.mux([packet for image in _images(frames) for packet in video.encode(image)])
        container.mux(video.encode(None))
        samples = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
        samples.sample_rate, samples.pts, samples.time_base = sample_rate_hz, 0, Fraction(1, sample_rate_hz)
        container.mux(audio.encode(samples))
        container.mux(audio.encode(None))
    os.replace(unfinished, path)


def _video_stream(container: Any, frames: np.ndarray, frames_per_second: int) -> Any:
    """H.264 with two B-frames in a row, or MPEG-4 with one where the media library lacks x264."""
    import av

    has_x264 = "libx264" in av.codecs_available
    stream = container.add_stream("libx264" if has_x264 else "mpeg4", rate=frames_per_second)
    stream.height, stream.width = frames.shape[1:3]
    stream.pix_fmt = "yuv420p"
    stream.codec_context.thread_count = 1  # the same bytes on every machine
    stream.codec_context.gop_size = frames_per_second
    stream.codec_context.max_b_frames = 2 if has_x264 else 1
    stream.options = {"preset": "ultrafast", "crf": "16", "b-adapt": "0"} if has_x264 else {"qscale": "2"}
    return stream


def _images(frames: np.ndarray) -> Iterator[Any]:
    import av

    for index, frame in enumerate(frames):
        image = av.VideoFrame.from_ndarray(frame, format="rgb24")
        image.pts = index
        yield image


def _write_task(task: _Task, heartbeat: Heartbeat) -> None:
    heartbeat(str(task.path), CLIP_SECONDS)
    log, _ = world_log(task.seed, task.split, task.index)
    frames = render_picture(log, task.size_px, FRAMES_PER_SECOND)
    with _writing(task.path):
        write_clip(task.path, frames, render_sound(log, SAMPLE_RATE_HZ), FRAMES_PER_SECOND, SAMPLE_RATE_HZ)


def _written(tasks: list[_Task], num_workers: int) -> Iterator[int]:
    """Write the files; yields the number done. A file whose worker died is written by another one."""
    pool = WorkerPool(_write_task, tasks, num_workers if num_workers > 1 and len(tasks) >= FEWEST_FOR_WORKERS else 0)
    num_done, losses = 0, Counter[_Task]()
    for event in pool.events():
        if isinstance(event, Lost):
            losses[event.task] += 1
            if losses[event.task] == MOST_TRIES:
                raise ConfigError(
                    f"{event.task.path}: cannot be written: {MOST_TRIES} times {event.message}; memory may be short. "
                    "Run the same command again with fewer workers: finished files are kept."
                )
            pool.submit(event.task)
        elif isinstance(event, Done):
            num_done += 1
            yield num_done


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn an OSError into a ConfigError that says what to do."""
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written ({error.strerror}); the world is unfinished. Name another folder, or free "
            "some space and run the same command again: finished files are kept."
        ) from error


def _check(num_train: int, num_test: int, seed: int, size_px: int) -> None:
    if min(num_train, num_test) < 0 or num_train + num_test == 0:
        raise ConfigError(
            f"world: {num_train} training and {num_test} held-out clips cannot be made. Try 3000 and 200."
        )
    if num_test > NUM_HELD_OUT:
        raise ConfigError(
            f"world: {num_test} test clips are too many; each has a combination of its own and "
            f"{NUM_HELD_OUT} are reserved. Ask for at most {NUM_HELD_OUT}."
        )
    if size_px < SMALLEST_PX or size_px % 2:
        raise ConfigError(
            f"world: size_px={size_px} must be even and at least {SMALLEST_PX}: video stores colour for pairs of "
            "pixels, and marks would vanish. Try 64."
        )
    if seed < 0:
        raise ConfigError(f"world: seed={seed} must not be negative: the random generator needs 0 or more. Try seed=0.")


def _claim(folder: Path, settings: dict[str, int], counts: dict[str, int]) -> None:
    """Create the folders, or check that they hold the same world. Raises ConfigError."""
    for split in SPLITS:
        (folder / split).mkdir(parents=True, exist_ok=True)
    path = folder / "world.json"
    if path.exists():
        held = _read_settings(path)
        different = [f"{name}={held.get(name)} (asked: {n})" for name, n in settings.items() if held.get(name) != n]
        for split, num_clips in counts.items():
            num_held = held.get(f"num_{split}", 0)
            if not isinstance(num_held, int) or num_held > num_clips:
                different.append(f"{num_held} {split} clips (asked: {num_clips})")
        if different:
            raise ConfigError(
                f"{folder}: holds another world, with {', '.join(different)}; two worlds cannot be mixed. "
                "Name an empty folder, or ask for the same world."
            )
    record = settings | {f"num_{split}": count for split, count in counts.items()}
    write_atomically(path, f"{json.dumps(record, indent=2)}\n".encode())


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        held = read_json(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not JSON; the content of the folder is unknown. Name an empty folder.") from error
    return held if isinstance(held, dict) else {}


def _write_lists(folder: Path, seed: int, clips: list[tuple[str, int]]) -> int:
    """Write captions.csv and truth.jsonl. Returns the number of captions."""
    rows: list[tuple[str, str, str, str, str]] = []
    truth = []
    for split, index in clips:
        log, texts = world_log(seed, split, index)
        path = relative_path(split, index)
        rows += [(path, "", "", text, split) for text in texts]
        truth.append({"path": path, "split": split} | log.as_dict())
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("path", "start_seconds", "stop_seconds", "text", "split"))
    writer.writerows(rows)
    write_atomically(folder / "captions.csv", table.getvalue().encode())
    write_json_lines(folder / "truth.jsonl", truth)
    return len(rows)
