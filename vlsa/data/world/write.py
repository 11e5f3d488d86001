"""A made world as real files: H.264 with B-frames and AAC in .mp4, captions.csv, and the truth beside them.

Reads clips.py and the renderers; feeds prepare.py like any folder of footage. A clip's file follows from the seed, the
split and its number alone, so writing is parallel, and an interrupted run goes on with the files that are missing.
Axes: F frames, H W pixels, S samples.
"""

import csv
import io
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from vlsa.base.errors import ConfigError
from vlsa.data.world.clips import NUM_HELD_OUT, SPLITS, world_log
from vlsa.data.world.picture import render_picture
from vlsa.data.world.sound import render_sound

VERSION = 1
"""Of the rendering: a world begun by another version is not continued."""
FRAMES_PER_SECOND = 16
SAMPLE_RATE_HZ = 22_050
AAC_OPTIONS = {"aac_coder": "fast", "flags": "+qscale", "global_quality": "236"}
"""Constant quality with the fast coder: closer to the source than the default 64 kbit/s, in a quarter of the time."""
SMALLEST_PX = 32
README = """A made world: short clips in which shapes move, collide and sound (seed {seed}, {size_px} px).

train/, test/   .mp4 files; test/ shows combinations of shape, colour, size, material, motion, count and tempo that
                train/ never does
captions.csv    path,start_seconds,stop_seconds,text,split (no times = the whole file; several captions a training clip)
truth.jsonl     the event log of each clip: every fact, and the time, place and loudness of each impact
world.json      what the world was made from

Colour, shape, direction and the still second object are only seen; material and what sounds off screen are only heard;
motion, count, tempo and size are both.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorldSummary:
    """What `make_world` left on disk."""

    folder: Path
    num_train: int
    num_test: int
    num_captions: int
    num_written: int
    """Files made now; the others were there already."""
    seconds: float


@dataclass(frozen=True, slots=True)
class _Task:
    """One file to write. Crosses to worker processes."""

    folder: str
    seed: int
    split: str
    index: int
    size_px: int

    @property
    def path(self) -> Path:
        return Path(self.folder) / relative_path(self.split, self.index)


def relative_path(split: str, index: int) -> str:
    """Where a clip lies in its world's folder."""
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
    """Write a made world of .mp4 files, or what is missing of it; `progress` gets files done and files in all.

    Raises ConfigError for sizes that cannot be, and for a folder that holds another world.
    """
    begun = time.monotonic()
    folder = Path(folder)
    _check(num_train, num_test, seed, size_px)
    _claim(folder, {"version": VERSION, "seed": seed, "size_px": size_px}, {"train": num_train, "test": num_test})
    clips = [(split, index) for split, n in zip(SPLITS, (num_train, num_test), strict=True) for index in range(n)]
    tasks = [_Task(str(folder), seed, split, index, size_px) for split, index in clips]
    missing = [task for task in tasks if not task.path.exists()]
    for num_done, _ in enumerate(_written(missing, num_workers), start=len(tasks) - len(missing) + 1):
        if progress is not None:
            progress(num_done, len(tasks))
    num_captions = _write_lists(folder, seed, clips)
    _write_text(folder / "README.txt", README.format(seed=seed, size_px=size_px))
    return WorldSummary(
        folder=folder,
        num_train=num_train,
        num_test=num_test,
        num_captions=num_captions,
        num_written=len(missing),
        seconds=time.monotonic() - begun,
    )


def write_clip(path: Path, frames: np.ndarray, sound: np.ndarray, frames_per_second: int, sample_rate_hz: int) -> None:
    """An .mp4 of frames (uint8 F H W 3, even sides) and mono sound (float32 S); it appears whole or not at all."""
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
    stream.codec_context.thread_count = 1  # the same bytes whatever the machine
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


def _write_task(task: _Task) -> None:
    log, _ = world_log(task.seed, task.split, task.index)
    frames = render_picture(log, task.size_px, FRAMES_PER_SECOND)
    write_clip(task.path, frames, render_sound(log, SAMPLE_RATE_HZ), FRAMES_PER_SECOND, SAMPLE_RATE_HZ)


def _written(tasks: list[_Task], num_workers: int) -> Iterator[None]:
    """Write the files, one result each. Processes are spawned: a fork with an open decoder is not safe."""
    if num_workers <= 1 or len(tasks) < 16:
        yield from map(_write_task, tasks)
        return
    ignore = (signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, which ends them, without a traceback from each
    with multiprocessing.get_context("spawn").Pool(num_workers, signal.signal, ignore) as pool:
        yield from pool.imap_unordered(_write_task, tasks, chunksize=8)


def _check(num_train: int, num_test: int, seed: int, size_px: int) -> None:
    if min(num_train, num_test) < 0 or num_train + num_test == 0:
        raise ConfigError(
            f"world: {num_train} training and {num_test} held-out clips cannot be made. Try 3000 and 200."
        )
    if num_test > NUM_HELD_OUT:
        raise ConfigError(
            f"world: {num_test} test clips are too many; each shows a combination of its own and "
            f"{NUM_HELD_OUT} are set aside. Ask for at most {NUM_HELD_OUT}."
        )
    if size_px < SMALLEST_PX or size_px % 2:
        raise ConfigError(
            f"world: size_px={size_px} must be even and at least {SMALLEST_PX}: video stores colour for pairs of "
            "pixels, and marks would vanish. Try 64."
        )
    if seed < 0:
        raise ConfigError(f"world: seed={seed} must not be negative: the random generator needs 0 or more. Try seed=0.")


def _claim(folder: Path, settings: dict[str, int], counts: dict[str, int]) -> None:
    """Make the folders, or make sure that they hold the same world. Raises ConfigError."""
    try:
        for split in SPLITS:
            (folder / split).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{folder}: cannot be made ({error.strerror}); a world is a folder. Name another one."
        ) from error
    path = folder / "world.json"
    if path.exists():
        held = _read_settings(path)
        more = {split: held.get(f"num_{split}", 0) for split in counts}
        different = [f"{name}={held.get(name)} (asked: {n})" for name, n in settings.items() if held.get(name) != n]
        different += [f"{more[split]} {split} clips (asked: {n})" for split, n in counts.items() if more[split] > n]
        if different:
            raise ConfigError(
                f"{folder}: holds another world, with {', '.join(different)}; mixing two would spoil both. "
                "Name an empty folder, or ask for the same world."
            )
    record = settings | {f"num_{split}": count for split, count in counts.items()}
    _write_text(path, json.dumps(record, indent=2) + "\n")


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON; what the folder holds is unknown. Name an empty folder.") from error
    return held if isinstance(held, dict) else {}


def _write_lists(folder: Path, seed: int, clips: list[tuple[str, int]]) -> int:
    """captions.csv and truth.jsonl. Returns the number of captions."""
    rows: list[tuple[str, str, str, str, str]] = []
    truth = []
    for split, index in clips:
        log, texts = world_log(seed, split, index)
        path = relative_path(split, index)
        rows += [(path, "", "", text, split) for text in texts]
        truth.append(json.dumps({"path": path, "split": split} | log.as_dict()))
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("path", "start_seconds", "stop_seconds", "text", "split"))
    writer.writerows(rows)
    _write_text(folder / "captions.csv", table.getvalue())
    _write_text(folder / "truth.jsonl", "\n".join(truth) + "\n")
    return len(rows)


def _write_text(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)
