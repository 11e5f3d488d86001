"""How the parts of a question should be added: four rules on made vectors.

Why: a question such as "a dog barks", like this sound, unlike music, has parts in different spaces, whose cosines have
different heights and spreads. Windows with two independent things at 5% each are made, the one asked in words and the
other by an example; both wanted (like, like), or the first without the second (like, unlike). The number is the mean
average precision of the ranking: raw sum of cosines, sum of robust z, that sum with the unlike part cut at 0 (what the
search does), and reciprocal rank fusion.

Run: python bench/question_sum.py [--windows 4000] [--seeds 20]. Seconds. The last line of stdout is one JSON record.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from records import above_zero, circumstances, exit_status, finish

from vlsa.retrieve.encode.fusion import RANK_OFFSET, ranks_of
from vlsa.retrieve.search.combine import Term, combine
from vlsa.retrieve.search.stand_out import Typical

WIDTH = 64
CASES = {
    "alike": (0.5, 0.5, 0.0),
    "the first space is three times as narrow": (0.35, 1.2, 2.0),
    "the second part is far stronger": (0.4, 1.5, 0.0),
}
"""How strong the two things are in their windows, and how much all vectors of the first space have in common."""


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1."""
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def made(
    generator: np.random.Generator, num_windows: int, first: float, second: float, common: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Cosines with both parts, and which windows have the first and the second thing."""
    has = generator.random((2, num_windows)) < 0.05
    has[:, generator.choice(num_windows, 10, replace=False)] = True
    cosines = []
    for strength, shared, here in ((first, common, has[0]), (second, 0.0, has[1])):
        asked, mean = unit(generator.normal(size=(2, WIDTH)))
        windows = unit(shared * mean + unit(generator.normal(size=(num_windows, WIDTH))))
        cosines.append(unit(windows + strength * here[:, None] * asked) @ asked)
    return cosines[0], cosines[1], has[0], has[1]


def precision(scores: np.ndarray, wanted: np.ndarray) -> float:
    """Average precision of a ranking."""
    places = np.sort(ranks_of(scores)[wanted])
    return float(np.mean(np.arange(1, len(places) + 1) / places))


def rules(one: np.ndarray, other: np.ndarray, sign: int) -> dict[str, np.ndarray]:
    """The scores of the windows under each rule."""
    first, second = (Typical.of(cosines).stand_out(cosines) for cosines in (one, other))
    return {
        "sum of cosines": one + sign * other,
        "sum of z": first + sign * second,
        "sum of z, unlike cut at 0": combine([Term(1, one), Term(sign, other)]),
        "reciprocal rank": 1 / (RANK_OFFSET + ranks_of(one)) + sign / (RANK_OFFSET + ranks_of(other)),
    }


def main() -> int:
    """Measure, print a table and the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=above_zero(int), default=4000, help="of an index")
    parser.add_argument("--seeds", type=above_zero(int), default=20, help="made indexes, over which the mean goes")
    parser.add_argument("--out", type=Path, help="results file")
    options = parser.parse_args()
    results: dict[str, dict[str, float]] = {}
    for case, settings in CASES.items():
        for name, sign in (("like, like", 1), ("like, unlike", -1)):
            found: dict[str, list[float]] = {}
            for seed in range(options.seeds):
                one, other, has_one, has_other = made(np.random.default_rng(seed), options.windows, *settings)
                wanted = has_one & (has_other if sign > 0 else ~has_other)
                for rule, scores in rules(one, other, sign).items():
                    found.setdefault(rule, []).append(precision(scores, wanted))
            results[f"{case}; {name}"] = {rule: round(float(np.mean(values)), 4) for rule, values in found.items()}
            print(f"{case}; {name}: {results[f'{case}; {name}']}")
    record = {"bench": "question_sum", "num_windows": options.windows, "num_seeds": options.seeds, **circumstances()}
    return finish(record | {"results": results}, options.out)


if __name__ == "__main__":
    sys.exit(exit_status(main))
