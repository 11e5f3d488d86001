"""An index beside a writer: opened and asked at any moment it answers, also when the writer was killed there."""

import os
from collections.abc import Callable

import huggingface_hub
import pytest
from fake_encoder import FakeEncoder, write_numbered_sound
from followed_folder import content, follow, write_footage
from huggingface_hub.errors import LocalEntryNotFoundError
from nearest import nearest

from vlsa.base.errors import SearchIndexError
from vlsa.retrieve.encode import encoders
from vlsa.retrieve.index import index as index_module
from vlsa.retrieve.index import ledger
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.lance import VectorTable


@pytest.fixture
def place(tmp_path):
    """A folder and its index."""
    follow(write_footage(tmp_path / "footage"), tmp_path / "index")
    return tmp_path


def shorten(place) -> None:
    """One file removed, and one shorter than before."""
    footage = place / "footage"
    (footage / "sound-2.wav").unlink()
    data = (footage / "sound-3.wav").read_bytes()
    (footage / "sound-3.wav").write_bytes(data[: len(data) - 16_000])


class Killed(BaseException):
    """Stands for kill -9: nothing is done after it."""


def killed(*_: object, **__: object) -> None:
    raise Killed


@pytest.mark.parametrize(("owner", "name"), [(ledger, "append"), (index_module.Index, "write_facts")])
@pytest.mark.parametrize("nth", [1, 2])
def test_an_index_whose_writer_was_killed_behind_the_rows_answers_and_is_mended(place, monkeypatch, owner, name, nth):
    shorten(place)
    calls, original = [], getattr(owner, name)

    def kill_at_the_nth(*arguments, **options):
        calls.append(1)
        return killed() if len(calls) == nth else original(*arguments, **options)

    monkeypatch.setattr(owner, name, kill_at_the_nth)
    with pytest.raises(Killed):
        follow(place / "footage", place / "index")
    monkeypatch.setattr(owner, name, original)
    hits = nearest(Index.open(place / "index", encoder=FakeEncoder()), "number 4", k=1)
    assert hits[0].path.endswith("sound-4.wav") and hits[0].score == pytest.approx(1)
    follow(place / "footage", place / "index")
    follow(place / "footage", place / "new")
    assert content(place / "index") == content(place / "new")


@pytest.mark.parametrize("restart", [False, True])
def test_an_index_is_opened_again_when_a_writer_came_between_facts_and_tables(place, monkeypatch, restart):
    open_table: Callable[..., VectorTable] = VectorTable.open

    def open_after_a_writer(folder, facts):
        monkeypatch.setattr(VectorTable, "open", open_table)
        shorten(place)
        follow(place / "footage", place / "index", restart=restart)
        return open_table(folder, facts)

    monkeypatch.setattr(VectorTable, "open", open_after_a_writer)
    index = Index.open(place / "index", encoder=FakeEncoder())
    assert {hit.path[-5:] for hit in nearest(index, "number 2", k=99)} == {"1.wav", "3.wav", "4.wav", "5.wav"}


def test_a_search_beside_an_indexing_answers_from_all_that_was_acknowledged_and_from_nothing_else(place, monkeypatch):
    monkeypatch.setattr("vlsa.retrieve.index.writer.ROWS_PER_WRITE", 2)
    footage, reader = place / "footage", Index.open(place / "index", encoder=FakeEncoder())
    (footage / "sound-2.wav").rename(footage / "moved-2.wav")
    write_numbered_sound(footage / "sound-3.wav", 33, seconds=3.0)
    for number in range(6, 12):
        write_numbered_sound(footage / f"sound-{number}.wav", number, seconds=3.0)
    seen = []

    def ask(done: int, total: int, message: str) -> None:
        found = {os.path.basename(hit.path) for hit in nearest(reader, "number 6", k=99)}
        assert found == {path for path, line in ledger.read(reader.data).items() if line.num_rows}
        seen.append(len(found))

    follow(footage, place / "index", progress=ask)
    assert min(seen) == 5 and len(set(seen)) > 3  # asked before, between and behind its writes
    hits = nearest(reader, "number 33", k=2)
    assert [(os.path.basename(hit.path), hit.score) for hit in hits] == [("sound-3.wav", pytest.approx(1))] * 2


def test_a_model_that_an_index_names_is_not_downloaded_unless_the_user_names_it(place, monkeypatch):
    asked, loaded = [], []

    def hub(name: str, *, local_files_only: bool = False, **_: object) -> str:
        asked.append(local_files_only)
        raise LocalEntryNotFoundError("not on this disk")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub)
    index = Index.open(place / "index")
    index.facts["model"] = {**index.facts["model"], "run": "clip:any/repository"}
    index.write_facts()
    with pytest.raises(
        SearchIndexError, match="clip:any/repository: not on this disk, .* --run clip:any/repo"
    ) as caught:
        nearest(Index.open(place / "index"), "number 1")
    assert "\n" not in str(caught.value) and asked == [True]
    monkeypatch.setattr(encoders, "load", lambda path: loaded.append(path) or FakeEncoder())
    nearest(Index.open(place / "index", run_path="clip:any/repository"), "number 1")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(cached(place)))
    nearest(Index.open(place / "index"), "number 1")
    assert loaded == ["clip:any/repository", f"clip:{place / 'cached'}"]


def cached(place):
    """What the cache of the hub would have."""
    (place / "cached").mkdir()
    (place / "cached" / "config.json").write_text("{}")
    (place / "cached" / "model.safetensors").write_bytes(b"")
    return place / "cached"
