"""`vlsa index --check`: what was changed behind the index's back is named file by file, and the next run repairs it."""

import os
import shutil

import numpy as np
import pyarrow
import pytest
from command_lines import call
from fake_encoder import FakeEncoder, write_numbered_sound

from vlsa.base.errors import SearchIndexError
from vlsa.retrieve.index.build import build_index, only_writer
from vlsa.retrieve.index.check import check_index
from vlsa.retrieve.index.index import Index


@pytest.fixture
def place(tmp_path):
    """A folder and its index."""
    (tmp_path / "footage").mkdir()
    for number in range(1, 4):
        write_numbered_sound(tmp_path / "footage" / f"sound-{number}.wav", number, seconds=3.0)
    index_again(tmp_path)
    return tmp_path


def index_again(place) -> None:
    build_index(FakeEncoder(), place / "footage", place / "index", num_workers=0, prune=True)


def rows_of(place) -> list[bytes]:
    return sorted(row.digest() for row in Index.open(place / "index").table.rows())


def shuffle_vectors(table) -> None:
    """Vectors in another order, all else as it was."""
    rows = table.to_arrow()
    names = ["audio", "media"]
    columns = {name: rows[name].take(pyarrow.array(np.roll(np.arange(len(rows)), 2))) for name in names}
    for name, column in columns.items():
        rows = rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), column)
    table.merge_insert("id").when_matched_update_all().execute(rows, on_bad_vectors="null")


DAMAGES = {
    "vectors shuffled": shuffle_vectors,
    "rows doubled": lambda table: table.add(table.to_arrow()),
    "rows deleted": lambda table: table.delete("start_seconds = 1.0"),
    "paths replaced": lambda table: table.update(where="path = 'sound-1.wav'", values={"path": "sound-2.wav"}),
    "times replaced": lambda table: table.update(where="path = 'sound-1.wav'", values={"stop_seconds": 9.0}),
    "rows of nowhere": lambda table: table.update(where="path = 'sound-1.wav'", values={"path": "nowhere.wav"}),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_table_that_was_changed_is_noticed_and_the_next_run_repairs_it(place, name):
    before = rows_of(place)
    assert check_index(place / "index") == []
    DAMAGES[name](Index.open(place / "index", repair=True).table._table)
    lines = check_index(place / "index")
    assert lines and all("\n" not in line and "`vlsa index` command again" in line for line in lines)
    assert str(place / "footage" / "sound-1.wav") in "".join(lines)
    index_again(place)
    assert check_index(place / "index") == []
    assert rows_of(place) == before


def test_facts_of_files_that_were_deleted_are_noticed(place):
    Index.open(place / "index").table._files.delete("path = 'sound-2.wav'")
    (line,) = check_index(place / "index")
    assert "sound-2.wav: its rows are not those that were written" in line
    index_again(place)
    assert check_index(place / "index") == []


def test_what_differs_on_disk_is_named(place):
    folder = place / "footage"
    (folder / "sound-1.wav").unlink()
    write_numbered_sound(folder / "sound-2.wav", 5)
    (folder / "sound-3.srt").write_text("1\n00:00:00,500 --> 00:00:02,500\nnumber 2\n")
    write_numbered_sound(folder / "sound-4.wav", 4)
    expected = {
        "sound-1.wav": "is gone, and still found",
        "sound-2.wav": "has changed since it was indexed",
        "sound-3.wav": "has another text",
        "sound-4.wav": "is not indexed",
    }
    lines = check_index(place / "index")
    assert len(lines) == 4
    for name, words in expected.items():
        assert any(line.startswith(f"{folder / name}: {words}") for line in lines)
    shutil.rmtree(folder)
    assert "no such folder" in check_index(place / "index")[0]


def test_the_command_prints_a_line_each_and_its_code_says_whether_all_is_well(place):
    result = call(f"vlsa index --check {place / 'index'}")
    assert (result.exit_code, result.stdout.count("\n")) == (0, 1)
    assert "agree" in result.stdout
    os.remove(place / "footage" / "sound-1.wav")
    result = call(f"vlsa index --check {place / 'index'}")
    assert (result.exit_code, result.stdout.count("\n")) == (1, 1)
    assert call(f"vlsa index --check {place / 'nowhere'}").exit_code == 2
    assert "--out missing" in call("vlsa index run footage").stderr


def test_an_index_that_is_being_written_is_not_checked(place):
    with only_writer(place / "index"), pytest.raises(SearchIndexError, match="another process is writing"):
        check_index(place / "index")
