"""Made media files for tests: what they show and when they sound is known exactly.

`write_media` writes any mixture; `write_flash_and_beep` a synchrony file; the rest makes broken ones out of those.
"""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

TICKS = 90_000
"""Video time base of the made files: ticks a second."""
RATE_HZ = 48_000


def grey(level: int, width_px: int = 64, height_px: int = 48) -> np.ndarray:
    """A plain picture, uint8 H W 3."""
    return np.full((height_px, width_px, 3), level, np.uint8)


def tone(
    duration_seconds: float,
    *,
    hz: float = 1000,
    rate_hz: int = RATE_HZ,
    on_seconds: Sequence[tuple[float, float]] | None = None,
    amplitude: float = 0.5,
) -> np.ndarray:
    """A sine, float32 S, sounding only in the given stretches (None = throughout)."""
    seconds = np.arange(round(duration_seconds * rate_hz)) / rate_hz
    wave = amplitude * np.sin(2 * np.pi * hz * seconds)
    if on_seconds is not None:
        wave = wave * sum((seconds >= start) & (seconds < stop) for start, stop in on_seconds)
    return wave.astype(np.float32)


def write_media(
    path: Path,
    *,
    pictures: Sequence[np.ndarray] | None = None,
    picture_seconds: Sequence[float] | None = None,
    frames_per_second: float = 25,
    sound: np.ndarray | None = None,
    rate_hz: int = RATE_HZ,
    video_codec: str = "libx264",
    audio_codec: str = "aac",
    start_seconds: float = 0.0,
    video_offset_seconds: float = 0.0,
    sound_offset_seconds: float = 0.0,
    video_options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    cues: Sequence[tuple[float, float, str]] = (),
    set_up: Callable[[Any], None] | None = None,
) -> Path:
    """Write pictures (uint8 H W 3) at their times, sound (float32: S, or 2 S for stereo) and mov_text cues to one file.

    `start_seconds` moves the time stamps of both streams. `set_up(video_stream)` may change the stream before encoding
    (rotation, aspect, bit rate).
    """
    with av.open(str(path), "w", container_options=container_options or {}) as container:
        writers = []
        if pictures is not None:
            times = picture_seconds if picture_seconds is not None else np.arange(len(pictures)) / frames_per_second
            stream = _add_video(container, video_codec, pictures[0], frames_per_second, video_options)
            if set_up is not None:
                set_up(stream)
            writers.append(
                (stream, list(_video_frames(pictures, np.asarray(times) + start_seconds + video_offset_seconds)))
            )
        if sound is not None:
            stereo = np.atleast_2d(sound)
            stream = container.add_stream(audio_codec, rate=rate_hz)
            stream.codec_context.layout = "mono" if len(stereo) == 1 else "stereo"
            writers.append((stream, list(audio_frames(stereo, rate_hz, start_seconds + sound_offset_seconds))))
        if cues:
            _mux_cues(container, container.add_mux_stream("mov_text"), cues)
        mux_in_turn(container, writers)
    return path


def _add_video(container: Any, codec: str, picture: np.ndarray, rate: float, options: dict[str, str] | None) -> Any:
    stream = container.add_stream(codec, rate=Fraction(rate).limit_denominator(1001), options=options or {})
    stream.height, stream.width = picture.shape[:2]
    stream.pix_fmt = {"png": "rgb24", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
    if codec != "mpeg4" and codec != "mpeg2video":
        stream.codec_context.time_base = Fraction(1, TICKS)
    return stream


def _video_frames(pictures: Sequence[np.ndarray], times: np.ndarray) -> Iterator[tuple[float, Any]]:
    for picture, seconds in zip(pictures, times, strict=True):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = round(float(seconds) * TICKS), Fraction(1, TICKS)
        yield float(seconds), frame


def audio_frames(sound: np.ndarray, rate_hz: int, offset_seconds: float) -> Iterator[tuple[float, Any]]:
    layout = "mono" if len(sound) == 1 else "stereo"
    for start in range(0, sound.shape[1], 1024):
        part = np.ascontiguousarray(sound[:, start : start + 1024])
        frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
        frame.sample_rate, frame.time_base = rate_hz, Fraction(1, rate_hz)
        frame.pts = start + round(offset_seconds * rate_hz)
        yield offset_seconds + start / rate_hz, frame


def mux_in_turn(container: Any, writers: list[tuple[Any, list[tuple[float, Any]]]]) -> None:
    """Encode all streams by time, so that the muxer can interleave them."""
    jobs = [(seconds, k, frame) for k, (_, frames) in enumerate(writers) for seconds, frame in frames]
    jobs.sort(key=lambda job: job[:2])
    for _, k, frame in jobs:
        container.mux(writers[k][0].encode(frame))
    for stream, _ in writers:
        container.mux(stream.encode(None))


def _mux_cues(container: Any, stream: Any, cues: Sequence[tuple[float, float, str]]) -> None:
    container.start_encoding()
    for start, stop, text in cues:
        data = text.encode()
        packet = av.Packet(len(data).to_bytes(2, "big") + data)
        packet.stream, packet.time_base = stream, Fraction(1, 1000)
        packet.pts = packet.dts = round(start * 1000)
        packet.duration = round((stop - start) * 1000)
        container.mux(packet)


def write_tracks(
    path: Path,
    sounds: Sequence[np.ndarray],
    dispositions: Sequence[int],
    *,
    pictures: Sequence[np.ndarray] = (),
    rate_hz: int = RATE_HZ,
) -> Path:
    """A file with several FLAC streams, each with what the container says of it, and pictures at 25 a second."""
    with av.open(str(path), "w") as container:
        writers = []
        if len(pictures):
            video = _add_video(container, "libx264", pictures[0], 25, None)
            writers.append((video, list(_video_frames(pictures, np.arange(len(pictures)) / 25))))
        for sound, disposition in zip(sounds, dispositions, strict=True):
            stream = container.add_stream("flac", rate=rate_hz)
            stream.codec_context.layout = "mono"
            stream.disposition = av.stream.Disposition(disposition)
            writers.append((stream, list(audio_frames(sound[None], rate_hz, 0.0))))
        mux_in_turn(container, writers)
    return path


def write_videos(path: Path, films: Sequence[Sequence[np.ndarray]], dispositions: Sequence[int]) -> Path:
    """A file with several video streams at 25 frames a second, each with what the container says of it."""
    with av.open(str(path), "w") as container:
        writers = []
        for pictures, disposition in zip(films, dispositions, strict=True):
            stream = _add_video(container, "libx264", pictures[0], 25, None)
            stream.disposition = av.stream.Disposition(disposition)
            writers.append((stream, list(_video_frames(pictures, np.arange(len(pictures)) / 25))))
        mux_in_turn(container, writers)
    return path


def write_plain_frames(
    path: Path,
    codec: str,
    frame: Any,
    *,
    num_frames: int = 10,
    options: dict[str, str] | None = None,
    set_up: Callable[[Any], None] | None = None,
) -> Path:
    """The same `av.VideoFrame` over and over, 25 a second, in its own pixel format."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, frame.format.name
        if set_up is not None:
            set_up(stream)
        for number in range(num_frames):
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def plain_planes(pixel_format: str, levels: Sequence[int], side_px: int = 64) -> Any:
    """A square `av.VideoFrame` whose planes hold one number each, 8 bits or more by its format."""
    frame = av.VideoFrame(side_px, side_px, pixel_format)
    kind = np.uint16 if frame.format.components[0].bits > 8 else np.uint8
    for plane, level in zip(frame.planes, levels, strict=True):
        plane.update(np.full(plane.buffer_size // np.dtype(kind).itemsize, level, kind).tobytes())
    return frame


def write_flash_and_beep(
    path: Path,
    *,
    duration_seconds: float = 3.0,
    frames_per_second: float = 25,
    flash_seconds: Sequence[float] = (0.8, 2.0),
    picture_seconds: Sequence[float] | None = None,
    sound_offset_seconds: float = 0.0,
    **options: Any,
) -> Path:
    """A dark picture that turns white, and a 1 kHz beep, both for 0.2 s from each flash time (of the picture) on."""
    times = picture_seconds
    if times is None:
        times = np.arange(round(duration_seconds * frames_per_second)) / frames_per_second
    lit = [any(flash - 1e-6 <= time < flash + 0.2 - 1e-6 for flash in flash_seconds) for time in times]
    beeps = [(flash - sound_offset_seconds, flash - sound_offset_seconds + 0.2) for flash in flash_seconds]
    return write_media(
        path,
        pictures=[grey(235 if is_lit else 16) for is_lit in lit],
        picture_seconds=times,
        frames_per_second=frames_per_second,
        sound=tone(duration_seconds - sound_offset_seconds, on_seconds=beeps),
        sound_offset_seconds=sound_offset_seconds,
        **options,
    )


def onsets(sound: np.ndarray, rate_hz: int, threshold: float = 0.1, quiet_seconds: float = 0.1) -> list[float]:
    """Times at which sound sets in after at least so much quiet."""
    loud = np.flatnonzero(np.abs(sound) > threshold)
    first = np.diff(loud, prepend=-np.inf) > quiet_seconds * rate_hz
    return [float(k / rate_hz) for k in loud[first]]


def numbered(count: int, width_px: int = 64, height_px: int = 48) -> list[np.ndarray]:
    """Pictures that show their number as eight black or white bars, lowest bit first."""
    bits = np.arange(count)[:, None] >> np.arange(8) & 1
    bars = np.repeat(np.where(bits, 235, 16).astype(np.uint8), width_px // 8, axis=1)
    return [np.broadcast_to(row[None, :, None], (height_px, len(row), 3)).copy() for row in bars]


def numbers(frames: np.ndarray) -> list[int]:
    """The numbers that `numbered` frames (F H W 3) show."""
    middles = (np.arange(8) + 0.5) * frames.shape[2] / 8
    bars = frames.mean(axis=(1, 3))[:, middles.astype(int)] > 128
    return [int(row @ (1 << np.arange(8))) for row in bars]


def flashes(frames: np.ndarray, frame_seconds: np.ndarray) -> list[float]:
    """Times of the frames (F H W 3) at which the picture turns from dark to bright."""
    bright = frames.mean(axis=(1, 2, 3)) > 128
    return [float(frame_seconds[k]) for k in range(1, len(bright)) if bright[k] and not bright[k - 1]]


TS_PACKET = 188


def write_joined(path: Path) -> Path:
    """Two recordings of two seconds joined byte by byte, as cameras and `cat` do: their time stamps start again.

    The frames are numbered on, 25 a second, each tenth a key frame; the sound is 500 Hz, then 2000 Hz.
    """
    data = b""
    for part, hz in enumerate((500, 2000)):
        pictures = numbered(100)[50 * part : 50 * (part + 1)]
        one = path.with_name(f"part-{part}{path.suffix}")
        keys = {"g": "10", "keyint_min": "10", "sc_threshold": "0"}
        write_media(one, pictures=pictures, frames_per_second=25, sound=tone(2, hz=hz), video_options=keys)
        data += one.read_bytes()
        one.unlink()
    path.write_bytes(data)
    return path


def join_programmes(paths: Sequence[Path], to: Path) -> Path:
    """A transport stream with a programme for each of the given ones, whose services are numbered 1, 2 ... and whose
    PIDs differ (see `programme_options`), packet by packet in turn."""
    parts = [path.read_bytes() for path in paths]
    packets = [[part[k : k + TS_PACKET] for k in range(0, len(part), TS_PACKET)] for part in parts]
    table = _programme_table([_pmt_pid(number) for number in range(len(paths))])
    with to.open("wb") as file:
        for turn in range(max(map(len, packets))):
            for number, own in enumerate(packets):
                packet = own[turn] if turn < len(own) else b""
                pid = int.from_bytes(packet[1:3], "big") & 0x1FFF if packet else 0
                if pid == 0 and packet and number == 0:
                    file.write(packet[:4] + table)
                elif pid > 0x1F:  # the lower ones are tables of one programme
                    file.write(packet)
    return to


def programme_options(number: int) -> dict[str, str]:
    """Of the muxer, for the programme `number` (from 0) of `join_programmes`."""
    return {
        "mpegts_service_id": str(number + 1),
        "mpegts_pmt_start_pid": str(_pmt_pid(number)),
        "mpegts_start_pid": str(0x100 * (number + 1)),
    }


def _pmt_pid(number: int) -> int:
    return 0x1000 + 0x10 * number


def _programme_table(pmt_pids: Sequence[int]) -> bytes:
    """The payload of a packet that lists programmes 1, 2 ... (ISO 13818-1, 2.4.4.3)."""
    entries = b"".join(bytes([0, n]) + (0xE000 | pid).to_bytes(2, "big") for n, pid in enumerate(pmt_pids, 1))
    section = b"\0" + (0xB000 | (9 + len(entries))).to_bytes(2, "big") + b"\0\1\xc1\0\0" + entries
    remainder = 0xFFFFFFFF
    for byte in section:
        remainder ^= byte << 24
        for _ in range(8):
            remainder = (remainder << 1 ^ (0x04C11DB7 if remainder & 0x80000000 else 0)) & 0xFFFFFFFF
    return (b"\0" + section + remainder.to_bytes(4, "big")).ljust(TS_PACKET - 4, b"\xff")


def truncate(path: Path, to: Path, share: float) -> Path:
    """The first part of a file."""
    data = path.read_bytes()
    to.write_bytes(data[: int(len(data) * share)])
    return to


def scramble(path: Path, to: Path, start_share: float, stop_share: float, seed: int = 0) -> Path:
    """A file with a stretch of its bytes replaced by noise."""
    data = bytearray(path.read_bytes())
    start, stop = int(len(data) * start_share), int(len(data) * stop_share)
    data[start:stop] = np.random.default_rng(seed).integers(0, 256, stop - start, np.uint8).tobytes()
    to.write_bytes(data)
    return to
