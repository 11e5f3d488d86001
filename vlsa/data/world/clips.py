"""The clips of a world: their logs by seed, split and number, the held-out combinations, and clips in memory.

Reads events.py, picture.py, sound.py and words.py; used by write.py, rendered.py and training without files.
"""

import functools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from vlsa.base.errors import ConfigError
from vlsa.data.clip import Clip
from vlsa.data.world.events import AMBIENCES, COLOURS, COMBINATION, DIRECTIONS, SHAPES, ClipLog, draw_facts, draw_log
from vlsa.data.world.picture import render_picture
from vlsa.data.world.sound import render_sound
from vlsa.data.world.words import captions

SPLITS = ("train", "test")
NUM_HELD_OUT = 1200
"""Combinations, of 11,520, that do not occur in training: at most as many held-out clips."""
BLOCK = 60
"""Held-out clips in which each value of each fact occurs equally often (except for repeats that are left out)."""
SHARED_FACTS = {
    "audio-video": ("size", "motion", "count", "tempo"),
    "audio-text": ("size", "material", "motion", "count", "tempo", "ambience"),
    "video-text": ("shape", "colour", "size", "motion", "count", "tempo", "direction", "companion"),
}
"""Named facts that two modalities share. Audio and video share the times of the impacts too: a higher ceiling."""


@functools.lru_cache(maxsize=8)
def held_out(seed: int) -> tuple[tuple[str | int, ...], ...]:
    """The world's held-out combinations, in the order of the test clips; all different, their values balanced."""
    rng = np.random.default_rng([seed, len(SPLITS)])
    chosen: dict[tuple[str | int, ...], None] = {}
    while len(chosen) < NUM_HELD_OUT:
        columns = [rng.permutation(np.arange(BLOCK) % len(values)) for values in COMBINATION.values()]
        for row in zip(*columns, strict=True):
            chosen[tuple(values[i] for values, i in zip(COMBINATION.values(), row, strict=True))] = None
    return tuple(chosen)[:NUM_HELD_OUT]


@functools.lru_cache(maxsize=8)
def _held_out_set(seed: int) -> frozenset[tuple[str | int, ...]]:
    return frozenset(held_out(seed))


def world_log(seed: int, split: str, index: int) -> tuple[ClipLog, tuple[str, ...]]:
    """Log and captions of one clip, a function of the arguments alone.

    split: "train" or "test". Raises ConfigError past the last held-out clip.
    """
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    if split == "test":
        facts = draw_facts(rng, **dict(zip(COMBINATION, _test_combination(seed, index), strict=True)))
    else:
        facts = draw_facts(rng)
        while facts.combination in _held_out_set(seed):
            facts = draw_facts(rng)
    log = draw_log(rng, facts)
    return log, captions(log, rng, split)


def _test_combination(seed: int, index: int) -> tuple[str | int, ...]:
    if not 0 <= index < NUM_HELD_OUT:
        raise ConfigError(
            f"world: held-out clip {index} does not exist; each has a combination of its own and "
            f"{NUM_HELD_OUT} are reserved. Ask for at most {NUM_HELD_OUT} held-out clips."
        )
    return held_out(seed)[index]


def made_clips(
    seed: int,
    indices: Iterable[int],
    sample_rate_hz: int = 11_025,
    frames_per_second: int = 8,
    split: str = "train",
    size_px: int = 64,
) -> Iterator[Clip]:
    """Clips rendered from their logs, without files or media libraries."""
    for index in indices:
        log, texts = world_log(seed, split, index)
        frames = render_picture(log, size_px, frames_per_second)
        yield Clip(
            id=f"{split}/{index:05d}",
            source=f"made world {seed}",
            start_seconds=0.0,
            stop_seconds=log.duration_seconds,
            frames=frames,
            frame_seconds=np.arange(len(frames)) / frames_per_second,
            sound=render_sound(log, sample_rate_hz),
            sample_rate_hz=sample_rate_hz,
            texts=texts,
        )


def caption_bits(facts: Sequence[str]) -> float:
    """Entropy of these facts under `draw_facts`, in bits."""
    values = {name: float(math.log2(len(known))) for name, known in COMBINATION.items()}
    values |= {"direction": math.log2(len(DIRECTIONS)), "ambience": math.log2(len(AMBIENCES))}
    values["companion"] = 1 + 0.5 * math.log2(len(COLOURS) * len(SHAPES))  # none in half of the clips
    return sum(values[name] for name in facts)


def ceiling(logs: Sequence[ClipLog], facts: Sequence[str], k: int = 1) -> float:
    """Best possible R@k, 0..1, if only these facts link query and item: clips that agree in them are guessed."""
    keys = [tuple(getattr(log.facts, name) for name in facts) for log in logs]
    alike = Counter(keys)
    return sum(min(1.0, k / alike[key]) for key in keys) / len(keys)
