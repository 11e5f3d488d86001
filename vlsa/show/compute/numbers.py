"""A number that stands beside a picture: its value, its 95% interval, and what it has to be compared with.

Made by the other modules of this folder; feeds the table and figures.json of `vlsa show`.
Axes: N clips.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from vlsa.retrieve.evaluate.bootstrap import interval, means, resamples

NUM_RESAMPLES = 1000
TABLE_HEADER = ("figure", "number", "value", "95%", "beside it", "over")


@dataclass(frozen=True)
class Number:
    """One line of the table."""

    figure: str
    name: str
    value: float
    over: str
    """What it is a mean over: 40 clips, 1,000 pairs."""
    interval: tuple[float, float] | None = None
    """95%, by bootstrap over clips."""
    beside: Mapping[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        interval = list(self.interval) if self.interval else None
        same = {"figure": self.figure, "number": self.name, "value": self.value, "interval": interval}
        return {**same, "beside": dict(self.beside), "over": self.over}

    def row(self) -> tuple[str, ...]:
        """Cells under TABLE_HEADER."""
        interval = "{:.3f} to {:.3f}".format(*self.interval) if self.interval else ""
        beside = ", ".join(f"{name} {value:.3f}" for name, value in self.beside.items())
        return (self.figure, self.name, f"{self.value:.3f}", interval, beside, self.over)


def mean_over_clips(
    figure: str, name: str, values: Float[np.ndarray, " N"], beside: Mapping[str, Float[np.ndarray, " M"]] | None = None
) -> Number:
    """The mean of one value a clip, with its interval; what stands beside it is averaged alike. At least one clip."""
    means = {label: float(np.mean(other)) for label, other in (beside or {}).items()}
    over = f"{len(values):,} clip{'s' if len(values) != 1 else ''}"
    return Number(figure, name, float(np.mean(values)), over, bootstrap_interval(values), means)


def bootstrap_interval(values: Float[np.ndarray, " N"], seed: int = 0) -> tuple[float, float]:
    """95% interval of the mean when clips are drawn again with replacement."""
    drawn = [means(counts, values[:, None]) for counts in resamples(len(values), NUM_RESAMPLES, seed)]
    return interval(np.concatenate(drawn)[:, 0])
