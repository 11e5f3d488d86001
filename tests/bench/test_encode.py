"""bench/encode.py: what is timed, what is counted, and how models are set beside each other."""

import time

import encode
import pytest
import torch


def part(median: float, gflop: float) -> dict[str, float]:
    """A measurement with round numbers."""
    return {
        "median_ms": median,
        "p95_ms": 2 * median,
        "processor_ms": median,
        "gflop": gflop,
        "gflop_per_second": 1e3 * gflop / median,
    }


def test_a_call_is_timed_three_times_and_its_speed_is_flops_by_time():
    measured = encode.measure(lambda: time.sleep(0.02), flops=10**9, least_seconds=0.03)
    assert measured["num_calls"] == 3
    assert 20 <= measured["median_ms"] <= measured["p95_ms"]
    assert measured["gflop_per_second"] == pytest.approx(1e3 / measured["median_ms"], rel=0.01)


def test_a_call_that_takes_long_is_made_once():
    assert encode.measure(lambda: time.sleep(0.04), flops=1, least_seconds=0.01)["num_calls"] == 1


def test_attention_counts_as_two_products():
    tokens, width = 16, 8
    query = torch.randn(1, 1, tokens, width)
    call = lambda: torch.nn.functional.scaled_dot_product_attention(query, query, query)  # noqa: E731
    assert encode.count_flops(call) == 2 * 2 * tokens * tokens * width


def test_ratios_are_of_what_both_do_and_a_clip_is_picture_and_sound():
    results = {
        "ours, torch": {"video": part(10.0, 4.0), "audio": part(30.0, 4.0), "text": part(1.0, 1.0)},
        "PE-AV": {"clip": part(80.0, 32.0)},
        "CLAP": {"audio": part(15.0, 2.0)},
    }
    encode.add_whole_clips(results)
    assert results["ours, torch"]["clip"] == part(40.0, 8.0)
    assert encode.ratios(results) == {
        "CLAP / ours, torch: audio": {
            "median": 0.5, "p95": 0.5, "processor": 0.5, "flops": 0.5, "flops_per_second": 1.0,
        },
        "PE-AV / ours, torch: clip": {
            "median": 2.0, "p95": 2.0, "processor": 2.0, "flops": 4.0, "flops_per_second": 0.5,
        },
    }  # fmt: skip
