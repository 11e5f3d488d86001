"""INDEX/index.json that cannot be read costs nothing: nothing is deleted before it is known which data is in use."""

import json
import os
import shutil
from pathlib import Path

import pytest
from followed_folder import content, follow, write_footage
from rights import of_anyone

from vlsa.base.errors import SearchIndexError


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder and its index, with an unfinished --restart beside it."""
    place = tmp_path_factory.mktemp("made")
    follow(write_footage(place / "footage"), place / "index")
    (place / "index" / "restart.json").write_bytes((place / "index" / "index.json").read_bytes())
    return place


def comma_too_many(path: Path) -> None:
    path.write_text(path.read_text().replace('"num_rows"', ', "num_rows"'))


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def data_of(value: object):
    def change(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | {"data": value}))

    return change


FAULTS = {
    "a comma too many": (comma_too_many, "index.json: cannot be read .not JSON"),
    "not to be read": (lambda path: path.chmod(0), "index.json: cannot be read .Permission denied"),
    "a pipe": (a_pipe, "index.json: cannot be read .not a regular file"),
    "empty": (lambda path: path.write_bytes(b""), "index.json: cannot be read .not JSON"),
    "not an object": (lambda path: path.write_text("[]"), "not an index"),
    "data that is a list": (data_of([]), "index.json is damaged"),
    "data elsewhere": (data_of("../footage"), "index.json is damaged"),
    "nothing but data": (lambda path: path.write_text('{"data": []}'), "not an index"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_deleted_where_the_facts_cannot_be_read(made, tmp_path, name):
    damage, words = FAULTS[name]
    shutil.copytree(made / "index", tmp_path / "index")
    before = sorted(path for path in (tmp_path / "index").rglob("*"))
    good = (tmp_path / "index" / "index.json").read_bytes()
    damage(tmp_path / "index" / "index.json")
    with of_anyone(), pytest.raises(SearchIndexError, match=words) as caught:
        follow(made / "footage", tmp_path / "index")
    assert "\n" not in str(caught.value)
    assert sorted(path for path in (tmp_path / "index").rglob("*")) == before
    (tmp_path / "index" / "index.json").unlink()
    (tmp_path / "index" / "index.json").write_bytes(good)
    assert content(tmp_path / "index") == content(made / "index")


def test_data_that_is_not_in_use_is_deleted_once_the_facts_are_read(made, tmp_path):
    out = tmp_path / "index"
    shutil.copytree(made / "index", out)
    (out / f"data-{'0' * 32}" / "lance").mkdir(parents=True)
    (out / "data-of-mine").mkdir()
    follow(made / "footage", out)
    used = json.loads((out / "index.json").read_text())["data"]
    assert sorted(path.name for path in out.glob("data-*")) == sorted([used, "data-of-mine"])
    assert not (out / "restart.json").exists()


def test_without_facts_a_new_index_is_made_and_only_then_the_old_data_is_deleted(made, tmp_path):
    out = tmp_path / "index"
    shutil.copytree(made / "index", out)
    (out / "index.json").unlink()
    (out / "restart.json").unlink()
    (old,) = out.glob("data-*")

    def still_there(done: int, total: int, message: str) -> None:
        assert old.is_dir()

    follow(made / "footage", out, progress=still_there)
    assert not old.exists()
    assert content(out) == content(made / "index")
