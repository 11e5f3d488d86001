"""Preparing a store on an object store, against an S3 server of this process: whole, cut off, killed, and shared."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_lines import ROOT, call
from media_files import write_flash_and_beep
from object_store import BUCKET, client, every_object
from preparing import every_byte, made_clip, made_rows, refusing_decoder, run

from vlsa.base.errors import ConfigError, StoreError
from vlsa.data.store.holding import Part
from vlsa.data.store.objects import Objects
from vlsa.data.store.reader import ClipStore
from vlsa.data.store.staging import OWNER_NAME, Staging

PREFIX = "archive/store"
ADDRESS = f"s3://{BUCKET}/{PREFIX}"
ROWS = made_rows(6)  # in two shards


@pytest.fixture
def local(tmp_path):
    """The same store in a folder."""
    run(ROWS, tmp_path / "local")
    return tmp_path / "local"


def local_files(cache: Path) -> set[str]:
    """Suffixes of what a finished run has left on the local disk."""
    return {path.suffix for path in (cache / "preparing").rglob("*") if path.is_file()}


def test_a_store_there_has_the_objects_that_a_local_one_has_as_files(server, local, tmp_path):
    summary = run(ROWS, ADDRESS)
    assert every_object(PREFIX) == every_byte(local)
    assert str(summary).startswith(f"{ADDRESS}: 6 clips")
    assert local_files(tmp_path / "cache") == {".owner"}


class CutOff:
    """Lets some uploads arrive, and nothing more from the next one on, as when a process is killed."""

    def __init__(self, num_uploads: int) -> None:
        self.num_left = num_uploads
        self.uploaded: list[str] = []

    def __call__(self, number: int, method: str, key: str) -> str:
        if method == "PUT" and OWNER_NAME not in key:
            self.num_left -= 1
            self.uploaded += [key.rpartition("/")[2]] * (self.num_left >= 0)
        return "403 AccessDenied" if self.num_left < 0 else ""


def test_runs_that_are_cut_off_go_on_where_the_last_one_stopped_and_end_with_the_same_bytes(server, local):
    uploaded = []
    for num_uploads in range(5):
        server.answer_first = cut_off = CutOff(num_uploads)
        with pytest.raises(StoreError, match="refused"):
            run(ROWS, ADDRESS)
        server.heal()
        with pytest.raises(StoreError, match="unfinished" if num_uploads else "no clip store there"):
            ClipStore.open(ADDRESS)
        uploaded.append(cut_off.uploaded)
    assert [names[-1:] for names in uploaded] == [
        [],
        ["unfinished.json"],
        ["manifest.jsonl"],
        ["shard-000001.tar"],  # without its index: it is made again
        ["clips.safetensors"],
    ]
    assert [names.count("shard-000000.tar") for names in uploaded] == [0, 0, 0, 1, 0]
    run(ROWS, ADDRESS)
    assert every_object(PREFIX) == every_byte(local)


KILLED = """
from preparing import made_rows, run
run(made_rows(6), ADDRESS)
"""


def test_a_killed_run_is_finished_by_the_same_command(server, local):
    code = f"ADDRESS = {ADDRESS!r}\n{KILLED}"
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths})

    def kill(number: int, method: str, key: str) -> str:
        if key.endswith("shard-000001.tar") and process.poll() is None:
            process.kill()
            process.wait()
        return ""

    server.answer_first = kill
    assert process.wait(timeout=120) == -signal.SIGKILL
    assert f"{OWNER_NAME}" in every_object(PREFIX)
    server.heal()
    run(ROWS, ADDRESS)
    assert every_object(PREFIX) == every_byte(local)
    assert server.num_asked("PUT", "shard-000000") == 0


def test_a_server_that_often_says_slow_down_gets_the_same_bytes(server, local):
    server.answer_first = lambda number, method, key: "503 Slow Down" if number % 7 == 3 else ""
    run(ROWS, ADDRESS)
    server.heal()
    assert every_object(PREFIX) == every_byte(local)


def test_what_arrives_with_other_bytes_is_an_error_and_not_vouched_for(server, monkeypatch):
    class Damaging(type(client())):
        async def _put_file(self, lpath, rpath, **options):
            data = Path(lpath).read_bytes()
            await self._pipe_file(rpath, data[:-1] + b"x" if rpath.endswith(".tar") else data)

    monkeypatch.setattr(Objects, "_system", property(lambda objects: Damaging(use_listings_cache=False)))
    with pytest.raises(StoreError, match=r"shard-000000\.tar: arrived with other bytes"):
        run(ROWS, ADDRESS)
    assert not any("shard-000000.jsonl" in name for name in every_object(PREFIX))


def test_a_large_file_is_sent_in_parts_and_compared_without_reading_it_back(server, tmp_path, monkeypatch):
    monkeypatch.setattr("vlsa.data.store.objects.PART_BYTES", 5 * 2**20)  # the smallest that S3 takes
    data = np.random.default_rng(0).bytes(11 * 2**20)
    (tmp_path / "large").write_bytes(data)
    Objects(ADDRESS).put(tmp_path / "large", "large")
    assert server.num_asked("PUT") == 3
    assert server.num_asked("GET") == 0
    assert every_object(PREFIX) == {"large": data}


def test_where_there_are_no_checksums_what_was_sent_is_read_back(server, tmp_path, monkeypatch):
    monkeypatch.setattr("vlsa.data.store.objects.etag", lambda path: "unknown, as of an encrypted object")
    (tmp_path / "one").write_bytes(b"one")
    Objects(ADDRESS).put(tmp_path / "one", "one")
    assert server.num_asked("GET", "one") == 1


def test_files_are_added_in_new_shards_and_old_objects_stay(server, tmp_path, local):
    run(ROWS, ADDRESS)
    before = every_object(PREFIX)
    server.heal()
    added = made_rows(9)
    with pytest.raises(StoreError, match=rf"^{ADDRESS}: does not hold 3 clips .*--add"):
        run(added, ADDRESS)
    assert str(run(added, ADDRESS, add=True)).endswith("Added: 3. Nothing was rejected.")
    run(added, local, add=True)
    after = every_object(PREFIX)
    assert after == every_byte(local)
    assert {name for name in before if before[name] != after[name]} == {
        "clips.safetensors",
        "sources.jsonl",
        "store.json",
    }
    assert server.num_asked("PUT", "shard-000000") == 0


def test_an_addition_that_was_cut_off_leaves_the_store_readable_and_may_be_another_one(server, local):
    run(ROWS, ADDRESS)
    server.answer_first = lambda number, method, key: "403 AccessDenied" if method == "PUT" and "clips." in key else ""
    with pytest.raises(StoreError, match="refused"):
        run(made_rows(11), ADDRESS, add=True)
    server.heal()
    assert len(ClipStore.open(ADDRESS)) == 6
    run(made_rows(8), ADDRESS, add=True)
    run(made_rows(8), local, add=True)
    assert every_object(PREFIX) | {"sources.jsonl": b""} == every_byte(local) | {"sources.jsonl": b""}


def test_a_restart_replaces_a_store(server, tmp_path):
    run(made_rows(9), ADDRESS)
    with pytest.raises(StoreError, match=f"^{ADDRESS}: made of other footage"):
        run(ROWS, ADDRESS)
    run(ROWS, ADDRESS, restart=True, decode=refusing_decoder)
    run(ROWS, tmp_path / "local", decode=refusing_decoder)
    assert every_object(PREFIX) == every_byte(tmp_path / "local")


def test_a_folder_with_something_else_in_it_is_left_alone(server):
    client().pipe_file(f"{BUCKET}/{PREFIX}/holiday.mp4", b"film")
    with pytest.raises(StoreError, match=r"not empty \(holiday\.mp4\) and not a clip store"):
        run(ROWS, ADDRESS, restart=True)
    assert every_object(PREFIX) == {"holiday.mp4": b"film"}


def test_a_store_that_another_machine_writes_is_refused_with_who_and_since_when(server):
    owner = {"owner": "elsewhere", "host": "archive-2", "process": 77, "since": "2026-11-27T10:00:00+00:00"}
    client().pipe_file(f"{BUCKET}/{PREFIX}/{OWNER_NAME}", json.dumps(owner).encode())
    line = f"process 77 on archive-2 is writing this store since 2026.*delete the object {ADDRESS}/{OWNER_NAME}"
    with pytest.raises(StoreError, match=line):
        run(ROWS, ADDRESS)
    assert every_object(PREFIX).keys() == {OWNER_NAME}
    client().pipe_file(f"{BUCKET}/{PREFIX}/{OWNER_NAME}", b"nonsense")
    with pytest.raises(StoreError, match="process None"):
        run(ROWS, ADDRESS)


def owned_by(host: str) -> bytes:
    return json.dumps({"owner": host, "host": host, "process": 77, "since": "2026-11-27T10:00:00+00:00"}).encode()


def test_a_run_whose_lock_was_given_to_another_ends_and_leaves_that_ones(server):
    """A person took it for dead and deleted its lock; another machine has begun."""
    key = f"{BUCKET}/{PREFIX}/{OWNER_NAME}"

    def take_over(done: int, total: int, message: str) -> None:
        client().pipe_file(key, owned_by("archive-2"))

    with pytest.raises(
        StoreError, match=r"process 77 on archive-2 writes this store now, since prepare.lock .*deleted"
    ):
        run(ROWS, ADDRESS, progress=take_over)
    assert client().cat_file(key) == owned_by("archive-2")
    assert "store.json" not in every_object(PREFIX)


def test_a_lock_that_was_deleted_under_a_run_costs_nothing_if_nobody_else_began(server):
    def delete(done: int, total: int, message: str) -> None:
        if f"{OWNER_NAME}" in every_object(PREFIX):
            client().rm_file(f"{BUCKET}/{PREFIX}/{OWNER_NAME}")

    run(ROWS, ADDRESS, progress=delete)
    assert {"store.json", OWNER_NAME} & every_object(PREFIX).keys() == {"store.json"}


@pytest.mark.parametrize("at", ["its first shard", "its end"])
@pytest.mark.parametrize("is_addition", [False, True])
def test_a_run_whose_lock_was_deleted_ends_if_another_has_written_the_store_meanwhile(
    server, tmp_path, monkeypatch, at, is_addition
):
    """The other machine, which has a folder of its own, has ended by then, and its lock is gone too."""
    others = [replace(row, id=f"other-{number}", path=f"new-{number}.mp4") for number, row in enumerate(ROWS)]
    mine, theirs = ([*ROWS, *others[:3]], [*ROWS, *others[3:]]) if is_addition else (ROWS, others)
    if is_addition:
        run(ROWS, ADDRESS)
    after: list[dict[str, bytes]] = []

    def lose() -> None:
        if not after:
            client().rm_file(f"{BUCKET}/{PREFIX}/{OWNER_NAME}")
            with monkeypatch.context() as elsewhere:
                elsewhere.setenv("VLSA_CACHE", str(tmp_path / "elsewhere"))
                run(theirs, ADDRESS, add=is_addition, restart=not is_addition)
            after.append(every_object(PREFIX))

    def decode(row, settings):
        if at == "its first shard":
            lose()
        return made_clip(row, settings)

    def progress(done: int, total: int, message: str) -> None:
        if at == "its end" and done == total:
            lose()

    line = f"^{ADDRESS}: another run has written .* since {OWNER_NAME} of this run was deleted"
    with pytest.raises(StoreError, match=line):
        run(mine, ADDRESS, add=is_addition, decode=decode, progress=progress)
    (before,) = after
    assert every_object(PREFIX) == before
    assert [clip.id for clip in ClipStore.open(ADDRESS).clips] == [row.id for row in theirs]


def test_of_two_that_race_for_a_stale_lock_one_writes(server, monkeypatch):
    """Between the look at the lock and its replacement another machine has taken it."""
    key, replace = f"{BUCKET}/{PREFIX}/{OWNER_NAME}", Objects.replace
    stale = Staging(ADDRESS)
    stale.folder.mkdir(parents=True)
    client().pipe_file(key, owned_by(stale._owner._token()))

    def lose(objects, name, data, before):
        client().pipe_file(key, owned_by("archive-2"))
        return replace(objects, name, data, before)

    monkeypatch.setattr(Objects, "replace", lose)
    with pytest.raises(StoreError, match="process 77 on archive-2 is writing this store"):
        run(ROWS, ADDRESS)
    assert client().cat_file(key) == owned_by("archive-2")
    assert every_object(PREFIX).keys() == {OWNER_NAME}


def test_two_runs_of_one_machine_do_not_meet(server):
    def meet(row, settings):
        if row.id == "clip-0":
            with pytest.raises(StoreError, match=f"^{ADDRESS}: another prepare is writing this store"):
                run(ROWS, ADDRESS)
        return made_clip(row, settings)

    run(ROWS, ADDRESS, decode=meet)
    assert len(ClipStore.open(ADDRESS)) == 6


def test_a_full_local_disk_is_one_line_that_names_the_variable(server, monkeypatch):
    run(ROWS, ADDRESS)
    monkeypatch.setenv("VLSA_CACHE", "/dev/null/nowhere")
    with pytest.raises(StoreError, match="VLSA_CACHE"):
        ClipStore.open(ADDRESS)


def test_parts_are_refused(server):
    with pytest.raises(ConfigError, match="--shard on an object store"):
        run(ROWS, ADDRESS, part=Part(1, 2))


def test_the_command_prepares_describes_and_validates_there(server, tmp_path):
    (tmp_path / "footage").mkdir()
    write_flash_and_beep(tmp_path / "footage" / "a.mp4")
    done = call(f"vlsa prepare {tmp_path / 'footage'} {ADDRESS} --recipe tiny --workers 1")
    assert done.exit_code == 0, done.output
    assert f"Next: vlsa pretrain --recipe tiny --data {ADDRESS} --out RUN" in done.stdout
    done = call(f"vlsa data validate {ADDRESS} --workers 0")
    assert "no fault" in done.stdout, done.output
    found = json.loads(call(f"vlsa data describe {ADDRESS} --json").stdout)
    assert found["store"] == ADDRESS
    assert found["stored_bytes"] == sum(map(len, every_object(PREFIX).values()))
    assert call(f"vlsa prepare {tmp_path / 'footage'} {ADDRESS} --watch").exit_code == 2
