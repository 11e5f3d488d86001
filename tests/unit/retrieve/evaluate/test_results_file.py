"""results.json: what is written comes back, and what is not whole is refused in one line."""

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
from fake_encoder import CollapsedEncoder, FakeEncoder, numbered_clip

from vlsa.base.errors import ResultsError
from vlsa.data.loading.loader import MemoryClips
from vlsa.retrieve.evaluate import results_file
from vlsa.retrieve.evaluate.evaluate import Evaluation, evaluate_store
from vlsa.retrieve.evaluate.results_file import read_results, require_place


def evaluation(encoder: FakeEncoder | None = None) -> Evaluation:
    clips = [numbered_clip(n, texts=(f"clip {n}", f"again {n % 7}")) for n in range(12)]
    store = MemoryClips({"test": clips})
    return evaluate_store(encoder or FakeEncoder(), store, data="s", num_resamples=5, post=["dual-softmax"])


@pytest.mark.parametrize("encoder", [FakeEncoder(), CollapsedEncoder()])
@pytest.mark.parametrize("most_inline", [20_000, 10])
def test_the_outcome_of_each_query_comes_back_inline_and_from_a_file_beside(
    tmp_path, monkeypatch, encoder, most_inline
):
    monkeypatch.setattr(results_file, "MOST_INLINE", most_inline)
    made = evaluation(encoder)
    made.write(tmp_path / "results.json")
    assert (tmp_path / "results.outcomes.safetensors").exists() == (most_inline == 10)
    found = read_results(tmp_path / "results.json")
    assert set(found.ranks) == {"none", "dual-softmax"}
    for group, directions in (("none", made.directions), ("dual-softmax", made.post[0].directions)):
        for name, result in directions.items():
            for count in results_file.COUNTS:
                np.testing.assert_array_equal(getattr(found.ranks[group][name], count), getattr(result.ranks, count))
            assert found.ranks[group][name].num_items == result.scores.num_items
    assert found.directions()["text_to_video"]["r1"] == made.directions["text_to_video"].scores.recall[1]


def test_the_file_has_a_line_for_each_fact_and_lists_in_one(tmp_path):
    evaluation().write(tmp_path / "results.json")
    lines = (tmp_path / "results.json").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 700  # a line for each of its 3,000 numbers would be more
    assert sum('"above": [' in line for line in lines) == 14
    assert read_results(tmp_path / "results.json").facts["split"] == "test"


@pytest.fixture
def path(tmp_path) -> Path:
    evaluation().write(tmp_path / "results.json")
    return tmp_path / "results.json"


def refused(path: Path) -> str:
    with pytest.raises(ResultsError) as caught:
        read_results(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path.parent) in message
    return message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not JSON, or cut short"),
        (b"\xff\xfe", "not JSON, or cut short"),
        (b"[" * 100_000, "not JSON, or cut short"),
        (b"[1, 2]", "not a file of results"),
        (b'{"format": "vlsa-store"}', "not a file of results"),
        (b'{"format": "vlsa-results", "version": 1}', "results of version 1, this code reads version 2"),
        (b'{"format": "vlsa-results", "version": 2}', "not whole"),
        (b'{"format": "vlsa-results", "version": 2, "directions": [3]}', "not whole"),
    ],
)
def test_what_is_not_a_file_of_results_is_refused(path, content, words):
    path.write_bytes(content)
    assert words in refused(path)


def test_a_file_cut_anywhere_is_refused(path):
    whole = path.read_bytes()
    for part in (0.1, 0.5, 0.99):
        path.write_bytes(whole[: int(part * len(whole))])
        assert "cut short" in refused(path)


def test_a_missing_file_and_a_folder_are_refused(path):
    assert "cannot be read" in refused(path.with_name("other.json"))
    assert "cannot be read" in refused(path.parent / ".")


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["outcomes"]["above"].pop(),
        lambda d: d["outcomes"]["above"].append(0),
        lambda d: d["outcomes"]["above"].__setitem__(0, 500),
        lambda d: d["outcomes"]["above"].__setitem__(0, -1),
        lambda d: d["outcomes"]["above"].__setitem__(0, 0.5),
        lambda d: d["outcomes"]["above"].__setitem__(0, float("nan")),
        lambda d: d["outcomes"]["tied"].__setitem__("999", [1, 1]),
        lambda d: d["outcomes"]["tied"].__setitem__("0", [1]),
        lambda d: d["outcomes"]["tied"].__setitem__("0", [0, 0]),
        lambda d: d.pop("outcomes"),
        lambda d: d.__setitem__("outcomes", None),
        lambda d: d.__setitem__("queries_digest", 5),
        lambda d: d.__setitem__("Q", "24"),
    ],
)
def test_outcomes_that_cannot_be_are_refused(path, change):
    facts = json.loads(path.read_text(encoding="utf-8"))
    change(facts["directions"]["text_to_video"])
    path.write_text(json.dumps(facts), encoding="utf-8")
    assert "not whole" in refused(path)


@pytest.mark.parametrize("name", ["data", "split", "protocol", "model", "directions"])
def test_a_fact_that_is_missing_is_refused(path, name):
    facts = json.loads(path.read_text(encoding="utf-8"))
    del facts[name]
    path.write_text(json.dumps(facts), encoding="utf-8")
    assert "not whole" in refused(path)


def test_the_file_beside_belongs_to_its_results(tmp_path, monkeypatch):
    monkeypatch.setattr(results_file, "MOST_INLINE", 10)
    path, beside = tmp_path / "results.json", tmp_path / "results.outcomes.safetensors"
    evaluation().write(path)
    whole = beside.read_bytes()
    beside.write_bytes(whole[:-1] + b"\x07")
    assert "not the outcomes that belong to results.json" in refused(path)
    beside.unlink()
    assert "Keep the two files together" in refused(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("N", 12.5), ("N", float("inf")), ("N", float("nan")), ("Q", 24.0), ("Q", True)],
)
def test_sizes_that_are_no_counts_are_refused(path, name, value):
    facts = json.loads(path.read_text(encoding="utf-8"))
    facts["directions"]["text_to_video"][name] = value
    path.write_text(json.dumps(facts), encoding="utf-8")
    assert "not whole" in refused(path)


@pytest.mark.parametrize("tied", [{"-1": [1, 1]}, {"00": [1, 1]}, {"0": [1.5, 1]}, {"0": [True, 1]}])
def test_ties_that_are_not_of_a_query_or_no_counts_are_refused(path, tied):
    facts = json.loads(path.read_text(encoding="utf-8"))
    facts["directions"]["text_to_video"]["outcomes"]["tied"] = tied
    path.write_text(json.dumps(facts), encoding="utf-8")
    assert "not whole" in refused(path)


@pytest.mark.parametrize("where", ["data", "direction"])
def test_half_a_character_is_refused_before_it_is_printed(path, where):
    facts = json.loads(path.read_text(encoding="utf-8"))
    if where == "data":
        facts["data"] = "\ud800"
    else:
        facts["directions"]["\ud800"] = facts["directions"].pop("text_to_video")
    path.write_text(json.dumps(facts), encoding="utf-8")
    assert "not whole" in refused(path)


def test_data_whose_name_is_not_utf_8_comes_back(tmp_path):
    name = os.fsdecode(b"st\xffore")
    dataclasses.replace(evaluation(), data=name).write(tmp_path / "results.json")
    assert read_results(tmp_path / "results.json").facts["data"] == name


def test_results_do_not_replace_something_else(tmp_path):
    (tmp_path / "store.json").write_text('{"format": "vlsa-clip-store"}', encoding="utf-8")
    for path, words in ((tmp_path, "is a folder"), (Path(""), "is a folder"), (tmp_path / "store.json", "be lost")):
        with pytest.raises(ResultsError, match=words):
            require_place(path)
    assert "clip-store" in (tmp_path / "store.json").read_text(encoding="utf-8")
    for _ in range(2):
        evaluation().write(tmp_path / "new" / "results.json")
