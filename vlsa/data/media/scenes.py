"""Where one shot of a video ends and the next begins: cuts, fades through black, and dissolves.

Reads a `Source`, every frame as a thumbnail, some hundreds of them in memory; feeds ingest/shots.py. A cut is a step
between two frames that their neighbours do not have; a fade passes through black; in the middle of a dissolve the frame
is the mean of those before and after. Light that is switched, flashes and moves of the camera are none of these: the
pattern stays, or the middle of a pan is not the mean of its ends.
Axes: N frames, P pixels and channels of a thumbnail of H W pixels, Q those of a part of it.
"""

import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32

from vlsa.data.media.container import Source
from vlsa.data.media.decode import open_known
from vlsa.data.media.probe import MediaFacts
from vlsa.data.media.suffixes import is_animation

WIDTH_PX, HEIGHT_PX = 32, 18
"""Of a thumbnail."""
BLOCK_FRAMES = 600
"""Looked at together."""
STEP, STEP_TO_NEIGHBOURS = 6.0, 3.0
"""Of the mean difference of two frames in grey levels: least for a cut, and least above the median around it."""
NEIGHBOURS_SECONDS, FLASH_SECONDS = 0.4, 0.16
UNLIKE, FLASH_UNLIKE = 0.25, 0.6
"""1 - correlation of the patterns before and after a cut, at least; and before and after a flash, at most."""
HALF_WIDTHS_SECONDS = (0.2, 0.32, 0.52)
"""From the middle of a dissolve to where it is compared."""
MIXED, DISSOLVED, DISSOLVED_UNLIKE = 0.22, 20.0, 0.3
"""Of a dissolve: most distance of the middle from the mean of both ends, as a share of the distance of the ends; least
distance of the ends in grey levels; least 1 - correlation of them."""
BLACK, BLACK_SPREAD = 16.0, 8.0
"""Mean and spread of a black frame in grey levels, at most."""
FLAT = 6.0
"""Grey levels of a pattern that may be noise."""
FARTHEST_PX, FARTHEST_DOWN_PX, MOVED = 8, 4, 0.15
"""Pixels of a thumbnail by which the camera may have moved meanwhile; 1 - correlation of what both show, at most."""
USUAL_RATE = 25.0
"""Frames a second where a file does not say."""
APART_SECONDS = 0.4
"""Two cuts that are nearer are one."""


def find_cuts(path: str | os.PathLike[str], facts: MediaFacts) -> list[float]:
    """Seconds at which a new shot is first shown, ascending; of a dissolve and a fade the middle. Raises MediaError.

    Empty without video, and for animated images.
    """
    if is_animation(path):
        return []
    with open_known(path, facts) as source:
        if source.stream("video") is None:
            return []
        rate, fades = facts.frames_per_second or USUAL_RATE, Fades()
        found: list[float] = []
        for seconds, thumbnails, first, last in _blocks(source, _margin(rate)):
            black = is_black(thumbnails)
            found += [seconds[one] for one in _cuts_of_block(thumbnails, black, rate) if first <= one < last]
            found += fades.go_on(seconds[first:last], black[first:last])
    kept: list[float] = []
    for second in sorted(found):
        if not kept or second - kept[-1] >= APART_SECONDS:
            kept.append(second)
    return kept


def _frames(seconds: float, rate: float) -> int:
    return max(round(seconds * rate), 2)


def _margin(rate: float) -> int:
    """Frames of a block that its neighbours judge."""
    return 2 * _frames(max(HALF_WIDTHS_SECONDS), rate)


def _blocks(source: Source, margin: int) -> Iterator[tuple[list[float], Float32[np.ndarray, "N P"], int, int]]:
    """Times and thumbnails of frames, and the first and last + 1 of those that are to be judged."""
    seconds: list[float] = []
    thumbnails: list[np.ndarray] = []
    first = 0
    for timed in source.frames("video"):
        if not timed.seconds >= (seconds[-1] if seconds else 0.0):  # nan, or time steps back
            continue
        seconds.append(timed.seconds)
        image = timed.frame.reformat(WIDTH_PX, HEIGHT_PX, "rgb24", interpolation="AREA").to_ndarray()
        thumbnails.append(image.reshape(-1))
        if len(seconds) == BLOCK_FRAMES + 2 * margin:
            last = len(seconds) - margin
            yield seconds, np.stack(thumbnails).astype(np.float32), first, last
            seconds, thumbnails = seconds[-2 * margin :], thumbnails[-2 * margin :]
            first = margin
    if seconds:
        yield seconds, np.stack(thumbnails).astype(np.float32), first, len(seconds)


def _cuts_of_block(thumbnails: Float32[np.ndarray, "N P"], black: Bool[np.ndarray, " N"], rate: float) -> list[int]:
    """Numbers of the frames after cuts, then in the middle of dissolves where no cut and no black is near."""
    margin = _margin(rate)
    hard = [one for one in np.flatnonzero(is_cut(thumbnails, rate)).tolist() if not black[one - 1 : one + 1].any()]
    soft = [
        (start + stop) // 2
        for start, stop in runs(is_dissolve(thumbnails, rate))
        if not black[max(start - margin, 0) : stop + margin].any()
        and not has_moved(*_ends(thumbnails, (start + stop) // 2, margin // 2))
        and not any(start - margin // 2 <= one <= stop + margin // 2 for one in hard)
    ]
    return [*hard, *soft]


@dataclass
class Fades:
    """Black between two bright frames, however long: not black at the start or the end of the video."""

    is_begun: bool = False
    """A frame that is not black was seen."""
    black_since: float | None = None
    """Seconds at which it became black after such a frame."""

    def go_on(self, seconds: Sequence[float], black: Bool[np.ndarray, " N"]) -> list[float]:
        """The middles, in seconds, of the stretches of black that end in the next frames."""
        found: list[float] = []
        for second, is_dark in zip(seconds, black.tolist(), strict=True):
            if not is_dark:
                found += [] if self.black_since is None else [(self.black_since + second) / 2]
                self.is_begun, self.black_since = True, None
            elif self.is_begun and self.black_since is None:
                self.black_since = second
        return found


def is_cut(thumbnails: Float32[np.ndarray, "N P"], rate: float) -> Bool[np.ndarray, " N"]:
    """Which frames are the first of a shot after a hard cut."""
    found = np.zeros(len(thumbnails), bool)
    if len(thumbnails) < 3:
        return found
    steps = np.concatenate([[0.0], np.abs(np.diff(thumbnails, axis=0)).mean(axis=1)])
    jumps = np.concatenate([[0.0], np.diff(thumbnails.mean(axis=1))])
    reach, flash = _frames(NEIGHBOURS_SECONDS, rate), _frames(FLASH_SECONDS, rate)
    for number in np.flatnonzero(steps > STEP).tolist():
        around = np.delete(steps[max(number - reach, 1) : number + reach + 1], min(number - 1, reach))
        is_step = steps[number] > STEP_TO_NEIGHBOURS * np.median(around)
        if is_step and unlike(*thumbnails[number - 1 : number + 1, None])[0] > UNLIKE:
            found[number] = not _is_flash(thumbnails, jumps, number, flash)
    return found


def _is_flash(
    thumbnails: Float32[np.ndarray, "N P"], jumps: Float[np.ndarray, " N"], number: int, longest: int
) -> bool:
    """Whether it gets bright, or dark, at a frame, and back again within a few frames, to the pattern of before."""
    for other in range(max(number - longest, 1), min(number + longest + 1, len(jumps))):
        back = -jumps[other] / jumps[number] if jumps[number] else 0.0
        first, last = min(number, other), max(number, other)
        if 0.5 < back < 2 and unlike(thumbnails[first - 1 : first], thumbnails[last : last + 1])[0] < FLASH_UNLIKE:
            return True
    return False


def is_dissolve(thumbnails: Float32[np.ndarray, "N P"], rate: float) -> Bool[np.ndarray, " N"]:
    """Which frames are a mix of the frames before and after them, which are not alike."""
    found = np.zeros(len(thumbnails), bool)
    for width in {_frames(seconds, rate) for seconds in HALF_WIDTHS_SECONDS}:
        if len(thumbnails) <= 2 * width:
            continue
        before, middle, after = thumbnails[: -2 * width], thumbnails[width:-width], thumbnails[2 * width :]
        distance = np.abs(after - before).mean(axis=1)
        mixed = np.abs(middle - (before + after) / 2).mean(axis=1) < MIXED * distance
        found[width:-width] |= mixed & (distance > DISSOLVED) & (unlike(before, after) > DISSOLVED_UNLIKE)
    return found


def _ends(
    thumbnails: Float32[np.ndarray, "N P"], middle: int, width: int
) -> tuple[Float32[np.ndarray, " P"], Float32[np.ndarray, " P"]]:
    return thumbnails[max(middle - width, 0)], thumbnails[min(middle + width, len(thumbnails) - 1)]


def has_moved(before: Float32[np.ndarray, " P"], after: Float32[np.ndarray, " P"]) -> bool:
    """Whether the pattern of one frame is that of the other, shifted: the camera has moved."""
    one, other = (frame.reshape(HEIGHT_PX, WIDTH_PX, 3) for frame in (before, after))
    shifts = itertools.product(range(-FARTHEST_DOWN_PX, FARTHEST_DOWN_PX + 1), range(-FARTHEST_PX, FARTHEST_PX + 1))
    return any(unlike(_shifted(one, down, right), _shifted(other, -down, -right))[0] < MOVED for down, right in shifts)


def _shifted(image: Float32[np.ndarray, "H W 3"], down: int, right: int) -> Float32[np.ndarray, "1 Q"]:
    """What is left of an image when its edge is cut away: of the top and the left, if the numbers are above 0."""
    rows = slice(max(down, 0), HEIGHT_PX + min(down, 0))
    columns = slice(max(right, 0), WIDTH_PX + min(right, 0))
    return image[rows, columns].reshape(1, -1)


def is_black(thumbnails: Float32[np.ndarray, "N P"]) -> Bool[np.ndarray, " N"]:
    """Which frames are black."""
    return (thumbnails.mean(axis=1) < BLACK) & (thumbnails.std(axis=1) < BLACK_SPREAD)


def unlike(some: Float32[np.ndarray, "N P"], others: Float32[np.ndarray, "N P"]) -> Float[np.ndarray, " N"]:
    """1 - correlation of the patterns of frames, colour by colour: 0 where only the brightness is another, or both
    are flat."""
    one, other = _pattern(some), _pattern(others)
    floor = some.shape[1] * FLAT**2
    lengths = np.sqrt((np.square(one).sum(axis=1) + floor) * (np.square(other).sum(axis=1) + floor))
    return 1 - ((one * other).sum(axis=1) + floor) / lengths


def _pattern(thumbnails: Float32[np.ndarray, "N P"]) -> Float32[np.ndarray, "N P"]:
    colours = thumbnails.reshape(len(thumbnails), -1, 3)
    return (colours - colours.mean(axis=1, keepdims=True)).reshape(thumbnails.shape)


def runs(there: Bool[np.ndarray, " N"]) -> list[tuple[int, int]]:
    """First and last + 1 of each run."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]])))
    return [(start, stop) for start, stop in edges.reshape(-1, 2).tolist()]
