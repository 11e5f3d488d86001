"""Recall and rank of the first right item against trec_eval's; it breaks ties by name, so there are none here."""

import numpy as np
import pytest
import pytrec_eval

from vlsa.retrieve.evaluate.metrics import RECALL_AT, score
from vlsa.retrieve.evaluate.ranks import Positives, ranks_of_embeddings


def unit_rows(num_rows: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(num_rows, 8))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("most_right", [1, 5])
def test_recall_and_rank_are_those_of_trec_eval(most_right):
    num_queries, num_items = 60, 80
    rng = np.random.default_rng(most_right)
    queries, items = unit_rows(num_queries, 1), unit_rows(num_items, 2)
    right = [rng.choice(num_items, rng.integers(1, most_right + 1), replace=False).tolist() for _ in range(num_queries)]
    ranks = ranks_of_embeddings(queries, items, Positives.of_lists(right), tile_bytes=6 * 100)
    assert ranks.num_tied == 0

    similarity = queries.astype(np.float64) @ items.T
    run = {f"q{q}": {f"i{i}": float(row[i]) for i in range(num_items)} for q, row in enumerate(similarity)}
    truth = {f"q{q}": {f"i{i}": 1 for i in rows} for q, rows in enumerate(right)}
    measures = {f"success.{','.join(map(str, RECALL_AT))}", "recip_rank"}
    theirs = pytrec_eval.RelevanceEvaluator(truth, measures).evaluate(run)

    def column(name: str) -> np.ndarray:
        return np.array([theirs[f"q{q}"][name] for q in range(num_queries)])

    scores = score(ranks)
    for k in RECALL_AT:
        np.testing.assert_array_equal(ranks.hits(k), column(f"success_{k}"))
        assert scores.recall[k] == pytest.approx(column(f"success_{k}").mean())
    np.testing.assert_allclose(ranks.expected(), 1 / column("recip_rank"), rtol=1e-6)
    assert scores.median_rank == pytest.approx(np.median(1 / column("recip_rank")))
    assert scores.mean_rank == pytest.approx((1 / column("recip_rank")).mean())
