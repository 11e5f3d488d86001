"""A table of many runs: means over seeds, intervals over clips and seeds, and what is said of the claimed order."""

import dataclasses
import itertools

import numpy as np
import pytest

from vlsa.reproduce.runs import Plan
from vlsa.reproduce.tables import Table, cell_of
from vlsa.reproduce.targets import FINE_TUNED, TARGETS, ZERO_SHOT
from vlsa.reproduce.verdicts import Step, Verdict, claimed_order, corrected, holds
from vlsa.retrieve.evaluate.compare import _Pair
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


def test_the_interval_is_over_clips_and_not_narrowed_by_seeds_that_agree():
    """Ten equal seeds know no more of another draw of clips than one; 1.96 sqrt(p (1 - p) / C) is its half width."""
    values = [1] * 100 + [50] * 100
    one, ten = cell_of([ranks(*values)], CHANCE), cell_of([ranks(*values)] * 10, CHANCE)
    assert ten.interval[1] == pytest.approx(one.interval[1], abs=1e-9)
    low, high = one.interval[1]
    assert (high - low) / 2 == pytest.approx(1.96 * (0.25 / 200) ** 0.5, rel=0.1)


def test_seeds_that_differ_widen_the_interval_to_that_of_student():
    """Clips agree within a seed, so only the seeds differ: mean ± t(0.975, 2) s / sqrt(3)."""
    num = 4000
    shares = np.array([0.3, 0.5, 0.7])
    files = [ranks(*np.random.default_rng(seed).permutation([1] * round(num * share) + [50] * round(num * (1 - share))))
             for seed, share in enumerate(shares)]  # fmt: skip
    low, high = cell_of(files, CHANCE).interval[1]
    half_width = 4.303 * shares.std(ddof=1) / 3**0.5
    assert (low, high) == (pytest.approx(max(0.5 - half_width, 0), abs=0.03), pytest.approx(0.5 + half_width, abs=0.03))


def test_captions_of_one_clip_do_not_narrow_the_interval_of_a_cell():
    values = np.array([1] * 30 + [50] * 70)
    five = dataclasses.replace(ranks(*np.repeat(values, 5)), clip=np.repeat(np.arange(100), 5))
    assert cell_of([five], CHANCE).interval == cell_of([ranks(*values)], CHANCE).interval


def test_a_cell_in_which_everything_is_right_has_an_interval_that_is_not_a_point():
    low, high = cell_of([ranks(*[1] * 200)] * 3, CHANCE).interval[1]
    assert (low, high) == (pytest.approx(0.025 ** (1 / 200)), 1)


def step(*differences: float, p_values: tuple[float, ...] = (0.001, 0.001, 0.001)) -> Step:
    return Step("a over b", *(dict(zip((1, 5, 10), values, strict=True)) for values in (differences, p_values)))


def test_an_order_holds_where_every_step_is_clear_and_as_claimed():
    up, mixed = step(0.1, 0.2, 0.3), step(-0.2, 0.02, 0.1, p_values=(0.001, 0.2, 0.049))
    assert holds([up, mixed]) == "holds at R@10, does not hold at R@1, is not decided at R@5"
    assert holds([up]) == "holds at R@1, R@5, R@10"
    assert holds([step(0.1, 0.2, -0.3, p_values=(0.05, 0.1, 1))]) == "is not decided at R@1, R@5, R@10"


def test_p_is_corrected_for_all_steps_recalls_and_directions_of_a_table():
    """Twelve p values: Holm's smallest is 12 times itself, the next one 11 times."""
    rest = step(0.1, 0.1, 0.1, p_values=(1, 1, 1))
    one, other = step(0.1, 0.1, 0.1, p_values=(0.004, 0.6, 0.7)), step(0.1, -0.1, 0.1, p_values=(0.8, 0.005, 0.9))
    found = corrected(
        [Verdict("s", "text_to_video", "", (one, rest)), Verdict("s", "text_to_audio", "", (rest, other))]
    )
    assert found[0].steps[0].p_value == {1: pytest.approx(0.048), 5: 1, 10: 1}
    assert found[1].steps[1].p_value == {1: 1, 5: pytest.approx(0.055), 10: 1}
    assert [verdict.steps[n].sign(k) for verdict in found for n in (0, 1) for k in (1, 5, 10)] == [1] + [0] * 11


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


def test_beside_a_specialist_it_is_said_how_far_below_and_whether_that_is_clear():
    intervals = {1: (-0.2, -0.1), 5: (-0.05, 0.03), 10: (0.0, 0.02)}
    far = dataclasses.replace(step(-0.15, -0.01, 0.01, p_values=(0.001, 0.5, 0.2)), interval=intervals)
    said = Verdict("zero-shot", "text_to_video", "", (far,)).sentence(TARGETS["specialists"])
    assert said == (
        "text → video: a over b, in percentage points: R@1 -15.0 [-20.0, -10.0], R@5 -1.0 [-5.0, +3.0], "
        "R@10 +1.0 [+0.0, +2.0]; clearly below it at R@1."
    )
    near = dataclasses.replace(step(-0.15, -0.01, 0.01, p_values=(0.1, 0.5, 0.2)), interval=intervals)
    said = Verdict("zero-shot", "text_to_video", "", (near,)).sentence(TARGETS["specialists"])
    assert said.endswith("; not clearly below it (at R@1 only before the correction for all differences).")


def test_a_difference_is_marked_where_it_is_clear():
    assert str(step(0.1, -0.01, -0.3, p_values=(0.01, 0.3, 0.01))) == r"+10.0\* / -1.0 / -30.0\*"


def test_one_table_of_twenty_marks_a_difference_between_four_equal_arms():
    """Four arms of three seeds that differ in nothing but seeds, clips and noise: 3 steps, 3 recalls, 2 directions."""
    rng = np.random.default_rng(0)
    num_tables, num_clips, num_marked = 80, 60, 0

    def arms() -> list[list[Ranks]]:
        hard = rng.normal(size=num_clips)
        spread = [[hard + 0.3 * rng.normal() + rng.normal(size=num_clips) for _ in range(3)] for _ in range(4)]
        return [[ranks(*np.exp(2 * one + 2).astype(int) + 1, num_items=10**9) for one in arm] for arm in spread]

    for _ in range(num_tables):
        verdicts = []
        for direction in ("text_to_video", "audio_to_video"):
            pairs = [_Pair(direction, *pair, False).differences(1000, 0) for pair in itertools.pairwise(arms())]
            steps = tuple(Step.of("a over b", direction, list(differences)) for differences in pairs)
            verdicts.append(Verdict(FINE_TUNED, direction, "the order", steps))
        num_marked += any(step.sign(k) for verdict in corrected(verdicts) for step in verdict.steps for k in (1, 5, 10))
    assert num_marked / num_tables < 0.05 + 3 * (0.05 * 0.95 / num_tables) ** 0.5


def table(benchmark: str = "") -> Table:
    target = dataclasses.replace(TARGETS["table5"], stages=("fine-tuned",))
    cells = {
        arm.name: {name: cell_of([ranks(*range(1, 2 + number))], CHANCE) for name in target.directions}
        for number, arm in enumerate(target.arms)
    }
    plan = Plan(data="store", assignments=("train.seed=3",))
    return Table(
        target, plan, 1, {"fine-tuned": cells}, {"fine-tuned": ["It holds."]}, benchmark, "store", "all", ("abc",)
    )


def test_the_paper_s_numbers_stand_beside_ours_only_on_its_data():
    assert "27.1 / 57.3 / 68.9" not in table().markdown()
    text = table("msrvtt").markdown()
    assert "| LPMM + GAM | 25.0 (0.0–75.0) | 100.0 (39.8–100.0) |" in text
    assert "27.1 / 57.3 / 68.9" in text
    assert "33.5 / 63.7 / 75.1" not in text  # SoundDescs, another data set
    assert "33.5 / 63.7 / 75.1" in table("sounddescs").markdown()


def test_the_sizes_of_each_direction_stand_next_to_its_name():
    made = table()
    for row in made.cells["fine-tuned"].values():
        row["text_to_audio"] = cell_of([ranks(1, 2, 3, num_items=70)], CHANCE)
    text = made.markdown()
    assert "**text → video** (N = 100, Q = 1)" in text
    assert "**text → audio** (N = 70, Q = 3)" in text


def test_the_caption_says_what_was_done():
    text = table().markdown()
    for part in (
        "Recipe `tiny`, train.seed=3",
        "**text → video** (N = 100, Q = 1)",
        "encoded: all",
        "1 seed;",
        "20 epochs in batches of 256 on store",
        "split test of store",
        "abc",
    ):
        assert part in text
    assert "It holds." in text
