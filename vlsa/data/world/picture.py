"""The video of a log: antialiased shapes by signed distance, on a dark background.

Reads events.py and motion.py; used by write.py, clips.py and rendered.py.
Axes: F frames, H W pixels, N impacts.
"""

import colorsys
from collections.abc import Sequence

import numpy as np

from vlsa.data.world.events import RADII, ROPE, ClipLog, Event
from vlsa.data.world.motion import path, pivot

PAINT = {
    "red": (232, 52, 48),
    "green": (46, 196, 74),
    "blue": (52, 104, 244),
    "yellow": (250, 208, 36),
    "purple": (176, 64, 220),
    "white": (244, 244, 244),
}
MARK = (255, 236, 190)
"""Colour of the marks that impacts leave."""
GREY = (150, 150, 158)
POLYGONS = {"block": (4, 1.245, 0.88, 0.125), "triangle": (3, 1.2, 0.6, 0.25), "star": (5, 1.25, 0.55, 0.25)}
"""Corners, outer radius, inner radius (both in radii of the object), angle of the first corner (shares of a circle)."""
MARK_RADIUS = 2.8
"""Of a mark, in 64ths of the frame's side: large enough to be counted at eight frames a clip."""
RING_SECONDS = 0.25
COMPANION_RADIUS = 0.062
"""Of the still second object, in frame sides."""


def render_picture(
    log: ClipLog, size_px: int = 64, frames_per_second: int = 16, indices: Sequence[int] | None = None
) -> np.ndarray:
    """uint8 F H W 3: frame i shows time i / frames_per_second; impacts appear within half a frame of their time.

    size_px: side of the frame. Marks and rings scale with it. `indices`, ascending: only these frames.
    """
    num_frames = round(log.duration_seconds * frames_per_second)
    seconds = np.arange(num_frames) / frames_per_second
    shown = np.arange(num_frames) if indices is None else np.asarray(indices)
    still = _background(log, size_px)
    _draw_companion(still, log)
    if log.facts.motion == "swing":
        _draw_post(still, log)
    frames = np.repeat(still[None], len(shown), axis=0)
    centres = path(log, _snapped(log, seconds, frames_per_second)[shown]) * size_px
    if log.facts.motion == "swing":
        _draw_rope(frames, log, centres)
    _draw_object(frames, log, centres)
    _draw_impacts(frames, log, frames_per_second, shown)
    return (frames * 255 + 0.5).astype(np.uint8)


def _snapped(log: ClipLog, seconds: np.ndarray, frames_per_second: int) -> np.ndarray:
    """Times of the frames; the frame nearest to an impact shows the contact itself."""
    snapped = seconds.copy()
    for event in log.events:
        frame = contact_frame(event, frames_per_second)
        if frame < len(snapped):
            snapped[frame] = event.seconds
    return snapped


def object_cover(log: ClipLog, seconds: np.ndarray, size_px: int, frames_per_second: int = 16) -> np.ndarray:
    """bool T H W: pixels that the sounding object covers in the frames on screen at these times (seconds)."""
    every = np.arange(round(log.duration_seconds * frames_per_second))
    frames = np.floor(seconds * frames_per_second + 1e-6).astype(int).clip(0, len(every) - 1)
    centres = path(log, _snapped(log, every / frames_per_second, frames_per_second)[frames])
    return _cover(log.facts.shape, centres, RADII[log.facts.size], size_px)


def companion_cover(log: ClipLog, size_px: int) -> np.ndarray:
    """bool H W: pixels of the still, silent second object if nothing occludes it; all False if there is none.

    The sounding object is drawn over it.
    """
    if log.facts.companion is None:
        return np.zeros((size_px, size_px), dtype=bool)
    return _cover(log.facts.companion[1], np.array([companion_place(log)]), COMPANION_RADIUS, size_px)[0]


def _cover(shape: str, centres: np.ndarray, radius: float, size_px: int) -> np.ndarray:
    """bool T H W: pixels whose centre is in a shape; centres (T 2) and radius in frame sides."""
    middles = (np.arange(size_px) + 0.5) / size_px
    across = middles[None, None, :] - centres[:, 0, None, None]
    down = middles[None, :, None] - centres[:, 1, None, None]
    return _distance(shape, *np.broadcast_arrays(across, down), radius) <= 0


def companion_place(log: ClipLog) -> tuple[float, float]:
    """Position of the still second object, in frame sides."""
    rng = np.random.default_rng([log.render_seed, 2])
    return float(rng.uniform(0.1, 0.9)), float(rng.uniform(0.09, 0.14))


def contact_frame(event: Event, frames_per_second: int) -> int:
    """The frame that shows the contact: the one nearest to it in time."""
    return int(np.floor(event.seconds * frames_per_second + 0.5))


def _background(log: ClipLog, size_px: int) -> np.ndarray:
    """float32 H W 3 in 0..1: one dark tint, a little lighter at the top, independent of everything that is named."""
    rng = np.random.default_rng([log.render_seed, 1])
    tint = np.array(colorsys.hsv_to_rgb(rng.uniform(), 0.4, rng.uniform(0.08, 0.16)), dtype=np.float32)
    light = np.linspace(1.15, 0.85, size_px, dtype=np.float32)
    return np.broadcast_to(tint, (size_px, size_px, 3)) * light[:, None, None]


def _distance(shape: str, across: np.ndarray, down: np.ndarray, radius: float) -> np.ndarray:
    """Signed distance to a shape's edge (inside is negative), in the unit of its arguments."""
    length = np.hypot(across, down)
    if shape == "ball":
        return length - radius
    corners, outer, inner, turn = POLYGONS[shape]
    half = np.pi / corners
    angle = np.arctan2(-down, across) - 2 * np.pi * turn
    folded = np.abs((angle + half) % (2 * half) - half)
    x, y = length * np.cos(folded), length * np.sin(folded)
    edge_x, edge_y = inner * np.cos(half) - outer, inner * np.sin(half)
    if shape in ("block", "triangle"):  # regular: the inner radius is met at right angles
        return x * np.cos(half) + y * np.sin(half) - inner * radius
    return ((x - outer * radius) * edge_y - y * edge_x) / np.hypot(edge_x, edge_y)


def _painted(
    shape: str, colour: str, across: np.ndarray, down: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cover (0..1) and colour of a shape: lit from the upper left, with a darker rim."""
    distance = _distance(shape, across, down, radius)
    light = 0.94 - 0.2 * (across + down) / (1.4 * radius)
    light = np.where(distance > -1.2, light * 0.78, light)
    paint = np.array(PAINT[colour], dtype=np.float32) / 255
    return np.clip(0.5 - distance, 0, 1)[..., None], (light[..., None] * paint).clip(0, 1)


def _draw_companion(still: np.ndarray, log: ClipLog) -> None:
    if log.facts.companion is None:
        return
    colour, shape = log.facts.companion
    size_px = len(still)
    x, y = np.array(companion_place(log)) * size_px
    rows, columns, across, down = _around(size_px, x, y, 0.1 * size_px)
    cover, paint = _painted(shape, colour, across, down, COMPANION_RADIUS * size_px)
    still[rows, columns] += cover * (paint - still[rows, columns])


def _draw_post(still: np.ndarray, log: ClipLog) -> None:
    size_px = len(still)
    half_px = 2.5 * size_px / 64
    side = 1 if log.facts.direction == "right" else -1
    _, _, across, down = _around(size_px, log.events[0].x * size_px + side * half_px, 0.0, np.inf)
    distance = np.maximum(np.abs(across) - half_px, (log.events[0].y - 0.47) * size_px - down)
    _blend(still, GREY, 0.8 * np.clip(0.5 - distance, 0, 1))


def _draw_rope(frames: np.ndarray, log: ClipLog, centres: np.ndarray) -> None:
    size_px = frames.shape[1]
    x, y = np.array(pivot(log)) * size_px
    along = (centres - [x, y]).astype(np.float32)
    length = np.hypot(along[:, 0], along[:, 1])[:, None, None]
    right, below = (along[:, :, None, None] / length[:, None]).transpose(1, 0, 2, 3)
    rows, columns, across, down = _around(size_px, x, y, (ROPE + 0.02) * size_px)
    beside = np.abs(across * below - down * right)
    beyond = np.abs(across * right + down * below - length / 2) - length / 2
    _blend(frames[:, rows, columns], GREY, 0.7 * np.clip(1.0 - np.maximum(beside, beyond), 0, 1))


def _draw_object(frames: np.ndarray, log: ClipLog, centres: np.ndarray) -> None:
    """Paint a patch around the object; it is clipped at the frame."""
    size_px = frames.shape[1]
    radius = RADII[log.facts.size] * size_px
    side = 2 * int(np.ceil(1.3 * radius + 1)) + 1
    corner = np.floor(centres).astype(int) - side // 2  # F 2: x, y
    grid = np.arange(side, dtype=np.float32) + 0.5
    offset = (corner - centres).astype(np.float32)
    across = np.broadcast_to(grid[None, None] + offset[:, 0, None, None], (len(frames), side, side))
    down = np.broadcast_to(grid[None, :, None] + offset[:, 1, None, None], (len(frames), side, side))
    cover, paint = _painted(log.facts.shape, log.facts.colour, across, down, radius)
    for frame, (x, y), frame_cover, frame_paint in zip(frames, corner, cover, paint, strict=True):
        rows, columns = slice(max(y, 0), y + side), slice(max(x, 0), x + side)
        patch = frame[rows, columns]
        inside = slice(max(-y, 0), max(-y, 0) + patch.shape[0]), slice(max(-x, 0), max(-x, 0) + patch.shape[1])
        patch += frame_cover[inside] * (frame_paint[inside] - patch)


def mark_places(log: ClipLog) -> np.ndarray:
    """N 2: positions of the marks of impacts; on a wall or a post they are stacked upwards, so they can be counted."""
    contacts = np.array([[event.x, event.y] for event in log.events])
    if log.facts.motion in ("bounce", "stairs"):
        return contacts + np.array([0, 2.5]) / 64
    outwards = np.where(contacts[:, :1] > 0.5, 1.5, -1.5) * [1, 0]
    same = np.tril(np.abs(contacts[:, 0] - contacts[:, :1]) < 1e-3, -1).sum(axis=1)
    return contacts + outwards / 64 - np.stack([0 * same, 6 / 64 * same], axis=1)


def _draw_impacts(frames: np.ndarray, log: ClipLog, frames_per_second: int, shown: np.ndarray) -> None:
    """Draw a permanent dot, and a ring that widens and fades for a quarter of a second."""
    size_px = frames.shape[1]
    pixel = size_px / 64
    num_ring_frames = max(round(RING_SECONDS * frames_per_second), 1)
    places = np.floor(mark_places(log) * size_px) + 0.5  # on whole pixels, so that all marks look alike
    for event, place in zip(log.events, places, strict=True):
        first = contact_frame(event, frames_per_second)
        rows, columns, across, down = _around(size_px, place[0], place[1], 5 * pixel)
        since = np.searchsorted(shown, first)
        _blend(frames[since:, rows, columns], MARK, np.clip(0.5 - np.hypot(across, down) / pixel + MARK_RADIUS, 0, 1))
        rows, columns, across, down = _around(size_px, event.x * size_px, event.y * size_px, 14 * pixel)
        for index, frame in zip(shown[since:], frames[since:], strict=True):
            age = (index - first) / num_ring_frames
            if age >= 1:
                break
            ring = np.abs(np.hypot(across, down) / pixel - 6.0 - 8.0 * age) - 1.2
            _blend(frame[rows, columns], MARK, 0.9 * (1 - 0.8 * age) * np.clip(0.5 - ring, 0, 1))


def _around(size_px: int, x: float, y: float, half_px: float) -> tuple[slice, slice, np.ndarray, np.ndarray]:
    """The part of a frame within `half_px` of a position: its rows and columns, and the offsets of their pixels."""
    rows, columns = (
        slice(int(np.clip(middle - half_px, 0, size_px)), int(np.clip(middle + half_px + 1, 0, size_px)))
        for middle in (y, x)
    )
    centres = np.arange(size_px, dtype=np.float32) + 0.5
    return rows, columns, centres[None, columns] - np.float32(x), centres[rows, None] - np.float32(y)


def _blend(pixels: np.ndarray, colour: tuple[int, int, int], cover: np.ndarray) -> None:
    """Paint a colour over pixels (... H W 3), in place."""
    pixels += cover[..., None].astype(np.float32) * (np.array(colour, dtype=np.float32) / 255 - pixels)
