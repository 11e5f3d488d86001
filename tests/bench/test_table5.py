"""How Table 5 is cut to a budget: as many steps as fit, by the step or by reading, whichever is slower."""

from types import SimpleNamespace

import pytest
import table5
from made import render

SIZE = table5.SIZES[True]
PLAN = SIZE.plan(num_steps=20, num_workers=4, assignments=[])


def fitting_steps(monkeypatch, tmp_path, step_seconds: float, reading_seconds: float, left: float) -> int:
    monkeypatch.setattr(table5, "time_steps", lambda *_args, **_options: SimpleNamespace(median=step_seconds))
    monkeypatch.setattr(table5, "_reading_seconds", lambda *_: reading_seconds)
    clips = render("world:train=2,test=0,px=16", tmp_path / "clips")
    steps = table5._fitting_steps(SIZE, PLAN, clips, SimpleNamespace(left=left), tmp_path)
    assert '"part": "probe"' in (tmp_path / "second.jsonl").read_text()
    return steps


@pytest.mark.parametrize(
    ("step_seconds", "reading_seconds", "seconds"),
    [(0.1, 0.001, 0.1), (0.1, 0.1, 0.2)],
    ids=["the step is slower", "reading is slower: 8 clips by 4 processes"],
)
def test_the_trainings_that_are_planned_fit_into_what_is_left(
    monkeypatch, tmp_path, step_seconds, reading_seconds, seconds
):
    steps = fitting_steps(monkeypatch, tmp_path, step_seconds, reading_seconds, left=250.0)
    tuning = 4 * seconds  # 4 arms, 1 epoch of 8 clips, as many as a step of pre-training has
    needed = 7 * 14 + tuning + 2.5 * steps * seconds
    assert 0.8 * 250 < needed <= 250
    assert steps == int(0.85 * (250 - 7 * 14 - tuning) / 2.5 / seconds)


def test_steps_stay_within_what_is_useful(monkeypatch, tmp_path):
    assert fitting_steps(monkeypatch, tmp_path, 1e-6, 1e-9, left=250.0) == table5.MOST_STEPS


def test_a_late_start_still_trains_a_little(monkeypatch, tmp_path):
    assert fitting_steps(monkeypatch, tmp_path, 0.1, 0.001, left=50.0) == table5.LEAST_STEPS


def test_a_second_start_keeps_the_steps_of_the_first(tmp_path):
    assert table5._held_steps(tmp_path) is None
    (tmp_path / "plan.json").write_text('{"budget_steps": 77}')
    assert table5._held_steps(tmp_path) == 77


def test_every_arm_of_the_table_is_trained_the_whole_method_first():
    assert set(map(id, table5.ORDER)) == set(map(id, table5.TARGET.arms))
    assert table5.ORDER[0].label == "LPMM + GAM"
