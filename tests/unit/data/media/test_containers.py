"""A flash and a beep at the same time, in every container and with every codec that the media library can write."""

from pathlib import Path

import numpy as np
import pytest
from media_files import flashes, onsets, write_flash_and_beep_in

from vlsa.data.media.decode import decode, probe, regular_times
from vlsa.data.media.suffixes import MEDIA_SUFFIXES

RATE_HZ = 16_000
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
    "wav - pcm_s16le": {},
    "mp3 - mp3": {},
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
LATE_CONTAINERS = {"ts", "m2ts", "mpg", "vob", "flv", "avi", "wmv", "wma", "aac", "amr", "ac3", "eac3"}
"""Their time 0 is the start of the encoder's delay (up to 25 ms, at most 45 in .avi), for both streams alike."""


@pytest.mark.parametrize("name", FILES)
def test_flash_and_beep_are_found_at_their_time(tmp_path: Path, name: str):
    suffix, video, audio = name.split()
    codecs = [ENCODERS.get(codec, codec) for codec in (video, audio)]
    path = write_flash_and_beep_in(tmp_path / f"a.{suffix}", *codecs, **FILES[name])
    facts = probe(path)
    late_seconds = 0.045 if suffix in LATE_CONTAINERS else 0.0
    assert facts.duration_seconds == pytest.approx(1.6, abs=0.012 + late_seconds)
    clip = decode(
        path,
        0.0,
        1.5,
        frame_times_seconds=regular_times(1.5, 100) if video != "-" else None,
        short_side_px=16,
        sample_rate_hz=RATE_HZ,
        facts=facts,
    )
    seen = flashes(clip.frames, clip.frame_seconds) if video != "-" else []
    heard = onsets(clip.sound, RATE_HZ) if audio != "-" else []
    assert (len(seen), len(heard)) == (video != "-", audio != "-")
    for seconds in (*seen, *heard):
        assert 0.8 - 0.002 <= seconds <= 0.8 + 0.012 + late_seconds
    if seen and heard:
        assert np.abs(seen[0] - heard[0]) <= (0.02 if suffix == "avi" else 0.012)


def test_every_kind_of_file_that_is_taken_up_is_tried_here():
    tried = {f".{name.split()[0]}" for name in FILES}
    same = {".m4v": ".mp4", ".mts": ".ts", ".mpeg": ".mpg", ".aiff": ".aif"}
    assert {same.get(suffix, suffix) for suffix in MEDIA_SUFFIXES} <= tried
