"""Closed forms of the sum of parts, of rank fusion and of the stand-out."""

import numpy as np
import pytest

from vlsa.retrieve.search.combine import Term, combine, fuse_by_rank
from vlsa.retrieve.search.stand_out import Typical, best_by_chance, nothing_stands_out

NAN = np.nan


def test_the_stand_out_of_a_known_spread_is_its_closed_form():
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.9, NAN])
    typical = Typical.of(scores)
    assert (typical.median, typical.spread) == pytest.approx((0.3, 0.14826)) and typical.num_windows == 5
    np.testing.assert_allclose(typical.stand_out(scores)[[2, 4, 5]], [0, 0.6 / 0.14826, NAN], rtol=1e-6, atol=1e-9)


def test_the_stand_out_of_normal_noise_is_a_standard_deviation_and_its_best_is_what_chance_gives():
    noise = np.random.default_rng(0).normal(0.3, 0.05, 100_000)
    typical = Typical.of(noise)
    assert typical.median == pytest.approx(0.3, abs=1e-3) and typical.spread == pytest.approx(0.05, rel=0.02)
    of_1000 = typical.stand_out(noise).reshape(100, 1000)
    assert np.mean((of_1000 > best_by_chance(1000)).sum(axis=1)) == pytest.approx(1, abs=0.35)
    assert best_by_chance(1000) == pytest.approx(3.09, abs=0.01) and best_by_chance(1) == 0


def test_the_stand_out_does_not_change_with_the_height_or_the_spread_of_cosines():
    scores = np.random.default_rng(1).normal(size=501)
    np.testing.assert_allclose(
        Typical.of(0.7 + 0.01 * scores).stand_out(0.7 + 0.01 * scores), Typical.of(scores).stand_out(scores), rtol=1e-6
    )


def test_one_answer_among_many_windows_stands_out_and_none_among_equals():
    scores = np.random.default_rng(2).normal(0, 0.1, 1000)
    scores[7] = 0.9
    best = float(Typical.of(scores).stand_out(scores).max())
    assert best > 6 and not nothing_stands_out(best, 1000)
    equal = Typical.of(np.full(1000, 0.9))
    assert equal.spread == 0 and equal.stand_out(np.array([0.9, NAN])).tolist() == [
        0.0,
        pytest.approx(NAN, nan_ok=True),
    ]
    assert nothing_stands_out(0.0, 1000) and nothing_stands_out(NAN, 1000) and not nothing_stands_out(0.0, 5)
    assert Typical.of(np.full(3, NAN)) == Typical(0, 0, 0)


@pytest.mark.parametrize("num_windows", [100, 1000, 10_000, 100_000])
def test_of_noise_nothing_stands_out_however_many_windows_there_are(num_windows):
    noise = np.random.default_rng(0).normal(0.2, 0.05, (20, num_windows))
    best = [float(Typical.of(row).stand_out(row).max()) for row in noise]
    assert sum(nothing_stands_out(one, num_windows, margin=1.0) for one in best) >= 18
    limit = best_by_chance(num_windows)
    assert nothing_stands_out(limit - 0.01, num_windows) and not nothing_stands_out(limit + 0.01, num_windows)
    assert nothing_stands_out(limit + 0.01, num_windows, 0.5)


def test_where_most_windows_score_alike_the_spread_is_that_of_the_others():
    typical = Typical.of(np.array([0.0] * 8 + [1.0, 1.0]))
    assert typical.spread == pytest.approx(np.sqrt(0.2))


def test_a_question_of_one_part_is_ranked_by_its_cosine():
    cosines = np.random.default_rng(0).normal(size=50)
    assert np.argsort(combine([Term(0.5, cosines)])).tolist() == np.argsort(cosines).tolist()


def test_a_sum_is_weighted_in_spreads_and_not_in_cosines():
    generator = np.random.default_rng(0)
    wide, narrow = generator.normal(0, 0.2, 999), generator.normal(0.5, 0.01, 999)
    one, other = (Typical.of(part).stand_out(part) for part in (wide, narrow))
    np.testing.assert_allclose(combine([Term(3, wide), Term(1, narrow)]), (3 * one + other) / 4, rtol=1e-6)


def test_what_the_answer_should_be_unlike_takes_away_and_never_adds():
    like, unlike = np.array([0.0, 0.1, 0.2, 0.3, 0.9]), np.array([0.9, 0.1, -0.9, 0.2, 0.3])
    alone, both = combine([Term(1, like)]), combine([Term(1, like), Term(-1, unlike)])
    above = np.maximum(Typical.of(unlike).stand_out(unlike), 0)
    np.testing.assert_allclose(both, alone - above)
    assert both[2] == alone[2] and both[0] < alone[0]


def test_a_window_without_the_part_is_a_typical_one_and_no_answer_without_any():
    first, second = np.array([0.9, 0.1, 0.2, 0.3, NAN, NAN]), np.array([NAN, 0.1, 0.2, 0.3, 0.9, NAN])
    scores = combine([Term(1, first), Term(1, second)])
    assert scores[0] == pytest.approx(Typical.of(first).stand_out(first)[0] / 2) and np.isnan(scores[5])
    only = combine([Term(1, first), Term(-1, np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))])
    assert np.isnan(only).tolist() == [False, False, False, False, True, True]


def test_rankings_are_fused_by_reciprocal_rank():
    first, second = np.array([0.9, 0.5, NAN, NAN]), np.array([7.0, 9.0, 8.0, NAN])
    expected = np.array([1 / 61 + 1 / 63, 1 / 62 + 1 / 61, 1 / 62]) * 61 / 2
    np.testing.assert_allclose(fuse_by_rank([first, second]), [*expected, NAN])
    assert fuse_by_rank([first, first])[0] == 1


def test_both_things_are_found_though_their_cosines_have_different_spreads():
    generator = np.random.default_rng(0)
    has = generator.random((2, 2000)) < 0.05
    has[:, :5] = True
    wide, narrow = (s * (generator.normal(size=2000) + 4 * here) for s, here in zip((0.2, 0.02), has, strict=True))
    best = np.argsort(-combine([Term(1, wide), Term(1, narrow)]))[:5]
    assert (has[0] & has[1])[best].all()
    best = np.argsort(-combine([Term(1, narrow), Term(-1, wide)]))[:20]
    assert (has[1] & ~has[0])[best].mean() > 0.9
