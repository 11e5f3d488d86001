"""Resampling: what is drawn, medians of draws, intervals at the edges, and p-values."""

import tracemalloc

import numpy as np
import pytest
from scipy.stats import binomtest, t

from vlsa.retrieve.evaluate import bootstrap
from vlsa.retrieve.evaluate.bootstrap import (
    Medians,
    bounded_interval,
    for_few_clips,
    holm,
    interval,
    means,
    p_value,
    resampled_queries,
    resamples,
)
from vlsa.retrieve.evaluate.metrics import score
from vlsa.retrieve.evaluate.ranks import Ranks


def test_each_resample_draws_as_many_queries_as_there_are():
    counts = np.concatenate(list(resamples(7, 500, seed=1)))
    assert counts.shape == (500, 7)
    assert (counts.sum(axis=1) == 7).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(7), abs=0.2)
    assert counts.var() == pytest.approx(6 / 7, abs=0.1)  # of a binomial draw: 7 * 1/7 * 6/7


def test_blocks_hold_few_draws_and_the_seed_decides(monkeypatch):
    monkeypatch.setattr(bootstrap, "_BLOCK_DRAWS", 20)
    blocks = list(resamples(6, 10, seed=3))
    assert [len(block) for block in blocks] == [3, 3, 3, 1]
    again, other = (np.concatenate(list(resamples(6, 10, seed))) for seed in (3, 4))
    np.testing.assert_array_equal(np.concatenate(blocks), again)
    assert (again != other).any()


@pytest.mark.parametrize("num_queries", [1, 2, 9, 10])
def test_means_and_medians_of_counts_are_those_of_the_drawn_values(num_queries):
    values = np.random.default_rng(num_queries).integers(1, 6, num_queries) / 2
    counts = np.concatenate(list(resamples(num_queries, 200, seed=0)))
    drawn = [np.repeat(values, row.astype(int)) for row in counts]
    np.testing.assert_allclose(Medians(values)(counts), [np.median(one) for one in drawn])
    np.testing.assert_allclose(means(counts, values[:, None])[:, 0], [one.mean() for one in drawn])


def test_all_queries_of_a_clip_are_drawn_together():
    clip = np.array([7, 7, 3, 7, 9, 3])
    counts = np.concatenate(list(resampled_queries(clip, 300, seed=0)))
    for members in ([0, 1, 3], [2, 5]):
        assert (counts[:, members] == counts[:, members[:1]]).all()
    assert (counts[:, [0, 2, 4]].sum(axis=1) == 3).all()  # as many clips as there are
    drawn = [np.repeat(np.arange(6.0), row.astype(int)) for row in counts]
    np.testing.assert_allclose(means(counts, np.arange(6.0)[:, None])[:, 0], [one.mean() for one in drawn])
    np.testing.assert_allclose(Medians(np.arange(6.0))(counts), [np.median(one) for one in drawn])


@pytest.mark.parametrize("num_captions", [5, 20])
def test_captions_that_say_the_same_add_nothing_to_an_interval(num_captions):
    """A clip whose captions share one fate is one observation: the interval of 1 caption a clip, to the letter."""
    above = np.where(np.arange(200) % 4, 30, 0)
    one = Ranks(above, np.zeros_like(above), np.ones_like(above), 1000)
    above, clip = np.repeat(above, num_captions), np.repeat(np.arange(200), num_captions)
    many = Ranks(above, np.zeros_like(above), np.ones_like(above), 1000, clip)
    found, expected = (score(each, num_resamples=300).intervals for each in (many, one))
    assert {name: pytest.approx(ends) for name, ends in found.items()} == expected
    unknown = Ranks(above, np.zeros_like(above), np.ones_like(above), 1000)
    widths = [np.diff(score(each, num_resamples=2000).intervals["r1"])[0] for each in (many, unknown)]
    assert widths[0] / widths[1] == pytest.approx(num_captions**0.5, rel=0.15)


@pytest.mark.parametrize(("above", "share"), [(0, 1.0), (40, 0.0)])
def test_all_or_none_of_200_has_the_interval_of_clopper_and_pearson(above, share):
    ranks = Ranks(np.full(200, above), np.zeros(200, int), np.ones(200, int), 1000)
    expected = binomtest(round(200 * share), 200).proportion_ci(0.95, "exact")
    assert score(ranks, num_resamples=50).intervals["r1"] == pytest.approx((expected.low, expected.high))


def test_of_five_captions_a_clip_all_right_only_the_clips_count():
    clip = np.repeat(np.arange(40), 5)
    ranks = Ranks(np.zeros(200, int), np.zeros(200, int), np.ones(200, int), 1000, clip)
    assert score(ranks, num_resamples=50).intervals["r1"] == pytest.approx((0.025 ** (1 / 40), 1))


def test_nearly_all_right_reaches_at_least_as_far_down_as_wilson():
    values = np.r_[0.0, np.ones(199)][:, None]
    samples = np.concatenate([means(counts, values)[:, 0] for counts in resamples(200, 4000, 0)])
    low, high = bounded_interval(samples, 199 / 200, 200)
    assert high == 1
    assert low <= binomtest(199, 200).proportion_ci(0.95, "wilson").low + 1e-9
    assert low < bounded_interval(np.ones(10), 1.0, 200)[0]  # one wrong of 200 is not better than none


def test_a_difference_that_every_clip_shows_is_an_interval_too():
    unseen = 1 - 0.025 ** (1 / 200)
    assert bounded_interval(np.zeros(50), 0.0, 200, -1, 1) == pytest.approx((-unseen, unseen))
    low, high = bounded_interval(np.ones(50), 1.0, 5, -1, 1)
    assert (low < 0, high) == (True, 1)  # five clips of five: a sign test has p = 0.06
    assert bounded_interval(np.ones(50), 1.0, 6, -1, 1)[0] > 0  # six of six: p = 0.03


@pytest.mark.parametrize(("num_clips", "tolerance"), [(2, 0.12), (3, 0.01), (4, 0.002), (10, 1e-4), (200, 1e-6)])
def test_few_clips_widen_resamples_to_the_quantile_of_student(num_clips, tolerance):
    widened = for_few_clips(np.array([[-1.0], [1.0]]), num_clips)[1, 0]
    wanted = t.ppf(0.975, num_clips - 1) / 1.959964 * (num_clips / (num_clips - 1)) ** 0.5
    assert widened == pytest.approx(wanted, rel=tolerance)


def test_holm_multiplies_the_smallest_by_all_the_next_by_one_less_and_never_falls():
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_p_is_twice_the_rarer_side_never_zero_and_one_for_no_difference():
    assert p_value(np.zeros(99)) == 1
    assert p_value(np.ones(99)) == pytest.approx(2 / 100)
    assert p_value(np.array([-1.0] * 9 + [1.0] * 90)) == pytest.approx(2 * 10 / 100)
    assert interval(np.arange(1001.0)) == (25.0, 975.0)


def test_intervals_of_many_queries_take_bounded_memory():
    num_queries = 400_000
    above = np.arange(num_queries) % 100
    ranks = Ranks(above, np.zeros_like(above), np.ones_like(above), 1000)
    tracemalloc.start()
    scores = score(ranks, num_resamples=3)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 80 * 2**20  # 128 bytes for each of 2**20 draws would be more
    assert scores.recall[10] == pytest.approx(0.1)
