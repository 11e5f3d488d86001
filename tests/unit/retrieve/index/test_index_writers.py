"""Who may write an index on an object store, what a run may remove there, and what its copies on this disk outlive."""

import gc
import json
import os
import shutil
from pathlib import Path

import pytest
from fake_encoder import FakeEncoder, write_numbered_sound
from followed_folder import follow, write_footage
from nearest import nearest
from object_store import BUCKET, client, every_object

from vlsa.base.errors import SearchIndexError
from vlsa.data.store.objects import Objects, Stored
from vlsa.retrieve.index import copy_files, remote_copy
from vlsa.retrieve.index.facts import read_facts
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.publishing import OWNER_NAME, Publisher
from vlsa.retrieve.index.report import REPORT_NAME

PREFIX = "archive/index"
ADDRESS = f"s3://{BUCKET}/{PREFIX}"
LOCK = f"{BUCKET}/{PREFIX}/{OWNER_NAME}"


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_footage(tmp_path / "footage")


@pytest.fixture
def other_machine(tmp_path, monkeypatch):
    """Lets this process work as if on another machine: nothing is on its disk yet."""
    return lambda: monkeypatch.setenv("VLSA_CACHE", str(tmp_path / "other"))


def owned_by(host: str, owner: str = "other") -> bytes:
    return json.dumps({"owner": owner, "host": host, "process": 77, "since": "today"}).encode()


def killed_run() -> None:
    """Leave behind what a killed run of this machine does."""
    with Publisher(ADDRESS).held() as publisher:
        left = client().cat_file(LOCK)
        folder = shutil.copytree(publisher.folder, publisher.folder.with_name("kept"))
    folder.rename(publisher.folder)
    client().pipe_file(LOCK, left)


def test_a_run_whose_lock_was_deleted_removes_nothing_that_another_one_wrote(server, folder, other_machine):
    follow(folder, ADDRESS)
    with Publisher(ADDRESS).held() as late:
        (late.folder / REPORT_NAME).write_text("late\n")
        late.publish()
        client().rm_file(LOCK)
        other_machine()
        write_numbered_sound(folder / "sound-6.wav", 6)
        follow(folder, ADDRESS)
        written = every_object(PREFIX)
        with pytest.raises(SearchIndexError, match="another process has written this index meanwhile"):
            late.finish()  # with nothing new since its last step
        client().rm_file(LOCK)
        assert every_object(PREFIX) == written
    assert nearest(Index.open(ADDRESS, encoder=FakeEncoder()), "number 6", k=1)[0].path == str(folder / "sound-6.wav")


def test_a_run_that_another_one_took_over_from_removes_nothing_and_leaves_the_other_ones_lock(server, folder):
    follow(folder, ADDRESS)
    with Publisher(ADDRESS).held() as late:
        for text in ("early\n", "late\n"):
            (late.folder / REPORT_NAME).write_text(text)
            late.publish()
        client().pipe_file(LOCK, owned_by("archive-2"))
        with pytest.raises(
            SearchIndexError, match=r"process 77 on archive-2 writes this index now, since index.lock .*deleted"
        ):
            late.finish()
        names = [name for name in every_object(PREFIX) if name.startswith("states/")]
    assert len(names) == 3  # that of its first step too
    assert client().cat_file(LOCK) == owned_by("archive-2")


def test_a_lock_that_was_deleted_under_a_run_costs_nothing_if_nobody_else_began(server, folder):
    follow(folder, ADDRESS)
    with Publisher(ADDRESS).held() as publisher:
        (publisher.folder / REPORT_NAME).write_text("done\n")
        client().rm_file(LOCK)
        publisher.finish()
    assert every_object(PREFIX)[REPORT_NAME] == b"done\n"
    assert OWNER_NAME not in every_object(PREFIX)


def test_of_two_that_race_for_the_lock_of_a_killed_run_one_writes(server, folder, monkeypatch):
    """Between the look at the lock and its replacement another machine has taken it."""
    follow(folder, ADDRESS)
    killed_run()
    replace = Objects.replace

    def lose(objects: Objects, name: str, data: bytes, before: Stored) -> bool:
        client().pipe_file(LOCK, owned_by("archive-2"))
        return replace(objects, name, data, before)

    monkeypatch.setattr(Objects, "replace", lose)
    with pytest.raises(SearchIndexError, match="process 77 on archive-2 is writing this index since today"):
        follow(folder, ADDRESS)
    assert client().cat_file(LOCK) == owned_by("archive-2")


def test_a_lock_that_goes_while_it_is_looked_at_is_made(server, folder, monkeypatch):
    client().pipe_file(LOCK, owned_by("archive-2"))
    read = Objects.read

    def gone(objects: Objects, name: str, start: int, stop: int) -> bytes:
        if every_object(PREFIX).get(OWNER_NAME) == owned_by("archive-2"):
            client().rm_file(LOCK)
        return read(objects, name, start, stop)

    monkeypatch.setattr(Objects, "read", gone)
    assert follow(folder, ADDRESS).num_files == 5
    assert OWNER_NAME not in every_object(PREFIX)


def test_the_lock_of_a_killed_run_is_taken_over_though_the_copy_was_removed(server, folder, tmp_path):
    follow(folder, ADDRESS)
    killed_run()
    shutil.rmtree(remote_copy.copy_of(ADDRESS).folder)
    assert follow(folder, ADDRESS).num_files_skipped == 5
    assert OWNER_NAME not in every_object(PREFIX)


def test_a_folder_in_which_nothing_can_be_read_leaves_the_report_that_the_error_names(server, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "broken.wav").write_bytes(b"no sound" * 9)
    for _ in range(2):
        with pytest.raises(SearchIndexError, match=f"no clip could be indexed .*See {ADDRESS}/{REPORT_NAME}"):
            follow(tmp_path / "broken", ADDRESS)
        assert b"broken.wav" in every_object(PREFIX)[REPORT_NAME]
    write_numbered_sound(tmp_path / "broken" / "sound-1.wav", 1)
    assert follow(tmp_path / "broken", ADDRESS).num_files == 1
    assert OWNER_NAME not in every_object(PREFIX)


def test_an_index_of_a_later_version_is_not_replaced_by_a_restart(server, folder):
    data = json.dumps({"format": "vlsa-index-state", "version": 2, "files": {}}).encode()
    client().pipe_file(f"{BUCKET}/{PREFIX}/states/000000000001.json", data)
    with pytest.raises(SearchIndexError, match="of version 2, this vlsa reads 1"):
        follow(folder, ADDRESS, restart=True)
    assert every_object(PREFIX) == {"states/000000000001.json": data}


def test_what_is_damaged_is_named_by_the_address_from_the_first_time_on(server, folder):
    follow(folder, ADDRESS)
    with Publisher(ADDRESS).held() as publisher:
        facts = {**read_facts(publisher.folder), "width": -1}
        (publisher.folder / "index.json").write_text(json.dumps(facts))
        publisher.publish()
    remote_copy._copy.cache_clear()  # as in another process
    for _ in range(2):
        with pytest.raises(SearchIndexError, match=f"^{ADDRESS}: index.json is damaged"):
            read_facts(ADDRESS)


def test_the_copy_of_a_killed_run_makes_room_and_that_of_a_running_one_does_not(server, folder, monkeypatch):
    follow(folder, ADDRESS)
    place = remote_copy.copy_of(ADDRESS).folder
    monkeypatch.setenv("VLSA_CACHE_GIB", "0")
    with Publisher(ADDRESS).held() as running:
        copy_files.make_room(place.with_name("next"), 1)
        assert (running.folder / "index.json").exists()
    killed_run()
    del running
    remote_copy._copy.cache_clear()  # as in another process, which does not have it open
    gc.collect()  # what a cycle of objects still has open
    copy_files.make_room(place.with_name("next"), 1)
    assert not [path for path in place.iterdir() if path.is_dir()]
    assert follow(folder, ADDRESS).num_files_skipped == 5


def test_room_is_made_while_files_and_whole_copies_go(tmp_path, monkeypatch):
    monkeypatch.setenv("VLSA_CACHE_GIB", "0")
    for name in ("a", "b"):
        (tmp_path / name / "states" / "1").mkdir(parents=True)
        (tmp_path / name / "states" / "1" / "index.json").write_bytes(bytes(100))
    walk = os.walk

    def empty_meanwhile(top: Path):
        for found in walk(top):
            shutil.rmtree(tmp_path / "a", ignore_errors=True)
            yield found

    monkeypatch.setattr(copy_files.os, "walk", empty_meanwhile)
    copy_files.make_room(tmp_path / "mine", 1)
    assert not (tmp_path / "a").exists()
    assert not list((tmp_path / "b").rglob("index.json"))
