"""Frames at wanted times, as images of one size.

Reads a `Source`; feeds decode.py. A frame is made an image, of the size that is kept, when it is picked.
Axes: F frames, H W pixels.
"""

import contextlib
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8

from vlsa.base.errors import MediaError
from vlsa.data.media.container import HOLE_SECONDS, Source, TimedFrame
from vlsa.data.media.key_packets import NEED_KEY_FRAMES, CannotShare, MissedKeyFrame
from vlsa.data.media.probe import MediaFacts
from vlsa.data.media.render import PickedFrames, Renderer

ROUNDING_SECONDS = 1e-4
"""Time stamps are rounded (the container's start to a microsecond, some frames to a millisecond's tenth)."""
SKIPPABLE_CODECS = frozenset({"h264", "hevc", "mpeg4"})
"""Where leaving out frames that no other frame needs was measured to be exact. (It is not for AV1.)"""
JUMPABLE_CODECS = frozenset({"av1", "dnxhd", "h264", "hevc", "mjpeg", "prores", "vp8", "vp9"})
"""Which begin anew at a packet that is called a key packet, so that what lies before it need not be decoded."""


@dataclass(frozen=True)
class _Kept:
    """A frame that was picked."""

    number: int
    """Place of its image."""
    seconds: float
    """When it is first shown."""
    key_seconds: float
    """When the key frame is shown that it was decoded from."""
    choices: tuple[str, ...]
    """Words on how its image was made."""


@dataclass
class _Picker:
    """Takes frames in order and keeps, for each wanted time, the image of the one that is shown then."""

    wanted: Sequence[float]
    renderer: Renderer
    margin_seconds: float
    """Frames this near to the next wanted time are all decoded; inf = all frames are, where there is no jump."""
    uncertain_seconds: float
    """How far before a wanted time a key frame has to be for decoding to begin there."""
    may_jump: bool
    """Whether decoding may go on from a later key frame."""
    broken_seconds: list[float] = field(default_factory=list)
    """Packets that came broken out of the file and were decoded all the same."""
    kept: dict[float, _Kept] = field(default_factory=dict)
    """By wanted time, in their order."""
    images: UInt8[np.ndarray, "F H W 3"] | None = None
    """F = the number of wanted times, of which the first `len(kept)` are filled."""
    num_done: int = 0
    shown: TimedFrame | None = None
    key_seconds: float = -math.inf
    bad_seconds: Sequence[float] = ()
    """Times of broken packets among those that were looked at."""

    def may_skip(self, seconds: float) -> bool:
        """Whether a frame at this time can be neither wanted nor the one before a wanted one."""
        return self.num_done < len(self.wanted) and seconds < self.wanted[self.num_done] - self.margin_seconds

    def note_broken(self, seconds: float) -> None:
        """See a broken packet that is decoded."""
        self.broken_seconds.append(seconds)

    def next_seconds(self) -> float:
        """The wanted time that is not settled yet: of key frames before it, the last one is enough."""
        is_wanted = self.may_jump and self.num_done < len(self.wanted)
        return self.wanted[self.num_done] - self.uncertain_seconds if is_wanted else -math.inf

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
                self._keep(wanted, self.shown, self.key_seconds)
            elif later is not None and later.seconds - wanted <= HOLE_SECONDS:
                key_seconds = later.seconds if later.frame.key_frame else self.key_seconds
                self._keep(wanted, later, key_seconds)  # the video starts a moment after the audio
            self.num_done += 1

    def _keep(self, wanted: float, frame: TimedFrame, key_seconds: float) -> None:
        if wanted in self.kept:  # asked for twice
            return
        last = next(reversed(self.kept.values()), None)
        number = len(self.kept)
        if last is not None and last.seconds == frame.seconds:
            image, choices = self.images[number - 1], last.choices
        else:
            image, choices = self.renderer.render(frame.frame)
        if self.images is None:
            self.images = np.empty((len(self.wanted), *image.shape), np.uint8)
        self.images[number] = image
        self.kept[wanted] = _Kept(number, frame.seconds, key_seconds, choices)

    def shown_at(self, wanted: Sequence[float]) -> PickedFrames | None:
        """What is shown at some of the wanted times; None when half of them or more show nothing."""
        found = [self.kept[time] for time in wanted if time in self.kept]
        if self.images is None or 2 * len(found) < len(wanted):
            return None
        numbers = [kept.number for kept in found]
        is_all = numbers == list(range(len(self.images)))
        return PickedFrames(
            self.images if is_all else self.images[numbers],
            np.array([kept.seconds for kept in found]),
            tuple(dict.fromkeys(word for kept in found for word in kept.choices)),
        )


def read_frames(
    source: Source, wanted_seconds: Sequence[float], short_side_px: int | None, facts: MediaFacts | None = None
) -> PickedFrames | None:
    """The frames shown at the wanted times (ascending, seconds of the source).

    Wanted times before the first or after the last frame are left out; None when that leaves less than half.
    Raises MediaError, reason `damaged`, where broken packets leave more than 0.25 s without video, or lie between a
    frame and the key frame that it was decoded from, or where there is no such key frame.
    """
    if len(wanted_seconds) == 0 or not _may_show(source, wanted_seconds[0], facts):
        return None
    assert all(earlier <= later for earlier, later in itertools.pairwise(wanted_seconds)), wanted_seconds
    picker = _pick(source, list(wanted_seconds), short_side_px, facts)
    _check_starts(source, picker)
    if picker.bad_seconds:
        _check_holes(source, picker)
        _check_past(source, picker)
    return picker.shown_at(wanted_seconds)


def read_frames_of_windows(
    source: Source, windows: Sequence[Sequence[float]], short_side_px: int | None, facts: MediaFacts | None = None
) -> list[PickedFrames | None]:
    """As `read_frames` for the wanted times of each of several windows, but each frame is decoded and reduced once.

    Raises CannotShare where one at a time could have another result: packets are broken, or the size changes.
    """
    wanted = sorted({time for window in windows for time in window})
    if not wanted or not _may_show(source, wanted[0], facts):
        return [None] * len(windows)
    picker = _pick(source, wanted, short_side_px, facts)
    if picker.bad_seconds or picker.renderer.is_mixed:
        raise CannotShare
    _check_starts(source, picker)
    return [picker.shown_at(window) if len(window) else None for window in windows]


def _pick(source: Source, wanted: list[float], short_side_px: int | None, facts: MediaFacts | None) -> _Picker:
    """The frames shown at the wanted times."""
    how = _margin_seconds(source, facts), source.uncertain_seconds
    is_jumpable = source.stream("video").codec_context.name in JUMPABLE_CODECS
    if facts is not None and source.may_seek and is_jumpable:
        num_bad = source.num_bad
        with contextlib.suppress(MissedKeyFrame):
            return _picked(source, _Picker(wanted, Renderer(source, short_side_px), *how, may_jump=True), facts)
        del source.bad_seconds[num_bad:]  # all is decoded once more
    return _picked(source, _Picker(wanted, Renderer(source, short_side_px), *how, may_jump=False), facts)


def _picked(source: Source, picker: _Picker, facts: MediaFacts | None) -> _Picker:
    frames = source.frames_covering("video", picker.wanted[0], tolerance_seconds=ROUNDING_SECONDS, needs=picker)
    first_seconds, num_bad = None, 0
    for frame in _in_order(frames):
        if first_seconds is None:
            first_seconds, num_bad = frame.seconds, frame.num_bad
        if not picker.take(frame):
            break
    else:
        picker.finish(_last_frame_ends(source, picker.shown, facts))
    if first_seconds is not None:  # after a seek, other packets may lack their past
        early = source.bad_seconds[source.num_bad_before : num_bad]
        own = [bad for bad in early if abs(bad - first_seconds) <= ROUNDING_SECONDS]
        broken = [bad for bad in picker.broken_seconds if bad > first_seconds]  # which were read before their frames
        picker.bad_seconds = own + source.bad_seconds[num_bad:] + broken
    else:
        picker.bad_seconds = source.bad_seconds[source.num_bad_before :]
    return picker


def _in_order(frames: Iterator[TimedFrame]) -> Iterator[TimedFrame]:
    """Leave out frames without a time and those that step back in time: only a damaged file has them."""
    latest = -math.inf
    for frame in frames:
        if frame.seconds > latest:
            latest = frame.seconds
            yield frame


def _may_show(source: Source, seconds: float, facts: MediaFacts | None) -> bool:
    """Whether the file may show something at a time or later: behind the end of its video, no seek finds a frame."""
    stream = source.stream("video")
    if stream is None or facts is None or facts.video_end_seconds is None:
        return stream is not None
    period = float(1 / stream.average_rate) if stream.average_rate else 0.0
    return seconds <= facts.video_end_seconds + period + HOLE_SECONDS


def _last_frame_ends(source: Source, last: TimedFrame | None, facts: MediaFacts | None) -> float:
    if last is None:
        return -math.inf
    known = (facts.video_end_seconds or 0.0) if facts is not None else 0.0  # a slide is shown for long
    stream = source.stream("video")
    period = float(1 / stream.average_rate) if stream.average_rate else 0.0
    own = float((last.frame.duration or 0) * stream.time_base)
    return max(last.seconds + max(period, own), known) + HOLE_SECONDS


def _check_holes(source: Source, picker: _Picker) -> None:
    late = [wanted for wanted, kept in picker.kept.items() if wanted - kept.seconds > HOLE_SECONDS]
    late += [wanted for wanted in picker.wanted if wanted not in picker.kept]
    if late:
        raise MediaError(
            f"{source.path}: damaged at {min(late):.2f} s, more than {HOLE_SECONDS} s of video are missing; the clip "
            "would show something else. Copy or download the file again, or drop the clip.",
            reason="damaged",
        )


def _check_starts(source: Source, picker: _Picker) -> None:
    if source.stream("video").codec_context.name not in NEED_KEY_FRAMES:
        return
    for kept in picker.kept.values():
        if kept.key_seconds == -math.inf:
            raise MediaError(
                f"{source.path}: no key frame before {kept.seconds:.2f} s, as where the start of a file is lost: the "
                "image would be made from nothing. Copy or download the file again, or drop the clip.",
                reason="damaged",
            )


def _check_past(source: Source, picker: _Picker) -> None:
    """A decoder goes on after a broken packet, with noise that lasts to the next key frame."""
    for kept in picker.kept.values():
        since, until = kept.key_seconds - ROUNDING_SECONDS, kept.seconds + HOLE_SECONDS
        if any(since <= bad <= until for bad in picker.bad_seconds):
            raise MediaError(
                f"{source.path}: damaged near {kept.seconds:.2f} s: the image is made from packets of which some are "
                "broken, so it may be noise. Copy or download the file again, or drop the clip.",
                reason="damaged",
            )


def _margin_seconds(source: Source, facts: MediaFacts | None) -> float:
    """How near to a wanted time every frame has to be decoded; inf where skipping is not exact or not known to be."""
    if facts is None or facts.longest_frame_seconds is None or not facts.frames_per_second:
        return math.inf
    if source.uncertain_seconds or source.stream("video").codec_context.name not in SKIPPABLE_CODECS:
        return math.inf
    return max(4 / facts.frames_per_second, 1.5 * facts.longest_frame_seconds)
