"""Times of frames whose container has none: AVI numbers packets in the order in which they are decoded.

So does raw_frames.py where there is no container at all.

H.264 and packed MPEG-4 with frames that are made of later ones (B-frames) are decoded in another order than they are
shown, and each frame comes with the number of its packet. Decoders give frames in the order in which they are shown.
Decoding that begins at a key frame may lose frames that are shown before it and made of still earlier ones (open GOP);
then the key frame takes the time of the first of them. Used by container.py.
"""

import heapq
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from vlsa.data.media import raw_frames

NUMBERED_FORMATS = ("avi", *raw_frames.FORMATS)
REORDERED_CODECS = frozenset({"h264", "hevc", "mpeg4"})
"""Which may have frames that are made of later ones though what was read of the file so far has none."""
MOST_BETWEEN = 17
"""Frames by which the two orders differ at most: H.264 has up to 16 in a row that are made of a later one."""


def uncertain_seconds(container: Any, video: Any | None) -> float:
    """How long after a key frame that decoding begins with, other frames may be shown than without that.

    0 where the times of a container's video frames say when they are shown.
    """
    if video is None or container.format.name not in NUMBERED_FORMATS:
        return 0.0
    codec = video.codec_context
    is_reordered = bool(codec.has_b_frames) or codec.name in REORDERED_CODECS
    return (MOST_BETWEEN + 1) * _frame_seconds(container, video) if is_reordered else 0.0


def _frame_seconds(container: Any, video: Any) -> float:
    is_raw = container.format.name in raw_frames.FORMATS
    return float(1 / video.average_rate if is_raw else video.time_base)


def with_times_in_order(frames: Iterator[Any]) -> Iterator[Any]:
    """The same `TimedFrame`s with the same times, each of which goes to the first frame that is still without one."""
    held: deque[Any] = deque()
    times: list[float] = []
    for frame in frames:
        held.append(frame)
        if not math.isnan(frame.seconds):
            heapq.heappush(times, frame.seconds)
        if len(held) > MOST_BETWEEN:
            yield _timed(held.popleft(), times)
    while held:
        yield _timed(held.popleft(), times)


def _timed(frame: Any, times: list[float]) -> Any:
    return frame if math.isnan(frame.seconds) else replace(frame, seconds=heapq.heappop(times))
