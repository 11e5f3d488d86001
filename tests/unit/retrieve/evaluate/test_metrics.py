"""Ranks and their ties against hand-made matrices, simulations and scipy."""

import math

import numpy as np
import pytest
from rank_oracle import ranks_of_similarity
from scipy.stats import rankdata

from vlsa.base.errors import VlsaError
from vlsa.retrieve.evaluate.metrics import score
from vlsa.retrieve.evaluate.ranks import (
    Positives,
    Ranks,
    chance_ranks,
    ranks_of_embeddings,
)


def unit_rows(num_rows: int, width: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(num_rows, width))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_a_collapsed_model_scores_chance_in_every_metric():
    same = np.full((100, 8), 8**-0.5, np.float32)
    ranks = ranks_of_embeddings(same, same)
    assert [ranks.hits(k).mean() for k in (1, 5, 10)] == pytest.approx([0.01, 0.05, 0.10], abs=1e-12)
    assert score(ranks).median_rank == score(ranks).mean_rank == pytest.approx(50.5)
    assert ranks.num_tied == 100
    assert ranks_of_similarity(same @ same.T).hits(10).mean() == pytest.approx(0.10)


@pytest.mark.parametrize("num_items", [1, 3, 7, 129, 1000])
def test_equal_vectors_tie_exactly_wherever_they_stand_in_a_block(num_items):
    vector = unit_rows(1, 37, seed=num_items)
    ranks = ranks_of_embeddings(unit_rows(5, 37), np.repeat(vector, num_items, axis=0), Positives.of_lists([[0]] * 5))
    assert ranks.tied_wrong.tolist() == [num_items - 1] * 5


def test_hand_made_ranks_without_ties():
    similarity = np.array([[0.9, 0.1, 0.2], [0.8, 0.5, 0.7], [0.1, 0.3, 0.2]], np.float32)
    ranks = ranks_of_similarity(similarity)
    assert ranks.expected().tolist() == [1, 3, 2]
    scores = score(ranks)
    assert (scores.recall[1], scores.recall[5], scores.median_rank, scores.mean_rank) == (pytest.approx(1 / 3), 1, 2, 2)
    assert scores.num_tied == 0


def test_hand_made_ties_share_the_places_that_they_take():
    # One item above; the right one tied with two wrong ones: it takes place 2, 3 or 4.
    ranks = ranks_of_similarity(np.array([[0.5, 0.9, 0.5, 0.5, 0.1]], np.float32))
    assert [float(ranks.hits(k)[0]) for k in range(1, 6)] == pytest.approx([0, 1 / 3, 2 / 3, 1, 1])
    assert ranks.expected().tolist() == [3]


def test_several_right_items_take_the_best_of_their_ranks():
    # Right: items 1 and 3. Scores 0.7 and 0.2; one wrong item is above.
    similarity = np.array([[0.9, 0.7, 0.4, 0.2]], np.float32)
    assert ranks_of_similarity(similarity, Positives.of_lists([[1, 3]])).expected().tolist() == [2]


def test_a_query_counts_once_however_many_right_items_it_has():
    similarity = np.array([[0.9, 0.8, 0.7], [0.9, 0.1, 0.1]], np.float32)
    ranks = ranks_of_similarity(similarity, Positives.of_lists([[0, 1, 2], [1]]))
    assert len(ranks) == 2
    assert ranks.hits(1).tolist() == [1, 0]


def test_two_right_items_tied_with_wrong_ones_follow_the_hypergeometric_law():
    # Two right and three wrong at one score: P(first right within k) = 1 - C(3, k) / C(5, k).
    ranks = ranks_of_similarity(np.zeros((1, 5), np.float32), Positives.of_lists([[0, 4]]))
    expected = [1 - math.comb(3, k) / math.comb(5, k) for k in range(1, 6)]
    assert [float(ranks.hits(k)[0]) for k in range(1, 6)] == pytest.approx(expected)
    assert ranks.expected()[0] == pytest.approx(sum(1 - share for share in [0, *expected]))


def test_expected_hits_and_ranks_agree_with_shuffled_tie_breaking():
    rng = np.random.default_rng(1)
    similarity = rng.integers(0, 4, size=(12, 9)).astype(np.float32)
    lists = [rng.choice(9, size=rng.integers(1, 4), replace=False).tolist() for _ in range(12)]
    ranks = ranks_of_similarity(similarity, Positives.of_lists(lists))
    num_rounds = 4000
    drawn = np.empty((num_rounds, 12))
    for round_ in range(num_rounds):
        order = np.lexsort((rng.random(similarity.shape), -similarity), axis=1)
        place = np.argsort(order, axis=1) + 1
        drawn[round_] = [place[query, right].min() for query, right in enumerate(lists)]
    tolerance = 5 * 0.5 / num_rounds**0.5
    for k in (1, 2, 5):
        np.testing.assert_allclose(ranks.hits(k), (drawn <= k).mean(axis=0), atol=tolerance)
    np.testing.assert_allclose(ranks.expected(), drawn.mean(axis=0), atol=5 * 3 / num_rounds**0.5)


def test_expected_ranks_of_single_pairs_are_scipys_average_ranks():
    similarity = np.random.default_rng(2).integers(0, 6, size=(40, 40)).astype(np.float32)
    reference = np.array([rankdata(-row, method="average")[query] for query, row in enumerate(similarity)])
    np.testing.assert_allclose(ranks_of_similarity(similarity).expected(), reference)


def test_blocks_of_queries_give_the_ranks_of_the_whole_matrix():
    items = unit_rows(60, 16)
    queries = np.repeat(items, 2, axis=0)  # ties by construction: each vector is there twice
    gallery = np.concatenate([items, items[:7]])
    lists = [[query // 2, 60 + query // 2] if query // 2 < 7 and query % 2 else [query // 2] for query in range(120)]
    positives = Positives.of_lists(lists)
    whole = ranks_of_embeddings(queries, gallery, positives)
    small = ranks_of_embeddings(queries, gallery, positives, tile_bytes=6 * 121)  # tiles of 11 by 11
    for name in ("above", "tied_wrong", "tied_right"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(small, name))
    assert whole.num_tied > 0


def test_a_block_takes_bounded_memory():
    import tracemalloc

    vectors = unit_rows(3000, 4)
    ranks_of_embeddings(vectors, vectors, tile_bytes=2**20)
    tracemalloc.start()
    ranks_of_embeddings(vectors, vectors, tile_bytes=2**20)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 5 * 2**20  # the whole matrix would take 36 MB


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_diverged_model_is_an_error_and_not_a_perfect_score(bad):
    vectors = unit_rows(4, 3)
    vectors[2, 1] = bad
    with pytest.raises(VlsaError, match="diverged"):
        ranks_of_embeddings(vectors, unit_rows(4, 3))
    with pytest.raises(VlsaError, match="diverged"):
        ranks_of_embeddings(unit_rows(4, 3), vectors)


def test_chance_is_k_of_n_and_for_several_right_items_the_hypergeometric_share():
    chance = score(chance_ranks(Positives.diagonal(200), 200))
    assert (chance.recall[10], chance.median_rank) == (pytest.approx(0.05), pytest.approx(100.5))
    several = score(chance_ranks(Positives.of_lists([[0, 1, 2]] * 4), 30))
    assert several.recall[5] == pytest.approx(1 - math.comb(27, 5) / math.comb(30, 5))


@pytest.mark.parametrize("above", [0, 49])
def test_a_mean_rank_that_all_clips_agree_on_has_an_interval_and_not_a_point(above):
    """A clip that was not drawn may have any of 50 ranks; 1 - 0.025^(1/20) of the clips may be such."""
    num_clips, num_items = 20, 50
    none, ones = np.zeros(num_clips, np.int64), np.ones(num_clips, np.int64)
    scores = score(Ranks(none + above, none, ones, num_items), num_resamples=100)
    reach = (1 - 0.025 ** (1 / num_clips)) * (num_items - 1)
    ends = (1, 1 + reach) if above == 0 else (50 - reach, 50)
    assert scores.intervals["meanr"] == pytest.approx(ends)
    spread = score(Ranks(np.arange(num_clips), none, ones, num_items), num_resamples=1000).intervals["meanr"]
    deviation = 1.96 * ((num_clips**2 - 1) / 12 / num_clips) ** 0.5
    assert spread == pytest.approx((10.5 - deviation, 10.5 + deviation), abs=0.4)


def test_bootstrap_intervals_are_seeded_and_match_the_binomial_spread():
    num_queries, share = 400, 0.3
    rank = np.where(np.arange(num_queries) < share * num_queries, 0, 50)
    ones, none = np.ones(num_queries, np.int64), np.zeros(num_queries, np.int64)
    ranks = Ranks(rank, none, ones, 100)
    low, high = score(ranks, num_resamples=1000).intervals["r1"]
    half_width = 1.96 * (share * (1 - share) / num_queries) ** 0.5
    assert (low, high) == (pytest.approx(share - half_width, abs=0.01), pytest.approx(share + half_width, abs=0.01))
    assert score(ranks, num_resamples=50, seed=3) == score(ranks, num_resamples=50, seed=3)
    assert score(ranks, num_resamples=50, seed=3) != score(ranks, num_resamples=50, seed=4)
    assert score(ranks).intervals == {}


def test_scores_as_json_hold_sizes_recalls_ranks_and_ties():
    scores = score(ranks_of_similarity(np.eye(12, dtype=np.float32)), num_resamples=10).as_dict()
    assert {name: scores[name] for name in ("N", "Q", "r1", "r10", "medr", "meanr", "tied_queries")} == {
        "N": 12, "Q": 12, "r1": 1.0, "r10": 1.0, "medr": 1.0, "meanr": 1.0, "tied_queries": 0,
    }  # fmt: skip
    assert scores["intervals"]["r5"] == pytest.approx([0.025 ** (1 / 12), 1.0])


def test_orthogonal_wrong_items_are_tied_only_among_themselves():
    ranks = ranks_of_similarity(np.eye(5, dtype=np.float32)[::-1].copy())
    assert ranks.num_tied == 4  # all but the middle query: the right item shares 0 with three wrong ones
    assert ranks.hits(1).tolist() == [0, 0, 1, 0, 0]
