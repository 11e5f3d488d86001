"""Stores with damaged or hostile files are read, or refused in one line; never a traceback, a hang, or much memory."""

import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_files import damaged_bytes, only_errors_of_ours, put_pipe, time_limit, variants, without_checks_of_types

from vlsa.base.errors import MediaError, StoreError
from vlsa.data.clip import Clip
from vlsa.data.ingest.manifest import ClipRow, Rejection
from vlsa.data.store import given_up
from vlsa.data.store.prepare import prepare
from vlsa.data.store.reader import ClipStore
from vlsa.data.store.shards import ShardWriter, StoreSettings, index_path, shard_path, write_header

SETTINGS = StoreSettings(short_side_px=8)


def made_clip(row: ClipRow | None = None, settings: StoreSettings = SETTINGS) -> Clip:
    """Two small frames and a little audio, whatever the row says."""
    return Clip(
        id=row.id if row else "clip-0",
        source="film.mp4",
        start_seconds=1.0,
        stop_seconds=2.0,
        frames=np.full((2, 8, 8, 3), 99, np.uint8),
        frame_seconds=np.array([0.0, 0.5]),
        sound=np.linspace(-0.5, 0.5, 20, dtype=np.float32),
        sample_rate_hz=11_025,
        texts=("a", "b"),
    )


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    path = tmp_path / "store"
    with ShardWriter(path, 0, SETTINGS) as writer:
        writer.add(made_clip(), "train")
        writer.reject(Rejection("gone", "gone.mp4", 0.0, None, "missing", "gone.mp4: no such file."))
        writer.commit()
    write_header(path, SETTINGS, num_shards=1, num_rows=2, manifest_digest="0")
    return path


def read_all(path: Path) -> None:
    store = ClipStore.open(path)
    assert len(store) == 1 and [type(rejection.reason) for rejection in store.rejections] == [str]
    for clip in store.rows():
        assert [type(text) for text in clip.texts] == [str] * len(clip.texts)
        store.read(clip)
    assert store.content_digest is None or len(store.content_digest) == 16


@pytest.mark.parametrize("number", range(3), ids=["shard", "clip", "rejection"])
@without_checks_of_types()
def test_every_field_of_a_shard_index_may_hold_anything(store_path: Path, number: int) -> None:
    path = index_path(store_path, 0)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for variant in variants(lines[number]):
        path.write_text("".join(f"{json.dumps(line)}\n" for line in [*lines[:number], variant, *lines[number + 1 :]]))
        only_errors_of_ours(lambda: read_all(store_path), variant)


@without_checks_of_types()
def test_every_field_of_a_store_header_may_hold_anything(store_path: Path) -> None:
    header = json.loads((store_path / "store.json").read_text())
    for variant in variants(header):
        (store_path / "store.json").write_text(json.dumps(variant))
        only_errors_of_ours(lambda: read_all(store_path), variant)
        only_errors_of_ours(lambda: prepare_one(store_path), variant)


@pytest.mark.parametrize("name", ["store.json", "shards/shard-000000.jsonl", "shards/shard-000000.tar"])
def test_files_of_a_store_with_changed_bytes_are_read_or_refused(store_path: Path, name: str) -> None:
    data = (store_path / name).read_bytes()
    for number in range(300):
        (store_path / name).write_bytes(damaged_bytes(data, number))
        only_errors_of_ours(lambda: read_all(store_path), f"{name} {number}")


def hostile(name: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda line: line | {name: value}


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line | {"members": line["members"] | {"wav": [-5, 100]}},
        lambda line: line | {"members": line["members"] | {"f000.jpg": [0, 10**9]}},
        lambda line: line | {"members": line["members"] | {"f000.jpg": [2**63, 1]}},
        lambda line: line | {"crc32": line["crc32"] | {"wav": "5"}},
        hostile("texts", 5),
        hostile("texts", ["a", 5]),
        hostile("texts", "a"),
        hostile("source", 5),
        hostile("split", "tset"),
        hostile("frame_seconds", [0.5, 0.0]),
        hostile("frame_seconds", [0.0, float("nan")]),
        hostile("stop_seconds", 0.5),
        hostile("sample_rate_hz", 0),
        hostile("size_px", [100_000, 100_000]),
        hostile("size_px", [0, 8]),
    ],
)
def test_an_index_that_contradicts_the_tar_or_itself_is_damaged(
    store_path: Path, change: Callable[[dict[str, Any]], Any]
) -> None:
    path = index_path(store_path, 0)
    head, clip, rejection = map(json.loads, path.read_text().splitlines())
    path.write_text("".join(f"{json.dumps(line)}\n" for line in (head, change(clip), rejection)))
    with pytest.raises(StoreError, match=r"shard-000000\.jsonl: the index is damaged.*Delete"):
        ClipStore.open(store_path)


def test_a_header_of_a_million_million_shards_is_answered_at_once(store_path: Path) -> None:
    write_header(store_path, SETTINGS, num_shards=10**12, num_rows=10**12)
    with time_limit(2), pytest.raises(StoreError, match="999999999999 of 1000000000000 shards are missing"):
        ClipStore.open(store_path)


@pytest.mark.parametrize("name", ["store.json", "shards/shard-000000.jsonl", "shards/shard-000000.tar"])
def test_a_pipe_or_a_device_in_the_place_of_a_file_is_refused_at_once(store_path: Path, name: str) -> None:
    put_pipe(store_path / name)
    with time_limit(5), pytest.raises(StoreError):
        read_all(store_path)
    (store_path / name).unlink()
    (store_path / name).symlink_to("/dev/zero")
    with time_limit(5), pytest.raises(StoreError):
        read_all(store_path)


def test_a_shard_that_becomes_a_pipe_while_the_store_is_open_is_refused(store_path: Path) -> None:
    store = ClipStore.open(store_path)
    put_pipe(shard_path(store_path, 0))
    with time_limit(5), pytest.raises(StoreError, match="not a regular file"):
        store.read(store["clip-0"])


def test_an_index_of_a_terabyte_without_a_line_costs_no_terabyte(store_path: Path) -> None:
    with index_path(store_path, 0).open("r+b") as file:
        file.truncate(10**12)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with time_limit(60), pytest.raises(StoreError, match="the index is damaged"):
        ClipStore.open(store_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2_000_000  # KiB


ROWS = [ClipRow(f"clip-{number}", "film.mp4", 1.0, 2.0, ("a", "b"), "train") for number in range(2)]


def made_or_refused(row: ClipRow, settings: StoreSettings) -> Clip:
    if row.id == "clip-1":
        raise MediaError("film.mp4: damaged.", reason="damaged")
    return made_clip(row)


def prepare_one(path: Path) -> None:
    prepare(ROWS, path, SETTINGS, num_workers=0, decode=made_or_refused)


@without_checks_of_types()
def test_every_field_of_the_list_of_crashed_clips_may_hold_anything(tmp_path: Path) -> None:
    path = tmp_path / "store"
    prepare_one(path)
    line = {"id": "clip-0", "path": "film.mp4", "start_seconds": 1.0, "stop_seconds": 2, "reason": "crashed"}
    for variant in variants(line | {"message": "film.mp4: the decoder died."}):
        index_path(path, 0).unlink(missing_ok=True)
        (path / given_up.NAME).write_text(f"{json.dumps(variant)}\n")
        only_errors_of_ours(lambda: prepare_one(path), variant)


@pytest.mark.parametrize("content", ["[" * 100_000, "{", "5\n", "null\n", "\n", '{"id": "clip-0"}\n'])
def test_a_damaged_list_of_crashed_clips_is_one_line_that_says_to_delete_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "store"
    prepare_one(path)
    index_path(path, 0).unlink()
    (path / given_up.NAME).write_text(content)
    with pytest.raises(StoreError, match=r"given_up\.jsonl: damaged;.* Delete it"):
        prepare_one(path)
    (path / given_up.NAME).unlink()
    prepare_one(path)
    index_path(path, 0).unlink()
    put_pipe(path / given_up.NAME)
    with time_limit(5), pytest.raises(StoreError, match=r"given_up\.jsonl: damaged"):
        prepare_one(path)
