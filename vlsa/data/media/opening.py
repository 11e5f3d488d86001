"""Opening a file with libav: only kinds of media that are known, and nothing but the file itself.

Used by container.py.
"""

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import av
import av.logging

from vlsa.base.errors import MediaError
from vlsa.data.media.file_checks import encrypted, explain
from vlsa.data.media.file_view import FileView
from vlsa.data.media.flac_frames import allow_all_sizes
from vlsa.data.media.raw_frames import RATE_OPTION, stated_rate
from vlsa.data.media.suffixes import FORMATS
from vlsa.data.media.unread import Beginning, fragment_ends
from vlsa.data.media.wave_words import with_whole_words

ENCRYPTED_TAGS = frozenset({"encv", "enca", "drmi", "drms", "drmt"})
"""MP4 sample entries of protected streams. (FFmpeg mostly shows it by a mark on each packet.)"""
MISREAD = ("pcm_f24le", "pcm_f16le")
"""Codecs that FFmpeg supposes in WAV files by the size of their words alone."""
DAMAGED = (av.FFmpegError, ValueError, RuntimeError)
"""What reading or decoding a damaged packet raises: libav's errors, and PyAV's own for bytes that are no text, for
formats that it does not know."""

av.logging.set_libav_level(av.logging.PANIC)  # libav would write to stderr about every odd byte


def open_container(path: str) -> Any:
    """A file as libav opens it; an MP4 in fragments without those at its end that are broken.

    Raises MediaError: why it cannot be.
    """
    try:  # an absolute path, else "take:2.mp4" is a protocol; only files, else a playlist reaches into the network
        return _as_meant(os.path.abspath(path))
    except Exception as error:
        return _up_to_broken_fragments(path, error)


def _as_meant(path: str) -> Any:
    container = _opened(path)
    if (whole := with_whole_words(path, container)) is not None:
        container.close()
        return _opened(whole)
    if (rate := stated_rate(container)) is not None:
        container.close()
        return _opened(path, {RATE_OPTION: rate})
    return container


def _opened(file: str | FileView, more_options: Mapping[str, str] = MappingProxyType({})) -> Any:
    options = {"protocol_whitelist": "file", "format_whitelist": FORMATS, **more_options}
    container = av.open(file, options=options, metadata_errors="replace")
    allow_all_sizes(container)
    return container


def _up_to_broken_fragments(path: str, error: Exception) -> Any:
    """Raises MediaError for a file that cannot be opened whole for another reason, which `error` says."""
    for end in fragment_ends(path):
        beginning = Beginning(path, end)
        try:
            return _opened(beginning)
        except DAMAGED:
            beginning.close()
    raise explain(path, error) from error


def check_streams(path: str, container: Any, stream: Any | None) -> None:
    """Raises MediaError if a stream needs a key or would be misread, or without any to read (`stream`: one that is)."""
    for each in container.streams:
        if _tag(each) in ENCRYPTED_TAGS or "enc_key_id" in each.metadata:
            raise encrypted(path)
        if each.codec_context is not None and each.codec_context.name in MISREAD:
            raise MediaError(
                f"{path}: audio of 24 bits in words of 32 by an old header, which FFmpeg takes for floating point; it "
                "would be noise. Save it with 24 or with 32 bits.",
                reason="unreadable",
            )
    if stream is None:
        kinds = ", ".join(sorted({each.type for each in container.streams})) or "none"
        raise MediaError(
            f"{path}: no video or audio stream that can be decoded (streams: {kinds}); there is nothing to see "
            "or hear. Drop the file.",
            reason="no_streams",
        )


def _tag(stream: Any) -> str:
    """The four characters that a container has for a codec; empty where they are none."""
    try:
        return stream.codec_tag if stream.codec_context is not None else ""
    except UnicodeDecodeError:  # PyAV takes them for ASCII; NUT and AVI have other bytes
        return ""
