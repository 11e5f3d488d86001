"""Training from the command line that meets damaged clips, loses a reading process, or is stopped by a scheduler."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command_lines import call, ended, run, start
from safetensors.numpy import load_file
from tiny import tiny_store

from vlsa.data.store.shards import shard_path
from vlsa.data.world import made_clips
from vlsa.pretrain.checkpoint import checkpoints, load_model
from vlsa.pretrain.metrics_log import read_metrics

NUM_STEPS, EVERY = 120, 10
SETTINGS = {
    "train.num_steps": NUM_STEPS,
    "train.batch_size": 4,
    "train.checkpoint_every_steps": EVERY,
    "train.cache_gib": 0.01,
    "model.video.size_px": 16,
    "model.video.patch_px": 8,
    "model.encoder.width": 32,
    "model.encoder.num_layers": 1,
    "model.encoder.fusion_layers": 1,
    "model.encoder.num_heads": 2,
    "model.decoder.width": 32,
    "model.decoder.num_layers": 1,
    "model.decoder.num_heads": 2,
}


@pytest.fixture
def place(tmp_path) -> Path:
    """A folder with a store of 12 clips."""
    tiny_store(tmp_path / "store", list(made_clips(0, range(12), sample_rate_hz=11_025, split="train", size_px=16)))
    return tmp_path


def command(out: str, **settings: object) -> str:
    changes = SETTINGS | {name.replace("__", "."): value for name, value in settings.items()}
    return f"vlsa pretrain --recipe tiny --data store --out {out} " + " ".join(
        f"--set {name}={value}" for name, value in changes.items()
    )


def lines_of(errors: str) -> list[str]:
    """What was said besides the progress and the facts of the data."""
    said = errors.splitlines()
    return [line for line in said if "distinct caption" not in line and not line.startswith("vlsa: training: ")]


def test_a_damaged_clip_is_the_same_one_line_with_reading_processes_as_without(place, monkeypatch):
    path = shard_path(place / "store", 0)
    data = bytearray(path.read_bytes())
    start_of_image = 0
    while (start_of_image := data.find(b"\xff\xd8\xff", start_of_image)) >= 0:
        data[start_of_image : start_of_image + 64] = bytes(64)
        start_of_image += 64
    path.write_bytes(data)
    monkeypatch.chdir(place)
    alone = call(command("run0", train__num_workers=0))
    assert alone.exit_code == 2
    said = []
    for out, errors in (
        (alone.stdout, alone.stderr),
        run(command("run2", train__num_workers=2), place, expected=2),
    ):
        assert out == ""
        assert "Traceback" not in errors
        (line,) = lines_of(errors)
        assert line.startswith("vlsa: store/shards/shard-000000.tar: ")
        said.append(line.partition(" of clip ")[0])
    assert said[0] == said[1]


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def readers_of(pid: int) -> list[int]:
    """Processes that read: forks of the server that multiprocessing has started."""
    servers = [child for child in children_of(pid) if b"forkserver" in Path(f"/proc/{child}/cmdline").read_bytes()]
    return [reader for server in servers for reader in children_of(server)]


def wait_for_steps(process: subprocess.Popen, run_path: Path, num_steps: int) -> None:
    deadline = time.monotonic() + 120
    while not any(line["step"] >= num_steps for line in read_metrics(run_path)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"no {num_steps} steps in two minutes"
        time.sleep(0.02)


def assert_same_weights(one: Path, other: Path) -> None:
    first, second = (load_file(checkpoints(path)[-1] / "model.safetensors") for path in (one, other))
    assert first.keys() == second.keys()
    assert [name for name in first if first[name].tobytes() != second[name].tobytes()] == []


def test_a_reading_process_that_is_killed_is_one_line_and_the_same_command_resumes(place, monkeypatch):
    line = command("run", train__num_workers=2)
    process = start(line, place)
    wait_for_steps(process, place / "run", EVERY + 1)
    os.kill(readers_of(process.pid)[0], signal.SIGKILL)
    out, errors = ended(process)
    assert process.returncode == 2, errors
    assert out == ""
    assert "Traceback" not in errors
    (said,) = lines_of(errors)
    assert said.startswith("vlsa: train.num_workers: a reading process died (")
    assert "the same command again" in said
    load_model(place / "run")
    out, _ = run(line, place)
    assert f"{NUM_STEPS} steps" in out and "resumed at step" in out
    monkeypatch.chdir(place)
    assert call(command("unbroken")).exit_code == 0
    assert_same_weights(place / "run", place / "unbroken")


def test_no_reader_outlives_a_training_that_is_killed(place):
    process = start(command("run", train__num_workers=2), place)
    wait_for_steps(process, place / "run", EVERY)
    left = [*readers_of(process.pid), *children_of(process.pid)]
    assert len(left) >= 3  # two readers, their server, and what tracks shared memory
    process.kill()
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() and not is_zombie(pid) for pid in left):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    ended(process)


def is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_sigterm_to_all_processes_ends_after_the_step_with_a_checkpoint_and_code_143(place):
    process = start(command("run", train__num_workers=2, train__checkpoint_every_steps=10_000), place)
    wait_for_steps(process, place / "run", EVERY)  # by then both readers have started, and leave signals to the loop
    for pid in [*readers_of(process.pid), *children_of(process.pid), process.pid]:  # their server among the children
        os.kill(pid, signal.SIGTERM)
    out, errors = ended(process)
    assert process.returncode == 143, errors
    assert out == ""
    (said,) = lines_of(errors)
    (saved,) = checkpoints(place / "run")
    step = int(saved.name.removeprefix("step-"))
    assert said == f"vlsa: stopped after step {step} of {NUM_STEPS}; the same command resumes"
