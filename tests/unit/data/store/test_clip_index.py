"""The index of a whole store says what the indexes of its shards say, or it is made anew; and it costs no memory."""

import json
import os
import pickle
import random
import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from vlsa.base.errors import StoreError
from vlsa.data.clip import Clip, digests_of, facts_of, sources_of
from vlsa.data.ingest.manifest import Rejection
from vlsa.data.store import clip_index
from vlsa.data.store.clip_rows import ClipRows
from vlsa.data.store.index_layout import NAME
from vlsa.data.store.reader import ClipStore, ShardWriter, StoreSettings
from vlsa.data.store.shard_index import StoredClip, read_shard_index
from vlsa.data.store.shards import index_path, write_header

SETTINGS = StoreSettings(short_side_px=8)
SPLITS = ("train", "test", "train", "val", "train", "test", "train")


def made_clip(number: int) -> Clip:
    """Every third has no video, every fourth no audio, every fifth no text; names of any script."""
    seen, heard, texts = number % 3 != 1, number % 4 != 1, (f"text {number}", "\u732b\u2028")
    return Clip(
        id=f"clip-{number}",
        source=os.fsdecode(b"caf\xe9 %d.mp4" % (number // 2)),
        start_seconds=0.25 * number,
        stop_seconds=1.0 + number,
        frames=np.full((3, 8, 8, 3), 9 * number, np.uint8) if seen else None,
        frame_seconds=np.array([0.0, 0.1, 0.5]) if seen else None,
        sound=np.linspace(-0.5, 0.5, 10 + number, dtype=np.float32) if heard else None,
        sample_rate_hz=11_025 if heard else None,
        texts=() if number % 5 == 1 else texts,
        choices=("on-white",) if number == 2 else (),
    )


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    path = tmp_path / "store"
    for shard, numbers in enumerate([range(4), range(0), range(4, 7)]):
        with ShardWriter(path, shard, SETTINGS) as writer:
            for number in numbers:
                writer.add(made_clip(number), SPLITS[number])
            writer.reject(Rejection(f"gone-{shard}", "gone\udce9.mp4", 0.0, None, "missing", "gone.mp4: no such file."))
            writer.commit()
    write_header(path, SETTINGS, num_shards=3, num_rows=10)
    return path


def of_shards(store_path: Path) -> list[StoredClip]:
    return [clip for number in range(3) for clip in read_shard_index(store_path, number).clips]


def plain(clip: StoredClip) -> dict[str, object]:
    values = {field.name: getattr(clip, field.name) for field in fields(StoredClip)}
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}


def assert_same(store: ClipStore, wanted: list[StoredClip]) -> None:
    assert list(map(plain, store.clips)) == list(map(plain, wanted))


def age(path: Path, seconds: float) -> None:
    """Let a file look older, or younger, than it is."""
    changed = path.stat().st_mtime - seconds
    os.utime(path, (changed, changed))


def test_clips_rejections_and_splits_are_those_of_the_shards(store_path):
    wanted = of_shards(store_path)
    store = ClipStore.open(store_path)
    assert_same(store, wanted)
    assert [line.id for line in store.rejections] == ["gone-0", "gone-1", "gone-2"]
    assert store.rejections[0].path == "gone\udce9.mp4"
    for split in ("train", "val", "test"):
        assert [clip.id for clip in store.rows(split)] == [clip.id for clip in wanted if clip.split == split]
    for number, clip in enumerate(wanted):
        assert plain(store[clip.id]) == plain(clip)
        np.testing.assert_array_equal(store.read(store[clip.id]).sound, store.read(clip).sound)
        assert store.read(clip).texts == made_clip(number).texts
    with pytest.raises(KeyError):
        store["clip-7"]


def test_rows_are_a_sequence(store_path):
    rows = ClipStore.open(store_path).rows("train")
    ids = ["clip-0", "clip-2", "clip-4", "clip-6"]
    assert [rows[number].id for number in range(-4, 4)] == ids * 2
    for part in (slice(1, 3), slice(None, None, -1), slice(3, 0, -2), slice(2, 2)):
        assert [clip.id for clip in rows[part]] == ids[part] and len(rows[part]) == len(ids[part])
        assert sources_of(rows[part]) == [clip.source for clip in rows[part]]
    assert rows[1:][1:][0].id == "clip-4"
    with pytest.raises(IndexError):
        rows[4]


@pytest.mark.parametrize("split", [None, "train", "val"])
def test_columns_agree_with_the_clips_one_by_one(store_path, split):
    rows = ClipStore.open(store_path).rows(split)
    for some in (rows, rows[1:]):
        found, wanted = facts_of(some), facts_of(list(some))
        np.testing.assert_array_equal(found.duration_seconds, wanted.duration_seconds)
        for name in ("video", "audio", "text"):
            np.testing.assert_array_equal(found.modalities[name], wanted.modalities[name])
        assert sources_of(some) == sources_of(list(some))
        assert digests_of(some) == digests_of(list(some))


def test_any_reader_of_safetensors_reads_it(store_path):
    ClipStore.open(store_path)
    columns = load_file(store_path / NAME)
    assert columns["duration_seconds"].tolist() == [1.0 + 0.75 * number for number in range(7)]
    assert columns["split_counts"].tolist() == [4, 1, 2]
    assert columns["split_clips"].tolist() == [0, 2, 4, 6, 3, 1, 5]
    assert columns["modalities"].tolist() == [1 * (n % 3 != 1) + 2 * (n % 4 != 1) + 4 * (n % 5 != 1) for n in range(7)]
    first = columns["records"][columns["record_start"][0] : columns["record_start"][1]].tobytes()
    assert b'"clip-0"' in first


def test_the_indexes_of_shards_are_not_read_when_it_belongs_to_them(store_path):
    wanted = of_shards(store_path)
    ClipStore.open(store_path)
    for number in range(3):
        path = index_path(store_path, number)
        path.write_bytes(b"?" * path.stat().st_size)
        age(path, 100)
    assert_same(ClipStore.open(store_path), wanted)


def test_it_is_kept_for_a_copy_with_other_times_and_made_anew_when_a_newer_shard_has_other_bytes(store_path):
    wanted = of_shards(store_path)
    ClipStore.open(store_path)
    age(store_path / NAME, 100)
    inode = (store_path / NAME).stat().st_ino
    assert_same(ClipStore.open(store_path), wanted)
    assert (store_path / NAME).stat().st_ino == inode
    path = index_path(store_path, 2)
    path.write_bytes(path.read_bytes().replace(b"text 4", b"text 9"))
    age(path, -100)
    assert ClipStore.open(store_path)["clip-4"].texts[0] == "text 9"


@pytest.mark.parametrize("damage", ["missing", "empty", "of another store", "a folder", "of another version"])
def test_it_is_made_anew_where_there_is_none_that_belongs_to_the_shards(store_path, tmp_path, damage):
    wanted, path = of_shards(store_path), store_path / NAME
    ClipStore.open(store_path)
    whole = path.read_bytes()
    path.unlink()
    if damage == "empty":
        path.touch()
    elif damage == "of another version":
        path.write_bytes(whole.replace(b'"version": "1"', b'"version": "2"'))
    elif damage == "of another store":
        other = shutil.copytree(store_path, tmp_path / "other")
        with ShardWriter(other, 1, SETTINGS) as writer:
            writer.add(replace(made_clip(3), id="clip-9"), "train")
            writer.commit()
        ClipStore.open(other)
        shutil.copy(other / NAME, path)
    elif damage == "a folder":  # nothing can be written there: it is kept in memory
        path.mkdir()
    store = ClipStore.open(store_path)
    assert_same(store, wanted)
    assert_same(pickle.loads(pickle.dumps(store)), wanted)
    assert path.is_dir() or path.read_bytes() == whole


def test_changed_bytes_are_found_whatever_they_are(store_path):
    """A record is checked when its clip is read, the rest at opening: never another clip, nor a read out of bounds."""
    wanted, path = [plain(clip) for clip in of_shards(store_path)], store_path / NAME
    ClipStore.open(store_path)
    whole, rng, refused = path.read_bytes(), random.Random(0), 0
    for _ in range(40):
        data = bytearray(whole)
        data[rng.choice([rng.randrange(4096), rng.randrange(4096, len(data))])] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        try:
            assert [plain(clip) for clip in ClipStore.open(store_path).clips] == wanted
        except StoreError as error:
            refused += 1
            assert "Delete the file: it is made anew" in str(error)
    assert 0 < refused < 40


@pytest.mark.parametrize("name", ["record_start", "id_clip", "split_clips", "first_of_source"])
def test_numbers_that_point_outside_are_refused_even_where_all_checksums_agree(store_path, monkeypatch, name):
    ClipStore.open(store_path)
    monkeypatch.setattr(clip_index.ClipIndex, "check", lambda self: None)
    column = ClipStore.open(store_path)._index._columns[name]
    with (store_path / NAME).open("r+b") as file:
        file.seek(column.start)
        file.write(b"\xff" * (column.stop - column.start))
    store = ClipStore.open(store_path)
    with pytest.raises(StoreError, match="the record of clip number .* is damaged"):
        _ = store["clip-0"], list(ClipRows(store._index, "train")), sources_of(store.clips)


def test_two_ids_of_one_hash_are_two_clips_and_one_id_twice_is_refused(store_path, monkeypatch):
    monkeypatch.setattr("vlsa.data.store.index_build.id_hash", lambda _: 7)
    monkeypatch.setattr("vlsa.data.store.clip_index.id_hash", lambda _: 7)
    store = ClipStore.open(store_path)
    assert [store[f"clip-{number}"].id for number in range(7)] == [f"clip-{number}" for number in range(7)]
    with ShardWriter(store_path, 1, SETTINGS) as writer:
        writer.add(made_clip(5), "train")
        writer.commit()
    with pytest.raises(StoreError, match="a clip id occurs twice"):
        ClipStore.open(store_path)


def test_what_another_process_is_sent_does_not_grow_with_the_clips(store_path):
    whole = ClipStore.open(store_path)
    (one,) = [len(pickle.dumps(rows)) for rows in (whole.rows("val"),)]
    assert abs(len(pickle.dumps(whole.rows())) - one) < 16
    rows = pickle.loads(pickle.dumps(whole.rows("test")))
    assert [clip.id for clip in rows] == ["clip-1", "clip-5"]
    other = pickle.dumps(whole)
    (store_path / NAME).unlink()
    with pytest.raises(StoreError, match="cannot be read in another process"):
        pickle.loads(other)


def test_the_header_bounds_what_is_read(store_path):
    """A header that names more than the file has is none, whatever its numbers."""
    wanted = of_shards(store_path)
    ClipStore.open(store_path)
    path = store_path / NAME
    data = path.read_bytes()
    entries = json.loads(data[8:4096])
    for number in (-1, 10**6, 2**63, "7", None):
        entries["records"]["shape"] = [number]
        path.write_bytes(data[:8] + json.dumps(entries).encode().ljust(4088) + data[4096:])
        assert_same(ClipStore.open(store_path), wanted)
