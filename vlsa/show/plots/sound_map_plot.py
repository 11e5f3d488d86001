"""The plot of sound maps: heat maps over frames, with the audio below on the same time axis.

Reads compute/sound_map.py and the clips; feeds figures.py.
Axes: V frames, h w patches down and across, S samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from vlsa.base.errors import VlsaError
from vlsa.show.compute.sound_map import SoundMap, Target
from vlsa.show.plots.canvas import BLACK, GREY, TEAL, bare, new_figure, save, wrapped

FRAME_INCHES, AUDIO_INCHES, TITLE_INCHES, FOOT_INCHES = 1.1, 0.42, 0.2, 0.3
MOST_FRAMES, GAP = 8, 0.05
"""Frames of a clip that are drawn, and the space between them as a share of a frame."""
HEAT, STRONGEST, OBJECT = (1.0, 0.62, 0.05), 0.75, "#5cf2b4"
"""Colour of the heat map, red green blue in 0..1; how much of the frame its maximum covers; colour of outlines."""
CAPTION = (
    "Orange: similarity of each patch to the audio of the clip (cosine of the patch's encoder output with the global "
    "audio embedding; each modality encoded by itself), from the least value in the clip (none) to the greatest. "
    "White square: the maximum of each frame. Below: amplitude of the audio over the same seconds, a line per frame. "
)
KNOWN = "Green outline: patches of the sounding object; dotted: of the silent object. "
UNKNOWN = "The sounding object is not known for these clips, so there is no hit rate and the maps prove nothing."


@dataclass(frozen=True, eq=False)
class SoundMapPlot:
    """A clip to draw."""

    title: str
    similarity: SoundMap
    frames: UInt8[np.ndarray, "V H W 3"]
    waveform: Float32[np.ndarray, " S"]
    """Of the model's window, whose length is `seconds`."""
    start_seconds: float
    seconds: float
    target: Target | None = None


def draw_sound_maps(clips: Sequence[SoundMapPlot], path: str | Path, *, verdict: str = "") -> Path:
    """Draw clips, one below the other; `verdict` is the sentence with the hit rate.

    Raises VlsaError when there is no clip.
    """
    if not clips:
        raise VlsaError(f"{path}: no clip has both video and audio; there is no map to draw. Choose another split.")
    num_columns = min(max(len(clip.frames) for clip in clips), MOST_FRAMES)
    width = FRAME_INCHES * (num_columns * (1 + GAP) - GAP)
    titles = [wrapped(clip.title, width, 9) for clip in clips]
    heads = [TITLE_INCHES * (1 + title.count("\n")) for title in titles]
    heights = [head + FRAME_INCHES + AUDIO_INCHES + FOOT_INCHES for head in heads]
    figure = new_figure(width, sum(heights))
    parts = figure.subfigures(len(clips), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, clip, title, head, height in zip(parts, clips, titles, heads, heights, strict=True):
        part.text(0, 1, title, fontsize=9, color=BLACK, va="top")
        edges = {"left": 0, "right": 1, "top": 1 - head / height, "bottom": FOOT_INCHES / height, "hspace": 0.05}
        frames, audio = part.subplots(2, 1, height_ratios=[FRAME_INCHES, AUDIO_INCHES], gridspec_kw=edges)
        _draw_frames(frames, clip, width / FRAME_INCHES)
        _draw_audio(audio, clip)
    known = any(clip.target for clip in clips)
    return save(figure, path, CAPTION + (KNOWN + verdict if known else verdict or UNKNOWN))


def _draw_frames(axes: Any, clip: SoundMapPlot, width: float) -> None:
    """Frames next to each other; the unit of both axes is a frame."""
    own = clip.similarity.own
    heat = (own - own.min()) / max(float(np.ptp(own)), 1e-9)
    colour = np.broadcast_to(HEAT, (*own.shape, 3))
    overlay = np.concatenate([colour, STRONGEST * heat[..., None] ** 1.5], axis=-1)
    for column, frame in enumerate(chosen_frames(len(clip.frames))):
        left = column * (1 + GAP)
        for image in (clip.frames[frame], overlay[frame]):
            axes.imshow(image, extent=(left, left + 1, 1, 0), interpolation="nearest")
        if clip.target:
            _outline(axes, clip.target.sounding[frame], left, linewidths=1.3)
            _outline(axes, clip.target.silent[frame], left, linewidths=0.9, linestyles=":")
        _mark_maximum(axes, own[frame] == own[frame].max(), left)
    axes.set(xlim=(0, width), ylim=(1, 0), aspect="auto")
    bare(axes, frame=False)


def chosen_frames(num_frames: int) -> list[int]:
    """The frames that are drawn: all, or as many as fit at even distances."""
    return np.unique(np.linspace(0, num_frames - 1, min(num_frames, MOST_FRAMES)).round().astype(int)).tolist()


def _outline(axes: Any, patches: Bool[np.ndarray, "h w"], left: float, **style: Any) -> None:
    """A line around a set of patches."""
    if patches.any():
        fine = np.pad(np.kron(patches, np.ones((16, 16))), 1)
        y, x = ((np.arange(size) - 0.5) / (size - 2) for size in fine.shape)
        axes.contour(left + x, y, fine, levels=[0.5], colors=OBJECT, **style)


def _mark_maximum(axes: Any, patches: Bool[np.ndarray, "h w"], left: float, inset: float = 0.14) -> None:
    """A white square in each of the patches, smaller than the patch by `inset` of it on each side."""
    from matplotlib.patches import Rectangle

    (high, wide), size = patches.shape, 1 - 2 * inset
    for row, column in np.argwhere(patches):
        corner = (left + (column + inset) / wide, (row + inset) / high)
        axes.add_patch(Rectangle(corner, size / wide, size / high, fill=False, edgecolor="white", linewidth=0.9))


def _draw_audio(axes: Any, clip: SoundMapPlot) -> None:
    times, amplitude = envelope(clip.waveform, clip.seconds)
    start, stop = clip.start_seconds, clip.start_seconds + clip.seconds
    axes.fill_between(start + times, -amplitude, amplitude, color=TEAL, linewidth=0)
    for frame in chosen_frames(len(clip.frames)):
        axes.axvline(clip.similarity.frame_seconds[frame], color=GREY, linewidth=0.6, linestyle=":")
    axes.set(xlim=(start, stop), ylim=(-1.05, 1.05))
    bare(axes)
    own = clip.similarity.own
    numbers = f"{start:.1f} to {stop:.1f} s; cosine {own.min():.2f} to {own.max():.2f}"
    axes.set_xlabel(numbers, fontsize=6.5, color=GREY, loc="right", labelpad=2)


def envelope(
    waveform: Float32[np.ndarray, " S"], seconds: float, num_points: int = 600
) -> tuple[np.ndarray, np.ndarray]:
    """Times and peak amplitudes of short stretches, the loudest at 1; silence is 0."""
    parts = np.array_split(np.abs(waveform), min(num_points, len(waveform)))
    peaks = np.array([part.max() for part in parts])
    return (np.arange(len(parts)) + 0.5) * seconds / len(parts), peaks / max(float(peaks.max()), 1e-9)
