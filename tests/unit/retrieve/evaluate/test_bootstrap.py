"""Resampling: what is drawn, medians of draws, and p-values."""

import tracemalloc

import numpy as np
import pytest

from vlsa.retrieve.evaluate import bootstrap
from vlsa.retrieve.evaluate.bootstrap import Medians, interval, means, p_value, resamples
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
