"""The made world: three renderings of one log that agree where they should, and keep apart where they should."""

import dataclasses
import itertools
import math
from collections import Counter

import numpy as np
import pytest

from vlsa.base.errors import ConfigError
from vlsa.data.clip import Clip
from vlsa.data.world import (
    SHARED_FACTS,
    ClipLog,
    Facts,
    caption,
    caption_bits,
    ceiling,
    draw_facts,
    draw_log,
    held_out,
    made_clips,
    render_picture,
    world_log,
)
from vlsa.data.world import words as world_words
from vlsa.data.world.events import COMBINATION, COUNTS, DIRECTIONS, MOTIONS, SIZES, TEMPOS, reach
from vlsa.data.world.motion import path
from vlsa.data.world.picture import MARK

RATE_HZ = 22_050


def make_log(seed: int = 0, **facts: object) -> ClipLog:
    rng = np.random.default_rng(seed)
    plain = {"ambience": "none", "companion": None, "colour": "blue"}
    return draw_log(rng, draw_facts(rng, **(plain | facts)))


def with_facts(log: ClipLog, **facts: object) -> ClipLog:
    return dataclasses.replace(log, facts=dataclasses.replace(log.facts, **facts))


def is_mark(frames: np.ndarray) -> np.ndarray:
    return (np.abs(frames.astype(int) - MARK) < 12).all(axis=-1)


# --- the log


def test_the_same_seed_gives_the_same_log_and_another_seed_another():
    assert world_log(3, "train", 7) == world_log(3, "train", 7)
    assert world_log(3, "train", 7) != world_log(4, "train", 7)
    assert world_log(3, "train", 7) != world_log(3, "test", 7)


@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("tempo", TEMPOS)
def test_every_count_fits_into_the_clip(motion, tempo):
    for count, seed in itertools.product(COUNTS, range(5)):
        log = make_log(seed, motion=motion, tempo=tempo, count=count)
        assert len(log.events) == count
        assert 0.2 <= log.impact_seconds[0] <= 0.7 and log.impact_seconds[-1] < log.duration_seconds - 0.2
        assert (np.diff(log.impact_seconds) > 0.12).all()


def test_a_bounce_keeps_its_restitution_in_time_and_loudness_within_the_jitter():
    log = make_log(motion="bounce", count=5, tempo="slow")
    intervals = np.diff(log.impact_seconds)
    assert intervals[1:] / intervals[:-1] == pytest.approx(np.full(3, 0.86), rel=0.085)
    loudness = np.array([event.loudness for event in log.events])
    assert loudness[1:] / loudness[:-1] == pytest.approx(np.full(4, 0.78), abs=1e-3)


@pytest.mark.parametrize(("motion", "ratio"), [("knock", 1.0), ("stairs", 1 / 0.78), ("swing", 0.78)])
def test_other_motions_keep_equal_intervals_and_each_its_own_loudness(motion, ratio):
    log = make_log(motion=motion, count=4, tempo="fast")
    assert np.diff(log.impact_seconds) == pytest.approx(np.full(3, 0.25), rel=0.041)
    loudness = np.array([event.loudness for event in log.events])
    assert loudness[1:] / loudness[:-1] == pytest.approx(np.full(3, ratio), abs=1e-3)
    assert loudness.max() == 1


def test_slow_and_fast_never_overlap():
    for motion, seed in itertools.product(MOTIONS, range(10)):
        slow, fast = (make_log(seed, motion=motion, tempo=tempo, count=5).interval_seconds for tempo in TEMPOS)
        assert slow > 1.5 * fast


def test_facts_are_drawn_independently():
    rng = np.random.default_rng(0)
    facts = [draw_facts(rng) for _ in range(4000)]
    for first, second in itertools.combinations(COMBINATION, 2):
        table = Counter((getattr(f, first), getattr(f, second)) for f in facts)
        expected = len(facts) / (len(COMBINATION[first]) * len(COMBINATION[second]))
        assert len(table) == round(len(facts) / expected)
        assert all(abs(n - expected) < 5 * math.sqrt(expected) for n in table.values()), (first, second)


# --- the path


@pytest.mark.parametrize("motion", MOTIONS)
def test_the_object_touches_exactly_at_each_impact(motion):
    log = make_log(1, motion=motion, count=5, direction="right")
    sideways, down = reach(log.facts)
    for index, (event, (x, y)) in enumerate(zip(log.events, path(log, log.impact_seconds), strict=True)):
        side = -1 if motion == "knock" and index % 2 else 1
        gap = event.y - (y + down) if motion in ("bounce", "stairs") else event.x - (x + side * sideways)
        assert gap == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("motion", MOTIONS)
def test_a_clip_to_the_left_is_the_mirror_of_one_to_the_right(motion):
    left, right = (make_log(2, motion=motion, count=3, direction=direction) for direction in DIRECTIONS)
    seconds = np.linspace(0, 3, 97)
    mirrored = path(right, seconds) * [-1, 1] + [1, 0]
    assert path(left, seconds) == pytest.approx(mirrored, abs=2e-5)


@pytest.mark.parametrize("motion", MOTIONS)
def test_the_object_moves_without_jumps_stays_in_the_frame_and_rests_at_the_end(motion):
    for size, count in itertools.product(SIZES, (1, 5)):
        log = make_log(3, motion=motion, size=size, count=count)
        centres = path(log, np.arange(0, 3, 0.001))
        assert np.abs(np.diff(centres, axis=0)).max() < 0.01
        edges = np.stack([centres - reach(log.facts), centres + reach(log.facts)])
        assert edges.min() > -0.08 and edges.max() < 1.04
        assert np.ptp(centres[-150:], axis=0).max() == 0


def test_a_bounce_falls_freely_under_the_same_gravity_fast_or_slow():
    for tempo in TEMPOS:
        log = make_log(motion="bounce", count=3, tempo=tempo)
        begin, end = log.impact_seconds[:2]
        seconds = np.linspace(begin + 0.01, end - 0.01, 50)
        fall = np.polynomial.Polynomial.fit(seconds, path(log, seconds)[:, 1], 2).convert()
        assert 2 * fall.coef[2] == pytest.approx(8 * 0.5 / 0.59**2, rel=1e-4)  # a slow hop of 0.59 s rises half a frame


# --- the words


def facts_named(text: str, facts: Facts) -> set[str]:
    """Which facts a caption names, by looking its words up: an independent reading of the grammar."""
    tables = {
        "shape": world_words.SHAPE_WORDS,
        "size": world_words.SIZE_WORDS,
        "material": world_words.MATERIAL_WORDS,
        "motion": world_words.MOTION_WORDS,
        "count": world_words.COUNT_WORDS,
        "tempo": world_words.TEMPO_WORDS,
        "direction": world_words.DIRECTION_WORDS,
        "ambience": world_words.AMBIENCE_WORDS,
    }
    text = f" {text.replace(',', '')} "
    named = {n for n, t in tables.items() if any(f" {w} " in text for w in t.get(getattr(facts, n), ()))}
    return named | ({"colour"} if f" {facts.colour} " in text else set())


def test_a_full_caption_names_every_fact():
    rng = np.random.default_rng(0)
    for _ in range(100):
        log = draw_log(rng)
        text = caption(log, rng, "template")
        wanted = set(COMBINATION) | {"colour", "direction"} | ({"ambience"} if log.facts.ambience != "none" else set())
        assert facts_named(text, log.facts) == wanted, text
        if log.facts.companion is not None:
            assert f" a {log.facts.companion[0]} " in text.split("below")[-1].split("under")[-1]


def test_a_paraphrase_drops_some_facts_but_never_more_than_half():
    rng = np.random.default_rng(1)
    shares = []
    for _ in range(200):
        log = make_log(int(rng.integers(1000)), companion=None)
        text = caption(log, rng, "paraphrase")
        shares.append(1 - len(facts_named(text, log.facts)) / 8)
    assert 0.2 <= min(shares) < 0.3 and 0.4 < max(shares) <= 0.5 + 1e-9


def test_a_caption_never_names_a_wrong_value():
    rng = np.random.default_rng(2)
    for _ in range(100):
        log = make_log(int(rng.integers(1000)))
        text = caption(log, rng, "paraphrase")
        for name, values in COMBINATION.items():
            wrong = [with_facts(log, **{name: value}).facts for value in values if value != getattr(log.facts, name)]
            assert not any(name in facts_named(text, facts) for facts in wrong), text


def test_the_label_is_short_and_fixed():
    log = make_log(colour="red", shape="ball", material="wood", motion="bounce", count=3)
    assert caption(log, np.random.default_rng(0), "label") == "red ball, wood, bounces 3 times"


def test_the_vocabulary_is_small():
    forms = {w for i in range(300) for text in world_log(0, "train", i)[1] for w in text.replace(",", "").split()}
    assert 60 < len(forms) < 120


# --- the splits


def test_training_and_held_out_clips_share_no_combination():
    train = {world_log(0, "train", i)[0].facts.combination for i in range(1000)}
    test = [world_log(0, "test", i)[0].facts.combination for i in range(200)]
    assert len(set(test)) == len(test)
    assert not train & set(test) and not train & set(held_out(0))


def test_each_value_occurs_about_equally_often_in_both_splits():
    train = [world_log(0, "train", i)[0].facts for i in range(1000)]
    test = [world_log(0, "test", i)[0].facts for i in range(200)]
    for name, values in COMBINATION.items():
        for value in values:
            assert sum(getattr(f, name) == value for f in test) == pytest.approx(200 / len(values), abs=5), (
                name,
                value,
            )
            assert sum(getattr(f, name) == value for f in train) == pytest.approx(1000 / len(values), abs=60), (
                name,
                value,
            )


def test_a_training_clip_has_three_captions_and_a_held_out_clip_one():
    assert len(world_log(0, "train", 0)[1]) == 3
    assert len(world_log(0, "test", 0)[1]) == 1


def test_asking_for_a_held_out_clip_that_does_not_exist_says_how_many_there_are():
    with pytest.raises(ConfigError, match="at most 1200"):
        world_log(0, "test", 1200)


def test_made_clips_need_no_files_and_agree_with_their_logs():
    first, second = made_clips(0, [4, 5])
    assert isinstance(first, Clip) and first.id == "train/00004" and second.id == "train/00005"
    assert first.frames.shape == (24, 64, 64, 3) and first.sound.shape == (33_075,) and len(first.texts) == 3
    log, texts = world_log(0, "train", 5)
    np.testing.assert_array_equal(second.frames, render_picture(log, frames_per_second=8))
    assert second.texts == texts
    assert next(made_clips(0, [4], split="test")).id == "test/00004"


# --- the ceiling


def test_the_ceiling_of_clips_that_are_all_different_is_one_and_of_twins_k_out_of_n():
    different = [make_log(0, count=count, motion=motion) for count in COUNTS for motion in MOTIONS]
    assert ceiling(different, ("count", "motion")) == 1
    assert ceiling(different, ("motion",)) == pytest.approx(1 / 5)
    assert ceiling(different, ("motion",), k=3) == pytest.approx(3 / 5)
    assert ceiling(different, (), k=10) == pytest.approx(10 / 20)


def test_caption_bits_are_the_log_of_the_number_of_clips_told_apart():
    assert caption_bits(("shape", "material", "direction")) == pytest.approx(math.log2(4 * 4 * 2))
    assert caption_bits(SHARED_FACTS["audio-video"]) == pytest.approx(math.log2(3 * 4 * 5 * 2))


def test_the_entropy_of_the_drawn_companion_is_the_bits_it_is_said_to_fix():
    rng = np.random.default_rng(0)
    counts = np.array(list(Counter(draw_facts(rng).companion for _ in range(20_000)).values())) / 20_000
    assert -(counts * np.log2(counts)).sum() == pytest.approx(caption_bits(("companion",)), abs=0.02)
