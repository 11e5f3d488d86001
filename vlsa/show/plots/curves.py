"""The plot of a training run: loss, its terms, retrieval on held-out clips, alignment, uniformity, and speed.

Reads a run's metrics.jsonl (one JSON object per line: "step", "loss", "local_*", "global_*", "text_to_video/r10" ...);
what was not measured has no panel. Chance follows from the batch size in config.json. docs/training.md explains how to
read the curves. Feeds report.py.
"""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vlsa.base.errors import VlsaError
from vlsa.retrieve.evaluate.results import WATCHED, direction_label
from vlsa.show.plots.canvas import DOTS_PER_INCH, new_figure

Series = dict[str, tuple[np.ndarray, np.ndarray]]
"""Name -> steps and values; of several lines for a step the last counts."""
MOST_POINTS = 120
"""Longer curves are averaged down to about so many points."""
ORDER = ("text", "audio", "video", "media")
COLOURS = {
    frozenset({"video"}): "#1f6fb4",
    frozenset({"audio"}): "#d9480f",
    frozenset({"text"}): "#2b8a3e",
    frozenset({"audio", "video"}): "#7b3fa0",
    frozenset({"audio", "text"}): "#a67c00",
    frozenset({"text", "video"}): "#0f8f9c",
    frozenset({"text", "media"}): "#c2255c",
}
"""Colour of a modality or a pair in all panels; both directions of a pair have the same."""
PLAIN = "#343a40"
"""Colour of curves without a modality."""


def read_series(path: str | Path) -> Series:
    """All numbers of a metrics.jsonl by name, without an incomplete last line. Raises VlsaError for an empty file."""
    values: dict[str, dict[int, float]] = {}
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError as error:
        raise VlsaError(
            f"{path}: cannot be read ({error.strerror}); there is no training to draw. Train first."
        ) from error
    for number, line in enumerate(lines[:-1], 1):  # what follows the last newline is incomplete
        step, record = _parse(line, f"{path}:{number}")
        for name, value in record.items():
            values.setdefault(name, {})[step] = value
    if not values:
        raise VlsaError(f"{path}: has no training step; there is nothing to draw. Train for at least one step.")
    return {name: _columns(points) for name, points in values.items()}


def _parse(line: str, where: str) -> tuple[int, dict[str, float]]:
    """The step, and the numbers by name."""
    try:
        record = json.loads(line)
        step = record.pop("step")
        if type(step) is not int or not 0 <= step < 2**53:
            raise ValueError(step)
        return step, {name: float(value) for name, value in record.items() if isinstance(value, int | float)}
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError) as error:
        raise VlsaError(f"{where}: not JSON with a step; the curve would have a gap. Delete that line.") from error


def _columns(points: dict[int, float]) -> tuple[np.ndarray, np.ndarray]:
    steps = sorted(points)
    return np.array(steps), np.array([points[step] for step in steps], dtype=np.float64)


def averaged(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The curve as means over equal groups of points, about MOST_POINTS of them; a short curve as it is."""
    size = -(-len(steps) // MOST_POINTS)
    starts = np.arange(0, len(steps), size)
    counts = np.diff(np.append(starts, len(steps)))
    return np.add.reduceat(steps, starts) / counts, np.add.reduceat(values, starts) / counts


@dataclass(frozen=True)
class Panel:
    """One of the panels."""

    title: str
    curves: Series
    unit: str = ""
    """Of the vertical axis."""
    marker: str = ""
    floor: float | None = None
    """Start of the vertical axis; None for that of the curves."""
    chance: dict[str, float] = field(default_factory=dict)
    """Name of a loss -> its value for a model that guesses."""


def draw_curves(metrics_path: str | Path, png_path: str | Path) -> Path:
    """Draw a metrics.jsonl as one PNG and return its path. Raises VlsaError when there is nothing to draw."""
    series = read_series(metrics_path)
    batch_size = contrasted_clips(Path(metrics_path).parent / "config.json")
    drawn = [panel for panel in panels(series, batch_size) if panel.curves]
    last_step = max(int(steps[-1]) for steps, _ in series.values())
    num_columns = min(len(drawn), 2 if len(drawn) <= 4 else 3)
    num_rows = -(-len(drawn) // num_columns)
    figure = new_figure(4.6 * num_columns, 3.0 * num_rows, "constrained")
    figure.get_layout_engine().set(h_pad=0.1, w_pad=0.1)
    for place, panel in enumerate(drawn, 1):
        _draw(figure.add_subplot(num_rows, num_columns, place), panel, last_step)
    figure.savefig(png_path, dpi=DOTS_PER_INCH)
    return Path(png_path)


def contrasted_clips(config_path: Path) -> int | None:
    """Batch size of a softmax contrastive loss; None for another loss, or without settings."""
    try:
        config = json.loads(config_path.read_bytes())
        softmax = config["model"]["objective"]["contrast"] == "softmax"
        batch_size = int(config["train"]["batch_size"]) if softmax else 0
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return batch_size if batch_size > 0 else None


def panels(series: Series, batch_size: int | None = None) -> list[Panel]:
    """Losses, then retrieval and embeddings, then speed. A panel without curves was not measured."""
    recall = {direction_label(name): _percent(series[f"{name}/r10"]) for name in WATCHED if f"{name}/r10" in series}
    taught = _with_prefix(series, "global_teach_")
    matched = _with_prefix({name: points for name, points in series.items() if "_teach_" not in name}, "global_")
    shares = {"data_wait_share": "waiting for data, %", "mfu": "MFU, %"}
    return [
        Panel("loss", _named(series, "loss")),
        Panel("masked modelling (LPMM)", _with_prefix(series, "local_"), "squared error; text: nats"),
        Panel("matching (GAM)", matched, "nats", chance=_chance(matched, batch_size)),
        Panel("fused teacher (GAM)", taught, "nats", chance=_chance(taught, batch_size)),
        Panel("R@10 on held-out clips", recall, "%", "o", floor=0),
        Panel("alignment of positive pairs", _with_prefix(series, "alignment_"), "squared distance"),
        Panel("uniformity (0 collapsed, -4 uniform)", _with_prefix(series, "uniformity_"), "log of a mean"),
        Panel("gradient norm", _named(series, "gradient_norm"), floor=0),
        Panel("temperature", _temperature(series) | _with_prefix(series, "temperature_")),
        Panel("throughput", _named(series, "clips_per_second"), "clips/s", floor=0),
        Panel("data wait and model FLOPs utilisation", _shares(series, shares), "%", floor=0),
    ]


def _named(series: Series, name: str) -> Series:
    return {name: series[name]} if name in series else {}


def _with_prefix(series: Series, prefix: str) -> Series:
    return {
        name.removeprefix(prefix).replace("_", " "): points
        for name, points in series.items()
        if name.startswith(prefix)
    }


def _percent(points: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return points[0], 100 * points[1]


def _shares(series: Series, labels: dict[str, str]) -> Series:
    return {label: _percent(series[name]) for name, label in labels.items() if name in series}


def _chance(terms: Series, batch_size: int | None) -> dict[str, float]:
    """The loss of guessing, for the terms that were measured: both directions among the clips of a batch; yes or no."""
    chance = {}
    if batch_size and any(not name.startswith("match ") for name in terms):
        chance["contrast"] = 2 * math.log(batch_size)
    if any(name.startswith("match ") for name in terms):
        chance["match"] = math.log(2)
    return chance


def style(name: str) -> tuple[str, str]:
    """Colour and line of a curve; dashed are the matching loss and the second direction of a pair."""
    modalities = [word for word in name.replace("video+audio", "media").split() if word in ORDER]
    second = "→" in name and ORDER.index(modalities[0]) > ORDER.index(modalities[-1])
    dashed = second or name.startswith(("match ", "MFU"))
    return COLOURS.get(frozenset(modalities), PLAIN), "--" if dashed else "-"


def _temperature(series: Series) -> Series:
    """The temperature, if it is learned. Older runs logged its inverse, the scale."""
    steps, values = series.get("temperature") or series.get("scale") or (np.empty(0), np.empty(0))
    if not len(values) or np.ptp(values) <= 1e-5 * values.max():
        return {}
    return {"temperature": (steps, values if "temperature" in series else 1 / values)}


def _draw(axes: Any, panel: Panel, last_step: int) -> None:
    for name, (steps, values) in panel.curves.items():
        colour, line = style(name)
        axes.plot(*averaged(steps, values), line, color=colour, marker=panel.marker, label=name, lw=1.6, ms=3)
    for name, value in panel.chance.items():
        axes.axhline(value, color=PLAIN, linestyle=":", linewidth=0.9)
        axes.annotate(f"chance, {name}", (last_step, value), fontsize=7, color=PLAIN, ha="right", va="bottom")
    axes.set_xlim(-0.02 * last_step, 1.02 * last_step)  # the same in all panels, for comparison
    if panel.floor is not None:
        axes.set_ylim(bottom=panel.floor)
    axes.set_title(panel.title, fontsize=10, loc="left")
    axes.set_xlabel("step", fontsize=9)
    axes.set_ylabel(panel.unit, fontsize=9)
    axes.xaxis.get_major_locator().set_params(integer=True)  # steps are whole
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if len(panel.curves) > 1 or panel.unit == "%":
        num_columns = 2 if len(panel.curves) > 4 else 1
        axes.legend(fontsize=7, ncols=num_columns, handlelength=2.8, edgecolor="none", framealpha=0.8)
