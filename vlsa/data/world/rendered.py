"""A made world to train on without files: each clip is rendered when it is read, and not stored.

Reads clips.py, picture.py and sound.py; can replace a clip store (`--data world:train=50000,test=1000`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from vlsa.base.errors import ConfigError
from vlsa.config.overrides import nearest
from vlsa.data.clip import Clip, cut
from vlsa.data.world.clips import NUM_HELD_OUT, SPLITS, world_log
from vlsa.data.world.events import DURATION_SECONDS
from vlsa.data.world.picture import render_picture
from vlsa.data.world.sound import render_sound

PREFIX = "world:"
LIMITS = {"px": (8, 1024), "fps": (1, 120), "train": (0, 10**7)}
"""Range of a number: a clip, and the list of all clips, have to fit into memory."""


@dataclass(frozen=True, kw_only=True)
class WorldSpec:
    """The values of `world:train=3000,test=200,seed=0,px=64`, with defaults."""

    train: int = 3000
    """Training clips."""
    test: int = 200
    """Held-out clips, each of a combination that does not occur in training."""
    seed: int = 0
    px: int = 64
    """Side of the frame."""
    fps: int = 8
    """Frames per second."""
    first: int = 0
    """Number of the first training clip: worlds of one seed can then share no clip."""
    val: int = 0
    """Clips to choose settings by: the last of the held-out combinations, so that test clips stay untouched."""

    def __post_init__(self) -> None:
        for field in fields(self):
            least, most = LIMITS.get(field.name, (0, 10**9))
            if not least <= getattr(self, field.name) <= most:
                raise ConfigError(f"{self}: {field.name} must lie in {least}..{most}. {_EXAMPLE}")
        if self.test + self.val > NUM_HELD_OUT:
            most = f"test={max(NUM_HELD_OUT - self.val, 0)} with val={self.val}" if self.val else f"test={NUM_HELD_OUT}"
            raise ConfigError(f"{self}: {NUM_HELD_OUT} combinations are reserved. Ask for at most {most}.")

    def __str__(self) -> str:
        given = [field.name for field in fields(self) if field.name != "val" or self.val]
        return PREFIX + ",".join(f"{name}={getattr(self, name)}" for name in given)

    @classmethod
    def parse(cls, text: str) -> "WorldSpec":
        """From `world:name=number,...`. Raises ConfigError."""
        known, values = [field.name for field in fields(cls)], {}
        for part in filter(None, text.removeprefix(PREFIX).split(",")):
            name, _, number = part.partition("=")
            if name not in known:
                raise ConfigError(f"{text}: a made world has no {name!r}. {nearest(name, known)} {_EXAMPLE}")
            if not (number.isascii() and number.isdigit() and len(number) < 10):
                raise ConfigError(f"{text}: {name} needs a whole number, found {number!r}. {_EXAMPLE}")
            if name in values:
                raise ConfigError(f"{text}: {name} is given twice; one of the two would be ignored. {_EXAMPLE}")
            values[name] = int(number)
        return cls(**values)


_EXAMPLE = "Write, for example, world:train=3000,test=200,seed=0,px=64."


@dataclass(frozen=True, eq=False)
class WorldRow:
    """Facts of a clip before it is rendered."""

    split: str
    index: int
    spec: WorldSpec
    sample_rate_hz: int

    @property
    def id(self) -> str:
        return f"{self.split}/{self.index:05d}"

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """Its captions."""
        return world_log(self.spec.seed, self.split, self.index)[1]

    @property
    def duration_seconds(self) -> float:
        return DURATION_SECONDS

    @property
    def frame_seconds(self) -> np.ndarray:
        return _frame_seconds(self.spec.fps)

    @property
    def num_samples(self) -> int:
        return round(DURATION_SECONDS * self.sample_rate_hz)

    @property
    def content_digest(self) -> str:
        """What its frames and audio depend on, in addition to its number."""
        return f"{self.spec.seed} {self.spec.px} {self.spec.fps} {self.sample_rate_hz}"


@lru_cache(maxsize=4)
def _frame_seconds(frames_per_second: int) -> np.ndarray:
    return np.arange(round(DURATION_SECONDS * frames_per_second)) / frames_per_second


class WorldClips:
    """The clips of a made world, as a data set."""

    def __init__(self, spec: WorldSpec, sample_rate_hz: int = 11_025) -> None:
        self.spec = spec
        numbers = {"train": range(spec.first, spec.first + spec.train), "test": range(spec.test)}
        self._rows = {split: [WorldRow(split, n, spec, sample_rate_hz) for n in numbers[split]] for split in SPLITS}
        chosen_by = range(NUM_HELD_OUT - spec.val, NUM_HELD_OUT)
        self._rows["val"] = [WorldRow("test", n, spec, sample_rate_hz) for n in chosen_by]

    @property
    def path(self) -> str:
        """Its name in results."""
        return str(self.spec)

    def rows(self, split: str | None = None) -> list[WorldRow]:
        """The clips of a split, or all."""
        return [row for name, rows in self._rows.items() if split in (None, name) for row in rows]

    def texts(self, split: str | None = None) -> Iterator[str]:
        """Every text of a split, clip by clip."""
        for row in self.rows(split):
            yield from row.texts

    def read(
        self, clip: Any, *, frame_indices: Sequence[int] | None = None, sound_range: tuple[int, int] | None = None
    ) -> Clip:
        """Render the requested part of a clip."""
        log, texts = world_log(self.spec.seed, clip.split, clip.index)
        indices = list(range(len(clip.frame_seconds)) if frame_indices is None else frame_indices)
        whole = Clip(
            id=clip.id,
            source=self.path,
            start_seconds=0.0,
            stop_seconds=clip.duration_seconds,
            frames=render_picture(log, self.spec.px, self.spec.fps, indices) if indices else None,
            frame_seconds=clip.frame_seconds[indices] if indices else None,
            sound=render_sound(log, clip.sample_rate_hz),
            sample_rate_hz=clip.sample_rate_hz,
            texts=texts,
        )
        return cut(whole, range(len(indices)), *(sound_range or (0, clip.num_samples)))
