"""Which streams of a file are read where it offers a choice. Reads an open PyAV container; feeds container.py.

Images: of the streams that are neither cover art nor thumbnails the default one, then the largest, then the first.
Audio and subtitles: by what their container says of them (the default one before others; a commentary, a dub or an
audio description last), then the first. Of the audio streams in this order, container.py takes the first that sounds.
In a transport stream, which may hold several programmes, the audio is that of the programme of the video.
"""

from collections.abc import Iterable
from typing import Any

from av import CodecContext, codecs_available
from av.stream import Disposition

from vlsa.data.media.suffixes import TEXT_SUBTITLES

ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
NOT_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails
SIDE_VIDEO = Disposition.still_image | Disposition.dependent
"""A still image for a list of files; a layer that only adds to another stream."""
SIDE_AUDIO = (
    Disposition.comment
    | Disposition.visual_impaired
    | Disposition.hearing_impaired
    | Disposition.dub
    | Disposition.lyrics
    | Disposition.karaoke
    | Disposition.clean_effects
    | Disposition.descriptions
    | Disposition.non_diegetic
    | Disposition.dependent
)
"""Audio that does not stand for the file by itself."""
SIDE_TEXT = Disposition.forced | Disposition.lyrics | Disposition.karaoke | Disposition.comment
"""Subtitles that are not all that is said: `forced` are the signs and foreign words of a film alone."""


def choose_video(container: Any) -> Any | None:
    """The stream of moving images; None without one."""
    ranked = sorted(_videos(container), key=_num_pixels, reverse=True)
    return next(iter(_ranked(ranked, SIDE_VIDEO)), None)


def video_choice(container: Any) -> tuple[str, ...]:
    """A word such as `video-2-of-3` where there are several streams of moving images."""
    return choice("video", choose_video(container), _videos(container))


def _videos(container: Any) -> list[Any]:
    streams = container.streams.video
    return [stream for stream in streams if stream.codec_context is not None and not stream.disposition & NOT_VIDEO]


def _num_pixels(stream: Any) -> int:
    return stream.codec_context.width * stream.codec_context.height


def alpha_decoder(stream: Any | None) -> Any | None:
    """A decoder of WebM's transparency, where a video stream has it: FFmpeg's own show what lies under it."""
    name = "" if stream is None or stream.metadata.get("alpha_mode") != "1" else stream.codec_context.name
    if ALPHA_DECODERS.get(name) not in codecs_available:
        return None
    decoder = CodecContext.create(ALPHA_DECODERS[name], "r")
    decoder.thread_count = 1
    return decoder


def of_audio(container: Any, index: int | None) -> dict[str, Any | None]:
    """The audio stream of a number among all streams; None = the first candidate."""
    numbered = [stream for stream in container.streams.audio if stream.index == index]
    return {"audio": next(iter(audio_candidates(container) if index is None else numbered), None)}


def audio_candidates(container: Any) -> list[Any]:
    """Audio streams that could stand for the file, the first choice first."""
    streams = [stream for stream in container.streams.audio if stream.codec_context is not None]
    video = choose_video(container)
    if video is not None and "mpegts" in container.format.name:
        streams = _of_programme(container, video, streams)
    return _ranked(streams, SIDE_AUDIO)


def _of_programme(container: Any, video: Any, streams: list[Any]) -> list[Any]:
    """Those of the programme of a video stream: FFmpeg finds the same best video for each stream of a programme."""
    best = container.streams.best("video", related=video)
    own = [stream for stream in streams if container.streams.best("video", related=stream) == best]
    shared = container.streams.best("audio", related=video)  # one that an earlier programme has too
    return own or [stream for stream in streams if stream == shared]


def choose_subtitles(container: Any) -> Any | None:
    """The subtitle stream whose text is read; None without one that holds text."""
    return next(iter(_ranked(text_streams(container), SIDE_TEXT)), None)


def text_streams(container: Any) -> list[Any]:
    """Subtitle streams that hold text, and not images of it."""
    return [stream for stream in container.streams.subtitles if is_text_stream(stream)]


def is_text_stream(stream: Any) -> bool:
    """Whether a subtitle stream holds text that can be read without recognising images."""
    return stream.codec_context is not None and stream.codec_context.codec.canonical_name in TEXT_SUBTITLES


def move(packet: Any, num_ticks: int) -> None:
    """Let a packet be decoded and shown so much later."""
    packet.pts = packet.pts + num_ticks if packet.pts is not None else None
    packet.dts = packet.dts + num_ticks if packet.dts is not None else None


def choice(kind: str, chosen: Any, streams: Iterable[Any]) -> tuple[str, ...]:
    """One word such as `audio-2-of-3`; nothing where there was no choice."""
    indices = [stream.index for stream in streams]
    if chosen is None or len(indices) < 2:
        return ()
    return (f"{kind}-{indices.index(chosen.index) + 1}-of-{len(indices)}",)


def _ranked(streams: list[Any], side: Disposition) -> list[Any]:
    """Main before side streams, default before others, then in the order of the file."""
    return sorted(
        streams, key=lambda stream: (bool(stream.disposition & side), not stream.disposition & Disposition.default)
    )
