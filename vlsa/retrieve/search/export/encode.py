"""A stretch of a file to the frame and the sample, encoded anew: H.264 and AAC in MP4, or M4A. Feeds cut.py.

Axes: C channels, S samples.
"""

import contextlib
import heapq
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from vlsa.base.errors import MediaError
from vlsa.data.media.suffixes import SOUND_SUFFIXES

if TYPE_CHECKING:
    from vlsa.data.media.probe import MediaFacts

TICKS = 90_000
"""Time base of the video: ticks a second."""
SOUND_RATES_HZ = frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000})
"""Those that AAC has; others become 48,000."""
ROUNDING_SECONDS = 0.001
GAP_SECONDS = 0.03
"""Time stamps of sound that differ from the count of samples by less are rounding."""


@runtime_checkable
class Writable(Protocol):
    """What takes bytes in their order."""

    def write(self, piece: bytes) -> int:
        """Take a piece."""


@dataclass(frozen=True)
class Encoding:
    """How a stretch is encoded."""

    video_options: dict[str, str]
    """Of H.264."""
    container_options: dict[str, str] = field(default_factory=dict)
    """Of MP4."""
    most_width_px: int | None = None
    """Wider frames are made smaller; None = none are."""


EXACT = Encoding({"crf": "16", "preset": "medium"})
"""By eye the same as its source."""


@dataclass(frozen=True)
class _Timed:
    """A frame ready to be encoded, and when it is shown or heard, in seconds of the clip."""

    seconds: float
    frame: Any


def encoded_suffix(path: Path) -> str:
    """Of a clip of this file: by its name, since that of a sound file says so."""
    return ".m4a" if path.suffix.lower() in SOUND_SUFFIXES else ".mp4"


def encode_span(
    path: Path,
    start_seconds: float,
    stop_seconds: float,
    out: Path | Writable,
    how: Encoding = EXACT,
    facts: "MediaFacts | None" = None,
) -> tuple[float, float]:
    """Encode the frames and samples of a stretch into `out`; returns the stretch. Raises MediaError.

    `out` is a file, or an object to write to as the encoding goes on, which needs container options that allow that.
    `facts` are those of the file; a joined recording needs them (data/media/joined.py).
    """
    import av

    from vlsa.data.media.probe import open_known

    with contextlib.ExitStack() as opened:
        video, sound = (
            opened.enter_context(open_known(path, facts)) for _ in range(2)
        )  # each is read at its own place
        shown = _video(video, start_seconds, stop_seconds, how.most_width_px)
        parts = [shown, _sound(sound, start_seconds, stop_seconds)]
        begun = [(first, rest) for rest in parts if (first := next(rest, None)) is not None]
        if not begun:
            raise MediaError(
                f"{path}: nothing between {start_seconds:.3f} and {stop_seconds:.3f} s; there is nothing to cut. "
                "Check the times, and that the file is whole.",
                reason="nothing",
            )
        target = str(out) if isinstance(out, Path) else out
        container = opened.enter_context(av.open(target, "w", format="mp4", container_options=how.container_options))
        streams = [_stream(container, first.frame, video.stream("video"), how.video_options) for first, _ in begun]
        _encode(container, streams, [itertools.chain([first], rest) for first, rest in begun])
    return start_seconds, stop_seconds


def _encode(container: Any, streams: list[Any], parts: list[Iterator[_Timed]]) -> None:
    """Encode all streams by time, so that the muxer can interleave them."""
    numbered = [zip(part, itertools.repeat(number)) for number, part in enumerate(parts)]
    for timed, number in heapq.merge(*numbered, key=lambda item: item[0].seconds):
        container.mux(streams[number].encode(timed.frame))
    for stream in streams:
        container.mux(stream.encode(None))


def _stream(container: Any, first: Any, source: Any, video_options: dict[str, str]) -> Any:
    """The stream of the clip for frames like this one."""
    import av

    if isinstance(first, av.AudioFrame):
        stream = container.add_stream("aac", rate=first.sample_rate)
        stream.codec_context.layout = first.layout.name
        return stream
    stream = container.add_stream("libx264", rate=source.average_rate or 25, options=video_options)
    stream.width, stream.height, stream.pix_fmt = first.width, first.height, first.format.name
    stream.codec_context.time_base = Fraction(1, TICKS)
    return stream


def _video(source: Any, start_seconds: float, stop_seconds: float, most_width_px: int | None) -> Iterator[_Timed]:
    """Upright frames: the one that is shown at the start, from then on, and those that start before the stop."""
    if source.stream("video") is None:
        return
    held = None  # until it is known that no later frame is shown at its time
    frames = source.frames_covering("video", start_seconds, tolerance_seconds=ROUNDING_SECONDS)
    timed_frames = (one for one in frames if not math.isnan(one.seconds))
    for timed in itertools.takewhile(lambda one: one.seconds < stop_seconds - ROUNDING_SECONDS, timed_frames):
        early = timed.seconds <= start_seconds + ROUNDING_SECONDS
        ticks = 0 if early else round((timed.seconds - start_seconds) * TICKS)
        if held is not None and ticks > held[0]:
            yield _prepared(source, *held, most_width_px)
        if held is None or ticks >= held[0]:
            held = ticks, timed.frame
    if held is not None:
        yield _prepared(source, *held, most_width_px)


def _prepared(source: Any, ticks: int, frame: Any, most_width_px: int | None) -> _Timed:
    """A frame upright, of square pixels and even size, as H.264 in MP4 is played everywhere."""
    import av

    from vlsa.data.media.render import upright_size

    quarter_turns = frame.rotation // 90 % 4
    width, height = upright_size(frame, source.stream("video"))
    scale = min(1.0, (most_width_px or width) / width)
    width, height = (side + side % 2 for side in (max(round(width * scale), 1), max(round(height * scale), 1)))
    stored = (height, width) if quarter_turns % 2 else (width, height)
    ready = frame.reformat(*stored, "rgb24" if quarter_turns else "yuv420p")
    if quarter_turns:
        turned = np.ascontiguousarray(np.rot90(ready.to_ndarray(), quarter_turns))
        ready = av.VideoFrame.from_ndarray(turned, format="rgb24").reformat(format="yuv420p")
    ready.pict_type = av.video.frame.PictureType.NONE  # else the encoder repeats the kinds of the source
    ready.pts, ready.time_base = ticks, Fraction(1, TICKS)
    return _Timed(ticks / TICKS, ready)


def _sound(source: Any, start_seconds: float, stop_seconds: float) -> Iterator[_Timed]:
    """Frames of sound in which sample 0 is heard at the start of the stretch."""
    import av

    stream = source.stream("audio")
    if stream is None:
        return
    rate = stream.codec_context.sample_rate
    rate = rate if rate in SOUND_RATES_HZ else 48_000
    resampler = av.AudioResampler(format="fltp", layout=_layout(stream.codec_context.layout), rate=rate)
    last = round((stop_seconds - start_seconds) * rate)
    following = None
    for timed in source.frames_covering(
        "audio", start_seconds, tolerance_seconds=GAP_SECONDS, pre_roll_seconds=10 * GAP_SECONDS
    ):
        if timed.seconds >= stop_seconds:
            break
        timed.frame.pts = None
        for frame in resampler.resample(timed.frame):
            place = round((timed.seconds - start_seconds) * rate)
            if following is not None and not abs(place - following) > GAP_SECONDS * rate:
                place = following
            following = place + frame.samples
            if (kept := _trimmed(frame, place, last)) is not None:
                yield kept


def _layout(layout: Any) -> str:
    """The channels of the clip: those of the source where they are named, else one or two; of more than six 5.1.

    PyAV's `to_ndarray` and `from_ndarray` crash on eight channels that are planar.
    """
    if layout.nb_channels > 6:
        return "5.1"
    named = "channel" not in layout.name
    return str(layout.name) if named else "mono" if layout.nb_channels == 1 else "stereo"


def _trimmed(frame: Any, place: int, last: int) -> _Timed | None:
    """The part of a frame, whose first sample has this place in the clip, between its start and its last sample."""
    import av

    samples = frame.to_ndarray()[:, max(-place, 0) : max(last - place, 0)]
    if not samples.shape[1]:
        return None
    kept = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=frame.layout.name)
    kept.sample_rate, kept.pts, kept.time_base = frame.sample_rate, max(place, 0), Fraction(1, frame.sample_rate)
    return _Timed(kept.pts / frame.sample_rate, kept)
