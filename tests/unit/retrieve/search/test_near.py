"""Moments like a moment, and groups of near-duplicates, against their definitions."""

import numpy as np
import pytest

from vlsa.base.errors import VlsaError
from vlsa.retrieve.search import near
from vlsa.retrieve.search.near import asked_with, duplicate_groups, shown_in, similar
from vlsa.retrieve.search.windows import Windows


def separate(count):
    """Windows of as many files."""
    return Windows(np.arange(count), np.zeros(count), np.full(count, 2.0))


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def linked(vectors, at_least):
    """Groups by walking the whole matrix of cosines."""
    alike = unit(vectors) @ unit(vectors).T >= at_least
    left, groups = set(range(len(vectors))), []
    while left:
        todo, group = [left.pop()], set()
        while todo:
            group.add(one := todo.pop())
            todo += (new := {int(other) for other in np.flatnonzero(alike[one])} & left)
            left -= new
        groups.append(tuple(sorted(group)))
    return {group for group in groups if len(group) > 1}


@pytest.mark.parametrize("block_rows", [7, 64, 2048])
def test_groups_are_those_of_the_whole_matrix_whatever_the_blocks(monkeypatch, block_rows):
    monkeypatch.setattr(near, "BLOCK_ROWS", block_rows)
    generator = np.random.default_rng(0)
    vectors = unit(np.repeat(generator.normal(size=(30, 8)), 5, axis=0) + generator.normal(size=(150, 8)) * 0.25)
    found = duplicate_groups(separate(150), vectors, 0.95)
    assert {*found} == linked(vectors, 0.95) and len(found) > 5
    assert [len(group) for group in found] == sorted(map(len, found), reverse=True)


def test_a_chain_of_pairs_is_one_group_and_equal_vectors_are_duplicates():
    angles = np.array([0.0, 0.1, 0.2, 2.0, 2.0])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert duplicate_groups(separate(5), vectors, np.cos(0.11)) == [(0, 1, 2), (3, 4)]
    assert duplicate_groups(separate(5), vectors, 1.0) == [(3, 4)]


def test_windows_of_the_same_time_are_no_duplicates_but_other_times_of_the_file_are():
    windows = Windows(np.zeros(3, np.int64), np.array([0.0, 1.0, 10.0]), np.array([2.0, 3.0, 12.0]))
    assert duplicate_groups(windows, np.ones((3, 2), np.float32), 0.9) == [(0, 1, 2)]  # both are like the third
    assert (
        duplicate_groups(Windows(*(axis[:2] for axis in vars(windows).values())), np.ones((2, 2), np.float32), 0.9)
        == []
    )


def test_what_has_no_vector_is_like_nothing():
    assert duplicate_groups(separate(3), np.zeros((3, 2), np.float32), 0.5) == []
    assert duplicate_groups(separate(0), np.zeros((0, 2), np.float32), 0.5) == []
    with pytest.raises(VlsaError, match="not a cosine above 0"):
        duplicate_groups(separate(0), np.zeros((0, 2), np.float32), 0)


def test_many_equal_windows_are_one_group_in_little_time():
    assert [len(group) for group in duplicate_groups(separate(3000), np.ones((3000, 2), np.float32), 0.9)] == [3000]


def test_the_most_similar_window_is_the_made_copy_and_never_the_stretch_itself():
    generator = np.random.default_rng(0)
    video, audio = (unit(generator.normal(size=(100, 16))) for _ in range(2))
    video[70], audio[70] = video[3], audio[3]
    video[71] = video[3]
    scores = similar(separate(100), {"video": video, "audio": audio}, shown_in(separate(100), 3, 0.5, 1.0), 0.5, 1.0)
    assert np.isnan(scores[3]) and np.argsort(-scores)[:2].tolist() == [70, 71]


def test_a_stretch_is_the_windows_that_share_its_time():
    windows = Windows(np.array([0, 0, 0, 1]), np.array([0.0, 2.0, 4.0, 2.0]), np.array([2.0, 4.0, 6.0, 4.0]))
    assert shown_in(windows, 0, 2.0, 4.5).tolist() == [False, True, True, False]


def test_a_long_stretch_asks_with_windows_spread_over_it_and_a_short_one_with_the_nearest():
    starts = 1.5 * np.arange(9)
    windows, vectors = Windows(np.zeros(9, np.int64), starts, starts + 3), np.eye(9, dtype=np.float32)

    def of(start, stop, rows=vectors):
        return asked_with(windows, rows, shown_in(windows, 0, start, stop), start, stop)

    def asked(start, stop):
        return [np.flatnonzero(row).tolist() for row in of(start, stop)]

    assert sorted(asked(0, 15)) == [[0], [2], [4], [6], [8]] and sorted(asked(-5, 500)) == sorted(asked(0, 15))
    assert asked(3, 6) == [[2]] and asked(3.2, 3.4) == [[1]] and asked(3.75, 6.75) == [[2, 3]]
    assert of(20, 30).shape == (0, 9) and of(0, 15, 0 * vectors).shape == (0, 9)
    silent = vectors * (np.arange(9) < 3)[:, None]
    assert {int(np.flatnonzero(row)[0]) for row in of(0, 15, silent)} == {0, 2}


def test_windows_without_length_ask_like_any():
    starts = np.arange(3.0)
    windows, vectors = Windows(np.zeros(3, np.int64), starts, starts), np.eye(3, dtype=np.float32)
    assert {int(np.flatnonzero(row)[0]) for row in asked_with(windows, vectors, starts >= 0, 0, 3)} >= {0, 2}
    assert asked_with(windows, vectors, starts == 1, 0.5, 1.5).tolist() == [[0, 1, 0]]


def test_what_is_like_one_part_of_a_long_stretch_is_similar_to_it():
    generator = np.random.default_rng(0)
    vectors = unit(generator.normal(size=(400, 16)))
    starts = np.append(2.0 * np.arange(12), np.zeros(388))
    windows = Windows(np.append(np.zeros(12, np.int64), np.arange(1, 389)), starts, starts + 2)
    vectors[100] = vectors[7]
    scores = similar(windows, {"video": vectors}, shown_in(windows, 0, 0, 24), 0, 24)
    assert np.isnan(scores[:12]).all() and np.nanargmax(scores) == 100


def test_windows_without_a_modality_are_compared_by_the_other():
    video = np.array([[1, 0], [1, 0], [0, 0], [0, 1]], np.float32)
    audio = np.array([[0, 0], [1, 0], [1, 0], [0, 0]], np.float32)
    scores = similar(separate(4), {"video": video, "audio": audio}, np.array([True, False, False, False]), 0, 2)
    assert np.isnan(scores).tolist() == [True, False, True, False] and scores[1] > scores[3]
    with pytest.raises(VlsaError, match="that stretch has no audio"):
        similar(separate(4), {"audio": audio}, np.array([True, False, False, False]), 0, 2)
