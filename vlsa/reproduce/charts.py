"""A table as a chart: a bar for each arm, its 95% interval, and a dot for each seed.

Reads tables.py; writes a PNG.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlsa.reproduce.targets import STAGES
from vlsa.retrieve.evaluate.metrics import RECALL_AT
from vlsa.retrieve.evaluate.results import direction_label

if TYPE_CHECKING:
    from vlsa.reproduce.tables import Cell, Table

COLOURS = ("#b9cfe6", "#7aa6d6", "#3a70b0")
"""R@1, R@5, R@10: one hue, which is readable in greyscale and for colour-blind readers."""
SEED_COLOUR, CHANCE_COLOUR = "#d9822b", "#555555"
BAR_WIDTH = 0.27
WIDEST_INCHES = 13.0
"""Largest width of a row of panels; those of a wider table are stacked."""
Bars = list[tuple[str, "Cell"]]


def draw_table(table: "Table", path: Path) -> Path:
    """Write OUT/NAME.png: a row of panels per stage, a panel per direction, all on one scale."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = _panels(table)
    num_directions = len(panels) // len(table.cells)
    width = max(1.0 + 0.95 * len(table.target.arms), 3.4)
    columns = num_directions if width * num_directions <= WIDEST_INCHES else 1
    rows = len(panels) // columns
    figure = Figure(figsize=(max(width * columns, 7.0), 2.9 * rows + 0.8), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(table.target.title, fontsize=11, x=0.01, ha="left")
    top = _top([cell for _, bars in panels for _, cell in bars])
    for number, (title, bars) in enumerate(panels):
        axes = figure.add_subplot(rows, columns, number + 1)
        _draw_bars(axes, bars)
        axes.set_ylim(0, top)
        axes.set_title(_wrapped(title, int(12 * width)), fontsize=9, loc="left")
        if number % columns == 0:
            axes.set_ylabel("recall, %", fontsize=8)
    named = zip(*figure.axes[0].get_legend_handles_labels(), strict=True)
    handles, labels = zip(*sorted(named, key=lambda one: not one[1].startswith("R@")), strict=True)
    figure.legend(handles, labels, loc="outside lower left", ncols=len(labels), fontsize=8, frameon=False)
    figure.savefig(path, dpi=150)
    return path


def _panels(table: "Table") -> list[tuple[str, Bars]]:
    """Title and bars of each panel, stage by stage; a direction that no arm has is left out."""
    rows = [row for cells in table.cells.values() for row in cells.values()]
    directions = [name for name in table.target.directions if any(name in row for row in rows)]
    return [
        (
            f"{direction_label(name)}, {STAGES[stage]}",
            [(arm.label, cells[arm.name][name]) for arm in table.target.arms if name in cells.get(arm.name, {})],
        )
        for stage, cells in table.cells.items()
        for name in directions
    ]


def _top(cells: list["Cell"]) -> float:
    """Upper end of the scale, in percent, with a small margin."""
    highest = max(max(*cell.seeds[k], cell.interval[k][1], cell.chance[k]) for cell in cells for k in RECALL_AT)
    return min(math.ceil(100 * highest / 5 + 0.2) * 5, 103)


def _draw_bars(axes: Any, bars: Bars) -> None:
    for number, k in enumerate(RECALL_AT):
        places = [place + (number - 1) * BAR_WIDTH for place in range(len(bars))]
        values = [100 * cell.recall[k] for _, cell in bars]
        axes.bar(places, values, BAR_WIDTH * 0.92, color=COLOURS[number], label=f"R@{k}", zorder=2)
    for number, k in enumerate(RECALL_AT):
        last = number == len(RECALL_AT) - 1  # legend entries that all bars share appear once
        for place, (_, cell) in enumerate(bars):
            label = last and place == len(bars) - 1
            _draw_spread(axes, place + (number - 1) * BAR_WIDTH, cell, k, label=label)
    chance = 100 * bars[0][1].chance[RECALL_AT[-1]]
    axes.axhline(
        chance, color=CHANCE_COLOUR, linewidth=0.9, linestyle=":", zorder=1, label=f"chance, R@{RECALL_AT[-1]}"
    )
    axes.set_xticks(range(len(bars)), [_wrapped(label, 11) for label, _ in bars], fontsize=8)
    axes.tick_params(axis="y", labelsize=8)
    axes.grid(axis="y", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_spread(axes: Any, place: float, cell: "Cell", k: int, *, label: bool) -> None:
    """Draw the interval of a bar, and a dot for each seed if there are several."""
    value, (low, high) = cell.recall[k], cell.interval[k]
    ends = [[100 * max(value - low, 0)], [100 * max(high - value, 0)]]
    how = {"fmt": "none", "ecolor": "#222222", "elinewidth": 0.9, "capsize": 2, "zorder": 3}
    axes.errorbar([place], [100 * value], ends, label="95% interval" if label else None, **how)
    seeds = [100 * seed for seed in cell.seeds[k]]
    if len(seeds) > 1:
        name = "each seed" if label else None
        axes.plot([place] * len(seeds), seeds, ".", color=SEED_COLOUR, markersize=4, zorder=4, label=name)


def _wrapped(label: str, num_letters: int) -> str:
    """A label wrapped at this many letters."""
    import textwrap

    return textwrap.fill(label, num_letters, break_long_words=False)
