"""Which facts of the made world does a model's text-to-video retrieval get right?

Why it matters: R@k says how often the right clip is found, not what the model knows of it. Sound tells size, motion,
count and tempo, and never colour, shape or direction; so a model that met its pictures through the sound alone should
find clips of the right motion and of any colour. For each caption the first ten pictures are taken, and for each fact
of the caption's clip the share of these pictures that agree with it. Captions leave some facts out, so that 100% is out
of reach.

    python bench/retrieved_facts.py RUN [RUN ...] --data world:train=0,test=1000

A line a run on stdout; the last line is one JSON record of all runs, which `--out FILE` appends to a file.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from records import finish

from vlsa.data.loading.dataset import open_dataset
from vlsa.data.world import world_log
from vlsa.data.world.events import COMBINATION
from vlsa.retrieve.encode.embed import embed_store
from vlsa.retrieve.encode.encoders import load
from vlsa.retrieve.evaluate.evaluate import library_versions, source_commit

FACTS = ("colour", "shape", "direction", "size", "motion", "count", "tempo")
"""Seen only, then seen and heard."""
FIRST = 10


def agreement(run: Path, data: str) -> dict[str, float]:
    """Share of the first FIRST pictures that agree with the query's clip, fact by fact, over all captions."""
    clips = open_dataset(data)
    rows = clips.rows("test")
    facts = [world_log(clips.spec.seed, "test", row.index)[0].facts for row in rows]
    embeddings = embed_store(load(run), clips, "test")
    first = np.argsort(-(embeddings.text @ embeddings.video.T), axis=1, kind="stable")[:, :FIRST]
    shares = {}
    for name in FACTS:
        values = np.array([str(getattr(fact, name)) for fact in facts])
        shares[name] = float((values[first] == values[embeddings.text_clip][:, None]).mean())
    return shares


def chance() -> dict[str, float]:
    """Of a random picture: each value of a fact is as likely; two directions."""
    return {name: 1 / (len(COMBINATION[name]) if name in COMBINATION else 2) for name in FACTS}


def main() -> int:
    """Measure, print, and end with the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="runs of vlsa pretrain or finetune")
    parser.add_argument("--data", default="world:train=0,test=1000", help="a made world")
    parser.add_argument("--out", type=Path, help="append the record to this file")
    options = parser.parse_args()
    results = {"chance": chance()}
    print(f"{'agreement of the first 10, %':40}", *(f"{name:>9}" for name in FACTS))
    for run in options.runs:
        results[str(run)] = agreement(run, options.data)
    for name, shares in results.items():
        print(f"{name[-40:]:40}", *(f"{100 * shares[fact]:9.1f}" for fact in FACTS))
    record = {"bench": "retrieved_facts", "data": options.data, "commit": source_commit()}
    return finish({**record, "versions": library_versions(), "results": results}, options.out)


if __name__ == "__main__":
    sys.exit(main())
