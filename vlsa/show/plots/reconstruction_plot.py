"""The plot of reconstructions: frames, spectrograms and tokens, each original, masked and reconstructed.

Reads compute/reconstruction.py; feeds figures.py.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vlsa.base.errors import VlsaError
from vlsa.show.compute.reconstruction import ReconstructedClip, TextToken, Versions
from vlsa.show.plots.canvas import BLACK, GREY, ORANGE, TEAL, bare, new_figure, plain, save

WIDTH_INCHES, ROW_INCHES, LINE_INCHES, TITLE_INCHES = 8.8, 1.05, 0.4, 0.3
NUM_FRAMES = 4
TOKEN_POINTS = 8.0
LINE_CHARACTERS = int(WIDTH_INCHES * 0.895 * 72 / (0.602 * TOKEN_POINTS))
"""Characters of equal width in a line of tokens."""
MASKED = (214, 212, 207)
"""Colour of masked patches."""
LABELS = ("original", "visible", "reconstructed")


def draw_reconstructions(clips: Sequence[ReconstructedClip], path: str | Path, *, normalised: bool) -> Path:
    """Draw clips, one below the other. `normalised`: the targets were (`objective.normalise_targets`).

    Raises VlsaError when there is no clip.
    """
    if not clips:
        raise VlsaError(f"{path}: no clip to draw, so nothing is reconstructed. Choose a split that has clips.")
    lines = [token_lines(clip.tokens) for clip in clips]
    heights = [TITLE_INCHES + 3 * ROW_INCHES + LINE_INCHES * len(rows) for rows in lines]
    figure = new_figure(WIDTH_INCHES, sum(heights))
    parts = figure.subfigures(len(clips), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, clip, rows, height in zip(parts, clips, lines, heights, strict=True):
        _draw_clip(part, clip, rows, height)
    return save(figure, path, _caption(normalised))


def _caption(normalised: bool) -> str:
    scale = (
        "The decoder predicts each patch up to its mean and deviation (normalised targets); for the figure these two "
        "are taken from the true patch, as in MAE, so brightness, colour and loudness are given, not predicted. "
        if normalised
        else ""
    )
    return (
        "Masked patches are grey in the middle row; in the bottom row they are the decoder's, the others the original. "
        f"{scale}Spectrograms: time to the right, log frequency upwards; all three have the same scale. Text: masked "
        "tokens are boxed, with the model's prediction below, green if right."
    )


def _draw_clip(part: Any, clip: ReconstructedClip, lines: list[list[tuple[int, TextToken]]], height: float) -> None:
    part.text(0, 1 - 0.5 * TITLE_INCHES / height, plain(clip.id), fontsize=9, weight="bold", color=BLACK, va="center")
    place = {"left": 0.105, "right": 1, "top": 1 - TITLE_INCHES / height, "bottom": 0, "hspace": 0.06, "wspace": 0.03}
    ratios = {"height_ratios": [ROW_INCHES] * 3 + [LINE_INCHES * len(lines)], "width_ratios": [NUM_FRAMES, 3]}
    grid = part.add_gridspec(4, 2, **ratios, **place)
    columns = (_frame_rows(clip.frames), _spectrogram_rows(clip.spectrogram))
    for row, label in enumerate(LABELS):
        frames, spectrogram = (part.add_subplot(grid[row, column]) for column in (0, 1))
        frames.set_ylabel(label, fontsize=8, color=GREY, rotation=0, ha="right", va="center")
        frames.set_anchor("W")
        spectrogram.set_facecolor(np.array(MASKED) / 255)
        _draw_image(frames, columns[0], row, "no video")
        _draw_image(spectrogram, columns[1], row, "no audio", aspect="auto", origin="lower", cmap="magma")
    _draw_tokens(part.add_subplot(grid[3, :]), lines)


def _frame_rows(frames: Versions) -> list[np.ndarray]:
    """Some frames next to each other: original, with masked pixels grey, reconstructed. Empty without video."""
    if not len(frames.original):
        return []
    visible = np.where(frames.mask, np.uint8(MASKED), frames.original)
    chosen = np.unique(np.linspace(0, len(visible) - 1, NUM_FRAMES).round().astype(int))
    gap = ((0, 0), (0, 0), (0, max(visible.shape[2] // 16, 1)), (0, 0))
    rows = (frames.original, visible, frames.reconstructed)
    return [np.concatenate(np.pad(row[chosen], gap, constant_values=255), axis=1) for row in rows]


def _spectrogram_rows(spectrogram: Versions) -> list[np.ndarray]:
    """Frequency by time, at one scale: original, with masked values missing, reconstructed. Empty without audio."""
    if not len(spectrogram.original):
        return []
    low, high = np.percentile(spectrogram.original, [0.5, 99.9])
    visible = np.where(spectrogram.mask, np.nan, spectrogram.original)
    rows = (spectrogram.original, visible, spectrogram.reconstructed)
    return [(row.T.clip(low, high) - low) / max(high - low, 1e-9) for row in rows]


def _draw_image(axes: Any, rows: list[np.ndarray], row: int, absent: str, **style: Any) -> None:
    if rows:
        axes.imshow(rows[row], interpolation="nearest", vmin=0, vmax=1, **style)
    elif row == 1:
        axes.text(0.5, 0.5, absent, fontsize=9, color=GREY, ha="center", va="center", transform=axes.transAxes)
    bare(axes, frame=style.get("aspect") == "auto")


def token_lines(tokens: Sequence[TextToken]) -> list[list[tuple[int, TextToken]]]:
    """Tokens with the column at which each starts, broken into lines; a "##" piece continues the word before it."""
    lines: list[list[tuple[int, TextToken]]] = [[]]
    column = 0
    for token in tokens:
        masked = token.prediction is not None
        width = max(len(token.shown()), len(token.prediction or "")) + masked
        start = column + (column > 0 and (masked or not token.piece.startswith("##")))
        if column and start + width > LINE_CHARACTERS:
            lines.append([])
            start = 0
        lines[-1].append((start, token))
        column = start + width
    return lines


def _draw_tokens(axes: Any, lines: list[list[tuple[int, TextToken]]]) -> None:
    axes.axis("off")
    axes.set(xlim=(0, LINE_CHARACTERS), ylim=(len(lines), 0))
    if not lines[0]:
        axes.text(0, 0.5, "no text", fontsize=9, color=GREY, va="center")
    style = {"fontsize": TOKEN_POINTS, "family": "DejaVu Sans Mono", "va": "center"}
    box = {"boxstyle": "square,pad=0.15", "facecolor": "#efede8", "edgecolor": GREY, "linewidth": 0.5}
    for row, line in enumerate(lines):
        for column, token in line:
            masked = token.prediction is not None
            axes.text(column, row + 0.3, plain(token.shown()), color=BLACK, bbox=box if masked else None, **style)
            if token.prediction is not None:
                colour = TEAL if token.prediction == token.piece else ORANGE
                axes.text(column, row + 0.75, plain(token.prediction), color=colour, **style)
