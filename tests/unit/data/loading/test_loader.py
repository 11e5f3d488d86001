"""Batches whose content a step number fixes: no repeats in an epoch, resumed exactly, with any number of readers."""

import dataclasses
import multiprocessing
import os
import signal
from contextlib import suppress

import pytest
import torch
from tiny import plain_clip, tiny_clips, tiny_config, tiny_run, tiny_source

from vlsa.base.errors import ConfigError, LostProcess, StoreError
from vlsa.data.batch import Batch
from vlsa.data.loading.loader import (
    Dataset,
    MemoryClips,
    TrainingClips,
    first_clips,
    read_tensors,
    training_batches,
)
from vlsa.data.loading.step_sampler import StepSampler

DIED = r"^train\.num_workers: a reading process died \(.*the same command again"


def training_clips(tokenizer, num_clips: int = 10, **train) -> TrainingClips:
    return TrainingClips(tiny_source(num_clips), tiny_config(), tiny_run(**train).train, tokenizer)


def assert_same(one: Batch, other: Batch) -> None:
    assert one.ids == other.ids
    for field in dataclasses.fields(Batch):
        if field.name != "ids":
            assert torch.equal(getattr(one, field.name), getattr(other, field.name)), field.name


def batches_of(clips: TrainingClips, first_step: int = 0) -> list[Batch]:
    with training_batches(clips, first_step) as batches:
        return list(batches)


BEFORE: set[multiprocessing.process.BaseProcess] = set()
"""Processes that other tests of this worker have left, such as a decoder that waits for its next file."""


@pytest.fixture(autouse=True)
def processes_before() -> None:
    BEFORE.clear()
    BEFORE.update(multiprocessing.active_children())


def two_readers() -> list[multiprocessing.process.BaseProcess]:
    readers = [process for process in multiprocessing.active_children() if process not in BEFORE]
    assert len(readers) == 2
    return readers


def keys(first_step: int = 0, **train) -> list[list[tuple[int, int]]]:
    return list(StepSampler(10, tiny_run(**train).train, first_step))


def test_no_clip_comes_twice_in_an_epoch_and_batches_are_whole():
    steps = keys(num_steps=6, batch_size=4)
    assert [[epoch for epoch, _ in step] for step in steps] == [[n // 2] * 4 for n in range(6)]
    for first in (0, 2, 4):
        rows = [row for step in steps[first : first + 2] for _, row in step]
        assert len(set(rows)) == 8
        assert set(rows) <= set(range(10))


def test_an_epoch_that_divides_holds_every_clip():
    assert sorted(row for step in keys(num_steps=2, batch_size=5) for _, row in step) == list(range(10))


def test_each_epoch_and_each_seed_has_an_order_of_its_own():
    rows = [[row for _, row in step] for step in keys(num_steps=2, batch_size=10)]
    assert rows[0] != rows[1]
    assert keys(num_steps=2, batch_size=10, seed=1) != keys(num_steps=2, batch_size=10)
    assert keys(num_steps=2, batch_size=10) == keys(num_steps=2, batch_size=10)


@pytest.mark.parametrize("first_step", [0, 1, 3, 5, 6])
def test_a_resumed_sampler_goes_on_where_it_was(first_step):
    assert keys(first_step, num_steps=6) == keys(num_steps=6)[first_step:]
    assert len(StepSampler(10, tiny_run(num_steps=6).train, first_step)) == 6 - first_step


@pytest.mark.parametrize("num_ranks", [1, 2, 4])
def test_ranks_share_each_batch_in_order(num_ranks):
    train = tiny_run(num_steps=6, batch_size=4).train
    whole = list(StepSampler(10, train, 1))
    parts = [list(StepSampler(10, train, 1, rank=rank, num_ranks=num_ranks)) for rank in range(num_ranks)]
    assert [[key for part in step for key in part] for step in zip(*parts, strict=True)] == whole
    assert {len(keys) for part in parts for keys in part} == {4 // num_ranks}


@pytest.mark.parametrize(("batch_size", "hint"), [(6, "4 or 8"), (3, "4")])
def test_a_batch_that_ranks_cannot_share_says_which_they_can(batch_size, hint):
    with pytest.raises(ConfigError, match=rf"cannot share it evenly.*Try train.batch_size={hint}, or another"):
        StepSampler(10, tiny_run(batch_size=batch_size).train, 0, num_ranks=4)


def test_the_first_clips_are_those_of_the_first_step(tokenizer):
    clips = training_clips(tokenizer)
    (first, *_) = batches_of(clips)
    assert first_clips(clips, 2).ids == first.ids[:2]
    assert torch.equal(first_clips(clips, 256).waveform, first.waveform)


def test_a_resumed_run_sees_the_same_tensors(tokenizer):
    clips = training_clips(tokenizer)
    whole, rest = batches_of(clips), batches_of(clips, 3)
    assert len(whole) == 6
    assert len(rest) == 3
    for one, other in zip(whole[3:], rest, strict=True):
        assert_same(one, other)


def test_a_clip_is_augmented_anew_in_each_epoch_and_not_without_augmentation(tokenizer):
    source = MemoryClips({"train": [plain_clip(num_frames=50, seconds=10.0)]})
    for augment in (True, False):
        train = tiny_run(batch_size=1, augment=augment).train
        clips = TrainingClips(source, tiny_config(), train, tokenizer)
        first, second = clips.batch([(0, 0)]).unpacked(), clips.batch([(1, 0)]).unpacked()
        assert torch.equal(first.waveform, second.waveform) != augment
        assert torch.equal(first.waveform, clips.batch([(0, 0)]).unpacked().waveform)
    assert torch.equal(first.waveform[0], read_tensors(source, source.rows()[0], tiny_config(), tokenizer).waveform)


def test_every_caption_of_a_clip_is_read_with_and_without_augmentation(tokenizer):
    texts = ("a bell rings", "a dog barks twice", "a red ball")
    source = MemoryClips({"train": [plain_clip(texts=texts)]})
    expected = {tuple(tokenizer.ids(text, tiny_config().text.num_tokens)) for text in texts}
    drawn = {}
    for augment in (True, False):
        clips = TrainingClips(source, tiny_config(), tiny_run(batch_size=1, augment=augment).train, tokenizer)
        batches = [clips.batch([(epoch, 0)]).unpacked() for epoch in range(30)]
        drawn[augment] = {tuple(batch.token_ids[0][~batch.text_padding[0]].tolist()) for batch in batches}
        assert torch.equal(clips.batch([(7, 0)]).unpacked().token_ids, batches[7].token_ids)
    assert drawn == {True: expected, False: expected}


def test_random_resized_crops_are_a_setting_and_off_by_default(tokenizer):
    source = MemoryClips({"train": tiny_clips(1)})  # square frames of the model's size: nothing else can change them
    plain, resized = (
        TrainingClips(source, tiny_config(), tiny_run(batch_size=1, **settings).train, tokenizer)
        .batch([(0, 0)])
        .unpacked()
        for settings in ({}, {"crop_area": 0.3})
    )
    shown = source.rows()[0].clip.frames.transpose(0, 3, 1, 2)
    assert all(any((frame.numpy() == one).all() for one in shown) for frame in plain.video[0])
    assert not any(any((frame.numpy() == one).all() for one in shown) for frame in resized.video[0])
    assert torch.equal(plain.waveform, resized.waveform)


def test_batches_do_not_depend_on_the_number_of_readers_and_ctrl_c_does_not_end_these(tokenizer):
    """A terminal sends Ctrl-C to the readers too; one that died of it would break the step in hand."""
    alone = batches_of(training_clips(tokenizer, num_steps=12), 1)
    with training_batches(training_clips(tokenizer, num_steps=12, num_workers=2), 1) as helped:
        assert_same(alone[0], next(helped))
        for reader in two_readers():
            os.kill(reader.pid, signal.SIGINT)
        for one, other in zip(alone[1:], helped, strict=True):
            assert_same(one, other)


def test_readers_are_gone_after_the_block_though_they_leave_a_first_sigterm_to_the_loop(tokenizer):
    """Else a training that ends by an error waits for them at its exit, for ever."""
    with training_batches(training_clips(tokenizer, num_steps=12, num_workers=2), 1) as batches:
        next(batches), next(batches)  # one of each reader
        readers = two_readers()
        for reader in readers:
            reader.terminate()
        next(batches)
    for reader in readers:
        reader.join(timeout=10)
    assert None not in [reader.exitcode for reader in readers]


@pytest.mark.parametrize("error", [ConnectionResetError(104, "reset"), EOFError(), FileNotFoundError(2, "no socket")])
def test_a_reader_that_dies_while_it_sends_a_batch_is_one_line(error, tokenizer, monkeypatch):
    """PyTorch raises what the connection raises: the batch was on its way through a socket of the dead process."""

    def broken(_self):
        raise error

    monkeypatch.setattr(torch.utils.data.dataloader._SingleProcessDataLoaderIter, "__next__", broken)
    with pytest.raises(LostProcess, match=DIED), training_batches(training_clips(tokenizer), 0) as batches:
        next(batches)


def test_the_death_of_a_reader_is_the_error_wherever_the_signal_handler_raised_it(tokenizer):
    """safetensors turned it into a ValueError, within the writing of a checkpoint."""
    clips = training_clips(tokenizer, num_steps=12, num_workers=2)
    with pytest.raises(LostProcess, match=DIED), training_batches(clips, 1) as batches:
        next(batches), next(batches)
        reader, _ = two_readers()
        with suppress(RuntimeError):  # by PyTorch's handler of SIGCHLD
            reader.kill()
            reader.join(timeout=10)
        raise ValueError("could not determine the shape of object type")


def test_fewer_clips_than_a_batch_is_one_line(tokenizer):
    with pytest.raises(
        StoreError, match=r"^clips: 3 clips in split train, fewer than one batch of 4; .*batch_size=3\.$"
    ):
        training_clips(tokenizer, num_clips=3)


def test_an_empty_source_does_not_ask_for_batches_of_nothing(tokenizer):
    with pytest.raises(StoreError, match=r"0 clips in split train, .* Add clips\.$") as caught:
        TrainingClips(MemoryClips({}), tiny_config(), tiny_run().train, tokenizer)
    assert "batch_size=0" not in str(caught.value)


# --- clips in memory


def test_clips_in_memory_are_read_in_part():
    source = MemoryClips({"train": [plain_clip()], "test": [plain_clip(texts=("b", "c"))]})
    assert isinstance(source, Dataset)
    (row,) = source.rows("train")
    assert (row.id, row.duration_seconds, row.num_samples, row.sample_rate_hz) == ("plain", 3.0, 12_000, 4000)
    part = source.read(row, frame_indices=[3], sound_range=(5, 9))
    assert part.frames[:, 0, 0, 0].tolist() == [3]
    assert part.sound.tolist() == plain_clip().sound[5:9].tolist()
    whole = source.read(row)
    assert len(whole.frames) == 24
    assert len(whole.sound) == 12_000
    assert len(source.rows()) == 2
    assert list(source.texts("test")) == ["b", "c"]
    assert list(source.texts()) == ["a bell rings", "b", "c"]


def test_a_clip_without_picture_or_sound_says_so():
    source = MemoryClips({"train": [plain_clip(frames=None, frame_seconds=None, sound=None, sample_rate_hz=None)]})
    (row,) = source.rows()
    assert len(row.frame_seconds) == 0
    assert (row.num_samples, row.sample_rate_hz) == (0, 0)


def test_the_setting_shifts_the_sound_of_training(tokenizer):
    plain, shifted = (
        training_clips(tokenizer, augment=False, sound_shift_seconds=seconds).batch([(0, 0)]).unpacked().waveform[0]
        for seconds in (0.0, 1.0)
    )
    assert not torch.equal(plain, shifted)
    assert torch.equal(plain[100:200], shifted[4100:4200])
