"""Killed and started again: a run ends with the very weights of an unbroken one, bit by bit."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from tiny import tiny_run, tiny_source

from vlsa.pretrain import loop
from vlsa.pretrain.checkpoint import MODEL_FILE, TRAINING_FILE, checkpoints
from vlsa.pretrain.metrics_log import read_metrics

TESTS = Path(__file__).parents[1]
NUM_STEPS, EVERY = 12, 4

KILLED_RUN = f"""
import os, signal, sys
import torch
torch.set_num_threads(1)
from tiny import tiny_run, tiny_source
from vlsa.pretrain import loop
from vlsa.pretrain import sharded_files

run_path, moment = sys.argv[1], sys.argv[2]
train_step, save_checked, num_saves = loop.train_step, sharded_files._write_checked, 0

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def step_or_die(trainer, batch):
    if moment == "in a step" and trainer.step == 9:
        die()
    return train_step(trainer, batch)

def save_or_die(tensors, path, header):
    global num_saves
    save_checked(tensors, path, header)
    num_saves += 1
    if moment == "in a save" and num_saves == 3:  # the weights of the second checkpoint, without its moments
        die()
    if moment == "in the first save" and num_saves == 1:
        die()

loop.train_step, sharded_files._write_checked = step_or_die, save_or_die
loop.pretrain(tiny_run(num_steps={NUM_STEPS}, checkpoint_every_steps={EVERY}), tiny_source(), run_path)
"""


def run(path: Path, **kwargs) -> loop.RunSummary:
    return loop.pretrain(tiny_run(num_steps=NUM_STEPS, checkpoint_every_steps=EVERY), tiny_source(), path, **kwargs)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("unbroken")
    run(path)
    return path


def assert_same_end(one: Path, other: Path) -> None:
    """Weights, moments, settings and tokenizer of the last checkpoints."""
    first, second = checkpoints(one)[-1], checkpoints(other)[-1]
    assert first.name == second.name == f"step-{NUM_STEPS:08d}"
    for name in (MODEL_FILE, TRAINING_FILE):
        tensors, others = load_file(first / name), load_file(second / name)
        assert tensors.keys() == others.keys()
        assert [key for key in tensors if not torch.equal(tensors[key], others[key])] == []
        headers = [header(folder / name) for folder in (first, second)]
        assert headers[0] == headers[1]


def header(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return {name: value for name, value in file.metadata().items() if name != "seconds"}


def losses(path: Path) -> list[tuple[float, float]]:
    return [(line["step"], line["loss"]) for line in read_metrics(path)]


@pytest.mark.parametrize(("moment", "last_whole_step"), [("in a step", 8), ("in a save", 4), ("in the first save", 0)])
def test_a_run_killed_with_9_and_started_again_ends_with_the_same_bits(tmp_path, unbroken, moment, last_whole_step):
    path = tmp_path / "run"
    command = [sys.executable, "-c", KILLED_RUN, str(path), moment]
    done = subprocess.run(command, cwd=TESTS, env=os.environ | {"PYTHONPATH": f"{TESTS.parent}:{TESTS}"}, check=False)
    assert done.returncode == -signal.SIGKILL
    saved = [int(folder.name.removeprefix("step-")) for folder in checkpoints(path)]
    assert saved[-1:] == ([last_whole_step] if last_whole_step else [])
    summary = run(path)
    assert summary.finished
    assert summary.resumed_from == last_whole_step
    assert_same_end(path, unbroken)
    assert losses(path) == losses(unbroken)


def test_a_run_stopped_with_ctrl_c_again_and_again_ends_with_the_same_bits(tmp_path, unbroken, monkeypatch):
    train_step = loop.train_step

    def interrupted_step(trainer, batch):
        if trainer.step % 5 == 2:
            signal.raise_signal(signal.SIGINT)
        return train_step(trainer, batch)

    monkeypatch.setattr(loop, "train_step", interrupted_step)
    stops = [run(tmp_path).step for _ in range(2)]
    assert stops == [3, 8]
    assert run(tmp_path).finished
    assert_same_end(tmp_path, unbroken)
    assert losses(tmp_path) == losses(unbroken)


def test_the_same_run_elsewhere_ends_with_the_same_bits_and_another_seed_does_not(tmp_path, unbroken):
    run(tmp_path / "again")
    assert_same_end(tmp_path / "again", unbroken)
    other = tiny_run(num_steps=NUM_STEPS, checkpoint_every_steps=EVERY, seed=1)
    loop.pretrain(other, tiny_source(), tmp_path / "other")
    one, another = (load_file(checkpoints(path)[-1] / MODEL_FILE) for path in (unbroken, tmp_path / "other"))
    assert not torch.equal(
        one["encoder.towers.video_audio_text.norm.weight"], another["encoder.towers.video_audio_text.norm.weight"]
    )
