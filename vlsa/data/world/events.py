"""The event log of a made clip: the one source of its video, its audio and its captions.

Reads nothing; used by picture.py, sound.py and words.py, each of which renders the same log.
Positions are shares of the frame's side: x from the left, y from the top. Axes: N impacts.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

SHAPES = ("ball", "block", "triangle", "star")
COLOURS = ("red", "green", "blue", "yellow", "purple", "white")
SIZES = ("small", "medium", "big")
MATERIALS = ("wood", "metal", "glass", "rubber")
MOTIONS = ("bounce", "knock", "stairs", "swing")
COUNTS = (1, 2, 3, 4, 5)
TEMPOS = ("slow", "fast")
DIRECTIONS = ("left", "right")
AMBIENCES = ("none", "bird", "hum", "rain")

DURATION_SECONDS = 3.0
RADII = {"small": 5 / 64, "medium": 8 / 64, "big": 11 / 64}
"""Shares of the frame's side: 5, 8 and 11 of 64 pixels."""
EXTENTS = {"ball": (1.0, 1.0), "block": (0.88, 0.88), "triangle": (1.04, 0.6), "star": (1.19, 1.01)}
"""How far a shape reaches from its centre, in radii: sideways, down."""
INTERVAL_SECONDS = {"slow": 0.5, "fast": 0.25}
"""Between impacts. A bounce starts at 1.18 of it, since its intervals shrink."""
SHRINK = 0.86
"""Restitution of a bounce: each interval is this share of the one before."""
FADE = 0.78
"""Loudness relative to the impact before: a bounce and a swing fade, a staircase grows, a knock does neither."""
FALL = 8 * 0.5 / 0.59**2
"""Gravity in frame sides a second squared: the first slow bounce rises half a frame."""
STEP = (0.12, 0.1)
"""One step of the staircase: sideways, down."""
WALL = 0.07
"""How far the walls stand from the frame's edge."""
ROPE = 0.5
"""Length of the pendulum's rope."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """The facts of a clip. The first seven are its combination; training and held-out clips share none."""

    shape: str
    """In the video only, as are colour, direction and companion."""
    colour: str
    size: str
    """Radius in the video, pitch in the audio."""
    material: str
    """In the audio only, as is ambience."""
    motion: str
    """In video and audio, as are count and tempo."""
    count: int
    tempo: str
    direction: str
    ambience: str
    companion: tuple[str, str] | None
    """Colour and shape of a second object that does not move or sound, or None."""

    @property
    def combination(self) -> tuple[str | int, ...]:
        """Shape, colour, size, material, motion, count and tempo."""
        return tuple(getattr(self, name) for name in COMBINATION)


COMBINATION = {
    "shape": SHAPES,
    "colour": COLOURS,
    "size": SIZES,
    "material": MATERIALS,
    "motion": MOTIONS,
    "count": COUNTS,
    "tempo": TEMPOS,
}
"""The facts that keep training and held-out clips apart, each with its values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One impact: when, where the object touches, and how loud (1 = the loudest of the clip)."""

    seconds: float
    x: float
    y: float
    loudness: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipLog:
    """The input of the three renderings of a clip."""

    facts: Facts
    events: tuple[Event, ...]
    interval_seconds: float
    """First interval, drawn also for a single impact: it sets the speed of the approach."""
    run_up: float
    """Share of the way between the walls that lies before the first knock."""
    pitch: float
    """Factor on the object's frequencies, within 3% of 1."""
    render_seed: int
    """Seed of what captions do not name: background, mode jitter, rain drops."""
    duration_seconds: float = DURATION_SECONDS

    @property
    def impact_seconds(self) -> np.ndarray:
        """float64, N: ascending."""
        return np.array([event.seconds for event in self.events])

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, for truth.jsonl."""
        return dataclasses.asdict(self)


def draw_facts(rng: np.random.Generator, **fixed: Any) -> Facts:
    """Facts drawn independently of each other, each value equally likely, except the `fixed` ones."""
    drawn = {name: values[rng.integers(len(values))] for name, values in COMBINATION.items()}
    drawn["direction"] = DIRECTIONS[rng.integers(2)]
    drawn["ambience"] = AMBIENCES[rng.integers(len(AMBIENCES))]
    pair = COLOURS[rng.integers(len(COLOURS))], SHAPES[rng.integers(len(SHAPES))]
    drawn["companion"] = pair if rng.integers(2) else None
    return Facts(**(drawn | fixed))


def draw_log(rng: np.random.Generator, facts: Facts | None = None) -> ClipLog:
    """A clip's log: the given (or drawn) facts with random times, positions and other parameters."""
    facts = facts or draw_facts(rng)
    intervals = _draw_intervals(rng, facts)
    seconds = rng.uniform(0.2, 0.7) + np.concatenate([[0.0], np.cumsum(intervals[: facts.count - 1])])
    loudness = _loudness(facts)
    run_up = float(rng.uniform(0.4, 0.9))
    places = _draw_contacts(rng, facts, intervals)
    if facts.direction == "left":
        places[:, 0] = 1 - places[:, 0]
    events = tuple(
        Event(seconds=round(float(t), 5), x=round(float(x), 5), y=round(float(y), 5), loudness=round(float(a), 4))
        for t, (x, y), a in zip(seconds, places, loudness, strict=True)
    )
    return ClipLog(
        facts=facts,
        events=events,
        interval_seconds=round(float(intervals[0]), 5),
        run_up=round(run_up, 5),
        pitch=round(float(rng.uniform(0.97, 1.03)), 5),
        render_seed=int(rng.integers(2**31)),
    )


def reach(facts: Facts) -> tuple[float, float]:
    """How far the object reaches from its centre, sideways and down, in shares of the frame's side."""
    sideways, down = EXTENTS[facts.shape]
    return sideways * RADII[facts.size], down * RADII[facts.size]


def _draw_intervals(rng: np.random.Generator, facts: Facts) -> np.ndarray:
    """Seconds between impacts, at least one, each within 4% of its nominal value."""
    number = max(facts.count - 1, 1)
    law = 1.18 * SHRINK ** np.arange(number) if facts.motion == "bounce" else np.ones(number)
    return INTERVAL_SECONDS[facts.tempo] * law * rng.uniform(0.96, 1.04, number)


def _loudness(facts: Facts) -> np.ndarray:
    """N: loudness of each impact, 1 for the loudest."""
    fading = FADE ** np.arange(facts.count)
    return {"bounce": fading, "knock": np.ones(facts.count), "stairs": fading[::-1], "swing": fading}[facts.motion]


def _draw_contacts(rng: np.random.Generator, facts: Facts, intervals: np.ndarray) -> np.ndarray:
    """N 2: contact positions, for a clip that moves to the right."""
    sideways = reach(facts)[0]
    index = np.arange(facts.count)
    if facts.motion == "knock":
        x = np.where(index % 2 == 0, 1 - WALL, WALL)
        return np.stack([x, np.full(facts.count, rng.uniform(0.35, 0.7))], axis=1)
    if facts.motion == "swing":
        x, y = rng.uniform(0.62, 0.68) + sideways, 0.1 + ROPE
        return np.tile([x, y], (facts.count, 1))
    if facts.motion == "stairs":
        x = _fit(rng, np.arange(-1, facts.count) * STEP[0], sideways)[1:]
        highest = STEP[1] * facts.count + 2 * RADII[facts.size] + 0.02  # the object starts a step above the first one
        y = rng.uniform(max(highest, 0.6), 0.88) - STEP[1] * index[::-1]
        return np.stack([x, y], axis=1)
    hops = 0.16 * intervals[: facts.count - 1] / intervals[0]
    x = _fit(rng, np.concatenate([[-0.08, 0.0], np.cumsum(hops)]), sideways)[1:]
    return np.stack([x, np.full(facts.count, rng.uniform(0.82, 0.88))], axis=1)


def _fit(rng: np.random.Generator, offsets: np.ndarray, sideways: float) -> np.ndarray:
    """Offsets shifted to a random position at which the whole object stays in the frame."""
    lowest, highest = sideways + 0.02 - offsets.min(), 0.98 - sideways - offsets.max()
    return offsets + (rng.uniform(lowest, highest) if lowest < highest else (lowest + highest) / 2)
