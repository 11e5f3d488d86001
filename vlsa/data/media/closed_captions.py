"""Closed captions within the images of a video (CEA-608 and CEA-708, as North American broadcasts have them).

They are not read; that a file has them is reported. Used by probe.py; the message by ingest/scan.py.
"""

import os
import re
from typing import Any

CARRIERS = frozenset({"h264", "hevc", "mpeg2video"})
"""Codecs that may hold them, before the image itself."""
TRACK = "eia_608"
"""The codec of a track of them, as QuickTime has it."""
UNREAD = "closed-captions-unread"
"""The word on a file that has them."""
MARK = re.compile(rb"GA94\x03(.).(.*)", re.DOTALL)
"""ATSC A/53: how many, then three bytes each."""
SEARCHED_BYTES = 4096
"""At the beginning of a packet."""
PARITY = 0x7F


def shows_captions(packet: Any) -> bool:
    """Whether a packet of video has captions that say something; most broadcasts send empty ones all the time."""
    found = MARK.search(memoryview(packet)[:SEARCHED_BYTES])
    if found is None:
        return False
    count, data = found[1][0] & 0x1F, found[2]
    triplets = (data[k : k + 3] for k in range(0, 3 * count, 3))
    return any(len(three) == 3 and three[0] & 4 and any(byte & PARITY for byte in three[1:]) for three in triplets)


def has_track(container: Any) -> bool:
    """Whether a file has a track of closed captions."""
    streams = (stream for stream in container.streams if stream.codec_context is not None)
    return any(stream.codec_context.codec.canonical_name == TRACK for stream in streams)


def unread_captions(path: str | os.PathLike[str], choices: tuple[str, ...]) -> list[tuple[str, str]]:
    """Reason and message for a file that has closed captions, by its facts, and no other text; else nothing."""
    message = f"{path}: has closed captions (CEA-608) within its video, which are not read; it has no other text. "
    return [("captions", f"{message}Extract them to a .srt next to it.")] if UNREAD in choices else []
