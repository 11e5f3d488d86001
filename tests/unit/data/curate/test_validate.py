"""A whole store has no fault; each kind of damage is one line that names the member."""

import json
import os
import tarfile
from dataclasses import replace

import pytest
from command_lines import call
from stores import SETTINGS, scene, write_clips

from vlsa.base.files import read_json_lines, write_json_lines
from vlsa.data.curate.validate import validate
from vlsa.data.ingest.manifest import Rejection
from vlsa.data.store.reader import ClipStore
from vlsa.data.store.shards import ShardWriter, index_path, shard_path, write_header


@pytest.fixture
def store(tmp_path):
    clips = [scene("a", 1), scene("b", 2, audio=False), scene("c", 3, video=False)]
    return write_clips(tmp_path / "store", clips, shards=2)


def faults(store) -> list[tuple[str, str]]:
    return [(fault.member, fault.what) for fault in validate(ClipStore.open(store.path), num_workers=0)]


def overwrite(store, shard: int, member: str, change) -> None:
    path = shard_path(store.path, shard)
    with tarfile.open(path) as tar:
        place = tar.getmember(member)
    data = bytearray(path.read_bytes())
    span = slice(place.offset_data, place.offset_data + place.size)
    data[span] = change(bytes(data[span]))
    path.write_bytes(data)


def rewrite_index(store, shard: int, change) -> None:
    path = index_path(store.path, shard)
    lines = list(read_json_lines(path))
    change(lines)
    write_json_lines(path, lines)


def test_a_whole_store_has_no_fault(store):
    assert faults(store) == []


def test_a_changed_byte_of_a_frame_and_of_audio_is_found_by_its_checksum(store):
    for shard, member in ((0, "a.f003.jpg"), (1, "c.wav")):
        overwrite(store, shard, member, lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    assert [member for member, what in faults(store) if "CRC-32" in what] == ["a.f003.jpg", "c.wav"]
    assert len(faults(store)) == 2


def test_bytes_that_do_not_decode_are_found_though_their_checksum_was_made_of_them(store):
    def forget(lines):
        for line in lines[1:]:
            line.pop("crc32")  # as in a store of an earlier version

    overwrite(store, 0, "a.f000.jpg", lambda data: bytes(len(data)))
    overwrite(store, 0, "a.wav", lambda data: bytes(44) + data[44:])
    rewrite_index(store, 0, forget)
    found = dict(faults(store))
    assert set(found) == {"a.f000.jpg", "a.wav"}
    assert all("cannot be decoded" in what for what in found.values())


def test_what_the_index_and_the_tar_say_of_a_clip_has_to_agree(store):
    overwrite(store, 0, "b.json", lambda data: data.replace(b'"train"', b'"test" ').replace(b"a scene", b"b scene"))
    assert faults(store) == [("b.json", "split, texts differ from the index")]


def test_members_that_only_one_of_index_and_tar_has_are_found(store):
    def forget(lines):
        lines[0]["num_clips"] = 1
        del lines[2]

    rewrite_index(store, 0, forget)
    found = faults(store)
    assert len(found) == 13
    assert all(what == "in the tar, but not in the index" for _, what in found)


def test_a_member_at_another_place_is_found(store):
    def move(lines):
        members = lines[1]["members"]
        members["f000.jpg"], members["f001.jpg"] = members["f001.jpg"], members["f000.jpg"]

    rewrite_index(store, 0, move)
    assert [member for member, what in faults(store) if "lies at" in what] == ["a.f000.jpg", "a.f001.jpg"]


def test_a_tar_that_tarfile_cannot_read_is_one_fault(store):
    path = shard_path(store.path, 1)
    path.write_bytes(b"no tar" + path.read_bytes()[6:])
    assert [member for member, what in faults(store) if "tarfile cannot read it" in what] == [""]


def test_the_command_prints_a_line_a_fault_and_exits_with_1(store):
    whole = call(f"vlsa data validate {store.path} --workers 0")
    assert (whole.exit_code, whole.stdout) == (0, f"{store.path}: 3 clips, no fault.\n")
    overwrite(store, 1, "c.wav", lambda data: data[:-1] + bytes([data[-1] ^ 1]))
    broken = call(f"vlsa data validate {store.path} --workers 0")
    assert broken.exit_code == 1
    assert broken.stdout == "shard-000001.tar: c.wav: its bytes have another CRC-32 than the index says\n"
    line = call(f"vlsa data validate {store.path} --workers 0 --json")
    assert (line.exit_code, json.loads(line.stdout)["member"]) == (1, "c.wav")


def test_a_changed_bit_in_the_index_of_a_shard_is_found_though_the_index_of_the_store_is_whole(store):
    path = index_path(store.path, 1)
    times = path.stat()
    data = bytearray(path.read_bytes())
    data[data.index(b"c.mp4")] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert ClipStore.open(store.path)["c"].source == "c.mp4"
    [fault] = validate(ClipStore.open(store.path), num_workers=0)
    assert fault.shard == path.name and "not what the index of the store was made from" in fault.what


def test_shards_of_an_addition_that_is_not_finished_are_no_fault(store):
    with ShardWriter(store.path, 2, SETTINGS) as writer:
        writer.add(scene("d", 4), "train")
        writer.commit()
    assert faults(store) == []


def test_a_shard_of_which_every_clip_was_rejected_is_no_fault(tmp_path):
    rejection = Rejection("x", "x.mp4", 0.0, 1.0, reason="damaged", message="x")
    store = write_clips(tmp_path / "store", [scene("a", 1)], rejections=[rejection])
    with ShardWriter(store.path, 1, SETTINGS) as writer:
        writer.reject(replace(rejection, id="y"))
        writer.commit()
    write_header(store.path, SETTINGS, num_shards=2, base="")
    assert faults(store) == []
