"""The picture of a training run: loss, its terms, and retrieval on held-out clips where it was measured.

Reads a run's metrics.jsonl (a JSON object a line: "step", "loss", "local_*", "global_*", "text_to_video/r10" ...);
feeds report.py.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from vlsa.errors import VlsaError
from vlsa.retrieve.results import DIRECTIONS, direction_label

Series = dict[str, tuple[np.ndarray, np.ndarray]]
"""Name -> steps and values, the last line for a step counting."""
MOST_POINTS = 120
"""Longer curves are averaged to about so many points."""


def read_series(path: str | Path) -> Series:
    """All numbers of a metrics.jsonl by name. A torn last line is ignored. Raises VlsaError when nothing is in it."""
    values: dict[str, dict[int, float]] = {}
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise VlsaError(
            f"{path}: cannot be read ({error.strerror}); there is no training to draw. Train first."
        ) from error
    for number, line in enumerate(lines[:-1], 1):  # what follows the last newline was not finished
        record = _parse(line, f"{path}:{number}")
        for name, value in record.items():
            if name != "step" and isinstance(value, int | float):
                values.setdefault(name, {})[record["step"]] = value
    if not values:
        raise VlsaError(f"{path}: holds no training step; there is nothing to draw. Train for at least one step.")
    return {name: _columns(points) for name, points in values.items()}


def _parse(line: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
        record["step"]
    except (ValueError, KeyError, TypeError) as error:
        raise VlsaError(f"{where}: not a record with a step; the curve would have a gap. Delete that line.") from error
    return record


def _columns(points: dict[int, float]) -> tuple[np.ndarray, np.ndarray]:
    steps = sorted(points)
    return np.array(steps), np.array([points[step] for step in steps], dtype=np.float64)


def averaged(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The curve as means over equal runs of points, about MOST_POINTS of them; a short curve as it is."""
    size = -(-len(steps) // MOST_POINTS)
    starts = np.arange(0, len(steps), size)
    counts = np.diff(np.append(starts, len(steps)))
    return np.add.reduceat(steps, starts) / counts, np.add.reduceat(values, starts) / counts


def draw_curves(metrics_path: str | Path, png_path: str | Path) -> Path:
    """Draw a metrics.jsonl as one PNG and return its path. Raises VlsaError when there is nothing to draw."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    series = read_series(metrics_path)
    panels = [panel for panel in _panels(series) if panel[1]]
    num_columns = min(len(panels), 2)
    num_rows = -(-len(panels) // num_columns)
    figure = Figure(figsize=(4.6 * num_columns, 3.0 * num_rows), layout="constrained")
    FigureCanvasAgg(figure)
    for place, (title, curves, marker) in enumerate(panels, 1):
        axes = figure.add_subplot(num_rows, num_columns, place)
        for name, (steps, values) in curves.items():
            axes.plot(*averaged(steps, values), marker, label=name, linewidth=1.6, markersize=3)
        _dress(axes, title, num_curves=len(curves))
    figure.savefig(png_path, dpi=150)
    return Path(png_path)


def _panels(series: Series) -> list[tuple[str, Series, str]]:
    """Title, curves and line style of each panel."""
    local = {name.removeprefix("local_"): points for name, points in series.items() if name.startswith("local_")}
    matching = {
        name.removeprefix("global_").replace("_", " "): points
        for name, points in series.items()
        if name.startswith("global_")
    }
    recall = {
        direction_label(name): (series[f"{name}/r10"][0], 100 * series[f"{name}/r10"][1])
        for name in DIRECTIONS
        if f"{name}/r10" in series
    }
    total = {"loss": series["loss"]} if "loss" in series else {}
    return [
        ("loss", total, "-"),
        ("rebuilding what was hidden (LPMM)", local, "-"),
        ("matching (GAM)", matching, "-"),
        ("R@10 on held-out clips, %", recall, "-o"),
    ]


def _dress(axes: Any, title: str, num_curves: int) -> None:
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel("step", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if num_curves > 1:
        axes.legend(fontsize=7, frameon=False)
