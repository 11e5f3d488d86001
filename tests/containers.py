"""Media files in every container and with every codec that the media library can write."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from media_files import RATE_HZ, audio_frames, mux_in_turn

STEREO = {"layout": "stereo"}
FILES = {
    "mp4 h264 aac": {},
    "mp4 hevc ac3": {"video_options": {"x265-params": "log-level=none"}},
    "mp4 av1 opus": {"video_options": {"preset": "12"}},
    "mp4 mpeg4 mp3": {},
    "mp4 h264 eac3": {},
    "mp4 h264 flac": {},
    "mov prores aac": {"pixel_format": "yuv422p10le"},
    "mov prores pcm_s24le": {"pixel_format": "yuv444p10le"},
    "mov dnxhd pcm_s16le": {
        "pixel_format": "yuv422p",
        "size_px": (256, 128),
        "video_options": {"profile": "dnxhr_lb"},
    },
    "mov mjpeg alac": {"pixel_format": "yuvj420p"},
    "mov qtrle pcm_s16le": {"pixel_format": "rgb24"},
    "mov png pcm_s16le": {"pixel_format": "rgb24"},
    "mov svq1 aac": {"pixel_format": "yuv410p"},
    "mkv ffv1 flac": {},
    "mkv h264 vorbis": STEREO,
    "mkv jpeg2000 mp2": {},
    "mkv vp9 eac3": {},
    "nut ffv1 flac": {},
    "webm vp8 vorbis": STEREO,
    "webm vp9 opus": {},
    "avi mpeg4 mp3": {},
    "avi msmpeg4v3 ac3": {},
    "avi utvideo pcm_s16le": {},
    "avi cinepak pcm_s16le": {"pixel_format": "rgb24"},
    "dv dvvideo pcm_s16le": {"size_px": (720, 576), **STEREO},
    "ts h264 aac": {},
    "ts hevc ac3": {"video_options": {"x265-params": "log-level=none"}},
    "ts mpeg2video mp2": {},
    "m2ts h264 ac3": {},
    "mpg mpeg2video mp2": {},
    "mpg mpeg1video mp2": {},
    "vob mpeg2video ac3": {},
    "flv flv mp3": {},
    "flv h264 aac": {},
    "wmv wmv2 wmav2": {"rate_hz": 44_100, "bit_rate": 64_000},
    "3gp h263 amrnb": {"size_px": (128, 96), "rate_hz": 8000, "bit_rate": 12_200},
    "3g2 mpeg4 aac": {},
    "mxf mpeg2video pcm_s16le": {},
    "mxf h264 pcm_s16le": {"pixel_format": "yuv422p10le"},
    "ogv vp8 opus": {},
    "gif gif -": {"pixel_format": "rgb8"},
    "m2v mpeg2video -": {},
    "wav - pcm_s16le": {},
    "mp3 - mp3": {},
    "mp2 - mp2": {},
    "flac - flac": {},
    "m4a - alac": {},
    "aac - aac": {},
    "ogg - vorbis": STEREO,
    "opus - opus": {},
    "amr - amrnb": {"rate_hz": 8000, "bit_rate": 12_200},
    "ac3 - ac3": {},
    "eac3 - eac3": {},
    "aif - pcm_s16be": {},
    "caf - pcm_s16le": {},
    "wma - wmav2": {"rate_hz": 44_100, "bit_rate": 64_000},
}
"""Container, codecs of video and audio, and what they need."""
ENCODERS = {
    "-": None, "h264": "libx264", "hevc": "libx265", "av1": "libsvtav1", "vp8": "libvpx", "vp9": "libvpx-vp9",
    "prores": "prores_ks", "mp3": "libmp3lame", "opus": "libopus", "amrnb": "libopencore_amrnb",
}  # fmt: skip


def write_in(path: Path, name: str, pictures: list[np.ndarray], sound: np.ndarray) -> Path:
    """Write pictures (uint8 H W 3, of the row's size, 25 a second) and sound (float32 S, at its rate) as a row says."""
    _, *codecs = name.split()
    video_codec, audio_codec = (ENCODERS.get(codec, codec) for codec in codecs)
    writers: list[tuple[Any, list[tuple[float, Any]]]] = []
    with _priority_kept(), av.open(str(path), "w") as container:
        if video_codec is not None:
            writers.append(_video(container, video_codec, pictures, FILES[name]))
        if audio_codec is not None:
            writers.append(_audio(container, audio_codec, sound, FILES[name]))
        mux_in_turn(container, writers)
    return path


@contextmanager
def _priority_kept() -> Iterator[None]:
    """SVT-AV1, run by root, makes the thread that calls it a real-time one; its child processes would be so too."""
    yield
    if hasattr(os, "sched_setscheduler"):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _video(container: Any, codec: str, pictures: list[np.ndarray], row: dict[str, Any]) -> tuple[Any, list[Any]]:
    stream = container.add_stream(codec, rate=25, options=row.get("video_options", {}))
    stream.height, stream.width = pictures[0].shape[:2]
    stream.pix_fmt = row.get("pixel_format", "yuv420p")
    frames = [av.VideoFrame.from_ndarray(picture).reformat(format=stream.pix_fmt) for picture in pictures]
    for number, frame in enumerate(frames):
        frame.pts, frame.time_base = number, Fraction(1, 25)
    return stream, [(number / 25, frame) for number, frame in enumerate(frames)]


def _audio(container: Any, codec: str, sound: np.ndarray, row: dict[str, Any]) -> tuple[Any, list[Any]]:
    rate_hz, layout = row.get("rate_hz", RATE_HZ), row.get("layout", "mono")
    stream = container.add_stream(codec, rate=rate_hz, options={"strict": "-2"})
    stream.codec_context.layout = layout
    if "bit_rate" in row:
        stream.bit_rate = row["bit_rate"]
    channels = np.tile(sound, (2 if layout == "stereo" else 1, 1))
    return stream, list(audio_frames(channels, rate_hz, 0.0))
