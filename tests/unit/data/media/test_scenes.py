"""Cuts, fades and dissolves are found where they are; moves, light and flashes are none."""

from pathlib import Path

import numpy as np
import pytest
from made_shots import FRAMES_PER_SECOND, dissolved, faded, pan, pattern, pictures, still
from media_files import tone, write_media

from vlsa.base.errors import MediaError
from vlsa.data.media import scenes
from vlsa.data.media.decode import probe
from vlsa.data.media.scenes import find_cuts, runs, unlike


def cuts_in(folder: Path, frames: np.ndarray) -> list[float]:
    path = write_media(folder / "a.mp4", pictures=pictures(frames), frames_per_second=FRAMES_PER_SECOND,
                       video_options={"crf": "18", "preset": "ultrafast"})  # fmt: skip
    return find_cuts(path, probe(path))


def test_cuts_are_the_times_of_the_first_frames_of_shots(tmp_path):
    shots = [still(1, 23), pan(2, 31), still(3, 17), still(4, 20)]
    assert cuts_in(tmp_path, np.concatenate(shots)) == pytest.approx([2.3, 5.4, 7.1], abs=1e-3)


def test_the_middle_of_a_fade_and_of_a_dissolve_is_a_cut(tmp_path):
    frames = faded(dissolved(still(1, 50), still(2, 60), 20), still(3, 40), 10)
    assert cuts_in(tmp_path, frames) == pytest.approx([4.0, 9.0], abs=0.3)


def lit(frames: np.ndarray) -> np.ndarray:
    """A lamp that is switched off, and one that is dimmed."""
    gain = np.concatenate([np.ones(20), np.full(20, 0.6), np.linspace(0.6, 1.1, 20)])
    return frames * gain[:, None, None, None]


def flashed(frames: np.ndarray) -> np.ndarray:
    """Two bright frames."""
    return np.concatenate([frames[:30], frames[30:32] * 0.3 + 178, frames[32:]])


def crossed(frames: np.ndarray) -> np.ndarray:
    """Something passes in front."""
    frames = frames.copy()
    for k in range(len(frames)):
        frames[k, 8:24, k : k + 12] = (250, 10, 10)
    return frames


@pytest.mark.parametrize(
    ("change", "shot"),
    [(lit, still), (flashed, still), (crossed, still), (lit, pan), (flashed, pan), (np.copy, pan)],
)
def test_one_shot_has_no_cut(tmp_path, change, shot):
    assert cuts_in(tmp_path, change(shot(5, 60))) == []


def test_black_at_the_start_and_the_end_is_no_cut(tmp_path):
    black = np.zeros((15, 36, 64, 3))
    share = np.linspace(0, 1, 10)[:, None, None, None]
    shot = still(6, 50)
    shot[:10] *= share
    shot[-10:] *= share[::-1]
    assert cuts_in(tmp_path, np.concatenate([black, shot, black])) == []


def test_long_videos_are_looked_at_in_blocks_with_the_same_result(tmp_path, monkeypatch):
    frames = np.concatenate([still(seed, 17) for seed in range(7)])
    whole = cuts_in(tmp_path, frames)
    monkeypatch.setattr(scenes, "BLOCK_FRAMES", 25)
    assert cuts_in(tmp_path, frames) == whole == pytest.approx([1.7 * k for k in range(1, 7)], abs=1e-3)


def dark(num_frames: int) -> np.ndarray:
    return np.zeros((num_frames, 36, 64, 3))


@pytest.mark.parametrize(
    ("shots", "cuts"),
    [
        ([dark(120)], []),
        ([dark(90), still(6, 30)], []),
        ([still(6, 30), dark(90)], []),
        ([still(6, 30), dark(90), still(7, 30)], [7.5]),
    ],
)
def test_black_that_is_longer_than_a_block_is_one_cut_in_its_middle_or_none(tmp_path, monkeypatch, shots, cuts):
    monkeypatch.setattr(scenes, "BLOCK_FRAMES", 25)
    assert cuts_in(tmp_path, np.concatenate(shots)) == pytest.approx(cuts, abs=1e-3)


def test_files_without_video_have_no_cuts_and_damaged_ones_are_an_error(tmp_path):
    path = write_media(tmp_path / "a.wav", sound=tone(1.0), audio_codec="pcm_s16le")
    assert find_cuts(path, probe(path)) == []
    (tmp_path / "b.mp4").write_bytes(b"nothing")
    with pytest.raises(MediaError):
        find_cuts(tmp_path / "b.mp4", probe(path))


def test_brightness_does_not_make_patterns_unlike():
    one, other = (pattern(seed).reshape(1, -1).astype(np.float32) for seed in (1, 2))
    assert unlike(one, one * 0.6 + 30)[0] == pytest.approx(0, abs=0.05)
    assert unlike(one, -one)[0] == pytest.approx(2, abs=0.05)
    assert unlike(one, other)[0] > 0.5


def test_runs_are_found_from_edge_to_edge():
    assert runs(np.array([True, False, True, True, False, True])) == [(0, 1), (2, 4), (5, 6)]
    assert runs(np.zeros(3, bool)) == []
