"""The full-text index of an index on disk: complete after each run, and an answer also while it is behind or gone."""

import shutil

import pytest
from fake_encoder import FakeEncoder, concept
from lancedb.index import FTS

from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.rows import IndexRow
from vlsa.retrieve.index.words import COLUMN, RULES, has_word_index

SAID = {"a.mp4": "A dog barks.", "b.mp4": "Am Café vorbei", "c.mp4": "two dogs run"}


def row(path: str, text: str) -> IndexRow:
    return IndexRow(
        id=f"{path}-text", path=path, spaces=("all",), kind="text", start_seconds=0.0, stop_seconds=2.0,
        texts=(text,), text_vector=concept(1),
    )  # fmt: skip


@pytest.fixture
def index(tmp_path) -> Index:
    index = Index.create(tmp_path / "index", FakeEncoder())
    index.add([row(path, text) for path, text in SAID.items()])
    return index


def found(index: Index, words: str) -> set[str]:
    return {id.removesuffix("-text") for id in Index.open(index.path).table.find_words(words, 100)}


def num_unindexed(index: Index) -> int:
    table = Index.open(index.path).table._table
    (words,) = [one for one in table.list_indices() if COLUMN in one.columns]
    return table.index_stats(words.name).num_unindexed_rows


def test_words_are_found_before_and_after_rows_are_merged(index):
    before = {words: found(index, words) for words in ("dog", "CAFE", "zebra", "the")}
    assert before == {"dog": {"a.mp4", "c.mp4"}, "CAFE": {"b.mp4"}, "zebra": set(), "the": set()}
    assert num_unindexed(index) == 3
    index.compact()
    assert {words: found(index, words) for words in before} == before and num_unindexed(index) == 0


LONG = "donaudampfschifffahrtsgesellschaftskapitaenspatent"
URL = "https://a.org/" + "0a1b" * 40


def test_words_of_any_length_have_to_occur_and_are_found(index):
    index.add([row("d.mp4", f"the {LONG} at {URL}")])
    for _ in range(2):
        assert found(index, f"dog {'y' * 45}") == set()
        assert found(index, LONG) == found(index, URL) == found(index, f"{LONG.upper()} org") == {"d.mp4"}
        index.compact()


def test_a_full_text_index_of_other_rules_costs_no_answers_and_the_writer_makes_it_anew(index):
    index.add([row("d.mp4", LONG)])
    table = index.table._table
    table.create_index(COLUMN, config=FTS(**RULES | {"max_token_length": 40}), replace=True)
    assert (found(index, LONG), found(index, f"dog {'y' * 45}")) == ({"d.mp4"}, set())
    assert not has_word_index(Index.open(index.path).table._table)
    index.compact()
    assert has_word_index(Index.open(index.path).table._table) and found(index, LONG) == {"d.mp4"}


def test_a_text_that_is_replaced_or_taken_out_is_not_found(index):
    index.compact()
    index.add([row("a.mp4", "a zebra")], removed=["c.mp4"])
    for _ in range(2):
        assert (found(index, "dog"), found(index, "zebra")) == (set(), {"a.mp4"})
        index.compact()


def test_without_its_full_text_index_the_table_answers_the_same_and_the_writer_makes_it_again(index):
    index.compact()
    (name,) = [one.name for one in index.table._table.list_indices()]
    index.table._table.drop_index(name)
    assert (found(index, "dogs bark"), found(index, "cafe")) == ({"a.mp4"}, {"b.mp4"})
    again = Index.open(index.path)
    again.compact()
    assert num_unindexed(again) == 0 and found(again, "dog") == {"a.mp4", "c.mp4"}


def test_a_damaged_full_text_index_answers_the_same(index):
    index.compact()
    for folder in index.data.glob("lance/*.lance/_indices"):
        shutil.rmtree(folder)
    assert found(index, "dog") == {"a.mp4", "c.mp4"}
