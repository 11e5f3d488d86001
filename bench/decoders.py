"""One decoder in a process of its own, for decode.py: clips are asked for on stdin and checked, one JSON line each.

Each library brings an FFmpeg of its own, which do not mix in one process. So that the decoders of others need not be
installed next to this library, this file imports nothing of it but where it is itself what is measured.
    python bench/decoders.py NAME        NAME: see DECODERS
The first line that it writes is `{"version": ...}`, or `{"missing": why}` where the decoder cannot be loaded here.
Axes: F frames, H W pixels, S samples.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from films import FRAMES_PER_SECOND, number_of, sound_lag_ms

SHORT_SIDE_PX = 224
SAMPLE_RATE_HZ = 11_025


@dataclass(frozen=True)
class Wanted:
    """A clip."""

    path: str
    start_seconds: float
    stop_seconds: float
    frame_times_seconds: tuple[float, ...]
    """Of the file."""
    width_px: int
    """Of the frames that are given; the height is 224 px."""

    @property
    def numbers(self) -> list[int]:
        """Of the frames that are on screen at the wanted times."""
        return [int(seconds * FRAMES_PER_SECOND + 1e-6) for seconds in self.frame_times_seconds]


@dataclass(frozen=True)
class Decoder:
    """Two calls, each of which opens the file, as a reader of many files has to."""

    version: str
    picture: Callable[[Wanted], Any]
    """Frames, uint8 F H W 3."""
    sound: Callable[[Wanted], Any] | None
    """Mono samples at 11,025 Hz, float32 S; None = this decoder has no sound."""


def vlsa() -> Decoder:
    """This library, with the facts of the file read once, as `prepare` and `index` do."""
    import functools

    import av

    from vlsa.data.media.decode import decode, probe

    facts = functools.cache(probe)

    def call(wanted: Wanted, times: list[float] | None, rate_hz: int | None) -> Any:
        return decode(
            wanted.path,
            wanted.start_seconds,
            wanted.stop_seconds,
            frame_times_seconds=times,
            short_side_px=SHORT_SIDE_PX,
            sample_rate_hz=rate_hz,
            facts=facts(wanted.path),
        )

    def picture(wanted: Wanted) -> Any:
        times = [seconds - wanted.start_seconds for seconds in wanted.frame_times_seconds]
        return call(wanted, times, None).frames

    return Decoder(f"PyAV {av.__version__}", picture, lambda wanted: call(wanted, None, SAMPLE_RATE_HZ).sound)


def torchcodec_exact() -> Decoder:
    """Which scans the file when it is opened, for frames at exact times."""
    return _torchcodec("exact")


def torchcodec_approximate() -> Decoder:
    """Which relies on the average rate: right where the rate is constant, as it is here."""
    return _torchcodec("approximate")


def _torchcodec(seek_mode: str) -> Decoder:
    import torch
    import torchcodec
    from torchcodec.decoders import AudioDecoder, VideoDecoder
    from torchcodec.transforms import Resize

    torch.set_num_threads(1)

    def picture(wanted: Wanted) -> Any:
        resize = Resize((SHORT_SIDE_PX, wanted.width_px))
        decoder = VideoDecoder(wanted.path, seek_mode=seek_mode, dimension_order="NHWC", transforms=[resize])
        return decoder.get_frames_played_at(list(wanted.frame_times_seconds)).data.numpy()

    def sound(wanted: Wanted) -> Any:
        decoder = AudioDecoder(wanted.path, sample_rate=SAMPLE_RATE_HZ, num_channels=1)
        return decoder.get_samples_played_in_range(wanted.start_seconds, wanted.stop_seconds).data[0].numpy()

    return Decoder(torchcodec.__version__, picture, sound)


def decord() -> Decoder:
    """Frames by number, resized by its own reader; one thread."""
    import decord

    def picture(wanted: Wanted) -> Any:
        reader = decord.VideoReader(wanted.path, width=wanted.width_px, height=SHORT_SIDE_PX, num_threads=1)
        return reader.get_batch(wanted.numbers).asnumpy()

    def sound(wanted: Wanted) -> Any:
        reader = decord.AudioReader(wanted.path, sample_rate=SAMPLE_RATE_HZ, mono=True)
        first, last = (round(seconds * SAMPLE_RATE_HZ) for seconds in (wanted.start_seconds, wanted.stop_seconds))
        return reader[first:last].asnumpy()[0]

    return Decoder(decord.__version__, picture, sound)


def opencv() -> Decoder:
    """One seek, then frame by frame, of which only the wanted ones are converted; it has no sound."""
    import cv2

    cv2.setNumThreads(1)

    def picture(wanted: Wanted) -> Any:
        capture = cv2.VideoCapture(wanted.path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        capture.set(cv2.CAP_PROP_POS_FRAMES, wanted.numbers[0])
        frames, number = [], wanted.numbers[0]
        for target in wanted.numbers:
            while number <= target:
                assert capture.grab(), wanted
                number += 1
            image = cv2.resize(capture.retrieve()[1], (wanted.width_px, SHORT_SIDE_PX), interpolation=cv2.INTER_AREA)
            frames.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        capture.release()
        return np.stack(frames)

    return Decoder(cv2.__version__, picture, None)


def ffmpeg() -> Decoder:
    """Two processes, one for frames and one for sound; `-ss` before `-i`, the frames on screen chosen by `fps`."""
    banner = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True).stdout.split()

    def run(wanted: Wanted, *options: str) -> bytes:
        head = ["ffmpeg", "-v", "error", "-nostdin", "-threads", "1", "-ss", f"{wanted.start_seconds:.6f}"]
        head += ["-t", f"{wanted.stop_seconds - wanted.start_seconds:.6f}", "-i", wanted.path, "-threads", "1"]
        return subprocess.run([*head, *options, "-"], capture_output=True, check=True).stdout

    def picture(wanted: Wanted) -> Any:
        rate = len(wanted.frame_times_seconds) / (wanted.stop_seconds - wanted.start_seconds)
        chosen = f"fps={rate}:round=near,scale={wanted.width_px}:{SHORT_SIDE_PX}:flags=area"
        data = run(wanted, "-vf", chosen, "-f", "rawvideo", "-pix_fmt", "rgb24")
        return np.frombuffer(data, np.uint8).reshape(-1, SHORT_SIDE_PX, wanted.width_px, 3)

    def sound(wanted: Wanted) -> Any:
        return np.frombuffer(run(wanted, "-vn", "-ac", "1", "-ar", str(SAMPLE_RATE_HZ), "-f", "f32le"), "<f4")

    return Decoder(banner[2], picture, sound)


DECODERS: dict[str, Callable[[], Decoder]] = {
    "vlsa": vlsa,
    "torchcodec exact": torchcodec_exact,
    "torchcodec approximate": torchcodec_approximate,
    "decord": decord,
    "opencv": opencv,
    "ffmpeg": ffmpeg,
}


def cpu_seconds() -> float:
    """Of this process and of those that it has waited for."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def timed(call: Callable[[Wanted], Any], wanted: Wanted) -> tuple[Any, dict[str, float]]:
    """What a call gives, and its seconds: of the processor, and by the clock."""
    begin, begin_cpu = time.perf_counter(), cpu_seconds()
    result = call(wanted)
    return result, {"cpu": cpu_seconds() - begin_cpu, "clock": time.perf_counter() - begin}


def answer(decoder: Decoder, wanted: Wanted) -> dict[str, Any]:
    """Times of picture and sound, the share of frames that are the wanted ones, and how late the sound is."""
    frames, picture_seconds = timed(decoder.picture, wanted)
    found = [number_of(frame) for frame in frames]
    are_right = [one == other for one, other in zip(found, wanted.numbers, strict=False)]
    told = {"picture_seconds": picture_seconds, "exact": sum(are_right) / len(wanted.numbers)}
    if decoder.sound is None:
        return told
    sound, sound_seconds = timed(decoder.sound, wanted)
    return told | {"sound_seconds": sound_seconds, "sound_lag_ms": sound_lag_ms(sound, wanted.start_seconds)}


def main() -> int:
    """Serve until stdin ends."""
    try:
        decoder = DECODERS[sys.argv[1]]()
        told = {"version": decoder.version}
    except (ImportError, OSError, RuntimeError, subprocess.CalledProcessError) as error:
        told = {"missing": " ".join(str(error).split())[:160] or type(error).__name__}
    print(json.dumps(told), flush=True)
    if "missing" in told:
        return 0
    for line in sys.stdin:
        asked = json.loads(line)
        wanted = Wanted(**{**asked, "frame_times_seconds": tuple(asked["frame_times_seconds"])})
        try:
            told = answer(decoder, wanted)
        except Exception as error:  # each library has errors of its own; that it cannot read a film is its answer
            told = {"failed": f"{type(error).__name__}: {' '.join(str(error).split())}"[:160]}
        print(json.dumps(told), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
