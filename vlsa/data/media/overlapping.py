"""Stretches of a file that overlap, as the windows of an index do: each frame and sample is decoded once.

Gives what decode.py gives for each stretch alone. Where that is not sure (packets are broken, times step back, the size
of frames changes), each is decoded alone. Feeds encode/sampling.py. All that is kept of the stretches of a call is in
memory at once: reduced frames, and audio at the rate of the file with all channels.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vlsa.base.errors import MediaError
from vlsa.data.clip import Clip
from vlsa.data.media.audio import read_sound_of_windows
from vlsa.data.media.decode import decode, make_clip, nothing_in
from vlsa.data.media.frames import read_frames_of_windows
from vlsa.data.media.key_packets import CannotShare
from vlsa.data.media.probe import MediaFacts, open_known
from vlsa.data.media.suffixes import is_animation

LONGEST_GAP_SECONDS = 1.0
"""Between two stretches that are decoded in one pass; over a longer one, seeking is faster than decoding."""


@dataclass(frozen=True)
class Stretch:
    """What to decode. Seconds of the file."""

    start_seconds: float
    stop_seconds: float
    frame_seconds: tuple[float, ...] = ()
    """When the frames to keep are shown, ascending; empty = no video."""


def decode_stretches(
    path: str | os.PathLike[str],
    stretches: Sequence[Stretch],
    *,
    short_side_px: int | None,
    sample_rate_hz: int | None,
    facts: MediaFacts | None = None,
) -> list[Clip | MediaError]:
    """The clip of each stretch, in this order, or the error that `decode` raises for it."""
    by_time = sorted(range(len(stretches)), key=lambda number: stretches[number].start_seconds)
    found: dict[int, Clip | MediaError] = {}
    for run in _runs(stretches, by_time):
        together = [stretches[number] for number in run]
        found |= zip(run, _decode_run(path, together, short_side_px, sample_rate_hz, facts), strict=True)
    return [found[number] for number in range(len(stretches))]


def _runs(stretches: Sequence[Stretch], by_time: Sequence[int]) -> Iterator[list[int]]:
    """Numbers of stretches that overlap or nearly follow each other."""
    run: list[int] = []
    end_seconds = 0.0
    for number in by_time:
        if run and stretches[number].start_seconds > end_seconds + LONGEST_GAP_SECONDS:
            yield run
            run = []
        end_seconds = max(end_seconds, stretches[number].stop_seconds)
        run.append(number)
    if run:
        yield run


def _decode_run(
    path: str | os.PathLike[str],
    run: Sequence[Stretch],
    short_side_px: int | None,
    sample_rate_hz: int | None,
    facts: MediaFacts | None,
) -> list[Clip | MediaError]:
    if len(run) > 1 and not is_animation(path):
        try:
            return _in_one_pass(path, run, short_side_px, sample_rate_hz, facts)
        except (CannotShare, MediaError, MemoryError):  # an error of one stretch is not that of the others
            pass
    return [_alone(path, stretch, short_side_px, sample_rate_hz, facts) for stretch in run]


def _in_one_pass(
    path: str | os.PathLike[str],
    run: Sequence[Stretch],
    short_side_px: int | None,
    sample_rate_hz: int | None,
    facts: MediaFacts | None,
) -> list[Clip | MediaError]:
    """Raises CannotShare, MediaError and MemoryError."""
    spans = [(stretch.start_seconds, stretch.stop_seconds) for stretch in run]
    with open_known(path, facts) as source:
        videos = read_frames_of_windows(source, [stretch.frame_seconds for stretch in run], short_side_px, facts)
        end_seconds = facts.audio_end_seconds if facts is not None else None
        rate_hz = sample_rate_hz
        sounds = read_sound_of_windows(source, spans, rate_hz, end_seconds) if rate_hz else [None] * len(run)
    return [
        nothing_in(path, *span)
        if video is None and sound is None
        else make_clip(path, *span, video, sound, sample_rate_hz)
        for span, video, sound in zip(spans, videos, sounds, strict=True)
    ]


def _alone(
    path: str | os.PathLike[str],
    stretch: Stretch,
    short_side_px: int | None,
    sample_rate_hz: int | None,
    facts: MediaFacts | None,
) -> Clip | MediaError:
    times = [seconds - stretch.start_seconds for seconds in stretch.frame_seconds]
    try:
        return decode(
            path,
            stretch.start_seconds,
            stretch.stop_seconds,
            frame_times_seconds=times or None,
            short_side_px=short_side_px,
            sample_rate_hz=sample_rate_hz,
            facts=facts,
        )
    except MediaError as error:
        return error
