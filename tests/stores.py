"""Stores in tests: made of clips whose content is known, with the splits and rejections that a test wants."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from vlsa.base.files import write_json_lines
from vlsa.data.clip import Clip
from vlsa.data.ingest.manifest import Rejection
from vlsa.data.store.reader import ClipStore
from vlsa.data.store.shards import ShardWriter, StoreSettings, write_header
from vlsa.data.store.summary import REPORT_NAME

RATE_HZ = 11_025
SETTINGS = StoreSettings(short_side_px=32, window_seconds=3.0)


def smooth_frames(seed: int, num_frames: int = 12, height_px: int = 32, width_px: int = 48) -> np.ndarray:
    """A scene of broad light and dark shapes that drifts, uint8 F H W 3: each seed another one."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.linspace(0, 1, width_px), np.linspace(0, 1, height_px))
    image = np.zeros((num_frames, height_px, width_px))
    for _ in range(12):
        u, v, phase, speed = rng.normal(0, 2.2), rng.normal(0, 2.2), rng.uniform(0, 6.28), rng.normal(0, 0.15)
        image += np.cos(2 * np.pi * (u * x + v * y)[None] + phase + speed * np.arange(num_frames)[:, None, None])
    levels = 128 + 40 * image / image.std()
    return np.repeat(levels.clip(0, 255).astype(np.uint8)[..., None], 3, axis=3)


def notes(seed: int, duration_seconds: float, rate_hz: int = RATE_HZ) -> np.ndarray:
    """Decaying notes at random times and pitches, float32 S: each seed another tune."""
    rng = np.random.default_rng(seed)
    seconds = np.arange(round(duration_seconds * rate_hz)) / rate_hz
    sound = np.zeros(len(seconds))
    for _ in range(round(6 * duration_seconds)):
        since = seconds - rng.uniform(0, duration_seconds)
        hz = rng.uniform(300, 2500)
        sound += (since > 0) * np.exp(-since.clip(0) * 8) * np.sin(2 * np.pi * hz * since)
    return (0.3 * sound / np.abs(sound).max()).astype(np.float32)


def scene(
    name: str,
    seed: int = 0,
    *,
    source: str = "",
    video: bool = True,
    audio: bool = True,
    texts: tuple[str, ...] = ("a scene",),
    choices: tuple[str, ...] = (),
) -> Clip:
    """A clip of 1.5 s at 8 frames a second."""
    return Clip(
        id=name,
        source=source or f"{name}.mp4",
        start_seconds=0.0,
        stop_seconds=1.5,
        frames=smooth_frames(seed) if video else None,
        frame_seconds=np.arange(12) / 8 if video else None,
        sound=notes(seed, 1.5) if audio else None,
        sample_rate_hz=RATE_HZ if audio else None,
        texts=texts,
        choices=choices,
    )


def write_clips(
    path: Path,
    clips: Sequence[Clip],
    *,
    test: Sequence[str] = (),
    rejections: Sequence[Rejection] = (),
    shards: int = 1,
    transcribed: Sequence[str] = (),
) -> ClipStore:
    """A store with the clips dealt to some shards in their order; the ids in `test` are that split.

    The texts of the ids in `transcribed` are transcripts.
    """
    size = -(-len(clips) // shards)
    for number in range(shards):
        with ShardWriter(path, number, SETTINGS) as writer:
            for clip in clips[number * size : (number + 1) * size]:
                kind = "transcript" if clip.id in transcribed else "caption"
                writer.add(clip, "test" if clip.id in test else "train", kind)
            for rejection in rejections if number == 0 else ():
                writer.reject(rejection)
            writer.commit()
    write_header(path, SETTINGS, num_shards=shards, base=str(path.parent))
    write_json_lines(path / REPORT_NAME, map(asdict, rejections))
    return ClipStore.open(path)


def renamed(clip: Clip, name: str, **changes: object) -> Clip:
    """The same clip from another file."""
    return replace(clip, **{"id": name, "source": f"{name}.mp4", **changes})
