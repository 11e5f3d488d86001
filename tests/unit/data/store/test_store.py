"""Reading back what shards were given, by every road; broken stores are refused with one clear line."""

import json
import multiprocessing
import os
import pickle
import tarfile
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vlsa.base.errors import ConfigError, StoreError
from vlsa.data.clip import Clip
from vlsa.data.ingest.manifest import Rejection
from vlsa.data.store.reader import ClipStore, ShardWriter, StoreSettings
from vlsa.data.store.shard_index import read_shard_index
from vlsa.data.store.shards import index_path, shard_path, write_header

SETTINGS = StoreSettings(short_side_px=16)
NUM_FRAMES, NUM_SAMPLES = 5, 3000


def made_clip(number: int, *, picture: bool = True, sound: bool = True, texts: tuple[str, ...] = ("a", "b")) -> Clip:
    """Plain frames whose grey tells clip and frame, and noise that PCM16 holds exactly."""
    levels = 20 * number + 10 * np.arange(NUM_FRAMES)
    frames = np.broadcast_to(levels[:, None, None, None], (NUM_FRAMES, 16, 24, 3)).astype(np.uint8)
    noise = np.random.default_rng(number).integers(-(2**15), 2**15, NUM_SAMPLES) / 2**15
    return Clip(
        id=f"clip-{number}",
        source=f"film {number}.mp4",
        start_seconds=1.0,
        stop_seconds=1.5,
        frames=frames if picture else None,
        frame_seconds=0.1 * np.arange(NUM_FRAMES) - 0.02 if picture else None,
        sound=noise.astype(np.float32) if sound else None,
        sample_rate_hz=11_025 if sound else None,
        texts=texts,
    )


def write_store(path: Path, shards: list[list[Clip]], settings: StoreSettings = SETTINGS) -> Path:
    """A store with the given clips; those with an odd number are the test split."""
    for number, clips in enumerate(shards):
        with ShardWriter(path, number, settings) as writer:
            for clip in clips:
                writer.add(clip, "test" if int(clip.id[-1]) % 2 else "train")
            writer.commit()
    write_header(path, settings, num_shards=len(shards))
    return path


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    return write_store(tmp_path / "store", [[made_clip(0), made_clip(1)], [made_clip(2), made_clip(3)]])


def test_a_clip_comes_back_as_it_was_given(store_path: Path) -> None:
    store = ClipStore.open(store_path)
    given, got = made_clip(2), store.read(store["clip-2"])
    np.testing.assert_allclose(got.frames, given.frames, atol=2)  # JPEG of a plain picture
    np.testing.assert_array_equal(got.sound, given.sound)
    np.testing.assert_allclose(got.frame_seconds, given.frame_seconds, atol=1e-6)
    assert (got.id, got.source, got.texts, got.sample_rate_hz) == ("clip-2", "film 2.mp4", ("a", "b"), 11_025)
    assert (got.start_seconds, got.stop_seconds) == (1.0, 1.5)


def test_only_the_asked_frames_are_read_in_the_asked_order(store_path: Path) -> None:
    store = ClipStore.open(store_path)
    got = store.read(store["clip-1"], frame_indices=[4, 0, 4])
    np.testing.assert_allclose(got.frames[:, 0, 0, 0], [60, 20, 60], atol=2)
    np.testing.assert_allclose(got.frame_seconds, [0.38, -0.02, 0.38], atol=1e-6)


def test_a_range_of_sound_is_the_same_samples_as_in_the_whole(store_path: Path) -> None:
    store = ClipStore.open(store_path)
    got = store.read(store["clip-3"], frame_indices=[], sound_range=(100, 1234))
    assert got.frames is None and got.frame_seconds is None
    np.testing.assert_array_equal(got.sound, made_clip(3).sound[100:1234])
    assert store.read(store["clip-3"], sound_range=(7, 7)).sound is None


def test_what_is_absent_stays_absent(tmp_path: Path) -> None:
    shards = [[made_clip(0, picture=False, texts=())], [made_clip(1, sound=False)]]
    store = ClipStore.open(write_store(tmp_path / "store", shards))
    heard, seen = store.rows()
    assert (heard.has_video, heard.has_sound, heard.num_samples) == (False, True, NUM_SAMPLES)
    assert (seen.has_video, seen.has_sound, seen.num_samples) == (True, False, 0)
    assert store.read(heard).frames is None and store.read(heard).texts == ()
    assert store.read(seen).sound is None and store.read(seen).sample_rate_hz is None


def test_splits_and_texts(store_path: Path) -> None:
    store = ClipStore.open(store_path)
    assert len(store) == 4
    assert [clip.id for clip in store.rows("train")] == ["clip-0", "clip-2"]
    assert [clip.id for clip in store.rows("test")] == ["clip-1", "clip-3"]
    assert list(store.rows("val")) == []
    assert list(store.texts("test")) == ["a", "b", "a", "b"]
    with pytest.raises(StoreError, match="no split named 'tset'. Known: train, val, test"):
        store.rows("tset")


def test_the_webdataset_library_reads_a_shard(store_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own imports and defaults warn
        import webdataset

        samples = list(webdataset.WebDataset(str(shard_path(store_path, 0)), shardshuffle=False, empty_check=False))
    assert [sample["__key__"] for sample in samples] == ["clip-0", "clip-1"]
    assert {f"f00{k}.jpg" for k in range(NUM_FRAMES)} | {"wav", "json"} <= set(samples[1])
    assert json.loads(samples[1]["json"])["texts"] == ["a", "b"]
    assert samples[1]["f000.jpg"].startswith(b"\xff\xd8")


def test_the_same_clips_give_the_same_bytes(tmp_path: Path, store_path: Path) -> None:
    again = write_store(tmp_path / "again", [[made_clip(0), made_clip(1)]])
    for path in (shard_path, index_path):
        assert path(again, 0).read_bytes() == path(store_path, 0).read_bytes()


def test_texts_and_names_of_any_script_survive(tmp_path: Path) -> None:
    odd_name = os.fsdecode(b"caf\xe9.mp4")  # not UTF-8, as old disks have it
    text = "line\u2028separator, \u732b, \U0001f408"
    clip = Clip(
        id="x-0",
        source=odd_name,
        start_seconds=0.0,
        stop_seconds=1.0,
        sound=np.ones(3, np.float32),
        sample_rate_hz=8000,
        texts=(text,),
    )
    stored = ClipStore.open(write_store(tmp_path / "store", [[clip]])).rows()[0]
    assert (stored.source, stored.texts) == (odd_name, (text,))


def test_rejections_are_kept_and_a_shard_of_nothing_but_rejections_is_fine(tmp_path: Path) -> None:
    path = write_store(tmp_path / "store", [[made_clip(0)]])
    rejection = Rejection("gone", "gone.mp4", 0.0, 1.0, "missing", "gone.mp4: no such file.")
    with ShardWriter(path, 1, SETTINGS) as writer:
        writer.reject(rejection)
        writer.commit()
    write_header(path, SETTINGS, num_shards=2)
    store = ClipStore.open(path)
    assert len(store) == 1 and store.rejections == [rejection]
    assert not shard_path(path, 1).exists()


def test_nothing_has_its_final_name_before_commit(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), ShardWriter(tmp_path, 0, SETTINGS) as writer:
        writer.add(made_clip(0), "train")
        raise ZeroDivisionError
    assert list(tmp_path.glob("shards/*")) == []
    with ShardWriter(tmp_path, 0, SETTINGS) as writer:
        writer.add(made_clip(0), "train")
        assert not shard_path(tmp_path, 0).exists() and not index_path(tmp_path, 0).exists()
        writer.commit()
    assert len(read_shard_index(tmp_path, 0).clips) == 1
    assert not list(tmp_path.glob("**/*.partial"))


def test_threads_and_pickled_copies_read_the_same(store_path: Path) -> None:
    store = ClipStore.open(store_path)
    alone = [store.read(clip).sound for clip in store.rows()]
    copy = pickle.loads(pickle.dumps(store))
    with ThreadPoolExecutor(8) as threads:
        for reader in (store, copy):
            together = list(threads.map(lambda clip, reader=reader: reader.read(clip).sound, list(reader.rows()) * 20))
            for k, sound in enumerate(together):
                np.testing.assert_array_equal(sound, alone[k % 4])


def _child_reads(store: ClipStore, queue: "multiprocessing.Queue") -> None:
    queue.put([float(store.read(clip).sound.sum()) for clip in list(store.rows()) * 5])


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_reads_beside_its_parent(store_path: Path) -> None:
    store = ClipStore.open(store_path)
    alone = [float(store.read(clip).sound.sum()) for clip in store.rows()]  # files are open before the fork
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_child_reads, args=(store, queue))
    child.start()
    here = [float(store.read(clip).sound.sum()) for clip in list(store.rows()) * 5]
    assert queue.get(timeout=20) == here == alone * 5
    child.join()


def test_files_are_closed_with_the_store(store_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    store = ClipStore.open(store_path)
    for clip in store.rows():
        store.read(clip)
    assert len(os.listdir("/proc/self/fd")) == before + 3  # two shards and the index
    del store
    assert len(os.listdir("/proc/self/fd")) == before


def test_more_shards_than_may_stay_open_are_read_and_the_last_ones_stay_open(
    store_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlsa.data.store.place.MAX_OPEN_SHARDS", 1)
    store = ClipStore.open(store_path)
    before = len(os.listdir("/proc/self/fd"))
    for clip in list(store.rows()) * 2:
        np.testing.assert_array_equal(store.read(clip).sound, made_clip(int(clip.id[-1])).sound)
        assert len(os.listdir("/proc/self/fd")) == before + 1


def test_a_cut_in_any_of_600_shards_is_an_error_that_names_it(tmp_path: Path) -> None:
    clips = [replace(made_clip(1, picture=False), id=f"clip-{number}") for number in range(600)]
    store = ClipStore.open(write_store(tmp_path / "store", [[clip] for clip in clips]))
    for clip in store.rows():
        store.read(clip)
    os.truncate(shard_path(store.path, 599), 1000)
    with pytest.raises(StoreError, match=r"shard-000599\.tar: the member of \d+ bytes at 512 is damaged"):
        store.read(store["clip-599"])


def test_threads_share_few_open_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlsa.data.store.place.MAX_OPEN_SHARDS", 2)
    store = ClipStore.open(write_store(tmp_path / "store", [[made_clip(number)] for number in range(6)]))
    alone = [store.read(clip).sound for clip in store.rows()]
    with ThreadPoolExecutor(8) as threads:
        for k, sound in enumerate(threads.map(lambda clip: store.read(clip).sound, list(store.rows()) * 50)):
            np.testing.assert_array_equal(sound, alone[k % 6])


def _flip_a_bit(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


def test_one_changed_bit_of_a_frame_or_of_the_audio_is_an_error(store_path: Path) -> None:
    store = ClipStore.open(store_path)
    heard, shown = store["clip-0"], store["clip-2"]
    _flip_a_bit(shard_path(store_path, 0), heard.sound_span[0] + 44 + 2 * 1500)  # after the samples that are asked for
    _flip_a_bit(shard_path(store_path, 1), int(shown.frame_spans[3, 0] + shown.frame_spans[3, 1] - 20))
    for wanted in ({"frame_indices": [], "sound_range": (0, 10)}, {"sound_range": (2000, 3000)}):
        with pytest.raises(StoreError, match=r"shard-000000\.tar: the member .* is damaged"):
            store.read(heard, **wanted)
    assert store.read(shown, frame_indices=[2]).frames is not None
    with pytest.raises(StoreError, match=r"shard-000001\.tar: the member .* is damaged"):
        store.read(shown, frame_indices=[3])


def _forget_checksums(store_path: Path, number: int) -> None:
    """As stores were written before they kept checksums."""
    path = index_path(store_path, number)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({k: v for k, v in line.items() if k != "crc32"}) + "\n" for line in lines))


def test_a_store_without_checksums_is_read_and_its_lengths_are_checked(store_path: Path) -> None:
    given = [ClipStore.open(store_path).read(clip) for clip in ClipStore.open(store_path).rows()]
    for number in range(2):
        _forget_checksums(store_path, number)
    store = ClipStore.open(store_path)
    assert store.content_digest is None
    for clip, before in zip(store.rows(), given, strict=True):
        np.testing.assert_array_equal(store.read(clip).frames, before.frames)
        np.testing.assert_array_equal(store.read(clip).sound, before.sound)
    os.truncate(shard_path(store_path, 1), 1000)
    with pytest.raises(StoreError, match=r"shard-000001\.tar: the member"):
        store.read(store["clip-2"], frame_indices=[])


def test_a_shard_without_checksums_leaves_the_content_unknown(store_path: Path) -> None:
    assert ClipStore.open(store_path).content_digest
    _forget_checksums(store_path, 1)
    assert ClipStore.open(store_path).content_digest is None


def test_the_checksums_are_those_of_the_bytes_that_webdataset_readers_get(store_path: Path) -> None:
    line = json.loads(index_path(store_path, 0).read_text().splitlines()[1])
    with tarfile.open(shard_path(store_path, 0)) as tar:
        for name, checksum in line["crc32"].items():
            assert checksum == zlib.crc32(tar.extractfile(f"clip-0.{name}").read())
    assert set(line["crc32"]) == set(line["members"])


def test_the_content_digest_follows_frames_and_audio_and_nothing_else(tmp_path: Path) -> None:
    def digest(name: str, *clips: Clip) -> str | None:
        return ClipStore.open(write_store(tmp_path / name, [[clip] for clip in clips])).content_digest

    first, second = made_clip(0), made_clip(1)
    given = digest("given", first, second)
    assert given == digest("moved", replace(first, source="/elsewhere/film.mp4"), second)
    quieter, darker = replace(first, sound=first.sound / 2), replace(second, frames=second.frames - 1)
    swapped = (replace(first, sound=second.sound), replace(second, sound=first.sound))
    others = [digest("quieter", quieter, second), digest("darker", first, darker), digest("swapped", *swapped)]
    others += [digest("silent", replace(first, sound=None, sample_rate_hz=None), second), digest("fewer", first)]
    assert len({given, *others}) == 6


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_shard_cut_short_is_refused_at_opening(store_path: Path, share: float) -> None:
    path = shard_path(store_path, 1)
    os.truncate(path, int(path.stat().st_size * share))
    with pytest.raises(StoreError, match=r"shard-000001\.tar: .* bytes exist\) is damaged.*Delete .* and run"):
        ClipStore.open(store_path)


def test_a_shard_or_index_that_is_missing_is_refused(store_path: Path) -> None:
    shard_path(store_path, 1).unlink()
    with pytest.raises(StoreError, match="0 of .* bytes exist"):
        ClipStore.open(store_path)
    index_path(store_path, 1).unlink()
    with pytest.raises(StoreError, match="unfinished, 1 of 2 shards are missing.*Run the same `vlsa prepare` again"):
        ClipStore.open(store_path)


@pytest.mark.parametrize("cut", [10, -200])
def test_an_index_cut_short_is_refused(store_path: Path, cut: int) -> None:
    path = index_path(store_path, 0)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(StoreError, match=r"shard-000000\.jsonl: the index is damaged"):
        ClipStore.open(store_path)


def test_an_index_without_its_last_line_is_refused(store_path: Path) -> None:
    path = index_path(store_path, 0)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(StoreError, match="cut short"):
        ClipStore.open(store_path)


def test_a_frame_that_is_damaged_inside_a_shard_is_an_error_not_a_picture(store_path: Path) -> None:
    store = ClipStore.open(store_path)
    clip = store["clip-2"]
    with shard_path(store_path, clip.shard).open("r+b") as file:
        file.seek(clip.frame_spans[1][0])
        file.write(b"\0" * int(clip.frame_spans[1][1]))
    assert store.read(clip, frame_indices=[0]).frames is not None
    with pytest.raises(StoreError, match=r"shard-000001\.tar: the member"):
        store.read(clip)
    _forget_checksums(store_path, clip.shard)
    store = ClipStore.open(store_path)
    with pytest.raises(StoreError, match="a frame of clip clip-2"):
        store.read(store["clip-2"])


def test_a_folder_that_is_missing_or_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such folder.*vlsa prepare FOLDER"):
        ClipStore.open(tmp_path / "nowhere")
    with pytest.raises(StoreError, match="not a clip store"):
        ClipStore.open(tmp_path)
    (tmp_path / "store.json").write_text('{"format": "something else"}')
    with pytest.raises(StoreError, match="not a clip store"):
        ClipStore.open(tmp_path)


def test_a_store_of_another_version_is_refused(store_path: Path) -> None:
    header = json.loads((store_path / "store.json").read_text())
    (store_path / "store.json").write_text(json.dumps(header | {"version": 2}))
    with pytest.raises(StoreError, match="store of version 2, this vlsa reads 1"):
        ClipStore.open(store_path)


def test_a_clip_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    path = write_store(tmp_path / "store", [[made_clip(0)], [made_clip(0)]])
    with pytest.raises(StoreError, match="a clip id occurs twice"):
        ClipStore.open(path)


def test_settings_come_back_and_nonsense_is_refused(store_path: Path) -> None:
    assert ClipStore.open(store_path).settings == SETTINGS
    with pytest.raises(ConfigError, match="frames_per_second=0.0"):
        StoreSettings(frames_per_second=0.0)
    with pytest.raises(ConfigError, match="jpeg_quality=101"):
        StoreSettings(jpeg_quality=101)


def test_a_disk_that_refuses_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "shards").write_text("a file where a folder is needed")
    with pytest.raises(StoreError, match="cannot be written.*run the same command again"):
        ShardWriter(tmp_path, 0, SETTINGS)


@pytest.mark.parametrize(
    "damage",
    [
        {"settings": None},
        {"settings": [1]},
        {"settings": {"short_side_px": "x"}},
        {"num_shards": None},
        {"num_shards": "2"},
        {"num_shards": -1},
        {"num_shards": 10**9},
        {"num_rows": "4"},
    ],
)
def test_a_damaged_header_is_one_line(store_path: Path, damage: dict[str, object]) -> None:
    header = json.loads((store_path / "store.json").read_text()) | {"num_rows": 4}
    (store_path / "store.json").write_text(json.dumps(header | damage))
    with pytest.raises(StoreError, match="store.json is damaged"):
        ClipStore.open(store_path)


def test_a_header_that_hides_a_shard_is_refused(store_path: Path) -> None:
    header = json.loads((store_path / "store.json").read_text())
    (store_path / "store.json").write_text(json.dumps(header | {"num_rows": 4, "num_shards": 1}))
    with pytest.raises(StoreError, match="2 clips in its shards, 4 in store.json"):
        ClipStore.open(store_path)


@pytest.mark.parametrize("line", ["5", "", "[" * 100_000, '{"id": 1, "members": []}'])
def test_a_damaged_line_of_an_index_is_one_line(store_path: Path, line: str) -> None:
    lines = index_path(store_path, 0).read_text().splitlines()
    index_path(store_path, 0).write_text("\n".join([lines[0], line, *lines[2:]]) + "\n")
    with pytest.raises(StoreError, match="the index.* is damaged"):
        ClipStore.open(store_path)


def test_a_disk_that_fills_up_in_a_shard_is_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(StoreError, match="No space left"), ShardWriter(tmp_path, 0, SETTINGS) as writer:
        monkeypatch.setattr(writer._tar, "addfile", full)
        monkeypatch.setattr(writer._tar, "close", full)
        writer.add(made_clip(0), "train")
    assert list((tmp_path / "shards").iterdir()) == []
