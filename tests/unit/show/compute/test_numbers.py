"""Numbers of figures: intervals that say how little few clips tell."""

import numpy as np
import pytest

from vlsa.show.compute.numbers import bootstrap_interval, mean_over_clips
from vlsa.show.figures import _hit_rate_sentence


def test_five_hits_of_five_have_the_exact_interval_of_the_binomial_law():
    hits = mean_over_clips("f", "hits", np.ones(5), {"chance": np.full(5, 0.25)}, bounds=(0.0, 1.0))
    assert hits.interval == pytest.approx((0.025 ** (1 / 5), 1))
    assert hits.row()[3] == "0.478 to 1.000"
    none = mean_over_clips("f", "hits", np.zeros(5), bounds=(0.0, 1.0))
    assert none.interval == pytest.approx((0, 1 - 0.025 ** (1 / 5)))


def test_the_sentence_over_the_sound_maps_does_not_promise_a_point():
    hits = mean_over_clips("f", "maximum on the sounding object", np.ones(5), {"chance": np.ones(5) / 4}, (0.0, 1.0))
    assert "in 100% of the frames (95%: 48 to 100%; chance 25%)" in _hit_rate_sentence([hits])


@pytest.mark.parametrize("values", [np.array([0.7]), np.full(6, 0.7)])
def test_an_error_that_is_the_same_in_all_clips_has_no_interval(values):
    error = mean_over_clips("f", "error", values)
    assert (error.interval, error.row()[3], error.as_dict()["interval"]) == (None, "", None)


def test_one_clip_tells_little_about_a_rate():
    low, high = bootstrap_interval(np.array([0.5]), (0.0, 1.0))
    assert (low, high) == pytest.approx((0.5 - 0.975 / 2, 0.5 + 0.975 / 2))


def test_values_that_differ_have_an_interval_as_wide_as_their_spread():
    values = np.random.default_rng(0).normal(3, 2, size=400)
    low, high = bootstrap_interval(values)
    assert (low, high) == pytest.approx((values.mean() - 0.196, values.mean() + 0.196), abs=0.03)
