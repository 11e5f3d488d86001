"""A number that belongs to a figure: its value, its 95% interval, and the baselines to compare it with.

Made by the other modules of this folder; feeds the table and figures.json of `vlsa show`.
Axes: N clips.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from vlsa.retrieve.evaluate.bootstrap import bounded_interval, interval, means, resamples

NUM_RESAMPLES = 1000
TABLE_HEADER = ("figure", "number", "value", "95%", "compared with", "over")


@dataclass(frozen=True)
class Number:
    """One line of the table."""

    figure: str
    name: str
    value: float
    over: str
    """What it is a mean over: 40 clips, 1,000 pairs."""
    interval: tuple[float, float] | None = None
    """95%, by bootstrap over clips; None where it is not known."""
    baselines: Mapping[str, float] = field(default_factory=dict)
    """Name of a baseline -> its value."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, as in figures.json."""
        values = asdict(self)
        return {"figure": values.pop("figure"), "number": values.pop("name"), **values}

    def row(self) -> tuple[str, ...]:
        """Cells under TABLE_HEADER."""
        interval = "{:.3f} to {:.3f}".format(*self.interval) if self.interval else ""
        compared = ", ".join(f"{name} {value:.3f}" for name, value in self.baselines.items())
        return (self.figure, self.name, f"{self.value:.3f}", interval, compared, self.over)


def mean_over_clips(
    figure: str,
    name: str,
    values: Float[np.ndarray, " N"],
    baselines: Mapping[str, Float[np.ndarray, " N"]] | None = None,
    bounds: tuple[float, float] | None = None,
) -> Number:
    """The mean of one value per clip, with its interval; baselines are averaged in the same way. At least one clip.

    `bounds`: the lowest and the highest value that a clip can have, where there are such.
    """
    over = f"{len(values):,} clip{'s' if len(values) != 1 else ''}"
    compared = {label: float(np.mean(other)) for label, other in (baselines or {}).items()}
    return Number(figure, name, float(np.mean(values)), over, bootstrap_interval(values, bounds), compared)


def bootstrap_interval(
    values: Float[np.ndarray, " N"], bounds: tuple[float, float] | None = None, seed: int = 0
) -> tuple[float, float] | None:
    """95% interval of the mean when clips are resampled with replacement. Never a point.

    Where all clips gave the same, that of Clopper and Pearson between `bounds`; None without bounds: not known.
    """
    blocks = [means(counts, values[:, None]) for counts in resamples(len(values), NUM_RESAMPLES, seed)]
    drawn = np.concatenate(blocks)[:, 0]
    if bounds is not None:
        return bounded_interval(drawn, float(np.mean(values)), len(values), *bounds)
    return interval(drawn) if np.ptp(values) > 0 else None
