"""Captions that roll: automatic captions of video sites repeat each line while the next one is added below it.

Here every line comes once, when it is new. Used by subtitles.py for files, and by embedded_text.py.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

REPEAT_SECONDS = 0.5
"""A cue that starts so soon after the one before may repeat its lines."""
ROLLING_SHARE = 1 / 3
"""Of the cues of a file that begin with a line of the cue before: from here on, lines are taken for repeats."""


@dataclass(frozen=True)
class Block:
    """A cue by its lines. Seconds of the media file."""

    start_seconds: float
    stop_seconds: float
    lines: tuple[str, ...]


def unrolled(blocks: Sequence[Block], has_word_times: bool = False) -> Iterator[Block]:
    """Cues with a line at least; where captions roll, without the lines that the cue before has shown already.

    Lines are without markup. has_word_times: some cues said when each word is spoken, as only those that roll do.
    """
    filled = [Block(block.start_seconds, block.stop_seconds, tuple(filter(None, block.lines))) for block in blocks]
    num_repeats = sum(bool(_num_repeated(one, other)) for one, other in itertools.pairwise(filled))
    is_rolling = has_word_times or num_repeats > max(ROLLING_SHARE * len(blocks), 1)
    before = Block(0.0, 0.0, ())
    for block in filled:
        new = block.lines[_num_repeated(before, block) if is_rolling else 0 :]
        if new:
            yield Block(block.start_seconds, block.stop_seconds, new)
        before = block


def _num_repeated(before: Block, block: Block) -> int:
    """How many lines at the start of a cue stood at the end of the one before."""
    if block.start_seconds > before.stop_seconds + REPEAT_SECONDS:
        return 0
    longest = min(len(before.lines), len(block.lines))
    return next((n for n in range(longest, 0, -1) if before.lines[-n:] == block.lines[:n]), 0)
