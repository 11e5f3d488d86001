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

from vlsa.base.errors import MediaError
from vlsa.data.media.container import HOLE_SECONDS, Source, TimedFrame, check_file
from vlsa.data.media.probe import MediaFacts, upright_size
from vlsa.data.media.suffixes import IMAGE_SUFFIXES

ROUNDING_SECONDS = 1e-4
"""Time stamps are rounded (the container's start to a microsecond, some frames to a millisecond's tenth)."""
SKIPPABLE_CODECS = frozenset({"h264", "hevc", "mpeg4"})
"""Where leaving out frames that no other frame needs was measured to be exact. (It is not for AV1.)"""


@dataclass
class _Picker:
    """Takes frames in order and keeps, for each wanted time, the one that is shown then."""

    wanted: Sequence[float]
    margin_seconds: float
    """Frames this near to the next wanted time are all decoded; inf = all frames are."""
    kept: list[tuple[float, TimedFrame]] = field(default_factory=list)
    num_done: int = 0
    shown: TimedFrame | None = None

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
                self.kept.append((wanted, self.shown))
            elif later is not None and later.seconds - wanted <= HOLE_SECONDS:
                self.kept.append((wanted, later))  # the video starts a moment after the audio
            self.num_done += 1


def read_frames(
    source: Source, wanted_seconds: Sequence[float], short_side_px: int | None, facts: MediaFacts | None = None
) -> tuple[np.ndarray, np.ndarray] | None:
    """The frames (uint8, F H W 3) shown at the wanted times (ascending, seconds of the source) and their own times (F).

    Wanted times before the first or after the last frame are left out; None when that leaves less than half.
    Raises MediaError, reason `damaged`, where broken packets leave more than 0.25 s without video.
    """
    if source.stream("video") is None or len(wanted_seconds) == 0:
        return None
    assert all(earlier <= later for earlier, later in itertools.pairwise(wanted_seconds)), wanted_seconds
    picker = _Picker(list(wanted_seconds), _margin_seconds(source, facts))
    _pick(source, picker)
    if 2 * len(picker.kept) < len(wanted_seconds):
        return None
    frames = _render(source, [frame for _, frame in picker.kept], short_side_px)
    return frames, np.array([frame.seconds for _, frame in picker.kept])


def _pick(source: Source, picker: _Picker) -> None:
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
    is_damaged = source.num_bad > (num_bad or 0)
    if is_damaged:
        _check_holes(source, picker)


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
    late = [wanted for wanted, frame in picker.kept if wanted - frame.seconds > HOLE_SECONDS]
    shown = {wanted for wanted, _ in picker.kept}
    late += [wanted for wanted in picker.wanted if wanted not in shown]
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


def _render(source: Source, frames: list[TimedFrame], short_side_px: int | None) -> np.ndarray:
    """Frames as RGB, upright, square pixels, all of the first one's size: uint8, F H W 3."""
    first = frames[0].frame
    width, height = fit_short_side(*upright_size(first, source.stream("video")), short_side_px)
    rendered = np.empty((len(frames), height, width, 3), np.uint8)
    reformatter = VideoReformatter()
    for k, frame in enumerate(frames):
        if k and frame is frames[k - 1]:
            rendered[k] = rendered[k - 1]
            continue
        quarter_turns = frame.frame.rotation // 90 % 4
        stored = (height, width) if quarter_turns % 2 else (width, height)
        image = reformatter.reformat(frame.frame, *stored, "rgb24", interpolation="AREA", threads=1)
        rendered[k] = np.rot90(image.to_ndarray(), quarter_turns)
    return rendered


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
