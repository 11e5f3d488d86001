"""Frames at wanted times, upright and in RGB; and image files.

Reads a `Source`; feeds decode.py.
Axes: F frames, H W pixels.
"""

import itertools
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from av.video.reformatter import VideoReformatter
from jaxtyping import Float64, UInt8

from vlsa.base.errors import MediaError
from vlsa.data.media.container import HOLE_SECONDS, CannotShare, Source, TimedFrame, check_file
from vlsa.data.media.probe import MediaFacts, upright_size
from vlsa.data.media.suffixes import IMAGE_SUFFIXES

ROUNDING_SECONDS = 1e-4
"""Time stamps are rounded (the container's start to a microsecond, some frames to a millisecond's tenth)."""
SKIPPABLE_CODECS = frozenset({"h264", "hevc", "mpeg4"})
"""Where leaving out frames that no other frame needs was measured to be exact. (It is not for AV1.)"""

Frames = tuple[UInt8[np.ndarray, "F H W 3"], Float64[np.ndarray, " F"]]
"""Frames, and when each is first shown, in seconds of the source."""


@dataclass
class _Picker:
    """Takes frames in order and keeps, for each wanted time, the one that is shown then."""

    wanted: Sequence[float]
    renderer: "_Renderer"
    margin_seconds: float
    """Frames this near to the next wanted time are all decoded; inf = all frames are."""
    kept: dict[float, tuple[float, UInt8[np.ndarray, "H W 3"]]] = field(default_factory=dict)
    """By wanted time: when the frame is first shown, and the frame."""
    num_done: int = 0
    shown: TimedFrame | None = None
    is_damaged: bool = False
    """Whether packets were broken among those that were looked at."""

    def may_skip(self, seconds: float) -> bool:
        """Whether a frame at this time can be neither wanted nor the one before a wanted one."""
        return self.num_done < len(self.wanted) and seconds < self.wanted[self.num_done] - self.margin_seconds

    def take(self, frame: TimedFrame) -> bool:
        """See the next frame; False when no more are needed."""
        self._settle(frame.seconds - ROUNDING_SECONDS, later=frame)
        self.shown = frame
        return self.num_done < len(self.wanted)

    def finish(self, end_seconds: float) -> None:
        """No frame comes any more: the last one is shown until `end_seconds`."""
        self._settle(end_seconds, later=None)

    def _settle(self, until_seconds: float, later: TimedFrame | None) -> None:
        while self.num_done < len(self.wanted) and self.wanted[self.num_done] < until_seconds:
            wanted = self.wanted[self.num_done]
            if self.shown is not None:
                self._keep(wanted, self.shown)
            elif later is not None and later.seconds - wanted <= HOLE_SECONDS:
                self._keep(wanted, later)  # the video starts a moment after the audio
            self.num_done += 1

    def _keep(self, wanted: float, frame: TimedFrame) -> None:
        self.kept[wanted] = frame.seconds, self.renderer.image(frame.frame)

    def shown_at(self, wanted: Sequence[float]) -> Frames | None:
        """Frames and their own times at some of the wanted times; None when half of them or more have none."""
        found = [self.kept[time] for time in wanted if time in self.kept]
        if 2 * len(found) < len(wanted):
            return None
        return np.stack([image for _, image in found]), np.array([seconds for seconds, _ in found])


def read_frames(
    source: Source, wanted_seconds: Sequence[float], short_side_px: int | None, facts: MediaFacts | None = None
) -> Frames | None:
    """The frames shown at the wanted times (ascending, seconds of the source) and their own times.

    Wanted times before the first or after the last frame are left out; None when that leaves less than half.
    Raises MediaError, reason `damaged`, where broken packets leave more than 0.25 s without video.
    """
    if source.stream("video") is None or len(wanted_seconds) == 0:
        return None
    assert all(earlier <= later for earlier, later in itertools.pairwise(wanted_seconds)), wanted_seconds
    picker = _pick(source, list(wanted_seconds), short_side_px, facts)
    if picker.is_damaged:
        _check_holes(source, picker)
    return picker.shown_at(wanted_seconds)


def read_frames_of_windows(
    source: Source, windows: Sequence[Sequence[float]], short_side_px: int | None, facts: MediaFacts | None = None
) -> list[Frames | None]:
    """As `read_frames` for the wanted times of each of several windows, but each frame is decoded and reduced once.

    Raises CannotShare where one at a time could have another result: packets are broken, or the size changes.
    """
    wanted = sorted({time for window in windows for time in window})
    if source.stream("video") is None or not wanted:
        return [None] * len(windows)
    picker = _pick(source, wanted, short_side_px, facts)
    if picker.is_damaged or picker.renderer.changed:
        raise CannotShare
    return [picker.shown_at(window) if len(window) else None for window in windows]


def _pick(source: Source, wanted: list[float], short_side_px: int | None, facts: MediaFacts | None) -> _Picker:
    """The frames shown at the wanted times."""
    picker = _Picker(wanted, _Renderer(source.stream("video"), short_side_px), _margin_seconds(source, facts))
    frames = source.frames_covering(
        "video",
        picker.wanted[0],
        tolerance_seconds=ROUNDING_SECONDS,
        may_skip=picker.may_skip if math.isfinite(picker.margin_seconds) else None,
    )
    num_bad = None
    for frame in _in_order(frames):
        num_bad = source.num_bad if num_bad is None else num_bad
        if not picker.take(frame):
            break
    else:
        picker.finish(_last_frame_ends(source, picker.shown))
    picker.is_damaged = source.num_bad > (num_bad or 0)
    return picker


def _in_order(frames: Iterator[TimedFrame]) -> Iterator[TimedFrame]:
    """Leave out frames without a time and those that step back in time: only a damaged file has them."""
    latest = -math.inf
    for frame in frames:
        if frame.seconds > latest:
            latest = frame.seconds
            yield frame


def _last_frame_ends(source: Source, last: TimedFrame | None) -> float:
    if last is None:
        return -math.inf
    stream = source.stream("video")
    period = float(1 / stream.average_rate) if stream.average_rate else 0.0
    own = float((last.frame.duration or 0) * stream.time_base)
    return last.seconds + max(period, own) + HOLE_SECONDS


def _check_holes(source: Source, picker: _Picker) -> None:
    late = [wanted for wanted, (seconds, _) in picker.kept.items() if wanted - seconds > HOLE_SECONDS]
    late += [wanted for wanted in picker.wanted if wanted not in picker.kept]
    if late:
        raise MediaError(
            f"{source.path}: damaged at {min(late):.2f} s, more than {HOLE_SECONDS} s of video are missing; the clip "
            "would show something else. Copy or download the file again, or drop the clip.",
            reason="damaged",
        )


def _margin_seconds(source: Source, facts: MediaFacts | None) -> float:
    """How near to a wanted time every frame has to be decoded; inf where skipping is not exact or not known to be."""
    if facts is None or facts.longest_frame_seconds is None or not facts.frames_per_second:
        return math.inf
    if source.stream("video").codec_context.name not in SKIPPABLE_CODECS:
        return math.inf
    return max(4 / facts.frames_per_second, 1.5 * facts.longest_frame_seconds)


class _Renderer:
    """Frames as RGB, upright, square pixels, all of the first one's size."""

    def __init__(self, stream: Any, short_side_px: int | None) -> None:
        self._stream, self._short_side_px = stream, short_side_px
        self._reformatter = VideoReformatter()
        self._first_size: tuple[int, int] | None = None
        self._last: tuple[Any, UInt8[np.ndarray, "H W 3"]] | None = None
        self.changed = False
        """Whether a frame was of another size than the first one."""

    def image(self, frame: Any) -> UInt8[np.ndarray, "H W 3"]:
        """A frame; the same array when it is the one before."""
        if self._last is not None and self._last[0] is frame:
            return self._last[1]
        size = upright_size(frame, self._stream)
        self._first_size = self._first_size or size
        self.changed |= size != self._first_size
        width, height = fit_short_side(*self._first_size, self._short_side_px)
        quarter_turns = frame.rotation // 90 % 4
        stored = (height, width) if quarter_turns % 2 else (width, height)
        reduced = self._reformatter.reformat(frame, *stored, "rgb24", interpolation="AREA", threads=1)
        self._last = frame, np.rot90(reduced.to_ndarray(), quarter_turns)
        return self._last[1]


def fit_short_side(width_px: int, height_px: int, short_side_px: int | None) -> tuple[int, int]:
    """Width and height with the short side at `short_side_px` and the aspect kept; unchanged for None."""
    if short_side_px is None:
        return width_px, height_px
    scale = short_side_px / min(width_px, height_px)
    return max(round(width_px * scale), 1), max(round(height_px * scale), 1)


def is_image(path: str | os.PathLike[str]) -> bool:
    """Whether the name is that of an image (by its ending)."""
    return os.path.splitext(os.fspath(path))[1].lower() in IMAGE_SUFFIXES


def read_image(path: str | os.PathLike[str], short_side_px: int | None) -> np.ndarray:
    """An image file, upright: uint8, 1 H W 3. Raises MediaError, reason missing, empty, unreadable and so on."""
    from PIL import Image

    check_file(path)
    try:
        with Image.open(path) as file:
            return image_frames(file, short_side_px)
    except Exception as error:
        raise MediaError(
            f"{path}: not a readable image ({type(error).__name__}). Check that it opens elsewhere, or drop it.",
            reason="unreadable",
        ) from error


def image_frames(image: Any, short_side_px: int | None) -> np.ndarray:
    """An image of Pillow, upright: uint8, 1 H W 3."""
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image).convert("RGBA").convert("RGB")
    size = fit_short_side(*image.size, short_side_px)
    return np.asarray(image.resize(size, Image.Resampling.BOX) if size != image.size else image, np.uint8)[None].copy()
