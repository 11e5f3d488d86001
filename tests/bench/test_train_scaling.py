"""bench/train_scaling.py: its closed form is what PyTorch issues, and its prediction follows from it."""

import dataclasses

import pytest
import train_scaling
from train_scaling import Machine, closed_form, counted, predict

from vlsa.config.recipes import recipe
from vlsa.model.flops import step_flops

PAPER = recipe("paper").model
MACHINE = Machine(step_seconds=1.0, clips=256)


@pytest.mark.parametrize("sharding", ["replicate", "shard"])
def test_the_closed_form_is_what_a_step_of_two_processes_sends(tmp_path, sharding):
    found = counted(2, sharding, tmp_path)
    assert found["bytes_issued"] == pytest.approx(found["bytes_closed_form"], rel=0.005)
    assert found["bytes_on_loopback"] == 0 or found["bytes_on_loopback"] > 0.99 * found["bytes_issued"]


def test_one_process_sends_nothing():
    assert closed_form(PAPER, 1, 256, "replicate").total == 0


def test_gradients_cost_twice_their_size_and_globals_grow_with_the_processes():
    few, many = (closed_form(PAPER, ranks, 256, "replicate") for ranks in (8, 512))
    assert many.weights / few.weights == pytest.approx((511 / 512) / (7 / 8))
    assert many.globals / few.globals == pytest.approx(64 * (511 / 512) / (7 / 8))
    assert closed_form(PAPER, 10_000, 256, "replicate").weights == pytest.approx(2 * 4 * 151.09e6, rel=0.001)


def test_links_without_limit_make_many_gpus_as_fast_as_their_number():
    ideal = dataclasses.replace(MACHINE, nvlink_bytes=1e30, network_bytes=1e30, latency_seconds=0.0)
    assert predict(PAPER, 64, "replicate", ideal)["clips_per_second_none_hidden"] == 64 * 256


def test_a_slow_link_is_waited_for_unless_it_hides():
    slow = dataclasses.replace(MACHINE, network_bytes=2.4e9, latency_seconds=0.0)
    found = predict(PAPER, 64, "replicate", slow)
    sent = closed_form(PAPER, 64, 256, "replicate")
    waited = (sent.weights + sent.globals) / 2.4e9
    assert found["efficiency_none_hidden"] == pytest.approx(1 / (1 + waited), abs=1e-3)
    assert found["efficiency_hidden"] == pytest.approx(1 / (1 + sent.globals / 2.4e9), abs=1e-3)


def test_the_table_is_printed_and_recorded_without_counting(tmp_path, capsys):
    out = tmp_path / "scaling.jsonl"
    assert train_scaling.main(["--ranks", "", "--gpus", "8,64", "--out", str(out)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == out.read_text().strip()
    seconds = step_flops(PAPER).total * 256 / 350e12
    assert f"256 clips a GPU in {seconds:.3f} s (350 TFLOP/s assumed)" in said[0]
