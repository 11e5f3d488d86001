"""bench/search.py: what is asked, and what is measured of it, at a small size."""

import json
import sys

import made_index
import numpy as np
import pytest
import search

from vlsa.retrieve.search import candidates
from vlsa.retrieve.search.library import Library


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "index"
    made_index.make_index(path, ("all",), 2000, {})
    return path


def test_recall_is_the_share_of_the_right_rows():
    right = [np.array([1, 2, 3, 4]), np.array([5, 6])]
    assert search.recall([np.array([4, 3, 9, 9]), np.array([6, 5])], right) == 0.75


def test_made_questions_are_nearer_to_their_window_than_to_others_and_far_from_all(index):
    made, generator = made_index.Made(np.random.default_rng(0)), np.random.default_rng(1)
    rows = made.rows(generator, 500)
    cosines = rows @ made.questions(generator, rows).T
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert np.mean(np.argmax(cosines, axis=0) == np.arange(500)) > 0.5 and np.diag(cosines).mean() < 0.7


def test_candidates_are_measured_beside_the_exact_answer_by_filter(index, monkeypatch):
    for module in (search, candidates):
        monkeypatch.setattr(module, "MOST_EXACT", 1000)
    monkeypatch.setattr(candidates, "FEW_KEPT", 100)
    questions = made_index.made_questions(("all",), 5)
    results = search.measure(Library.open(index, encoder=made_index.MadeEncoder(("all",), questions)), [*questions])
    assert [*results] == [*search.FILTERS]
    assert results["no filter"]["recall"] >= 0.9 and results["no filter"]["exact"]["p50_ms"] > 0


def test_the_bench_ends_with_one_record(index, monkeypatch, capsys):
    arguments = ["--index", str(index), "--rows", "2000", "--questions", "3", "--beside"]
    monkeypatch.setattr(sys, "argv", ["search.py", *arguments])
    assert search.main() == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (record["bench"], record["rows"]) == ("search", 2000)
    assert record["results"]["VmHWM_mib"] > 0 and "NumPy, exact" in record["results"]["beside"]
