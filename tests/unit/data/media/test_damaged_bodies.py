"""Bits flipped in the body of a file: a frame is kept only if a whole file shows the same."""

from pathlib import Path

import numpy as np
import pytest
from media_files import write_media

from vlsa.base.errors import MediaError
from vlsa.data.clip import Clip
from vlsa.data.media.decode import decode, probe, regular_times

ONE = {"g": "25", "threads": "1"}
FILES = {
    "a.ts": {"video_codec": "libx264", "video_options": ONE | {"bf": "2"}},
    "b.ts": {"video_codec": "libx265", "video_options": {"x265-params": "keyint=25:pools=1:log-level=none"}},
    "a.mkv": {"video_codec": "libx264", "video_options": ONE},
    "a.avi": {"video_codec": "mpeg4", "video_options": ONE},
}
"""Codecs that can tell damage. (VP8, VP9 and AV1 decode almost any bytes to something.)"""
NUM_FILES = 10
GOOD_DECIBELS = 25.0
"""Likeness of what is shown to what was; noise has 6 to 8."""


def moving(num_pictures: int) -> list[np.ndarray]:
    """A bright square that moves over a pattern, so that no two pictures are alike."""
    y, x = np.mgrid[:96, :128]
    pattern = (60 + 40 * np.sin(x / 5) * np.cos(y / 7)).astype(np.uint8)
    pictures = []
    for number in range(num_pictures):
        picture = np.repeat(pattern[..., None], 3, axis=2)
        picture[30:60, number : number + 30] = 230
        pictures.append(picture)
    return pictures


def read(path: Path, start_seconds: float) -> Clip:
    return decode(
        path,
        start_seconds,
        start_seconds + 1.0,
        frame_times_seconds=regular_times(1.0, 8),
        short_side_px=None,
        sample_rate_hz=None,
        facts=probe(path),
    )


def likeness_decibels(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Peak signal to noise of each frame."""
    noise = np.square(one.astype(float) - other.astype(float)).mean(axis=(1, 2, 3))
    return 10 * np.log10(255**2 / np.maximum(noise, 1e-9))


@pytest.mark.parametrize("name", FILES)
def test_no_frame_is_kept_that_the_whole_file_would_not_show(tmp_path: Path, name: str):
    whole = write_media(tmp_path / name, pictures=moving(75), **FILES[name])
    data = whole.read_bytes()
    starts = (0.0, 1.0, 2.0)
    shown = {start: read(whole, start) for start in starts}
    num_kept = num_worse = 0
    for seed in range(NUM_FILES):
        random = np.random.default_rng(seed)
        flipped = bytearray(data)
        for place in random.integers(len(data) // 5, len(data), 3):
            flipped[place] ^= 1 << int(random.integers(8))
        path = tmp_path / f"flipped_{name}"
        path.write_bytes(flipped)
        for start in starts:
            try:
                clip = read(path, start)
            except MediaError:
                continue
            if clip.frames is None or clip.frames.shape != shown[start].frames.shape:
                continue
            num_kept += 1
            num_worse += bool((likeness_decibels(clip.frames, shown[start].frames) < GOOD_DECIBELS).any())
    assert num_kept >= NUM_FILES // 2 and num_worse <= num_kept / 6
