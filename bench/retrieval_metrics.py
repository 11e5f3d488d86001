"""How long do exact ranks take in a large gallery, and in how much memory?

Why it matters: the cost grows with queries times items, so a way that is right for 1,000 clips can be out of reach for
a million. Vectors are random pairs with much noise, as a model that has learned something gives. Measured are: the
ranks of ranks.py; the plain way to the same ranks, every tile in float64; on a fifth of the gallery, a collapsed model,
whose every score is a tie, and one pass of a re-ranking's normaliser; and the bootstrap.

    python bench/retrieval_metrics.py --pairs 50000 --out bench/results/retrieval_metrics.jsonl

Times are medians and the slowest of `--repeats` after a warm-up on a small gallery; memory is the peak that the process
allocates for the call, from a separate untimed run. The estimate for a million by a million is the measured time per
pair times 10^12, one direction, on this machine: it is not measured. The last line of stdout is one JSON record;
`--out` appends it to a file.
"""

import argparse
import os
import platform
import statistics
import subprocess
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from records import finish

from vlsa.retrieve.evaluate.metrics import score
from vlsa.retrieve.evaluate.ranks import TILE_BYTES, Ranks, ranks_of_embeddings
from vlsa.retrieve.evaluate.rerank import log_sums

MILLION = 10**6


def noisy_pairs(num_pairs: int, width: int, noise: float = 2.5) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of queries and of the items that are right for them, a cosine of about 1 / (1 + noise²) apart."""
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((num_pairs, width), dtype=np.float32)
    sides = [truth + noise * rng.standard_normal(truth.shape, dtype=np.float32) for _ in range(2)]
    return tuple(side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides)


def plain_ranks(queries: np.ndarray, items: np.ndarray) -> Ranks:
    """Blocks of queries against all items in float64, rounded: the plain way to the same ranks."""
    parts = []
    wide = items.astype(np.float64).T
    step = max(TILE_BYTES // (8 * len(items)), 1)
    for start in range(0, len(queries), step):
        scores = (queries[start : start + step].astype(np.float64) @ wide).astype(np.float32)
        best = scores[np.arange(len(scores)), np.arange(start, start + len(scores))][:, None]
        parts.append([np.count_nonzero(scores > best, axis=1), np.count_nonzero(scores == best, axis=1) - 1])
    above, tied = np.concatenate(parts, axis=1)
    return Ranks(above, tied, np.ones_like(above), len(items))


def seconds_of(call: Callable[[], Any], repeats: int) -> tuple[list[float], list[float]]:
    """Seconds of each call, by the clock and of processor time, which another process on the machine adds less to."""
    clock, processor = [], []
    for _ in range(repeats):
        started = time.perf_counter(), time.process_time()
        call()
        clock.append(time.perf_counter() - started[0])
        processor.append(time.process_time() - started[1])
    return clock, processor


def peak_mib(call: Callable[[], Any]) -> float:
    """Most memory that a call allocates at a time."""
    tracemalloc.start()
    call()
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return round(peak_bytes / 2**20, 1)


def timed(call: Callable[[], Any], num_pairs: int, repeats: int) -> dict[str, float]:
    """Time, memory and pace of a call that looks at so many pairs."""
    seconds, processor_seconds = seconds_of(call, repeats)
    middle = statistics.median(seconds)
    return {
        "seconds_median": round(middle, 3),
        "seconds_slowest": round(max(seconds), 3),
        "processor_seconds_median": round(statistics.median(processor_seconds), 3),
        "million_pairs_per_second": round(num_pairs / middle / MILLION, 1),
        "peak_mib": peak_mib(call),
    }


def measure(num: int, width: int, repeats: int) -> dict[str, Any]:
    """All that the record's results hold."""
    queries, items = noisy_pairs(num, width)
    same = np.repeat(items[:1], num // 5, axis=0)
    some = queries[: num // 5], items[: num // 5]
    for call in (ranks_of_embeddings, plain_ranks):  # warm-up
        call(queries[:2000], items[:2000])
    ranks = ranks_of_embeddings(queries, items)
    plain = plain_ranks(queries, items)
    equal = [np.array_equal(getattr(ranks, name), getattr(plain, name)) for name in ("above", "tied_wrong")]
    results = {
        "ranks": timed(lambda: ranks_of_embeddings(queries, items), num**2, repeats),
        "ranks_in_float64": timed(lambda: plain_ranks(queries, items), num**2, repeats),
        "ranks_of_collapsed": timed(lambda: ranks_of_embeddings(same, same), len(same) ** 2, repeats),
        "normaliser_pass": timed(lambda: log_sums(*some, 100.0), len(some[0]) ** 2, repeats),
        "bootstrap_100_resamples": timed(lambda: score(ranks, num_resamples=100), num * 100, repeats),
        "equal_to_float64": all(equal),
        "r1": round(float(ranks.hits(1).mean()), 4),
    }
    pace = results["ranks"]["million_pairs_per_second"]
    return {**results, "estimated_hours_million_by_million": round(MILLION / pace / 3600, 2)}


def record(options: argparse.Namespace, results: dict[str, Any]) -> dict[str, Any]:
    """The results with what is needed to understand them later."""
    git = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent, check=False
    )
    cpu = {"cpu": platform.processor() or platform.machine(), "num_cpus": os.cpu_count()}
    return {
        "bench": "retrieval_metrics",
        "commit": git.stdout.strip() if git.returncode == 0 else None,
        "hardware": {
            **cpu,
            "threads": os.environ.get("OMP_NUM_THREADS"),
            "load_1_minute": round(os.getloadavg()[0], 2),
        },
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "queries": options.pairs,
        "items": options.pairs,
        "width": options.width,
        "tile_mib": TILE_BYTES // 2**20,
        "results": results,
    }


def main() -> int:
    """Measure, print, and end with the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=50_000, help="queries, and items")
    parser.add_argument("--width", type=int, default=256, help="width of the vectors")
    parser.add_argument("--repeats", type=int, default=3, help="timed calls")
    parser.add_argument("--out", type=Path, help="append the record to this file")
    options = parser.parse_args()
    results = measure(options.pairs, options.width, options.repeats)
    return finish(record(options, results), options.out)


if __name__ == "__main__":
    raise SystemExit(main())
