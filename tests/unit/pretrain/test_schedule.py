"""The learning rate: linear warm-up to the peak, then half a cosine to zero."""

import pytest
from tiny import plain_clip, tiny_run

from vlsa.data.loading.loader import MemoryClips
from vlsa.pretrain.loop import pretrain
from vlsa.pretrain.schedule import learning_rate, log_endless_warm_up


def rates(num_steps: int, warmup_steps: int) -> list[float]:
    train = tiny_run(num_steps=num_steps, warmup_steps=warmup_steps, learning_rate=0.1).train
    return [learning_rate(step, train) for step in range(num_steps)]


def test_the_warm_up_rises_in_equal_steps_to_the_peak():
    assert rates(100, 4)[:5] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1])


def test_half_way_down_the_rate_is_half_the_peak_and_the_end_is_near_zero():
    values = rates(104, 4)
    assert values[54] == pytest.approx(0.05)
    assert 0 < values[-1] < 1e-4
    assert values[4:] == sorted(values[4:], reverse=True)


def test_without_warm_up_it_begins_at_the_peak():
    assert rates(10, 0)[0] == pytest.approx(0.1)


def test_a_warm_up_longer_than_the_run_only_rises():
    values = rates(5, 50)
    assert values == pytest.approx([0.002 * (step + 1) for step in range(5)])


def test_past_the_last_step_it_stays_zero():
    assert learning_rate(200, tiny_run(num_steps=100).train) == pytest.approx(0)


def test_a_run_that_is_over_before_its_warm_up_is_warned_of_with_the_rate_at_which_it_ends(caplog):
    log_endless_warm_up(tiny_run(num_steps=51, warmup_steps=50).train)
    assert not caplog.messages
    log_endless_warm_up(tiny_run(num_steps=20, warmup_steps=50, learning_rate=0.1).train)
    assert caplog.messages == [
        "train.warmup_steps=50 is no less than train.num_steps=20: the learning rate ends at 0.04, 40% of "
        "train.learning_rate, and never falls; set train.warmup_steps=2"
    ]


def test_the_loop_gives_that_warning(tmp_path, caplog):
    clips = MemoryClips({"train": [plain_clip(id=f"c{n}") for n in range(4)]})
    pretrain(tiny_run(num_steps=1, warmup_steps=1), clips, tmp_path / "run")
    assert "train.warmup_steps=1 is no less than train.num_steps=1" in caplog.text
