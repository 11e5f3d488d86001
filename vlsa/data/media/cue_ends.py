"""Cues of which nothing says how long they are shown. Used by embedded_text.py, microdvd.py and sami.py."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from vlsa.data.media.rolling import Block

LONGEST_SECONDS = 10.0
"""Such a cue ends when the next one starts, or after so long."""


def with_ends(blocks: Sequence[Block]) -> list[Block]:
    """Cues, each with an end; one whose end is not known has inf."""
    until = dict(pairwise([*sorted({block.start_seconds for block in blocks}), math.inf]))
    return [
        block
        if block.stop_seconds < math.inf
        else replace(block, stop_seconds=min(until[block.start_seconds], block.start_seconds + LONGEST_SECONDS))
        for block in blocks
    ]
