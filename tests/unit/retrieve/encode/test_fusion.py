"""Reciprocal rank fusion: closed forms, ties, absent items, and its place in evaluation and search."""

from dataclasses import replace

import numpy as np
import pytest

from vlsa.retrieve.encode.embed import ClipEmbeddings
from vlsa.retrieve.encode.fusion import fuse_ranks, ranks_of
from vlsa.retrieve.evaluate.directions import evaluate_embeddings
from vlsa.retrieve.evaluate.rank_fusion import Comparison, ranks_of_fusion
from vlsa.retrieve.evaluate.ranks import Positives, ranks_of_embeddings
from vlsa.retrieve.evaluate.rerank import Post
from vlsa.retrieve.index.query import comparisons


def test_equal_scores_share_their_mean_rank_and_what_is_not_compared_has_none():
    assert ranks_of(np.array([0.5, np.nan, 0.9, 0.5, 0.1])).tolist() == [2.5, np.inf, 1.0, 2.5, 4.0]


def test_the_first_of_all_lists_scores_one_and_an_item_in_none_of_them_zero():
    ranks = [np.array([1.0, 2.0, np.inf]), np.array([1.0, np.inf, np.inf])]
    np.testing.assert_allclose(fuse_ranks(ranks), [1.0, 61 / 62 / 2, 0.0])


def fused_by_definition(lists: list[np.ndarray]) -> list[float]:
    """Mean rank of item q for each query q, from matrices of scores; NaN = not compared."""
    found = []
    for query in range(len(lists[0])):
        fused = np.zeros(lists[0].shape[1])
        for row in (scores[query] for scores in lists):
            for n in np.flatnonzero(~np.isnan(row)):
                fused[n] += 1 / (60 + 1 + np.count_nonzero(row > row[n]))
        above = np.count_nonzero(fused > fused[query] + 1e-9)
        tied = np.count_nonzero(abs(fused - fused[query]) <= 1e-9) - 1
        found.append(1 + above + tied / 2)
    return found


def test_ranks_of_fused_scores_follow_the_definition_item_by_item():
    rng = np.random.default_rng(0)
    parts = [(rng.normal(size=(7, 5)).astype(np.float32), rng.normal(size=(9, 5)).astype(np.float32)) for _ in "ab"]
    parts[1][1][[2, 3]] = 0  # these items lack the second modality
    found = ranks_of_fusion([Comparison.of(*vectors) for vectors in parts], Positives.diagonal(7)).expected()
    cosines = [queries @ items.T for queries, items in parts]
    cosines[1][:, [2, 3]] = np.nan
    np.testing.assert_allclose(found, fused_by_definition(cosines))


def test_one_comparison_has_the_ranks_of_its_cosines():
    rng = np.random.default_rng(1)
    queries, items = (rng.normal(size=(6, 4)).astype(np.float32) for _ in range(2))
    fused = ranks_of_fusion([Comparison.of(queries, items)], Positives.diagonal(6))
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
    compared = [Comparison.of(given.text, given.video), Comparison.of(given.text, given.audio)]
    expected = ranks_of_fusion(compared, Positives.diagonal(12)).expected()
    np.testing.assert_array_equal(by_rank["text_to_media"], expected)
    assert by_rank["text_to_media"].tolist() != by_cosine["text_to_media"].tolist()
    for name in ("text_to_video", "text_to_audio", "video_to_text", "audio_to_text"):
        assert by_rank[name].tolist() == by_cosine[name].tolist()


HEARD = np.arange(12) < 5


def partly_heard() -> ClipEmbeddings:
    """Of the twelve clips the first five have audio."""
    given = noisy_embeddings("rank")
    return replace(given, audio=given.audio * HEARD[:, None].astype(np.float32), has_audio=HEARD)


@pytest.mark.parametrize("name", ["dual-softmax", "sinkhorn", "qb-norm"])
@pytest.mark.parametrize("direction", ["text_to_media", "media_to_text"])
def test_a_modality_that_is_absent_has_no_rank_after_a_re_ranking_either(name, direction):
    """Absent rows are no items, and no queries whose sums change the scores of others."""
    given = partly_heard()
    bank = np.roll(given.text, 3, axis=1)
    rerank = Post.parse(name).rerank(bank)
    found = evaluate_embeddings(given, num_resamples=0, rerank=rerank, names=[direction])[direction].ranks
    seen, heard = np.full((12, 12), np.nan), np.full((12, 12), np.nan)
    if direction == "text_to_media":
        seen, heard[:, HEARD] = (
            q @ i.T for q, i in (rerank(given.text, given.video), rerank(given.text, given.audio[HEARD]))
        )
    else:
        seen, heard[HEARD] = (
            q @ i.T for q, i in (rerank(given.video, given.text), rerank(given.audio[HEARD], given.text))
        )
    np.testing.assert_allclose(found.expected(), fused_by_definition([seen, heard]))


def test_a_modality_that_no_item_has_gives_nobody_a_rank():
    given = partly_heard()
    silent = Comparison.of(given.text, np.zeros_like(given.audio)).reranked(Post.parse("sinkhorn").rerank())
    by_video = Comparison.of(given.text, given.video)
    found, alone = (ranks_of_fusion(one, Positives.diagonal(12)) for one in ([by_video, silent], [by_video]))
    np.testing.assert_array_equal(found.expected(), alone.expected())


def test_a_question_is_asked_once_for_each_space_that_holds_it_and_the_target():
    spaces = ("video-text", "audio-text")
    assert comparisons("text", "media", spaces) == [("video", 0), ("audio", 1)]
    assert comparisons("text", "text", spaces) == [("text", 0), ("text", 1)]
    assert comparisons("audio", "audio", spaces) == [("audio", 1)]
    assert comparisons("audio", "video", spaces) == []
