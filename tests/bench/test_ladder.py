"""The ladder of the training step: its rungs are settings that exist, and its aims are judged by what was measured."""

import pytest
import train_step
from peer_step import CASES
from peer_step import closing as peer_closing
from running import CEILINGS

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


def test_every_rung_begins_with_as_many_clips_as_should_fit():
    assert len({case.name for case in train_step.LADDER}) == len(train_step.LADDER)
    sizes = {case.name: case.num_clips(PAPER, 79.0) for case in (*train_step.LADDER, *CASES)}
    assert sizes["plain"] < sizes["bf16"] == sizes["exact"] == sizes["peer"] == sizes["ours"]
    assert sizes["exact"] < sizes["fast"] < sizes["fastest"] <= sizes["recompute"] == 512


def test_the_paper_in_290_hours_needs_393_clips_a_second_which_is_half_of_the_ceiling():
    met = train_step.closing(PAPER, measured(exact=396.0, data=393.0, data_fastest=1138.0))
    assert len(met) == 7 and not [line for line in met if "NOT" in line]
    missed = train_step.closing(PAPER, measured(exact=394.0, data=392.0, data_fastest=1137.0))
    assert len([line for line in missed if line.endswith("NOT met")]) == 3


def test_no_aim_is_told_of_what_was_not_measured_or_of_another_recipe():
    assert not [line for line in train_step.closing(PAPER, measured(plain=30.0)) if "aim" in line]
    assert not [line for line in train_step.closing(recipe("base"), measured(exact=400.0)) if "aim" in line]


@pytest.mark.parametrize(("ours", "told"), [(300.0, "1.50 times as fast as peer-whole, met"), (299.0, "NOT met")])
def test_ours_is_set_against_the_fastest_peer_that_is_the_same_model(ours, told):
    speeds = {"ours": ours, "peer": 150.0, "peer_whole": 200.0, "peer_unmasked": 250.0}
    lines = peer_closing(PAPER, measured(**speeds))
    assert lines[0].endswith(told)
    assert lines[1] == f"and {ours / 250:.2f} times as fast as the bound without masks"
    assert peer_closing(recipe("tiny"), measured(**speeds)) == []  # a tiny size says nothing about speed
