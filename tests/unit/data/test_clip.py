"""The dataclasses between media, transform, loader and model: shapes in their repr, wrong shapes refused."""

import dataclasses

import numpy as np
import pytest
import torch
from tiny import make_batch, plain_clip

from vlsa.data.batch import Batch
from vlsa.data.clip import Clip


def test_a_repr_shows_shapes_and_no_values(batch):
    text = repr(plain_clip())
    assert "frames=uint8[24, 16, 16, 3]" in text
    assert "sound=float32[12000]" in text
    assert len(text) < 300
    assert "video=uint8[6, 2, 3, 16, 16]" in repr(batch)


def test_a_clip_says_how_long_it_is():
    assert plain_clip(start_seconds=2.0, stop_seconds=4.5).duration_seconds == 2.5


@pytest.mark.parametrize(
    "wrong",
    [
        {"frames": np.zeros((2, 4, 4, 3), dtype=np.float32), "frame_seconds": np.zeros(2)},
        {"frames": np.zeros((2, 4, 4), dtype=np.uint8), "frame_seconds": np.zeros(2)},
        {"frame_seconds": np.zeros(5)},
        {"sound": np.zeros(10)},
        {"sample_rate_hz": None},
    ],
    ids=["float pixels", "grey", "times", "double sound", "no rate"],
)
def test_a_clip_of_wrong_shape_is_our_bug(wrong):
    with pytest.raises(AssertionError):
        dataclasses.replace(plain_clip(), **wrong)


def test_stacked_clips_come_in_order(batch, clips, config, tokenizer):
    assert batch.ids == tuple(clip.id for clip in clips)
    assert len(batch) == 6
    alone = make_batch([clips[3]], config, tokenizer)
    for field in dataclasses.fields(Batch):
        if field.name != "ids":
            assert torch.equal(getattr(batch, field.name)[3], getattr(alone, field.name)[0]), field.name


def test_a_batch_moves_whole(batch):
    moved = batch.to("meta")
    assert moved.ids == batch.ids
    assert all(getattr(moved, f.name).device.type == "meta" for f in dataclasses.fields(Batch) if f.name != "ids")


def test_a_batch_with_a_row_missing_is_our_bug(batch):
    with pytest.raises(AssertionError):
        dataclasses.replace(batch, waveform=batch.waveform[:5])


def test_clips_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        plain_clip().id = "other"
    assert isinstance(plain_clip(), Clip)
