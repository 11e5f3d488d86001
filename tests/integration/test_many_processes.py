"""Under torchrun: a process that is killed ends the job, and it goes on from its last checkpoint; what is told."""

import signal
import subprocess
import time

import pytest
import torch
from command_lines import call
from processes import environment, lines_of_ours, script, torchrun, torchrun_command
from tiny import tiny_run, tiny_source

from vlsa.data.loading.dataset import open_dataset
from vlsa.data.loading.step_sampler import StepSampler
from vlsa.pretrain import checkpoint
from vlsa.pretrain.checkpoint import checkpoints, load_model
from vlsa.pretrain.loop import build_optimizer, pretrain
from vlsa.pretrain.metrics_log import read_metrics

NUM_STEPS, EVERY = 12, 4

KILLED = f"""
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from tiny import tiny_run, tiny_source
from vlsa.base.console import set_up
from vlsa.pretrain import loop
from vlsa.base.launch import started

set_up()
folder = Path(sys.argv[1])
train_step = loop.train_step
dies = False

def step_or_die(trainer, batch):
    if dies and trainer.step == 9 and started().rank == 1 and started().num_restarts == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return train_step(trainer, batch)

loop.train_step = step_or_die
config = tiny_run(num_steps={NUM_STEPS}, checkpoint_every_steps={EVERY})
loop.pretrain(config, tiny_source(), folder / "unbroken")
dies = True
loop.pretrain(config, tiny_source(), folder / "killed")
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A run of two processes of which one was killed, an unbroken one, and what torchrun said."""
    folder = tmp_path_factory.mktemp("killed")
    done = torchrun("--max-restarts=1", script(folder, KILLED), str(folder))
    assert done.returncode == 0, done.stderr
    return folder, done


def state(run) -> dict[str, torch.Tensor]:
    """Weights and moments of the last checkpoint."""
    model, _, config = load_model(run)
    optimizer = build_optimizer(model, config)
    checkpoint.load_training(checkpoints(run)[-1], model, optimizer)
    trained = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    moments = {name: optimizer.state[weight]["exp_avg"] for name, weight in trained}
    return model.state_dict() | {f"moment of {name}": moment for name, moment in moments.items()}


def test_a_job_of_which_a_process_was_killed_ends_with_the_bits_of_an_unbroken_one(killed):
    folder, _ = killed
    one, other = state(folder / "unbroken"), state(folder / "killed")
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
    losses = [[(line["step"], line["loss"]) for line in read_metrics(folder / run)] for run in ("unbroken", "killed")]
    assert losses[0] == losses[1]


def test_the_job_says_that_it_was_started_again_and_where_it_goes_on(killed):
    _, done = killed
    assert "vlsa: restarted by torchrun (1), after step 8" in lines_of_ours(done)
    assert "Signal 9 (SIGKILL)" in done.stderr or "exitcode: -9" in done.stderr


def test_two_processes_end_with_the_weights_of_one_but_for_rounding(killed, tmp_path):
    folder, _ = killed
    pretrain(tiny_run(num_steps=NUM_STEPS, checkpoint_every_steps=EVERY), tiny_source(), tmp_path)
    one, other = state(tmp_path), state(folder / "killed")
    for name in one:
        if "query_key_value.bias" not in name:  # keys' biases have no gradient but rounding, which AdamW magnifies
            torch.testing.assert_close(one[name], other[name], atol=1e-4, rtol=1e-3, msg=name)


# --- the command


WORLD = ["--data", "world:train=12,test=2,px=32", "--recipe", "tiny", "--set", "model.video.size_px=32"]


def changes(**train) -> list[str]:
    return [part for name, value in train.items() for part in ("--set", f"train.{name}={value}")]


def command(out, **train) -> list[str]:
    return ["-m", "vlsa.cli", "pretrain", *WORLD, "--out", str(out), *changes(warmup_steps=1, **train)]


def errors_of_ours(done: subprocess.CompletedProcess) -> list[str]:
    """Our lines but the one about the data, which is written when training starts."""
    return [line for line in lines_of_ours(done) if "distinct caption" not in line]


def test_a_batch_that_processes_cannot_share_is_told_once(tmp_path):
    done = torchrun(*command(tmp_path / "run", batch_size=5, num_steps=2))
    (line,) = errors_of_ours(done)
    assert line.startswith("vlsa: train.batch_size=5: 2 processes cannot share it evenly")
    assert line.endswith("Try train.batch_size=4 or 6, or another --nproc-per-node.")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr.partition("failed (exitcode: 2)")[0]  # torchrun's own comes after it


STARTED_OTHERWISE = """
import sys
from vlsa import cli
from vlsa.base.launch import started

cli.main(sys.argv[1:] + ["--set", f"train.learning_rate={started().rank + 1}e-4"])
"""


def test_a_process_that_was_started_otherwise_ends_the_job(tmp_path):
    done = torchrun(script(tmp_path, STARTED_OTHERWISE), *command(tmp_path / "run", batch_size=4, num_steps=2)[2:])
    (line,) = errors_of_ours(done)
    assert line.startswith(
        "vlsa: rank 1: started otherwise than rank 0 (train.learning_rate: 0.0001 there, 0.0002 here)"
    )
    assert checkpoints(tmp_path / "run") == []


NOT_A_NUMBER = """
import sys
import torch
torch.set_num_threads(1)
from vlsa import cli
from vlsa.model.types import Losses
from vlsa.pretrain import loop
from vlsa.base.launch import started

def spoilt(*arguments, backward=loop.backward):
    losses = backward(*arguments)
    return Losses(losses.total * float("nan"), losses.terms, losses.globals) if started().rank == 1 else losses

loop.backward = spoilt
cli.main(sys.argv[1:])
"""


def test_the_process_whose_clips_gave_no_number_names_them(tmp_path):
    done = torchrun(script(tmp_path, NOT_A_NUMBER), *command(tmp_path / "run", batch_size=4, num_steps=2)[2:])
    (line,) = errors_of_ours(done)
    rows = next(iter(StepSampler(12, tiny_run(batch_size=4).train, 0, rank=1, num_ranks=2)))
    ids = [row.id for row in open_dataset(WORLD[1]).rows("train")]
    assert line.startswith("vlsa: step 1: loss nan")
    assert f"The clips were {', '.join(ids[row] for _, row in rows)}." in line


ONE_FAILS = """
import sys
from vlsa import cli
from vlsa.base.errors import MediaError
from vlsa.pretrain import loop
from vlsa.base.launch import started

def step(trainer, batch, step=loop.train_step):
    if started().rank == 1:
        raise MediaError("clip 7: cut short")
    return step(trainer, batch)

loop.train_step = step
cli.main(sys.argv[1:])
"""


def test_trouble_of_one_process_is_told_once_and_ends_the_job(tmp_path):
    done = torchrun(script(tmp_path, ONE_FAILS), *command(tmp_path / "run", batch_size=4, num_steps=2)[2:])
    assert errors_of_ours(done) == ["vlsa: clip 7: cut short"]
    assert done.returncode != 0
    assert checkpoints(tmp_path / "run") == []


def test_ctrl_c_ends_all_processes_after_the_step_with_one_checkpoint(tmp_path):
    out = tmp_path / "run"
    run = torchrun_command(*command(out, batch_size=4, num_steps=5000, checkpoint_every_steps=5000))
    job = subprocess.Popen(run, env=environment(), stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        if read_metrics(out):
            break
        time.sleep(0.2)
    job.send_signal(signal.SIGINT)
    _, said = job.communicate(timeout=60)
    (saved,) = checkpoints(out)
    step = int(saved.name.removeprefix("step-"))
    assert 1 <= step < 5000
    assert f"vlsa: stopped after step {step} of 5000; the same command resumes" in said.splitlines()
    assert said.count("vlsa: stopped") == 1


def test_a_finished_run_prints_its_answer_once(tmp_path):
    done = torchrun(*command(tmp_path / "run", batch_size=4, num_steps=1), num_ranks=2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": finished: 1 step in") == 1
    assert done.stdout.count("Next: vlsa evaluate") == 1
    evaluated = call(f"vlsa evaluate {tmp_path / 'run'} --data {WORLD[1]}")
    assert evaluated.exit_code == 0, evaluated.output
