"""How fast clips are decoded, beside what people use instead, and whether each gives the frames that were asked for.

Why: preparing a store decodes every clip once, so this speed says how long that takes; and nobody should have to
believe that reading exactly costs nothing. A clip is 8 frames at 224 px and the mono sound of a window at a random
place. Each decoder (decoders.py) has a process of its own, decodes with one thread, and is asked for the same clips in
turn; each opens the file for each clip. The films are made here (films.py): every frame carries its number, by which it
is checked, and the sound is noise that is found again by correlation. Times are seconds of the processor, so that the
load of the machine counts little; the ratio to the fastest that is as exact is the number to look at.

Run: python bench/decode.py [--peers PYTHON] [--clips 10] [--only 720p] [--out bench/results/decode.jsonl]
`--peers` is the Python of an environment that holds torchcodec, decord and OpenCV (README.md, "Decoders to compare
with"); what cannot be loaded there is named. `ffmpeg` is looked for on the PATH. With `--files FOLDER` the films stay
there for the next run. Each film is a record, written when it is measured; the last is the last line of stdout.
"""

import argparse
import json
import math
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from decoders import DECODERS, SHORT_SIDE_PX
from films import Film, write_film
from records import append, circumstances, finish

WINDOW_SECONDS = 5.94
"""What the paper's model sees and hears at once."""
NUM_FRAMES = 8
MOST_LAG_MS = 1.0
"""Sound that is further off than this counts as wrong."""
FILMS = {
    "H.264 360p": Film(640, 360, 20),
    "H.264 720p": Film(1280, 720, 20),
    "H.264 720p of a phone": Film(1280, 720, 20, key_interval=25),
    "H.264 1080p": Film(1920, 1080, 12),
    "HEVC 720p": Film(1280, 720, 20, "hevc"),
    "VP9 720p": Film(1280, 720, 20, "vp9"),
    "AV1 720p": Film(1280, 720, 20, "av1"),
    "H.264 360p, 12 minutes": Film(640, 360, 720),
}


class Asked:
    """A decoder in its process."""

    def __init__(self, name: str, python: str) -> None:
        command = [python, str(Path(__file__).parent / "decoders.py"), name]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        first = self.process.stdout.readline()
        self.told = json.loads(first) if first else {"missing": "its process ended while it loaded"}

    def clip(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """What it says of a clip; `failed` with a reason where it gives none."""
        try:
            self.process.stdin.write(json.dumps(wanted) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except OSError:
            line = ""
        return json.loads(line) if line else {"failed": "its process ended"}

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def clips_of(path: Path, film: Film, num_clips: int) -> list[dict[str, Any]]:
    """What is asked: first one to warm up, then windows at random places, one in each equal stretch of the film.

    Times of frames are in the middle of a frame's time on screen, so that no rounding decides which is right.
    """
    generator = random.Random(0)
    stretch = (film.duration_seconds - WINDOW_SECONDS) / num_clips
    starts = [stretch * (number + generator.random()) for number in range(num_clips)]
    generator.shuffle(starts)
    centres = [(frame + 0.5) * WINDOW_SECONDS / NUM_FRAMES for frame in range(NUM_FRAMES)]
    return [
        {
            "path": str(path),
            "start_seconds": start,
            "stop_seconds": start + WINDOW_SECONDS,
            "frame_times_seconds": [(int((start + centre) * 25) + 0.5) / 25 for centre in centres],
            "width_px": round(SHORT_SIDE_PX * film.width_px / film.height_px),
        }
        for start in [starts[0], *starts]
    ]


def summary(answers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of one decoder on one film: clips a second and core, and how right they are."""
    failed = [answer["failed"] for answer in answers if "failed" in answer]
    if failed:
        return {"failed": failed[0]}
    picture = statistics.median(answer["picture_seconds"]["cpu"] for answer in answers)
    found = {
        "exact_frames": round(statistics.fmean(answer["exact"] for answer in answers), 3),
        "pictures_per_second": round(1 / picture, 2),
    }
    if "sound_seconds" in answers[0]:
        whole = [answer["picture_seconds"]["cpu"] + answer["sound_seconds"]["cpu"] for answer in answers]
        lags = [abs(answer["sound_lag_ms"]) for answer in answers]
        found["clips_per_second"] = round(1 / statistics.median(whole), 2)
        found["sound_lag_ms"] = None if any(map(math.isnan, lags)) else round(max(lags), 2)
    return found


def ratios(found: dict[str, dict[str, Any]]) -> dict[str, float]:
    """How often as fast this library is as the fastest other one that is as exact; none that is, no ratio."""
    ours = found["vlsa"]
    exact = [one for name, one in found.items() if name != "vlsa" and one.get("exact_frames") == 1.0]
    heard = [one for one in exact if one.get("sound_lag_ms") is not None and one["sound_lag_ms"] <= MOST_LAG_MS]
    rivals = {
        "pictures": [one["pictures_per_second"] for one in exact],
        "clips": [one["clips_per_second"] for one in heard],
    }
    rates = {"pictures": ours["pictures_per_second"], "clips": ours["clips_per_second"]}
    return {name: round(rates[name] / max(others), 2) for name, others in rivals.items() if others}


def measure(path: Path, film: Film, decoders: dict[str, Asked], num_clips: int) -> dict[str, Any]:
    """All decoders on one film, clip by clip in turn; the first clip warms up."""
    answers: dict[str, list[dict[str, Any]]] = {name: [] for name in decoders}
    for wanted in clips_of(path, film, num_clips):
        for name, decoder in decoders.items():
            answers[name].append(decoder.clip(wanted))
    found = {name: summary(told[1:]) for name, told in answers.items()}
    return {"decoders": found, "ratio_to_best_exact": ratios(found)}


def made(folder: Path, name: str, film: Film) -> Path:
    """The film, made unless it is there."""
    path = folder / f"{name.replace(' ', '-').replace(',', '')}.mp4"
    if not path.exists():
        print(f"making {name}", file=sys.stderr)
        write_film(path.with_suffix(".part.mp4"), film)
        path.with_suffix(".part.mp4").rename(path)
    return path


def show(name: str, results: dict[str, Any]) -> None:
    """One film as lines."""
    print(f"\n{name}: ratio to the best that is as exact: {results['ratio_to_best_exact']}", file=sys.stderr)
    for decoder, found in results["decoders"].items():
        print(f"  {decoder:24}{', '.join(f'{what} {value}' for what, value in found.items())}", file=sys.stderr)


def main() -> int:
    """Measure, print, and end with the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=10, help="clips decoded of each film")
    parser.add_argument("--peers", default=sys.executable, help="Python that has the other decoders")
    parser.add_argument("--only", default="", help="films with this in their name")
    parser.add_argument("--files", type=Path, help="keep the films in this folder")
    parser.add_argument("--out", type=Path, help="append the record to this file")
    options = parser.parse_args()
    asked = {name: Asked(name, sys.executable if name == "vlsa" else options.peers) for name in DECODERS}
    missing = {name: one.told["missing"] for name, one in asked.items() if "missing" in one.told}
    for name, why in missing.items():
        print(f"{name}: cannot be loaded, so it is left out: {why}", file=sys.stderr)
    decoders = {name: one for name, one in asked.items() if name not in missing}
    versions = {name: one.told["version"] for name, one in decoders.items()}
    head = {"bench": "decode", **circumstances(), "decoders": versions, "missing": missing, "clips": options.clips}
    record = head | {"results": {}}
    with tempfile.TemporaryDirectory() as folder:
        for name, film in FILMS.items():
            if options.only in name:
                path = made(options.files or Path(folder), name, film)
                record = head | {"results": {name: measure(path, film, decoders, options.clips)}}
                show(name, record["results"][name])
                append(record, options.out)
    for decoder in asked.values():
        decoder.close()
    return finish(record, None)


if __name__ == "__main__":
    sys.exit(main())
