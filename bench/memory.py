"""Does the memory of a process that decodes clip after clip stay as it is?

Why: a worker of `vlsa prepare` decodes thousands of clips, and a training that reads from media files millions; a few
kilobytes that stay behind each would end it. Clips at random places of films of every codec that the other benches
have, and of a damaged one, which raises an error each time, are decoded in turn in one process. After the first 200 the
resident memory is taken every 100 clips; what is told is by how much it is ever above that. The films are small, since
it is the number of clips that counts. (Of a reading process with a million clips in its store, see store_index.py.)

Run: python bench/memory.py [--clips 5000] [--out bench/results/memory.jsonl]. Needs /proc, so Linux. The last line of
stdout is one JSON record.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from films import ENCODERS, Film, write_film
from records import circumstances, finish

from vlsa.base.errors import MediaError
from vlsa.data.media.decode import MediaFacts, decode, probe, regular_times

NUM_WARM_UP, EVERY = 200, 100
FILM_SECONDS, CLIP_SECONDS = 6.0, 2.0


def resident_mib() -> float:
    """Memory of this process that is in RAM."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def make_films(folder: Path) -> list[MediaFacts]:
    """A film of each codec, and one with a hole in its middle."""
    for codec in ENCODERS:
        write_film(folder / f"{codec}.mp4", Film(320, 180, FILM_SECONDS, codec, key_interval=25))
    data = bytearray((folder / "h264.mp4").read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 8] = random.Random(0).randbytes(len(data) // 8)
    (folder / "damaged.mp4").write_bytes(data)
    return [probe(path) for path in sorted(folder.iterdir())]


def decode_one(facts: MediaFacts, start_seconds: float) -> bool:
    """Decode a clip; whether it is whole."""
    try:
        clip = decode(
            facts.path,
            start_seconds,
            start_seconds + CLIP_SECONDS,
            frame_times_seconds=regular_times(CLIP_SECONDS, 4),
            short_side_px=128,
            sample_rate_hz=11_025,
            facts=facts,
        )
    except MediaError:
        return False
    assert clip.frames is not None and clip.sound is not None, clip
    return True


def measure(films: Sequence[MediaFacts], num_clips: int) -> dict[str, Any]:
    """Memory after the warm-up, and by how much it grows at most."""
    generator, found, num_whole, started = random.Random(1), [], 0, time.perf_counter()
    for number in range(num_clips):
        if number >= NUM_WARM_UP and (number - NUM_WARM_UP) % EVERY == 0:
            found.append(resident_mib())
            print(f"{number} clips: {found[-1]:.1f} MiB", file=sys.stderr)
        num_whole += decode_one(films[number % len(films)], generator.uniform(0, FILM_SECONDS - CLIP_SECONDS))
    found.append(resident_mib())
    return {
        "clips": num_clips,
        "clips_that_are_damaged": num_clips - num_whole,
        "after_warm_up_mib": round(found[0], 1),
        "at_the_end_mib": round(found[-1], 1),
        "most_growth_mib": round(max(found) - found[0], 1),
        "seconds": round(time.perf_counter() - started, 1),
    }


def main() -> int:
    """Measure, print, and end with the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=5000, help="clips decoded")
    parser.add_argument("--out", type=Path, help="append the record to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = measure(make_films(Path(folder)), options.clips)
    return finish({"bench": "memory", **circumstances(), "results": results}, options.out)


if __name__ == "__main__":
    sys.exit(main())
