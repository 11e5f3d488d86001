"""Reading a store on an object store, against an S3 server of this process: equal clips, few requests, clear errors."""

import dataclasses
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from command_lines import call
from object_store import BUCKET, client
from stores import scene, write_clips
from tiny import tiny_clips, tiny_config, tiny_run, tiny_store

from vlsa.base.errors import ConfigError, StoreError
from vlsa.data.curate.export import stored_bytes
from vlsa.data.curate.splits_file import open_clips, write_splits
from vlsa.data.curate.validate import validate
from vlsa.data.loading.dataset import open_dataset
from vlsa.data.loading.loader import TrainingClips, training_batches
from vlsa.data.store.reader import ClipStore

ADDRESS = f"s3://{BUCKET}/store"
CLIPS = [scene(f"clip-{number}", number, video=number != 3, audio=number != 4) for number in range(6)]


@pytest.fixture
def local(tmp_path):
    """A store in a folder: six clips in two shards, of which one is silent and one has no video."""
    return write_clips(tmp_path / "local", CLIPS, test=["clip-5"], shards=2)


@pytest.fixture
def remote(server, local):
    """Its copy, made by other means than ours."""
    copy(local.path)
    server.heal()
    return server


def copy(folder: Path) -> None:
    client().put(f"{folder}/", f"{BUCKET}/store/", recursive=True)


def assert_same(one, other):
    assert one.id == other.id
    for field in ("frames", "frame_seconds", "sound"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))


def gets_of_shards(server) -> int:
    return server.num_asked("GET", ".tar")


def test_every_clip_is_the_same_and_costs_one_request_however_it_is_read(remote, local):
    store = ClipStore.open(ADDRESS)
    assert (len(store), store.content_digest) == (6, local.content_digest)
    for clip, own in zip(store.rows(), local.rows(), strict=True):
        assert_same(store.read(clip), local.read(own))
    assert gets_of_shards(remote) == 6
    part = {"frame_indices": [2, 7], "sound_range": (100, 300)}
    assert_same(store.read(store["clip-0"], **part), local.read(local["clip-0"], **part))
    assert gets_of_shards(remote) == 6


def test_without_a_cache_a_clip_is_still_one_request(remote, monkeypatch, tmp_path):
    monkeypatch.setenv("VLSA_CACHE_GIB", "0")
    store = ClipStore.open(ADDRESS)
    for clip in store.rows():
        store.read(clip)
    assert gets_of_shards(remote) == 6
    assert not (tmp_path / "cache" / "clips").exists()


def test_members_of_a_long_clip_are_requests_of_their_own(remote, local, monkeypatch):
    monkeypatch.setattr("vlsa.data.store.remote_place.MOST_RUN_BYTES", 1000)
    store = ClipStore.open(ADDRESS)
    clip = store["clip-0"]
    read = store.read(clip, frame_indices=[0, 5], sound_range=(0, 0))
    np.testing.assert_array_equal(read.frames, local.read(clip).frames[[0, 5]])
    assert gets_of_shards(remote) == 2


def test_the_index_and_the_clips_are_fetched_once_for_all_readers_of_a_machine(remote, local, tmp_path):
    store = ClipStore.open(ADDRESS)
    for clip in store.rows():
        store.read(clip)
    remote.heal()
    again, sent = ClipStore.open(ADDRESS), pickle.loads(pickle.dumps(store))
    for other in (again, sent):
        for clip in other.rows():
            assert_same(other.read(clip), local.read(clip))
    assert [key.rpartition("/")[2] for _, key, _ in remote.asked] == ["", "store.json", ""]


def test_readers_at_once_read_the_same_and_stay_in_the_bound(remote, local, monkeypatch, tmp_path):
    num_bytes = 3 * local.place.num_bytes() // 10
    monkeypatch.setenv("VLSA_CACHE_GIB", str(num_bytes / 2**30))
    stores = [ClipStore.open(ADDRESS) for _ in range(2)]
    wanted = {clip.id: local.read(clip) for clip in local.rows()}

    def read(number: int) -> None:
        clip = stores[number % 2].clips[number * 5 % 6]
        assert_same(stores[number % 2].read(clip), wanted[clip.id])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(read, range(36)))
    used = sum(path.stat().st_size for path in (tmp_path / "cache" / "clips").glob("??/*"))
    assert 0 < used <= num_bytes
    assert gets_of_shards(remote) > 6


def test_training_batches_are_those_of_the_store_in_a_folder(server, tmp_path, tokenizer):
    local = tiny_store(tmp_path / "local", tiny_clips(6))
    copy(local.path)
    server.heal()
    train = tiny_run(num_steps=4, batch_size=2, num_workers=0).train
    sources = [open_dataset(ADDRESS), open_dataset(local.path)]
    found = []
    for source in sources:
        with training_batches(TrainingClips(source, tiny_config(), train, tokenizer), 0) as batches:
            found.append(list(batches))
    assert len(found[0]) == 4
    for one, other in zip(*found, strict=True):
        for field in dataclasses.fields(one):
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))
    assert gets_of_shards(server) == 6


def test_a_damaged_entry_of_the_cache_is_fetched_again(remote, local, tmp_path):
    ClipStore.open(ADDRESS).read(local["clip-0"])
    [entry] = (tmp_path / "cache" / "clips").glob("??/*")
    whole = entry.read_bytes()
    for damaged in (b"", whole[:50], whole[:60] + bytes([whole[60] ^ 1]) + whole[61:]):
        entry.write_bytes(damaged)
        remote.heal()
        assert_same(ClipStore.open(ADDRESS).read(local["clip-0"]), local.read(local["clip-0"]))
        assert gets_of_shards(remote) == 1
        assert entry.read_bytes() == whole


def test_a_shard_that_was_replaced_or_is_gone_is_one_line_that_names_it(remote, local):
    store = ClipStore.open(ADDRESS)
    system, key = client(), f"{BUCKET}/store/shards/shard-000000.tar"
    data = bytearray(system.cat_file(key))
    data[local["clip-0"].frame_spans[0][0] + 5] ^= 1
    system.pipe_file(key, bytes(data))
    line = rf"^{ADDRESS}/shards/shard-000000\.tar: the \d+ bytes at \d+ are not those of clip clip-0"
    with pytest.raises(StoreError, match=line):
        store.read(store["clip-0"])
    system.pipe_file(key, bytes(data[:700]))
    with pytest.raises(StoreError, match=line):
        store.read(store["clip-0"])
    with pytest.raises(StoreError, match=rf"^{ADDRESS}/shards/shard-000000\.tar: the shard \(700 of \d+ bytes exist\)"):
        ClipStore.open(ADDRESS)
    system.rm_file(key)
    with pytest.raises(StoreError, match=rf"^{ADDRESS}/shards/shard-000000\.tar: not there"):
        store.read(store["clip-1"])


def test_an_index_that_is_missing_or_of_other_shards_is_made_anew_in_the_cache(remote, local):
    client().rm_file(f"{BUCKET}/store/clips.safetensors")
    store = ClipStore.open(ADDRESS)
    assert_same(store.read(store["clip-2"]), local.read(local["clip-2"]))
    client().pipe_file(f"{BUCKET}/store/clips.safetensors", b"of another store")
    assert ClipStore.open(ADDRESS).content_digest == local.content_digest


def test_what_a_store_is_found_to_be_is_what_the_one_in_a_folder_is(remote, local):
    store = ClipStore.open(ADDRESS)
    assert list(validate(store, num_workers=0)) == []
    assert stored_bytes(store, store["clip-1"]) == stored_bytes(local, local["clip-1"])
    assert store.place.num_bytes() == local.place.num_bytes()
    system, key = client(), f"{BUCKET}/store/shards/shard-000001.tar"
    data = bytearray(system.cat_file(key))
    data[local["clip-5"].sound_span[0] + 50] ^= 1
    system.pipe_file(key, bytes(data))
    faults = [str(fault) for fault in validate(store, num_workers=0)]
    assert faults == ["shard-000001.tar: clip-5.wav: its bytes have another CRC-32 than the index says"]


def test_a_splits_file_names_the_address(remote, tmp_path):
    store = ClipStore.open(ADDRESS)
    write_splits(tmp_path / "splits.jsonl", store, [{"id": "clip-1", "split": "val", "group": 0}], {})
    assert [clip.id for clip in open_clips(tmp_path / "splits.jsonl").rows("val")] == ["clip-1"]


def test_a_busy_server_costs_time_and_nothing_else(remote, local):
    remote.answer_first = lambda number, method, key: "503 Slow Down" if number % 5 == 2 else ""
    store = ClipStore.open(ADDRESS)
    for clip in store.rows():
        assert_same(store.read(clip), local.read(clip))


def refused(address: str) -> str:
    with pytest.raises((StoreError, ConfigError)) as caught:
        open_dataset(address)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_cannot_be_reached_is_one_line_that_says_what_to_do(remote, monkeypatch):
    assert refused(f"s3://{BUCKET}/other").startswith(f"s3://{BUCKET}/other: no clip store there")
    assert refused("s3://nowhere/store") == (
        "s3://nowhere/store: not there (The specified bucket does not exist). Check the address and the bucket."
    )
    remote.answer_first = lambda number, method, key: "403 AccessDenied"
    assert "refused (403 on purpose). Check the credentials (AWS_ACCESS_KEY_ID" in refused(ADDRESS)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    remote.answer_first = lambda number, method, key: "503 Slow Down"
    assert "not reached (503 on purpose). It was tried several times." in refused(ADDRESS)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "3")  # a client of its own, that looks at the variables anew
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert "not reached (Could not connect to the endpoint URL" in refused(f"s3://{BUCKET}/x")


def test_without_credentials_or_the_package_one_line_says_how_to_get_them(remote, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")  # a client of its own, that looks at the variables anew
    assert "refused (Unable to locate credentials). Check the credentials" in refused(ADDRESS)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3")
    assert refused(ADDRESS).endswith("a package is missing. pip install '.[s3]'")


def test_a_secret_in_an_address_is_refused_and_not_repeated(remote):
    message = refused(f"s3://someone:topsecret@{BUCKET}/store")
    assert "an address with a key in it" in message
    assert "topsecret" not in message
    done = call(f"vlsa data describe s3://someone:topsecret@{BUCKET}/store")
    assert done.exit_code == 2
    assert "topsecret" not in done.output
    assert remote.asked == []


@pytest.mark.parametrize("address", ["s3://", "s3:///", f"s3://{BUCKET}/st*re"])
def test_an_address_that_is_none_is_refused(address):
    assert "not the address of one folder" in refused(address)


def test_other_protocols_are_those_of_fsspec(tmp_path, local, monkeypatch):
    monkeypatch.setenv("VLSA_CACHE", str(tmp_path / "cache"))
    store = ClipStore.open(f"file://{local.path}")
    assert_same(store.read(store["clip-0"]), local.read(local["clip-0"]))
    assert "Protocol not known: films" in refused("films://archive/store")
