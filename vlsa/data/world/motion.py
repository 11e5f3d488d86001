"""The position of the object at any time, in closed form.

Reads events.py; used by picture.py. Positions are shares of the frame's side; all paths are computed as moving to the
right and mirrored at the end. Axes: T times, N impacts.
"""

import numpy as np

from vlsa.data.world.events import FALL, ROPE, STEP, WALL, ClipLog, reach

LEAN = 1.0
"""Angle of the pendulum's first swing, radians."""
WANE = 0.85
"""Each swing over the one before."""
REST = 0.4
"""Share of an interval in which the object rests on a step."""


def path(log: ClipLog, seconds: np.ndarray) -> np.ndarray:
    """T 2: centre of the object at each time. At an impact it touches exactly; after the last one it rests."""
    times = log.impact_seconds
    contacts = np.array([[event.x, event.y] for event in log.events])
    if log.facts.direction == "left":
        contacts[:, 0] = 1 - contacts[:, 0]
    centre = PATHS[log.facts.motion](log, np.clip(seconds, None, times[-1]), times, contacts)
    if log.facts.direction == "left":
        centre[:, 0] = 1 - centre[:, 0]
    return centre


def pivot(log: ClipLog) -> tuple[float, float]:
    """Where the pendulum's rope is held."""
    sideways = reach(log.facts)[0]
    x = log.events[0].x - sideways if log.facts.direction == "right" else log.events[0].x + sideways
    return x, log.events[0].y - ROPE


def _phase(seconds: np.ndarray, times: np.ndarray, first_seconds: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each time: the next impact, the progress towards it (0..1), and the length of that interval."""
    following = np.minimum(np.searchsorted(times, seconds, side="left"), len(times) - 1)
    lengths = np.concatenate([[first_seconds], np.diff(times)])
    along = 1 - (times[following] - seconds) / lengths[following]
    return following, np.clip(along, 0, 1), lengths[following]


def _bounce(log: ClipLog, seconds: np.ndarray, times: np.ndarray, contacts: np.ndarray) -> np.ndarray:
    """Ballistic hops; the approach is the second half of a hop, released at its top."""
    centres = contacts - [0, reach(log.facts)[1]]
    before = 2 * centres[0] - (centres[1] if len(centres) > 1 else centres[0] + [0.16, 0])
    starts = np.concatenate([[before], centres[:-1]])
    following, along, lengths = _phase(seconds, times, log.interval_seconds)
    along = np.where(following == 0, np.maximum(along, 0.5), along)
    height = FALL * lengths**2 / 8 * 4 * along * (1 - along)
    centre = starts[following] + along[:, None] * (centres - starts)[following]
    centre[:, 1] -= height
    return centre


def _knock(log: ClipLog, seconds: np.ndarray, times: np.ndarray, contacts: np.ndarray) -> np.ndarray:
    """Back and forth at constant speed; before the first knock it waits at `run_up` of the way from the wall."""
    sideways = reach(log.facts)[0]
    towards = np.where(np.arange(len(times)) % 2 == 0, 1.0, -1.0)
    span = 1 - 2 * WALL - 2 * sideways
    following, along, _ = _phase(seconds, times, log.interval_seconds)
    left = np.where(following == 0, np.minimum(1 - along, log.run_up), 1 - along)
    centre = contacts[following]
    centre[:, 0] -= towards[following] * (sideways + span * left)
    return centre


def _stairs(log: ClipLog, seconds: np.ndarray, times: np.ndarray, contacts: np.ndarray) -> np.ndarray:
    """Rest on a step, then slide off its edge and fall on the next."""
    centres = contacts - [0, reach(log.facts)[1]]
    following, along, _ = _phase(seconds, times, log.interval_seconds)
    moving = np.clip((along - REST) / (1 - REST), 0, 1)
    back = np.stack([1 - moving, 1 - moving**2], axis=1) * STEP
    return centres[following] - back


def _swing(log: ClipLog, seconds: np.ndarray, times: np.ndarray, contacts: np.ndarray) -> np.ndarray:
    """A pendulum that hangs against its post when at rest and swings out on the other side."""
    following, along, _ = _phase(seconds, times, log.interval_seconds)
    along = np.where(following == 0, np.maximum(along, 0.5), along)
    angle = LEAN * WANE**following * np.sin(np.pi * along)
    hanging = contacts[0] - [reach(log.facts)[0], ROPE]
    return hanging + ROPE * np.stack([-np.sin(angle), np.cos(angle)], axis=1)


PATHS = {"bounce": _bounce, "knock": _knock, "stairs": _stairs, "swing": _swing}
