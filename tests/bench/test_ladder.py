"""The ladder of the training step: its rungs are settings that exist, and its aims are judged by what was measured."""

import math

import pytest
import train_step
from peer_step import closing as peer_closing
from running import CEILINGS, REFERENCE
from table import agreement

from vlsa.config.recipes import recipe

PAPER = recipe("paper")
H100 = {"bfloat16_tflops": 800.0, "copy_terabytes_per_second": 3.0, "step_products_tflops": 600.0}


def measured(**speeds: float) -> dict[str, dict[str, float]]:
    views = PAPER.train.batch_size * PAPER.train.num_steps
    cases = {
        name.replace("_", "-"): {
            "batch_size": 64,
            "clips_per_second": speed,
            "utilisation": speed * 1.0114 / 800,
            "hours_of_the_recipe": views / speed / 3600,
        }
        for name, speed in speeds.items()
    }
    return {CEILINGS: H100} | cases


def first_step(loss: float, norm: float, model: str = "same", clips: int = 64) -> dict[str, dict]:
    return {"first_step": {"model": model, "clips": clips, "loss": loss, "gradient_norm": norm}}


def test_every_rung_starts_with_as_many_clips_as_should_fit_and_takes_step_1_of_as_many_as_all():
    assert len({case.name for case in train_step.CASES}) == len(train_step.CASES)
    sizes = {case.name: case.num_clips(PAPER, 79.0) for case in train_step.CASES}
    same = {"exact", "compile", "peer", "data", "whole"}
    assert {sizes[name] for name in same} == {train_step.BENCH.equal_clips(PAPER, 79.0)}
    assert sizes["plain"] < sizes["exact"] < sizes["fast"] < sizes["fastest"] <= sizes["recompute"] == 512


def test_the_first_cases_fit_into_400_seconds_with_the_proof_first():
    names = list(train_step.BENCH.chosen)
    assert train_step.BENCH.seconds == 400
    assert names[:4] == ["tests-flash", CEILINGS, REFERENCE, "exact"]
    assert {"compile", "peer", "data", "whole", "attention", "tests-step"} <= set(names)


def test_the_paper_in_290_hours_needs_393_clips_a_second_which_is_half_of_the_ceiling():
    met = train_step.closing(PAPER, measured(exact=396.0, data=393.0, whole=393.0, data_fastest=1138.0))
    assert len([line for line in met if line.endswith(", met")]) == 4 and not [line for line in met if "NOT" in line]
    missed = train_step.closing(PAPER, measured(exact=394.0, data=392.0, whole=392.0, data_fastest=1137.0))
    assert len([line for line in missed if line.endswith("NOT met")]) == 4


def test_no_aim_is_reported_of_what_was_not_measured_or_of_another_recipe():
    assert not [line for line in train_step.closing(PAPER, measured(plain=30.0)) if "aim" in line]
    assert not [line for line in train_step.closing(recipe("base"), measured(exact=400.0)) if "aim" in line]


@pytest.mark.parametrize(("loss", "norm", "agrees"), [(10.1, 2.1, True), (10.3, 2.0, False), (10.0, 1.7, False)])
def test_a_rung_agrees_with_float32_within_2_percent_of_the_loss_and_10_of_the_gradient(loss, norm, agrees):
    found = agreement(first_step(loss, norm), first_step(10.0, 2.0))
    assert found["agrees"] is agrees
    assert found["loss_difference"] == pytest.approx(loss / 10 - 1)
    assert found["norm_difference"] == pytest.approx(norm / 2 - 1)


def test_what_is_not_a_number_does_not_agree_and_another_model_or_batch_is_not_compared():
    assert agreement(first_step(math.nan, 2.0), first_step(10.0, 2.0))["agrees"] is False
    assert agreement(first_step(10.0, 2.0, model="other"), first_step(10.0, 2.0)) == {}
    assert agreement(first_step(10.0, 2.0, clips=32), first_step(10.0, 2.0)) == {}
    assert agreement({}, first_step(10.0, 2.0)) == {} == agreement(first_step(10.0, 2.0), {})


def test_the_speed_of_a_wrong_step_reaches_no_aim():
    found = measured(exact=500.0, whole=500.0)
    found[REFERENCE] = first_step(10.0, 2.0)
    found["exact"] |= first_step(12.0, 2.0)
    found["exact"] |= agreement(found["exact"], found[REFERENCE])
    lines = train_step.closing(PAPER, found)
    assert lines[0] == "step 1 of 64 clips against float32, loss / gradient norm: exact +20.00% / +0.00% DIFFERS"
    aims = [line for line in lines if line.startswith("aim")]
    assert aims[0].endswith("NOT judged: step 1 differs from the reference") and aims[1].endswith(", met")


@pytest.mark.parametrize(("ours", "expected"), [(300.0, "1.50 times as fast as peer-whole, met"), (299.0, "NOT met")])
def test_ours_is_compared_with_the_fastest_peer_that_is_the_same_model(ours, expected):
    speeds = {"exact": ours, "peer": 150.0, "peer_whole": 200.0, "peer_unmasked": 250.0}
    lines = peer_closing(measured(**speeds))
    assert lines[0].endswith(expected)
    assert lines[1] == f"and {ours / 250:.2f} times as fast as the bound without masks"
    assert not [line for line in train_step.closing(recipe("tiny"), measured(**speeds)) if "times as fast" in line]
