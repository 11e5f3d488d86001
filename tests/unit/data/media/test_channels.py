"""Surround sound is mixed as loudspeakers stand; channels that stand nowhere are averaged."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from vlsa.data.media import decode
from vlsa.data.media.channels import mono

RATE_HZ = 48_000
HZ = 200.0


def tones(num_channels: int) -> np.ndarray:
    """One second of a sine of its own in each channel: 200, 400, ... Hz."""
    seconds = np.arange(RATE_HZ) / RATE_HZ
    return np.stack([0.1 * np.sin(2 * np.pi * HZ * (k + 1) * seconds) for k in range(num_channels)]).astype(np.float32)


def add_stream(container: Any, layout: str, codec: str) -> Any:
    stream = container.add_stream(codec, rate=RATE_HZ)
    stream.codec_context.layout = layout
    return stream


def frame_of(channels: np.ndarray, layout: str) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(channels.T.reshape(1, -1).copy(), format="flt", layout=layout)
    frame.sample_rate, frame.time_base, frame.pts = RATE_HZ, Fraction(1, RATE_HZ), 0
    return frame


def written(path: Path, layout: str, channels: np.ndarray, codec: str = "flac") -> Path:
    with av.open(str(path), "w") as container:
        stream = add_stream(container, layout, codec)
        for part in (frame_of(channels, layout), None):
            container.mux(stream.encode(part))
    return path


def shares(path: Path, num_channels: int) -> list[float]:
    """How much of each channel's sine is in the audio of a file."""
    clip = decode.decode(path, 0, 1, frame_times_seconds=None, short_side_px=None, sample_rate_hz=RATE_HZ)
    return [float(2 * np.mean(clip.sound * tone) / 0.1**2) for tone in tones(num_channels)]


FRONT, CENTRE, AROUND = 1, 2**0.5, 0.5**0.5


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("stereo", [FRONT, FRONT]),
        ("5.1", [FRONT, FRONT, CENTRE, 0, AROUND, AROUND]),
        ("5.1(side)", [FRONT, FRONT, CENTRE, 0, AROUND, AROUND]),
        ("7.1", [FRONT, FRONT, CENTRE, 0, AROUND, AROUND, AROUND, AROUND]),
        ("quad", [FRONT, FRONT, AROUND, AROUND]),
        ("3.0", [FRONT, FRONT, CENTRE]),
    ],
)
def test_each_loudspeaker_has_its_share_of_the_mix(tmp_path, layout, expected):
    path = written(tmp_path / "a.wav", layout, tones(len(expected)), "pcm_s16le")
    assert shares(path, len(expected)) == pytest.approx([share / sum(expected) for share in expected], abs=2e-3)


@pytest.mark.parametrize(("name", "codec"), [("a.m4a", "aac"), ("a.opus", "libopus"), ("a.wav", "pcm_s16le")])
def test_eight_channels_are_read_whatever_the_order_of_their_samples(tmp_path, name, codec):
    path = written(tmp_path / name, "7.1", tones(8), codec)
    assert decode.probe(path).audio_codec == codec.removeprefix("lib")
    around, sum_of_all = AROUND, 2 * FRONT + CENTRE + 4 * AROUND
    expected = [share / sum_of_all for share in (FRONT, FRONT, CENTRE, 0, around, around, around, around)]
    assert shares(path, 8) == pytest.approx(expected, abs=0.02)


def test_eight_channels_may_be_one_of_several_streams(tmp_path):
    """Whether each sounds is looked at before one is chosen."""
    path = tmp_path / "both.mkv"
    with av.open(str(path), "w") as container:
        streams = [add_stream(container, layout, "aac") for layout in ("7.1", "stereo")]
        for part in range(2):
            for stream, channels in zip(streams, (np.zeros((8, RATE_HZ), np.float32), tones(2)), strict=True):
                packets = stream.encode(frame_of(channels, stream.layout.name) if part == 0 else None)
                container.mux(packets)
    assert decode.probe(path).choices == ("audio-2-of-2",)


def test_speech_of_the_centre_is_not_lost_among_silent_channels(tmp_path):
    channels = np.zeros((6, RATE_HZ), np.float32)
    channels[2] = 5 * tones(3)[2]
    assert shares(written(tmp_path / "a.flac", "5.1", channels), 6)[2] == pytest.approx(5 * 0.293, abs=0.01)


def test_channels_that_stand_nowhere_count_alike(tmp_path):
    path = written(tmp_path / "a.wav", "16 channels", tones(16), "pcm_s16le")
    assert shares(path, 16) == pytest.approx([1 / 16] * 16, abs=2e-3)


def test_what_only_the_channel_of_effects_has_is_heard(tmp_path):
    """As of six microphones in a file that says nothing of where they stood."""
    channels = np.zeros((6, RATE_HZ), np.float32)
    channels[3] = tones(4)[3]
    path = written(tmp_path / "a.flac", "5.1", channels)
    clip = decode.decode(path, 0, 1, frame_times_seconds=None, short_side_px=None, sample_rate_hz=RATE_HZ)
    assert clip.choices == ("one-channel",)
    assert shares(path, 4)[3] == pytest.approx(1, abs=1e-3)


def test_loud_effects_do_not_take_the_place_of_soft_speech(tmp_path):
    channels = np.zeros((6, RATE_HZ), np.float32)
    channels[2], channels[3] = 0.1 * tones(3)[2], 5 * tones(4)[3]
    path = written(tmp_path / "a.flac", "5.1", channels)
    clip = decode.decode(path, 0, 1, frame_times_seconds=None, short_side_px=None, sample_rate_hz=RATE_HZ)
    assert clip.choices == ()
    assert shares(path, 4)[2:] == pytest.approx([0.1 * 0.293, 0], abs=1e-3)


def test_effects_are_not_heard_where_the_others_pause_or_cancel_out():
    weights = (0.4, 0.4, 0.0, 0.2)
    channels = np.zeros((4, RATE_HZ), np.float32)
    channels[0], channels[1] = tones(1)[0], -tones(1)[0]
    channels[2] = 5 * tones(3)[2]
    channels[:2, RATE_HZ // 2 :] = 0
    mix, is_one = mono(channels, RATE_HZ, weights)
    assert is_one and np.allclose(np.abs(mix), np.abs(channels[0]))


def test_without_weights_it_is_the_mean():
    mix, is_one = mono(tones(3), RATE_HZ)
    assert np.allclose(mix, tones(3).mean(axis=0)) and not is_one
