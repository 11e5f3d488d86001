"""Cases of a bench: halved till they fit, kept once measured, failed without taking the others along."""

import argparse
import json
import sys
from types import SimpleNamespace

import pytest
import records
import running
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


def options(**values) -> SimpleNamespace:
    plain = {"recipe": None, "small": False, "steps": 3, "batch_size": None, "assignments": [], "out": None}
    return SimpleNamespace(**(plain | values))


def case(measure=lambda _job: RESULTS, **fields) -> Case:
    return Case("plain", "as it is", measure, lambda _config, _gib: 64, **fields)


@pytest.fixture
def tried(monkeypatch) -> list[int]:
    """Batches that were tried; at most 16 clips fit."""
    tried = []

    def in_process(_case, num_clips, _limit_seconds, _options):
        tried.append(num_clips)
        return {running.TOO_MANY: True} if num_clips > 16 else RESULTS | {"batch_size": num_clips}

    monkeypatch.setattr(running, "_in_process", in_process)
    return tried


def test_a_batch_that_does_not_fit_is_halved_and_told(tried):
    results = running._measured(case(), running._config(options()), 1e18, options())
    assert tried == [64, 32, 16]
    assert results["batch_size"] == 16 and results["does_not_fit"] == [64, 32]


def test_no_case_begins_when_the_time_is_over(tried):
    results = running._measured(case(), running._config(options()), 0.0, options())
    assert results == {"skipped": "no time left"} and tried == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_case_for_a_gpu_is_passed_over_without_one(tried):
    assert running._measured(case(where="gpu"), None, 1e18, options()) == {"skipped": "needs a GPU"}


@pytest.mark.parametrize("told_by_the_loop", [True, False])
def test_out_of_memory_is_a_result(capsys, told_by_the_loop):
    def measure(_job):
        try:
            raise torch.OutOfMemoryError("too much")
        except torch.OutOfMemoryError as error:
            if told_by_the_loop:
                raise ConfigError("does not fit") from error
            raise

    assert running._one(case(measure), options(batch_size=64)) == 0
    assert json.loads(capsys.readouterr().out.removeprefix(running.RESULT)) == {running.TOO_MANY: True}


def test_another_error_is_none():
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

running.main(running.Bench("b", "q", [running.Case("plain", "", measure)], None))
"""


@pytest.mark.parametrize(("num_clips", "told"), [(1, "RuntimeError: the kernel broke"), (2, "took longer than 4 s")])
def test_a_process_that_fails_or_hangs_is_told(tmp_path, monkeypatch, num_clips, told):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setenv("PYTHONPATH", str(records.ROOT / "bench"))
    limit_seconds = 60.0 if num_clips == 1 else 4.0
    assert running._in_process(case(), num_clips, limit_seconds, options()) == {"failed": told}


def run(monkeypatch, out, *arguments: str, bench: Bench) -> int:
    monkeypatch.setattr(sys, "argv", ["bench.py", "--small", "--out", str(out), *arguments])
    return running.main(bench)


def test_what_is_measured_is_not_measured_again_until_the_code_changes(monkeypatch, tmp_path, capsys):
    calls = []
    monkeypatch.setattr(running, "measure_ceilings", lambda *_: CEILINGS)
    bench = Bench("b", "q", [case(lambda _job: calls.append(1) or dict(RESULTS))], lambda *_: ["below"])
    for _ in range(2):
        assert run(monkeypatch, tmp_path / "b.jsonl", bench=bench) == 0
        assert len(calls) == 1
    last = capsys.readouterr().out.splitlines()
    assert "below" in last
    record = json.loads(last[-1])
    assert record["results"]["plain"]["utilisation"] == pytest.approx(0.08)
    assert record["results"]["plain"]["floor_seconds"] == 0.25  # by memory: 2 TB at 8 TB/s
    assert record["results"]["plain"]["gap"] == pytest.approx(2.0)
    run(monkeypatch, tmp_path / "b.jsonl", "--set", "train.seed=1", bench=bench)
    assert len(calls) == 2
    monkeypatch.setattr(records, "code_digest", lambda: "changed")
    run(monkeypatch, tmp_path / "b.jsonl", bench=bench)
    assert len(calls) == 3


def test_a_line_that_was_cut_off_does_not_stop_the_next_run(tmp_path):
    out = tmp_path / "b.jsonl"
    records.append({"case": "plain"}, out)
    out.write_text(out.read_text() + '{"case": "cu')
    assert records.read(out) == [{"case": "plain"}]


def test_an_unknown_case_is_one_line(monkeypatch, tmp_path, capsys):
    bench = Bench("b", "q", [case()], lambda *_: [])
    assert run(monkeypatch, tmp_path / "b.jsonl", "--only", "plane", bench=bench) == 2
    assert capsys.readouterr().err == "--only plane: no such case. Known: ceilings, plain.\n"


def test_a_row_says_what_did_not_fit():
    shares = running._shares(RESULTS, CEILINGS, running._config(options()))
    row = running.row(case(), RESULTS | shares | {"does_not_fit": [8]})
    assert " ".join(row.split()) == "plain 4 500.0 8.0 8.0% 2.00 3.0 14,222 as it is; [8] do not fit"
    assert running.row(case(), {"failed": "it broke"}).split(maxsplit=1)[1] == "failed: it broke"


def test_what_the_user_can_mend_is_a_line(capsys, tmp_path):
    def unknown() -> int:
        raise ConfigError("--recipe nope: no such recipe.")

    assert records.told(unknown) == 2
    assert capsys.readouterr().err == "--recipe nope: no such recipe.\n"
    assert records.told(lambda: len((tmp_path / "gone").read_text())) == 2
    assert "gone: cannot be read or written" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf"])
def test_numbers_that_must_be_above_zero_are(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not above 0"):
        records.above_zero(float)(text)
    assert records.above_zero(int)("3") == 3
