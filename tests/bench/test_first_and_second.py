"""bench/first.py and bench/second.py from end to end at a tiny size: whole, without git, and cut by SIGTERM."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from command_lines import ROOT

MOST_FILES, MOST_BYTES, MOST_CHARACTERS = 8, 16 * 2**20, 12_000
STEPS = ("exact", "compile", "peer", "data", "whole")


def start(name: str, out: Path, *options: str) -> subprocess.Popen:
    """Without a GPU, and without git or any other program on PATH."""
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "PATH": str(out / "nothing"), "OUT": str(out)}
    command = [sys.executable, ROOT / "bench" / f"{name}.py", *options]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=out.parent, env=environment, text=True, stdout=pipe, stderr=pipe)


def ended(process: subprocess.Popen, status: int = 0) -> str:
    """What it printed, which a machine hands over as a whole."""
    out, errors = process.communicate(timeout=280)
    assert process.returncode == status, out + errors
    assert len(out) < MOST_CHARACTERS
    return out


def cut(process: subprocess.Popen, path: Path, num_lines: int) -> str:
    """SIGTERM as soon as a file has so many lines."""
    deadline = time.monotonic() + 200
    while not path.exists() or path.read_text().count("\n") < num_lines:
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    return ended(process, 143)


def lines(path: Path) -> list[dict]:
    """Every line is whole."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def check_files(out: Path) -> None:
    files = list(out.iterdir())
    assert len(files) <= MOST_FILES and all(path.is_file() and path.stat().st_size < MOST_BYTES for path in files)


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "kept"
    folder.mkdir()
    return folder


CHANGES = ("train.gradient_clip=3.5", "train.batch_size=16")
"""The whole batch is four of the batches that a case takes by default."""


def test_the_first_measurements_end_in_a_table_of_steps_that_agree(out):
    printed = ended(start("first", out, "--small", *(word for change in CHANGES for word in ("--set", change))))
    found = {line["case"]: line for line in lines(out / "first.jsonl")}
    reference = found["reference"]["results"]["first_step"]
    for name in STEPS:
        results = found[name]["results"]
        assert results["first_step"]["clips"] == reference["clips"]
        assert results["clips_per_second"] > 0
        assert name == "peer" or results["agrees"]
    peer = found["peer"]["results"]["first_step"]
    assert peer["loss"] == pytest.approx(reference["loss"], rel=0.1)  # other weights and masks of the same model
    assert {line["commit"] for line in found.values()} == {None}
    assert {tuple(line["set"]) for line in found.values()} == {CHANGES}
    table = (out / "first.txt").read_text(encoding="utf-8")
    assert printed.endswith(f"{table}\nresults: {out}\n")
    assert "exact -" in table or "exact +" in table
    check_files(out)


def test_sigterm_in_the_middle_of_the_first_leaves_the_table_as_far_as_it_is(out):
    printed = cut(start("first", out, "--small"), out / "first.jsonl", 3)
    measured = [line["case"] for line in lines(out / "first.jsonl")]
    assert len(measured) >= 3
    table = (out / "first.txt").read_text(encoding="utf-8")
    assert printed.endswith(f"{table}\nresults: {out}\n") and table.endswith("cut: SIGTERM")
    assert "reference " in table and "tests-step       not measured" in table


def test_the_second_is_cut_and_started_again_and_ends_in_the_table_and_the_curves(out, tmp_path):
    options = ("--small", "--runs", str(tmp_path / "runs"))
    printed = cut(start("second", out, *options), out / "results.jsonl", 2)
    assert "; the arms that are missing were not finished" in printed
    assert {line["arm"] for line in lines(out / "results.jsonl")} == {"full"}
    check_files(out)
    printed = ended(start("second", out, *options))
    arms = ("neither", "LPMM", "GAM", "LPMM + GAM")
    table = (out / "table5.md").read_text(encoding="utf-8")
    assert table in printed
    assert all(table.count(f"| {arm} |") == (2 if arm == "neither" else 4) for arm in arms)
    assert {line["arm"] for line in lines(out / "results.jsonl")} == {"full", "neither", "gam-only", "lpmm-only"}
    trained = {line["run"] for line in lines(out / "curves.jsonl")}
    assert trained == {f"{arm}, fine-tuned" for arm in arms} | {f"{arm}, pretrained" for arm in arms[1:]}
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert lines(out / "second.jsonl")[0]["commit"] is None
    check_files(out)


@pytest.mark.parametrize("name", ["first", "second"])
def test_a_budget_that_is_used_up_ends_in_what_was_measured_and_is_no_failure(out, tmp_path, name):
    """The budget ends with the imports, 0.1 s after the start less the reserve for the tables."""
    runs = ["--runs", str(tmp_path / "runs")] if name == "second" else []
    printed = ended(start(name, out, "--small", "--seconds", "8.1", *runs))
    assert "cut: the budget is used up" in printed and printed.endswith(f"results: {out}\n")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is available")
@pytest.mark.parametrize("name", ["first", "second"])
def test_without_a_gpu_it_is_one_line(out, name):
    process = start(name, out)
    printed, error = process.communicate(timeout=120)
    assert process.returncode == 2 and printed == ""
    assert error.splitlines()[-1].startswith("torch sees no GPU") and "Try --small" in error
