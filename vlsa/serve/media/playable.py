"""What a browser can play as it is, and what has to be converted for it.

Reads the facts of a file and what the browser says of itself (`canPlayType`); feeds routes/playback.py.
"""

import os
import re
from collections.abc import Iterable, Set
from dataclasses import dataclass

from vlsa.retrieve.index.file_facts import FileFacts

CONTAINERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".f4v": "mp4",
    ".m4a": "mp4",
    ".m4b": "mp4",
    ".mov": "mp4",
    ".qt": "mp4",
    ".webm": "webm",
    ".weba": "webm",
    ".mkv": "x-matroska",
    ".ogv": "ogg",
    ".ogg": "ogg",
    ".oga": "ogg",
    ".opus": "ogg",
    ".mp3": "mpeg",
    ".wav": "wav",
    ".flac": "flac",
    ".aac": "aac",
}
"""The second half of a media type, by the ending of a name; browsers play a .mov as they do an .mp4."""
ONLY_CODEC = {"mpeg": "mp3", "wav": "pcm", "flac": "flac", "aac": "aac"}
"""Containers of one codec, which media types need not name."""
PREFIXES = {
    "avc1": "h264",
    "avc3": "h264",
    "hvc1": "hevc",
    "hev1": "hevc",
    "av01": "av1",
    "vp8": "vp8",
    "vp09": "vp9",
    "vp9": "vp9",
    "theora": "theora",
    "mp4a.40": "aac",
    "mp4a.6b": "mp3",
    "mp4a.69": "mp3",
    "mp3": "mp3",
    "opus": "opus",
    "vorbis": "vorbis",
    "flac": "flac",
    "ac-3": "ac3",
    "ec-3": "eac3",
    "1": "pcm",
}
"""Codecs, by how their names in media types begin (RFC 6381)."""
EVERYWHERE = (
    'video/mp4; codecs="avc1.42e01e, mp4a.40.2"',
    'video/webm; codecs="vp8, vp9, opus, vorbis"',
    "audio/mpeg",
    "audio/wav",
    "audio/flac",
)
"""What is assumed of a browser that says nothing."""
Ability = tuple[str, str]
"""A container and a codec in it."""


@dataclass(frozen=True)
class Verdict:
    """Whether a file is played as it is, and else why not."""

    is_direct: bool
    reason: str
    """One line; empty for what is played as it is."""


def abilities(can: Iterable[str]) -> Set[Ability]:
    """What a browser can play, from media types such as `video/mp4; codecs="avc1.64001f, mp4a.40.2"`.

    Several may stand in one text with commas between; what cannot be read is left out.
    """
    found = set()
    for text in can:
        for entry in re.findall(r'(?:[^,"]|"[^"]*")+', text[:4096]):
            container, codecs = _parsed(entry)
            found |= {(container, codec) for codec in codecs}
    return found


def _parsed(entry: str) -> tuple[str, set[str]]:
    kind, _, rest = entry.strip().lower().partition(";")
    container = kind.strip().rpartition("/")[2].removesuffix("-wav")
    container = {"x": "wav", "mp3": "mpeg", "x-flac": "flac", "x-m4a": "mp4"}.get(container, container)
    named = re.search(r'codecs\s*=\s*"?([^"]*)"?', rest)
    if named is None:
        return container, {ONLY_CODEC[container]} if container in ONLY_CODEC else set()
    return container, {codec for name in named[1].split(",") if (codec := _family(name.strip()))}


def _family(name: str) -> str | None:
    return next((codec for prefix, codec in PREFIXES.items() if name.startswith(prefix)), None)


def codec_family(name: str) -> str:
    """The codec without its variant: of `pcm_s16le` pcm; of `mp3float`, as in indexes before 0.10, mp3."""
    if name.startswith("pcm_"):
        return "pcm"
    plain = name.removeprefix("lib").removesuffix("float")
    return {"dav1d": "av1", "vpx": "vp8", "vpx-vp9": "vp9"}.get(plain, plain)


def verdict(file: FileFacts, can: Set[Ability]) -> Verdict:
    """Whether a browser with these abilities plays a file as it is; a codec that is not known is tried."""
    suffix = os.path.splitext(file.path)[1].lower()
    container = CONTAINERS.get(suffix)
    if container is None:
        return Verdict(False, f"no browser plays {suffix or 'a file without an ending'} as it is")
    if container not in {known for known, _ in can}:
        return Verdict(False, f"this browser does not play {suffix} as it is")
    for kind, name in (("video", file.video_codec), ("sound", file.audio_codec)):
        if name is not None and (container, codec_family(name)) not in can:
            return Verdict(False, f"this browser does not play {kind} in {codec_family(name)}, in {suffix}, as it is")
    return Verdict(True, "")
