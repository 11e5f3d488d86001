"""A batch that is packed for its way between processes is the batch that it would have been."""

import dataclasses
import pickle

import torch
from tiny import tiny_run, tiny_source

from vlsa.data.batch import TENSORS, Batch, ClipTensors
from vlsa.data.loading.loader import TrainingClips
from vlsa.data.loading.packed_batch import ALIGNMENT, PackedBatch


def clips_of(tokenizer, num_clips: int) -> list[ClipTensors]:
    run = tiny_run(batch_size=2)
    clips = TrainingClips(tiny_source(num_clips), run.model, run.train, tokenizer)
    return [clips[0, number] for number in range(num_clips)]


def test_what_is_unpacked_is_what_would_have_been_stacked(tokenizer):
    for num_clips in (2, 5):
        clips = clips_of(tokenizer, num_clips)
        packed, stacked = PackedBatch.stack(clips).unpacked(), Batch.stack(clips)
        assert packed.ids == stacked.ids
        for name in TENSORS:
            one, other = getattr(packed, name), getattr(stacked, name)
            assert one.dtype == other.dtype and torch.equal(one, other), name
            assert one.data_ptr() % ALIGNMENT == 0 and one.is_contiguous(), name


def test_all_of_it_is_one_piece_of_memory_that_processes_share(tokenizer):
    packed = PackedBatch.stack(clips_of(tokenizer, 3))
    assert packed.memory.is_shared()
    pointers = {getattr(packed.unpacked(), name).untyped_storage().data_ptr() for name in TENSORS}
    assert pointers == {packed.memory.data_ptr()}


def test_a_clip_without_words_or_frames_takes_no_room(tokenizer):
    empty = [
        dataclasses.replace(clip, token_ids=clip.token_ids[:0], text_padding=clip.text_padding[:0])
        for clip in clips_of(tokenizer, 2)
    ]
    batch = pickle.loads(pickle.dumps(PackedBatch.stack(empty))).unpacked()
    assert batch.token_ids.shape == batch.text_padding.shape == (2, 0)
    assert torch.equal(batch.video, Batch.stack(empty).video)
