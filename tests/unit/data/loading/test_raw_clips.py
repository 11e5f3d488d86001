"""Clips read straight from media by a list are those that a store of the list holds, in whole and in part."""

import json
from dataclasses import replace

import numpy as np
import pytest
from command_lines import call
from media_files import tone, write_flash_and_beep, write_media
from stores import smooth_frames

from vlsa.base.errors import ManifestError, MediaError, StoreError
from vlsa.config.recipes import recipe
from vlsa.data.ingest import manifest
from vlsa.data.ingest.manifest import ClipRow
from vlsa.data.loading.cached_clips import CachedClips
from vlsa.data.loading.dataset import open_dataset
from vlsa.data.loading.raw_clips import SETTINGS, RawClips
from vlsa.data.loading.transform import choose_window
from vlsa.data.store.prepare import prepare
from vlsa.data.store.reader import ClipStore


def row(name, path, start=0.0, stop=2.0, split="train", texts=("a flash",)):
    return ClipRow(name, str(path), start, stop, texts, split)


def write_scene(path, seed, num_frames=50):
    """Two seconds of shapes that drift; the audio is a tone of another pitch."""
    write_media(path, pictures=list(smooth_frames(seed, num_frames)), sound=tone(2.0, hz=300 + 100 * seed))
    return path


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("footage")
    write_flash_and_beep(folder / "flash.mp4", duration_seconds=3.0)
    write_scene(folder / "scene.mp4", 1)
    write_media(folder / "silent.mp4", pictures=list(smooth_frames(2, 50)))
    write_media(folder / "heard.wav", sound=tone(2.0), audio_codec="pcm_s16le")
    write_media(folder / "short.mp4", pictures=list(smooth_frames(3, 40)), sound=tone(2.0))  # 1.6 s of video
    rows = [
        row("flash", folder / "flash.mp4", 0.5, 2.9),
        row("scene", folder / "scene.mp4"),
        row("silent", folder / "silent.mp4", split="test"),
        row("heard", folder / "heard.wav", texts=()),
        row("short", folder / "short.mp4"),
    ]
    manifest.write(folder / "clips.jsonl", rows)
    return folder


@pytest.fixture(scope="module")
def store(footage):
    settings = replace(SETTINGS, jpeg_quality=100)
    prepare(manifest.read(footage / "clips.jsonl"), footage / "store", settings, num_workers=0)
    return ClipStore.open(footage / "store")


def test_the_clips_are_those_of_a_store_of_the_same_list(footage, store):
    clips = open_dataset(footage / "clips.jsonl")
    assert isinstance(clips, RawClips)
    assert [one.id for one in clips.rows("train")] == [one.id for one in store.rows("train")]
    assert list(clips.texts()) == list(store.texts())
    for raw, stored in zip(clips.rows(), store.rows(), strict=True):
        assert (raw.texts, raw.duration_seconds) == (stored.texts, stored.duration_seconds)
        assert raw.num_samples == stored.num_samples, raw.id
        assert len(raw.frame_seconds) == len(stored.frame_seconds), raw.id
        one, other = clips.read(raw), store.read(stored)
        assert (one.frames is None, one.sound is None) == (other.frames is None, other.sound is None), raw.id
        if one.frames is not None:
            np.testing.assert_allclose(one.frame_seconds, other.frame_seconds, atol=1e-6)
            assert np.abs(one.frames.astype(int) - other.frames).mean() < 3, raw.id  # those of the store are JPEGs
        if one.sound is not None:
            np.testing.assert_allclose(one.sound, other.sound, atol=1 / 2**15)


@pytest.mark.parametrize("indices", [(0, 5, 6), (15,), ()])
def test_a_part_is_a_part_of_the_whole(footage, indices):
    clips = open_dataset(footage / "clips.jsonl")
    scene = next(one for one in clips.rows() if one.id == "scene")
    whole, part = clips.read(scene), clips.read(scene, frame_indices=indices, sound_range=(1000, 9000))
    np.testing.assert_array_equal(part.sound, whole.sound[1000:9000])
    if not indices:
        assert part.frames is None
        return
    np.testing.assert_array_equal(part.frames, whole.frames[list(indices)])
    np.testing.assert_array_equal(part.frame_seconds, whole.frame_seconds[list(indices)])


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """Six seconds at one frame a second: a list of them, and a store of the list."""
    folder = tmp_path_factory.mktemp("slow")
    pictures, times = list(smooth_frames(6, 6)), np.arange(6.0)
    write_media(folder / "slow.mp4", pictures=pictures, picture_seconds=times, sound=tone(6.0))
    manifest.write(folder / "clips.jsonl", [row("slow", folder / "slow.mp4", stop=6.0)])
    settings = replace(SETTINGS, jpeg_quality=100)
    prepare(manifest.read(folder / "clips.jsonl"), folder / "store", settings, num_workers=0)
    return folder


@pytest.mark.parametrize("is_cached", [False, True])
def test_each_frame_of_a_slow_video_comes_once_as_from_a_store(slow, is_cached):
    def window(source):
        row = source.rows()[0]
        chosen = choose_window(row.frame_seconds, row.duration_seconds, recipe("paper").model, None)
        source = CachedClips(source, [row], 2**26) if is_cached else source
        reads = [source.read(row, frame_indices=chosen.frame_indices) for _ in range(2)]  # then from the cache
        np.testing.assert_array_equal(reads[0].frames, reads[1].frames)
        return reads[0]

    listed, stored = window(open_dataset(slow / "clips.jsonl")), window(ClipStore.open(slow / "store"))
    np.testing.assert_allclose(listed.frame_seconds, np.arange(6.0), atol=1e-6)
    np.testing.assert_allclose(listed.frame_seconds, stored.frame_seconds, atol=1e-6)
    assert np.abs(listed.frames.astype(int) - stored.frames).mean() < 3


def test_a_file_whose_video_begins_late_shows_its_first_frame_until_then(tmp_path):
    path = tmp_path / "late.mkv"
    times = 0.5 + np.arange(38) / 25
    write_media(path, pictures=list(smooth_frames(4, 38)), picture_seconds=times, sound=tone(2.0))
    manifest.write(tmp_path / "clips.jsonl", [row("late", path)])
    clips = open_dataset(tmp_path / "clips.jsonl")
    whole = clips.read(clips.rows()[0])
    assert len(whole.frames) == len(clips.rows()[0].frame_seconds) == 16
    assert (whole.frames[0] == whole.frames[3]).all() and not (whole.frames[3] == whole.frames[8]).all()


def test_training_and_evaluation_read_a_list(footage, tmp_path):
    rows = [
        row(f"{split}-{number}", write_scene(tmp_path / f"{split}-{number}.mp4", 10 * len(split) + number), split=split)
        for split in ("train", "test")
        for number in range(4)
    ]
    manifest.write(tmp_path / "clips.jsonl", [replace(one, texts=(f"shapes of {one.id}",)) for one in rows])
    small = "--set train.num_steps=2 --set train.batch_size=2 --set train.warmup_steps=1 --set train.num_workers=0"
    line = f"vlsa pretrain --recipe tiny --data {tmp_path / 'clips.jsonl'} --out {tmp_path / 'run'} {small}"
    result = call(line)
    assert result.exit_code == 0, result.output
    assert call(f"vlsa evaluate {tmp_path / 'run'} --data {tmp_path / 'clips.jsonl'}").exit_code == 0
    write_scene(tmp_path / "train-1.mp4", 77, 45)
    longer = call(line.replace("num_steps=2", "num_steps=3"))
    assert longer.exit_code != 0 and "other" in longer.stderr, longer.output  # other clips than those it began with


def test_all_that_cannot_be_used_is_named_before_anything_is_trained(footage, tmp_path):
    (tmp_path / "empty.mp4").touch()
    rows = [
        row("scene", footage / "scene.mp4"),
        row("gone", tmp_path / "gone.mp4"),
        row("empty", tmp_path / "empty.mp4"),
        row("beyond", footage / "scene.mp4", 5.0, 7.0),
        row("nowhere", footage / "scene.mp4", 1.0, 1.0),
    ]
    manifest.write(tmp_path / "clips.jsonl", rows)
    with pytest.raises(StoreError, match=r"4 of its files or clips.*empty.mp4.*gone.mp4.*And 1 more.*vlsa prepare"):
        open_dataset(tmp_path / "clips.jsonl")


def test_media_that_are_damaged_in_the_middle_are_named_with_what_to_do(tmp_path):
    path = tmp_path / "scene.mp4"
    write_media(path, pictures=list(smooth_frames(5, 250)), sound=tone(10.0))
    data = bytearray(path.read_bytes())
    third = len(data) // 3
    data[third : 2 * third] = bytes(third)
    path.write_bytes(data)
    manifest.write(tmp_path / "clips.jsonl", [row("scene", path, 0.0, 10.0)])
    clips = open_dataset(tmp_path / "clips.jsonl")
    with pytest.raises(MediaError, match=r"scene.mp4.*vlsa prepare LIST STORE"):
        clips.read(clips.rows()[0])


def test_silence_is_no_audio_and_no_error(tmp_path):
    write_media(tmp_path / "silence.wav", sound=np.zeros_like(tone(2.0)), audio_codec="pcm_s16le")
    manifest.write(tmp_path / "clips.jsonl", [row("silence", tmp_path / "silence.wav")])
    clips = open_dataset(tmp_path / "clips.jsonl")
    clip = clips.read(clips.rows()[0])
    assert clip.sound is None and clip.frames is None and clip.texts == ("a flash",)


def test_a_malformed_list_and_a_file_that_is_none_are_refused(tmp_path):
    path = tmp_path / "clips.jsonl"
    path.write_text(json.dumps({"id": "a", "path": "a.mp4"}) + "\n")
    with pytest.raises(ManifestError, match=r"clips.jsonl:1: needs exactly"):
        open_dataset(path)
    path.write_text("no JSON\n")
    with pytest.raises(StoreError, match="not a splits file"):
        open_dataset(path)
