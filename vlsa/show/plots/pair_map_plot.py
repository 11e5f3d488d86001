"""The plot of positive and negative pairs, one panel per run or pair of modalities (paper, Figure 5).

Reads compute/pair_map.py; feeds figures.py and the reproduction of Figure 5.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vlsa.base.errors import VlsaError
from vlsa.show.compute.pair_map import PairMap
from vlsa.show.plots.canvas import BLACK, GREY, ORANGE, TEAL, bare, new_figure, plain, save

PANEL_INCHES, GAP_INCHES, BELOW_INCHES = 3.1, 0.3, 1.0
MOST_COLUMNS = 3
CAPTION = (
    "Each point is a pair of global embeddings, represented by their element-wise product: PCA to 50 dimensions, then "
    "t-SNE. Nearby points are similar pairs; axes, cluster sizes and distances between clusters have no meaning. "
    "Alignment: mean squared distance of positive pairs (0 to 4, 2 = unrelated). Uniformity: log of the mean of "
    "exp(-2 d²) over the embeddings of a modality (0 = one point, -4 = spread over a sphere). Lower is better for both "
    "of these. Separation: how often a positive pair has a higher cosine than a negative pair (chance 0.50)."
)


def draw_pair_maps(maps: Mapping[str, PairMap], path: str | Path) -> Path:
    """Draw maps next to each other under their names, such as {"GAM": one, "VTM": other}. Raises VlsaError for none."""
    if not maps:
        raise VlsaError(f"{path}: no pairs to draw. Give at least one map.")
    num_columns = min(len(maps), MOST_COLUMNS)
    num_rows = -(-len(maps) // num_columns)
    width, height = num_columns * (PANEL_INCHES + GAP_INCHES) - GAP_INCHES, num_rows * (PANEL_INCHES + BELOW_INCHES)
    figure = new_figure(width, height)
    edges = {"left": 0, "right": 1, "top": 1, "bottom": BELOW_INCHES / height}
    figure.subplots_adjust(**edges, wspace=GAP_INCHES / PANEL_INCHES, hspace=BELOW_INCHES / PANEL_INCHES)
    for place, (name, drawn) in enumerate(maps.items(), 1):
        _draw_map(figure.add_subplot(num_rows, num_columns, place), name, drawn)
    above = {"loc": "lower left", "bbox_to_anchor": (-0.03, 1.07), "borderaxespad": 0.0}
    figure.axes[0].legend(ncols=2, fontsize=8, frameon=False, labelcolor=GREY, **above)
    return save(figure, path, CAPTION)


def _draw_map(axes: Any, name: str, drawn: PairMap) -> None:
    order = np.random.default_rng(0).permutation(len(drawn.points))  # so that neither kind covers the other
    colours = np.where(drawn.positive, TEAL, ORANGE)[order]
    size = float(np.clip(4000 / len(order), 3, 16))
    axes.scatter(*drawn.points[order].T, s=size, c=colours, alpha=0.65, linewidths=0)
    for colour, label in ((TEAL, "positive pairs"), (ORANGE, "negative pairs")):
        axes.scatter([], [], s=16, c=colour, linewidths=0, label=label)
    axes.set_title(plain(name), fontsize=10, loc="left", color=BLACK)
    uniformity = ", ".join(f"{modality} {value:.2f}" for modality, value in drawn.uniformity.items())
    numbers = f"alignment {drawn.alignment:.2f}\nuniformity {uniformity}\nseparation {drawn.separation:.2f}"
    axes.set_xlabel(numbers, fontsize=8, loc="left", color=BLACK, linespacing=1.4)
    axes.margins(0.04)
    bare(axes)
