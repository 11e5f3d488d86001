"""How far a score stands out: an honest number next to rank and cosine.

Computed from the scores of all windows of an index for one question, or of a sample of them. It is a robust z:

    stand-out = (score - median of the scores) / (1.4826 x median distance from that median)

The median window of an archive does not answer the question, so 0 is "as any other window"; the unit is the spread of
the windows that do not answer (for normal scores their standard deviation). It does not change when all cosines of a
model are higher, or of a question are nearer together, so that, unlike a cosine, it can be compared between questions.
It is no probability, and what is in half of an archive stands out little. Of more windows the best reaches more by
chance: of 1,000 windows of normal noise about 3.1, of 100,000 about 4.3. So "nothing here stands out" is the answer
where the best window is not above what chance gives for so many. Feeds combine.py. Axes: N windows.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Float, Float64

LEAST_ABOVE_CHANCE = 0.0
"""Where the best answer stands out less than this above the best of noise, nothing does. Error rates of this and other
margins: docs/search.md."""
FEWEST_WINDOWS = 20
"""With fewer the spread is a guess, and the rule says nothing."""
_NORMAL = 1.4826
"""Standard deviation of normal numbers whose median distance from their median is 1."""


@dataclass(frozen=True)
class Typical:
    """What windows of an index score for one question, when they do not answer it."""

    median: float
    spread: float
    """0 where all windows score alike: nothing stands out there."""
    num_windows: int

    @classmethod
    def of(cls, scores: Float[np.ndarray, " N"]) -> "Typical":
        """From all scores; nan is a window that was not compared."""
        compared = scores[~np.isnan(scores)].astype(np.float64)
        if not len(compared):
            return cls(0.0, 0.0, 0)
        median = float(np.median(compared))
        distances = np.abs(compared - median)
        spread = _NORMAL * float(np.median(distances)) or float(np.sqrt(np.mean(distances**2)))
        return cls(median, spread if spread > 1e-9 else 0.0, len(compared))

    def stand_out(self, scores: Float[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        """Of these scores; nan stays nan."""
        away = scores.astype(np.float64) - self.median
        return away / self.spread if self.spread else np.where(np.isnan(away), np.nan, 0.0)


def nothing_stands_out(best: float, num_windows: int, margin: float = LEAST_ABOVE_CHANCE) -> bool:
    """Whether the answer is "nothing here stands out": the best of enough windows is not that far above chance."""
    return num_windows >= FEWEST_WINDOWS and not best >= best_by_chance(num_windows) + margin


def best_by_chance(num_windows: int) -> float:
    """What the best of so many windows of normal noise reaches: the stand-out that one of them exceeds on average."""
    return NormalDist().inv_cdf(1 - 1 / num_windows) if num_windows > 1 else 0.0
