"""Where the windows of an index are: file and times, and their order by time.

Used throughout search/. Axes: N windows, n some of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Float64, Int64


@dataclass(frozen=True, eq=False)
class Windows:
    """Where the N windows of an index are."""

    file: Int64[np.ndarray, " N"]
    """A number for each file."""
    start_seconds: Float[np.ndarray, " N"]
    stop_seconds: Float[np.ndarray, " N"]

    def __len__(self) -> int:
        return len(self.file)

    @cached_property
    def by_time(self) -> Int64[np.ndarray, " N"]:
        """The numbers of the windows by file and time."""
        return np.lexsort((self.stop_seconds, self.start_seconds, self.file))

    @cached_property
    def place(self) -> Int64[np.ndarray, " N"]:
        """Where each window is in that order."""
        place = np.empty(len(self), np.int64)
        place[self.by_time] = np.arange(len(self))
        return place

    @cached_property
    def longest_seconds(self) -> float:
        """Length of the longest window."""
        return float((self.stop_seconds - self.start_seconds).max(initial=0.0))

    @cached_property
    def period_seconds(self) -> float:
        """On a line of times on which files lie one after the other, the distance of their starts."""
        return float(self.stop_seconds.max(initial=0.0)) + 2 * self.longest_seconds + 2

    @cached_property
    def line(self) -> Float64[np.ndarray, " N"]:
        """Where each window starts on that line, in the order of time."""
        return self.file[self.by_time] * self.period_seconds + self.start_seconds[self.by_time]

    def at(self, rows: Int64[np.ndarray, " n"]) -> "Windows":
        """Some of them."""
        part = Windows(self.file[rows], self.start_seconds[rows], self.stop_seconds[rows])
        vars(part).update(by_time=np.argsort(self.place[rows], kind="stable"))  # known already
        return part

    def of_file(self, number: int) -> Int64[np.ndarray, " n"]:
        """The windows of a file, by time."""
        first, last = np.searchsorted(self.line, [number * self.period_seconds, (number + 1) * self.period_seconds])
        return self.by_time[first:last]

    def neighbours(self, number: int, step: int) -> Iterator[int]:
        """Windows of the same file before (-1) or after (1) one, the nearest first."""
        file, place = self.file[number], int(self.place[number]) + step
        while 0 <= place < len(self) and self.file[self.by_time[place]] == file:
            yield int(self.by_time[place])
            place += step
