"""Reciprocal rank fusion: closed forms, ties, absent items, and its place in evaluation and search."""

import numpy as np
import pytest

from vlsa.retrieve.encode.embed import ClipEmbeddings
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


def noisy_embeddings(fusion: str) -> ClipEmbeddings:
    """Twelve clips in two spaces; the cosines of text and audio are spread wider than those of text and video."""
    rng = np.random.default_rng(3)
    unit = lambda rows: (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)  # noqa: E731
    of_video, of_audio = unit(rng.normal(size=(12, 6))), unit(rng.normal(size=(12, 6)))
    near_video = unit(0.2 * of_video + np.eye(6)[0] + 0.05 * rng.normal(size=(12, 6)))
    near_audio = unit(of_audio + 0.5 * rng.normal(size=(12, 6)))
    nothing, everyone = np.zeros((12, 6), np.float32), np.ones(12, bool)
    return ClipEmbeddings(
        ids=tuple(map(str, range(12))),
        video=np.hstack([near_video, nothing]),
        has_video=everyone,
        audio=np.hstack([nothing, near_audio]),
        has_audio=everyone,
        text=np.hstack([of_video, of_audio]),
        text_clip=np.arange(12),
        texts=tuple(f"clip {n}" for n in range(12)),
        spaces=("video-text", "audio-text"),
        fusion=fusion,
    )


def test_an_encoder_that_asks_for_ranks_is_evaluated_by_them_where_two_modalities_meet():
    given = noisy_embeddings("rank")
    by_rank, by_cosine = (
        {name: result.ranks.expected() for name, result in evaluate_embeddings(one, num_resamples=0).items()}
        for one in (given, noisy_embeddings("cosine"))
    )
    assert list(by_rank) == list(by_cosine)
    expected = ranks_of_fusion(
        [(given.text, given.video), (given.text, given.audio)], Positives.diagonal(12)
    ).expected()
    np.testing.assert_array_equal(by_rank["text_to_media"], expected)
    assert by_rank["text_to_media"].tolist() != by_cosine["text_to_media"].tolist()
    for name in ("text_to_video", "text_to_audio", "video_to_text", "audio_to_text"):
        assert by_rank[name].tolist() == by_cosine[name].tolist()


def test_a_question_is_asked_once_for_each_space_that_holds_it_and_the_target():
    spaces = ("video-text", "audio-text")
    assert comparisons("text", "media", spaces) == [("video", 0), ("audio", 1)]
    assert comparisons("text", "text", spaces) == [("text", 0), ("text", 1)]
    assert comparisons("audio", "audio", spaces) == [("audio", 1)]
    assert comparisons("audio", "video", spaces) == []
