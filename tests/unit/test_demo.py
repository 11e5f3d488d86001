"""The demo's own parts: its settings, its record of time, and its refusal to mix two demos."""

import json

import pytest

from vlsa import demo, demo_search
from vlsa.base.errors import ConfigError
from vlsa.demo import DemoRecord, DemoSettings
from vlsa.retrieve.search.moments import Moment


def test_the_seed_and_the_steps_reach_the_recipe():
    config = DemoSettings(seed=3, num_steps=50, assignments=("train.batch_size=8",)).config()
    assert (config.recipe, config.train.seed, config.train.num_steps, config.train.batch_size) == ("tiny", 3, 50, 8)
    assert config.train.evaluate_every_steps == 10


def test_two_numbers_of_steps_are_refused():
    with pytest.raises(ConfigError, match="both say how long"):
        DemoSettings(num_steps=50, assignments=("num_steps=60",)).config()
    assert DemoSettings(assignments=("train.num_steps=60",)).config().train.num_steps == 60


def test_a_recipe_that_says_when_to_evaluate_is_left_alone():
    assert DemoSettings(assignments=("train.evaluate_every_steps=7",)).config().train.evaluate_every_steps == 7


def test_a_run_of_fewer_steps_than_measurements_is_measured_each_step():
    assert DemoSettings(num_steps=2).config().train.evaluate_every_steps == 1


def test_fewer_clips_than_a_batch_are_refused_before_anything_is_made(tmp_path):
    with pytest.raises(ConfigError, match=r"--set train\.batch_size=50"):
        demo.run_demo(tmp_path / "demo", DemoSettings(num_train=50), num_workers=0)
    assert not (tmp_path / "demo").exists()
    DemoSettings(num_train=50, assignments=("train.batch_size=50",)).config()


def test_an_answer_shows_what_the_world_says_of_it_or_else_its_own_words(tmp_path):
    times = {"start_seconds": 0.0, "stop_seconds": 1.0, "best_start_seconds": 0.0, "best_stop_seconds": 1.0}
    hit = Moment(rank=1, path=str(tmp_path / "0.mp4"), score=0.5, stand_out=2.0, texts=("own",), **times)
    assert demo_search._captioned(hit, {str(tmp_path / "0.mp4"): "a red ball"}).texts == ("a red ball",)
    assert demo_search._captioned(hit, {}).texts == ("own",)


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(demo.time, "monotonic", lambda: now[0])
    return now


def test_time_adds_up_over_interruptions_and_a_finished_stage_is_not_counted_again(tmp_path, clock):
    def spend(seconds: float, stop: bool = False) -> dict[str, float]:
        record = DemoRecord(tmp_path / "demo.json", DemoSettings())
        with record.stage("prepare"):
            clock[0] += seconds
            if stop:
                raise KeyboardInterrupt
        return record.seconds

    with pytest.raises(KeyboardInterrupt):
        spend(5, stop=True)
    assert spend(2) == {"prepare": 7.0}
    assert spend(1) == {"prepare": 7.0}


def test_a_folder_holds_one_demo(tmp_path):
    with DemoRecord(tmp_path / "demo.json", DemoSettings()).stage("prepare"):
        pass
    DemoRecord(tmp_path / "demo.json", DemoSettings())
    with pytest.raises(ConfigError, match="seed 0 -> 1"):
        DemoRecord(tmp_path / "demo.json", DemoSettings(seed=1))


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"settings": {}})])
def test_a_record_that_is_none_is_refused(text, tmp_path):
    (tmp_path / "demo.json").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="not the record of a demo"):
        DemoRecord(tmp_path / "demo.json", DemoSettings())


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "demo").write_text("x", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be made"):
        demo.run_demo(tmp_path / "demo", DemoSettings(), num_workers=0)


def test_held_out_clips_come_with_their_first_caption(tmp_path):
    lines = ["path,start_seconds,stop_seconds,text,split", "train/0.mp4,,,a,train"]
    lines += ["test/0.mp4,,,first,test", "test/0.mp4,,,second,test", "test/1.mp4,,,third,test"]
    (tmp_path / "captions.csv").write_text("\n".join(lines), encoding="utf-8")
    assert demo_search._held_out(tmp_path) == [(tmp_path / "test/0.mp4", "first"), (tmp_path / "test/1.mp4", "third")]
