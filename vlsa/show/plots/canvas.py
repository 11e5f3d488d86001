"""What the plots share: a figure without a display, colours, axes without ticks, and a caption below the plot.

Used by the other modules of this folder. Needs matplotlib.
"""

import textwrap
from pathlib import Path
from typing import Any

TEAL, ORANGE, GREY, BLACK = "#0f766e", "#d9480f", "#686d76", "#1d1f23"
DOTS_PER_INCH = 150
CAPTION_POINTS = 8.0


def new_figure(width_inches: float, height_inches: float, layout: str | None = None) -> Any:
    """A matplotlib figure that needs no display; `layout` as matplotlib names it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_inches, height_inches), facecolor="white", layout=layout)
    FigureCanvasAgg(figure)
    return figure


def plain(text: str) -> str:
    """Text as it is: a dollar sign does not start a formula."""
    return text.replace("$", r"\$")


def wrapped(text: str, width_inches: float, points: float = CAPTION_POINTS) -> str:
    """Plain text broken into lines that fit a width."""
    return textwrap.fill(plain(text), int(width_inches * 72 / (0.53 * points)))


def bare(axes: Any, *, frame: bool = True) -> None:
    """Remove the ticks, and keep a thin frame if asked for."""
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color="#c9c7c2", linewidth=0.5, visible=frame)


def save(figure: Any, path: str | Path, caption: str) -> Path:
    """Write the figure as PNG with the caption below it, and return the path."""
    text = wrapped(caption, figure.get_figwidth())
    figure.text(0, 0, text, fontsize=CAPTION_POINTS, color=GREY, va="top", linespacing=1.3)
    figure.savefig(path, dpi=DOTS_PER_INCH, facecolor="white", bbox_inches="tight", pad_inches=0.2)
    return Path(path)
