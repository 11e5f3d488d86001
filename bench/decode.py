"""How fast clips are decoded, against plain ffmpeg pipes on the same files.

Why: preparing a store decodes every clip once, so this speed says how long that takes; and nobody should have to
believe that reading exactly costs nothing. The same clips (8 frames and the mono sound of a window at a random place)
are decoded by `vlsa.data.media.decode.decode` (one thread, with the file's facts known), and by two `ffmpeg` processes
a clip (picture at 8 frames a window, and sound; `-ss` before `-i`, one thread), as a shell script would do it.
The ratio of the two in one run is the number to look at; clips a second depend on the machine.

Run: python bench/decode.py [--clips 12] [--out bench/results/decode.jsonl]. It makes its own files and needs `ffmpeg`
on the PATH. The last line of stdout is one JSON record.
"""

import argparse
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from records import finish

from vlsa.data.media.decode import decode, probe, regular_times

WINDOW_SECONDS = 5.94
"""What the paper's model sees and hears at once."""
NUM_FRAMES = 8
SHORT_SIDE_PX = 224
SAMPLE_RATE_HZ = 11_025
FILES = {"360p, 12 s": (640, 360, 12), "720p, 12 s": (1280, 720, 12), "360p, 120 s": (640, 360, 120)}
"""Name: width, height in pixels, duration in seconds."""


def write_film(path: Path, width_px: int, height_px: int, duration_seconds: float) -> None:
    """A moving texture at 25 frames a second with B-frames, and a chirp."""
    texture = np.random.default_rng(0).integers(0, 255, (height_px // 8, width_px // 8, 3), np.uint8)
    texture = texture.repeat(16, axis=0).repeat(16, axis=1)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"preset": "veryfast", "bf": "2", "g": "125"})
        video.width, video.height, video.pix_fmt = width_px, height_px, "yuv420p"
        audio = container.add_stream("aac", rate=48_000)
        audio.codec_context.layout = "stereo"
        for k in range(round(duration_seconds * 25)):
            top, left = k % height_px, 2 * k % width_px
            picture = np.ascontiguousarray(texture[top : top + height_px, left : left + width_px])
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(audio.encode(_chirp(k)))
        container.mux([*video.encode(None), *audio.encode(None)])


def _chirp(k: int) -> Any:
    seconds = k / 25 + np.arange(1920) / 48_000
    wave = (0.3 * np.sin(2 * np.pi * (300 + 20 * seconds) * seconds)).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
    frame.sample_rate, frame.time_base, frame.pts = 48_000, Fraction(1, 48_000), k * 1920
    return frame


def decode_ours(path: Path, facts: Any, start_seconds: float) -> None:
    """One clip by this library."""
    clip = decode(
        path,
        start_seconds,
        start_seconds + WINDOW_SECONDS,
        frame_times_seconds=regular_times(WINDOW_SECONDS, NUM_FRAMES / WINDOW_SECONDS),
        short_side_px=SHORT_SIDE_PX,
        sample_rate_hz=SAMPLE_RATE_HZ,
        facts=facts,
    )
    assert len(clip.frames) == NUM_FRAMES and clip.sound is not None, clip


def decode_by_pipe(path: Path, start_seconds: float) -> None:
    """One clip by two ffmpeg processes."""
    head = [
        "ffmpeg",
        "-v",
        "error",
        "-nostdin",
        "-threads",
        "1",
        "-ss",
        f"{start_seconds:.3f}",
        "-t",
        str(WINDOW_SECONDS),
    ]
    picture = ["-vf", f"fps={NUM_FRAMES / WINDOW_SECONDS},scale=-2:{SHORT_SIDE_PX}", "-threads", "1", "-f", "rawvideo"]
    sound = ["-vn", "-ac", "1", "-ar", str(SAMPLE_RATE_HZ), "-f", "f32le"]
    for options in ([*picture, "-pix_fmt", "rgb24"], sound):
        done = subprocess.run([*head, "-i", str(path), *options, "-"], capture_output=True, check=True)
        assert done.stdout, options


def seconds_of(call: Callable[[float], None], starts: list[float]) -> list[float]:
    """Seconds of each call, after one to warm up."""
    call(starts[0])
    durations = []
    for start in starts:
        begin = time.perf_counter()
        call(start)
        durations.append(time.perf_counter() - begin)
    return durations


def compare(path: Path, num_clips: int) -> dict[str, float]:
    """Clips a second of both ways and their ratio, on one file."""
    facts = probe(path)
    generator = random.Random(0)
    starts = [generator.uniform(0, facts.duration_seconds - WINDOW_SECONDS) for _ in range(num_clips)]
    ours = seconds_of(lambda start: decode_ours(path, facts, start), starts)
    pipe = seconds_of(lambda start: decode_by_pipe(path, start), starts)
    return {
        "ours_clips_per_second": round(1 / statistics.median(ours), 2),
        "ours_p95_seconds": round(float(np.quantile(ours, 0.95)), 4),
        "ffmpeg_clips_per_second": round(1 / statistics.median(pipe), 2),
        "ffmpeg_p95_seconds": round(float(np.quantile(pipe, 0.95)), 4),
        "ratio": round(statistics.median(pipe) / statistics.median(ours), 2),
    }


def record(results: dict[str, dict[str, float]], num_clips: int) -> dict[str, Any]:
    """The results with what is needed to understand them later."""
    git = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent, check=False
    )
    banner = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True).stdout.split()
    return {
        "bench": "decode",
        "commit": git.stdout.strip() if git.returncode == 0 else None,
        "hardware": {"cpu": cpu_name(), "num_cpus": os.cpu_count(), "load_1_minute": round(os.getloadavg()[0], 2)},
        "versions": {"python": platform.python_version(), "av": av.__version__, "ffmpeg": banner[2]},
        "clips_per_file": num_clips,
        "results": results,
    }


def cpu_name() -> str:
    """The processor's own name, where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def main() -> int:
    """Measure, print, and end with the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=12, help="clips decoded of each file")
    parser.add_argument("--out", type=Path, help="append the record to this file")
    options = parser.parse_args()
    if shutil.which("ffmpeg") is None:
        print(
            "bench/decode.py: no ffmpeg on the PATH; there is nothing to compare with. Install ffmpeg.", file=sys.stderr
        )
        return 2
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for k, (name, (width, height, duration)) in enumerate(FILES.items()):
            path = Path(folder) / f"{k}.mp4"
            write_film(path, width, height, duration)
            results[name] = compare(path, options.clips)
            print(f"{name}: {results[name]}", file=sys.stderr)
    return finish(record(results, options.clips), options.out)


if __name__ == "__main__":
    sys.exit(main())
