"""The picture of where the sound is: heat maps over frames, the sound below them on the same clock.

Reads retrieve/figures/sounding.py and the clips; feeds serve/figures.py.
Axes: V frames, h w patches down and across, S samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from vlsa.base.errors import VlsaError
from vlsa.show.canvas import (
    ACCENT,
    INK,
    QUIET,
    bare,
    canvas,
    caption_inches,
    place,
    plain,
    save,
    wrapped,
    write_caption,
)
from vlsa.show.compute.sound_maps import SoundMap, Target

FRAME_INCHES, GAP, MARGIN = 1.05, 0.05, 0.25
SOUND_INCHES, TITLE_INCHES, FOOT_INCHES = 0.42, 0.24, 0.24
MOST_FRAMES = 8
GLOW, STRONGEST = (1.0, 0.62, 0.05), 0.75
"""Colour of the map, red green blue in 0..1, and how much of the frame it hides at the clip's greatest value."""
CAPTION = (
    "Glow: how alike each patch of a frame is to the clip's sound (cosine of the patch's encoder output and the "
    "sound's global; each modality encoded by itself), from the clip's least value (none) to its greatest. "
    "White square: the maximum of each frame. Below: the sound's loudness over the same seconds, a line at each frame. "
)
KNOWN = "Green outline: patches of the object that sounds; dotted: of the silent one. "
UNKNOWN = "It is not known what sounds in these clips, so there is no hit rate: these pictures show, and prove nothing."


@dataclass(frozen=True, eq=False)
class SoundShown:
    """A clip to draw."""

    title: str
    found: SoundMap
    frames: UInt8[np.ndarray, "V H W 3"]
    sound: Float32[np.ndarray, " S"]
    """Of the model's window, whose length is `seconds`."""
    start_seconds: float
    seconds: float
    target: Target | None = None


def draw_sound_maps(clips: Sequence[SoundShown], path: str | Path, *, verdict: str = "") -> Path:
    """Draw clips, one below the other; `verdict` is the line with the hit rate.

    Raises VlsaError when there is no clip.
    """
    if not clips:
        raise VlsaError(f"{path}: no clip that is both seen and heard; there is no map to draw. Choose another split.")
    num_columns = min(max(len(clip.frames) for clip in clips), MOST_FRAMES)
    width = 2 * MARGIN + num_columns * (FRAME_INCHES + GAP)
    known = any(clip.target for clip in clips)
    caption = CAPTION + (KNOWN + verdict if known else verdict or UNKNOWN)
    titles = [wrapped(clip.title, width - 2 * MARGIN, 9) for clip in clips]
    title_inches = [TITLE_INCHES + 0.16 * title.count("\n") for title in titles]
    below = FRAME_INCHES + GAP + SOUND_INCHES + FOOT_INCHES
    figure = canvas(width, MARGIN + sum(title_inches) + len(clips) * below + caption_inches(caption, width))
    top = MARGIN
    for clip, title, height in zip(clips, titles, title_inches, strict=True):
        axes = place(figure, MARGIN, top, width - 2 * MARGIN, height)
        axes.axis("off")
        axes.text(0, 1, title, fontsize=9, color=INK, va="top", linespacing=1.3)
        _draw_frames(figure, clip, top + height)
        _draw_sound(figure, clip, top + height + FRAME_INCHES + GAP, num_columns)
        top += height + below
    write_caption(figure, caption)
    return save(figure, path)


def _draw_frames(figure: Any, clip: SoundShown, top: float) -> None:
    own = clip.found.own
    low, high = float(own.min()), float(own.max())
    for column, frame in enumerate(chosen_frames(len(clip.frames))):
        axes = place(figure, MARGIN + column * (FRAME_INCHES + GAP), top, FRAME_INCHES, FRAME_INCHES)
        size = clip.frames.shape[1]
        extent = (0, size, size, 0)
        axes.imshow(clip.frames[frame], extent=extent)
        heat = (own[frame] - low) / max(high - low, 1e-9)
        glow = np.concatenate([np.broadcast_to(GLOW, (*heat.shape, 3)), STRONGEST * heat[..., None] ** 1.5], axis=-1)
        axes.imshow(glow, extent=extent, interpolation="nearest")
        if clip.target:
            _outline(axes, clip.target.sounding[frame], size, color="#5cf2b4", linewidth=1.3)
            _outline(axes, clip.target.silent[frame], size, color="#5cf2b4", linewidth=0.9, linestyle=":")
        _outline(axes, own[frame] == own[frame].max(), size, color="white", linewidth=0.9, inset=0.14)
        axes.set(xlim=(0, size), ylim=(size, 0))
        bare(axes)


def chosen_frames(num_frames: int) -> list[int]:
    """Which frames are drawn: all, or so many at even distances."""
    return np.unique(np.linspace(0, num_frames - 1, min(num_frames, MOST_FRAMES)).round().astype(int)).tolist()


def _outline(axes: Any, patches: np.ndarray, size: int, inset: float = 0.0, **style: Any) -> None:
    """Lines around a set of patches (bool h w); `inset`: one square within each, by that share of a patch."""
    from matplotlib.collections import LineCollection

    step = size / len(patches)
    segments = []
    for row, column in np.argwhere(patches).tolist():
        gap = inset * step
        left, right = column * step + gap, (column + 1) * step - gap
        upper, lower = row * step + gap, (row + 1) * step - gap
        sides = (
            ((left, upper), (right, upper), row - 1, column),
            ((left, lower), (right, lower), row + 1, column),
            ((left, upper), (left, lower), row, column - 1),
            ((right, upper), (right, lower), row, column + 1),
        )
        segments += [(one, two) for one, two, r, c in sides if inset or not _inside(patches, r, c)]
    names = {"color": "colors", "linewidth": "linewidths", "linestyle": "linestyles"}
    axes.add_collection(LineCollection(segments, **{names[name]: value for name, value in style.items()}))


def _inside(patches: np.ndarray, row: int, column: int) -> bool:
    height, width = patches.shape
    return 0 <= row < height and 0 <= column < width and bool(patches[row, column])


def _draw_sound(figure: Any, clip: SoundShown, top: float, num_columns: int) -> None:
    axes = place(figure, MARGIN, top, num_columns * (FRAME_INCHES + GAP) - GAP, SOUND_INCHES)
    times, loudness = envelope(clip.sound, clip.seconds)
    axes.fill_between(clip.start_seconds + times, -loudness, loudness, color=ACCENT, linewidth=0)
    for frame in chosen_frames(len(clip.frames)):
        axes.axvline(clip.found.frame_seconds[frame], color=QUIET, linewidth=0.6, linestyle=":")
    axes.set(xlim=(clip.start_seconds, clip.start_seconds + clip.seconds), ylim=(-1.05, 1.05))
    bare(axes)
    axes.text(
        1, -0.08, f"{clip.start_seconds:.1f} to {clip.start_seconds + clip.seconds:.1f} s; cosine "
        f"{clip.found.own.min():.2f} to {clip.found.own.max():.2f}", fontsize=6.5, color=QUIET, ha="right", va="top",
        transform=axes.transAxes,
    )  # fmt: skip


def envelope(sound: Float32[np.ndarray, " S"], seconds: float, num_points: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Times and peak of the sound in short stretches, the loudest being 1; silence is 0."""
    parts = np.array_split(np.abs(sound), min(num_points, len(sound)))
    peaks = np.array([part.max() for part in parts])
    return (np.arange(len(parts)) + 0.5) * seconds / len(parts), peaks / max(float(peaks.max()), 1e-9)


def sound_title(clip_id: str, texts: Sequence[str]) -> str:
    """Heading of a clip: its id and first caption."""
    return f"{plain(clip_id)}  “{texts[0]}”" if texts else plain(clip_id)
