"""Files of camcorders, recorders and surveillance cameras by endings of their own; video without a container."""

from pathlib import Path

import numpy as np
import pytest

from tests.media_files import grey, tone, write_media
from vlsa.data.ingest.scan import scan
from vlsa.data.media.decode import decode, probe

ON_SECONDS = [(1.0, 2.0), (3.0, 3.52)]
VIDEO = [
    ("m2t", "ts", {"video_codec": "mpeg2video", "audio_codec": "mp2"}),
    ("TOD", "ts", {}),
    ("trp", "ts", {}),
    ("mod", "mpg", {"video_codec": "mpeg2video", "audio_codec": "ac3"}),
    ("mk3d", "mkv", {}),
    ("3gpp", "3gp", {}),
    ("nut", "nut", {}),
]
AUDIO = [
    ("w64", "w64", "pcm_s16le"), ("bwf", "wav", "pcm_s24le"), ("mpga", "mp3", "mp3"), ("m4r", "m4a", "aac"),
    ("3ga", "3gp", "aac"),
    ("au", "au", "pcm_s16be"), ("snd", "au", "pcm_s16be"), ("wv", "wv", "wavpack"), ("tta", "tta", "tta"),
]  # fmt: skip


def flashes() -> list[np.ndarray]:
    return [grey(220 if any(start <= k / 25 < stop for start, stop in ON_SECONDS) else 30) for k in range(100)]


def beeps() -> np.ndarray:
    return tone(4.0, on_seconds=ON_SECONDS)


def named(folder: Path, ending: str, container: str, **media: object) -> Path:
    made = write_media(folder / f"made.{container}", **media)
    return made.rename(folder / f"cat.{ending}")


def changes(values: np.ndarray, seconds: np.ndarray) -> list[float]:
    return seconds[1:][np.diff((values > 0.5 * values.max()).astype(int)) != 0].tolist()


@pytest.mark.parametrize(("ending", "container", "codecs"), VIDEO)
def test_video_of_an_ending_is_found_and_flashes_and_beeps_at_its_times(tmp_path, ending, container, codecs):
    path = named(tmp_path, ending, container, pictures=flashes(), sound=beeps(), **codecs)
    ((row,), rejections) = scan(tmp_path, num_workers=0)
    assert row.path == str(path) and not rejections
    clip = decode(
        path, 0, 4, frame_times_seconds=np.arange(0.02, 4, 0.04).tolist(), short_side_px=None, sample_rate_hz=16_000
    )
    shown = changes(clip.frames.mean((1, 2, 3)), clip.frame_seconds)
    loud = np.abs(clip.sound).reshape(-1, 160).max(1)
    heard = changes(loud, np.arange(len(loud)) / 100)
    assert shown == pytest.approx([1, 2, 3, 3.52], abs=0.025)
    assert heard == pytest.approx(shown, abs=0.011)


@pytest.mark.parametrize(("ending", "container", "codec"), AUDIO)
def test_audio_of_an_ending_is_found_and_beeps_at_its_times(tmp_path, ending, container, codec):
    path = named(tmp_path, ending, container, sound=beeps(), audio_codec=codec)
    ((row,), rejections) = scan(tmp_path, num_workers=0)
    assert row.path == str(path) and not rejections
    clip = decode(path, 0, 4, frame_times_seconds=None, short_side_px=None, sample_rate_hz=16_000)
    loud = np.abs(clip.sound).reshape(-1, 160).max(1)
    assert changes(loud, np.arange(len(loud)) / 100) == pytest.approx([1, 2, 3, 3.52], abs=0.011)


RAW = [
    ("h264", {"video_options": {"bf": "0", "g": "20"}}),
    ("h264", {"video_options": {"bf": "3", "g": "20"}}),
    ("264", {}),
    ("ivf", {"video_codec": "libvpx"}),
    ("hevc", {"video_codec": "libx265", "video_options": {"x265-params": "log-level=none:keyint=20"}}),
]


@pytest.mark.parametrize(("ending", "media"), RAW)
def test_video_without_times_has_25_frames_a_second_wherever_it_is_read(tmp_path, ending, media):
    container = ending.replace("264", "h264").replace("hh", "h")
    path = named(tmp_path, ending, container, pictures=flashes(), **media)
    facts = probe(path)
    assert facts.duration_seconds == pytest.approx(4) and facts.frames_per_second == pytest.approx(25)
    for start, expected in [(0.0, [1, 2, 3, 3.52]), (0.9, [1]), (1.5, [2]), (2.1, []), (2.9, [3]), (3.4, [3.52])]:
        stop = 4.0 if start == 0 else start + 0.52
        times = np.arange(0.02, stop - start, 0.04).tolist()
        clip = decode(
            path, start, stop, frame_times_seconds=times, short_side_px=None, sample_rate_hz=None, facts=facts
        )
        values, seconds = clip.frames.mean((1, 2, 3)), start + clip.frame_seconds
        found = changes(values, seconds) if np.ptp(values) > 50 else []
        assert found == pytest.approx(expected, abs=1e-6), (start, found)
