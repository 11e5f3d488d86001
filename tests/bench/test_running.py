"""Cases of a bench: halved till they fit, kept once measured, failed without taking the others along."""

import argparse
import json
import math
import sys
import time
from types import SimpleNamespace

import budget
import pytest
import records
import running
import table
import torch
from running import Bench, Case

from vlsa.base.errors import ConfigError

RESULTS = {
    "batch_size": 4,
    "step_seconds_median": 0.5,
    "clips_per_second": 8.0,
    "flops": 4e12,
    "bytes": 2e12,
    "peak_gib": 3.0,
}
CEILINGS = {"bfloat16_tflops": 100.0, "copy_terabytes_per_second": 8.0}


class Clock(SimpleNamespace):
    """A budget with so many seconds left."""

    left: float
    stop: float = math.inf


def options(**values) -> SimpleNamespace:
    plain = {"recipe": None, "small": False, "steps": 3, "batch_size": None, "equal_clips": None, "assignments": []}
    return SimpleNamespace(**(plain | {"out": None, "bench": "b", "seconds": 60.0} | values))


def case(measure=lambda _job: RESULTS, **fields) -> Case:
    return Case("plain", "as it is", measure, lambda _config, _gib: 64, **fields)


def bench(*cases: Case, closing=lambda *_: []) -> Bench:
    return Bench("b", "q", cases, [one.name for one in cases], closing, 100.0, lambda _config, _gib: 64)


@pytest.fixture(autouse=True)
def _starts_now(monkeypatch):
    monkeypatch.setattr(budget, "STARTED", time.monotonic())


@pytest.fixture
def tried(monkeypatch) -> list[tuple[int, int, float]]:
    """What was tried: clips of the timed steps, clips of step 1, seconds; at most 16 clips fit."""
    tried = []

    def in_process(_case, num_clips, equal_clips, limit_seconds, _options):
        tried.append((num_clips, equal_clips, limit_seconds))
        return {running.TOO_MANY: True} if num_clips > 16 else RESULTS | {"batch_size": num_clips}

    monkeypatch.setattr(running, "_in_process", in_process)
    return tried


def test_a_batch_that_does_not_fit_is_halved_and_step_1_stays_of_as_many_clips(tried):
    results = running._measured(bench(), case(most_seconds=90.0), Clock(left=1e9), options())
    assert tried == [(64, 64, 90.0), (32, 64, 90.0), (16, 64, 90.0)]
    assert results["batch_size"] == 16 and results["does_not_fit"] == [64, 32]


def test_each_case_knows_what_is_left_and_none_starts_with_too_little(tried):
    running._measured(bench(), case(), Clock(left=20.0), options(batch_size=8))
    assert tried == [(8, 8, 19.0)]
    results = running._measured(bench(), case(least_seconds=30.0), Clock(left=20.0), options())
    assert results == {"skipped": "no time left: 20 s of at least 30 s"} and len(tried) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is available")
def test_a_case_for_a_gpu_is_skipped_without_one(tried):
    assert running._measured(bench(), case(where="gpu"), Clock(left=1e9), options()) == {"skipped": "needs a GPU"}


@pytest.mark.parametrize("raised_by_the_loop", [True, False])
def test_out_of_memory_is_a_result(capsys, raised_by_the_loop):
    def measure(_job):
        try:
            raise torch.OutOfMemoryError("too much")
        except torch.OutOfMemoryError as error:
            if raised_by_the_loop:
                raise ConfigError("does not fit") from error
            raise

    assert running._one(case(measure), options(batch_size=64)) == 0
    assert json.loads(capsys.readouterr().out.strip().removeprefix(running.RESULT)) == {running.TOO_MANY: True}


def test_another_error_is_not_a_result():
    def measure(_job):
        raise ConfigError("no such thing")

    with pytest.raises(ConfigError, match="no such thing"):
        running._one(case(measure), options(batch_size=64))


SCRIPT = """
import time
import running

def measure(job):
    if job.num_clips == 1:
        raise RuntimeError("the kernel broke")
    time.sleep(60)

running.main(running.Bench("b", "q", [running.Case("plain", "", measure)], ["plain"], None, 60.0))
"""


@pytest.mark.parametrize(
    ("num_clips", "limit_seconds", "found"),
    [
        (1, 90.0, {"failed": "RuntimeError: the kernel broke", "unfinished": True}),
        (2, 2.0, {"failed": "took longer than 2 s", "unfinished": True}),
    ],
    ids=["failed", "hangs"],
)
def test_a_process_that_fails_or_hangs_is_reported(tmp_path, monkeypatch, num_clips, limit_seconds, found):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setenv("PYTHONPATH", str(records.ROOT / "bench"))
    assert running._in_process(case(), num_clips, 4, limit_seconds, options(out=tmp_path)) == found
    assert "== plain" in (tmp_path / "b.log").read_text()


def test_of_what_a_process_handed_over_the_last_counts_and_unfinished_tests_are_a_failure():
    printed = 'RESULT {"passed": 1, "unfinished": true}\nRESULT {"passed": 2, "unfinished": true}\nKilled\n'
    assert running._handed_over(printed, None, 9.0) == {
        "passed": 2,
        "unfinished": True,
        "failed": "took longer than 9 s",
    }
    assert running._handed_over(printed + 'RESULT {"passed": 3}\n', 1, 9.0) == {"passed": 3}
    assert running._handed_over("", 3, 9.0)["failed"] == "ended with status 3"


def run(monkeypatch, out, *arguments: str, bench: Bench) -> int:
    monkeypatch.setattr(sys, "argv", ["bench.py", "--small", "--out", str(out), *arguments])
    return running.main(bench)


def test_what_is_measured_is_not_measured_again_until_the_code_changes(monkeypatch, tmp_path, capsys):
    calls = []
    ceilings = Case(running.CEILINGS, "", lambda _job: dict(CEILINGS))
    measured = case(lambda _job: calls.append(1) or dict(RESULTS))
    ladder = bench(ceilings, measured, closing=lambda *_: ["below"])
    for _ in range(2):
        assert run(monkeypatch, tmp_path, bench=ladder) == 0
        assert len(calls) == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[-2:] == ["below", f"results: {tmp_path}"]  # no JSON crowds the table out
    record = records.read(tmp_path / "b.jsonl")[-1]
    assert record["results"]["utilisation"] == pytest.approx(0.08)
    assert record["results"]["floor_seconds"] == 0.25  # by memory: 2 TB at 8 TB/s
    assert record["results"]["gap"] == pytest.approx(2.0)
    run(monkeypatch, tmp_path, "--set", "train.seed=1", bench=ladder)
    assert len(calls) == 2
    monkeypatch.setattr(records, "code_digest", lambda: "changed")
    run(monkeypatch, tmp_path, bench=ladder)
    assert len(calls) == 3


def test_what_failed_or_was_skipped_is_measured_again(monkeypatch, tmp_path):
    calls = []
    failing = bench(case(lambda _job: calls.append(1) or {"failed": "it broke"}))
    for _ in range(2):
        run(monkeypatch, tmp_path, bench=failing)
    assert len(calls) == 2


def test_a_line_that_was_cut_off_does_not_stop_the_next_run(tmp_path):
    out = tmp_path / "b.jsonl"
    records.append({"case": "plain"}, out)
    out.write_text(out.read_text() + '{"case": "cu')
    assert records.read(out) == [{"case": "plain"}]


def test_an_unknown_case_is_one_line(monkeypatch, tmp_path, capsys):
    assert run(monkeypatch, tmp_path, "--only", "plane", bench=bench(case())) == 2
    assert capsys.readouterr().err == "--only plane: no such case. Known: plain.\n"


def test_a_row_says_what_did_not_fit_and_what_is_wrong():
    config = running._config(options())
    shares = table.shares(RESULTS, CEILINGS, config)
    line = table.row("plain", "as it is", RESULTS | shares | {"does_not_fit": [8]})
    assert " ".join(line.split()) == "plain 4 500.0 8.0 8.0% 2.00 3.0 14,222 as it is; [8] do not fit"
    assert table.row("plain", "", {"failed": "it broke"}).split(maxsplit=1)[1] == "failed: it broke"
    assert table.row("plain", "as it is", RESULTS | {"agrees": False}).endswith("step 1 DIFFERS from the reference")


def test_an_error_that_the_user_can_fix_is_a_line(capsys, tmp_path):
    def unknown() -> int:
        raise ConfigError("--recipe nope: no such recipe.")

    assert records.exit_status(unknown) == 2
    assert capsys.readouterr().err == "--recipe nope: no such recipe.\n"
    assert records.exit_status(lambda: len((tmp_path / "gone").read_text())) == 2
    assert "gone: cannot be read or written" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf"])
def test_numbers_that_must_be_above_zero_are(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not above 0"):
        records.above_zero(float)(text)
    assert records.above_zero(int)("3") == 3
