"""A process that searches for days: its memory stays as it is, and it leaves no file open."""

import os
from pathlib import Path

import pytest
from fake_encoder import FakeEncoder, concept

from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.rows import IndexRow
from vlsa.retrieve.search.library import Library
from vlsa.retrieve.search.pieces import question_of

GROWTH_KIB = 12 * 1024
"""Arrow and the allocator move by a few MiB; a kilobyte kept by each search is told from that by the file handles."""


def held_kib() -> int:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1])


@pytest.mark.slow
def test_a_thousand_searches_leave_memory_and_files_as_they_were(tmp_path):
    rows = []
    for number in range(40):
        at = {"path": f"f{number % 4}/{number}.mp4", "spaces": ("all",), "start_seconds": 0.0, "stop_seconds": 2.0}
        rows.append(IndexRow(id=f"{number}", video=concept(number), audio=concept(100 + number), **at))
        text = {"texts": (f"this is number {number}",), "text_vector": concept(number)}
        rows.append(IndexRow(id=f"{number}-t", kind="text", **text, **at))
    index = Index.create(tmp_path / "index", FakeEncoder())
    index.add(rows)
    index.compact()
    library = Library.open(index.path, encoder=FakeEncoder())

    def search(number: int) -> None:
        where = f"folder = 'f{number % 4}' and name != '{number}'"  # another filter each time
        target = "video" if number % 5 else "media"  # every fifth looks for the words too
        asked = question_of(f"number {number % 40}", unlike=["number 3"], where=where, target=target)
        moments = library.ask(asked).moments
        assert 0 < len(moments) <= 10

    for number in range(100):  # until caches are full
        search(number)
    before, files = held_kib(), len(os.listdir("/proc/self/fd"))
    for number in range(1000):
        search(number)
    assert held_kib() - before < GROWTH_KIB
    assert len(os.listdir("/proc/self/fd")) <= files
