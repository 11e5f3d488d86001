"""Maps of pairs: closed forms of alignment, uniformity and separation, and which pairs match."""

import math

import numpy as np
import pytest
from fake_encoder import CollapsedEncoder, FakeEncoder, numbered_clip

from vlsa.base.errors import VlsaError
from vlsa.retrieve.encode.embed import ClipEmbeddings, embed_clips
from vlsa.retrieve.encode.unit_vectors import unit_length
from vlsa.show.compute.pair_map import PAIRS, alignment, lay_out, pair_map, separation, uniformity


def embeddings(num_clips: int = 12, encoder=None, **fields) -> ClipEmbeddings:
    clips = [numbered_clip(n, texts=(f"clip {n}", f"again {n}"), **fields) for n in range(num_clips)]
    return embed_clips(encoder or FakeEncoder(), clips)


def test_alignment_has_its_closed_forms():
    eye = np.eye(5)
    assert alignment(eye, eye) == 0
    assert alignment(eye, np.roll(eye, 1, axis=0)) == pytest.approx(2)
    assert alignment(eye, -eye) == pytest.approx(4)


def test_uniformity_has_its_closed_forms():
    assert uniformity(np.ones((6, 4)) / 2) == pytest.approx(0)
    assert uniformity(np.eye(7)) == pytest.approx(-4)
    assert uniformity(np.array([[1.0, 0], [-1, 0]])) == pytest.approx(-8)
    mixed = np.array([[1.0, 0], [1, 0], [-1, 0]])
    assert uniformity(mixed) == pytest.approx(math.log((1 + 2 * math.exp(-8)) / 3))


def test_separation_is_the_probability_of_the_right_order_with_ties_as_half():
    assert separation(np.array([2.0, 3]), np.array([0.0, 1])) == 1
    assert separation(np.zeros(4), np.zeros(3)) == 0.5
    assert separation(np.array([1.0]), np.array([0.0, 1, 2, 3])) == pytest.approx((1 + 0.5) / 4)


@pytest.mark.parametrize("pair", PAIRS)
def test_a_perfect_model_aligns_and_separates_all_pairs(pair):
    drawn = pair_map(embeddings(), pair)
    num_pairs = 24 if pair.startswith("text") else 12
    assert drawn.points.shape == (2 * num_pairs, 2)
    assert drawn.positive.sum() == num_pairs
    assert drawn.alignment == pytest.approx(0, abs=1e-6)
    assert drawn.separation == 1.0
    assert sorted(drawn.uniformity) == sorted(pair.split("-"))
    assert drawn.num_clips == 12


def test_a_collapsed_model_is_one_point_with_everything_by_chance():
    drawn = pair_map(embeddings(encoder=CollapsedEncoder()), "audio-video")
    assert np.ptp(drawn.points, axis=0).tolist() == [0, 0]
    assert (drawn.separation, drawn.alignment) == (0.5, pytest.approx(0))
    assert drawn.uniformity == {"audio": pytest.approx(0), "video": pytest.approx(0)}


def test_a_pair_that_does_not_match_never_comes_from_one_clip():
    """Only one clip's pictures equal its texts, so a wrong pair of it would be seen in the separation."""
    for seed in range(5):
        assert pair_map(embeddings(2), "text-video", seed=seed).separation == 1.0


def test_no_more_pairs_than_asked_and_the_same_for_a_seed():
    one, two = (pair_map(embeddings(), num_pairs=7, seed=4) for _ in range(2))
    assert one.positive.tolist() == [True] * 7 + [False] * 7
    np.testing.assert_array_equal(one.points, two.points)


def test_clips_that_lack_a_modality_are_in_no_pair():
    clips = [numbered_clip(n, sound=n % 2 == 0, texts=(f"clip {n}",)) for n in range(12)]
    found = embed_clips(FakeEncoder(), clips)
    drawn = pair_map(found, "text-audio")
    assert (drawn.positive.sum(), drawn.num_clips, drawn.separation) == (6, 6, 1.0)


def test_groups_of_pairs_lie_apart_in_the_plane():
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(size=(40, 20)), rng.normal(size=(40, 20)) + 9])
    points = lay_out(features)
    centres = points[:40].mean(axis=0), points[40:].mean(axis=0)
    own = np.linalg.norm(points[:40] - centres[0], axis=1) < np.linalg.norm(points[:40] - centres[1], axis=1)
    assert own.mean() > 0.95


@pytest.mark.parametrize(("pair", "message"), [("audio-smell", "not a pair"), ("video-text", "Valid: text-video")])
def test_an_unknown_pair_is_one_line(pair, message):
    with pytest.raises(VlsaError, match=message):
        pair_map(embeddings(), pair)


def test_a_lone_clip_and_one_without_the_modality_are_refused():
    with pytest.raises(VlsaError, match="1 clips have both"):
        pair_map(embeddings(1))
    with pytest.raises(VlsaError, match="0 clips have both"):
        pair_map(embeddings(4, sound=False), "text-audio")


def test_a_diverged_model_is_reported():
    found = embeddings(4)
    found.video[1] = np.nan
    with pytest.raises(VlsaError, match="not finite"):
        pair_map(found, "text-video")


def test_the_numbers_name_the_run_and_what_they_are_compared_with():
    numbers = pair_map(embeddings()).numbers("GAM")
    assert numbers[0].name == "GAM text-video: alignment"
    assert numbers[1].baselines == {"chance": 0.5}
    assert len(numbers) == 4
    assert unit_length(np.ones((1, 4), np.float32)).sum() == pytest.approx(2)


def test_with_a_space_for_each_pair_the_pair_is_seen_in_its_own():
    rng = np.random.default_rng(0)
    names, present = tuple(f"clip {n}" for n in range(8)), np.ones(8, bool)
    own, junk, nothing = (unit_length(rng.normal(size=(8, 4)).astype(np.float32)) for _ in range(3))
    nothing[:] = 0
    video, text = np.hstack([junk, own]), np.hstack([nothing, own])
    spaces = ("audio-video", "video-text")
    clips = ClipEmbeddings(names, video, present, video * 0, ~present, text, np.arange(8), names, spaces)
    found = pair_map(clips, "text-video")
    assert found.alignment == pytest.approx(0, abs=1e-6)
    assert found.separation == 1
    with pytest.raises(VlsaError, match=r"^text-audio: this model compares audio-video, video-text alone, .* Choose"):
        pair_map(clips, "text-audio")
