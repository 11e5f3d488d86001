"""Re-rankings against their equations, written down in full on whole matrices."""

import tracemalloc

import numpy as np
import pytest
from rank_oracle import ranks_of_similarity
from scipy.special import logsumexp, softmax

from vlsa.base.errors import ConfigError, VlsaError
from vlsa.retrieve.evaluate.ranks import Positives, ranks_of_embeddings
from vlsa.retrieve.evaluate.rerank import Post, dual_softmax, first_items, log_sums, parse_posts, qb_norm, sinkhorn


def unit_rows(num_rows: int, width: int = 12, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(num_rows, width))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


QUERIES, ITEMS, BANK = unit_rows(40), unit_rows(25, seed=1), unit_rows(30, seed=2)
SIMILARITY = QUERIES.astype(np.float64) @ ITEMS.T
SMALL = 24 * 50
"""Bytes of tiles of about 7 by 7."""


def assert_same_order(extended: tuple[np.ndarray, np.ndarray], scores: np.ndarray) -> None:
    """Each query ranks its items as `scores` do."""
    mine = extended[0].astype(np.float64) @ extended[1].T
    np.testing.assert_array_equal(np.argsort(mine, axis=1), np.argsort(scores, axis=1))


@pytest.mark.parametrize("tile_bytes", [SMALL, 2**20])
def test_log_sums_are_scipys(tile_bytes):
    offset = np.linspace(-300, 900, 40)
    mine = log_sums(QUERIES, ITEMS, 700.0, offset, tile_bytes)
    np.testing.assert_allclose(mine, logsumexp(700 * SIMILARITY + offset[:, None], axis=0), rtol=1e-12)


def test_first_items_are_those_of_the_whole_matrix_and_of_equals_the_first():
    items = np.concatenate([ITEMS, ITEMS])
    np.testing.assert_array_equal(first_items(QUERIES, items, SMALL), SIMILARITY.argmax(axis=1))


@pytest.mark.parametrize("tile_bytes", [SMALL, 2**20])
def test_dual_softmax_orders_items_as_the_product_of_two_softmaxes(tile_bytes):
    product = softmax(30 * SIMILARITY, axis=1) * softmax(30 * SIMILARITY, axis=0)
    assert_same_order(dual_softmax(QUERIES, ITEMS, 30.0, tile_bytes), product)


def test_qb_norm_divides_only_where_the_first_item_is_one_that_the_bank_puts_first():
    bank = BANK.astype(np.float64) @ ITEMS.T
    active = np.isin(SIMILARITY.argmax(axis=1), bank.argmax(axis=1))
    assert 5 < active.sum() < 35
    inverted = 20 * SIMILARITY - logsumexp(20 * bank, axis=0)
    expected = np.where(active[:, None], inverted, SIMILARITY)
    assert_same_order(qb_norm(QUERIES, ITEMS, BANK, 20.0, SMALL), expected)


def test_sinkhorn_is_the_plan_that_alternate_scaling_of_rows_and_columns_comes_to():
    plan = np.exp(20 * SIMILARITY)
    for _ in range(200):
        plan *= (1 / 40) / plan.sum(axis=1, keepdims=True)
        plan *= (1 / 25) / plan.sum(axis=0, keepdims=True)
    np.testing.assert_allclose(plan.sum(axis=1), 1 / 40, rtol=1e-6)
    assert_same_order(sinkhorn(QUERIES, ITEMS, 20.0, 200, SMALL), plan)


def hubs(num_pairs: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Pairs; all queries have something in common, and some items have much of it: they are near every query."""
    rng = np.random.default_rng(7)
    common = unit_rows(1, 24, seed=8)
    own = unit_rows(num_pairs, 24, seed=9)
    items = own + 0.1 * rng.normal(size=own.shape) + common * rng.uniform(0, 1.5, (num_pairs, 1))
    queries = own + common
    return queries / np.linalg.norm(queries, axis=1, keepdims=True), items.astype(np.float32)


@pytest.mark.parametrize("rerank", [dual_softmax, sinkhorn])
def test_what_uses_all_queries_finds_more_where_some_items_please_everybody(rerank):
    queries, items = hubs()
    plain = ranks_of_embeddings(queries, items).hits(1).mean()
    assert ranks_of_embeddings(*rerank(queries, items, 20.0)).hits(1).mean() > plain + 0.05


def test_qb_norm_finds_more_there_too_with_queries_of_its_own():
    queries, items = hubs()
    plain = ranks_of_embeddings(queries, items).hits(1).mean()
    bank = queries + np.float32(0.2) * unit_rows(200, 24, seed=10)
    assert ranks_of_embeddings(*qb_norm(queries, items, bank)).hits(1).mean() > plain + 0.02


@pytest.mark.parametrize("name", ["dual-softmax", "qb-norm", "sinkhorn"])
def test_equal_items_stay_tied_and_a_collapsed_model_stays_at_chance(name):
    same = np.repeat(unit_rows(1), 30, axis=0)
    ranks = ranks_of_embeddings(*Post.parse(name).rerank(bank=unit_rows(5))(same, same))
    assert ranks.hits(1).mean() == pytest.approx(1 / 30)
    twice = np.concatenate([ITEMS, ITEMS])
    ranks = ranks_of_embeddings(
        *Post.parse(name).rerank(bank=BANK)(QUERIES, twice), Positives.of_lists([[q % 25] for q in range(40)])
    )
    assert (ranks.tied_wrong == 1).all()


def test_one_item_at_a_time_keeps_its_plain_rank_when_all_items_are_as_popular():
    angle = np.arange(12) * np.pi / 6
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    plain = ranks_of_similarity(circle @ circle.T, Positives.diagonal(12)).expected()
    for rerank in (dual_softmax, sinkhorn):
        np.testing.assert_array_equal(ranks_of_embeddings(*rerank(circle, circle, 5.0)).expected(), plain)


@pytest.mark.parametrize("name", ["dual-softmax", "qb-norm", "sinkhorn"])
def test_a_diverged_model_is_an_error_here_too(name):
    bad = QUERIES.copy()
    bad[3, 1] = np.nan
    with pytest.raises(VlsaError, match="diverged"):
        ranks_of_embeddings(*Post.parse(name).rerank(bank=BANK)(bad, bad))


def test_re_ranking_takes_bounded_memory():
    num, tile_bytes = 4000, 2**20
    queries, items = unit_rows(num, 4), unit_rows(num, 4, seed=1)
    tracemalloc.start()
    sinkhorn(queries, items, num_rounds=1, tile_bytes=tile_bytes)
    qb_norm(queries, items, items[:1000], tile_bytes=tile_bytes)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 2 * tile_bytes + 300 * num  # 128 MB whole


def test_a_scale_follows_the_name_and_names_are_checked():
    assert [post.scale for post in parse_posts(["dual-softmax", "qb-norm:7"])] == [100.0, 7.0]
    with pytest.raises(ConfigError, match="Known: dual-softmax, qb-norm, sinkhorn"):
        Post.parse("xyz")


@pytest.mark.parametrize("scale", ["0", "-1", "nan", "inf", "1e9", "1e-320", "1e-9", "", "x"])
def test_a_scale_that_cannot_be_is_refused(scale):
    with pytest.raises(ConfigError, match="must be a number from 0.001 to 10,000"):
        Post.parse(f"dual-softmax:{scale}")
