"""An example that is longer than a window: one question by its mean, or several, and fused how? On made vectors.

Why: an example film of minutes shows many things, and the mean of its windows is like none of them. A tape of 500 clips
of 3 s and 1,500 clips of other tapes are made as vectors: clips of 400 kinds, of which those of a kind are alike, all
with something in common, and noise in each window; windows lie half a window apart, so that every other one shows two
halves. The tape is asked for by itself, and by 60 and 20 s of it from anywhere; noise is drawn anew. Right are the
windows of which half or more lies in what is asked with. Rules: the mean of the windows' vectors; the best of their
cosines (what the search does); the best of them in spreads of the index each; the best of their ranks. Given are the
median of the rank of the first right window, and the mean average precision.

Run: python bench/long_example.py [--excerpts 12] [--seeds 4]. A minute. The last line of stdout is one JSON record.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from records import above_zero, circumstances, exit_status, finish

from vlsa.retrieve.encode.fusion import ranks_of
from vlsa.retrieve.search.stand_out import Typical

WIDTH, NUM_KINDS, NUM_CLIPS, NUM_OTHERS = 64, 400, 500, 1500
CASES = {"wide space": (0.0, 0.7), "narrow space": (2.0, 0.7), "wide space, twice the noise": (0.0, 1.5)}
"""How much all vectors have in common, and the noise of a window; a clip has length 1."""
LENGTHS = {"the tape itself": NUM_CLIPS, "60 s": 20.0, "20 s": 20 / 3}
"""Clips that are asked with."""
NUM_WINDOWS = (8, 32)
"""Most windows of a question."""


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1."""
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


class Made:
    """Clips of all tapes, and windows of them."""

    def __init__(self, generator: np.random.Generator, common: float, noise: float) -> None:
        self.generator, self._noise = generator, noise
        own = unit(generator.normal(size=(NUM_CLIPS + NUM_OTHERS, WIDTH)))
        kinds = unit(generator.normal(size=(NUM_KINDS, WIDTH)))[generator.integers(0, NUM_KINDS, len(own))]
        self._clips = unit(0.6 * own + 0.8 * kinds)
        self._common = common * unit(generator.normal(size=WIDTH))

    def windows(self, starts: np.ndarray) -> np.ndarray:
        """Windows that start so many clips after the start of all."""
        first = np.floor(starts).astype(int)
        share = (starts - first)[:, None]
        after = self._clips[np.minimum(first + 1, len(self._clips) - 1)]
        noise = self._noise * self.generator.normal(size=after.shape) / np.sqrt(WIDTH)
        return unit(self._common + unit((1 - share) * self._clips[first] + share * after + noise))


def scores(rows: np.ndarray, questions: np.ndarray) -> dict[str, np.ndarray]:
    """What each rule makes of the windows of a question: a score for each row."""
    each = rows @ questions.T
    best = each.max(axis=1)
    spreads = [Typical.of(cosines).stand_out(cosines) for cosines in each.T]
    return {
        "mean": rows @ unit(questions.sum(axis=0)),
        "best cosine": best,
        "best in spreads": np.max(spreads, axis=0),
        "best rank": 1e-3 * best - np.min([ranks_of(cosines) for cosines in each.T], axis=0),
    }


def found(score: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """Rank of the first right row, and average precision."""
    places = np.sort(ranks_of(score)[right])
    return float(places[0]), float(np.mean(np.arange(1, len(places) + 1) / places))


def asked(made: Made, num_excerpts: int) -> Iterator[tuple[str, str, float, float]]:
    """Question, rule, rank of the first right window and average precision, for an index and its questions."""
    starts = np.arange(0, NUM_CLIPS + NUM_OTHERS - 1, 0.5)
    rows = made.windows(starts)
    for kind, length in LENGTHS.items():
        for _ in range(num_excerpts if length < NUM_CLIPS else 1):
            first = made.generator.uniform(0, NUM_CLIPS - length)
            right = (starts + 0.5 >= first) & (starts + 0.5 <= min(first + length, NUM_CLIPS))
            for most in NUM_WINDOWS:
                count = min(int(np.ceil(length - 0.05)), most)
                questions = made.windows(np.linspace(first, first + length - 1, count))
                for rule, score in scores(rows, questions).items():
                    yield f"{kind}, up to {most} windows", rule, *found(score, right)


def main() -> int:
    """Measure, print a table and the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--excerpts", type=above_zero(int), default=12, help="of each length, of each made index")
    parser.add_argument("--seeds", type=above_zero(int), default=4, help="made indexes")
    parser.add_argument("--out", type=Path, help="results file")
    options = parser.parse_args()
    results: dict[str, dict[str, dict[str, float]]] = {}
    for case, settings in CASES.items():
        values: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for seed in range(options.seeds):
            for question, rule, *pair in asked(Made(np.random.default_rng(seed), *settings), options.excerpts):
                values.setdefault((f"{case}: {question}", rule), []).append((pair[0], pair[1]))
        for (name, rule), pairs in values.items():
            first, precision = np.median([one for one, _ in pairs]), np.mean([other for _, other in pairs])
            results.setdefault(name, {})[rule] = {"first": float(first), "map": round(float(precision), 3)}
    for name, rules in results.items():
        print(f"{name:<58}", *(f"{rule} {one['first']:g} / {one['map']:.3f};" for rule, one in rules.items()))
    facts = {"num_excerpts": options.excerpts, "num_seeds": options.seeds}
    return finish({"bench": "long_example", **facts, **circumstances(), "results": results}, options.out)


if __name__ == "__main__":
    sys.exit(exit_status(main))
