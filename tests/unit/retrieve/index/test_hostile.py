"""An index that someone else prepared, or a disk spoilt: one line, nothing run, nothing deleted, nothing changed."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import lancedb
import numpy as np
import pytest
from fake_encoder import FakeEncoder
from followed_folder import content, follow, write_footage
from nearest import nearest
from serving import ask, browser

from vlsa.base.errors import SearchIndexError
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.search.tables import SearchTables


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder, its index, and an index of another folder."""
    place = tmp_path_factory.mktemp("made")
    follow(write_footage(place / "footage"), place / "index")
    follow(write_footage(place / "other-footage"), place / "other")
    return place


@pytest.fixture
def place(made, tmp_path) -> Path:
    """Copies of both indexes."""
    for name in ("index", "other"):
        shutil.copytree(made / name, tmp_path / name)
    return tmp_path


def data_of(index: Path) -> Path:
    return index / json.loads((index / "index.json").read_text())["data"]


def everything(place: Path) -> dict[str, bytes]:
    """All files below a folder, and what links lead to."""
    paths = [path for path in place.rglob("*") if path.is_file() and path.name != "index.lock"]
    return {str(path): path.read_bytes() for path in paths}


def assert_one_line(index: Path, footage: Path) -> None:
    """Asked and followed, the index says what is wrong in one line, and all stays as it is."""
    before, said = everything(index.parent), []
    for act in (
        lambda: nearest(Index.open(index, encoder=FakeEncoder()), "number 3", k=3),
        lambda: Index.open(index).file_facts(),
        lambda: follow(footage, index),
    ):
        try:
            act()
        except SearchIndexError as error:
            said.append(str(error))
    assert said, "it was taken for an index"
    assert all("\n" not in message and len(message) < 700 and message.startswith(str(index)) for message in said)
    assert everything(index.parent) == before


def facts(**changed: object) -> Callable[[Path], str]:
    """The facts of an index with some of another kind."""
    return lambda index: json.dumps(json.loads((index / "index.json").read_text()) | changed)


HOSTILE_FACTS = {
    "nested": lambda _: "[" * 100_000,
    "nested in a value": lambda index: facts(model=1)(index).replace('"model": 1', '"model": ' + '{"a":' * 100_000),
    "a number of 5,000 digits": lambda index: facts(width=1)(index).replace('"width": 1', '"width": ' + "9" * 5000),
    "infinite": lambda index: facts(width=1)(index).replace('"width": 1', '"width": 1e999'),
    "a width of another table": facts(width=10**9),
    "a negative number of rows": facts(num_rows=-1),
    "rows that are not there": facts(num_rows=10**12),
    "rows as a text": facts(num_rows="11"),
    "data above": facts(data="../other"),
    "data anywhere": facts(data="/etc"),
    "data in a name of its own": facts(data=f"data-{'0' * 32}/../../other"),
    "data that is not there": facts(data=f"data-{'0' * 32}"),
    "data with a line break": facts(data=f"data-{'0' * 32}\n"),
    "another table": facts(table="0" * 32),
}


@pytest.mark.parametrize("name", HOSTILE_FACTS)
def test_facts_that_were_not_written_by_vlsa_are_one_line(made, place, name):
    index = place / "index"
    (index / "index.json").write_text(HOSTILE_FACTS[name](index))
    assert_one_line(index, made / "footage")


@pytest.mark.parametrize("part", ["", "files.jsonl", "lance", "lance/clips.lance", "lance/files.lance"])
def test_a_link_in_place_of_a_part_of_an_index_is_not_followed(made, place, part):
    own, foreign = data_of(place / "index") / part, place / "foreign"
    own.rename(foreign)
    if foreign.is_file():
        foreign.write_text(foreign.read_text() + "the last line of something else, without an end")
    own.symlink_to(foreign)
    assert_one_line(place / "index", made / "footage")


def test_a_link_beside_the_data_is_not_deleted_with_what_it_leads_to(made, place):
    precious = place / "other" / "index.json"
    (place / "index" / f"data-{'0' * 32}").symlink_to(precious.parent)
    (place / "index" / "lance").symlink_to(precious.parent)
    follow(made / "footage", place / "index")
    assert precious.exists()
    assert content(place / "other") == content(made / "other")


@pytest.mark.parametrize("part", ["lance", "lance/clips.lance", "lance/files.lance"])
def test_tables_of_another_index_are_one_line(made, place, part):
    shutil.rmtree(data_of(place / "index") / part)
    shutil.copytree(data_of(place / "other") / part, data_of(place / "index") / part)
    assert_one_line(place / "index", made / "footage")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).integers(0, 256, path.stat().st_size, np.uint8).tobytes())


FACTS_OF_NO_FILE = {
    "metadata that is no JSON": {"metadata": "'{'"},
    "metadata of another kind": {"metadata": "'[1]'"},
    "metadata of numbers": {"metadata": "'{\"place\": 5}'"},
    "metadata that is nested": {"metadata": "'" + "[" * 100_000 + "'"},
    "a date that is none": {"recorded_at": "'garbage'"},
    "a date of three digits": {"modified_at": "'999-01-01T00:00:00Z'"},
    "a length that is no number": {"duration_seconds": "CAST('NaN' AS DOUBLE)"},
    "a length below nothing": {"duration_seconds": "CAST(-1 AS DOUBLE)"},
}


def change_table(index: Path, table: str, values: dict[str, str]) -> None:
    lancedb.connect(str(data_of(index) / "lance")).open_table(table).update(values_sql=values)


@pytest.mark.parametrize("name", FACTS_OF_NO_FILE)
def test_facts_that_no_file_has_are_one_line_and_mended_by_the_next_run(made, place, name):
    index, footage = place / "index", made / "footage"
    before = content(index)
    change_table(index, "files", FACTS_OF_NO_FILE[name])
    with pytest.raises(SearchIndexError, match="cannot be read") as caught:
        SearchTables.open(index)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 700
    follow(footage, index)
    assert content(index) == before and len(SearchTables.open(index).files) == 5


def test_facts_that_are_not_there_are_not_known_and_mended_by_the_next_run(made, place):
    before = content(place / "index")
    change_table(place / "index", "files", dict.fromkeys(("metadata", "duration_seconds", "has_text", "tags"), "NULL"))
    assert SearchTables.open(place / "index").kept("duration = 0 and not has_text").all()
    follow(made / "footage", place / "index")
    assert content(place / "index") == before


@pytest.mark.parametrize(
    ("table", "values"),
    [
        ("files", {"path": "NULL"}),
        ("clips", {"path": "NULL"}),
        ("clips", {"text": "NULL"}),
        ("clips", {"start_seconds": "CAST('NaN' AS DOUBLE)"}),
        ("clips", {"start_seconds": "CAST(-1 AS DOUBLE)"}),
        ("clips", {"stop_seconds": "start_seconds - 0.5"}),
        ("clips", {"stop_seconds": "CAST('Infinity' AS DOUBLE)"}),
    ],
)
def test_rows_that_no_index_has_are_one_line(place, table, values):
    change_table(place / "index", table, values)
    with pytest.raises(SearchIndexError, match="cannot be read") as caught:
        SearchTables.open(place / "index")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 700


def test_a_column_that_no_index_has_is_one_line(place):
    lancedb.connect(str(data_of(place / "index") / "lance")).open_table("files").add_columns({"path2": "path"})
    with pytest.raises(SearchIndexError, match="files have no 'path2'"):
        SearchTables.open(place / "index")


def test_rows_without_facts_as_a_killed_writer_leaves_them_are_found_and_played(place):
    lancedb.connect(str(data_of(place / "index") / "lance")).open_table("files").delete("path = 'sound-3.wav'")
    tables = SearchTables.open(place / "index")
    assert [file.path for file in tables.files] == [f"sound-{number}.wav" for number in range(1, 6)]
    assert tables.kept("name = 'sound-3.wav'").sum() == tables.kept("duration = 0").sum() == 2
    with browser(place / "index") as client:
        answer = ask(client, {"text": "number 3"})
        assert answer["moments"][0]["path"] == "sound-3.wav"
        assert client.get(f"/media/{answer['moments'][0]['media_id']}").status_code == 200


@pytest.mark.parametrize("damage", [cut, emptied, noise, Path.unlink])
@pytest.mark.parametrize("pattern", ["clips.lance/data/*", "files.lance/data/*", "clips.lance/_versions/*.manifest"])
def test_a_file_of_a_table_that_is_damaged_or_gone_is_one_line(made, place, pattern, damage):
    for path in (data_of(place / "index") / "lance").glob(pattern):
        damage(path)
    assert_one_line(place / "index", made / "footage")


@pytest.mark.parametrize("damage", [cut, emptied, noise, Path.unlink])
@pytest.mark.parametrize("pattern", ["_transactions/*", "_indices/*/*", "_versions/latest_version_hint.json"])
def test_a_file_that_can_be_made_again_costs_nothing(made, place, pattern, damage):
    for path in (data_of(place / "index") / "lance").glob(f"clips.lance/{pattern}"):
        damage(path)
    hits = nearest(Index.open(place / "index", encoder=FakeEncoder()), "number 3", k=2)
    assert {os.path.basename(hit.path) for hit in hits} == {"sound-3.wav"}
    (word,) = Index.open(place / "index").table.find_words("number 1", 10)
    follow(made / "footage", place / "index")
    assert Index.open(place / "index").table.find_words("number 1", 10).keys() == {word}
    assert content(place / "index") == content(made / "index")
