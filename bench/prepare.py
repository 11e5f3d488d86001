"""How fast `vlsa prepare` makes a store, of which footage, and what a second worker brings.

Why: everything waits for it, and it is the longest work that is not training. The same clips (6 s, with the frames and
the sound that the recipe `paper` keeps) are prepared from H.264 films of three sizes by one worker process and by two,
in turn, and the best of each counts; the clock starts with the first clip, since starting processes is paid once. What
a core does is measured without workers, in seconds of the processor, so that the load of the machine counts little.

Run: python bench/prepare.py [--clips 32] [--turns 3] [--files FOLDER] [--out bench/results/prepare.jsonl]
The aim is that two workers are 1.8 times as fast as one; a machine with one free core cannot show it. The last line of
stdout is one JSON record.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from films import Film
from records import circumstances, finish

from vlsa.config.recipes import recipe
from vlsa.data.ingest.manifest import ClipRow
from vlsa.data.store.prepare import prepare, store_settings
from vlsa.data.store.shards import StoreSettings

CLIPS_PER_SHARD = 4
"""The unit of work; so small that both workers have some until the end, as in a store of real size."""
FILMS = {"360p": Film(640, 360, 20), "720p": Film(1280, 720, 20), "1080p": Film(1920, 1080, 12)}


def rows_of(path: Path, film: Film, clip_seconds: float, num_clips: int) -> list[ClipRow]:
    """Clips that start evenly over the film."""
    step = (film.duration_seconds - clip_seconds) / max(num_clips - 1, 1)
    starts = [round(number * step, 3) for number in range(num_clips)]
    return [
        ClipRow(f"{number}", str(path), start, start + clip_seconds, ("a film",), "train")
        for number, start in enumerate(starts)
    ]


class FirstCall:
    """When progress was first told."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self, done: int, total: int, message: str) -> None:
        self.seconds = self.seconds or time.perf_counter()


def clock_seconds(rows: Sequence[ClipRow], settings: StoreSettings, num_workers: int) -> float:
    """From the first clip to the finished store."""
    first = FirstCall()
    with tempfile.TemporaryDirectory() as folder:
        prepare(rows, Path(folder) / "store", settings, num_workers=num_workers, progress=first)
        return time.perf_counter() - first.seconds


def processor_seconds(rows: Sequence[ClipRow], settings: StoreSettings) -> float:
    """Of this process alone, which decodes everything."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.process_time()
        prepare(rows, Path(folder) / "store", settings, num_workers=0)
        return time.process_time() - begin


def measure(path: Path, film: Film, num_clips: int, num_turns: int) -> dict[str, Any]:
    """One film: the best of several turns, of which each has one worker, two workers, and none."""
    settings = replace(store_settings(recipe("paper")), clips_per_shard=CLIPS_PER_SHARD)
    rows = rows_of(path, film, settings.window_seconds, num_clips)
    turns = [
        (clock_seconds(rows, settings, 1), clock_seconds(rows, settings, 2), processor_seconds(rows, settings))
        for _ in range(num_turns)
    ]
    one, two, core = map(min, zip(*turns, strict=True))
    hours = num_clips * settings.window_seconds
    return {
        "clips_per_second_and_core": round(num_clips / core, 2),
        "hours_of_footage_an_hour_and_core": round(hours / core, 1),
        "clips_per_second": {"1 worker": round(num_clips / one, 2), "2 workers": round(num_clips / two, 2)},
        "2 workers over 1": round(one / two, 2),
    }


def main() -> int:
    """Measure, print, and end with the record."""
    from decode import made

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=32, help="clips prepared of each film")
    parser.add_argument("--turns", type=int, default=3, help="of which the best counts")
    parser.add_argument("--files", type=Path, help="keep the films in this folder")
    parser.add_argument("--out", type=Path, help="append the record to this file")
    options = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, film in FILMS.items():
            path = made(options.files or Path(folder), f"H.264 {name}", film)
            results[name] = measure(path, film, options.clips, options.turns)
            print(f"{name}: {results[name]}", file=sys.stderr)
    load = round(os.getloadavg()[0], 1)
    record = {"bench": "prepare", **circumstances(), "load_1_minute": load, "clips": options.clips}
    return finish(record | {"results": results}, options.out)


if __name__ == "__main__":
    sys.exit(main())
