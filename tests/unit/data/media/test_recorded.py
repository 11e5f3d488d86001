"""When a recording was made, as phones, broadcasters and recorders of wildlife write it."""

import struct
from pathlib import Path

import pytest

from tests.media_files import tone, write_media
from vlsa.data.media.decode import probe
from vlsa.data.media.recorded import recorded_at


def chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def bext(day: bytes, time: bytes) -> bytes:
    return chunk(b"bext", bytes(256 + 32 + 32) + day + time + bytes(8 + 2 + 254))


def comment(text: bytes) -> bytes:
    return chunk(b"LIST", b"INFO" + chunk(b"ICMT", text + b"\0"))


MOTH = b"Recorded at 19:17:30 10/06/2018 (UTC%b) by AudioMoth 24A04F085FDF2793 at medium gain"
WRITTEN = {
    "broadcast WAV": (bext(b"2024-05-01", b"12:30:05"), "2024-05-01T12:30:05Z"),
    "other marks": (bext(b"2024:05:01", b"12-30-05"), "2024-05-01T12:30:05Z"),
    "no clock": (bext(b"0000-00-00", b"00:00:00"), None),
    "GUANO": (
        chunk(b"guan", b"GUANO|Version: 1.0\nTimestamp: 2024-05-01T12:30:05+02:00\nNote: x\n"),
        "2024-05-01T10:30:05Z",
    ),
    "GUANO, no zone": (
        chunk(b"guan", b"GUANO|Version: 1.0\r\nTimestamp: 2024-05-01 12:30:05\r\n"),
        "2024-05-01T12:30:05Z",
    ),
    "GUANO, no time": (chunk(b"guan", b"GUANO|Version: 1.0\nNote: x"), None),
    "AudioMoth": (comment(MOTH % b""), "2018-06-10T19:17:30Z"),
    "AudioMoth, zone": (comment(MOTH % b"-3:30"), "2018-06-10T22:47:30Z"),
    "AudioMoth, no day": (comment(MOTH.replace(b"10/06", b"99/99") % b""), None),
    "other words": (comment(b"a bell"), None),
}


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("is_first", [False, True])
def test_wav_files_say_when_they_were_recorded(tmp_path: Path, written: str, is_first: bool):
    more, expected = WRITTEN[written]
    path = write_media(tmp_path / "a.wav", sound=tone(1), audio_codec="pcm_s16le")
    data = path.read_bytes()
    body = b"WAVE" + more * is_first + data[12:] + more * (not is_first)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    assert probe(path).recorded_at == expected and probe(path).duration_seconds == pytest.approx(1)


def test_apples_tag_counts_where_there_is_no_other_and_a_mere_day_is_none():
    apple = {"com.apple.quicktime.creationdate": "2021-03-04T07:06:07+0200"}
    assert recorded_at("", apple, "mov") == "2021-03-04T05:06:07Z"
    assert recorded_at("", {**apple, "creation_time": "2020-01-01T00:00:00.000000Z"}, "mov") == "2020-01-01T00:00:00Z"
    assert recorded_at("", {**apple, "creation_time": "1904-01-01T00:00:00Z"}, "mov") == "2021-03-04T05:06:07Z"
    assert recorded_at("", {"date": "2021-03-04"}, "mov") is None
