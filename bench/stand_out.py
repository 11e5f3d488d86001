"""How often is "nothing here stands out" right? Questions with an answer in the index, and questions with none.

Why: a search always has a best answer. Whoever asks for what is not there should be told so, and whoever asks for what
is there should not be. From held-out clips of the made world an index is made without one value of one fact (no star,
no green, nothing that swings). Questions with an answer are the captions of clips that are in it; questions without are
those of the clips left out, which differ from what is there in one fact or more. Every value is left out once. Four
rules are compared by the area under the curve (the share of pairs, one question of each kind, that they put in the
right order) and by the equal error rate: the cosine of the best window, its stand-out, its distance from the tenth in
spreads, and its stand-out above what chance gives for so many windows. Then the errors of the stand-out at thresholds.

Run: python bench/stand_out.py RUN [--clips 400] [--in media] [--out bench/results/stand_out.jsonl]
RUN may be `untrained`, whose numbers are those of chance. Minutes with `tiny`. The last line is one JSON record.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from records import above_zero, circumstances, exit_status, finish

from vlsa.data.world.clips import made_clips, world_log
from vlsa.data.world.events import COMBINATION
from vlsa.retrieve.encode.embed import embed_clips
from vlsa.retrieve.search.stand_out import LEAST_STAND_OUT, Typical, best_by_chance

FACTS = {
    "media": ("shape", "colour", "motion"),
    "video": ("shape", "colour", "motion"),
    "audio": ("material", "motion"),
}
"""What can be left out, by what is compared with the question."""
THRESHOLDS = (2.0, 2.5, LEAST_STAND_OUT, 3.5, 4.0)


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


def rules(scores: np.ndarray) -> dict[str, float]:
    """What each rule says of one question, from the scores of all windows: higher = rather an answer."""
    typical = Typical.of(scores)
    first, tenth = np.sort(scores)[[-1, -10]]
    best = float(typical.stand_out(np.array([first]))[0])
    return {
        "cosine": float(first),
        "stand-out": best,
        "distance from the tenth": float((first - tenth) / (typical.spread or 1)),
        "stand-out above chance": best - best_by_chance(len(scores)),
    }


def asked(texts: np.ndarray, windows: np.ndarray, facts: list[Any], names: tuple[str, ...]) -> dict[str, list[Any]]:
    """For each rule the numbers of questions with an answer and of those without, over all values left out."""
    found: dict[str, list[Any]] = {}
    for name in names:
        values = np.array([str(getattr(fact, name)) for fact in facts])
        for value in map(str, COMBINATION[name]):
            there = values != value
            scores = texts @ windows[there].T
            for row, is_there in zip(scores, there, strict=True):
                for rule, number in rules(row).items():
                    found.setdefault(rule, [[], []])[0 if is_there else 1].append(number)
    return found


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


def main() -> int:
    """Measure, print a table and the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="a run of vlsa pretrain, or `untrained`")
    parser.add_argument("--clips", type=above_zero(int), default=400, help="held-out clips")
    parser.add_argument("--seed", type=int, default=0, help="of the world")
    parser.add_argument("--in", dest="target", choices=FACTS, default="media", help="what questions are compared with")
    parser.add_argument("--out", type=Path, help="results file")
    options = parser.parse_args()
    embeddings = embed_clips(encoder_of(options.run), made_clips(options.seed, range(options.clips), split="test"))
    facts = [world_log(options.seed, "test", number)[0].facts for number in range(options.clips)]
    texts = embeddings.clip_text()
    found = asked(texts, getattr(embeddings, options.target), facts, FACTS[options.target])
    results: dict[str, Any] = {}
    for rule, numbers in found.items():
        there, absent = map(np.array, numbers)
        results[rule] = curve(there, absent) | {"num_with_answer": len(there), "num_without": len(absent)}
        print(f"{rule:<24} area {results[rule]['area']:.3f}, equal error {results[rule]['equal_error']:.3f}")
    there, absent = map(np.array, found["stand-out"])
    results["at"] = {
        str(at): {"answer missed": float(np.mean(there < at)), "false answer": float(np.mean(absent >= at))}
        for at in THRESHOLDS
    }
    print(*(f"stand-out {at}: {errors}" for at, errors in results["at"].items()), sep="\n")
    record = {"bench": "stand_out", "run": options.run, "in": options.target, "num_clips": options.clips}
    return finish(record | circumstances() | {"results": results}, options.out)


if __name__ == "__main__":
    sys.exit(exit_status(main))
