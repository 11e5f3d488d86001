"""Recordings that a crash cut short, and recordings that were joined: what is not read of a file is reported."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.media_files import grey, tone, write_media
from vlsa.data.ingest.scan import scan
from vlsa.data.media.decode import decode, probe
from vlsa.data.media.unread import LAST_FRAGMENTS, LATER_RECORDINGS, fragment_ends

FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}


def film(path: Path, **options: Any) -> Path:
    """4 s, brighter from second to second; in fragments of 1 s if they are asked for."""
    pictures = [grey(40 + 50 * (k // 25)) for k in range(100)]
    return write_media(path, pictures=pictures, sound=tone(4), video_options={"g": "25", "bf": "0"}, **options)


def boxes(data: bytes) -> list[tuple[bytes, int, int]]:
    found, offset = [], 0
    while offset < len(data):
        length = int.from_bytes(data[offset : offset + 4], "big")
        found.append((data[offset + 4 : offset + 8], offset, offset + length))
        offset += length
    return found


@pytest.mark.parametrize("is_hole", [False, True], ids=["cut", "zeros"])
def test_a_recording_in_fragments_is_read_up_to_the_one_that_a_crash_has_broken(tmp_path: Path, is_hole: bool):
    path = film(tmp_path / "cat.mp4", container_options=FRAGMENTS)
    data = path.read_bytes()
    fragments = [start for name, start, _ in boxes(data) if name == b"moof"]
    assert len(fragments) >= 4
    end = fragments[3] + 100
    path.write_bytes(data[:end] + bytes(4000) * is_hole)
    facts = probe(path)
    whole = film(tmp_path / "whole.mp4")
    assert facts.duration_seconds == pytest.approx(3, abs=0.05) and facts.choices == (LAST_FRAGMENTS,)
    for start in (0.0, 1.0, 2.0):
        clips = [
            decode(
                file, start, start + 0.9, frame_times_seconds=[0.2, 0.5, 0.8], short_side_px=None, sample_rate_hz=16_000
            )
            for file in (path, whole)
        ]
        assert np.abs(clips[0].frames.astype(int) - clips[1].frames).max() <= 2
        assert clips[0].sound is not None
    rejections = scan(tmp_path, num_workers=0)[1]
    assert [(one.id, one.reason) for one in rejections] == [("cat.mp4", "choice")]
    assert "the last fragments are broken" in rejections[0].message


def test_fragments_of_other_files_are_none(tmp_path: Path):
    assert fragment_ends(str(film(tmp_path / "a.mp4"))) == fragment_ends(str(film(tmp_path / "a.mkv"))) == []
    (tmp_path / "b.mp4").write_bytes(b"")
    assert fragment_ends(str(tmp_path / "b.mp4")) == []


@pytest.mark.parametrize(
    ("name", "codec"), [("a.wav", "pcm_s16le"), ("a.aiff", "pcm_s16be"), ("a.m4a", "aac"), ("a.mp4", "")]
)
def test_of_recordings_joined_in_a_format_that_ends_with_the_first_one_it_is_said(
    tmp_path: Path, name: str, codec: str
):
    path = tmp_path / name
    one = write_media(path, sound=tone(3), audio_codec=codec) if codec else film(path)
    data, seconds = one.read_bytes(), probe(path).duration_seconds
    assert probe(path).choices == ()
    path.write_bytes(data + data)
    facts = probe(path)
    assert facts.choices == (LATER_RECORDINGS,) and facts.duration_seconds == seconds
    ((remark,),) = [scan(tmp_path, num_workers=0)[1]]
    assert remark.reason == "choice" and "joined byte by byte" in remark.message


JOINED: dict[str, dict[str, Any]] = {
    "a.tta": {"audio_codec": "tta"},
    "a.wv": {"audio_codec": "wavpack"},
    "a.caf": {"audio_codec": "pcm_s16be"},
    "a.w64": {"audio_codec": "pcm_s16le"},
    "a.flv": {"pictures": [grey(90)] * 50, "audio_codec": "aac"},
    "a.wmv": {"pictures": [grey(90)] * 50, "video_codec": "wmv2", "audio_codec": "libmp3lame"},
    "a.mxf": {"pictures": [grey(90)] * 50, "video_codec": "mpeg2video", "audio_codec": "pcm_s16le"},
}


@pytest.mark.parametrize(
    ("name", "tag_bytes"), [*((name, 0) for name in JOINED), ("a.tta", 100_000), ("a.wv", 100_000)]
)
def test_that_ffmpeg_stops_at_the_end_of_the_first_recording_is_said(tmp_path: Path, name: str, tag_bytes: int):
    path = write_media(tmp_path / name, sound=tone(2), **JOINED[name])
    data, seconds = path.read_bytes(), probe(path).duration_seconds
    assert seconds == pytest.approx(2, abs=0.3) and probe(path).choices == ()
    path.write_bytes(data + bytes(tag_bytes))
    assert probe(path).choices == ()
    path.write_bytes(data + bytes(tag_bytes) + data)
    assert probe(path).choices == (LATER_RECORDINGS,)


@pytest.mark.parametrize("flags", ["hybrid_fragmented", FRAGMENTS["movflags"], "faststart"])
def test_a_whole_file_has_no_such_word_and_joined_fragments_that_are_read_have_none(tmp_path: Path, flags: str):
    path = film(tmp_path / "a.mp4", container_options={"movflags": flags})
    assert probe(path).choices == () and probe(path).duration_seconds == pytest.approx(4, abs=0.05)
    if flags == FRAGMENTS["movflags"]:
        path.write_bytes(path.read_bytes() * 2)
        facts = probe(path)
        assert facts.choices == () and facts.duration_seconds == pytest.approx(8, abs=0.1)
