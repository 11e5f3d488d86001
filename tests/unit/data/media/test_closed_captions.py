"""Closed captions within the images: they are not read, and that is reported where a file has no other text."""

from pathlib import Path

import av
import pytest

from tests.media_files import numbered, write_media
from vlsa.data.ingest.scan import scan
from vlsa.data.media.closed_captions import UNREAD
from vlsa.data.media.decode import probe

EMPTY, WORD, WORD_708 = b"\xfc\x80\x80", b"\xfc\xc8\xe5", b"\xff\x02\x21"
"""Pairs of bytes with their parity bit: nothing, `He`; the start of a packet of CEA-708."""


def write_captioned(path: Path, triplets: bytes, from_frame: int = 0) -> Path:
    """A film of 25 frames in H.264 that have caption data (ATSC A/53) from one of them on."""
    data = b"\xb5\x00\x31GA94\x03" + bytes([0x40 | len(triplets) // 3, 0xFF]) + triplets + b"\xff"
    message = b"\0\0\0\1\x06\x04" + bytes([len(data)]) + data + b"\x80"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        frames = [av.VideoFrame.from_ndarray(picture, format="rgb24") for picture in numbered(25)]
        packets = [packet for frame in [*frames, None] for packet in stream.encode(frame)]
        for number, packet in enumerate(packets):
            own = av.Packet(message * (number >= from_frame) + bytes(packet))
            own.stream, own.time_base, own.is_keyframe = stream, packet.time_base, packet.is_keyframe
            own.pts, own.dts, own.duration = packet.pts, packet.dts, packet.duration
            container.mux(own)
    return path


@pytest.mark.parametrize("suffix", ["ts", "mp4", "mkv"])
@pytest.mark.parametrize(
    ("triplets", "from_frame", "expected"),
    [(WORD, 0, True), (EMPTY + WORD_708, 20, True), (EMPTY * 3, 0, False), (b"\xf8" + WORD[1:], 0, False)],
    ids=["608", "708, late", "empty", "not valid"],
)
def test_captions_within_the_images_are_noticed_if_they_say_anything(
    tmp_path: Path, suffix: str, triplets: bytes, from_frame: int, expected: bool
):
    path = write_captioned(tmp_path / f"a.{suffix}", triplets, from_frame)
    assert (UNREAD in probe(path).choices) is expected


def test_a_file_whose_only_text_is_closed_captions_is_kept_and_reported(tmp_path: Path):
    for name in ("cat", "dog"):
        write_captioned(tmp_path / f"{name}.ts", WORD)
    (tmp_path / "dog.srt").write_text("1\n00:00:00,000 --> 00:00:00,900\na dog\n")
    write_media(tmp_path / "fox.mp4", pictures=numbered(25))
    rows, rejections = scan(tmp_path, num_workers=0)
    assert len(rows) == 3
    ((reason, message),) = [(one.reason, one.message) for one in rejections]
    assert reason == "captions" and message.startswith(str(tmp_path / "cat.ts")) and "CEA-608" in message
