"""What is told of a model before it is used: training that is not finished, frames that are smaller than it takes."""

import logging

import pytest
import torch
from fake_encoder import write_numbered_sound
from tiny import change, make_model, tiny_clips, tiny_config, tiny_run, tiny_store

import vlsa
from vlsa.data.clip import Dataset
from vlsa.pretrain import checkpoint
from vlsa.pretrain.checkpoint import TrainingState
from vlsa.retrieve.encode.doubts import log_unfinished
from vlsa.retrieve.evaluate.evaluate import evaluate_run
from vlsa.retrieve.evaluate.hub import HubEncoder
from vlsa.retrieve.index.build import build_index


@pytest.fixture
def run_of(tokenizer, tmp_path):
    """Writes a run of six steps at one of them."""

    def write(step: int, **video: int):
        config = tiny_run(num_steps=6)
        config = type(config)(recipe="tiny", model=change(tiny_config(), "video", **video), train=config.train)
        model = make_model(config.model, tokenizer)
        state = TrainingState(step=step, data="none", seconds=0.0)
        checkpoint.save(tmp_path / "run", model, torch.optim.AdamW(model.parameters()), tokenizer, config, state)
        return tmp_path / "run"

    return write


@pytest.fixture
def footage(tmp_path):
    (tmp_path / "footage").mkdir()
    write_numbered_sound(tmp_path / "footage" / "sound-7.wav", 7, seconds=3.0)
    return tmp_path / "footage"


def told(caplog) -> list[str]:
    """The lines since the last time."""
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    caplog.clear()
    return lines


def held_out(path) -> Dataset:
    return tiny_store(path, tiny_clips(2), tiny_clips(3, split="test"))


@pytest.mark.parametrize(("step", "is_finished"), [(4, False), (6, True)])
def test_a_run_that_is_not_finished_is_told_wherever_something_lasting_is_made_of_it(
    run_of, footage, tmp_path, caplog, step, is_finished
):
    run, store = run_of(step), held_out(tmp_path / "store")
    expected = [] if is_finished else [f"{run}: step 4 of 6 of its training; "]

    def said() -> list[str]:
        return [line for line in told(caplog) if "of its training" in line]

    build_index(run, footage, tmp_path / "index", num_workers=0)
    index = said()
    assert [line[: len(expected[0])] for line in index] == expected if expected else not index
    build_index(run, footage, tmp_path / "index", num_workers=0)
    assert not said()  # nothing new is made
    evaluate_run(run, store.path)
    assert said() == [f"{line}these are not the scores of the finished model" for line in expected]
    HubEncoder.of(vlsa.load(run)).save_pretrained(tmp_path / "hub")
    assert said() == [f"{line}what is written is not the finished model" for line in expected]
    build_index(f"vlsa:{tmp_path / 'hub'}", footage, tmp_path / "of-hub", num_workers=0)
    assert not said()  # a model of the hub does not say how it was trained


def test_facts_of_other_encoders_say_nothing(caplog):
    for about in ({}, {"step": None, "num_steps": None}, {"step": 7, "num_steps": 6}):
        log_unfinished(about, "so")
    assert not told(caplog)


@pytest.mark.parametrize(("size_px", "is_small"), [(16, False), (24, True)])
def test_clips_that_are_kept_smaller_than_the_model_takes_them_are_told(run_of, tmp_path, caplog, size_px, is_small):
    run, store = run_of(6, size_px=size_px), held_out(tmp_path / "store")
    expected = [
        f"{store.path}: the short side of its frames is 16 px, and the model takes 24 px: they are enlarged, which "
        "costs more and shows no more; prepare the data again with --short-side 24"
    ] * is_small
    evaluate_run(run, store.path)
    assert [line for line in told(caplog) if "short side" in line] == expected
    build_index(run, store.path, tmp_path / "index", num_workers=0)
    assert [line for line in told(caplog) if "short side" in line] == expected
