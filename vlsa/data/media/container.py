"""An open media file: the one boundary to FFmpeg (through PyAV).

Whatever libav raises for a damaged packet is caught here and nowhere else: counted, or raised as a `MediaError`.
Reads media files; feeds probe.py, frames.py, audio.py and decode.py.
Time 0 is the container's own start, for video and audio alike.
"""

import contextlib
import itertools
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import av
import av.logging
from av.stream import Disposition

from vlsa.base.errors import MediaError

Kind = Literal["video", "audio"]
MAX_BAD_PACKETS = 200
"""A stretch with more packets that do not decode than this is given up."""
HOLE_SECONDS = 0.25
"""A damaged packet may cost this much video or audio; more, and the clip is rejected."""
SEEK_BACK_SECONDS = (0.0, 1.0, 4.0, 16.0)
"""A seek may land too late (MPEG-TS, MPEG-PS): further tries start this much earlier, the last at the start."""
ENCRYPTED_TAGS = frozenset({"encv", "enca", "drmi", "drms", "drmt"})
"""MP4 sample entries of protected streams. (FFmpeg mostly shows it by a mark on each packet.)"""
FORMATS = (
    "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,ogg,flv,live_flv,asf,wav,w64,mp3,flac,aac,ac3,eac3,aiff,au,caf,amr,"
    "dv,mxf,h264,hevc,m4v,nut"
)
"""What is read as media, whatever a file is called. Not among them: lists of other files, which would be opened too."""
NOT_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails

av.logging.set_libav_level(av.logging.PANIC)  # libav would write to stderr about every odd byte


@dataclass(frozen=True)
class TimedFrame:
    """A decoded frame (`av.VideoFrame` or `av.AudioFrame`) and when it is first shown or heard."""

    seconds: float
    """From the source's start; nan when the file has none."""
    frame: Any


class Source:
    """An open media file. Make it with `open_media`; a `Source` lives in one thread of one process."""

    def __init__(self, path: str, container: Any) -> None:
        self.path = path
        self.num_bad = 0
        """Packets so far that could not be read or decoded whole."""
        self._adopt(container)

    def _adopt(self, container: Any) -> None:
        self.container = container
        self._is_fresh = True
        self.zero_seconds = (container.start_time or 0) / 1_000_000
        self._streams = {
            "video": next((s for s in container.streams.video if _is_video(s)), None),
            "audio": next((s for s in container.streams.audio if s.codec_context is not None), None),
        }
        self._tick_seconds = [float(stream.time_base or 0) for stream in container.streams]
        for stream in filter(None, self._streams.values()):
            stream.thread_type = "NONE"  # many processes, one thread each: frame threads would fight over the cores
            stream.codec_context.thread_count = 1

    def stream(self, kind: Kind) -> Any | None:
        """The first real stream of a kind (cover art does not count), or None."""
        return self._streams[kind]

    def packets(self, *streams: Any) -> Iterator[Any]:
        """Packets of the streams from here on, with the empty ones that flush decoders. An error ends the file."""
        iterator = self.container.demux(*streams)
        while True:
            self._is_fresh = False
            try:
                packet = next(iterator)
            except StopIteration:
                return
            except Exception:  # libav raises a dozen kinds of errors on damaged files, UnicodeDecodeError among them
                self.num_bad += 1
                return
            if packet.has_sidedata("encryption_info"):
                raise _encrypted(self.path)
            self.num_bad += bool(packet.is_corrupt)
            yield packet

    def decode_packet(self, packet: Any) -> list[Any]:
        """The packet's whole frames; damage is counted in `num_bad`. Raises MediaError after 200 damaged packets."""
        try:
            frames = packet.decode()
        except Exception:  # as above
            frames = []
            self.num_bad += 1
        self.num_bad += sum(bool(getattr(frame, "is_corrupt", False)) for frame in frames)
        if self.num_bad > MAX_BAD_PACKETS:
            raise MediaError(
                f"{self.path}: more than {MAX_BAD_PACKETS} damaged packets; what is left would not be the recording. "
                "Copy or download the file again, or drop it.",
                reason="damaged",
            )
        return [frame for frame in frames if not getattr(frame, "is_corrupt", False)]

    def frames(self, kind: Kind, may_skip: Callable[[float], bool] | None = None) -> Iterator[TimedFrame]:
        """Frames of the stream from here on, in the order they are shown.

        `may_skip(seconds)` says of a packet whether frames that no other frame needs may be left out there.
        """
        stream = self.stream(kind)
        for packet in self.packets(stream):
            if may_skip is not None and packet.pts is not None:
                seconds = self.seconds(packet.pts, stream)
                stream.codec_context.skip_frame = "NONREF" if may_skip(seconds) else "DEFAULT"
            for frame in self.decode_packet(packet):
                pts = frame.pts if frame.pts is not None else frame.dts
                yield TimedFrame(self.seconds(pts, stream) if pts is not None else math.nan, frame)

    def frames_covering(
        self,
        kind: Kind,
        seconds: float,
        *,
        tolerance_seconds: float,
        pre_roll_seconds: float = 0.0,
        may_skip: Callable[[float], bool] | None = None,
    ) -> Iterator[TimedFrame]:
        """Frames from one that starts at or before `seconds` on (else from the stream's first); mostly by one seek."""
        needed = max(seconds, self.start_seconds(kind)) + tolerance_seconds
        starts = [seconds - pre_roll_seconds - back for back in SEEK_BACK_SECONDS]
        for start in [*(start for start in starts if start > 0), 0.0]:
            self._seek(kind, start)
            frames = self.frames(kind, may_skip)
            first = next(frames, None)
            if first is not None and not first.seconds > needed:
                return itertools.chain([first], frames)
        self.reopen()
        return self.frames(kind, may_skip)

    def start_seconds(self, kind: Kind) -> float:
        """When the stream says that it starts."""
        stream = self.stream(kind)
        return 0.0 if stream.start_time is None else self.seconds(stream.start_time, stream)

    def seconds(self, timestamp: int, stream: Any) -> float:
        """A time stamp of the stream as seconds from the source's start."""
        return timestamp * self._tick_seconds[stream.index] - self.zero_seconds

    def _seek(self, kind: Kind, seconds: float) -> None:
        if seconds <= 0 and self._is_fresh:
            return
        # A codec may need packets from before time 0 to start with: AAC would lose its first samples.
        seconds = seconds if seconds > 0 else -1.0
        stream = self.stream(kind)
        try:
            self.container.seek(math.floor((seconds + self.zero_seconds) / stream.time_base), stream=stream)
        except av.FFmpegError:  # a file without any index: read it from the start
            self.reopen()

    def reopen(self) -> None:
        """Start again at the first byte, where no seek can miss."""
        self.container.close()
        self._adopt(_open(self.path))

    def close(self) -> None:
        """Give the file back."""
        self.container.close()


def _is_video(stream: Any) -> bool:
    return stream.codec_context is not None and not stream.disposition & NOT_VIDEO


@contextlib.contextmanager
def open_media(path: str | os.PathLike[str]) -> Iterator[Source]:
    """Open a media file for reading. Raises MediaError with a reason; closes the file at the end."""
    check_file(path)
    source = Source(os.fspath(path), _open(os.fspath(path)))
    try:
        _check_streams(source)
        yield source
    finally:
        source.close()


def _open(path: str) -> Any:
    options = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
    try:  # an absolute path, else "take:2.mp4" is a protocol
        return av.open(os.path.abspath(path), options=options, metadata_errors="replace")
    except Exception as error:
        raise _explain(path, error) from error


def check_file(path: str | os.PathLike[str]) -> None:
    """Raise MediaError unless the path is a file with bytes in it that we may read."""
    file = Path(path)
    try:
        there = file.exists()
    except OSError as error:  # a name that is too long, a folder that we may not enter
        raise MediaError(f"{path}: cannot be reached ({error.strerror}). Check the path.", reason="missing") from error
    if not there:
        raise MediaError(f"{path}: no such file; nothing can be read. Check the path.", reason="missing")
    if not file.is_file():
        raise MediaError(f"{path}: not a file; a media file is needed here. Name one file.", reason="not_a_file")
    if file.stat().st_size == 0:
        raise MediaError(f"{path}: the file is empty (0 bytes). Copy or download it again, or drop it.", reason="empty")
    try:
        file.open("rb").close()
    except PermissionError as error:
        message = f"{path}: no permission to read the file. Run chmod +r on it, or drop it."
        raise MediaError(message, reason="permission") from error


def _check_streams(source: Source) -> None:
    for stream in source.container.streams:
        if (stream.codec_context is not None and stream.codec_tag in ENCRYPTED_TAGS) or "enc_key_id" in stream.metadata:
            raise _encrypted(source.path)
    if source.stream("video") is None and source.stream("audio") is None:
        kinds = ", ".join(sorted({stream.type for stream in source.container.streams})) or "none"
        raise MediaError(
            f"{source.path}: no video or audio stream that can be decoded (streams: {kinds}); there is nothing to see "
            "or hear. Drop the file.",
            reason="no_streams",
        )


def _encrypted(path: str) -> MediaError:
    return MediaError(
        f"{path}: the file is encrypted (DRM), noise without its key. Use an unprotected copy, or drop it.",
        reason="encrypted",
    )


def _explain(path: str, error: Exception) -> MediaError:
    """Why a file could not be opened, as far as its first bytes show."""
    if _lacks_movie_box(path):
        return MediaError(
            f"{path}: an MP4 file without its whole index ('moov' box), cut short or still being written; nothing can "
            "be decoded. Copy or download it again, or drop it.",
            reason="truncated",
        )
    what = getattr(error, "strerror", None) or type(error).__name__
    return MediaError(
        f"{path}: not a readable media file ({what}); it may be damaged, or of another kind than its name says. "
        "Check that it plays elsewhere; copy it again, or drop it.",
        reason="unreadable",
    )


def _lacks_movie_box(path: str) -> bool:
    """Whether the file starts as MP4 does and its top-level boxes end before the index does."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        offset, is_movie = 0, False
        while offset + 8 <= size:
            file.seek(offset)
            header = file.read(16)
            length, name = int.from_bytes(header[:4], "big"), header[4:8]
            is_movie = is_movie or (offset == 0 and name == b"ftyp")
            if length == 1:
                length = int.from_bytes(header[8:16], "big")
            if not is_movie or (name == b"moov" and offset + length <= size):
                return False
            if length < 8:
                break
            offset += length
    return is_movie
