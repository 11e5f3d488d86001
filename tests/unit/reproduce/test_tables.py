"""A table of many runs: means over seeds, intervals over queries, and what is said of the claimed order."""

import dataclasses

import numpy as np
import pytest

from vlsa.reproduce.runs import Plan
from vlsa.reproduce.tables import Step, Table, _holds, cell_of, claimed_order
from vlsa.reproduce.targets import FINE_TUNED, TARGETS, ZERO_SHOT
from vlsa.retrieve.evaluate.ranks import Ranks

CHANCE = {"r1": 0.01, "r5": 0.05, "r10": 0.1}


def ranks(*values: int, num_items: int = 100) -> Ranks:
    """Queries whose right item has these ranks, without ties."""
    above = np.array(values, dtype=np.int64) - 1
    return Ranks(above, np.zeros_like(above), np.ones_like(above), num_items)


def test_a_cell_is_the_mean_over_seeds_and_keeps_each():
    cell = cell_of([ranks(1, 1, 7, 60), ranks(1, 3, 11, 60)], CHANCE)
    assert cell.seeds == {1: [0.5, 0.25], 5: [0.5, 0.5], 10: [0.75, 0.5]}
    assert cell.recall == {1: 0.375, 5: 0.5, 10: 0.625}
    assert (cell.num_queries, cell.num_items) == (4, 100)
    assert cell.text(1).startswith("37.5 (")


def test_the_interval_is_over_queries_and_not_narrowed_by_seeds_that_agree():
    """Ten equal seeds know no more of another draw of queries than one; 1.96 sqrt(p (1 - p) / Q) is its half width."""
    values = [1] * 100 + [50] * 100
    one, ten = cell_of([ranks(*values)], CHANCE), cell_of([ranks(*values)] * 10, CHANCE)
    assert one.interval == ten.interval
    low, high = one.interval[1]
    assert (high - low) / 2 == pytest.approx(1.96 * (0.25 / 200) ** 0.5, rel=0.1)


def step(one: str, other: str, *differences: float, apart: tuple[bool, ...] = (False,) * 3) -> Step:
    ks = (1, 5, 10)
    clear = tuple(abs(d) > 0.05 for d in differences)
    return Step(one, other, *(dict(zip(ks, values, strict=True)) for values in (differences, clear, apart)))


def test_an_order_holds_where_every_step_goes_as_claimed():
    up = step("a", "b", 0.1, 0.2, 0.3, apart=(False, True, True))
    mixed = step("b", "c", -0.01, 0.02, 0.1, apart=(False, False, True))
    assert _holds([up, mixed]) == "holds at R@5, R@10 and not at R@1, with intervals that do not touch at R@10"
    assert _holds([step("a", "b", 0.01, 0.0, -0.3)]) == "holds at R@1 and not at R@5, R@10"
    assert _holds([step("a", "b", -0.1, -0.1, -0.1), up]) == "does not hold at R@1, 5 or 10"


@pytest.mark.parametrize(
    ("name", "stage", "direction", "words"),
    [
        ("table5", FINE_TUNED, "text_to_audio", "the paper's order"),
        ("table5", ZERO_SHOT, "text_to_audio", "the paper's order of fine-tuned models"),
        ("figure3", FINE_TUNED, "text_to_audio", "the paper's order"),
        ("figure5", FINE_TUNED, "text_to_video", "the paper's order"),
        ("figure5", FINE_TUNED, "audio_to_video", "the paper's order in text → video"),
        ("figure5", ZERO_SHOT, "text_to_audio", "the paper's order of fine-tuned models in text → video"),
        ("options", ZERO_SHOT, "text_to_video", "the expected order"),
    ],
)
def test_nothing_is_called_the_paper_s_that_the_paper_did_not_measure(name, stage, direction, words):
    assert claimed_order(TARGETS[name], stage, direction) == words


def test_a_difference_is_marked_by_how_sure_it_is():
    text = str(step("a", "b", 0.1, -0.01, 0.3, apart=(False, False, True)))
    assert text == r"+10.0\* / -1.0 / +30.0\*\*"


def table(benchmark: str = "") -> Table:
    target = dataclasses.replace(TARGETS["table5"], stages=("fine-tuned",))
    cells = {
        arm.name: {name: cell_of([ranks(*range(1, 2 + number))], CHANCE) for name in target.directions}
        for number, arm in enumerate(target.arms)
    }
    plan = Plan(data="store", assignments=("train.seed=3",))
    return Table(target, plan, 1, {"fine-tuned": cells}, {"fine-tuned": ["It holds."]}, benchmark, "store", ("abc",))


def test_the_paper_s_numbers_stand_beside_ours_only_on_its_data():
    assert "27.1 / 57.3 / 68.9" not in table().markdown()
    text = table("msrvtt").markdown()
    assert "| LPMM + GAM | 25.0 (0.0–75.0) | 100.0 (100.0–100.0) |" in text
    assert "27.1 / 57.3 / 68.9" in text
    assert "33.5 / 63.7 / 75.1" not in text  # SoundDescs, another data set
    assert "33.5 / 63.7 / 75.1" in table("sounddescs").markdown()


def test_the_caption_says_what_was_done():
    text = table().markdown()
    for part in (
        "Recipe `tiny`, train.seed=3",
        "N = 100",
        "1 seed;",
        "20 epochs in batches of 256 on store",
        "split test of store",
        "abc",
    ):
        assert part in text
    assert "It holds." in text
