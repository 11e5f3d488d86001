"""Audio of a stretch: mono, at one rate, each sample at its own time.

Reads a `Source`; feeds decode.py.
Axes: C channels, N samples at the file's rate, S samples at the wanted rate.
"""

import bisect
import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import av
import numpy as np
from jaxtyping import Float32

from vlsa.base.errors import MediaError
from vlsa.data.media.channels import channels_of, mono, weights_of
from vlsa.data.media.container import HOLE_SECONDS, Source
from vlsa.data.media.key_packets import CannotShare

PRE_ROLL_SECONDS = 0.25
"""Decoded before the stretch, so that codecs with a memory (MP3, Opus) have settled."""
GAP_SECONDS = 0.03
"""Time stamps that differ from the sample count by less are rounding; by more, something is missing."""
LEAST_SOUND_SECONDS = 1.0
"""A stretch with less audio, and not half full of it, counts as without: its sound would be the edge of another's."""
LOUDEST = 2.0
"""Times full scale. What decoders add to loud music stays below; above it a waveform would be cut off that recorders in
floating point keep."""
EDGE_SECONDS = 0.05
"""Kept around the stretch while resampling, so that the filter has both sides."""


@dataclass
class _Piece:
    """Unbroken audio at one rate."""

    start_seconds: float
    rate_hz: int
    weights: tuple[float, ...]
    """Of the channels in the mix."""
    parts: list[Float32[np.ndarray, "C N"]] = field(default_factory=list)
    """C is the same in all."""
    num_samples: int = 0

    @property
    def end_seconds(self) -> float:
        """When its last sample has sounded."""
        return self.start_seconds + self.num_samples / self.rate_hz

    def add(self, channels: Float32[np.ndarray, "C N"]) -> None:
        """Samples that follow at once."""
        self.parts.append(channels)
        self.num_samples += channels.shape[1]

    def cut(self, start_seconds: float, stop_seconds: float) -> tuple[float, Float32[np.ndarray, "C N"]]:
        """The samples between two times, and when the first of them sounds."""
        first = max(round((start_seconds - self.start_seconds) * self.rate_hz), 0)
        last = max(round((stop_seconds - self.start_seconds) * self.rate_hz), first)
        return self.start_seconds + first / self.rate_hz, np.concatenate(self.parts, axis=1)[:, first:last]


@dataclass(frozen=True)
class ReadSound:
    """The audio of a stretch."""

    samples: Float32[np.ndarray, " S"]
    """S = round(duration x rate), in [-1, 1]."""
    choices: tuple[str, ...]
    """Words on how it was made: the stream (`audio-2-of-3`), `one-channel` where the mix would be silence,
    `sound-in-part` where less than half is covered, and `scaled-down` where it is far above full scale."""


@dataclass(frozen=True)
class _Heard:
    """A decoded frame of audio."""

    seconds: float
    """nan = the file does not say."""
    rate_hz: int
    channels: Float32[np.ndarray, "C N"]
    weights: tuple[float, ...] = ()
    """Of the channels in the mix."""

    @property
    def duration_seconds(self) -> float:
        """How long it sounds."""
        return self.channels.shape[1] / self.rate_hz


def read_sound(
    source: Source,
    start_seconds: float,
    stop_seconds: float,
    sample_rate_hz: int,
    end_seconds: float | None = None,
) -> ReadSound | None:
    """The audio between two times of the source; `end_seconds` is when all of its audio ends, if that is known.

    Where the file has none, it is silent. None when there is no audio stream, when it covers less than half of the
    stretch and less than a second, or when all of it is exactly zero.
    Raises MediaError, reason `damaged`, where broken packets leave more than 0.25 s without audio.
    """
    if source.stream("audio") is None or _is_over(start_seconds, end_seconds):
        return None
    heard, is_damaged = _hear(source, start_seconds, stop_seconds)
    pieces = _pieces(_around(heard, start_seconds, stop_seconds) if _in_order(heard) else heard)
    if is_damaged:
        _check_holes(source, pieces, start_seconds, stop_seconds)
    return _sound(source, pieces, start_seconds, stop_seconds, sample_rate_hz)


def read_sound_of_windows(
    source: Source, windows: Sequence[tuple[float, float]], sample_rate_hz: int, end_seconds: float | None = None
) -> list[ReadSound | None]:
    """As `read_sound` for each of several stretches (start and stop), but each sample is decoded once.

    Raises CannotShare where one at a time could have another result: packets are broken, or time steps back.
    """
    first_seconds = min(start for start, _ in windows)
    if source.stream("audio") is None or _is_over(first_seconds, end_seconds):
        return [None] * len(windows)
    heard, is_damaged = _hear(source, first_seconds, max(stop for _, stop in windows))
    if is_damaged or not _in_order(heard):
        raise CannotShare
    return [
        _sound(source, _pieces(_around(heard, start, stop)), start, stop, sample_rate_hz) for start, stop in windows
    ]


def _is_over(start_seconds: float, end_seconds: float | None) -> bool:
    """Behind the end of the audio no seek finds a sample, and the file would be read from its start."""
    return end_seconds is not None and start_seconds > end_seconds + HOLE_SECONDS


def _hear(source: Source, start_seconds: float, stop_seconds: float) -> tuple[list[_Heard], bool]:
    """Frames of audio around a stretch, and whether packets were broken among them."""
    frames = source.frames_covering(
        "audio", start_seconds, tolerance_seconds=GAP_SECONDS, pre_roll_seconds=PRE_ROLL_SECONDS
    )
    heard: list[_Heard] = []
    num_bad = None
    for timed in frames:
        if num_bad is None:  # the first packets after a seek may lack their past
            early = source.bad_seconds[source.num_bad_before :]
            num_bad = source.num_bad - any(bad >= timed.seconds for bad in early)
        if timed.seconds >= stop_seconds + EDGE_SECONDS:
            break
        frame = timed.frame
        heard.append(_Heard(timed.seconds, frame.sample_rate, channels_of(frame), weights_of(frame)))
    return _timed(heard), num_bad is None or source.num_bad > num_bad


def _timed(heard: Sequence[_Heard]) -> list[_Heard]:
    """Frames without a time end where the next one that has a time starts: before them, some may have been lost."""
    timed = list(heard)
    for number in reversed(range(len(timed) - 1)):
        one, following = timed[number], timed[number + 1]
        if math.isnan(one.seconds) and not math.isnan(following.seconds):
            timed[number] = replace(one, seconds=following.seconds - one.duration_seconds)
    return timed


def _in_order(heard: Sequence[_Heard]) -> bool:
    """Whether each frame has a time, after that of the one before."""
    return all(one.seconds < other.seconds for one, other in itertools.pairwise([*heard, _END]))


_END = _Heard(math.inf, 0, np.zeros((1, 0), np.float32))


def _around(heard: Sequence[_Heard], start_seconds: float, stop_seconds: float) -> Sequence[_Heard]:
    """The frames that a stretch needs, wherever decoding began: its samples count from the first of them."""
    first = bisect.bisect_right(heard, start_seconds - EDGE_SECONDS, key=lambda one: one.seconds) - 1
    last = bisect.bisect_left(heard, stop_seconds + EDGE_SECONDS, key=lambda one: one.seconds)
    return heard[max(first, 0) : last]


def _pieces(heard: Iterable[_Heard]) -> list[_Piece]:
    """Frames as pieces of unbroken audio; a new one starts where time jumps, or the rate or the channels change."""
    pieces: list[_Piece] = []
    for one in heard:
        goes_on = (
            bool(pieces)
            and (pieces[-1].rate_hz, pieces[-1].weights) == (one.rate_hz, one.weights)
            and not (abs(one.seconds - pieces[-1].end_seconds) > GAP_SECONDS)
        )
        if not goes_on:
            pieces.append(_Piece(one.seconds if one.seconds == one.seconds else 0.0, one.rate_hz, one.weights))
        pieces[-1].add(one.channels)
    return pieces


def _sound(
    source: Source, pieces: Sequence[_Piece], start_seconds: float, stop_seconds: float, sample_rate_hz: int
) -> ReadSound | None:
    """The stretch at the wanted rate; None when too little of it is covered, or all of it is zero."""
    pieces = [piece for piece in pieces if _overlap(piece, start_seconds, stop_seconds) > 0]
    covered = sum(_overlap(piece, start_seconds, stop_seconds) for piece in pieces)
    if covered < least_sound_seconds(stop_seconds - start_seconds):
        return None
    sound = np.zeros(round((stop_seconds - start_seconds) * sample_rate_hz), np.float32)
    lead_seconds = round(EDGE_SECONDS * sample_rate_hz) / sample_rate_hz  # whole samples: both rates' grids meet there
    choices = dict.fromkeys(source.choices())
    choices |= {"sound-in-part": None} if 2 * covered < stop_seconds - start_seconds else {}
    for piece in pieces:
        first_seconds, channels = piece.cut(start_seconds - lead_seconds, stop_seconds + EDGE_SECONDS)
        samples, is_one_channel = mono(channels, piece.rate_hz, piece.weights)
        choices |= {"one-channel": None} if is_one_channel else {}
        _place(
            sound,
            resample(samples, piece.rate_hz, sample_rate_hz),
            round((first_seconds - start_seconds) * sample_rate_hz),
        )
    _check_finite(source, sound)
    if (peak := float(np.abs(sound).max(initial=0))) > LOUDEST:
        sound /= peak
        choices |= {"scaled-down": None}
    return ReadSound(np.clip(sound, -1, 1, out=sound), tuple(choices)) if sound.any() else None


def least_sound_seconds(duration_seconds: float) -> float:
    """How much audio a stretch has at least, if it counts as having any."""
    return min(duration_seconds / 2, LEAST_SOUND_SECONDS)


def resample(samples: np.ndarray, rate_hz: int, new_rate_hz: int) -> np.ndarray:
    """float32 samples at another rate; the first stays at its time."""
    if rate_hz == new_rate_hz or len(samples) == 0:
        return samples
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="fltp", layout="mono")
    frame.sample_rate = rate_hz
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=new_rate_hz)
    frames = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames] or [samples[:0]])


def _place(sound: np.ndarray, samples: np.ndarray, first: int) -> None:
    """Write samples into the stretch from index `first` (negative = before it) on; what falls outside is left out."""
    skipped = max(-first, 0)
    room = sound[max(first, 0) : max(first + len(samples), 0)]
    room[:] = samples[skipped : skipped + len(room)]


def _overlap(piece: _Piece, start_seconds: float, stop_seconds: float) -> float:
    return max(min(piece.end_seconds, stop_seconds) - max(piece.start_seconds, start_seconds), 0.0)


def _check_holes(source: Source, pieces: Sequence[_Piece], start_seconds: float, stop_seconds: float) -> None:
    pieces = [piece for piece in pieces if _overlap(piece, start_seconds, stop_seconds) > 0]
    ends = [max(start_seconds, source.start_seconds("audio")), *(piece.end_seconds for piece in pieces)]
    starts = [*(piece.start_seconds for piece in pieces), stop_seconds]
    for end, start in zip(ends, starts, strict=True):
        if start - end > HOLE_SECONDS:
            raise MediaError(
                f"{source.path}: damaged at {end:.2f} s, {start - end:.2f} s of audio are missing, not silent. "
                "Copy or download the file again, or drop the clip.",
                reason="damaged",
            )


def _check_finite(source: Source, sound: np.ndarray) -> None:
    if not np.isfinite(sound).all():
        raise MediaError(
            f"{source.path}: the audio holds values that are not numbers, so it is damaged. Copy it again, or drop it.",
            reason="damaged",
        )
