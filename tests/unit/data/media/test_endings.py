"""Files of camcorders, recorders and surveillance cameras by endings of their own; video without a container."""

import struct
from pathlib import Path

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext

from tests.media_files import grey, numbered, numbers, tone, write_media
from vlsa.data.ingest.scan import scan
from vlsa.data.media.decode import decode, probe
from vlsa.data.media.raw_frames import ASSUMED

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


QUIET = "log-level=none"
RAW = [
    ("h264", {"video_options": {"bf": "0", "g": "20"}}),
    ("h264", {"video_options": {"bf": "3", "g": "20"}}),
    ("264", {}),
    ("ivf", {"video_codec": "libvpx"}),
    ("hevc", {"video_codec": "libx265", "video_options": {"x265-params": f"{QUIET}:vui-timing-info=0:keyint=20"}}),
]


@pytest.mark.parametrize(("ending", "media"), RAW)
def test_video_that_states_no_times_has_25_frames_a_second_wherever_it_is_read(tmp_path, ending, media):
    container = ending.replace("264", "h264").replace("hh", "h")
    path = named(tmp_path, ending, container, pictures=flashes(), **media)
    facts = probe(path)
    assert facts.duration_seconds == pytest.approx(4) and facts.frames_per_second == pytest.approx(25)
    assert facts.choices == (() if ending == "ivf" else (ASSUMED,))
    for start, expected in [(0.0, [1, 2, 3, 3.52]), (0.9, [1]), (1.5, [2]), (2.1, []), (2.9, [3]), (3.4, [3.52])]:
        stop = 4.0 if start == 0 else start + 0.52
        times = np.arange(0.02, stop - start, 0.04).tolist()
        clip = decode(
            path, start, stop, frame_times_seconds=times, short_side_px=None, sample_rate_hz=None, facts=facts
        )
        values, seconds = clip.frames.mean((1, 2, 3)), start + clip.frame_seconds
        found = changes(values, seconds) if np.ptp(values) > 50 else []
        assert found == pytest.approx(expected, abs=1e-6), (start, found)


def with_rate(path: Path, codec: str, rate: str) -> Path:
    """The stream with a rate in its parameters (VUI)."""
    container = av.open(str(path))
    stream = container.streams.video[0]
    change = BitStreamFilterContext(f"{codec}_metadata=tick_rate={rate}", stream)
    packets = [*container.demux(stream), None]
    data = b"".join(bytes(out) for packet in packets if packet is None or packet.size for out in change.filter(packet))
    container.close()
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("codec", "tick_rate", "rate", "bframes"),
    [("h264", "60", 30, 3), ("h264", "60", 30, 0), ("h264", "120000/1001", 60000 / 1001, 2), ("h264", "25", 12.5, 2),
     ("hevc", "15", 15, 3), ("hevc", "30000/1001", 30000 / 1001, 3)],
)  # fmt: skip
def test_video_without_a_container_has_the_rate_that_it_states(tmp_path, codec, tick_rate, rate, bframes):
    options = {"g": "20", "bf": f"{bframes}"} if codec == "h264" else {"x265-params": f"{QUIET}:keyint=20:bframes=3"}
    encoder = {"h264": "libx264", "hevc": "libx265"}[codec]
    write_media(tmp_path / f"cat.{codec}", pictures=numbered(100), video_codec=encoder, video_options=options)
    path = with_rate(tmp_path / f"cat.{codec}", codec, tick_rate)
    facts = probe(path)
    assert facts.frames_per_second == pytest.approx(rate) and facts.choices == ()
    assert facts.duration_seconds == pytest.approx(100 / rate)
    for first in (0, 37, 90):
        times = [(k + 0.5) / rate for k in range(10)]
        clip = decode(
            path, first / rate, (first + 10) / rate,
            frame_times_seconds=times, short_side_px=None, sample_rate_hz=None, facts=facts,
        )  # fmt: skip
        assert numbers(clip.frames) == list(range(first, first + 10))
        assert clip.frame_seconds == pytest.approx([k / rate for k in range(10)], abs=1e-5)


def test_that_a_rate_is_assumed_is_said(tmp_path):
    write_media(tmp_path / "cat.h264", pictures=numbered(50))
    ((remark,),) = [scan(tmp_path, num_workers=0)[1]]
    assert (remark.id, remark.reason) == ("cat.h264", "choice") and "25 frames a second are assumed" in remark.message


def dhav_frame(number: int, is_key: bool, data: bytes) -> bytes:
    """A frame as Dahua's recorders write it, at 25 a second: head, size and codec (H.264), length."""
    size_and_codec = bytes([0x80, 0, 64 // 8, 48 // 8, 0x81, 0, 2, 25])
    length, date = 24 + len(size_and_codec) + len(data) + 8, 26 << 26 | 11 << 22 | 28 << 17 | 10 << 12 | number // 25
    head = b"DHAV" + bytes([0xFD if is_key else 0xFC, 0, 0, 0])
    head += struct.pack("<IIIHB", number, length, date, number * 40, len(size_and_codec))
    return head + bytes([sum(head) & 0xFF]) + size_and_codec + data + b"dhav" + struct.pack("<I", length)


def test_a_recorder_of_dahua_shows_its_frames_at_their_times(tmp_path):
    made = write_media(tmp_path / "made.mkv", pictures=numbered(100), video_options={"g": "20", "bf": "0"})
    with av.open(str(made)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        change = BitStreamFilterContext("h264_mp4toannexb", container.streams.video[0])
        streams = [(packet.is_keyframe, b"".join(map(bytes, change.filter(packet)))) for packet in packets]
    made.unlink()
    path = tmp_path / "gate.dav"
    path.write_bytes(b"".join(dhav_frame(number, *one) for number, one in enumerate(streams)))
    ((row,), rejections) = scan(tmp_path, num_workers=0)
    assert row.path == str(path) and not rejections and row.stop_seconds == pytest.approx(4, abs=0.05)
    facts = probe(path)
    for first in (0, 30, 85):
        clip = decode(
            path, first / 25, first / 25 + 0.4,
            frame_times_seconds=[(k + 0.5) / 25 for k in range(10)], short_side_px=None, sample_rate_hz=None,
            facts=facts,
        )  # fmt: skip
        assert numbers(clip.frames) == list(range(first, first + 10))
    path.rename(tmp_path / "gate.bin")
    assert [one.reason for one in scan_rejections(tmp_path)] == ["ending"]


def scan_rejections(folder):
    write_media(folder / "other.wav", sound=tone(1), audio_codec="pcm_s16le")
    return scan(folder, num_workers=0)[1]
