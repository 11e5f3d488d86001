"""A process that searches for days: its memory stays as it is, and it leaves no file open."""

import subprocess
import sys

import many_searches
import pytest
from fake_encoder import FakeEncoder, concept

from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.rows import IndexRow

GROWTH_KIB = 4 * 1024
"""Measured: 0.3 MiB, by which Arrow and the allocator move."""


@pytest.mark.slow
def test_a_thousand_searches_leave_memory_and_files_as_they_were(tmp_path):
    rows = []
    for number in range(many_searches.NUM_FILES):
        at = {"path": f"f{number % 4}/{number}.mp4", "spaces": ("all",), "start_seconds": 0.0, "stop_seconds": 2.0}
        rows.append(IndexRow(id=f"{number}", video=concept(number), audio=concept(100 + number), **at))
        text = {"texts": (f"this is number {number}",), "text_vector": concept(number)}
        rows.append(IndexRow(id=f"{number}-t", kind="text", **text, **at))
    index = Index.create(tmp_path / "index", FakeEncoder())
    index.add(rows)
    index.compact()
    command = [sys.executable, many_searches.__file__, str(index.path), "1000"]
    found = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    grown_kib, num_files = map(int, found.stdout.split())
    assert grown_kib < GROWTH_KIB
    assert num_files <= 0
