"""A batch in one piece of memory is the batch that its clips one by one would be."""

import pickle

import numpy as np
import pytest
import torch
from tiny import plain_clip, tiny_config, tiny_run, tiny_source

from vlsa.data.batch import TENSORS, Batch
from vlsa.data.loading.loader import TrainingClips, read_tensors
from vlsa.data.loading.packed_batch import ALIGNMENT, PackedBatch
from vlsa.data.loading.transform import choose_window, clip_shapes, write_clip


def some_clips(tokenizer, num_clips: int = 5) -> TrainingClips:
    return TrainingClips(tiny_source(num_clips), tiny_config(), tiny_run(batch_size=2).train, tokenizer)


def keys_of(clips: TrainingClips) -> list[tuple[int, int]]:
    return [(3, number) for number in range(len(clips))]


def test_a_batch_is_its_clips_one_by_one(tokenizer):
    for num_clips in (2, 5):
        clips = some_clips(tokenizer, num_clips)
        alone = [
            read_tensors(
                clips.source,
                clips.rows[number],
                clips.model,
                tokenizer,
                np.random.default_rng([clips.train.seed, epoch, number]),
                clips.crop,
            )
            for epoch, number in keys_of(clips)
        ]
        packed, stacked = clips.batch(keys_of(clips)).unpacked(), Batch.stack(alone)
        assert packed.ids == stacked.ids
        for name in TENSORS:
            one, other = getattr(packed, name), getattr(stacked, name)
            assert one.dtype == other.dtype and torch.equal(one, other), name
            assert one.data_ptr() % ALIGNMENT == 0 and one.is_contiguous(), name


def test_for_another_process_it_is_one_piece_of_memory_that_both_share(tokenizer):
    clips = some_clips(tokenizer)
    packed = clips.batch(keys_of(clips), is_shared=True)
    assert packed.memory.is_shared() and not clips.batch(keys_of(clips)).memory.is_shared()
    pointers = {getattr(packed.unpacked(), name).untyped_storage().data_ptr() for name in TENSORS}
    assert pointers == {packed.memory.data_ptr()}


def test_the_shapes_of_all_tensors_are_known_before_a_clip_is_read(tokenizer):
    clips = some_clips(tokenizer)
    one = read_tensors(clips.source, clips.rows[0], clips.model, tokenizer)
    for name, (dtype, shape) in clip_shapes(clips.model).items():
        tensor = getattr(one, name)
        assert (str(tensor.dtype), tuple(tensor.shape)) == (f"torch.{dtype}", shape), name
    assert tuple(clip_shapes(clips.model)) == TENSORS


def test_a_field_of_no_length_takes_no_room():
    shapes = clip_shapes(tiny_config()) | {"token_ids": ("int64", (0,)), "text_padding": ("bool", (0,))}
    batch = pickle.loads(pickle.dumps(PackedBatch.empty(shapes, ["a", "b"], is_shared=True))).unpacked()
    assert batch.ids == ("a", "b")
    assert batch.token_ids.shape == batch.text_padding.shape == (2, 0)


@pytest.mark.parametrize("lacking", [{"frames": None, "frame_seconds": None}, {"sound": None}, {"texts": ()}])
def test_what_the_memory_held_before_does_not_show(lacking, tokenizer):
    """Clips without video, audio or text, and short ones, are written over the bytes of others."""
    config, clip = tiny_config(), plain_clip(num_frames=2, seconds=1.0, **lacking)
    window = choose_window(np.arange(3) / 3, 1.0, config, None)
    found = []
    for value in (0, 255):
        packed = PackedBatch.empty(clip_shapes(config), ["x"], is_shared=False)
        packed.memory.fill_(value)
        write_clip(next(packed.rows()), clip, window, config, tokenizer)
        found.append(packed.unpacked())
    for name in TENSORS:
        assert getattr(found[0], name).numpy().tobytes() == getattr(found[1], name).numpy().tobytes(), name
