"""Stretches that overlap, decoded in one pass, against each decoded alone."""

from pathlib import Path

import numpy as np
import pytest
from media_files import RATE_HZ, numbered, scramble, tone, truncate, write_media

from vlsa.base.errors import MediaError
from vlsa.data.clip import Clip
from vlsa.data.media import overlapping
from vlsa.data.media.container import Source
from vlsa.data.media.decode import decode, probe
from vlsa.data.media.overlapping import Stretch, decode_stretches

SAMPLE_RATE_HZ = 11_025
SECONDS = 8.0
B_FRAMES = {"bf": "3", "g": "50", "sc_threshold": "0", "b_strategy": "0"}
rng = np.random.default_rng(0)
NOISE = (0.3 * rng.normal(size=round(SECONDS * RATE_HZ))).astype(np.float32)
UNEVEN = np.cumsum(rng.uniform(0.004, 0.17, 90)).round(3)
WITH_A_HOLE = [time for time in np.arange(200) / 25 if not 2.1 < time < 4.9]

FILES = {
    "h264 and aac": ("a.mp4", {"video_options": B_FRAMES}),
    "one key frame": ("a.mp4", {"video_options": B_FRAMES | {"g": "999"}, "audio_codec": "flac"}),
    "open groups": ("a.mkv", {"video_options": B_FRAMES | {"x264-params": "open-gop=1"}, "audio_codec": "flac"}),
    "transport stream from 7 s on": ("a.ts", {"video_options": B_FRAMES, "audio_codec": "mp2", "start_seconds": 7.0}),
    "mpeg2 transport stream": ("a.ts", {"video_codec": "mpeg2video", "audio_codec": "mp2"}),
    "avi and mp3": ("a.avi", {"video_codec": "mpeg4", "audio_codec": "libmp3lame"}),
    "webm": ("a.webm", {"video_codec": "libvpx-vp9", "audio_codec": "libopus",
                        "video_options": {"deadline": "realtime", "cpu-used": "8"}}),
    "variable rate": ("a.mkv", {"picture_seconds": UNEVEN, "video_options": B_FRAMES, "audio_codec": "flac"}),
    "variable rate, mp4": ("a.mp4", {"picture_seconds": UNEVEN, "video_options": B_FRAMES}),
    "a hole in the video": ("a.mkv", {"picture_seconds": WITH_A_HOLE, "audio_codec": "pcm_s16le"}),
    "video that starts late": ("a.mkv", {"video_offset_seconds": 1.3, "audio_codec": "flac"}),
    "audio that starts late and ends early": ("a.mkv", {"sound": NOISE[: 3 * RATE_HZ], "sound_offset_seconds": 2.2,
                                                        "audio_codec": "flac"}),
    "44,100 Hz in matroska": ("a.mkv", {"rate_hz": 44_100, "audio_codec": "libmp3lame"}),
    "audio alone": ("a.mp3", {"pictures": None, "audio_codec": "libmp3lame"}),
    "opus alone": ("a.ogg", {"pictures": None, "audio_codec": "libopus", "sound": np.stack([NOISE, NOISE])}),
    "video alone": ("a.mp4", {"sound": None}),
}  # fmt: skip
UNLIKE = {"aac": 0.06, "libopus": 0.002, "mp2": 3e-5}
"""Codecs whose decoders make up noise (AAC in place of noise, MP2 to round by), or remember for long: how much samples
depend on where decoding began, root mean square. That of NOISE is 0.3."""


def tolerance(name: str) -> float:
    return UNLIKE.get(FILES[name][1].get("audio_codec", "aac"), 0.0)


def write(folder: Path, name: str) -> Path:
    file_name, options = FILES[name]
    defaults = {"pictures": numbered(200), "sound": NOISE}
    if "picture_seconds" in options:
        defaults["pictures"] = numbered(200)[: len(options["picture_seconds"])]
    return write_media(folder / file_name, **defaults | options)


def windows(*spans: tuple[float, float]) -> list[Stretch]:
    """Stretches with eight frames each."""
    return [Stretch(a, b, tuple(a + (k + 0.5) * (b - a) / 8 for k in range(8))) for a, b in spans]


OVERLAPPING = windows(*((start, start + 3.0) for start in np.arange(0, 5.1, 0.75).tolist()), (5.25, 8.0))
APART = windows((6.5, 8.0), (0.0, 1.0), (0.5, 1.5), (7.0, 7.9), (0.25, 1.25), (30.0, 33.0))


def alone(path: Path, stretch: Stretch, facts: object) -> Clip | str:
    """What `decode` gives, or the reason why not."""
    times = [seconds - stretch.start_seconds for seconds in stretch.frame_seconds]
    try:
        return decode(path, stretch.start_seconds, stretch.stop_seconds, frame_times_seconds=times, short_side_px=24,
                      sample_rate_hz=SAMPLE_RATE_HZ, facts=facts)  # fmt: skip
    except MediaError as error:
        return f"{error.reason}: {error}"


def together(path: Path, stretches: list[Stretch], facts: object) -> list[Clip | str]:
    found = decode_stretches(path, stretches, short_side_px=24, sample_rate_hz=SAMPLE_RATE_HZ, facts=facts)
    return [f"{one.reason}: {one}" if isinstance(one, MediaError) else one for one in found]


def assert_same(found: Clip | str, expected: Clip | str, tolerance: float = 0.0) -> None:
    if isinstance(expected, str) or isinstance(found, str):
        assert found == expected
        return
    facts = ("id", "source", "start_seconds", "stop_seconds", "sample_rate_hz", "texts", "choices")
    assert [getattr(found, name) for name in facts] == [getattr(expected, name) for name in facts]
    for name in ("frames", "frame_seconds"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    if not tolerance or expected.sound is None:
        np.testing.assert_array_equal(found.sound, expected.sound)
    else:
        assert found.sound.shape == expected.sound.shape
        assert np.sqrt(np.mean((found.sound - expected.sound) ** 2)) <= tolerance


@pytest.mark.parametrize("name", FILES)
def test_overlapping_stretches_have_the_frames_and_samples_of_each_alone(tmp_path, name, monkeypatch):
    path = write(tmp_path, name)
    shared = []
    one_pass = overlapping._in_one_pass
    monkeypatch.setattr(overlapping, "_in_one_pass", lambda *given: shared.append(found := one_pass(*given)) or found)
    for facts in (None, probe(path)):
        for stretches in (OVERLAPPING, APART):
            found = together(path, stretches, facts)
            for one, stretch in zip(found, stretches, strict=True):
                assert_same(one, alone(path, stretch, facts), tolerance(name))
    assert [len(run) for run in shared] == [len(OVERLAPPING), 3, 2] * 2  # none was decoded alone but the last


@pytest.mark.parametrize("name", ["h264 and aac", "transport stream from 7 s on", "one key frame"])
@pytest.mark.parametrize("damage", ["noise", "cut"])
def test_of_a_damaged_file_each_stretch_has_what_it_has_alone(tmp_path, name, damage):
    whole = write(tmp_path, name)
    broken = tmp_path / f"broken{whole.suffix}"
    if damage == "noise":
        scramble(whole, broken, 0.45, 0.5)
    else:
        truncate(whole, broken, 0.6)
    expected = [alone(broken, stretch, None) for stretch in OVERLAPPING]
    for one, other in zip(together(broken, OVERLAPPING, None), expected, strict=True):
        assert_same(one, other, tolerance(name))


def test_of_a_program_stream_the_frames_are_those_that_are_met_from_its_start(tmp_path):
    options = {"video_codec": "mpeg2video", "audio_codec": "mp2", "video_options": {"bf": "2"}}
    path = write_media(tmp_path / "a.mpg", pictures=numbered(200), sound=NOISE, **options)
    for clip, stretch in zip(together(path, OVERLAPPING, None), OVERLAPPING, strict=True):
        whole = alone(path, Stretch(0.0, SECONDS, (0.0, *stretch.frame_seconds)), None)  # after a seek some are one off
        np.testing.assert_array_equal(clip.frames, whole.frames[1:])


def test_each_frame_is_decoded_once(tmp_path, monkeypatch):
    path = write(tmp_path, "one key frame")
    counted, decode_packet = [], Source.decode_packet

    def count(self: Source, packet: object) -> list:
        frames = decode_packet(self, packet)
        counted.extend(frame.pts for frame in frames if hasattr(frame, "width"))
        return frames

    monkeypatch.setattr(Source, "decode_packet", count)
    together(path, OVERLAPPING, None)
    assert len(counted) == len(set(counted)) <= 200


def test_frames_of_another_size_are_decoded_alone(tmp_path):
    sizes = [numbered(100), numbered(200, width_px=96)[100:]]
    paths = [write_media(tmp_path / f"{n}.ts", pictures=part, start_seconds=4.0 * n) for n, part in enumerate(sizes)]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in paths))
    stretches = windows((0.0, 3.0), (1.5, 4.5), (3.0, 6.0))
    for one, stretch in zip(together(path, stretches, None), stretches, strict=True):
        assert_same(one, alone(path, stretch, None))


def test_a_tone_of_which_half_is_missing_has_silence_there_in_every_stretch(tmp_path):
    path = write_media(tmp_path / "a.wav", sound=tone(8.0, on_seconds=[(0, 4)]), audio_codec="pcm_s16le")
    quiet, loud = (found.sound for found in together(path, windows((3.0, 6.0), (1.5, 4.5)), None))
    assert np.abs(quiet[round(1.1 * SAMPLE_RATE_HZ) :]).max() < 1e-3 < np.abs(loud[: 2 * SAMPLE_RATE_HZ]).max()
