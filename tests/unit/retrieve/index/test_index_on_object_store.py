"""An index on an object store, against an S3 server of this process: made, followed, cut off, killed, shared, asked."""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC
from pathlib import Path

import pytest
from command_lines import ROOT, call
from fake_encoder import FakeEncoder, write_numbered_sound, write_numbered_tape
from followed_folder import CUE, Counting, as_new, content, follow, write_footage
from nearest import nearest
from object_store import BUCKET, client, every_object, forget_clients

from vlsa.base.errors import SearchIndexError, StoreError
from vlsa.data.ingest import changes
from vlsa.data.store.objects import Objects
from vlsa.retrieve.index import index as index_module
from vlsa.retrieve.index import remote_copy, watch
from vlsa.retrieve.index.build import build_index
from vlsa.retrieve.index.check import check_index
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.publishing import OWNER_NAME, Publisher
from vlsa.retrieve.search.library import Library
from vlsa.retrieve.search.tables import SearchTables
from vlsa.serve.archive.catalogue import Catalogue
from vlsa.serve.archive.describe import without_folders
from vlsa.serve.archive.encoding import Models
from vlsa.serve.http.settings import ServeSettings
from vlsa.serve.routes.indexes import is_growing, updated_at
from vlsa.serve.routes.state import left_out

PREFIX = "archive/index"
ADDRESS = f"s3://{BUCKET}/{PREFIX}"


@pytest.fixture(autouse=True)
def asking_each_time(monkeypatch):
    monkeypatch.setattr(remote_copy, "ASK_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(remote_copy, "PATIENCE_SECONDS", 60.0)


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_footage(tmp_path / "footage")


@pytest.fixture
def other_machine(tmp_path, monkeypatch):
    """Lets this process work as if on another machine: nothing is on its disk yet."""

    def move(name: str) -> None:
        monkeypatch.setenv("VLSA_CACHE", str(tmp_path / name))

    return move


def there() -> list[object]:
    """The content of the index as a reader has it."""
    return content(Index.open(ADDRESS).path)


def states() -> list[str]:
    return sorted(name for name in every_object(PREFIX) if name.startswith("states/"))


def test_it_holds_and_answers_what_an_index_in_a_folder_does(server, folder, tmp_path, other_machine):
    summary = follow(folder, ADDRESS)
    assert str(summary).startswith(f"{ADDRESS}: 5 files, 10 windows, 1 texts")
    local = as_new(folder, tmp_path / "local")
    assert there() == local
    other_machine("other")
    assert there() == local
    asked, here = (Library.open(path, encoder=FakeEncoder()) for path in (ADDRESS, tmp_path / "local"))
    assert [*asked.search("number 3")] == [*here.search("number 3")]
    assert nearest(Index.open(ADDRESS, encoder=FakeEncoder()), "number 4", k=1)[0].path == str(folder / "sound-4.wav")


def test_a_second_run_sends_nothing_and_loads_nothing(server, folder):
    follow(folder, ADDRESS)
    before = every_object(PREFIX)
    server.heal()
    summary = follow(folder, ADDRESS, encoder := Counting())
    assert (summary.num_files_skipped, encoder.num_encoded) == (5, 0)
    assert every_object(PREFIX) == before
    assert [key for method, key, _ in server.asked if method == "PUT"] == [f"{PREFIX}/{OWNER_NAME}"]


def vectors_there() -> dict[str, int]:
    """Size of each file of vectors of the newest state, by its digest."""
    files = json.loads(every_object(PREFIX)[states()[-1]])["files"]
    return {digest: size for path, (size, digest) in files.items() if "/clips.lance/data/" in path}


class WideEncoder(FakeEncoder):
    """Its vectors are most of what an index holds."""

    width = 1024
    fingerprint = "fake-0004"


def test_a_run_that_adds_little_sends_little_and_what_it_adds_is_found(server, folder, tmp_path, monkeypatch):
    write_numbered_tape(folder / "tape.wav", range(20, 50))
    follow(folder, ADDRESS, WideEncoder())
    before = vectors_there()
    for number in (6, 7):
        write_numbered_sound(folder / f"sound-{number}.wav", number, seconds=3.0)
        (folder / f"sound-{number}.srt").write_text(CUE.format(start=0, stop=1, number=number))
        server.heal()
        follow(folder, ADDRESS, WideEncoder())
        sent = {key.rpartition("/")[2] for method, key, _ in server.asked if method == "PUT"}
        assert not sent & before.keys() and before.items() <= vectors_there().items()
        assert sum(size for digest, size in vectors_there().items() if digest in sent) < sum(before.values()) / 10
    tables = SearchTables.open(ADDRESS)
    assert tables.occurs("number 7") and tables.occurs("numbers 1") and not tables.occurs("number 8")
    assert Index.open(ADDRESS).facts["merged_rows"] < len(Index.open(ADDRESS))
    monkeypatch.setattr(index_module, "MOST_PIECES", 3)
    (folder / "sound-6.wav").unlink()
    follow(folder, ADDRESS, WideEncoder())
    assert Index.open(ADDRESS).facts["merged_rows"] == len(Index.open(ADDRESS))
    follow(folder, tmp_path / "local", WideEncoder())
    assert there() == content(tmp_path / "local")


def test_another_machine_goes_on_from_what_is_there(server, folder, tmp_path, other_machine):
    follow(folder, ADDRESS)
    other_machine("other")
    (folder / "sound-1.wav").rename(folder / "field" / "sound-1.wav")
    (folder / "sound-1.srt").rename(folder / "field" / "sound-1.srt")
    (folder / "sound-2.wav").unlink()
    write_numbered_sound(folder / "sound-3.wav", 33, seconds=4.0)
    write_numbered_sound(folder / "sound-6.wav", 6)
    summary = follow(folder, ADDRESS, encoder := Counting())
    assert (summary.num_files_moved, summary.num_files_removed, summary.num_files_added) == (1, 1, 2)
    assert 0 < encoder.num_encoded < 6
    expected = as_new(folder, tmp_path / "local")
    assert there() == expected
    other_machine("cache")  # the first one has an older state on its disk
    assert there() == expected
    assert follow(folder, ADDRESS).num_files_skipped == 5
    assert len(states()) == 2  # and of the one before all files are there, for whoever is reading it
    names = {file[1] for name in states() for file in json.loads(every_object(PREFIX)[name])["files"].values()}
    assert {name.removeprefix("files/") for name in every_object(PREFIX) if name.startswith("files/")} == names


def test_footage_that_was_moved_is_given_by_its_new_place(server, folder, tmp_path):
    follow(folder, ADDRESS)
    folder.rename(tmp_path / "moved")
    assert follow(tmp_path / "moved", ADDRESS, encoder := Counting()).num_files_skipped == 5
    assert encoder.num_encoded == 0
    assert Index.open(ADDRESS).source == str(tmp_path / "moved")


def test_who_reads_goes_on_with_the_next_state_and_keeps_this_one_until_then(server, folder, monkeypatch):
    follow(folder, ADDRESS)
    index, first = Index.open(ADDRESS, encoder=FakeEncoder()), Index.open(ADDRESS)
    for number in (6, 7):
        write_numbered_sound(folder / f"sound-{number}.wav", number)
        follow(folder, ADDRESS)
    assert len(content(first.path)) < len(there())
    assert nearest(index, "number 7", k=1)[0].path == str(folder / "sound-7.wav")
    assert index.refresh() is False
    assert first.path.exists()
    server.answer_first = lambda number, method, key: "403 AccessDenied"
    assert index.refresh() is False  # it answers with what it has
    assert nearest(index, "number 6", k=1)[0].path == str(folder / "sound-6.wav")


def test_an_object_store_that_never_answers_keeps_nobody_waiting(server, folder, tmp_path, monkeypatch):
    follow(folder, ADDRESS)
    index, encoder = Index.open(ADDRESS, encoder=FakeEncoder()), FakeEncoder()
    served = Catalogue.open(ServeSettings(indexes=(Path(ADDRESS),)), encoder).index("index")
    write_numbered_sound(folder / "sound-6.wav", 6)
    with Publisher(ADDRESS).held() as publisher:  # as another machine: sent, and not known here
        build_index(FakeEncoder(), folder, publisher.folder, num_workers=0)
        publisher.publish()
    monkeypatch.setattr(remote_copy, "PATIENCE_SECONDS", 0.0)
    answering, asked = threading.Event(), threading.Event()

    def wait(number: int, method: str, key: str) -> str:
        asked.set()
        answering.wait()
        return ""

    def ask() -> None:
        found.append(nearest(index, "number 4", k=1)[0].path)
        found.append(Models().load(served).fingerprint)
        found.append(served.reading(lambda tables: len(tables.searched.windows)))

    server.answer_first, found = wait, []
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(timeout=60)
    assert asked.wait(timeout=60)
    answering.set()
    assert found == [str(folder / "sound-4.wav"), encoder.fingerprint, 10]
    monkeypatch.setattr(remote_copy, "PATIENCE_SECONDS", 60.0)
    remote_copy.copy_of(ADDRESS)._answered.wait(timeout=60)
    assert len(Index.open(ADDRESS).file_facts()) == 6


def test_messages_name_the_address_and_no_copy_of_it(server, folder):
    follow(folder, ADDRESS)
    with pytest.raises(SearchIndexError, match=f"^{ADDRESS}: "):
        assert Library.open(Path(ADDRESS)).encoder
    served = Catalogue.open(ServeSettings(indexes=(Path(ADDRESS),)), FakeEncoder()).index("index")
    places = (served.folder, ADDRESS, Path(ADDRESS), Path(ADDRESS).absolute())
    for place in places:
        assert without_folders(f"{place}: x {place}/index.json", served) == "index: x index.json"
    index = Index.open(ADDRESS)
    assert repr(index).startswith(f"Index('{ADDRESS}'")
    server.answer_first = lambda number, method, key: "403 AccessDenied"  # else it is fetched again
    (index.path / "index.json").unlink()
    with pytest.raises(SearchIndexError, match=f"^{ADDRESS}: not an index"):
        index.refresh()


def test_it_was_last_written_when_its_state_was_and_not_when_it_was_fetched(server, folder, other_machine):
    follow(folder, ADDRESS)
    (state,) = (f"{BUCKET}/{PREFIX}/{name}" for name in states()[-1:])
    written = client().info(state)["LastModified"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    time.sleep(1.1)
    for machine in ("cache", "other"):
        other_machine(machine)
        served = Catalogue.open(ServeSettings(indexes=(Path(ADDRESS),)), FakeEncoder()).index("index")
        assert updated_at(served) == written


def test_an_empty_index_is_named_by_its_address(server, folder):
    follow(folder, ADDRESS)
    with Publisher(ADDRESS).held() as publisher:
        made = Index.open(publisher.folder)
        made.discard([*made.files()])
        publisher.finish()
    with pytest.raises(SearchIndexError, match=f"^{ADDRESS}: the index is empty"):
        SearchTables.open(ADDRESS).refresh()


class CutOff:
    """Lets some uploads arrive, and nothing more from the next one on, as when a process is killed."""

    def __init__(self, num_uploads: int) -> None:
        self.num_left = num_uploads

    def __call__(self, number: int, method: str, key: str) -> str:
        if method == "PUT" and OWNER_NAME not in key:
            self.num_left -= 1
        return "403 AccessDenied" if self.num_left < 0 else ""


def test_a_run_that_is_cut_off_anywhere_leaves_the_state_before_it(server, folder, tmp_path, other_machine):
    follow(folder, ADDRESS)
    before = there()
    write_numbered_sound(folder / "sound-6.wav", 6)
    for num_uploads in (0, 4, 9):
        server.answer_first = CutOff(num_uploads)
        with pytest.raises(StoreError, match="refused"):
            follow(folder, ADDRESS)
        server.heal()
        client().rm_file(f"{BUCKET}/{PREFIX}/{OWNER_NAME}")  # of another machine from here on
        other_machine(f"other-{num_uploads}")
        assert there() == before
    follow(folder, ADDRESS)
    assert there() == as_new(folder, tmp_path / "local")


KILLED = """
import sys
from pathlib import Path
from followed_folder import follow
from vlsa.retrieve.index import writer
writer.ROWS_PER_WRITE = 2
follow(Path(sys.argv[1]), sys.argv[2])
"""


def test_a_killed_run_leaves_its_last_step_and_is_finished_by_the_same_command(server, folder, tmp_path):
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    command = [sys.executable, "-c", KILLED, str(folder), ADDRESS]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": paths})

    def kill(number: int, method: str, key: str) -> str:
        if key.endswith("states/000000000004.json") and process.poll() is None:
            process.kill()
            process.wait()
            return "503 Slow Down"  # nobody hears it
        return ""

    server.answer_first = kill
    assert process.wait(timeout=120) == -signal.SIGKILL
    server.heal()
    assert OWNER_NAME in every_object(PREFIX)
    num_known = len(Index.open(ADDRESS).files())
    assert 1 <= num_known < 5
    summary = follow(folder, ADDRESS, encoder := Counting())
    assert (summary.num_files_skipped, encoder.num_encoded) == (num_known, 2 * (5 - num_known))
    assert there() == as_new(folder, tmp_path / "local")
    assert OWNER_NAME not in every_object(PREFIX)


def test_a_server_that_often_says_slow_down_gets_and_gives_the_same(server, folder, tmp_path, other_machine):
    server.answer_first = lambda number, method, key: "503 Slow Down" if number % 7 == 3 else ""
    follow(folder, ADDRESS)
    other_machine("other")
    assert there() == as_new(folder, tmp_path / "local")


def test_a_second_writer_is_refused_on_this_machine_and_on_another(server, folder, other_machine):
    follow(folder, ADDRESS)
    with Publisher(ADDRESS).held():
        with pytest.raises(SearchIndexError, match="another process of this machine is writing"):
            follow(folder, ADDRESS)
        other_machine("other")
        with pytest.raises(
            SearchIndexError, match=r"process \d+ on .* is writing this index since .*delete the object"
        ):
            follow(folder, ADDRESS)
        assert len(Index.open(ADDRESS)) == 11
    assert follow(folder, ADDRESS).num_files_skipped == 5


def test_a_writer_whose_lock_was_taken_away_cannot_undo_what_another_one_wrote(server, folder, other_machine):
    follow(folder, ADDRESS)
    with Publisher(ADDRESS).held() as late:
        client().rm_file(f"{BUCKET}/{PREFIX}/{OWNER_NAME}")
        other_machine("other")
        write_numbered_sound(folder / "sound-6.wav", 6)
        follow(folder, ADDRESS)
        (late.folder / "index_report.jsonl").write_text("late\n")
        with pytest.raises(SearchIndexError, match="another process has written this index meanwhile"):
            late.publish()
    assert nearest(Index.open(ADDRESS, encoder=FakeEncoder()), "number 6", k=1)[0].path == str(folder / "sound-6.wav")


def test_a_state_that_was_sent_twice_because_the_answer_was_lost_is_that_of_this_run(server, folder, monkeypatch):
    once = Objects.create

    def twice(objects: Objects, name: str, data: bytes) -> bool:
        return once(objects, name, data) and (not name.startswith("states/") or once(objects, name, data))

    monkeypatch.setattr(Objects, "create", twice)
    assert follow(folder, ADDRESS).num_files == 5
    assert len(Index.open(ADDRESS)) == 11


def test_a_restart_answers_with_the_old_index_until_it_is_finished(server, folder, tmp_path, monkeypatch):
    follow(folder, ADDRESS)
    before, seen = there(), []
    created = Objects.create

    def create(objects: Objects, name: str, data: bytes) -> bool:
        made = created(objects, name, data)
        if name.startswith("states/"):
            seen.append((there() == before, Index.open(ADDRESS).facts["windows"]["step_seconds"]))
        return made

    monkeypatch.setattr(Objects, "create", create)
    follow(folder, ADDRESS, step_seconds=0.5, restart=True)
    assert len(seen) > 1
    assert seen[:-1] == [(True, 1.0)] * (len(seen) - 1)
    assert seen[-1] == (False, 0.5)
    assert len([name for name in client().find(f"{BUCKET}/{PREFIX}") if "restart" in name]) == 0


def test_what_broke_off_is_not_fetched_again(server, folder, other_machine, monkeypatch):
    monkeypatch.setattr(remote_copy, "FILES_PER_REQUEST", 2)
    follow(folder, ADDRESS)
    other_machine("other")
    server.heal()
    server.answer_first = lambda number, method, key: (
        "403 AccessDenied" if server.num_asked("GET", "files/") > 6 else ""
    )
    with pytest.raises(StoreError, match="refused"):
        there()
    server.heal()
    there()
    fetched = {key for method, key, _ in server.asked if method == "GET" and "files/" in key}
    num_files = sum(name.startswith("files/") for name in every_object(PREFIX))
    assert len(fetched) == num_files - 6


def test_an_index_of_which_a_file_was_changed_or_is_gone_is_refused_and_can_be_made_anew(
    server, folder, tmp_path, other_machine
):
    follow(folder, ADDRESS)
    names = sorted(name for name in every_object(PREFIX) if name.startswith("files/"))
    for number, name in enumerate(names[:3]):
        data = every_object(PREFIX)[name]
        key = f"{BUCKET}/{PREFIX}/{name}"
        other_machine(f"other-{number}")
        client().pipe_file(key, bytes(len(data) - 1) + b"x")
        with pytest.raises(SearchIndexError, match=f"{ADDRESS}/{name}: has other bytes"):
            there()
        client().rm_file(key)
        with pytest.raises(SearchIndexError, match=f"{ADDRESS}/{name}: not there"):
            there()
        client().pipe_file(key, data)
    client().rm_file(f"{BUCKET}/{PREFIX}/{names[0]}")
    other_machine("last")
    with pytest.raises(SearchIndexError, match="index again with --restart"):
        follow(folder, ADDRESS)
    follow(folder, ADDRESS, restart=True)
    assert there() == as_new(folder, tmp_path / "local")


HOSTILE = {
    "nonsense": b"\xff{",
    "nested": b"[" * 100_000,
    "outside": {"../../escaped": [3, "0" * 32]},
    "absolute": {"/escaped": [3, "0" * 32]},
    "digest": {"index.json": [3, "../../../etc/passwd"]},
    "size": {"index.json": [-1, "0" * 32]},
    "text": {"index.json": ["3", "0" * 32]},
    "list": [],
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_state_that_was_not_written_by_it_is_one_line_and_nothing_is_made_of_it(server, tmp_path, kind):
    files = HOSTILE[kind]
    state = {"format": "vlsa-index-state", "version": 1, "files": files}
    data = files if isinstance(files, bytes) else json.dumps(state).encode()
    client().pipe_file(f"{BUCKET}/{PREFIX}/states/000000000001.json", data)
    with pytest.raises(SearchIndexError, match=r"states/000000000001\.json: damaged"):
        Index.open(ADDRESS)
    assert not list(tmp_path.rglob("*escaped*"))
    assert {path.name for path in (tmp_path / "cache" / "indexes").rglob("*")} <= {
        "states",
        "fetching.lock",
        *os.listdir(tmp_path / "cache" / "indexes"),
    }


def test_a_state_of_a_later_version_is_said_to_be_one(server):
    data = json.dumps({"format": "vlsa-index-state", "version": 2, "files": {}}).encode()
    client().pipe_file(f"{BUCKET}/{PREFIX}/states/000000000001.json", data)
    with pytest.raises(SearchIndexError, match="of version 2, this vlsa reads 1"):
        Index.open(ADDRESS)


def test_a_folder_of_other_things_is_not_written_into(server, folder):
    client().pipe_file(f"{BUCKET}/{PREFIX}/holiday.jpg", b"x")
    with pytest.raises(SearchIndexError, match=r"not empty \(holiday.jpg\) and not an index"):
        follow(folder, ADDRESS)
    assert every_object(PREFIX) == {"holiday.jpg": b"x"}


def test_no_index_no_bucket_and_no_right_are_one_line_each(server, folder, monkeypatch):
    for line in (f'vlsa search {ADDRESS} "a bell"', f"vlsa similar {ADDRESS} a.mp4@0-2", f"vlsa duplicates {ADDRESS}"):
        result = call(line)
        assert result.exit_code == 2, line
        assert f"{ADDRESS}: no index there" in result.output
        assert len(result.output.splitlines()) == 1
    with pytest.raises(StoreError, match=r"s3://none/index.*: not there \(.*\)\. Check the address and the bucket"):
        Index.open("s3://none/index")
    with pytest.raises(StoreError, match="not there"):
        follow(folder, "s3://none/index")
    server.answer_first = lambda number, method, key: "403 AccessDenied"
    for work in (lambda: Index.open(ADDRESS), lambda: follow(folder, ADDRESS)):
        with pytest.raises(StoreError, match="refused .*Check the credentials"):
            work()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    forget_clients()
    with pytest.raises(StoreError, match="not reached"):
        Index.open(ADDRESS)
    forget_clients()


def test_commands_and_the_server_take_the_address(server, folder, tmp_path):
    (folder / "copy.wav").write_bytes((folder / "sound-3.wav").read_bytes())
    (folder / "broken.wav").write_bytes(b"no sound" * 9)
    follow(folder, ADDRESS)
    follow(folder, tmp_path / "local")
    for line in ("similar {} sound-3.wav@0-2 --json", "duplicates {} --json"):
        result, local = (call(f"vlsa {line.format(path)}") for path in (ADDRESS, tmp_path / "local"))
        assert (result.exit_code, result.stdout) == (0, local.stdout)
        assert "copy.wav" in result.stdout
    assert call(f"vlsa index --check {ADDRESS}").stdout.startswith(f"{ADDRESS}: vectors, list of files and disk agree")
    assert call(f"vlsa index --self-test {ADDRESS} --questions 3").exit_code == 0
    served = Catalogue.open(ServeSettings(indexes=(Path(ADDRESS),)), FakeEncoder())
    assert served.names == ["index"]
    assert len(served.index("index").files().listed) == 6
    assert updated_at(served.index("index")).startswith("20") and not is_growing(served.index("index"))
    assert [row["path"] for row in left_out(served.index("index"))] == ["broken.wav"]
    write_numbered_sound(folder / "sound-8.wav", 8)
    follow(folder, ADDRESS)
    served.index("index").follow_model()
    served.index("index").reading(lambda tables: None)
    assert len(served.index("index").files().listed) == 7


def test_check_names_what_differs_and_the_next_run_mends_it(server, folder, tmp_path):
    follow(folder, ADDRESS)
    with Publisher(ADDRESS).held() as publisher:
        Index.open(publisher.folder).table.delete_files(["sound-2.wav"])
        publisher.finish()
    (line,) = [line for line in check_index(ADDRESS) if "sound-2" in line]
    assert "0 rows of it are in the table, 2 were written" in line
    assert "state" not in Index.open(ADDRESS, repair=True).facts
    follow(folder, ADDRESS)
    assert there() == as_new(folder, tmp_path / "local")
    assert check_index(ADDRESS) == []


def test_it_can_be_kept_following(server, folder, monkeypatch):
    monkeypatch.setattr(changes, "QUIET_MS", 50)
    stop = threading.Event()
    summaries = watch.watch_index(FakeEncoder(), folder, ADDRESS, num_workers=0, stop=stop)
    assert next(summaries).num_files == 5
    write_numbered_sound(folder / "sound-6.wav", 6)
    assert next(summaries).num_files == 6
    stop.set()
    assert list(summaries) == []
    assert len(Index.open(ADDRESS).file_facts()) == 6


def test_copies_of_other_indexes_make_room_unless_they_are_open(server, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("VLSA_CACHE_GIB", "0")
    places = {name: f"s3://{BUCKET}/{name}" for name in ("one", "two")}
    states = {name: remote_copy.copy_of(place).folder / "states" for name, place in places.items()}
    follow(folder, places["one"])
    remote_copy._copy.cache_clear()  # as in another process, which does not have it open
    gc.collect()  # what errors of the standard library kept alive
    follow(folder, places["two"])
    assert not states["one"].exists()
    opened = Index.open(places["two"])
    Index.open(places["one"])
    assert opened.path.is_dir() and opened.path.parent == states["two"]
    assert len(content(opened.path)) > 10


def test_an_address_that_is_written_as_a_path_is_the_same(server, folder):
    follow(folder, Path(ADDRESS))
    assert len(Index.open(Path(ADDRESS))) == len(Index.open(ADDRESS)) == 11
