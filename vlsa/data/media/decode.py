"""Media files in, clips out: the face of decoding.

`probe` reads a file's facts once; `decode` makes a `Clip` of any stretch. Behind it: container.py (FFmpeg's
errors, seeking, time 0), frames.py (frames at times), audio.py (samples at times) and embedded_text.py. Feeds
prepare.py and the search commands. A native decoder may crash on a hostile file: prepare.py runs this in processes of
their own.
Axes: F frames, H W pixels, S samples.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import UInt8

from vlsa.base.errors import MediaError
from vlsa.data.clip import Clip
from vlsa.data.media.audio import ReadSound, read_sound
from vlsa.data.media.embedded_text import iter_subtitles
from vlsa.data.media.file_checks import check_file, out_of_memory
from vlsa.data.media.frames import read_frames
from vlsa.data.media.images import image_frames, is_image, read_animation, read_image
from vlsa.data.media.probe import MediaFacts, open_known, probe
from vlsa.data.media.render import PickedFrames
from vlsa.data.media.suffixes import is_animation

__all__ = [
    "MediaFacts",
    "check_extent",
    "decode",
    "decode_image",
    "is_image",
    "iter_subtitles",
    "probe",
    "regular_times",
]

LARGEST_CLIP_BYTES = 2**31
"""Decoded frames of one clip, which a worker holds at once: 13 minutes of wide screen at 256 px and 8 a second."""
IMAGE_SECONDS = 1 / 25
"""An image counts as a video of one frame, this long."""


def regular_times(duration_seconds: float, frames_per_second: float) -> list[float]:
    """Centres of equal stretches: (k + 0.5) / frames_per_second; the middle of a clip too short for one."""
    count = int(duration_seconds * frames_per_second + 0.5 - 1e-9)
    return [(k + 0.5) / frames_per_second for k in range(count)] or [duration_seconds / 2]


def check_extent(
    facts: MediaFacts, start_seconds: float, stop_seconds: float, short_side_px: int, frames_per_second: float
) -> None:
    """Look at a stretch before its times are listed and memory is taken.

    Raises MediaError, reason `outside`, when less than half of it lies in the file, and
    `too_long` when its frames would take more than 2 GiB.
    """
    where = f"{facts.path}: from {start_seconds:g} to {stop_seconds:g} s: "
    end_seconds = max(facts.video_end_seconds or 0.0, facts.audio_end_seconds or 0.0)
    if end_seconds - start_seconds < (stop_seconds - start_seconds) / 2:
        message = f"{where}the file ends at {end_seconds:g} s, so that most of the clip does not exist. Fix its times."
        raise MediaError(message, reason="outside")
    sides = (facts.width_px or 0, facts.height_px or 0)
    frame_bytes = 3 * short_side_px**2 * max(sides) / max(min(sides), 1)
    num_bytes = frame_bytes * frames_per_second * (stop_seconds - start_seconds)
    if num_bytes > LARGEST_CLIP_BYTES:
        message = f"{where}its frames take {num_bytes / 2**30:.1f} GiB of memory. Cut it into shorter clips."
        raise MediaError(message, reason="too_long")


def decode(
    path: str | os.PathLike[str],
    start_seconds: float,
    stop_seconds: float,
    *,
    frame_times_seconds: Sequence[float] | None,
    short_side_px: int | None,
    sample_rate_hz: int | None,
    facts: MediaFacts | None = None,
    id: str | None = None,
    texts: Sequence[str] = (),
) -> Clip:
    """Decode what is shown and heard between two times of a file.

    frame_times_seconds: ascending, from the start of the clip; for each, the frame shown at that time is kept (the same
        one twice if need be). Times before the first and after the last frame of the file are left out. None = no
        video.
    short_side_px: frames are resized to it, upright and with square pixels; None = the file's own size.
    sample_rate_hz: audio becomes mono float32 at this rate, exactly round(duration x rate) samples. None = no audio.
    facts: of `probe`; with them decoding leaves out frames that are not needed (10 to 50% faster), and finds its way in
        a file whose time stamps start again.

    `Clip.frame_seconds` holds the true times of the frames. A modality that the file does not have is None; so are
    frames for less than half of the clip, audio for less than half and less than a second, and audio that is exactly
    silent. Raises MediaError with `reason` as `probe` does, or:
    zero_length (stop is not after start), damaged, nothing (neither video nor audio in the stretch).
    """
    _check_stretch(path, start_seconds, stop_seconds)
    wanted = [start_seconds + time for time in frame_times_seconds or ()]
    try:
        if is_animation(path):
            video, sound = read_animation(path, wanted, short_side_px), None
        else:
            video, sound = _read(path, (start_seconds, stop_seconds), wanted, short_side_px, sample_rate_hz, facts)
    except MemoryError as error:
        raise out_of_memory(os.fspath(path)) from error
    if video is None and sound is None:
        raise nothing_in(path, start_seconds, stop_seconds)
    clip = make_clip(path, start_seconds, stop_seconds, video, sound, sample_rate_hz)
    return replace(clip, id=clip.id if id is None else id, texts=tuple(texts))


def make_clip(
    path: str | os.PathLike[str],
    start_seconds: float,
    stop_seconds: float,
    video: PickedFrames | None,
    sound: ReadSound | None,
    sample_rate_hz: int | None,
) -> Clip:
    """What was read of a stretch as a clip; times of frames are those of the file."""
    return Clip(
        id=f"{os.fspath(path)}:{start_seconds:.3f}-{stop_seconds:.3f}",
        source=os.fspath(path),
        start_seconds=start_seconds,
        stop_seconds=stop_seconds,
        frames=video.frames if video is not None else None,
        frame_seconds=video.frame_seconds - start_seconds if video is not None else None,
        sound=sound.samples if sound is not None else None,
        sample_rate_hz=sample_rate_hz if sound is not None else None,
        choices=(*(video.choices if video is not None else ()), *(sound.choices if sound is not None else ())),
    )


def _read(
    path: str | os.PathLike[str],
    span_seconds: tuple[float, float],
    wanted_seconds: Sequence[float],
    short_side_px: int | None,
    sample_rate_hz: int | None,
    facts: MediaFacts | None,
) -> tuple[PickedFrames | None, ReadSound | None]:
    with open_known(path, facts) as source:
        video = read_frames(source, wanted_seconds, short_side_px, facts)
        audio_end_seconds = facts.audio_end_seconds if facts is not None else None
        return video, read_sound(source, *span_seconds, sample_rate_hz, audio_end_seconds) if sample_rate_hz else None


def _check_stretch(path: str | os.PathLike[str], start_seconds: float, stop_seconds: float) -> None:
    check_file(path)
    if not stop_seconds > start_seconds or start_seconds < 0:
        raise MediaError(
            f"{path}: a clip from {start_seconds} s to {stop_seconds} s has no length, so there is nothing in it. "
            "Give a stop after the start, both counted from the file's start.",
            reason="zero_length",
        )


def nothing_in(path: str | os.PathLike[str], start_seconds: float, stop_seconds: float) -> MediaError:
    """The error for a stretch without video and audio."""
    return MediaError(
        f"{path}: neither video nor audio from {start_seconds:.2f} to {stop_seconds:.2f} s (silence does not "
        "count); an empty clip teaches nothing. Choose times within the media, ask for what it has, or drop the clip.",
        reason="nothing",
    )


def decode_image(path: str | os.PathLike[str], short_side_px: int | None = None) -> Clip:
    """An image file as a clip of one frame, upright. Raises MediaError."""
    return _of_one_frame(*read_image(path, short_side_px), os.fspath(path))


def image_clip(image: Any, source: str, short_side_px: int | None = None) -> Clip:
    """An image of Pillow as `decode_image` gives that of a file."""
    return _of_one_frame(*image_frames(image, short_side_px), source)


def _of_one_frame(frames: UInt8[np.ndarray, "1 H W 3"], choices: tuple[str, ...], source: str) -> Clip:
    return Clip(
        id=source,
        source=source,
        start_seconds=0.0,
        stop_seconds=IMAGE_SECONDS,
        frames=frames,
        frame_seconds=np.zeros(1),
        choices=choices,
    )
