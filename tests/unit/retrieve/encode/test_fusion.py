"""Reciprocal rank fusion: closed forms, ties, absent items, and its place in evaluation and search."""

import numpy as np
import pytest
from fake_encoder import PairEncoder, numbered_clip

from vlsa.retrieve.encode.embed import embed_clips
from vlsa.retrieve.encode.fusion import fuse_ranks, ranks_of
from vlsa.retrieve.evaluate.directions import evaluate_embeddings
from vlsa.retrieve.evaluate.rank_fusion import ranks_of_fusion
from vlsa.retrieve.evaluate.ranks import Positives, ranks_of_embeddings
from vlsa.retrieve.index.query import comparisons


def test_equal_scores_share_their_mean_rank_and_what_is_not_compared_has_none():
    assert ranks_of(np.array([0.5, np.nan, 0.9, 0.5, 0.1])).tolist() == [2.5, np.inf, 1.0, 2.5, 4.0]


def test_the_first_of_all_lists_scores_one_and_an_item_in_none_of_them_zero():
    ranks = [np.array([1.0, 2.0, np.inf]), np.array([1.0, np.inf, np.inf])]
    np.testing.assert_allclose(fuse_ranks(ranks), [1.0, 61 / 62 / 2, 0.0])


def test_ranks_of_fused_scores_follow_the_definition_item_by_item():
    rng = np.random.default_rng(0)
    parts = [(rng.normal(size=(7, 5)).astype(np.float32), rng.normal(size=(9, 5)).astype(np.float32)) for _ in "ab"]
    parts[1][1][[2, 3]] = 0  # these items lack the second modality
    found = ranks_of_fusion(parts, Positives.diagonal(7)).expected()
    for query in range(7):
        scores = np.zeros(9)
        for queries, items in parts:
            cosines = items @ queries[query]
            present = [n for n in range(9) if items[n].any()]
            for n in present:
                scores[n] += 1 / (60 + 1 + sum(cosines[m] > cosines[n] for m in present))
        above = sum(scores[n] > scores[query] + 1e-9 for n in range(9))
        tied = sum(abs(scores[n] - scores[query]) <= 1e-9 for n in range(9)) - 1
        assert found[query] == pytest.approx(1 + above + tied / 2)


def test_one_comparison_has_the_ranks_of_its_cosines():
    rng = np.random.default_rng(1)
    queries, items = (rng.normal(size=(6, 4)).astype(np.float32) for _ in range(2))
    fused = ranks_of_fusion([(queries, items)], Positives.diagonal(6))
    np.testing.assert_array_equal(fused.expected(), ranks_of_embeddings(queries, items).expected())


def test_an_encoder_that_asks_for_ranks_is_evaluated_by_them_where_two_modalities_meet():
    class RankEncoder(PairEncoder):
        fusion = "rank"

    clips = [numbered_clip(n, texts=(f"clip {n}",), sound=n % 3 != 0) for n in range(12)]
    by_rank, by_cosine = (
        evaluate_embeddings(embed_clips(encoder, clips), num_resamples=0) for encoder in (RankEncoder(), PairEncoder())
    )
    assert list(by_rank) == list(by_cosine)
    for name, result in by_rank.items():
        assert result.scores.recall[1] == pytest.approx(1.0) or "media" in name
        if not any(fused in name for fused in ("media", "video_text", "audio_text")):
            assert result.ranks.expected().tolist() == by_cosine[name].ranks.expected().tolist()


def test_a_question_is_asked_once_for_each_space_that_holds_it_and_the_target():
    spaces = ("video-text", "audio-text")
    assert comparisons("text", "media", spaces) == [("video", 0), ("audio", 1)]
    assert comparisons("text", "text", spaces) == [("text", 0), ("text", 1)]
    assert comparisons("audio", "audio", spaces) == [("audio", 1)]
    assert comparisons("audio", "video", spaces) == []
