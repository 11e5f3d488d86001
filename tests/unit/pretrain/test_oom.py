"""A step that does not fit into memory says how many clips do."""

import dataclasses
import weakref

import pytest
import torch
from tiny import make_batch, make_model, tiny_clips, tiny_config, tiny_run

from vlsa.base.errors import ConfigError
from vlsa.config import ComputeConfig
from vlsa.pretrain import loop, oom, step

NUM_CLIPS = 16


@pytest.fixture
def trainer(tokenizer):
    run = tiny_run(batch_size=NUM_CLIPS)
    model = make_model(run.model, tokenizer)
    return loop.Trainer(run, model, tokenizer, loop.build_optimizer(model, run), "data")


@pytest.fixture
def sixteen(tokenizer):
    return make_batch(tiny_clips(NUM_CLIPS), tiny_run().model, tokenizer)


def room_for(num_clips: int, monkeypatch) -> list[int]:
    """Memory for so many clips at a time; returns what is tried."""
    tried, forward = [], step.Objective.forward

    def limited(self, batch, noise, cached=None):
        tried.append(len(batch))
        if len(batch) > num_clips:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return forward(self, batch, noise, cached)

    monkeypatch.setattr(step.Objective, "forward", limited)
    return tried


@pytest.mark.parametrize("fitting", [1, 5, 8, 11, 15])
def test_the_largest_number_of_clips_that_fits_is_told(trainer, sixteen, monkeypatch, fitting):
    tried = room_for(fitting, monkeypatch)
    with pytest.raises(
        ConfigError, match=rf"does not fit into memory; {fitting} clips do\. Set compute\.chunk_size={fitting}"
    ):
        loop.train_step(trainer, sixteen)
    assert len(tried) <= 6
    assert all(parameter.grad is None for parameter in trainer.model.parameters())


def test_memory_for_no_clip_at_all_is_told(trainer, sixteen, monkeypatch):
    room_for(0, monkeypatch)
    with pytest.raises(ConfigError, match="not even one clip does") as caught:
        loop.train_step(trainer, sixteen)
    assert "\n" not in str(caught.value)


def test_the_chunk_size_that_is_told_fits(trainer, sixteen, monkeypatch):
    room_for(5, monkeypatch)
    trainer.config = dataclasses.replace(trainer.config, compute=ComputeConfig(chunk_size=5))
    losses, _ = loop.train_step(trainer, sixteen)
    assert losses.total.isfinite()


def test_what_the_step_had_computed_is_let_go_before_less_is_tried(trainer, sixteen, monkeypatch):
    """The traceback of an error holds the locals of all that it passed through: the activations of a step."""
    computed, still_there, forward = [], [], step.Objective.forward

    def limited(self, batch, noise, cached=None):
        still_there.append(any(activation() is not None for activation in computed))
        activation = torch.zeros(1)
        computed.append(weakref.ref(activation))
        if len(batch) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(self, batch, noise, cached)

    monkeypatch.setattr(step.Objective, "forward", limited)
    with pytest.raises(ConfigError, match="5 clips do"):
        loop.train_step(trainer, sixteen)
    assert len(still_there) > 3
    assert not any(still_there)


def test_hard_negatives_are_no_hindrance_in_trying_less(tokenizer, sixteen, monkeypatch):
    run = dataclasses.replace(tiny_run(batch_size=NUM_CLIPS), model=tiny_config(hard_negatives=True))
    model = make_model(run.model, tokenizer)
    trainer = loop.Trainer(run, model, tokenizer, loop.build_optimizer(model, run), "data")
    room_for(5, monkeypatch)
    with pytest.raises(ConfigError, match="5 clips do"):
        loop.train_step(trainer, sixteen)


def test_no_memory_for_the_first_moments_is_told_too(trainer, sixteen, monkeypatch):
    def without_room() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(trainer.optimizer, "step", without_room)
    with pytest.raises(ConfigError, match=r"does not fit into memory; 15 clips do"):
        loop.train_step(trainer, sixteen)


def test_the_size_is_found_to_within_a_sixteenth(trainer, sixteen, monkeypatch):
    fits = []
    monkeypatch.setattr(oom, "_fits", lambda _trainer, batch, _noise: fits.append(len(batch)) or len(batch) <= 700)
    values = {f.name: getattr(sixteen, f.name) for f in dataclasses.fields(sixteen) if f.name != "ids"}
    repeated = {name: value.repeat(128, *[1] * (value.ndim - 1)) for name, value in values.items()}
    many = dataclasses.replace(sixteen, ids=sixteen.ids * 128, **repeated)
    noise = trainer.model.draw_noise(2048)
    assert 572 < oom.largest_that_fits(trainer, many, noise, 2048) <= 700
    assert len(fits) <= 6
