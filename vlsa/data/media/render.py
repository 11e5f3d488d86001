"""Decoded frames as images of one size: deinterlaced, upright, with square pixels, in ordinary RGB. Feeds frames.py.

Axes: F frames, H W pixels.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.filter import Graph
from av.video.reformatter import VideoReformatter
from jaxtyping import Float64, UInt8

from vlsa.base.errors import MediaError
from vlsa.data.media.colour import rgb
from vlsa.data.media.container import Source
from vlsa.data.media.display import display_of
from vlsa.data.media.parts import BROADCAST_FORMATS
from vlsa.data.media.streams import video_choice

DEINTERLACER = "estdif"
"""The filter of FFmpeg that needs no neighbouring frames: edges are traced within one field."""
LONGEST_ASPECT = 100
"""Of a side to the other: an image of a few bytes may be a thousand times as long, and fills the memory if resized."""


@dataclass(frozen=True)
class PickedFrames:
    """What is shown at wanted times."""

    frames: UInt8[np.ndarray, "F H W 3"]
    frame_seconds: Float64[np.ndarray, " F"]
    """When each is first shown, in seconds of the source."""
    choices: tuple[str, ...]
    """Words on how they were made, such as `deinterlaced`."""


class Renderer:
    """Makes images of frames, all of the size of the first."""

    def __init__(self, source: Source, short_side_px: int | None) -> None:
        self._source = source  # its streams are others after it was opened again
        self._short_side_px = short_side_px
        self._reformatter = VideoReformatter()
        self.size_px: tuple[int, int] | None = None
        """Width and height of every image; None before the first."""
        self.is_mixed = False
        """Whether a frame by itself would have had another size."""

    def render(self, frame: Any) -> tuple[UInt8[np.ndarray, "H W 3"], tuple[str, ...]]:
        """The image of a frame, and words on what was decided, such as `deinterlaced`.

        A frame of another shape than the first is fitted in, with black around it.
        """
        display = display_of(frame)
        words = [*video_choice(self._source.container), "deinterlaced" if frame.interlaced_frame else None]
        frame = deinterlaced(frame) if frame.interlaced_frame else frame
        square = square_size(frame, self._source.stream("video"))
        shown = display.size(*square)
        own_size_px = fit_short_side(*map(round, shown), self._short_side_px, self._source.path)
        self.size_px = self.size_px or own_size_px
        self.is_mixed |= own_size_px != self.size_px
        scale = min(self.size_px[0] / shown[0], self.size_px[1] / shown[1])
        fitted = display.size(*self.size_px) if display.is_turned else self.size_px
        if abs(np.log(self.size_px[0] * shown[1] / self.size_px[1] / shown[0])) > 0.02 or not display.is_square:
            fitted = tuple(max(round(side * scale), 1) for side in square)
        image, done = rgb(self._reformatter, frame, *map(int, fitted))
        image = display.apply(image)
        words += [done, "letterboxed" if image.shape[1::-1] != self.size_px else None]
        return self._centred(image), tuple(filter(None, words))

    def _centred(self, image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "H W 3"]:
        width, height = self.size_px
        if image.shape[:2] == (height, width):
            return image
        image = image[:height, :width]
        canvas = np.zeros((height, width, 3), np.uint8)
        top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
        canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
        return canvas


def square_size(frame: Any, stream: Any) -> tuple[int, int]:
    """Width and height in square pixels, as stored: not turned."""
    return max(round(frame.width * _pixel_aspect(stream)), 1), frame.height


def _pixel_aspect(stream: Any) -> float:
    """Width of a pixel to its height: by the container, or as of the packet decoded last where that says nothing.

    A broadcast changes it between programmes (4:3 to 16:9). The few frames that a decoder holds back to order them have
    the new one too early.
    """
    is_broadcast = stream.container.format.name in BROADCAST_FORMATS
    coded = stream.codec_context.sample_aspect_ratio if is_broadcast else None
    return float(coded or stream.sample_aspect_ratio or 1)


def upright_size(frame: Any, stream: Any) -> tuple[int, int]:
    """Width and height in pixels of a frame as it is shown: square pixels, turned upright."""
    width, height = display_of(frame).size(*square_size(frame, stream))
    return round(width), round(height)


def fit_short_side(width_px: int, height_px: int, short_side_px: int | None, where: str) -> tuple[int, int]:
    """Width and height with the short side at `short_side_px` and the aspect kept; unchanged for None.

    Raises MediaError of `where`, reason `too_large`, for an image more than 100 times as long as it is wide.
    """
    if max(width_px, height_px) > LONGEST_ASPECT * min(width_px, height_px):
        raise MediaError(
            f"{where}: an image of {width_px} x {height_px} px is more than {LONGEST_ASPECT} times as long as it is "
            "wide, so that it would be enormous at the wanted size. Cut it into pieces, or drop it.",
            reason="too_large",
        )
    if short_side_px is None:
        return width_px, height_px
    scale = short_side_px / min(width_px, height_px)
    return max(round(width_px * scale), 1), max(round(height_px * scale), 1)


def deinterlaced(frame: Any) -> Any:
    """A frame of two fields as the image of its first field; itself where the filter does not know its format."""
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format.name,
        time_base=frame.time_base or Fraction(1, 1000),
    )
    graph.link_nodes(source, graph.add(DEINTERLACER, "mode=frame"), graph.add("buffersink")).configure()
    try:
        graph.push(frame)
        graph.push(None)
        return graph.pull()
    except av.FFmpegError:
        return frame
