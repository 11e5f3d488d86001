"""A stretch of a file as it is stored: packets copied from the key frame before it, nothing decoded. Feeds cut.py."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlsa.base.errors import MediaError

if TYPE_CHECKING:
    from vlsa.data.media.probe import MediaFacts

KEPT_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".ts", ".m4a", ".mp3", ".flac", ".ogg", ".opus", ".wav"}
)
"""Containers that a copy keeps; from the others it goes into Matroska, which takes any codec."""
ROUNDING_SECONDS = 0.001
BEFORE_SECONDS = 1.0
"""Sound is looked for from so much before, since a seek may land late."""


@dataclass(frozen=True)
class _Timed:
    """A packet and when it is shown, seconds of the source."""

    seconds: float
    packet: Any


def copied_suffix(path: Path) -> str:
    """Of a copy of a part of this file."""
    return path.suffix.lower() if path.suffix.lower() in KEPT_SUFFIXES else ".mkv"


def copy_span(
    path: Path, start_seconds: float, stop_seconds: float, out: Path, facts: "MediaFacts"
) -> tuple[float, float]:
    """Copy a stretch into the file `out`; returns where the copy really starts and stops. Raises MediaError.

    `facts` are those of the file.
    """
    from vlsa.data.media.probe import open_known

    with contextlib.ExitStack() as opened:
        sources = {kind: opened.enter_context(open_known(path, facts)) for kind in ("video", "audio")}
        chosen = {}
        if sources["video"].stream("video") is not None:
            chosen["video"] = _video_packets(sources["video"], start_seconds, stop_seconds)
        start = chosen["video"][0].seconds if chosen.get("video") else start_seconds
        if sources["audio"].stream("audio") is not None:
            chosen["audio"] = _audio_packets(sources["audio"], start, stop_seconds)
        chosen = {kind: packets for kind, packets in chosen.items() if packets}
        if not chosen:
            raise MediaError(
                f"{path}: nothing between {start_seconds:.3f} and {stop_seconds:.3f} s; there is nothing to cut. "
                "Check the times, and that the file is whole.",
                reason="nothing",
            )
        _write(out, {sources[kind].stream(kind): packets for kind, packets in chosen.items()}, start)
    return start, stop_seconds


def _timed(source: Any, stream: Any) -> Iterator[_Timed]:
    for packet in source.packets(stream):
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is not None and packet.size:
            yield _Timed(source.seconds(stamp, stream), packet)


def _seek(source: Any, stream: Any, seconds: float) -> None:
    """Go to the key frame before a time, or to the start of a file that cannot."""
    import av

    if not source.may_seek:
        source.reopen()
        return
    try:
        source.container.seek(max(int((seconds + source.zero_seconds) / stream.time_base), 0), stream=stream)
    except av.FFmpegError:
        source.reopen()


def _video_packets(source: Any, start_seconds: float, stop_seconds: float) -> list[_Timed]:
    """From the last key frame at or before the start on, in the order of the file; else from the first one."""
    _seek(source, source.stream("video"), start_seconds)
    kept = _from_key_frame(source, start_seconds, stop_seconds)
    if not kept or kept[0].seconds > start_seconds + ROUNDING_SECONDS:  # the seek landed late
        source.reopen()
        kept = _from_key_frame(source, start_seconds, stop_seconds)
    return kept


def _from_key_frame(source: Any, start_seconds: float, stop_seconds: float) -> list[_Timed]:
    stream = source.stream("video")
    kept: list[_Timed] = []
    num_needed = 0
    for timed in _timed(source, stream):
        if timed.packet.is_keyframe and (not kept or timed.seconds <= start_seconds + ROUNDING_SECONDS):
            kept = [timed]
        elif kept:
            kept.append(timed)
        if timed.seconds < stop_seconds - ROUNDING_SECONDS:
            num_needed = len(kept)  # what comes before it in the file may be what it is predicted from
        elif timed.packet.dts is not None and source.seconds(timed.packet.dts, stream) >= stop_seconds:
            break
    return kept[:num_needed]


def _audio_packets(source: Any, start_seconds: float, stop_seconds: float) -> list[_Timed]:
    _seek(source, source.stream("audio"), start_seconds - BEFORE_SECONDS)
    stream, kept = source.stream("audio"), []  # another one where the file was opened again
    for timed in _timed(source, stream):
        if timed.seconds >= stop_seconds - ROUNDING_SECONDS:
            break
        if timed.seconds >= start_seconds - ROUNDING_SECONDS:
            kept.append(timed)
    return kept


def _write(out: Path, streams: dict[Any, list[_Timed]], start_seconds: float) -> None:
    import av

    with av.open(str(out), "w") as container:
        targets = {stream: container.add_stream_from_template(stream) for stream in streams}
        order = sorted(
            (
                (_decoded(stream, timed), number, stream, timed)
                for stream, all_ in streams.items()
                for number, timed in enumerate(all_)
            ),
            key=lambda item: item[:2],
        )
        for _, _, stream, timed in order:
            container.mux(
                _moved(timed.packet, targets[stream], round((timed.seconds - start_seconds) / stream.time_base))
            )


def _decoded(stream: Any, timed: _Timed) -> float:
    """When a packet is decoded, in seconds, from the same zero for all streams."""
    packet = timed.packet
    if packet.dts is None or packet.pts is None:
        return timed.seconds
    return timed.seconds - float((packet.pts - packet.dts) * stream.time_base)


def _moved(packet: Any, target: Any, stamp: int) -> Any:
    """The packet with its times counted from the start of the copy."""
    late = packet.pts - packet.dts if packet.pts is not None and packet.dts is not None else 0
    packet.pts, packet.dts = stamp, stamp - late
    packet.stream = target
    return packet
