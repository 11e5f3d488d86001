"""A table as a picture: a bar for each arm, its 95% interval, and a dot for each seed.

Reads tables.py; writes a PNG.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlsa.reproduce.targets import STAGES
from vlsa.retrieve.metrics import RECALL_AT
from vlsa.retrieve.results import direction_label

if TYPE_CHECKING:
    from vlsa.reproduce.tables import Cell, Table

COLOURS = ("#9bb7d4", "#4a7ebb", "#1f3f66")
"""R@1, R@5, R@10: one hue, so that grey printing and colour-blind readers lose nothing."""
BAR_WIDTH = 0.27


def draw_table(table: "Table", path: Path) -> Path:
    """OUT/NAME.png: a row of panels for each stage, a panel for each direction."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    stages = list(table.cells)
    directions = [
        d for d in table.target.directions if any(d in row for rows in table.cells.values() for row in rows.values())
    ]
    width = max(1.0 + 0.95 * len(table.target.arms), 3.4)
    figure = Figure(figsize=(width * len(directions), 3.3 * len(stages) + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(table.target.title, fontsize=11, x=0.01, ha="left")
    for row, stage in enumerate(stages):
        for column, direction in enumerate(directions):
            axes = figure.add_subplot(len(stages), len(directions), row * len(directions) + column + 1)
            bars = [
                (arm.label, table.cells[stage][arm.name][direction])
                for arm in table.target.arms
                if direction in table.cells[stage].get(arm.name, {})
            ]
            _draw_bars(axes, bars)
            axes.set_title(f"{direction_label(direction)}, {STAGES[stage]}", fontsize=9, loc="left")
            if column == 0:
                axes.set_ylabel("recall, %", fontsize=8)
            if row == column == 0:
                axes.legend(fontsize=7, frameon=False, loc="upper left", ncols=3)
    figure.savefig(path, dpi=150)
    return path


def _draw_bars(axes: Any, bars: list[tuple[str, "Cell"]]) -> None:
    for number, k in enumerate(RECALL_AT):
        places = [place + (number - 1) * BAR_WIDTH for place in range(len(bars))]
        values = [100 * cell.recall[k] for _, cell in bars]
        below = [100 * max(cell.recall[k] - cell.interval[k][0], 0) for _, cell in bars]
        above = [100 * max(cell.interval[k][1] - cell.recall[k], 0) for _, cell in bars]
        axes.bar(places, values, BAR_WIDTH * 0.92, color=COLOURS[number], label=f"R@{k}", zorder=2)
        axes.errorbar(places, values, [below, above], fmt="none", ecolor="#222222", elinewidth=0.9, capsize=2, zorder=3)
        for place, (_, cell) in zip(places, bars, strict=True):
            seeds = [100 * value for value in cell.seeds[k]]
            axes.plot([place] * len(seeds), seeds, ".", color="#d9822b", markersize=3.5, zorder=4)
    axes.axhline(100 * bars[0][1].chance[RECALL_AT[-1]], color="#888888", linewidth=0.8, linestyle=":", zorder=1)
    axes.set_xticks(range(len(bars)), [_wrapped(label) for label, _ in bars], fontsize=8)
    axes.set_ylim(0, 112)
    axes.set_yticks(range(0, 101, 20))
    axes.tick_params(axis="y", labelsize=8)
    axes.grid(axis="y", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _wrapped(label: str) -> str:
    """A label in lines of about a bar's width."""
    import textwrap

    return textwrap.fill(label, 11)
