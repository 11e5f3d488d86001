"""What the drawn figures share: a canvas without a display, colours, and captions that are broken to its width.

Feeds rebuilt.py, sounding.py and pair_maps.py. Needs matplotlib.
"""

import textwrap
from pathlib import Path
from typing import Any

ACCENT, WARM, QUIET, INK = "#0f766e", "#d9480f", "#686d76", "#1d1f23"
DOTS_PER_INCH = 150
CAPTION_POINTS = 8.0


def canvas(width_inches: float, height_inches: float) -> Any:
    """A matplotlib figure that needs no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_inches, height_inches), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def wrapped(text: str, width_inches: float, points: float = CAPTION_POINTS) -> str:
    """Text broken so that it fits a width."""
    return textwrap.fill(plain(text), max(int(width_inches * 72 / (0.53 * points)), 12))


def plain(text: str) -> str:
    """Words as they are: a dollar sign does not begin a formula."""
    return text.replace("$", r"\$")


def caption_inches(caption: str, width_inches: float) -> float:
    """Height that a caption takes at the foot of a figure."""
    return 0.2 + CAPTION_POINTS * 1.35 / 72 * len(wrapped(caption, width_inches - 0.5).split("\n"))


def write_caption(figure: Any, caption: str) -> None:
    """Put the caption at the figure's foot, in a strip of `caption_inches`."""
    width, height = figure.get_size_inches()
    text = wrapped(caption, width - 0.5)
    figure.text(0.25 / width, 0.1 / height, text, fontsize=CAPTION_POINTS, color=QUIET, va="bottom", linespacing=1.3)


def place(figure: Any, left: float, top: float, width: float, height: float) -> Any:
    """Axes at a place in inches from the figure's upper left corner."""
    whole_width, whole_height = figure.get_size_inches()
    return figure.add_axes(
        (left / whole_width, 1 - (top + height) / whole_height, width / whole_width, height / whole_height)
    )


def bare(axes: Any) -> None:
    """No ticks; a thin frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(color="#c9c7c2", linewidth=0.5)


def save(figure: Any, path: str | Path) -> Path:
    """Write the picture as PNG."""
    figure.savefig(path, dpi=DOTS_PER_INCH, facecolor="white")
    return Path(path)
