"""Collections: order, notes, undo, and that nothing acknowledged is lost to kill -9."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest

from vlsa.base.errors import VlsaError
from vlsa.serve.archive.collections import MOST_COLLECTIONS, VERSION, Collections, Place
from vlsa.serve.http.problems import StorageError

WRITER = """
import sys
from vlsa.serve.archive.collections import Collections, Place

kept = Collections(sys.argv[1])
id = kept.create("written until killed")
print(id, flush=True)
for number in range(100_000):
    print(kept.add(id, Place("index", f"{number}.mp4", "", number, number + 1), str(number)), flush=True)
"""


def place(number: int) -> Place:
    return Place("index", f"{number}.mp4", "c0ffee", 1000 * number, 1000 * number + 500)


@pytest.fixture
def kept(tmp_path):
    collections = Collections(tmp_path / "collections.sqlite")
    yield collections
    collections.close()


def test_a_change_that_cannot_be_committed_leaves_all_as_it_was_and_the_next_one_can(kept):
    kept.create("before")
    with pytest.raises(StorageError, match="they are as before"), kept._changing() as database:
        database.execute("PRAGMA defer_foreign_keys=ON")  # so that the error comes with the COMMIT, as of a full disk
        row = ("item", "no such collection", 0, "index", "a.mp4", "", 0, 1, "", 0.0)
        database.execute("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)", row)
    kept.create("after")
    assert sorted(one.name for one in kept.all()) == ["after", "before"]


def notes(kept: Collections, id: str) -> list[str]:
    return [item.note for item in kept.find(id).items]


def filled(kept: Collections, count: int) -> tuple[str, list[str]]:
    id = kept.create("Rings")
    return id, [kept.add(id, place(number), f"note {number}") for number in range(count)]


def test_moments_come_back_in_their_order_with_their_notes_in_another_process(kept):
    id, _ = filled(kept, 3)
    other = Collections(kept.path)
    found = other.find(id)
    assert (found.name, [item.place for item in found.items]) == ("Rings", [place(0), place(1), place(2)])
    assert notes(other, id) == ["note 0", "note 1", "note 2"]
    other.close()


@pytest.mark.parametrize(
    ("moved", "position", "after"), [(0, 2, "120"), (2, 0, "201"), (1, 99, "021"), (1, -5, "102"), (1, 1, "012")]
)
def test_an_item_can_be_put_at_any_place(kept, moved, position, after):
    id, items = filled(kept, 3)
    assert kept.change(id, items[moved], position=position)
    assert notes(kept, id) == [f"note {number}" for number in after]
    kept.add(id, place(3), "last")
    assert notes(kept, id)[-1] == "last"


def test_what_is_deleted_is_restored_where_it_was(kept):
    id, items = filled(kept, 3)
    assert kept.remove(id, items[1]) and notes(kept, id) == ["note 0", "note 2"]
    assert kept.restore_item(id, items[1]) and notes(kept, id) == ["note 0", "note 1", "note 2"]
    assert kept.delete(id) and kept.find(id) is None and kept.all() == []
    assert kept.restore(id) and notes(kept, id) == ["note 0", "note 1", "note 2"]


def test_what_was_deleted_long_ago_is_gone_for_good(kept, monkeypatch):
    id, items = filled(kept, 2)
    gone = kept.create("gone")
    kept.remove(id, items[0])
    kept.delete(gone)
    kept.close()
    assert kept.restore(gone)
    kept.delete(gone)
    kept.close()
    monkeypatch.setattr("vlsa.serve.archive.collections.KEPT_SECONDS", -1.0)
    assert not kept.restore(gone) and not kept.restore_item(id, items[0])
    assert notes(kept, id) == ["note 1"]


def test_what_is_not_there_is_not_changed(kept):
    id, items = filled(kept, 1)
    other = kept.create("other")
    assert not kept.rename("none", "x") and not kept.delete("none") and not kept.restore(id)
    assert kept.add("none", place(0)) is None
    assert not kept.change(other, items[0], note="x") and not kept.remove(other, items[0])
    assert not kept.restore_item(id, items[0])
    kept.delete(id)
    assert kept.add(id, place(1)) is None and not kept.change(id, items[0], note="x")


def test_the_collection_changed_last_comes_first(kept):
    first, second = kept.create("first"), kept.create("second")
    assert [one.name for one in kept.all()] == ["second", "first"]
    kept.add(first, place(0))
    assert [one.name for one in kept.all()] == ["first", "second"]
    assert kept.rename(second, "  renamed ") and [one.name for one in kept.all()] == ["renamed", "first"]


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "\ud800", "a\0b"])
def test_what_cannot_be_a_name_is_refused(kept, name):
    with pytest.raises(VlsaError, match="cannot be a name"):
        kept.create(name)
    assert kept.all() == []


def test_there_is_a_limit_to_the_number_of_collections(kept, monkeypatch):
    monkeypatch.setattr("vlsa.serve.archive.collections.MOST_COLLECTIONS", 2)
    assert MOST_COLLECTIONS > 2
    kept.create("a"), kept.create("b")
    with pytest.raises(VlsaError, match="as many as can be"):
        kept.create("c")


def test_a_file_that_is_no_database_or_of_a_later_version_is_refused_and_kept(tmp_path):
    path = tmp_path / "collections.sqlite"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(VlsaError, match="cannot be kept there"):
        Collections(path).all()
    assert path.read_bytes() == b"not a database" * 100
    later = tmp_path / "later.sqlite"
    database = sqlite3.connect(later)
    database.execute(f"PRAGMA user_version={VERSION + 1}")
    database.close()
    with pytest.raises(VlsaError, match="later vlsa"):
        Collections(later).create("a")


def test_threads_and_two_openings_lose_nothing(kept):
    id = kept.create("shared")
    other = Collections(kept.path)

    def write(to: Collections, first: int) -> None:
        for number in range(first, first + 25):
            to.add(id, place(number))

    threads = [threading.Thread(target=write, args=(to, k * 25)) for k, to in enumerate((kept, other, kept, other))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(item.place.start_ms for item in kept.find(id).items) == [1000 * number for number in range(100)]
    other.close()


@pytest.mark.parametrize("seed", range(3))
def test_all_that_was_acknowledged_is_there_after_kill_9(tmp_path, seed):
    path = tmp_path / "collections.sqlite"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True)
    id = writer.stdout.readline().strip()
    seen = [writer.stdout.readline().strip() for _ in range(random.Random(seed).randrange(5, 120))]
    os.kill(writer.pid, signal.SIGKILL)
    seen += [line.strip() for line in writer.stdout.readlines() if line.endswith("\n")]
    writer.wait()
    writer.stdout.close()
    after = Collections(path)
    kept = [item.id for item in after.find(id).items]
    assert kept[: len(seen)] == seen and len(kept) - len(seen) <= 1  # one may be written, and not reported yet
    after.close()
