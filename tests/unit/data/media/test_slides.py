"""Slide shows with sound: images that are shown for long, the last one to the end of the audio."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.media_files import numbered, numbers, tone, write_media
from vlsa.data.media.decode import decode, probe
from vlsa.data.media.overlapping import Stretch, decode_stretches
from vlsa.data.media.parts import Parts

CODECS: dict[str, dict[str, Any]] = {
    "mp4": {},
    "mkv": {},
    "webm": {"video_codec": "libvpx", "audio_codec": "libopus"},
    "ts": {},
    "avi": {"video_codec": "mjpeg", "audio_codec": "pcm_s16le", "frames_per_second": 1 / 3},
}


def shown(path: Path, start: float, stop: float, facts: Any) -> list[int]:
    times = np.arange(0.25, stop - start, 0.5).tolist()
    clip = decode(path, start, stop, frame_times_seconds=times, short_side_px=None, sample_rate_hz=16_000, facts=facts)
    assert clip.sound is not None
    return [] if clip.frames is None else numbers(clip.frames)


@pytest.mark.parametrize("container", CODECS)
def test_each_slide_is_shown_until_the_next_and_the_last_one_to_the_end_of_the_audio(tmp_path: Path, container: str):
    path = tmp_path / f"a.{container}"
    write_media(path, pictures=numbered(4)[1:], picture_seconds=[0, 3, 6], sound=tone(12), **CODECS[container])
    facts = probe(path)
    assert facts.duration_seconds == facts.video_end_seconds == pytest.approx(12, abs=0.05)
    expected = [1] * 6 + [2] * 6 + [3] * 12
    assert shown(path, 0.05, 12, facts) == expected
    for number, start in enumerate((0.05, 3.05, 6.05, 9.0)):
        assert shown(path, start, start + 2.5, facts) == expected[6 * number : 6 * number + 5]
    stretches = [Stretch(start, start + 3, (start + 1.0,)) for start in (3.05, 4.5, 8.0, 9.0)]
    clips = decode_stretches(path, stretches, short_side_px=None, sample_rate_hz=16_000, facts=facts)
    assert [numbers(clip.frames) for clip in clips] == [[2], [2], [3], [3]]


@pytest.mark.parametrize("container", CODECS)
def test_the_only_image_of_a_song_is_shown_throughout(tmp_path: Path, container: str):
    path = write_media(tmp_path / f"a.{container}", pictures=numbered(6)[5:], sound=tone(12), **CODECS[container])
    facts = probe(path)
    assert [shown(path, start, start + 3, facts) for start in (0.0, 4.5, 9.0)] == [[5] * 6] * 3


def test_a_film_that_ends_before_its_sound_is_no_slide_show(tmp_path: Path):
    path = write_media(tmp_path / "a.mp4", pictures=numbered(50), sound=tone(12))
    facts = probe(path)
    assert facts.video_end_seconds == pytest.approx(2, abs=0.05) and shown(path, 6, 9, facts) == []


def test_frames_that_are_shown_before_earlier_ones_start_no_part_of_a_file():
    """After a seek, the first packets of Matroska have no time of decoding."""
    parts = Parts()
    shifts = [parts.shift(0, decoded, 0.04, shown) for decoded, shown in [(None, 0.0), (None, 6.0), (0.0, 3.0)]]
    sought = Parts(first_seconds={0: 0.0})
    shifts += [sought.shift(0, None, 0.04, shown) for shown in (100.0, 98.0, 96.0, 102.0)]
    assert shifts == [0.0] * 7
    joined = [(None, 0.0), (None, 2.0), (0.0, 1.0), (2.0, 3.0), (None, 0.0), (None, 2.0), (0.0, 1.0), (2.0, 3.0)]
    parts = Parts()
    assert [parts.shift(0, decoded, 1.0, shown) for decoded, shown in joined] == [0.0] * 4 + [3.0] * 4
