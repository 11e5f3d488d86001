"""A process that searches an index over and over, and says how much its memory grew; used by test_many_searches.py.

It is a process of its own, since the shape checks of pytest take longer than the searches.
"""

import os
import sys
from pathlib import Path

from fake_encoder import FakeEncoder

from vlsa.retrieve.search.library import Library
from vlsa.retrieve.search.pieces import question_of

NUM_FILES = 8
"""Of the index: few, so that a thousand searches take seconds."""


def held_kib() -> int:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1])


def main(path: str, num_searches: int) -> None:
    library = Library.open(path, encoder=FakeEncoder())

    def search(number: int) -> None:
        where = f"folder = 'f{number % 4}' and name != '{number}'"  # another filter each time
        target = "video" if number % 5 else "media"  # every fifth looks for the words too
        asked = question_of(f"number {number % NUM_FILES}", unlike=["number 3"], where=where, target=target, k=2)
        assert 0 < len(library.ask(asked).moments) <= 2

    for number in range(100):  # until caches are full
        search(number)
    before, files = held_kib(), len(os.listdir("/proc/self/fd"))
    for number in range(num_searches):
        search(number)
    print(held_kib() - before, len(os.listdir("/proc/self/fd")) - files)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
