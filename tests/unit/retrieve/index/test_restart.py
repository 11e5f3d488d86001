"""`--restart` makes an index anew, beside the old one, which answers until it is finished."""

from pathlib import Path

import pytest
from fake_encoder import FakeEncoder
from followed_folder import Counting, as_new, content, follow, write_footage
from nearest import nearest

from vlsa.base.errors import ManifestError, SearchIndexError
from vlsa.retrieve.index.index import Index


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_footage(tmp_path / "footage")


def test_restart_with_a_folder_that_is_missing_or_empty_leaves_the_index_as_it_is(folder, tmp_path):
    out = tmp_path / "index"
    follow(folder, out)
    before = content(out)
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.mp4").write_bytes(b"")
    for name, error, words in (
        ("nofolder", ManifestError, "no such folder"),
        ("empty", ManifestError, "no media files"),
        ("bad", SearchIndexError, "no clip could be indexed"),
    ):
        with pytest.raises(error, match=words):
            follow(tmp_path / name, out, restart=True)
        assert sorted(row for row in content(out) if isinstance(row, tuple)) == sorted(
            row for row in before if isinstance(row, tuple)
        )


def test_the_old_index_answers_until_the_new_one_is_finished_and_readers_go_over_to_it(folder, tmp_path):
    out = tmp_path / "index"
    follow(folder, out)
    reader = Index.open(out, encoder=FakeEncoder())
    (folder / "sound-3.wav").unlink()
    answers = []

    def ask(done: int, total: int, message: str) -> None:
        answers.append(nearest(reader, "number 3", k=1)[0].score)

    follow(folder, out, restart=True, progress=ask)
    assert min(answers) == pytest.approx(1)
    assert nearest(reader, "number 3", k=1)[0].score < 0.99
    assert len([path for path in out.iterdir() if path.name.startswith("data-")]) == 1


def test_a_restart_that_was_interrupted_goes_on_where_it_was_or_is_forgotten(folder, tmp_path, monkeypatch):
    out, encoder = tmp_path / "index", Counting()
    follow(folder, out)
    monkeypatch.setattr("vlsa.retrieve.index.writer.ROWS_PER_WRITE", 2)

    def interrupt(done: int, total: int, message: str) -> None:
        if message.startswith("windows encoded") and done == 6:
            raise KeyboardInterrupt

    for again in (True, False):
        with pytest.raises(KeyboardInterrupt):
            follow(folder, out, restart=True, progress=interrupt)
        assert len(Index.open(out)) == 11
        summary = follow(folder, out, encoder, restart=again)
        assert summary.num_files == 5
        assert summary.num_files_skipped == (2 if again else 5)
        assert not (out / "restart.json").exists()
        assert len([path for path in out.iterdir() if path.name.startswith("data-")]) == 1


def test_a_restart_whose_unfinished_index_is_damaged_begins_anew(folder, tmp_path):
    out = tmp_path / "index"
    follow(folder, out)
    (out / "restart.json").write_bytes((out / "index.json").read_bytes().replace(b'"data": "data-', b'"data": "data-0'))
    assert follow(folder, out, restart=True).num_files == 5
    assert content(out) == as_new(folder, tmp_path / "new")


def test_an_index_of_version_1_is_replaced_by_restart_with_all_that_it_had(folder, tmp_path):
    out = tmp_path / "index"
    (out / "lance" / "clips.lance").mkdir(parents=True)
    (out / "files.jsonl").write_text("{}\n")
    (out / "index.json").write_text('{"format": "vlsa-index", "version": 1}')
    with pytest.raises(SearchIndexError, match="index of version 1, this vlsa reads 2; .* --restart"):
        follow(folder, out)
    assert (out / "lance" / "clips.lance").exists()
    assert follow(folder, out, restart=True).num_files == 5
    assert not (out / "lance").exists() and not (out / "files.jsonl").exists()
