"""Queries of a gallery: the same ranks as the evaluation, and the right result is always included."""

import numpy as np
import pytest
from fake_encoder import CollapsedEncoder, FakeEncoder, numbered_clip

from vlsa.retrieve.encode.embed import embed_clips
from vlsa.retrieve.evaluate.results import WATCHED
from vlsa.show.compute.clip_batches import evenly_spaced
from vlsa.show.compute.ranked_queries import ranked_queries


def found(num_clips: int = 9, encoder=None, **fields):
    clips = [numbered_clip(n, texts=(f"clip {n}", f"again {n}"), **fields) for n in range(num_clips)]
    return embed_clips(encoder or FakeEncoder(), clips)


def test_a_perfect_model_has_the_right_answer_first_in_each_direction():
    queries = ranked_queries(found(), num_queries=3, k=4)
    assert list(dict.fromkeys(one.direction for one in queries)) == list(WATCHED)
    assert all(one.rank == 1 and one.results[0].right and one.right == one.results[0] for one in queries)
    assert all(len(one.results) == 4 for one in queries)
    captions = [one for one in queries if one.direction == "video_to_text"]
    assert all(one.results[1].right and not one.results[2].right for one in captions)  # a clip's second caption too
    assert captions[0].num_items == 18


def test_a_right_answer_beyond_the_first_is_kept_with_its_place():
    embeddings = found()
    embeddings.video[:] = np.roll(embeddings.video, 1, axis=0)  # each video now belongs to the next clip
    one = next(one for one in ranked_queries(embeddings, num_queries=1, k=1) if one.direction == "text_to_video")
    assert not one.results[0].right
    assert one.right.place == one.rank > 1
    assert one.right.clip == one.clip


def test_a_collapsed_model_has_the_middle_rank_by_expectation():
    one = next(one for one in ranked_queries(found(encoder=CollapsedEncoder()), 1) if one.direction == "audio_to_video")
    assert one.rank == 5.0


def test_directions_without_a_pair_are_left_out_and_the_queries_have_an_answer():
    silent = found(sound=False)
    assert {one.direction for one in ranked_queries(silent)} == {"text_to_video", "video_to_text"}
    clips = [numbered_clip(n, sound=n > 6, texts=(f"clip {n}",)) for n in range(9)]
    mixed = ranked_queries(embed_clips(FakeEncoder(), clips), num_queries=5)
    assert {one.clip for one in mixed if one.direction == "text_to_audio"} == {7, 8}


@pytest.mark.parametrize(("number", "expected"), [(3, [0, 3, 6]), (9, list(range(9))), (20, list(range(9)))])
def test_queries_lie_at_even_distances(number, expected):
    assert evenly_spaced(range(9), number) == expected
