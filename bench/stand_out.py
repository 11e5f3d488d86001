"""How often is "nothing here stands out" right? Questions with an answer in the index, and questions with none.

Why: a search always has a best answer. Whoever asks for what is not there should be told so, and whoever asks for what
is there should not be. From held-out clips of the made world an index is made without one value of one fact (no star,
no green, nothing that swings). Questions with an answer are the captions of clips that are in it; questions without are
those of the clips left out, which differ from what is there in one fact or more. Every value is left out once.

One table, for indexes of several sizes: the errors of the rule at a range of margins above chance, as "questions with
an answer that are told nothing / questions without one that are not told", in percent. Below them four numbers that a
rule could go by, compared by their equal error rate: the cosine of the best window, its stand-out, its distance from
the tenth in spreads, and its stand-out above what chance gives for so many windows.

Run: python bench/stand_out.py RUN [--sizes 100 200 400] [--in media] [--out bench/results/stand_out.jsonl]
RUN may be `untrained`, whose numbers are those of chance. Minutes with `tiny`. The last line is one JSON record.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from records import above_zero, circumstances, exit_status, finish

from vlsa.data.world.clips import made_clips, world_log
from vlsa.data.world.events import COMBINATION
from vlsa.retrieve.encode.embed import embed_clips
from vlsa.retrieve.search.stand_out import Typical, best_by_chance, nothing_stands_out

FACTS = {
    "media": ("shape", "colour", "motion"),
    "video": ("shape", "colour", "motion"),
    "audio": ("material", "motion"),
}
"""What can be left out, by what is compared with the question."""
MARGINS = (-0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)
FEWEST_CLIPS = 50
"""With fewer, an index without one value may have fewer windows than the rule needs."""


def encoder_of(run: str) -> Any:
    """The model of a run, or an untrained one."""
    from vlsa.config.recipes import recipe
    from vlsa.data.loading.tokenizer import Tokenizer
    from vlsa.pretrain.checkpoint import build_model
    from vlsa.retrieve.encode.encoders import VlsaEncoder, load

    if run != "untrained":
        return load(run)
    config = recipe("tiny")
    tokenizer = Tokenizer.of_size(config.model.text.vocabulary_size)
    return VlsaEncoder(build_model(config, tokenizer).eval(), tokenizer)


@dataclass(frozen=True)
class Asked:
    """A question that was asked: whether its answer was there, and what a rule could go by."""

    is_there: bool
    num_windows: int
    rules: dict[str, float]
    """Higher = rather an answer."""


def rules(scores: np.ndarray) -> dict[str, float]:
    """What each rule says of one question, from the scores of all windows."""
    typical = Typical.of(scores)
    first, tenth = np.sort(scores)[[-1, -10]]
    best = float(typical.stand_out(np.array([first]))[0])
    return {
        "cosine": float(first),
        "stand-out": best,
        "distance from the tenth": float((first - tenth) / (typical.spread or 1)),
        "stand-out above chance": best - best_by_chance(len(scores)),
    }


def asked(texts: np.ndarray, windows: np.ndarray, facts: list[Any], names: tuple[str, ...]) -> list[Asked]:
    """Every question asked of every index that lacks one value."""
    found = []
    for name in names:
        values = np.array([str(getattr(fact, name)) for fact in facts])
        for value in map(str, COMBINATION[name]):
            there = values != value
            scores = texts @ windows[there].T
            found += [
                Asked(bool(is_there), int(there.sum()), rules(row)) for row, is_there in zip(scores, there, strict=True)
            ]
    return found


def errors(questions: list[Asked], margin: float) -> dict[str, float]:
    """Shares of questions with an answer that are told "nothing", and of those without one that are not."""
    told = np.array([nothing_stands_out(one.rules["stand-out"], one.num_windows, margin) for one in questions])
    is_there = np.array([one.is_there for one in questions])
    return {"answer_missed": float(told[is_there].mean()), "not_told": float((~told[~is_there]).mean())}


def curve(there: np.ndarray, absent: np.ndarray) -> dict[str, float]:
    """Area under the curve, and the error rate where both kinds of error are as frequent, with its threshold."""
    order = np.sort(absent)
    below = (np.searchsorted(order, there, "left") + np.searchsorted(order, there, "right")) / 2
    thresholds = np.unique(np.concatenate([there, absent]))
    missed = np.array([np.mean(there < threshold) for threshold in thresholds])
    false = np.array([np.mean(absent >= threshold) for threshold in thresholds])
    at = int(np.argmin(np.abs(missed - false)))
    area = float(below.mean() / len(absent))
    return {"area": area, "equal_error": float((missed[at] + false[at]) / 2), "threshold": float(thresholds[at])}


def measured(questions: list[Asked]) -> dict[str, Any]:
    """Of one size of index: the errors at each margin, and how well each rule tells the two kinds apart."""
    is_there = np.array([one.is_there for one in questions])
    curves = {}
    for rule in questions[0].rules:
        numbers = np.array([one.rules[rule] for one in questions])
        curves[rule] = curve(numbers[is_there], numbers[~is_there])
    counts = {"num_with_answer": int(is_there.sum()), "num_without": int((~is_there).sum())}
    return counts | {"margins": {str(margin): errors(questions, margin) for margin in MARGINS}, "rules": curves}


def print_table(results: dict[str, Any]) -> None:
    """Sizes side by side."""
    print(f"{'clips':<36}", *(f"{size:>14}" for size in results))
    for margin in map(str, MARGINS):
        pairs = [results[size]["margins"][margin] for size in results]
        cells = [f"{100 * pair['answer_missed']:.1f} / {100 * pair['not_told']:.1f}" for pair in pairs]
        print(f"{'margin ' + margin:<36}", *(f"{cell:>14}" for cell in cells))
    for rule in next(iter(results.values()))["rules"]:
        cells = [f"{100 * results[size]['rules'][rule]['equal_error']:.1f}" for size in results]
        print(f"{rule + ', equal error':<36}", *(f"{cell:>14}" for cell in cells))


def main() -> int:
    """Measure, print a table and the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="a run of vlsa pretrain, or `untrained`")
    parser.add_argument("--sizes", type=above_zero(int), nargs="+", default=[100, 200, 400], help="held-out clips")
    parser.add_argument("--seed", type=int, default=0, help="of the world")
    parser.add_argument("--in", dest="target", choices=FACTS, default="media", help="what questions are compared with")
    parser.add_argument("--out", type=Path, help="results file")
    options = parser.parse_args()
    if min(options.sizes) < FEWEST_CLIPS:
        parser.error(f"--sizes: at least {FEWEST_CLIPS} clips")
    num_clips = max(options.sizes)
    embeddings = embed_clips(encoder_of(options.run), made_clips(options.seed, range(num_clips), split="test"))
    facts = [world_log(options.seed, "test", number)[0].facts for number in range(num_clips)]
    texts, windows = embeddings.clip_text(), getattr(embeddings, options.target)
    results = {
        str(size): measured(asked(texts[:size], windows[:size], facts[:size], FACTS[options.target]))
        for size in sorted({*options.sizes})
    }
    print_table(results)
    record = {"bench": "stand_out", "run": options.run, "in": options.target}
    return finish(record | circumstances() | {"results": results}, options.out)


if __name__ == "__main__":
    sys.exit(exit_status(main))
