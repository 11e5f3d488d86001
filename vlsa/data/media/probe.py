"""The facts of a media file, read from its packets and not from its container's claims.

Reads a file through container.py; feeds decode.py, manifest.py and prepare.py.
"""

import math
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from vlsa.base.errors import MediaError
from vlsa.data.media import closed_captions
from vlsa.data.media.colour import is_hdr
from vlsa.data.media.container import Source, open_media
from vlsa.data.media.images import animation_starts
from vlsa.data.media.raw_frames import assumed_words
from vlsa.data.media.recorded import recorded_at
from vlsa.data.media.render import upright_size
from vlsa.data.media.seek_check import PacketPlaces, seeks_exactly
from vlsa.data.media.streams import choice, choose_subtitles, text_streams, video_choice
from vlsa.data.media.suffixes import is_animation
from vlsa.data.media.unread import unread_words

LONGEST_GAP_SECONDS, LONGEST_FILE_SECONDS = 86_400.0, 7 * 86_400.0
"""Between two packets, and in all; more is a damaged time stamp, which would become a million windows of nothing."""
SLIDE_SECONDS = 1.0
"""Images that follow each other in more are slides: the last one is shown as long as there is audio."""


@dataclass(frozen=True)
class MediaFacts:
    """What a media file holds. Times count from the source's own start."""

    path: str
    duration_seconds: float
    """End of the longest of the streams that exist, by its packets: what plays."""
    has_video: bool
    has_sound: bool
    width_px: int | None
    """As shown: upright, square pixels."""
    height_px: int | None
    frames_per_second: float | None
    """Average over the file; None with fewer than two frames."""
    sample_rate_hz: int | None
    video_codec: str | None
    audio_codec: str | None
    rotation_degrees: int
    """Counter-clockwise turn, 0, 90, 180 or 270, that makes the stored frame upright."""
    has_subtitles: bool
    """Whether a subtitle stream holds text."""
    video_end_seconds: float | None
    audio_end_seconds: float | None
    longest_frame_seconds: float | None = None
    """Longest time between the starts of two frames: above 1 / frames_per_second where the rate varies."""
    recorded_at: str | None = None
    """When the recording was made by what the container says (recorded.py): ISO 8601 in UTC, to the second."""
    subtitle_language: str | None = None
    """Of the subtitle stream whose text is read, as the container names it (ISO 639: eng)."""
    audio_index: int | None = None
    """Number of the audio stream that is read, among all streams; None without audio."""
    shifts_seconds: tuple[float, ...] = (0.0,)
    """What each part of the file adds to its time stamps; more than one where they start again."""
    seeks_exactly: bool = True
    """Whether a seek finds what reading from the start finds: not in some damaged files (seek_check.py)."""
    choices: tuple[str, ...] = ()
    """Words on what is decided where the file leaves a choice: `audio-2-of-3`; by its first frame, `deinterlaced`;
    `closed-captions-unread`, `25-assumed`, and those of unread.py."""


@dataclass
class _Scan:
    """Facts from the packets of one stream."""

    places: PacketPlaces = field(default_factory=PacketPlaces)
    end_seconds: float = -math.inf
    last_duration_seconds: float = 0.0
    last_byte: int = 0
    """Of the file, behind the last of the packets."""

    @property
    def starts(self) -> Sequence[float]:
        """When each packet starts."""
        return self.places.seconds

    def add(self, start: float, duration: float, packet: Any) -> None:
        """Take note of a packet, by its seconds."""
        self.places.add(start, packet)
        self.last_byte = max(self.last_byte, (packet.pos or 0) + packet.size)
        if start + duration >= self.end_seconds:
            self.end_seconds, self.last_duration_seconds = start + duration, duration


def probe(path: str | os.PathLike[str]) -> MediaFacts:
    """Read a file's facts: every packet once, of the frames only the first.

    Raises MediaError with `reason` missing, not_a_file, empty, permission, unreadable, truncated, encrypted,
    no_streams, zero_length or damaged.
    """
    if is_animation(path):
        return _animation_facts(path)
    with open_media(path) as source:
        scans, first_frame, captions = _scan(source)
        if not scans:
            raise MediaError(
                f"{path}: the streams hold no data, so the media is 0 s long. Copy it again, or drop it.",
                reason="zero_length",
            )
        facts = _facts(source, scans, first_frame)
        container, num_parts = source.container, len(facts.shifts_seconds)
        last_byte = max(scan.last_byte for scan in scans.values())
        unread = unread_words(source.path, container.size, container.format.name, num_parts, last_byte)
        facts = replace(facts, choices=(*facts.choices, *captions, *unread))
        if source.parts.is_counted_wrongly:
            return replace(facts, seeks_exactly=False)
        source.reopen()
        is_exact = len(facts.shifts_seconds) > 1 or seeks_exactly(source, {k: scan.places for k, scan in scans.items()})
        return replace(facts, seeks_exactly=is_exact)


def open_known(path: str | os.PathLike[str], facts: MediaFacts | None) -> AbstractContextManager[Source]:
    """`open_media`, which need not find out again what is known of a file."""
    if facts is None:
        return open_media(path)
    return open_media(path, facts.audio_index, facts.shifts_seconds, facts.seeks_exactly)


def _scan(source: Source) -> tuple[dict[str, _Scan], Any, list[str]]:
    """Times of all packets by kind of stream, the first decoded frame (None without video), and the word on closed
    captions if there are any."""
    streams = [stream for kind in ("video", "audio") if (stream := source.stream(kind)) is not None]
    scans: dict[str, _Scan] = {}
    first_frame = None
    video = source.stream("video")
    may_show = video is not None and _codec(video) in closed_captions.CARRIERS
    is_captioned = closed_captions.has_track(source.container)
    for packet in source.packets(*streams):
        stream = packet.stream
        if stream.type == "video" and first_frame is None:
            first_frame = next(iter(source.decode_packet(packet)), None)
        timestamp = packet.pts if packet.pts is not None else packet.dts
        if timestamp is None or packet.size == 0 or packet.is_discard:
            continue
        if may_show and not is_captioned and stream.type == "video":
            is_captioned = closed_captions.shows_captions(packet)
        duration = float((packet.duration or 0) * stream.time_base)
        scans.setdefault(stream.type, _Scan()).add(source.seconds(timestamp, stream), duration, packet)
    return scans, first_frame, [closed_captions.UNREAD] * is_captioned


def _facts(source: Source, scans: dict[str, _Scan], first_frame: Any) -> MediaFacts:
    video, sound = scans.get("video"), scans.get("audio")
    if video is not None and first_frame is None:
        raise MediaError(
            f"{source.path}: no frame of the {source.stream('video').codec_context.name} stream could be decoded. "
            "Check that it plays elsewhere; copy it again, or drop it.",
            reason="damaged",
        )
    rate, longest = _rate(video.starts) if video is not None else (None, None)
    ends = [scan_end for scan in scans.values() if (scan_end := _end(scan, rate if scan is video else None)) > 0]
    if not ends:
        raise MediaError(f"{source.path}: the media is 0 s long. Copy it again, or drop it.", reason="zero_length")
    _check_times(source, scans, max(ends))
    width, height = upright_size(first_frame, source.stream("video")) if video is not None else (None, None)
    return MediaFacts(
        path=source.path,
        duration_seconds=max(ends),
        has_video=video is not None,
        has_sound=sound is not None,
        width_px=width,
        height_px=height,
        frames_per_second=rate,
        sample_rate_hz=source.stream("audio").codec_context.sample_rate if sound is not None else None,
        video_codec=_codec(source.stream("video")) if video is not None else None,
        audio_codec=_codec(source.stream("audio")) if sound is not None else None,
        rotation_degrees=round(first_frame.rotation) % 360 if video is not None else 0,
        has_subtitles=choose_subtitles(source.container) is not None,
        video_end_seconds=_video_end(video, rate, sound) if video is not None else None,
        audio_end_seconds=_end(sound, None) if sound is not None else None,
        longest_frame_seconds=longest,
        recorded_at=recorded_at(source.path, source.container.metadata, source.container.format.name),
        subtitle_language=_subtitle_language(source),
        audio_index=source.stream("audio").index if source.stream("audio") is not None else None,
        shifts_seconds=tuple(source.parts.shifts_seconds),
        choices=(*_stream_choices(source), *_frame_choices(first_frame), *assumed_words(source.container)),
    )


def _animation_facts(path: str | os.PathLike[str]) -> MediaFacts:
    """Of a WebP animation, which FFmpeg does not decode."""
    starts, end_seconds, (width, height) = animation_starts(path)
    rate, longest = _rate(starts)
    return MediaFacts(
        path=os.fspath(path),
        duration_seconds=end_seconds,
        has_video=True,
        has_sound=False,
        width_px=width,
        height_px=height,
        frames_per_second=rate,
        sample_rate_hz=None,
        video_codec="webp",
        audio_codec=None,
        rotation_degrees=0,
        has_subtitles=False,
        video_end_seconds=end_seconds,
        audio_end_seconds=None,
        longest_frame_seconds=longest,
    )


def _codec(stream: Any) -> str:
    """The codec, not the decoder that FFmpeg has for it: mp3 of `mp3float`, av1 of `libdav1d`."""
    return stream.codec_context.codec.canonical_name


def _subtitle_language(source: Source) -> str | None:
    stream = choose_subtitles(source.container)
    language = "und" if stream is None else stream.metadata.get("language", "und")
    return None if language == "und" else language


def _frame_choices(frame: Any) -> list[str]:
    if frame is None:
        return []
    return ["deinterlaced"] * bool(frame.interlaced_frame) + ["tone-mapped"] * is_hdr(frame)


def _stream_choices(source: Source) -> tuple[str, ...]:
    subtitles = choice("subtitles", choose_subtitles(source.container), text_streams(source.container))
    return (*video_choice(source.container), *source.choices(), *subtitles)


def _check_times(source: Source, scans: dict[str, _Scan], duration_seconds: float) -> None:
    gaps = [later - earlier for scan in scans.values() for earlier, later in pairwise(sorted(scan.starts))]
    if max(gaps, default=0.0) > LONGEST_GAP_SECONDS or duration_seconds > LONGEST_FILE_SECONDS:
        raise MediaError(
            f"{source.path}: lasts {duration_seconds / 3600:,.0f} hours by its time stamps, which are damaged; no clip "
            "could be placed in it. Copy or convert it again; cut up what is longer than a week.",
            reason="damaged",
        )


def _rate(starts: Sequence[float]) -> tuple[float | None, float | None]:
    """Frames a second on average, and the longest time between two frames."""
    if len(starts) < 2:
        return None, None
    ordered = sorted(starts)
    longest = max(later - earlier for earlier, later in pairwise(ordered))
    length = ordered[-1] - ordered[0]
    return ((len(starts) - 1) / length if length > 0 else None), longest


def _video_end(video: _Scan, rate: float | None, sound: _Scan | None) -> float:
    end_seconds = _end(video, rate)
    is_slides = rate is None or rate < 1 / SLIDE_SECONDS
    return max(end_seconds, _end(sound, None)) if is_slides and sound is not None else end_seconds


def _end(scan: _Scan, rate: float | None) -> float:
    """End of a stream; a last frame that has no length lasts as long as the average one."""
    if scan.last_duration_seconds == 0 and rate:
        return scan.end_seconds + 1 / rate
    return scan.end_seconds
