"""The picture of matching and non-matching pairs, one panel a run or pair of modalities (paper, Figure 5).

Reads retrieve/figures/pairs.py; feeds serve/figures.py and the reproduction of Figure 5.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vlsa.base.errors import VlsaError
from vlsa.show.canvas import ACCENT, INK, QUIET, WARM, bare, canvas, caption_inches, place, plain, save, write_caption
from vlsa.show.compute.pairs import PairMap

PANEL_INCHES, GAP, MARGIN = 3.1, 0.3, 0.25
HEAD_INCHES, NUMBERS_INCHES = 0.3, 0.75
MOST_COLUMNS = 3
CAPTION = (
    "Each point is a pair of globals, drawn by the element-wise product of the two: PCA to 50 axes, then t-SNE. Near "
    "points are like pairs; axes, sizes of groups and distances between them have no meaning. Alignment: mean squared "
    "distance of matching globals (0 to 4, 2 = unrelated). Uniformity: log of the mean of exp(-2 d²) over a modality's "
    "globals (0 = one point, -4 = spread over a sphere). Lower is better for both. More alike: how often a matching "
    "pair has the higher cosine of the two (chance 0.50)."
)


def draw_pair_maps(maps: Mapping[str, PairMap], path: str | Path) -> Path:
    """Draw maps side by side under their names, such as {"GAM": one, "VTM": other}. Raises VlsaError for none."""
    if not maps:
        raise VlsaError(f"{path}: no pairs to draw. Give at least one map.")
    num_columns = min(len(maps), MOST_COLUMNS)
    num_rows = -(-len(maps) // MOST_COLUMNS)
    width = 2 * MARGIN + num_columns * PANEL_INCHES + (num_columns - 1) * GAP
    cell = HEAD_INCHES + PANEL_INCHES + NUMBERS_INCHES
    figure = canvas(width, MARGIN + num_rows * cell + 0.25 + caption_inches(CAPTION, width))
    for number, (name, drawn) in enumerate(maps.items()):
        row, column = divmod(number, MOST_COLUMNS)
        _draw_map(figure, name, drawn, MARGIN + column * (PANEL_INCHES + GAP), MARGIN + row * cell)
    _draw_legend(figure, width, MARGIN + num_rows * cell)
    write_caption(figure, CAPTION)
    return save(figure, path)


def _draw_map(figure: Any, name: str, drawn: PairMap, left: float, top: float) -> None:
    axes = place(figure, left, top + HEAD_INCHES, PANEL_INCHES, PANEL_INCHES)
    axes.set_title(plain(name), fontsize=10, loc="left", color=INK)
    order = np.random.default_rng(0).permutation(len(drawn.points))  # so that neither kind hides the other
    colours = np.where(drawn.matching, ACCENT, WARM)
    size = float(np.clip(4000 / len(order), 3, 16))
    axes.scatter(*drawn.points[order].T, s=size, c=colours[order], alpha=0.65, linewidths=0)
    axes.margins(0.04)
    bare(axes)
    spread = ", ".join(f"{modality} {value:.2f}" for modality, value in drawn.uniformity.items())
    lines = (
        f"alignment {drawn.alignment:.2f}",
        f"uniformity {spread}",
        f"matching pair more alike: {drawn.separation:.2f}",
    )
    axes.text(0, -0.02, "\n".join(lines), fontsize=8, color=INK, va="top", linespacing=1.4, transform=axes.transAxes)


def _draw_legend(figure: Any, width: float, top: float) -> None:
    axes = place(figure, MARGIN, top, width - 2 * MARGIN, 0.2)
    axes.axis("off")
    axes.set(xlim=(0, width - 2 * MARGIN), ylim=(0, 1))
    for left, colour, label in ((0.05, ACCENT, "matching"), (0.95, WARM, "not matching")):
        axes.scatter([left], [0.5], s=16, c=colour, linewidths=0)
        axes.text(left + 0.1, 0.5, label, fontsize=8, color=QUIET, va="center")
