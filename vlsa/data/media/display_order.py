"""Times of frames whose container has none: AVI numbers packets in the order in which they are decoded.

H.264 and packed MPEG-4 with frames that are made of later ones (B-frames) are decoded in another order than they are
shown, and each frame comes with the number of its packet. Decoders give frames in the order in which they are shown.
Used by frames.py and scenes.py.
"""

import heapq
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

NUMBERED_FORMATS = ("avi",)
MOST_BETWEEN = 17
"""Frames by which the two orders differ at most: H.264 has up to 16 in a row that are made of a later one."""


def shown_in_order(source: Any, frames: Iterator[Any]) -> Iterator[Any]:
    """Video frames of a `Source`, each at the time at which it is shown."""
    return with_times_in_order(frames) if source.is_numbered else frames


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
