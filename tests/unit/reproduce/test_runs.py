"""Runs of a folder: results that cannot stand in one table are refused before anything is trained."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vlsa.base.errors import ConfigError, ResultsError
from vlsa.reproduce.plan import Plan, place
from vlsa.reproduce.runs import _all, _check_results, carry_out
from vlsa.reproduce.sources import Sources
from vlsa.reproduce.tables import make_table
from vlsa.reproduce.targets import TARGETS
from vlsa.retrieve.encode.embed import ClipEmbeddings
from vlsa.retrieve.encode.sampling import COVERING, MIDDLE, Sampling
from vlsa.retrieve.encode.unit_vectors import unit_length
from vlsa.retrieve.evaluate.directions import evaluate_embeddings
from vlsa.retrieve.evaluate.evaluate import Evaluation

TARGET = TARGETS["table5"]
RUNS = list(_all(TARGET, 1))
PLAN = Plan(data="world:train=4,test=12,px=16")


def write(path: Path, seed: int, sampling: Sampling | None, num_clips: int = 12) -> None:
    """Results of random embeddings; None = as 0.3 wrote them, without a rule."""
    rng = np.random.default_rng(seed)
    parts = [unit_length(rng.normal(size=(num_clips, 4)).astype(np.float32)) for _ in range(3)]
    names, present = tuple(map(str, range(num_clips))), np.ones(num_clips, bool)
    clips = ClipEmbeddings(names, parts[0], present, parts[1], present, parts[2], np.arange(num_clips), names)
    model = {"fingerprint": str(seed)} | ({"sampling": sampling.as_dict()} if sampling else {})
    path.parent.mkdir(parents=True, exist_ok=True)
    directions = evaluate_embeddings(clips, num_resamples=0)
    Evaluation("store", "test", num_clips, num_clips, directions, model=model, data_digest="d").write(path)


def write_all(out: Path, samplings: list[Sampling | None], num_clips: list[int] | None = None) -> None:
    """One file for each of the first runs."""
    for number, ((arm, seed, stage), sampling) in enumerate(zip(RUNS, samplings, strict=False)):
        write(place(out, arm, seed).results(stage), number, sampling, num_clips[number] if num_clips else 12)


def test_a_table_that_an_older_version_began_is_not_completed_by_another_rule_of_encoding(tmp_path, monkeypatch):
    write_all(tmp_path, [None] * 3)
    sources = Sources(PLAN)
    monkeypatch.setattr("vlsa.reproduce.runs.check", lambda *_: None)
    with pytest.raises(ResultsError, match="the middle window and the centre crop .* Delete the results .* without"):
        carry_out(TARGET, PLAN, 1, tmp_path, sources)


@pytest.mark.parametrize("name", ["train.num_steps", "num_steps"])
def test_two_numbers_of_steps_are_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="both say how long"):
        carry_out(TARGET, replace(PLAN, budget_steps=3, assignments=(f"{name}=5",)), 1, tmp_path)
    assert not (tmp_path / "plan.json").exists()


@pytest.mark.parametrize("name", ["train.seed", "seed", " train.seed "])
def test_a_seed_or_first_weights_of_one_s_own_are_refused_however_short_the_name_that_set_takes(tmp_path, name):
    with pytest.raises(ConfigError, match="this one would be ignored"):
        carry_out(TARGET, replace(PLAN, assignments=(f"{name}=5",)), 1, tmp_path)
    with pytest.raises(ConfigError, match="without pre-training would be pre-trained"):
        carry_out(TARGET, replace(PLAN, assignments=(f"{name.replace('seed', 'init')}=vit",)), 1, tmp_path)
    assert not (tmp_path / "plan.json").exists()


def test_a_budget_shortens_the_warm_up_but_for_one_that_was_asked_for():
    asked = replace(PLAN, budget_steps=400, assignments=("warmup_steps=100",))
    assert asked.config(TARGET.arms[-1], 0).train.warmup_steps == 100
    assert replace(asked, assignments=()).config(TARGET.arms[-1], 0).train.warmup_steps == 40


def test_results_that_are_all_of_one_rule_of_encoding_are_kept(tmp_path):
    write_all(tmp_path, [None, MIDDLE] * len(RUNS))
    _check_results(TARGET, 1, tmp_path)
    assert "encoded: the middle window" in make_table(TARGET, PLAN, 1, tmp_path).caption()
    write_all(tmp_path, [None, COVERING])
    with pytest.raises(ResultsError, match="they cannot be compared"):
        _check_results(TARGET, 1, tmp_path)
    with pytest.raises(ResultsError, match="have to be encoded by one rule"):
        make_table(TARGET, PLAN, 1, tmp_path)


@pytest.mark.parametrize("name", ["figure3", "table5"])
def test_results_with_another_gallery_are_refused_in_one_line_whichever_arm_they_are_of(tmp_path, name):
    target = TARGETS[name]
    for number, (arm, seed, stage) in enumerate(runs := list(_all(target, 1))):
        write(place(tmp_path, arm, seed).results(stage), number, COVERING)
    for number in (1, len(runs) - 1):
        arm, seed, stage = runs[number]
        write(place(tmp_path, arm, seed).results(stage), number, COVERING, num_clips=11)
        with pytest.raises(ResultsError, match="another gallery in text_to_video"):
            make_table(target, PLAN, 1, tmp_path)
        write(place(tmp_path, arm, seed).results(stage), number, COVERING)


def test_seeds_with_other_queries_are_refused_in_one_line(tmp_path):
    for number, (arm, seed, stage) in enumerate(_all(TARGET, 2)):
        write(
            place(tmp_path, arm, seed).results(stage), number, COVERING, num_clips=12 - (arm.name == "gam-only") * seed
        )
    with pytest.raises(ResultsError, match="another gallery in text_to_video"):
        make_table(TARGET, PLAN, 2, tmp_path)


def test_objectives_for_all_directions_stand_beside_the_specialist_of_each(tmp_path):
    wanted = TARGETS["specialists"]
    for number, (arm, seed, stage) in enumerate(_all(wanted, 2)):
        write(place(tmp_path, arm, seed).results(stage), number, COVERING)
    said = make_table(wanted, PLAN, 2, tmp_path).verdicts["zero-shot"]
    assert [sentence.split(",")[0] for sentence in said] == [
        f"{direction}: {arm} over {specialist}"
        for arm in ("best", "heads teacher")
        for direction, specialist in (
            ("text → video", "LPMM + VTM"),
            ("text → audio", "LPMM + GAM"),
            ("audio → video", "LPMM + GAM"),
            ("video → text", "LPMM + VTM"),
            ("audio → text", "LPMM + GAM"),
            ("video → audio", "LPMM + GAM"),
        )
    ]
