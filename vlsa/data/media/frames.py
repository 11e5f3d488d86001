"""Frames at wanted times, as images of one size.

Reads a `Source`; feeds decode.py. A frame is made an image, of the size that is kept, when it is picked.
Axes: F frames, H W pixels.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vlsa.base.errors import MediaError
from vlsa.data.media.container import HOLE_SECONDS, Source, TimedFrame
from vlsa.data.media.probe import MediaFacts
from vlsa.data.media.render import PickedFrames, Renderer

ROUNDING_SECONDS = 1e-4
"""Time stamps are rounded (the container's start to a microsecond, some frames to a millisecond's tenth)."""
SKIPPABLE_CODECS = frozenset({"h264", "hevc", "mpeg4"})
"""Where leaving out frames that no other frame needs was measured to be exact. (It is not for AV1.)"""


@dataclass(frozen=True)
class _Kept:
    """A frame that was picked."""

    wanted_seconds: float
    seconds: float
    """When it is first shown."""
    key_seconds: float
    """When the key frame is shown that it was decoded from."""


@dataclass
class _Picker:
    """Takes frames in order and keeps, for each wanted time, the image of the one that is shown then."""

    wanted: Sequence[float]
    margin_seconds: float
    """Frames this near to the next wanted time are all decoded; inf = all frames are."""
    render: Callable[[Any], np.ndarray]
    kept: list[_Kept] = field(default_factory=list)
    images: np.ndarray | None = None
    """uint8, F H W 3; F = the number of wanted times, of which the first `len(kept)` are filled."""
    num_done: int = 0
    shown: TimedFrame | None = None
    key_seconds: float = -math.inf

    def may_skip(self, seconds: float) -> bool:
        """Whether a frame at this time can be neither wanted nor the one before a wanted one."""
        return self.num_done < len(self.wanted) and seconds < self.wanted[self.num_done] - self.margin_seconds

    def take(self, frame: TimedFrame) -> bool:
        """See the next frame; False when no more are needed."""
        self._settle(frame.seconds - ROUNDING_SECONDS, later=frame)
        self.shown = frame
        self.key_seconds = frame.seconds if frame.frame.key_frame else self.key_seconds
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
        number = len(self.kept)
        is_again = number > 0 and self.kept[-1].seconds == frame.seconds
        image = self.images[number - 1] if is_again else self.render(frame.frame)
        if self.images is None:
            self.images = np.empty((len(self.wanted), *image.shape), np.uint8)
        self.images[number] = image
        self.kept.append(_Kept(wanted, frame.seconds, self.key_seconds))


def read_frames(
    source: Source, wanted_seconds: Sequence[float], short_side_px: int | None, facts: MediaFacts | None = None
) -> PickedFrames | None:
    """The frames shown at the wanted times (ascending, seconds of the source).

    Wanted times before the first or after the last frame are left out; None when that leaves less than half.
    Raises MediaError, reason `damaged`, where broken packets leave more than 0.25 s without video, or lie between a
    frame and the key frame that it was decoded from.
    """
    if source.stream("video") is None or len(wanted_seconds) == 0:
        return None
    assert all(earlier <= later for earlier, later in itertools.pairwise(wanted_seconds)), wanted_seconds
    renderer = Renderer(source, short_side_px)
    picker = _Picker(list(wanted_seconds), _margin_seconds(source, facts), renderer.render)
    _pick(source, picker)
    if picker.images is None or 2 * len(picker.kept) < len(wanted_seconds):
        return None
    num_kept = len(picker.kept)
    images = picker.images if num_kept == len(wanted_seconds) else picker.images[:num_kept].copy()
    return PickedFrames(images, np.array([kept.seconds for kept in picker.kept]), tuple(renderer.choices))


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
    bad_seconds = source.bad_seconds[num_bad or 0 :]
    if bad_seconds:
        _check_holes(source, picker)
        _check_past(source, picker, bad_seconds)


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
    late = [kept.wanted_seconds for kept in picker.kept if kept.wanted_seconds - kept.seconds > HOLE_SECONDS]
    shown = {kept.wanted_seconds for kept in picker.kept}
    late += [wanted for wanted in picker.wanted if wanted not in shown]
    if late:
        raise MediaError(
            f"{source.path}: damaged at {min(late):.2f} s, more than {HOLE_SECONDS} s of video are missing; the clip "
            "would show something else. Copy or download the file again, or drop the clip.",
            reason="damaged",
        )


def _check_past(source: Source, picker: _Picker, bad_seconds: Sequence[float]) -> None:
    """A decoder goes on after a broken packet, with noise that lasts to the next key frame."""
    for kept in picker.kept:
        if any(kept.key_seconds - ROUNDING_SECONDS <= bad <= kept.seconds + HOLE_SECONDS for bad in bad_seconds):
            raise MediaError(
                f"{source.path}: damaged near {kept.seconds:.2f} s: the image is made from packets of which some are "
                "broken, so it may be noise. Copy or download the file again, or drop the clip.",
                reason="damaged",
            )


def _margin_seconds(source: Source, facts: MediaFacts | None) -> float:
    """How near to a wanted time every frame has to be decoded; inf where skipping is not exact or not known to be."""
    if facts is None or facts.longest_frame_seconds is None or not facts.frames_per_second:
        return math.inf
    if source.stream("video").codec_context.name not in SKIPPABLE_CODECS:
        return math.inf
    return max(4 / facts.frames_per_second, 1.5 * facts.longest_frame_seconds)
