"""The index: hits equal a plain matrix product, rows survive, and wrong folders, models and questions get one line."""

import dataclasses
import json
import os
import shutil
from collections.abc import Callable

import numpy as np
import pytest
from fake_encoder import CollapsedEncoder, FakeEncoder, concept
from nearest import nearest

from vlsa.base.errors import CheckpointError, SearchIndexError
from vlsa.retrieve.encode import encoders
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.ledger import IndexedFile
from vlsa.retrieve.index.rows import IndexRow
from vlsa.retrieve.search.library import Library


def row(number: int, *, video: int | None = None, audio: int | None = None, text: int | None = None) -> IndexRow:
    """A row whose vectors stand for numbers; None = the clip lacks that modality."""
    vectors = {"video": video, "audio": audio, "text_vector": text}
    return IndexRow(
        id=f"clip-{number}",
        path=f"/footage/it's {number // 3}.mp4",
        spaces=("all",),
        start_seconds=2.0 * number,
        stop_seconds=2.0 * number + 2,
        texts=() if text is None else (f"clip {text}", "two lines"),
        **{name: None if value is None else concept(value) for name, value in vectors.items()},
    )


@pytest.fixture
def index(tmp_path) -> Index:
    index = Index.create(tmp_path / "index", FakeEncoder())
    rows = [row(n, video=n, audio=n if n % 2 else None, text=n if n < 5 else None) for n in range(20)]
    index.add([*rows, row(20, audio=20)])
    return index


def test_hits_equal_an_exact_product_of_unit_vectors(index):
    hits = nearest(index, "number 7", k=21)
    fused = {f"clip-{n}": (concept(n) * 2 if n % 2 else concept(n)) for n in range(21)}
    expected = {id: float(concept(7) @ (vector / np.linalg.norm(vector))) for id, vector in fused.items()}
    assert [hit.id for hit in hits] == sorted(expected, key=lambda id: (-expected[id], id))
    np.testing.assert_allclose([hit.score for hit in hits], [expected[hit.id] for hit in hits], atol=1e-6)
    assert (hits[0].path, hits[0].start_seconds, hits[0].stop_seconds) == ("/footage/it's 2.mp4", 14.0, 16.0)


def test_a_clip_without_a_modality_is_no_hit_there_and_is_found_by_what_it_has(index):
    assert {hit.id for hit in nearest(index, "number 4", k=50, in_="audio")} == {
        "clip-20", *(f"clip-{n}" for n in range(1, 20, 2))
    }  # fmt: skip
    assert "clip-20" not in {hit.id for hit in nearest(index, "number 20", k=50, in_="video")}
    assert nearest(index, "number 20", k=1)[0].id == "clip-20"


def test_fused_vectors_have_unit_length_and_the_mean_direction():
    both = row(0, video=1, audio=2).media
    assert both is not None
    mean = concept(1) + concept(2)
    np.testing.assert_allclose(both, mean / np.linalg.norm(mean), atol=1e-6)
    np.testing.assert_allclose(row(0, video=1).media, concept(1), atol=1e-7)
    assert row(0, text=1).media is None


def test_adding_the_same_rows_again_doubles_nothing_and_a_changed_file_replaces_its_rows(index):
    index.add([row(n, video=n) for n in (0, 1, 2)])
    assert len(index) == 21
    index.add([row(1, video=7)])  # the file of clips 0, 1 and 2 has one clip now
    assert len(index) == 19
    assert {hit.id for hit in nearest(index, "number 7", k=2, in_="video")} == {"clip-1", "clip-7"}


def test_a_reopened_index_answers_the_same(index):
    again = Index.open(index.path, encoder=FakeEncoder())
    assert nearest(again, "number 11", k=5) == nearest(index, "number 11", k=5)
    assert len(again) == 21
    assert "21 rows" in repr(again)


def test_the_ledger_knows_finished_files_and_forgets_those_with_lost_rows(index):
    gone = IndexedFile(path="/footage/empty.mp4", media="state")
    index.add([], [gone])
    files = index.files()
    assert files["/footage/empty.mp4"] == gone
    assert files["/footage/it's 0.mp4"].num_rows == 3
    index.table._table.delete("id = 'clip-1'")
    assert "/footage/it's 0.mp4" not in index.files()


def test_a_torn_last_line_of_the_ledger_is_dropped(index):
    ledger = index.data / "files.jsonl"
    whole = ledger.read_bytes()
    ledger.write_bytes(whole + b'{"path": "/footage/torn')
    assert "/footage/torn" not in "".join(index.files())
    assert ledger.read_bytes() == whole


def test_lost_rows_are_noticed_at_opening_and_may_be_repaired(index):
    index.table._table.delete("id = 'clip-1'")
    with pytest.raises(SearchIndexError, match="holds 20 rows, 21 were acknowledged"):
        Index.open(index.path)
    assert len(Index.open(index.path, repair=True)) == 20


def test_rows_that_a_killed_process_had_not_acknowledged_do_no_harm(index):
    facts = json.loads((index.path / "index.json").read_text())
    (index.path / "index.json").write_text(json.dumps(facts | {"num_rows": 5}))
    assert len(Index.open(index.path)) == 21


def test_an_index_of_another_model_is_refused(index):
    with pytest.raises(SearchIndexError, match="made by model fake-0001") as caught:
        Index.open(index.path, encoder=CollapsedEncoder())
    assert "\n" not in str(caught.value)


def test_the_model_is_loaded_from_the_recorded_or_the_given_run_at_the_first_question(tmp_path, monkeypatch):
    class Recorded(FakeEncoder):
        about = {"run": "runs/first"}  # noqa: RUF012

    asked = []
    monkeypatch.setattr(encoders, "load", lambda path: asked.append(path) or FakeEncoder())
    Index.create(tmp_path / "index", Recorded()).add([row(1, video=1)])
    index = Index.open(tmp_path / "index")
    assert asked == []
    nearest(index, "number 1")
    nearest(index, "number 1")
    nearest(Index.open(tmp_path / "index", run_path="runs/moved"), "number 1")
    assert asked == [os.path.abspath("runs/first"), "runs/moved"]


def test_a_run_that_is_gone_is_named_by_the_index(tmp_path, monkeypatch):
    def fail(path):
        raise CheckpointError(f"{path}: no such run.")

    Index.create(tmp_path / "index", FakeEncoder()).add([row(1, video=1)])
    with pytest.raises(SearchIndexError, match="names no run"):
        nearest(Index.open(tmp_path / "index"), "number 1")
    monkeypatch.setattr(encoders, "load", fail)
    with pytest.raises(SearchIndexError, match=r"its model cannot be loaded.*no such run"):
        nearest(Index.open(tmp_path / "index", run_path="gone"), "number 1")


def test_what_is_no_index_is_refused_in_one_line(tmp_path, index):
    with pytest.raises(SearchIndexError, match="no such folder"):
        Index.open(tmp_path / "gone")
    with pytest.raises(SearchIndexError, match="not an index"):
        Index.open(tmp_path)
    with pytest.raises(SearchIndexError, match="already an index"):
        Index.create(index.path, FakeEncoder())
    facts = json.loads((index.path / "index.json").read_text())
    (index.path / "index.json").write_text(json.dumps(facts | {"version": 9}))
    with pytest.raises(SearchIndexError, match="version 9, this vlsa reads 2"):
        Index.open(index.path)


def test_a_damaged_table_is_one_line(index):
    for file in (index.data / "lance").rglob("*.manifest"):
        file.write_bytes(b"torn")
    with pytest.raises(SearchIndexError, match="cannot be read") as caught:
        Index.open(index.path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "damage",
    [{"width": None}, {"model": None}, {"model": {"fingerprint": "a", "run": 5}}, {"num_rows": "x"}, {"source": 1}],
)
def test_damaged_facts_are_one_line(index, damage):
    facts = json.loads((index.path / "index.json").read_text())
    (index.path / "index.json").write_text(json.dumps(facts | damage))
    with pytest.raises(SearchIndexError, match="index.json is damaged"):
        Index.open(index.path)


def test_vectors_that_are_cut_are_one_line_at_opening(index):
    path = max((index.data / "lance").rglob("data/*"), key=lambda path: path.stat().st_size)
    os.truncate(path, path.stat().st_size - 1)
    for repair in (False, True):
        with pytest.raises(SearchIndexError, match=r"cannot be read \(.* bytes were written.*--restart"):
            Index.open(index.path, repair=repair)


def test_the_table_of_another_index_is_refused(index, tmp_path):
    other = Index.create(tmp_path / "other", FakeEncoder())
    other.add([row(n, video=n + 1) for n in range(30)])
    shutil.rmtree(index.data / "lance")
    shutil.copytree(other.data / "lance", index.data / "lance")
    with pytest.raises(SearchIndexError, match="it belongs to another index"):
        Index.open(index.path)


def test_an_index_of_an_earlier_version_is_refused_with_what_to_do(index):
    rewrite(index, lambda facts: facts.update(version=1))
    with pytest.raises(SearchIndexError, match="index of version 1, this vlsa reads 2; .* Index again: .* --restart"):
        Index.open(index.path)


def rewrite(index: Index, change: Callable[[dict], object]) -> None:
    """Change the facts in index.json."""
    facts = json.loads((index.path / "index.json").read_text())
    change(facts)
    (index.path / "index.json").write_text(json.dumps(facts))


FACTS = ["format", "version", "model", "source", "width", "spaces", "num_rows", "table", "data", "num_bytes", "state",
         "windows", "model_files", "tidy"]  # fmt: skip
HOSTILE = [None, True, -1, 10**30, 1.5, "", "\0", "\ud800", "x" * 10**6, [], {}, [[]], {"a": {"b": []}}]


@pytest.mark.parametrize("name", FACTS)
@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_any_value_of_any_fact_opens_or_is_one_short_line(index, name, number):
    rewrite(index, lambda facts: facts.update({name: HOSTILE[number]}))
    try:
        Library.open(index.path, encoder=FakeEncoder()).search("number 1")
    except SearchIndexError as error:
        assert "\n" not in str(error) and len(str(error)) < 500


@pytest.mark.parametrize("name", ["fingerprint", "run", "recipe", "sampling"])
@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_any_value_of_any_fact_of_the_model_loads_or_is_one_line(index, name, number):
    rewrite(index, lambda facts: facts["model"].update({"run": "/gone", name: HOSTILE[number]}))
    with pytest.raises(SearchIndexError) as caught:
        nearest(Index.open(index.path), "number 1")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b"null", b"7" * 5000])
def test_any_content_of_the_facts_or_the_ledger_is_one_line_or_no_lines(index, content):
    (index.data / "files.jsonl").write_bytes(content + b"\n")
    assert index.files() == {}
    (index.path / "index.json").write_bytes(content)
    with pytest.raises(SearchIndexError, match="not an index|cannot be read .not JSON") as caught:
        Index.open(index.path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(IndexedFile)])
@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_any_value_in_a_line_of_the_ledger_costs_its_file_only(index, name, number):
    known = index.files()
    first, *rest = (index.data / "files.jsonl").read_text().splitlines()
    lines = [json.dumps(json.loads(first) | {name: HOSTILE[number]}), *rest]
    (index.data / "files.jsonl").write_text("\n".join(lines) + "\n")
    found = index.files()
    assert {path: found[path] for path in list(known)[1:]} == dict(list(known.items())[1:])
    assert len(found) <= len(known)


@pytest.mark.parametrize("name", ["id", "path", "start_seconds", "stop_seconds", "reason", "message", "more"])
@pytest.mark.parametrize("value", [[], {}, 7, True, "\ud800"])
def test_a_rejection_of_another_kind_is_a_damaged_line(index, name, value):
    rejection = {"id": "a", "path": "a", "start_seconds": None, "stop_seconds": 1.0, "reason": "x", "message": "y"}
    line = {"path": "/new", "media": "s", "rejections": [rejection | {name: value}]}
    (index.data / "files.jsonl").write_text(json.dumps(line) + "\n")
    if not (isinstance(value, int) and name.endswith("_seconds")):
        assert index.files() == {}


@pytest.mark.parametrize("name", ["index.json", "files.jsonl"])
def test_a_pipe_in_place_of_a_file_is_one_line_and_not_waited_for(index, name):
    path = (index.path if name == "index.json" else index.data) / name
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(SearchIndexError, match=r"not an index|cannot be read \(not a regular file"):
        Index.open(index.path).files()


def test_a_damaged_line_of_the_ledger_costs_its_file_only(index):
    known = index.files()
    ledger = index.data / "files.jsonl"
    first, *rest = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(first[: len(first) // 2] + b"\n" + b"".join(rest))
    assert len(index.files()) == len(known) - 1
