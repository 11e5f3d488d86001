"""`vlsa index --check`: what was changed behind the index's back is named file by file, and the next run repairs it."""

import os
import shutil

import numpy as np
import pyarrow
import pytest
from command_lines import call
from fake_encoder import FakeEncoder, write_numbered_sound
from followed_folder import CUE

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
        if number > 1:
            (tmp_path / "footage" / f"sound-{number}.srt").write_text(CUE.format(start=0, stop=1, number=number))
    index_again(tmp_path)
    return tmp_path


def index_again(place) -> None:
    build_index(FakeEncoder(), place / "footage", place / "index", num_workers=0, prune=True)


def rows_of(place) -> list[bytes]:
    return sorted(digest for _, digest in Index.open(place / "index").table.digests())


def permute(column: str):
    """One column of the windows in another order, all else as it was."""

    def change(table) -> None:
        rows = table.to_arrow().sort_by("id")
        moved = rows[column].take(pyarrow.array(np.roll(np.arange(len(rows)), 2)))
        rows = rows.set_column(rows.schema.get_field_index(column), rows.schema.field(column), moved)
        table.merge_insert("id").when_matched_update_all().execute(rows, on_bad_vectors="null")

    return change


def damage_of(column: str):
    """A value of one column of one row replaced."""
    others = {"id": "'x'", "kind": "'text'", "language": "'de'", "text": "'other words'", "path": "'sound-3.wav'"}
    value = others.get(column, "NOT " + column if column.startswith("has_") else f"{column} + 0.5")
    return lambda table: table.update(where="path = 'sound-1.wav' AND start_seconds = 1.0", values_sql={column: value})


OTHER_COLUMNS = ("id", "path", "kind", "start_seconds", "stop_seconds", "language", "text")
PRESENCE = ("has_video", "has_audio", "has_media", "has_text")

DAMAGES = {
    **{f"{column} permuted": permute(column) for column in ("audio", "media", "text_vector")},
    **{f"{column} of a row": damage_of(column) for column in (*OTHER_COLUMNS, *PRESENCE)},
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
    assert str(place / "footage" / "sound-") in "".join(lines)
    index_again(place)
    assert check_index(place / "index") == []
    assert rows_of(place) == before


def test_facts_of_files_that_were_deleted_are_noticed(place):
    Index.open(place / "index").table._files.delete("path = 'sound-2.wav'")
    (line,) = check_index(place / "index")
    assert "sound-2.wav: its facts (length, size, metadata) are not those that were written" in line
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


def test_facts_that_two_files_exchange_are_noticed(place):
    table = Index.open(place / "index").table._files
    rows = table.to_arrow()
    for column in ("duration_seconds", "metadata", "size_bytes", "tags", "content"):
        values = rows[column].to_pylist()
        values[0] = {"tags": ["elsewhere"], "metadata": '{"place": "x"}', "content": "0" * 32}.get(column, 7)
        field = rows.schema.field(column)
        other = rows.set_column(rows.schema.get_field_index(column), field, pyarrow.array(values, field.type))
        table.merge_insert("path").when_matched_update_all().execute(other)
        (line,) = check_index(place / "index")
        assert "its facts (length, size, metadata) are not those that were written" in line, column
        table.merge_insert("path").when_matched_update_all().execute(rows)
        assert check_index(place / "index") == []


def test_a_flipped_bit_that_is_found_is_mended_by_the_next_run_though_no_name_and_no_size_changed(place):
    before, facts = rows_of(place), Index.open(place / "index").facts
    vector = next(row.audio for row in Index.open(place / "index").table.rows())
    flipped = flip_a_bit(Index.open(place / "index").data / "lance", vector.tobytes())
    index_again(place)  # which has no reason to read the vectors again
    assert rows_of(place) != before and Index.open(place / "index").facts == facts and flipped
    assert "its rows are not those that were written" in check_index(place / "index")[0]
    index_again(place)
    assert check_index(place / "index") == []
    assert rows_of(place) == before


def flip_a_bit(folder, written: bytes) -> bool:
    """Change one bit of the first file that holds these bytes as they are."""
    for path in sorted(folder.rglob("data/*.lance")):
        data = bytearray(path.read_bytes())
        start = data.find(written)
        if start >= 0:
            data[start] ^= 1
            path.write_bytes(data)
            return True
    return False


def test_checking_makes_nothing_where_there_is_no_index(place):
    with pytest.raises(SearchIndexError, match="no such folder"):
        check_index(place / "nowhere")
    assert not (place / "nowhere").exists()
