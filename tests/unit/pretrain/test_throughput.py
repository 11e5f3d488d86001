"""Rates that follow from a clock that the test turns, and a ceiling that no product passes."""

import resource

import pytest
import torch
from tiny import tiny_config

from vlsa.model.flops import encoder_tokens, step_flops
from vlsa.pretrain import throughput
from vlsa.pretrain.throughput import ThroughputMeter, ceiling, peak_memory_gib, product_flops


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make_meter(clock: Clock, **options) -> ThroughputMeter:
    return ThroughputMeter(tiny_config(), "cpu", clock=clock, **options)


def steps(measured: ThroughputMeter, clock: Clock, num_steps: int, seconds: float = 0.5, waited: float = 0.1) -> None:
    for _ in range(num_steps):
        clock.now += seconds
        measured.step(waited, 8)


def test_rates_are_over_all_steps_since_the_last_log(clock):
    measured = make_meter(clock)
    steps(measured, clock, 10)
    rates = measured.rates()
    assert rates["clips_per_second"] == pytest.approx(80 / 5)
    assert rates["tokens_per_second"] == pytest.approx(16 * encoder_tokens(tiny_config()))
    assert rates["flops_per_second"] == pytest.approx(16 * step_flops(tiny_config()).total)
    assert rates["data_wait_share"] == pytest.approx(0.2)


def test_a_second_log_knows_nothing_of_the_first_stretch(clock):
    measured = make_meter(clock)
    steps(measured, clock, 1, seconds=60, waited=50)  # the first step compiles, and fills the readers
    measured.rates()
    steps(measured, clock, 10)
    assert measured.rates()["clips_per_second"] == pytest.approx(16)


def test_steps_that_are_launched_at_once_take_as_long_as_the_device_does(clock):
    """Ten launches return at once; the time passes where the values are read."""
    measured = make_meter(clock)
    steps(measured, clock, 10, seconds=0.001, waited=0.0)
    clock.now += 4.99
    assert measured.rates()["clips_per_second"] == pytest.approx(16)


def test_evaluations_and_checkpoints_are_not_training_time(clock):
    measured = make_meter(clock)
    steps(measured, clock, 5)
    with measured.paused():
        clock.now += 1000
    steps(measured, clock, 5)
    rates = measured.rates()
    assert rates["clips_per_second"] == pytest.approx(16)
    assert rates["data_wait_share"] == pytest.approx(0.2)


def test_a_pause_that_ends_in_an_error_is_left_out_too(clock):
    measured = make_meter(clock)
    with pytest.raises(KeyboardInterrupt), measured.paused():
        clock.now += 7
        raise KeyboardInterrupt
    steps(measured, clock, 2)
    assert measured.rates()["clips_per_second"] == pytest.approx(16)


def test_a_pause_waits_for_the_device_on_both_sides(clock, monkeypatch):
    waits = []
    monkeypatch.setattr(throughput, "_wait", lambda device: waits.append(clock.now))
    with make_meter(clock).paused():
        clock.now += 3
    assert waits == [100.0, 103.0]


def test_rates_of_many_processes_are_the_whole_job_s_and_utilisation_one_device_s(clock):
    flops = step_flops(tiny_config()).total
    alone, many = make_meter(clock, peak_flops=32 * flops), make_meter(clock, num_ranks=4, peak_flops=32 * flops)
    for _ in range(10):
        clock.now += 0.5
        alone.step(0.1, 8)
        many.step(0.1, 8)
    one, all_of_them = alone.rates(), many.rates()
    assert all_of_them["clips_per_second"] == pytest.approx(4 * one["clips_per_second"]) == pytest.approx(64)
    assert all_of_them["mfu"] == pytest.approx(one["mfu"]) == pytest.approx(0.5)
    assert all_of_them["data_wait_share"] == one["data_wait_share"]


def test_without_a_ceiling_no_utilisation_is_claimed(clock):
    measured = make_meter(clock)
    steps(measured, clock, 1)
    assert "mfu" not in measured.rates()


def test_without_a_step_there_are_no_rates(clock):
    measured = make_meter(clock)
    clock.now += 5
    assert measured.rates() == {}
    steps(measured, clock, 2)  # those seconds are gone
    assert measured.rates()["clips_per_second"] == pytest.approx(16)


def test_the_memory_of_a_cpu_run_is_what_the_process_held_at_most(monkeypatch):
    device, kib = torch.device("cpu"), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    monkeypatch.setattr(throughput.sys, "platform", "linux")
    assert peak_memory_gib(device) == pytest.approx(kib / 2**20, rel=0.01)
    monkeypatch.setattr(throughput.sys, "platform", "darwin")  # there it is told in bytes
    assert peak_memory_gib(device) == pytest.approx(kib / 2**30, rel=0.01)


def test_the_ceiling_is_above_what_a_small_product_reaches():
    device = torch.device("cpu")
    large, small = (product_flops(device, torch.float32, size, seconds=0.05) for size in (512, 8))
    assert large > 5 * small > 0


def test_the_ceiling_counts_two_operations_for_each_of_the_products(monkeypatch):
    monkeypatch.setattr(throughput, "_seconds_of", lambda call, device: 0.5)
    assert product_flops(torch.device("cpu"), torch.float32, 16, seconds=0.0) == 2 * 16**3 / 0.5


def test_a_cpu_has_no_ceiling_to_be_measured_against():
    assert ceiling("cpu", torch.float32) is None


def test_the_ceiling_leaves_the_random_numbers_of_the_run_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    product_flops(torch.device("cpu"), torch.bfloat16, 16, seconds=0.0)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_s_ceiling_is_measured_quickly_and_gives_its_memory_back():
    before = torch.cuda.memory_allocated()
    assert ceiling("cuda", torch.bfloat16) > 1e12
    assert torch.cuda.memory_allocated() == before
