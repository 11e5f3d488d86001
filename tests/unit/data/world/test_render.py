"""Picture and sound of a made clip: what each shows, what it must not show, and that they fall together."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from scipy import ndimage, signal

from vlsa.data.world import ClipLog, draw_facts, draw_log, render_picture, render_sound
from vlsa.data.world.events import COUNTS, MATERIALS, MOTIONS, SHAPES, SIZES, TEMPOS, reach
from vlsa.data.world.motion import path
from vlsa.data.world.picture import MARK, contact_frame, mark_places

RATE_HZ = 22_050


def make_log(seed: int = 0, **facts: object) -> ClipLog:
    rng = np.random.default_rng(seed)
    plain = {"ambience": "none", "companion": None, "colour": "blue"}
    return draw_log(rng, draw_facts(rng, **(plain | facts)))


def with_facts(log: ClipLog, **facts: object) -> ClipLog:
    return dataclasses.replace(log, facts=dataclasses.replace(log.facts, **facts))


def is_mark(frames: np.ndarray) -> np.ndarray:
    return (np.abs(frames.astype(int) - MARK) < 12).all(axis=-1)


# --- the picture


@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("count", COUNTS)
def test_the_last_frame_shows_one_mark_for_each_impact(motion, count):
    for size, tempo in itertools.product(SIZES, TEMPOS):
        log = make_log(count, motion=motion, count=count, size=size, tempo=tempo)
        _, num_marks = ndimage.label(is_mark(render_picture(log)[-1]))
        assert num_marks == count, log.facts


@pytest.mark.parametrize("frames_per_second", [8, 16])
def test_a_mark_appears_within_half_a_frame_of_its_impact(frames_per_second):
    for motion in MOTIONS:
        log = make_log(5, motion=motion, count=3)
        marks = is_mark(render_picture(log, frames_per_second=frames_per_second))
        for event, (x, y) in zip(log.events, mark_places(log) * 64, strict=True):
            first = int(marks[:, int(y), int(x)].argmax())
            assert abs(first / frames_per_second - event.seconds) <= 0.5 / frames_per_second + 1e-9
            assert first == contact_frame(event, frames_per_second)


def test_what_is_only_heard_leaves_the_picture_alone():
    log = make_log(6, material="wood")
    for heard in ({"material": "metal"}, {"ambience": "rain"}):
        np.testing.assert_array_equal(render_picture(with_facts(log, **heard)), render_picture(log))


@pytest.mark.parametrize(
    "seen", [{"colour": "red"}, {"shape": "star"}, {"size": "big"}, {"companion": ("red", "ball")}]
)
def test_what_is_seen_changes_the_picture(seen):
    log = make_log(7, size="small", shape="ball")
    assert not np.array_equal(render_picture(with_facts(log, **seen)), render_picture(log))


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_are_as_large_as_their_reach_says(shape):
    log = make_log(8, shape=shape, size="big", colour="white", motion="stairs", count=1)
    frame = render_picture(log, size_px=128)[0].astype(int)
    rows, columns = np.nonzero(frame.min(axis=-1) > 110)
    sideways, down = np.array(reach(log.facts)) * 128
    assert np.ptp(columns) + 1 == pytest.approx(2 * sideways, abs=2.5)
    assert rows.max() + 1 - path(log, np.zeros(1))[0, 1] * 128 == pytest.approx(down, abs=1.5)


def test_eight_sparse_frames_tell_the_motions_apart():
    logs = [make_log(9, motion=motion, count=3, tempo="fast", shape="ball", size="medium") for motion in MOTIONS]
    ends = [is_mark(render_picture(log)[-1]) for log in logs]
    for first, second in itertools.combinations(ends, 2):
        assert (first != second).sum() > 10


def test_the_background_is_dim_and_knows_nothing_of_the_content():
    log = make_log(10)
    corner = render_picture(log)[0, -1, :3]
    assert corner.max() < 100
    np.testing.assert_array_equal(corner, render_picture(with_facts(log, colour="white", material="glass"))[0, -1, :3])


# --- the sound


@pytest.mark.parametrize("material", MATERIALS)
@pytest.mark.parametrize("motion", MOTIONS)
def test_each_onset_falls_on_its_impact(material, motion):
    log = make_log(11, material=material, motion=motion, count=4, tempo="slow")
    level = np.abs(render_sound(log, RATE_HZ))
    for event in log.events:
        begin = int(event.seconds * RATE_HZ)
        before, after = level[begin - 40 : begin].max(), level[begin : begin + 40].max()
        assert after > 0.1 * event.loudness and after > 3 * before


def test_there_is_silence_before_the_first_impact():
    log = make_log(12)
    begin = math.ceil(log.events[0].seconds * RATE_HZ)
    assert not render_sound(log, RATE_HZ)[:begin].any()


def test_what_is_only_seen_leaves_the_sound_alone():
    log = make_log(13)
    for seen in ({"colour": "red"}, {"shape": "star"}, {"companion": ("red", "ball")}):
        np.testing.assert_array_equal(render_sound(with_facts(log, **seen), RATE_HZ), render_sound(log, RATE_HZ))


@pytest.mark.parametrize("material", MATERIALS)
def test_each_size_sounds_an_octave_below_the_smaller_one(material):
    peaks = []
    for size in SIZES:
        log = make_log(14, motion="swing", count=1, material=material, size=size, tempo="slow")
        sound = render_sound(log, RATE_HZ)
        hertz, power = signal.periodogram(sound, RATE_HZ)
        peaks.append(hertz[power.argmax()] / log.pitch)
    assert peaks[0] / peaks[1] == pytest.approx(2, rel=0.12) and peaks[1] / peaks[2] == pytest.approx(2, rel=0.12)


def test_materials_ring_for_different_times():
    def ringing_seconds(material: str) -> float:
        sound = render_sound(make_log(15, material=material, motion="swing", count=1), RATE_HZ)
        return float(np.flatnonzero(np.abs(sound) > 0.02).max() / RATE_HZ)

    rubber, wood, glass, metal = (ringing_seconds(name) for name in ("rubber", "wood", "glass", "metal"))
    assert rubber < wood < glass < metal


def test_what_sounds_off_screen_stays_twenty_two_decibels_below():
    log = make_log(16)
    alone = render_sound(log, RATE_HZ)
    for ambience in ("bird", "hum", "rain"):
        around = render_sound(with_facts(log, ambience=ambience), RATE_HZ) - alone
        assert 20 * np.log10(np.abs(around).max() / np.abs(alone).max()) == pytest.approx(-22, abs=0.2)


def test_every_clip_is_equally_loud():
    peaks = [np.abs(render_sound(make_log(seed), 11_025)).max() for seed in range(20)]
    assert peaks == pytest.approx(np.full(20, 0.7), abs=1e-4)
