"""An open media file: the one boundary to FFmpeg (through PyAV).

Whatever libav raises for a damaged packet is caught here and nowhere else: counted, or raised as a `MediaError`.
Feeds probe.py, frames.py, audio.py and decode.py. Time 0 is the container's own start, for video and audio alike.
"""

import contextlib
import itertools
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import av

from vlsa.base.errors import MediaError
from vlsa.data.media import raw_frames, streams
from vlsa.data.media.channels import is_sounding
from vlsa.data.media.display_order import uncertain_seconds, with_times_in_order
from vlsa.data.media.file_checks import check_file, encrypted, out_of_memory
from vlsa.data.media.key_packets import NEED_KEY_FRAMES, KeyJumps, Needs, from_key_packet
from vlsa.data.media.opening import DAMAGED, check_streams, open_container
from vlsa.data.media.parts import Parts

Kind = Literal["video", "audio"]
MAX_BAD_PACKETS = 200
"""A stretch with more packets that do not decode than this is given up."""
HOLE_SECONDS = 0.25
"""A damaged packet may cost this much video or audio; more, and the clip is rejected."""
SEEK_BACK_SECONDS = (0.0, 1.0, 4.0, 16.0)
"""A seek may land too late (MPEG-TS, MPEG-PS): further tries start this much earlier, the last at the start."""
SOUNDING_SECONDS = 60.0
"""Audio that is silent for so long from its start on gives way to another stream."""


@dataclass(frozen=True)
class TimedFrame:
    """A decoded frame (`av.VideoFrame` or `av.AudioFrame`) and when it is first shown or heard."""

    seconds: float
    """From the source's start; nan when the file has none."""
    frame: Any
    num_bad: int = 0
    """Packets of the source that could not be read or decoded whole until it was decoded."""


class Source:
    """An open media file. Make it with `open_media`; a `Source` lives in one thread of one process."""

    def __init__(
        self,
        path: str,
        container: Any,
        audio_index: int | None = None,
        shifts_seconds: Sequence[float] = (0.0,),
        seeks_exactly: bool = True,
    ) -> None:
        self.path = path
        self.bad_seconds: list[float] = []
        """When the packets so far that could not be read or decoded whole should have been shown; nan = not known."""
        self._audio_index = audio_index
        self._shifts_seconds = shifts_seconds
        is_timed = container.format.name not in raw_frames.FORMATS  # else, packets are numbered from the first on
        self.may_seek = seeks_exactly and len(shifts_seconds) == 1 and is_timed  # which part would not be known
        self._adopt(container)

    def _adopt(self, container: Any) -> None:
        self.container = container
        self._is_fresh = True
        self.num_bad_before = self.num_bad  # those from before the last seek
        self.zero_seconds = (container.start_time or 0) / 1_000_000
        self._streams = {"video": streams.choose_video(container)} | streams.of_audio(container, self._audio_index)
        self._alpha_decoder = streams.alpha_decoder(self._streams["video"])
        self.parts = Parts(self._shifts_seconds, self.container.format.name)
        self.uncertain_seconds = uncertain_seconds(container, self._streams["video"])  # not 0: frames are numbered
        self._tick_seconds = [float(stream.time_base or 0) for stream in container.streams]
        for stream in filter(None, self._streams.values()):
            stream.thread_type = "NONE"  # many processes, one thread each: frame threads would fight over the cores
            stream.codec_context.thread_count = 1
            stream.codec_context.options = {"err_detect": "crccheck+explode"}  # else damage passes, or is painted over

    @property
    def num_bad(self) -> int:
        """Packets so far that could not be read or decoded whole."""
        return len(self.bad_seconds)

    def stream(self, kind: Kind) -> Any | None:
        """The stream of a kind that is read (see streams.py), or None."""
        return self._streams[kind]

    def choices(self) -> tuple[str, ...]:
        """A word such as `audio-2-of-3` where the file has several streams of a kind."""
        return streams.choice("audio", self.stream("audio"), self.container.streams.audio)

    def packets(self, *streams: Any) -> Iterator[Any]:
        """Packets of the streams from here on, with the empty ones that flush decoders. An error ends the file."""
        iterator = self.container.demux(*self.parts.streams_to_read(streams, self._streams.values()))
        while True:
            self._is_fresh = False
            try:
                packet = next(iterator)
            except (StopIteration, IndexError):  # PyAV does not end a stream that has appeared late
                return
            except MemoryError as error:
                raise out_of_memory(self.path) from error
            except DAMAGED:
                self.bad_seconds.append(math.nan)
                return
            if packet.has_sidedata("encryption_info"):
                raise encrypted(self.path)
            self._continue_time(packet)
            if packet.stream in streams:
                self.bad_seconds += [self.packet_seconds(packet)] * packet.is_corrupt
                yield packet

    def _continue_time(self, packet: Any) -> None:
        """Move the time stamps of a packet that comes after they started again, so that they go on."""
        self.parts.give_time(packet)
        timestamp = packet.dts if packet.dts is not None else packet.pts
        if timestamp is None:
            return
        seconds, tick_seconds = self.seconds(timestamp, packet.stream), self._tick_seconds[packet.stream.index]
        is_guess = self.uncertain_seconds and packet.stream is self._streams["video"]  # there are numbers alone
        if packet.pts is not None and (is_guess or self.parts.is_of_next((packet.pts - timestamp) * tick_seconds)):
            packet.pts = timestamp
        late, duration_seconds = self.parts.late_seconds(packet), (packet.duration or 0) * tick_seconds
        decoded, shown = (seconds + late if packet.dts is not None else None), self.packet_seconds(packet) + late
        shift = late + self.parts.shift(packet.stream.index, decoded, duration_seconds, shown)
        self.bad_seconds = self.parts.without_joins(self.bad_seconds)
        if shift:
            streams.move(packet, round(shift / tick_seconds))

    def packet_seconds(self, packet: Any) -> float:
        """When a packet is shown or heard; nan = not known."""
        timestamp = packet.pts if packet.pts is not None else packet.dts
        return math.nan if timestamp is None else self.seconds(timestamp, packet.stream)

    def decode_packet(self, packet: Any) -> list[Any]:
        """The packet's whole frames; damage is counted in `num_bad`. Raises MediaError after 200 damaged packets."""
        try:
            is_alpha = self._alpha_decoder is not None and packet.stream is self._streams["video"]
            frames = self._alpha_decoder.decode(packet if packet.size else None) if is_alpha else packet.decode()
        except MemoryError as error:
            raise out_of_memory(self.path) from error
        except DAMAGED:
            frames = []
            self.bad_seconds.append(self.packet_seconds(packet))
        self.bad_seconds += [self.packet_seconds(packet) for frame in frames if getattr(frame, "is_corrupt", False)]
        if self.num_bad > MAX_BAD_PACKETS:
            raise MediaError(
                f"{self.path}: more than {MAX_BAD_PACKETS} damaged packets; what is left would not be the recording. "
                "Copy or download the file again, or drop it.",
                reason="damaged",
            )
        return [frame for frame in frames if not getattr(frame, "is_corrupt", False)]

    def frames(self, kind: Kind, needs: Needs | None = None) -> Iterator[TimedFrame]:
        """Frames of the stream from here on, in the order they are shown; with `needs`, at least those."""
        return self._decoded(kind, self.packets(self.stream(kind)), needs)

    def _decoded(self, kind: Kind, packets: Iterable[Any], needs: Needs | None = None) -> Iterator[TimedFrame]:
        frames = self._as_decoded(kind, packets, needs)
        return with_times_in_order(frames) if kind == "video" and self.uncertain_seconds else frames

    def _as_decoded(self, kind: Kind, packets: Iterable[Any], needs: Needs | None) -> Iterator[TimedFrame]:
        stream = self.stream(kind)
        jumps = KeyJumps(self, packets, needs) if needs is not None else None
        for packet in packets if jumps is None else jumps:
            if needs is not None and packet.pts is not None:
                may_skip = needs.may_skip(self.seconds(packet.pts, stream))
                stream.codec_context.skip_frame = "NONREF" if may_skip else "DEFAULT"
            for frame in self.decode_packet(packet):
                pts = frame.pts if frame.pts is not None else frame.dts
                timed = TimedFrame(self.seconds(pts, stream) if pts is not None else math.nan, frame, self.num_bad)
                if jumps is not None:
                    jumps.check(frame, timed.seconds)
                yield timed

    def frames_covering(
        self,
        kind: Kind,
        seconds: float,
        *,
        tolerance_seconds: float,
        pre_roll_seconds: float = 0.0,
        needs: Needs | None = None,
    ) -> Iterator[TimedFrame]:
        """Frames from one that starts at or before `seconds` on (else from the stream's first); mostly by one seek."""
        seconds -= self.uncertain_seconds if kind == "video" else 0.0
        if not self.may_seek:
            return self._frames_from_key_packet(kind, seconds - pre_roll_seconds)
        needed = max(seconds, self.start_seconds(kind)) + tolerance_seconds
        starts = [seconds - pre_roll_seconds - back for back in SEEK_BACK_SECONDS]
        for start in [*(start for start in starts if start > 0), 0.0]:
            self._seek(kind, start)
            frames = self.frames(kind, needs)
            first = next(frames, None)
            if first is not None and not first.seconds > needed and self._may_be_first(kind, first):
                return itertools.chain([first], frames)
        self.reopen()
        return self.frames(kind, needs)

    def _frames_from_key_packet(self, kind: Kind, seconds: float) -> Iterator[TimedFrame]:
        """Frames from one that starts at or before `seconds` on, without a seek."""
        self.reopen()
        frames = self._decoded(kind, from_key_packet(self.packets(self.stream(kind)), seconds, self.packet_seconds))
        first = next(frames, None)
        if first is None or self._may_be_first(kind, first):
            return itertools.chain(filter(None, [first]), frames)
        self.reopen()
        return self.frames(kind)

    def _may_be_first(self, kind: Kind, first: TimedFrame) -> bool:
        """Whether decoding may begin with a frame: indexes of damaged files call others key frames too."""
        needs_key = kind == "video" and self.stream(kind).codec_context.name in NEED_KEY_FRAMES
        return not needs_key or bool(first.frame.key_frame)

    def first_packet(self, kind: Kind, seconds: float) -> tuple[float, int] | None:
        """When the first packet after a seek is shown, and its place in the file in bytes; None without one."""
        self._seek(kind, seconds)
        for packet in self.packets(self.stream(kind)):
            if packet.pts is not None and packet.pos is not None:
                return self.packet_seconds(packet), packet.pos
        return None

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
        seconds = seconds if seconds > 0 else -1.0  # AAC would lose its first samples, which need packets from before
        stream = self.stream(kind)
        self.num_bad_before = self.num_bad
        self._alpha_decoder = streams.alpha_decoder(self._streams["video"])
        self.parts = Parts(self._shifts_seconds, self.container.format.name, {stream.index: self.start_seconds(kind)})
        try:
            self.container.seek(math.floor((seconds + self.zero_seconds) / stream.time_base), stream=stream)
        except av.FFmpegError:  # a file without any index: read it from the start
            self.reopen()

    def reopen(self) -> None:
        """Start again at the first byte, where no seek can miss."""
        self.container.close()
        self._adopt(open_container(self.path))

    def close(self) -> None:
        """Give the file back."""
        self.container.close()


@contextlib.contextmanager
def open_media(
    path: str | os.PathLike[str],
    audio_index: int | None = None,
    shifts_seconds: Sequence[float] = (0.0,),
    seeks_exactly: bool = True,
) -> Iterator[Source]:
    """Open a media file for reading. Raises MediaError with a reason; closes the file at the end.

    audio_index: the number of the audio stream to read; None = the first that sounds, in the order of streams.py.
    shifts_seconds: what each part of a file adds to its time stamps where they start again (`MediaFacts`).
    seeks_exactly: whether a seek finds what reading from the start finds (`MediaFacts`); else none is made.
    """
    check_file(path)
    source = Source(os.fspath(path), open_container(os.fspath(path)), audio_index, shifts_seconds, seeks_exactly)
    try:
        if audio_index is None:
            source = _with_sounding_audio(source)
        check_streams(source.path, source.container, source.stream("video") or source.stream("audio"))
        yield source
    finally:
        source.close()


def _with_sounding_audio(source: Source) -> Source:
    """The source itself, or one on the first audio stream that sounds if its own does not."""
    candidates = [stream.index for stream in streams.audio_candidates(source.container)]
    if len(candidates) < 2:
        return source
    chosen = next((index for index in candidates if _sounds(source.path, index)), candidates[0])
    source.close()
    return Source(source.path, open_container(source.path), chosen)


def _sounds(path: str, audio_index: int) -> bool:
    """Whether an audio stream has a sample other than zero in its first minute."""
    source = Source(path, open_container(path), audio_index)
    try:
        heard = itertools.takewhile(lambda timed: not timed.seconds > SOUNDING_SECONDS, source.frames("audio"))
        return any(is_sounding(timed.frame) for timed in heard)
    finally:
        source.close()
