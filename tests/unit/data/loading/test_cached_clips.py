"""The cache of decoded clips: the same clips as without it, decoded once for all reading processes, within its size."""

import dataclasses
import multiprocessing
import os
from collections import Counter

import numpy as np
import pytest
import torch
from tiny import plain_clip, tiny_clips, tiny_config, tiny_run

from vlsa.base.errors import ConfigError
from vlsa.data.clip import WrappedDataset
from vlsa.data.loading.cached_clips import CachedClips
from vlsa.data.loading.loader import MemoryClips, TrainingClips, training_batches
from vlsa.pretrain.loop import pretrain


class Counted(WrappedDataset):
    """Writes down which clips are read, and whether in part, for all processes."""

    def __init__(self, source, path) -> None:
        super().__init__(source)
        self.path = path
        path.touch()

    def read(self, clip, *, frame_indices=None, sound_range=None):
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        os.write(file, f"{clip.id} {'whole' if frame_indices is None else 'part'}\n".encode())
        os.close(file)
        return self.source.read(clip, frame_indices=frame_indices, sound_range=sound_range)

    def reads(self) -> Counter:
        return Counter(self.path.read_text().splitlines())


def clips_of_all_kinds() -> list:
    first, second, third, fourth = tiny_clips(4)
    silent = dataclasses.replace(second, sound=None, sample_rate_hz=None)
    blind = dataclasses.replace(third, frames=None, frame_seconds=None)
    strided = dataclasses.replace(fourth, frames=fourth.frames[::2], frame_seconds=fourth.frame_seconds[::2])
    return [first, silent, blind, strided]


def assert_same_clip(one, other) -> None:
    for field in dataclasses.fields(one):
        first, second = getattr(one, field.name), getattr(other, field.name)
        if isinstance(first, np.ndarray):
            np.testing.assert_array_equal(first, second)
            assert first.dtype == second.dtype
        else:
            assert first == second


def test_what_is_cached_is_what_is_read(tmp_path):
    source = MemoryClips({"train": clips_of_all_kinds()})
    counted = Counted(source, tmp_path / "reads")
    rows = source.rows()
    cached = CachedClips(counted, rows, 2**20)
    for _ in range(3):
        for row in rows:
            assert_same_clip(cached.read(row), source.read(row))
            part = {
                "frame_indices": [0, 2] if len(row.frame_seconds) else [],
                "sound_range": (3, min(9, row.num_samples)),
            }
            assert_same_clip(cached.read(row, **part), source.read(row, **part))
    assert counted.reads() == {f"{row.id} whole": 1 for row in rows}


def test_what_is_cached_cannot_be_written_to():
    source = MemoryClips({"train": [plain_clip()]})
    cached = CachedClips(source, source.rows(), 2**20)
    (row,) = source.rows()
    cached.read(row)
    clip = cached._cached(row)
    assert [part.flags.writeable for part in (clip.frames, clip.frame_seconds, clip.sound)] == [False] * 3
    with pytest.raises(ValueError, match="read-only"):
        cached.read(row).sound[:] = 0


def test_a_full_cache_reads_parts_of_the_rest(tmp_path):
    source = MemoryClips({"train": tiny_clips(3)})
    rows = source.rows()
    one_clip = rows[0].clip.frames.nbytes + rows[0].clip.sound.nbytes
    counted = Counted(source, tmp_path / "reads")
    cached = CachedClips(counted, rows, 1.5 * one_clip)
    for _ in range(2):
        for row in rows:
            assert_same_clip(
                cached.read(row, frame_indices=[1], sound_range=(0, 5)),
                source.read(row, frame_indices=[1], sound_range=(0, 5)),
            )
    first, second, third = (row.id for row in rows)
    assert counted.reads() == {f"{first} whole": 1, f"{second} whole": 1, f"{second} part": 1, f"{third} part": 2}


def test_the_training_processes_of_a_machine_divide_the_cache(monkeypatch):
    source = MemoryClips({"train": [plain_clip()]})
    alone = CachedClips(source, source.rows(), 2**20)
    for name in ("RANK", "LOCAL_RANK", "TORCHELASTIC_RESTART_COUNT", "TORCHELASTIC_RUN_ID"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    one_of_four = CachedClips(source, source.rows(), 2**20)
    table = 64
    assert (alone._num_bytes, one_of_four._num_bytes) == (table + 2**20, table + 2**18)


def test_calibration_decodes_no_clip_for_a_cache_that_nobody_reads(tmp_path):
    counted = Counted(MemoryClips({"train": tiny_clips(8)}), tmp_path / "reads")
    pretrain(tiny_run(num_steps=2, cache_gib=0.01), counted, tmp_path / "run")
    assert {count for read, count in counted.reads().items() if read.endswith("whole")} == {1}


def test_clips_of_other_splits_are_not_cached(tmp_path):
    source = MemoryClips({"train": [plain_clip()], "test": [plain_clip(id="other")]})
    counted = Counted(source, tmp_path / "reads")
    cached = CachedClips(counted, source.rows("train"), 2**20)
    for _ in range(2):
        cached.read(source.rows("test")[0])
    assert counted.reads() == {"other whole": 2}


def read_all(cached: CachedClips, done) -> None:
    done.put([float(cached.read(row).sound.sum()) for row in cached.rows()])


def test_processes_share_what_each_of_them_has_read(tmp_path):
    counted = Counted(MemoryClips({"train": tiny_clips(4)}), tmp_path / "reads")
    rows = counted.rows()
    cached = CachedClips(counted, rows, 2**20)
    cached.read(rows[0])
    context = multiprocessing.get_context("spawn")
    done = context.SimpleQueue()
    for _ in range(2):
        process = context.Process(target=read_all, args=(cached, done))
        process.start()
        assert done.get() == [float(row.clip.sound.sum()) for row in rows]
        process.join()
        assert process.exitcode == 0
    for row in rows:
        assert_same_clip(cached.read(row), row.clip)
    assert counted.reads() == {f"{row.id} whole": 1 for row in rows}


def test_readers_of_a_training_decode_each_clip_once_and_batches_stay_the_same(tmp_path, tokenizer):
    """Eight epochs of eight clips, read by two: without a shared cache each reader would decode each clip."""
    source = MemoryClips({"train": tiny_clips(8)})
    counted = Counted(source, tmp_path / "reads")
    shared = tiny_run(num_steps=16, num_workers=2, cache_gib=0.01)
    alone = tiny_run(num_steps=16)
    with (
        training_batches(TrainingClips(counted, tiny_config(), shared.train, tokenizer), 0) as found,
        training_batches(TrainingClips(source, tiny_config(), alone.train, tokenizer), 0) as wanted,
    ):
        for one, other in zip(found, wanted, strict=True):
            assert one.ids == other.ids
            assert torch.equal(one.video, other.video)
            assert torch.equal(one.waveform, other.waveform)
    reads = counted.reads()
    assert len(reads) == 8
    # At the turn of an epoch two readers may ask for one clip at the same time.
    assert sum(reads.values()) <= 11


@pytest.mark.parametrize("gib", [1e9, 1e200])
def test_memory_that_no_machine_has_is_refused_in_one_line(gib):
    source = MemoryClips({"train": [plain_clip()]})
    with pytest.raises(ConfigError, match=r"^train\.cache_gib=1e\+.*Set train\.cache_gib to less"):
        CachedClips(source, source.rows(), gib * 2**30)
