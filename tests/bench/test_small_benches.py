"""bench/gpu.sh --small: the whole that runs on a GPU, at a tiny size here; and the rule about tests that need one."""

import json
import os
import subprocess
import sys

import pytest
import torch
from command_lines import ROOT
from timing import time_steps

CPU = torch.device("cpu")


def test_the_whole_runs_at_a_small_size(tmp_path):
    environment = os.environ | {"PYTHON": sys.executable, "SMALL_RESULTS": str(tmp_path), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [ROOT / "bench" / "gpu.sh", "--small"], env=environment, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name, needed in (("train_step", {"exact", "exact-whole", "data", "update"}), ("peer_step", {"ours", "peer"})):
        lines = (tmp_path / f"{name}.jsonl").read_text().splitlines()
        results = json.loads(lines[-1])["results"]
        assert needed <= results.keys()
        assert not [case for case, part in results.items() if "failed" in part]
        assert len(lines) == 1 + len([part for part in results.values() if "skipped" not in part])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_a_line():
    environment = os.environ | {"PYTHON": sys.executable}
    done = subprocess.run([ROOT / "bench" / "gpu.sh"], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "bench/gpu.sh --small" in done.stderr


@pytest.mark.parametrize("demanded", [True, False], ids=["demanded", "not demanded"])
def test_a_test_that_needs_a_gpu_is_skipped_unless_one_is_demanded(demanded):
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "VLSA_REQUIRE_GPU": "1" if demanded else ""}
    test = "tests/gpu/test_step_on_gpu.py::test_noise_is_drawn_the_same_for_every_device"
    options = ["-q", "-o", "addopts=", "--import-mode=importlib", "-p", "no:cacheprovider", "-rs"]
    command = [sys.executable, "-m", "pytest", *options, test]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == int(demanded), done.stdout + done.stderr
    assert ("demands a GPU" if demanded else "needs a GPU") in done.stdout


def test_steps_are_timed_after_the_warm_up_and_within_the_time():
    calls = []
    timing = time_steps(lambda: calls.append(sum(range(20_000))), CPU, num_steps=5, num_warm_up=3)
    assert len(calls) == 8 and len(timing.seconds) == 5
    assert timing.median > 0 and timing.p95 >= timing.median and timing.peak_gib is None
    assert len(time_steps(lambda: sum(range(200_000)), CPU, num_steps=50, limit_seconds=0.0).seconds) == 2
