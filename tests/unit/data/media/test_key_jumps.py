"""Where a key frame lies between two wanted frames, decoding goes on from it: fewer packets, the same frames."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from containers import FILES, write_in
from media_files import numbered, numbers, write_media
from mutated_media import rising

from vlsa.base.errors import MediaError
from vlsa.data.media.container import Source
from vlsa.data.media.decode import decode, probe
from vlsa.data.media.key_packets import KeyJumps, MissedKeyFrame

GROUPS = {
    "closed groups": {"g": "12", "bf": "2"},
    "open groups": {"g": "12", "bf": "3", "x264-params": "open-gop=1:b-pyramid=normal"},
    "no B-frames": {"g": "10", "bf": "0"},
}
"""Of H.264, 100 frames."""
OTHERS = [name for name in FILES if {"hevc", "vp8", "vp9", "av1", "prores", "dnxhd", "mjpeg"} & set(name.split())]


def sparse(seed: int) -> list[float]:
    """Times between frames, some next to each other and some far apart."""
    generator = np.random.default_rng(seed)
    chosen = np.sort(generator.choice(99, 9, replace=False))
    return ((chosen + 0.5) / 25).tolist()


def kept(path: Path, times: list[float], **options) -> np.ndarray:
    clip = decode(path, 0, 4, frame_times_seconds=times, short_side_px=None, sample_rate_hz=None, **options)
    return clip.frames


@pytest.fixture
def decoded(monkeypatch) -> list[float]:
    """The times of the packets that were decoded."""
    times, decode_packet = [], Source.decode_packet
    monkeypatch.setattr(
        Source, "decode_packet", lambda source, packet: times.append(packet.pts) or decode_packet(source, packet)
    )
    return times


@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("suffix", ["mp4", "ts"])
def test_the_frames_are_those_of_decoding_all(tmp_path: Path, name: str, suffix: str, decoded: list[float]) -> None:
    path = write_media(tmp_path / f"a.{suffix}", pictures=numbered(100), video_options=GROUPS[name])
    facts = probe(path)
    decoded.clear()
    for seed in range(5):
        times = sparse(seed)
        whole, num_decoded = kept(path, times), len(decoded)
        decoded.clear()
        found = kept(path, times, facts=facts)
        assert numbers(found) == [int(25 * time) for time in times]
        np.testing.assert_array_equal(found, whole)
        assert len(decoded) < 0.9 * num_decoded
        decoded.clear()


@pytest.mark.parametrize("name", OTHERS)
def test_every_codec_that_may_jump_gives_the_images_of_decoding_all(tmp_path: Path, name: str) -> None:
    pictures = numbered(100, *FILES[name].get("size_px", (64, 48)))
    path = write_in(tmp_path / f"a.{name.split()[0]}", name, pictures, rising(FILES[name].get("rate_hz", 48_000)))
    facts = probe(path)
    for seed in range(2):
        np.testing.assert_array_equal(kept(path, sparse(seed), facts=facts), kept(path, sparse(seed)))


def test_of_images_that_stand_alone_only_the_wanted_ones_are_decoded(tmp_path: Path, decoded: list[float]) -> None:
    path = write_in(tmp_path / "a.mov", "mov prores aac", numbered(100), rising(48_000))
    facts = probe(path)
    decoded.clear()
    assert numbers(kept(path, [0.1, 1.9, 3.1], facts=facts)) == [2, 47, 77]
    assert len(decoded) <= 6, "each, and the one after that shows how long it lasts"


@pytest.mark.parametrize("suffix", ["mp4", "ts"])
def test_where_no_frame_comes_with_a_key_packet_all_is_decoded(tmp_path: Path, suffix: str) -> None:
    """Each column of blocks is sent anew in its turn, so an image is whole only a while after what is called a key."""
    noise = np.random.default_rng(0).integers(0, 255, (240, 640, 3), np.uint8)
    pictures = [np.ascontiguousarray(noise[:, 2 * number : 2 * number + 320]) for number in range(100)]
    options = {"g": "20", "bf": "0", "x264-params": "intra-refresh=1"}
    path = write_media(tmp_path / f"a.{suffix}", pictures=pictures, video_options=options)
    facts, missed, check = probe(path), [], KeyJumps.check

    def watched(jumps: KeyJumps, frame: Any, seconds: float) -> None:
        try:
            check(jumps, frame, seconds)
        except MissedKeyFrame:
            missed.append(seconds)
            raise

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KeyJumps, "check", watched)
        found = kept(path, sparse(0), facts=facts)
    assert len(missed) == 1
    np.testing.assert_array_equal(found, kept(path, sparse(0)))


def test_an_image_of_packets_that_came_broken_is_refused_also_where_packets_are_read_ahead(tmp_path: Path) -> None:
    """Of a transport stream a whole packet is missing between the key frame and the frame that is wanted."""
    options = {"g": "50", "keyint_min": "50", "sc_threshold": "0", "bf": "0"}
    path = write_media(tmp_path / "a.ts", pictures=numbered(100), video_options=options)
    data = path.read_bytes()
    pieces = [data[start : start + 188] for start in range(0, len(data), 188)]
    pids = [int.from_bytes(piece[1:3], "big") & 0x1FFF for piece in pieces]
    video = max(set(pids), key=pids.count)
    starts = [n for n, piece in enumerate(pieces) if pids[n] == video and piece[1] & 0x40]
    path.write_bytes(b"".join(pieces[: starts[70]] + pieces[starts[71] :]))
    facts = probe(path)
    assert facts.seeks_exactly
    for known in (None, facts):
        with pytest.raises(MediaError, match="damaged near"):
            kept(path, [90.5 / 25], facts=known)
    assert numbers(kept(path, [60.5 / 25], facts=facts)) == [60]
