"""How many windows cover a stretch of time, and where they start.

Used by what encodes media (encode/sampling.py) and by what asks with windows of an index (search/near.py),
which starts without PyTorch.
"""

import math

import numpy as np

REST_SHARE = 0.05
"""A rest of so much of a window is left out at the ends: 6 s of media are one window of 5.94 s, not two."""


def covering_starts(length: float, window: float, most: int) -> list[float]:
    """Where up to `most` windows start that cover a length, evenly from end to end; one window lies in the middle."""
    num_windows = min(max(math.ceil(length / window - REST_SHARE), 1), most)
    spare = max(length - window, 0.0)
    return np.linspace(0, spare, num_windows).tolist() if num_windows > 1 else [spare * 0.5]
