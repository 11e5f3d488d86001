"""Which files count as media: by the ending of their names, and by what FFmpeg may take their content for.

Used by ingest, benchmarks, media and the search.
"""

import mimetypes
import os
from pathlib import Path

VIDEO_SUFFIXES = frozenset(
    ".mp4 .m4v .f4v .mov .qt .mkv .mk3d .webm .avi .divx .ts .mts .m2ts .m2t .tod .trp .mpg .mpeg .mpe .m2v .mod "  # noqa: SIM905
    ".vob .ogv .ogm .flv .wmv .asf .3gp .3gpp .3g2 .mxf .dv .gif .rm .rmvb .nut .h264 .264 .h265 .265 .hevc .ivf "
    ".dav".split()
)
SOUND_SUFFIXES = frozenset(
    ".wav .bwf .rf64 .w64 .mp3 .mp2 .mpga .flac .m4a .m4b .m4r .aac .ogg .oga .spx .opus .weba .mka .amr .awb .3ga "  # noqa: SIM905
    ".ac3 .eac3 .dts .aif .aiff .caf .au .snd .wma .wv .ape .tta .dsf".split()
)
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
ANIMATION_SUFFIX = ".webp"
"""May be an image or a moving image; its first bytes say which."""
MEDIA_SUFFIXES = VIDEO_SUFFIXES | SOUND_SUFFIXES

BEGINNINGS = (
    b"\x1aE\xdf\xa3", b"OggS", b"fLaC", b"ID3", b"FLV\x01", b"0&\xb2u\x8ef\xcf\x11", b"\0\0\1\xba", b".RMF", b"#!AMR",
    b"caff", b"wvpk", b"TTA1", b"MAC ", b"DSD ", b".snd", b"DHAV",
)  # fmt: skip
"""Of Matroska and WebM, Ogg, FLAC, MP3, FLV, ASF and WMV, MPEG, RealMedia, AMR, CAF, WavPack, TTA, Monkey's Audio, DSF,
AU, and of Dahua's recorders."""
CHUNKS = (
    (b"RIFF", b"AVI "),
    (b"RIFF", b"WAVE"),
    (b"RIFF", b"CDXA"),
    (b"RF64", b"WAVE"),
    (b"BW64", b"WAVE"),
    (b"FORM", b"AIFF"),
    (b"FORM", b"AIFC"),
)
"""The first four bytes, and those from the eighth on, of AVI, WAV, Video CDs and AIFF."""
ANY_KIND = "application/octet-stream"
"""Of .bin and others, whose names say nothing."""
PACKET_STARTS = ((0, 188, 376, 564), (4, 196, 388, 580))
"""Where a transport stream has SYNC_BYTE; of cameras (AVCHD), four bytes of time stand before each packet."""
SYNC_BYTE = 0x47
MP4_BRANDS = (b"iso", b"mp4", b"avc", b"qt", b"M4", b"3g", b"dash", b"f4v", b"MSNV", b"XAVC", b"mmp4")

TEXT_SUBTITLES = frozenset({"mov_text", "subrip", "srt", "ass", "ssa", "webvtt", "text"})
"""Subtitle codecs that hold text; the others hold images of text."""
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,ogg,flv,asf,mxf,dv,gif,apng,wav,mp3,flac,aac,ac3,eac3,"
    "amr,amrnb,amrwb,aiff,au,caf,w64,h261,h263,h264,hevc,vvc,av1,obu,m4v,ivf,nut,rm,gxf,wtv,dts,dtshd,truehd,mjpeg,wv,ape,"
    "tta,tak,mpc,mpc8,oma,dsf,dhav,srt,webvtt,ass,png_pipe,jpeg_pipe,bmp_pipe,tiff_pipe,webp_pipe"
)
"""Kinds of files that FFmpeg may open: media, whatever the name says. Playlists and lists of files are not among them,
nor are the formats that take any text for a image."""


def seems_media(path: str | os.PathLike[str]) -> bool:
    """Whether a file whose name says nothing of it begins as media do. One with another known kind is not opened."""
    kind = mimetypes.guess_type(os.fspath(path))[0] or ANY_KIND
    is_open = kind == ANY_KIND or kind.partition("/")[0] in ("video", "audio")
    if not is_open or not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(PACKET_STARTS[-1][-1] + 1)
    except OSError:
        return False
    return (
        head.startswith(BEGINNINGS)
        or (head[:4], head[8:12]) in CHUNKS
        or (head[4:8] == b"ftyp" and head[8:12].startswith(MP4_BRANDS))
        or any(all(head[place : place + 1] == bytes([SYNC_BYTE]) for place in places) for places in PACKET_STARTS)
    )


def is_animation(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a WebP animation: its name says WebP and its first bytes that it moves.

    One that cannot be read may be: whoever decodes it says why it cannot.
    """
    if Path(path).suffix.lower() != ANIMATION_SUFFIX or not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(21)
    except OSError:
        return True
    return head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and bool(head[20:] and head[20] & 2)
