"""Preparing on a Ray cluster of two nodes: the bytes of the local engine, whatever is killed, or a line."""

import gc
import importlib
import importlib.util
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_lines import call
from command_lines import run as run_command
from media_files import grey, tone, truncate, write_media
from preparing import (
    decoder_of_a_lost_parent,
    decoder_that_kills_its_parent,
    dying_decoder,
    every_byte,
    made_rows,
    run,
    slow_decoder,
)
from processes import environment, free_port
from ray_variables import VARIABLES

from vlsa.base.errors import ConfigError, VlsaError
from vlsa.data.engine import ray_cluster, ray_node, ray_pool
from vlsa.data.engine.ray_cluster import RayEngine, ray_engine
from vlsa.data.engine.workers import Done
from vlsa.data.ingest.scan import scan
from vlsa.data.store.prepare import prepare
from vlsa.data.store.shards import StoreSettings, index_path

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra ray"),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
SETTINGS = StoreSettings(short_side_px=32, clips_per_shard=2)
NODE = {"num_cpus": 1, "object_store_memory": ray_cluster.STORE_BYTES}


class TwoNodes:
    """A cluster of two nodes with a core each, which this process has joined."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
        self._second = self._cluster.add_node(**NODE)
        self.address = self._cluster.address

    def kill_second(self) -> None:
        """kill -9 of all of its processes."""
        self._cluster.remove_node(self._second, allow_graceful=False)

    def replace_second(self) -> None:
        self._second = self._cluster.add_node(**NODE)

    def end(self) -> None:
        self._cluster.shutdown()


@pytest.fixture(scope="module", autouse=True)
def _variables() -> Iterator[None]:
    """Of all nodes and drivers, set before Ray is imported: a token of their own, and this source code."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in VARIABLES.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def nodes() -> Iterator[TwoNodes]:
    nodes = TwoNodes()
    try:
        yield nodes
    finally:
        nodes.end()
        del nodes
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Ray leaves log files of its processes open
            gc.collect()


@pytest.fixture(scope="module")
def engine(nodes: TwoNodes) -> Iterator[RayEngine]:
    with ray_engine(nodes.address) as engine:
        yield engine


def make_footage(folder: Path) -> None:
    """Six films, of which one has subtitles and one is damaged, and a text by another name."""
    folder.mkdir()
    for number in range(6):
        pictures = [grey(30 * number + k) for k in range(20)]
        write_media(folder / f"{number}.mp4", pictures=pictures, sound=tone(2.0), frames_per_second=10)
    (folder / "1.srt").write_text("1\n00:00:00,000 --> 00:00:01,500\nit gets brighter\n")
    truncate(folder / "2.mp4", folder / "half.mp4", 0.6)
    (folder / "note.mp4").write_text("a text file by another name")


def prepared(source: str, store: str, **workers: Any) -> dict[str, bytes]:
    """Scan a folder and prepare it; every byte of the store."""
    rows, rejections = scan(source, window_seconds=1.0, **workers)
    prepare(rows, store, SETTINGS, rejections=rejections, **workers)
    return every_byte(Path(store))


# --- without a cluster: first, since the others share one that this process has joined


def test_an_address_where_nothing_answers_is_one_line_within_seconds():
    before = time.monotonic()
    with (
        pytest.raises(ConfigError, match=r"^--ray-address 127\.0\.0\.1:\d+: nothing answers there"),
        ray_engine(f"127.0.0.1:{free_port()}"),
    ):
        pass
    assert time.monotonic() - before < 10 * ray_cluster.REACH_SECONDS  # Ray by itself takes minutes


@pytest.mark.parametrize("address", ["nonsense", "ray://head:10001", "head:port"])
def test_what_is_no_address_is_named(address):
    with (
        pytest.raises(ConfigError, match=f"^--ray-address {address}: is none. Use auto, or HOST:PORT"),
        ray_engine(address),
    ):
        pass


def test_without_the_extra_the_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    line = r"^--engine ray: ray cannot be imported .*pip install '\.\[ray\]'$"
    with pytest.raises(ConfigError, match=line), ray_engine():
        pass


def test_options_that_do_not_go_together_are_refused(tmp_path):
    make_footage(tmp_path / "in")
    store = tmp_path / "store"
    alone = call(f"vlsa prepare {tmp_path / 'in'} {store} --ray-address auto")
    nobody = call(f"vlsa prepare {tmp_path / 'in'} {store} --engine ray --workers 0")
    assert (alone.exit_code, nobody.exit_code) == (2, 2) and not store.exists()
    assert "Add --engine ray" in alone.output and "Use 1 or more" in nobody.output


# --- on two nodes


def test_a_cluster_makes_the_store_that_one_machine_makes(engine, tmp_path, monkeypatch):
    make_footage(tmp_path / "in")
    monkeypatch.chdir(tmp_path)  # sources are kept as they were named: relative to this folder
    here = prepared("in", "here", num_workers=0)
    assert prepared("in", "there", engine=engine) == here
    assert sum(name.endswith(".tar") for name in here) > 2 and b"note.mp4" in here["prepare_report.jsonl"]


def test_a_decoder_that_dies_on_a_node_costs_its_clip_and_gives_its_reason(engine, tmp_path):
    run(made_rows(10), tmp_path / "here", num_workers=1, decode=dying_decoder)
    summary = run(made_rows(10), tmp_path / "there", engine=engine, decode=dying_decoder)
    assert summary.reasons == {"crashed": 1} and summary.num_clips == 9
    assert every_byte(tmp_path / "there") == every_byte(tmp_path / "here")


def rows_in(folder: Path, num_rows: int) -> list:
    return [replace(row, path=str(folder / row.path)) for row in made_rows(num_rows)]


def test_what_a_killed_worker_was_at_is_done_again(engine, tmp_path):
    rows, done = rows_in(tmp_path, 12), []
    run(rows, tmp_path / "here")
    report = {"progress": lambda number, total, message: done.append(number)}
    run(rows, tmp_path / "there", engine=engine, decode=decoder_of_a_lost_parent, **report)
    assert (tmp_path / "killed").exists()
    assert every_byte(tmp_path / "there") == every_byte(tmp_path / "here")
    assert done == sorted(done) and done[-1] == 12


def test_a_task_that_is_lost_over_and_over_ends_the_run(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_pool, "MOST_LOSSES", 2)
    with pytest.raises(VlsaError, match=r"--engine ray: a task was lost 2 times .*what is finished stays\.$"):
        run(made_rows(4), tmp_path / "store", engine=engine, decode=decoder_that_kills_its_parent)


def test_a_node_that_is_killed_in_the_middle_costs_no_clip(nodes, engine, tmp_path):
    run(made_rows(60), tmp_path / "here")
    num_alive = []

    def kill(done: int, total: int, message: str) -> None:
        if done >= 8 and not num_alive:
            nodes.kill_second()
            num_alive.append(done)

    run(made_rows(60), tmp_path / "there", engine=engine, decode=slow_decoder, progress=kill)
    assert num_alive and num_alive[0] < 60
    nodes.replace_second()
    assert every_byte(tmp_path / "there") == every_byte(tmp_path / "here")


DRIVER = """
import sys
from preparing import made_rows, run, slow_decoder
from vlsa.data.engine.ray_cluster import ray_engine

with ray_engine(sys.argv[1]) as engine:
    run(made_rows(60), sys.argv[2], engine=engine, decode=slow_decoder)
"""


@pytest.mark.parametrize("again", ["local", "ray"])
def test_the_command_that_was_killed_is_finished_by_the_same_or_by_the_local_one(nodes, engine, tmp_path, again):
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, nodes.address, str(broken)], env=environment())
    deadline = time.monotonic() + 60
    while not index_path(broken, 2).exists() and time.monotonic() < deadline:
        assert driver.poll() is None, "ended before it could be killed"
        time.sleep(0.02)
    driver.kill()
    driver.wait()
    assert 0 < len(list(broken.glob("shards/*.jsonl"))) < 15
    run(made_rows(60), broken, **({"engine": engine} if again == "ray" else {}))
    run(made_rows(60), whole)
    assert every_byte(broken) == every_byte(whole)


def test_an_interrupted_run_leaves_nothing_at_work_on_the_nodes(engine, tmp_path):
    def interrupt(done: int, total: int, message: str) -> None:
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(made_rows(60), tmp_path / "store", engine=engine, decode=slow_decoder, progress=interrupt)
    before = every_byte(tmp_path / "store")
    time.sleep(1)  # ten clips' time
    assert every_byte(tmp_path / "store") == before
    assert not any(name.endswith(".partial") for name in before)


def test_a_node_that_does_not_see_a_file_is_named_and_nothing_is_rejected(engine, tmp_path):
    make_footage(tmp_path / "in")
    private = os.open(tmp_path / "in", os.O_RDONLY)
    try:  # this path is one of this process only
        with pytest.raises(ConfigError, match=r"^node .* does not see /proc/self/fd/\d+/\w+\.mp4; .*Mount the same"):
            scan(f"/proc/self/fd/{private}", num_workers=2, engine=engine)
    finally:
        os.close(private)


def seen_by(task: Any, beat: Any) -> int:
    return os.stat(task).st_size


@pytest.mark.parametrize("other", ["growing", "different"])
def test_a_file_that_is_being_written_to_does_not_end_the_run_and_a_different_one_does(
    engine, tmp_path, monkeypatch, other
):
    """It grows between the look at it here and its task on a node."""
    paths = [tmp_path / f"{number}.mp4" for number in range(3)]
    for path in paths:
        path.write_bytes(bytes(1000))
        os.utime(path, (1e9, 1e9))
    looks, sizes = [], ray_node.sizes

    def grow(folder: str, asked: Any) -> dict[str, int]:
        found = sizes(folder, asked)
        if not looks and other == "growing":
            with open(paths[1], "ab") as file:
                file.write(bytes(500))
        looks.append(found)
        return found | ({str(paths[1]): 1500} if other == "different" else {})

    monkeypatch.setattr(ray_node, "sizes", grow)
    events = engine.pool(seen_by, list(map(str, paths)), lambda task: [task]).events()
    if other == "different":
        with pytest.raises(
            ConfigError, match=r"^node .* sees another file than the others at .*1\.mp4; .*Mount the same"
        ):
            list(events)
        return
    done = {event.task: event.value for event in events if isinstance(event, Done)}
    assert done == {str(paths[0]): 1000, str(paths[1]): 1500, str(paths[2]): 1000}


@pytest.mark.parametrize("bytes_before", [1000, None])
def test_a_node_that_hears_late_of_a_fresh_file_is_asked_again(engine, tmp_path, monkeypatch, bytes_before):
    """Here it has 1500 bytes from the beginning; on the nodes that is known from the fourth look on."""
    path = tmp_path / "0.mp4"
    if bytes_before:
        path.write_bytes(bytes(bytes_before))
    looks, sizes = [], ray_node.sizes

    def ahead(folder: str, asked: Any) -> dict[str, int]:
        looks.append(asked)
        if len(looks) == 4:
            path.write_bytes(bytes(1500))
        return sizes(folder, asked) | {str(path): 1500}

    monkeypatch.setattr(ray_node, "sizes", ahead)
    monkeypatch.setattr(ray_pool, "_is_fresh", lambda asked: asked == str(path))  # the nodes' file may be missing
    events = engine.pool(seen_by, [str(path)], lambda task: [task]).events()
    assert [event.value for event in events if isinstance(event, Done)] == [1500]
    assert len(looks) >= 4


def test_a_fresh_file_that_a_node_never_sees_ends_the_run(engine, tmp_path, monkeypatch):
    path, sizes = tmp_path / "0.mp4", ray_node.sizes
    path.write_bytes(bytes(1000))
    monkeypatch.setattr(ray_node, "sizes", lambda folder, asked: sizes(folder, asked) | {str(path): 1500})
    monkeypatch.setattr(ray_pool, "LOOK_SECONDS", 0.01)
    with pytest.raises(ConfigError, match=r"^node .* sees another file than the others at .*0\.mp4; .*Mount the same"):
        list(engine.pool(seen_by, [str(path)], lambda task: [task]).events())


def seen_or_not(task: Any, beat: Any) -> bool:
    return os.path.exists(task)


def test_a_file_that_is_deleted_meanwhile_is_left_to_its_task(engine, tmp_path, monkeypatch, caplog):
    path, sizes = tmp_path / "0.mp4", ray_node.sizes
    path.write_bytes(bytes(1000))

    def delete(folder: str, asked: Any) -> dict[str, int]:
        found = sizes(folder, asked)
        path.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(ray_node, "sizes", delete)
    caplog.set_level("INFO")
    events = engine.pool(seen_or_not, [str(path)], lambda task: [task]).events()
    assert [event.value for event in events if isinstance(event, Done)] == [False]
    assert f"{path} is not there any more; its task says so" in caplog.messages


def test_a_node_with_another_version_is_named(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_pool, "__version__", "0.0.1")
    with pytest.raises(ConfigError, match=r"^node .* has vlsa .*typed with vlsa 0\.0\.1.*Install vlsa 0\.0\.1"):
        run(made_rows(4), tmp_path / "store", engine=engine)
    assert not list((tmp_path / "store/shards").glob("*"))


def test_where_a_node_lacks_the_source_code_the_line_says_so(engine, tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("def act(task, beat):\n    return task\n")
    monkeypatch.syspath_prepend(tmp_path)
    pool = engine.pool(importlib.import_module("only_here").act, ["a"], lambda task: [])
    with pytest.raises(ConfigError, match=r"^a node cannot read what it has to do .*'only_here'.*Install vlsa"):
        list(pool.events())


def test_the_command_joins_the_cluster_of_the_environment_and_ray_itself_is_silent(nodes, tmp_path, monkeypatch):
    make_footage(tmp_path / "in")
    monkeypatch.setenv("RAY_ADDRESS", nodes.address)
    out, errors = run_command("vlsa prepare in store --recipe tiny --window 1 --engine ray", tmp_path)
    assert "11 clips" in out, out
    assert f"vlsa: Ray at {nodes.address}: 2 nodes, 2 cores" in errors.splitlines()
    assert [line for line in errors.splitlines() if not line.startswith("vlsa: ")] == []
