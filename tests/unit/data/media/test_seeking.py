"""A stretch in the middle is what reading from the start finds there, also where a seek would land elsewhere."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from containers import FILES, write_in
from media_files import numbered, numbers, truncate
from mutated_media import moving, rising

from vlsa.base.errors import MediaError
from vlsa.data.clip import Clip
from vlsa.data.media.decode import decode, probe, regular_times
from vlsa.data.media.key_packets import MOST_HELD_BYTES, from_key_packet
from vlsa.data.media.parts import Parts

RATE_HZ = 8000


def read(path: Path, start_seconds: float, stop_seconds: float) -> Clip:
    facts = probe(path)
    times = regular_times(stop_seconds - start_seconds, 8) if facts.has_video else None
    return decode(
        path,
        start_seconds,
        stop_seconds,
        frame_times_seconds=times,
        short_side_px=48,
        sample_rate_hz=RATE_HZ,
        facts=facts,
    )


def made(tmp_path: Path, name: str) -> Path:
    sound = rising(FILES[name].get("rate_hz", 48_000))
    return write_in(tmp_path / f"a.{name.split()[0]}", name, moving(100, 64, 48), sound)


@pytest.mark.parametrize("name", ["mxf mpeg2video pcm_s16le", "mxf h264 pcm_s16le"])
def test_audio_of_a_recording_that_was_cut_short_is_that_of_its_time(tmp_path: Path, name: str):
    """Without the index at its end, MXF finds audio by the size of what it takes for a frame."""
    whole = made(tmp_path, name)
    path = truncate(whole, tmp_path / "cut.mxf", 0.7)
    assert probe(whole).seeks_exactly and not probe(path).seeks_exactly
    np.testing.assert_allclose(read(path, 1.0, 2.0).sound, read(whole, 1.0, 2.0).sound, atol=0.01)


def test_a_stretch_behind_a_hole_in_an_avi_has_video_and_audio_of_one_time(tmp_path: Path):
    """Its index still tells the times of before; what is read from the start counts frames that are there."""
    path = write_in(tmp_path / "a.avi", "avi utvideo pcm_s16le", numbered(100), rising(48_000))
    data = path.read_bytes()
    hole = np.random.default_rng(0).bytes(len(data) // 8)
    damaged = tmp_path / "hole.avi"
    damaged.write_bytes(data[: len(data) // 3] + hole + data[len(data) // 3 + len(hole) :])
    facts = probe(damaged)
    assert not facts.seeks_exactly
    from_start = decode(
        damaged, 0, 3.4, frame_times_seconds=regular_times(3.4, 25), short_side_px=None, sample_rate_hz=RATE_HZ
    )
    clip = decode(
        damaged,
        2.6,
        3.4,
        frame_times_seconds=regular_times(0.8, 25),
        short_side_px=None,
        sample_rate_hz=RATE_HZ,
        facts=facts,
    )
    assert numbers(clip.frames) == numbers(from_start.frames)[65:85]
    np.testing.assert_allclose(clip.sound, from_start.sound[-len(clip.sound) :], atol=0.01)


@pytest.mark.parametrize("name", ["mp4 h264 aac", "mkv vp9 eac3", "ts h264 aac", "avi mpeg4 mp3", "wav - pcm_s16le"])
def test_whole_files_are_sought(tmp_path: Path, name: str):
    assert probe(made(tmp_path, name)).seeks_exactly


def test_noise_of_a_damaged_flac_is_left_out(tmp_path: Path):
    """Each of its frames has a checksum; the tone has an amplitude of 0.5."""
    path = made(tmp_path, "flac - flac")
    data = bytearray(path.read_bytes())
    for place in np.random.default_rng(1).integers(len(data) // 4, len(data), 8):
        data[place] ^= 0x40
    path.write_bytes(data)
    kept = []
    for start in (0.0, 1.0, 2.0, 3.0):
        try:
            kept.append(read(path, start, start + 0.9).sound)
        except MediaError as error:
            assert error.reason == "damaged"
    assert kept and max(np.abs(sound).max() for sound in kept) < 0.6


def test_an_image_that_only_changes_a_lost_one_is_not_kept(tmp_path: Path):
    """The only key frame of the first two seconds is noise."""
    path = tmp_path / "a.avi"
    write_in(path, "avi msmpeg4v3 ac3", moving(100, 64, 48), rising(48_000))
    data = path.read_bytes()
    start = data.index(b"00dc", data.index(b"movi")) + 8
    size = int.from_bytes(data[start - 4 : start], "little")
    path.write_bytes(data[: start - 8] + b"JUNK" + data[start - 4 : start] + bytes(size) + data[start + size :])
    with pytest.raises(MediaError, match="no key frame before") as caught:
        read(path, 0.0, 0.4)
    assert caught.value.reason == "damaged"


@dataclass
class Packet:
    seconds: float
    is_keyframe: bool = False
    size: int = 1


def test_decoding_starts_at_the_last_key_packet_that_is_shown_in_time():
    packets = [Packet(k, k % 5 == 0) for k in range(20)]
    assert [p.seconds for p in from_key_packet(packets, 12.5, lambda p: p.seconds)] == list(range(10, 20))
    assert [p.seconds for p in from_key_packet(packets, 10, lambda p: p.seconds)] == list(range(10, 20))
    assert [p.seconds for p in from_key_packet(packets, -1, lambda p: p.seconds)] == list(range(20))


def test_packets_without_a_time_and_more_than_can_be_held_are_decoded():
    packets = [Packet(float("nan"), size=MOST_HELD_BYTES // 3) for _ in range(9)] + [Packet(5.0, True), Packet(6.0)]
    assert len(list(from_key_packet(packets, 5.5, lambda p: p.seconds))) == 8 + 2


def test_a_piece_that_stood_later_in_the_recording_does_not_lie_over_what_was_before():
    """Halves that were swapped: the first packets are of 10 to 12 s, the next of 0 to 10 s."""
    parts = Parts()
    seconds = np.concatenate([np.arange(10, 12, 0.5), np.arange(0, 10, 0.5)]).tolist()
    played = [second + parts.shift(0, second, 0.5) for second in seconds]
    assert played == list(np.arange(10, 22, 0.5))
