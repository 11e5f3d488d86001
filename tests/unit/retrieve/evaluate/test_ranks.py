"""Ranks by tiles: equal to the whole matrix, whatever the tiles, the ties and the sizes, in bounded memory."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest
from rank_oracle import ranks_of_similarity

from vlsa.base.errors import VlsaError
from vlsa.retrieve.evaluate.ranks import Positives, Ranks, ranks_of_embeddings, tiles

COUNTS = ("above", "tied_wrong", "tied_right")


def unit_rows(num_rows: int, width: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(num_rows, width))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def naive(queries: np.ndarray, items: np.ndarray, positives: Positives | None = None) -> Ranks:
    """The definition: each score added up without error, rounded to float32, and counted."""
    exact = [[math.fsum(q * v) for v in items.astype(np.float64)] for q in queries.astype(np.float64)]
    return ranks_of_similarity(np.array(exact).astype(np.float32), positives)


def assert_same(one: Ranks, other: Ranks) -> None:
    for name in COUNTS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert one.num_items == other.num_items


@pytest.mark.parametrize("num_pairs", [1, 2, 7, 30, 1000])
@pytest.mark.parametrize("shape", [(1, 1), (5, 9), (40, 3), (1, 50)])
def test_tiles_cover_a_matrix_once_and_are_no_larger_than_asked(shape, num_pairs):
    covered = np.zeros(shape, int)
    for rows, columns in tiles(*shape, num_pairs):
        assert covered[rows, columns].size <= num_pairs
        covered[rows, columns] += 1
    assert (covered == 1).all()


@pytest.mark.parametrize("tile_bytes", [6, 6 * 50, 6 * 1000, 2**26])
def test_ranks_by_tiles_are_those_of_the_whole_matrix(tile_bytes):
    queries, items = unit_rows(60, 24), unit_rows(90, 24, seed=1)
    items[10:20] = items[:10]  # equal vectors
    queries[5] = items[3]
    lists = [[q, q + 10] if q % 2 else [q] for q in range(60)]
    expected = naive(queries, items, Positives.of_lists(lists))
    assert_same(ranks_of_embeddings(queries, items, Positives.of_lists(lists), tile_bytes), expected)
    assert expected.num_tied > 0


def test_a_large_gallery_has_the_ranks_of_the_float64_product():
    queries, items = unit_rows(3000, 48), unit_rows(3000, 48, seed=1)
    items += queries  # a model that has learned something
    expected = ranks_of_similarity((queries.astype(np.float64) @ items.astype(np.float64).T).astype(np.float32))
    assert_same(ranks_of_embeddings(queries, items, tile_bytes=2**20), expected)


def nearly_tied(num_items: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Items a few units in the last place apart, which a float32 product cannot tell from each other."""
    rng = np.random.default_rng(3)
    items = np.repeat(unit_rows(1, width), num_items, axis=0)
    items[:, 0] += rng.integers(-3, 4, num_items) * np.float32(2**-23)
    return unit_rows(num_items, width, seed=5) + items, items


def test_items_within_rounding_of_each_other_are_told_apart():
    queries, items = nearly_tied(50, 32)
    expected = naive(queries, items)
    assert expected.num_tied > 0
    assert len(set(expected.above.tolist())) > 5
    for tile_bytes in (6 * 40, 2**20):
        assert_same(ranks_of_embeddings(queries, items, tile_bytes=tile_bytes), expected)


def test_equal_vectors_tie_wherever_they_stand_in_whichever_tile():
    for num_items, width in itertools.product((3, 130), (5, 129)):
        items = np.repeat(unit_rows(1, width, seed=width), num_items, axis=0)
        right = Positives.of_lists([[num_items // 2]] * 7)
        ranks = ranks_of_embeddings(unit_rows(7, width), items, right, tile_bytes=6 * 64)
        assert ranks.tied_wrong.tolist() == [num_items - 1] * 7
        assert ranks.above.tolist() == [0] * 7


def test_a_score_half_way_between_two_float32_is_rounded_alike_for_all():
    vector = np.full(256, 2.0**-55, np.float32)  # lost when added one by one to a half, but not when added together
    vector[[0, 9]] = 0.5, 2.0**-25
    items = np.repeat(vector[None], 70, axis=0)
    ranks = ranks_of_embeddings(np.ones((70, 256), np.float32), items)
    assert (ranks.tied_wrong == 69).all()


def test_vectors_of_any_length_and_in_float64_are_ranked_too():
    queries, items = unit_rows(30, 8) * np.float32(1e-3), unit_rows(30, 8, seed=1).astype(np.float64) * 1e5
    expected = ranks_of_similarity((queries.astype(np.float64) @ items.T).astype(np.float32))
    assert_same(ranks_of_embeddings(queries, items, tile_bytes=600), expected)


def test_products_too_large_for_float32_are_an_error():
    large = unit_rows(4, 3) * np.float32(1e25)
    with pytest.raises(VlsaError, match="not a finite number"):
        ranks_of_embeddings(large, large)


def test_six_thousand_by_six_thousand_take_bounded_memory():
    num, tile_bytes = 6000, 2**20
    queries, items = unit_rows(num, 4), unit_rows(num, 4, seed=1)
    positives = Positives.diagonal(num)
    tracemalloc.start()
    ranks_of_embeddings(queries, items, positives, tile_bytes)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 2 * tile_bytes + 100 * num  # the whole matrix would take 144 MB


def test_a_collapsed_model_takes_bounded_memory_too():
    num, tile_bytes = 3000, 2**20
    same = np.repeat(unit_rows(1, 16), num, axis=0)
    tracemalloc.start()
    ranks = ranks_of_embeddings(same, same, tile_bytes=tile_bytes)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (ranks.tied_wrong == num - 1).all()
    assert peak_bytes < 2 * tile_bytes + 200 * num  # 36 MB whole
