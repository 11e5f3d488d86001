"""The picture of what a model rebuilds: frames, spectrograms and words, masked and completed, beside the originals.

Reads retrieve/figures/rebuild.py; feeds serve/figures.py.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vlsa.base.errors import VlsaError
from vlsa.show.canvas import ACCENT, INK, QUIET, WARM, bare, canvas, caption_inches, place, plain, save, write_caption
from vlsa.show.compute.reconstruction import ReconstructedClip, Word

FRAME_INCHES, MOST_FRAMES = 1.0, 4
SOUND_INCHES = 3.2
GAP, MARGIN, LABEL = 0.06, 0.25, 0.72
ROW_INCHES = 3 * (FRAME_INCHES + GAP)
WIDTH = 2 * MARGIN + LABEL + MOST_FRAMES * (FRAME_INCHES + GAP) + 0.3 + SOUND_INCHES
WORD_POINTS, LINE_INCHES = 8.0, 0.4
NOT_SHOWN = (214, 212, 207)
"""Colour of what is hidden."""
LABELS = ("original", "what the\nmodel sees", "rebuilt")


def draw_reconstructions(clips: Sequence[ReconstructedClip], path: str | Path, *, normalised: bool) -> Path:
    """Draw clips, one below the other. `normalised`: the targets were (`objective.normalise_targets`).

    Raises VlsaError when there is no clip.
    """
    if not clips:
        raise VlsaError(f"{path}: no clip to draw, so nothing is rebuilt. Choose a split that has clips.")
    heights = [_height(clip) for clip in clips]
    caption = _caption(normalised)
    figure = canvas(WIDTH, MARGIN + sum(heights) + caption_inches(caption, WIDTH))
    top = MARGIN
    for clip, height in zip(clips, heights, strict=True):
        _draw_clip(figure, clip, top)
        top += height
    write_caption(figure, caption)
    return save(figure, path)


def _caption(normalised: bool) -> str:
    scale = (
        "The decoder predicts each patch up to its mean and deviation (normalised targets); for the picture these two "
        "are taken from the true patch, as MAE does, so brightness, colour and loudness of each are given, not found. "
        if normalised
        else ""
    )
    return (
        "Hidden patches are grey in the middle row. In the lowest row they are the decoder's, the others the original. "
        f"{scale}Spectrograms: time to the right, log frequency upwards; all three share one scale. Words: those that "
        "were hidden are boxed; the model's guess stands beneath, green if right."
    )


def _height(clip: ReconstructedClip) -> float:
    return 0.3 + ROW_INCHES + LINE_INCHES * max(len(_lines(clip.words)), 1) + 0.1


def _draw_clip(figure: Any, clip: ReconstructedClip, top: float) -> None:
    title = place(figure, MARGIN, top, WIDTH - 2 * MARGIN, 0.22)
    title.axis("off")
    title.text(0, 0.5, plain(clip.id), fontsize=9, fontweight="bold", color=INK, va="center")
    top += 0.26
    for number, label in enumerate(LABELS):
        axes = place(figure, MARGIN, top + number * (FRAME_INCHES + GAP), LABEL, FRAME_INCHES)
        axes.axis("off")
        axes.text(0, 0.5, label, fontsize=8, color=QUIET, va="center")
    left = MARGIN + LABEL
    _draw_frames(figure, clip, left, top)
    _draw_sound(figure, clip, left + MOST_FRAMES * (FRAME_INCHES + GAP) + 0.3, top)
    _draw_words(figure, clip.words, left, top + ROW_INCHES + 0.04)


def _draw_frames(figure: Any, clip: ReconstructedClip, left: float, top: float) -> None:
    width = MOST_FRAMES * (FRAME_INCHES + GAP)
    if not len(clip.frames):
        _absent(figure, "no picture", left, top, width)
        return
    seen = np.where(clip.frames_hidden[..., None], np.uint8(NOT_SHOWN), clip.frames)
    chosen = np.unique(np.linspace(0, len(clip.frames) - 1, MOST_FRAMES).round().astype(int))
    for row, frames in enumerate((clip.frames, seen, clip.frames_rebuilt)):
        for column, frame in enumerate(chosen):
            step = FRAME_INCHES + GAP
            axes = place(figure, left + column * step, top + row * step, FRAME_INCHES, FRAME_INCHES)
            axes.imshow(frames[frame], interpolation="nearest")
            bare(axes)


def _draw_sound(figure: Any, clip: ReconstructedClip, left: float, top: float) -> None:
    if not len(clip.spectrogram):
        _absent(figure, "no sound", left, top, SOUND_INCHES)
        return
    low, high = np.percentile(clip.spectrogram, [0.5, 99.9])
    seen = np.where(clip.spectrogram_hidden, np.nan, clip.spectrogram)
    for row, values in enumerate((clip.spectrogram, seen, clip.spectrogram_rebuilt)):
        axes = place(figure, left, top + row * (FRAME_INCHES + GAP), SOUND_INCHES, FRAME_INCHES)
        axes.set_facecolor(np.array(NOT_SHOWN) / 255)
        axes.imshow(values.T, origin="lower", aspect="auto", cmap="magma", vmin=low, vmax=high, interpolation="nearest")
        bare(axes)


def _absent(figure: Any, what: str, left: float, top: float, width: float) -> None:
    axes = place(figure, left, top, width - GAP, ROW_INCHES - GAP)
    bare(axes)
    axes.text(0.5, 0.5, what, fontsize=9, color=QUIET, ha="center", va="center", transform=axes.transAxes)


def _characters() -> int:
    """How many letters of equal width fit a line."""
    return int((WIDTH - 2 * MARGIN - LABEL) * 72 / (0.602 * WORD_POINTS))


def _lines(words: Sequence[Word]) -> list[list[tuple[int, Word]]]:
    """Words with the letter where each begins, broken into lines; a piece that goes on a word has no space before."""
    lines: list[list[tuple[int, Word]]] = []
    column = 0
    for word in words:
        joined = word.piece.startswith("##") and word.guess is None
        width = max(len(_shown(word)), len(word.guess or "")) + (0 if word.guess is None else 1)
        start = column + (0 if joined or not lines or not column else 1)
        if not lines or start + width > _characters():
            lines.append([])
            start = 0
        lines[-1].append((start, word))
        column = start + width
    return lines


def _shown(word: Word) -> str:
    return word.piece.removeprefix("##") if word.guess is None else word.piece


def _draw_words(figure: Any, words: Sequence[Word], left: float, top: float) -> None:
    lines = _lines(words)
    width = WIDTH - MARGIN - left
    axes = place(figure, left, top, width, LINE_INCHES * max(len(lines), 1))
    axes.axis("off")
    axes.set(xlim=(0, width * 72 / (0.602 * WORD_POINTS)), ylim=(max(len(lines), 1), 0))
    if not words:
        axes.text(0, 0.5, "no words", fontsize=9, color=QUIET, va="center")
    style = {"fontsize": WORD_POINTS, "family": "DejaVu Sans Mono", "va": "center"}
    for row, line in enumerate(lines):
        for column, word in line:
            box = {"boxstyle": "square,pad=0.15", "facecolor": "#efede8", "edgecolor": QUIET, "linewidth": 0.5}
            hidden = word.guess is not None
            axes.text(column, row + 0.3, plain(_shown(word)), color=INK, bbox=box if hidden else None, **style)
            if word.guess is not None:
                right = word.guess == word.piece
                axes.text(column, row + 0.75, plain(word.guess), color=ACCENT if right else WARM, **style)
