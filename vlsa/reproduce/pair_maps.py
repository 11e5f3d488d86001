"""Figure 5: maps of positive and negative pairs of text and video, for GAM and VTM, with their numbers.

Reads the pre-trained runs of seed 0; the maps are those of `vlsa show` (show/compute/pair_map.py).
"""

import json
from pathlib import Path

from vlsa.base.files import write_atomically
from vlsa.data.loading.dataset import open_dataset
from vlsa.reproduce.plan import Plan, place
from vlsa.reproduce.targets import Target
from vlsa.retrieve.encode.embed import embed_store
from vlsa.retrieve.encode.encoders import load
from vlsa.retrieve.evaluate.results import markdown_table
from vlsa.show.compute.numbers import TABLE_HEADER
from vlsa.show.compute.pair_map import pair_map
from vlsa.show.plots.pair_map_plot import draw_pair_maps

PAIR = "text-video"
NUM_PAIRS = 1000
"""Positive pairs, and as many negative ones, as in the paper; fewer if there are fewer clips."""


def draw_pairs(target: Target, plan: Plan, out: Path) -> list[Path]:
    """Write OUT/figure5_pairs.png and OUT/figure5_pairs.json, and append the numbers to OUT/figure5.md."""
    clips, maps = open_dataset(plan.measured_on), {}
    for arm in target.arms:
        embeddings = embed_store(load(place(out, arm, 0).pretrained), clips, plan.split)
        maps[arm.label] = pair_map(embeddings, PAIR, num_pairs=NUM_PAIRS)
    numbers = [number for label, drawn in maps.items() for number in drawn.numbers(label)]
    table = "\n".join(markdown_table(TABLE_HEADER[1:], (number.row()[1:] for number in numbers)))
    page = out / f"{target.name}.md"
    about = (
        "## Pairs of text and video, as pre-trained, seed 0\n\nAlignment is the mean squared distance of positive "
        "pairs, uniformity the logarithm of the mean of exp(-2 d²) over all pairs of a modality's vectors (Wang and "
        "Isola 2020); lower is better for both. A point of the map is the product of a pair's two globals."
    )
    write_atomically(page, f"{page.read_text(encoding='utf-8')}\n{about}\n\n{table}\n".encode())
    facts = out / f"{target.name}_pairs.json"
    write_atomically(facts, json.dumps([number.as_dict() for number in numbers], indent=1).encode() + b"\n")
    return [draw_pair_maps(maps, out / f"{target.name}_pairs.png"), facts]
