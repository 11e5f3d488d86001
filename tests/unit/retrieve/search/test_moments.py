"""Windows that answer together are one moment, and no file fills the list."""

import numpy as np
import pytest

from vlsa.retrieve.search import moments
from vlsa.retrieve.search.moments import Found, Reason, extent, find_moments, make_moment
from vlsa.retrieve.search.windows import Windows

NAN = np.nan


def overlapping(*lengths, window=4.0, step=2.0):
    """Windows of files of so many windows each, half a window apart."""
    file = np.repeat(np.arange(len(lengths)), lengths)
    start = np.concatenate([np.arange(count) * step for count in lengths])
    return Windows(file, start, start + window)


def spans(windows, found):
    return [(int(windows.file[one.best]), *extent(windows, one)) for one in found]


def test_neighbours_that_answer_together_are_one_moment_with_the_best_inside():
    windows = overlapping(8)
    scores = np.array([0, 0, 3, 5, 4, 0, 0, 0.5])
    first, second, *_ = find_moments(windows, scores, 10)
    assert first == Found(best=3, windows=(2, 3, 4)) and extent(windows, first) == (4, 12)
    assert second == Found(best=7, windows=(7,))


def test_a_weaker_neighbour_is_not_in_the_moment_nor_an_answer_of_its_own():
    windows = overlapping(5)
    found = find_moments(windows, np.array([0.1, 1.0, 5.0, 2.9, 0.2]), 10)
    assert found[0] == Found(2, (2,))  # 2.9 is under six tenths of 5
    assert [one.best for one in found] == [2, 4, 0]  # 1 and 3 share half of their length with the first


def test_moments_of_one_file_never_share_more_than_half_of_a_window():
    generator = np.random.default_rng(0)
    windows = overlapping(40, 1, 25)
    found = find_moments(windows, generator.normal(size=66) * 3, 66)
    for one, (file, start, stop) in zip(found, spans(windows, found), strict=True):
        for other_file, other_start, other_stop in spans(windows, found):
            shared = min(stop, other_stop) - max(start, other_start)
            assert file != other_file or shared <= 2 or (start, stop) == (other_start, other_stop), one
    scores = [one.best for one in found]
    assert len(set(scores)) == len(scores)


def test_the_best_comes_first_and_equal_scores_by_file_and_time():
    windows = overlapping(1, 1, 1, 1)
    assert [one.best for one in find_moments(windows, np.array([1.0, 2.0, 2.0, np.nan]), 10)] == [1, 2, 0]
    assert find_moments(windows, np.full(4, np.nan), 10) == []
    none = Windows(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    assert find_moments(none, np.zeros(0), 10) == []


def test_windows_of_two_files_never_join():
    windows = Windows(np.array([0, 1]), np.array([0.0, 2.0]), np.array([4.0, 6.0]))
    assert len(find_moments(windows, np.array([5.0, 5.0]), 10)) == 2


def test_windows_that_touch_join_and_those_apart_do_not():
    touching = Windows(np.array([0, 0]), np.array([0.0, 4.001]), np.array([4.0, 8.0]))
    apart = Windows(np.array([0, 0]), np.array([0.0, 4.2]), np.array([4.0, 8.0]))
    assert [len(find_moments(windows, np.array([5.0, 5.0]), 10)) for windows in (touching, apart)] == [1, 2]


def test_scores_below_a_typical_window_join_nothing():
    assert len(find_moments(overlapping(3, step=4.0), np.array([-1.0, -1.0, -1.0]), 10)) == 3


def test_no_file_has_more_answers_than_asked():
    windows = overlapping(3, 3, step=10.0)
    scores = np.array([9, 8, 7, 3, 2, 1.0])
    assert spans(windows, find_moments(windows, scores, 3, max_per_file=1)) == [(0, 0, 4), (1, 0, 4)]
    assert [one.best for one in find_moments(windows, scores, 3, max_per_file=2)] == [0, 1, 3]


def test_grouped_by_file_the_answers_of_a_file_stand_together():
    windows = overlapping(3, 3, 1, step=10.0)
    scores = np.array([9, 2, 1, 5, 4, 3, 1.0])
    found = find_moments(windows, scores, 2, group_by="file")
    assert [one.best for one in found] == [0, 3, 4, 5]  # 2 and 1 are under six tenths of 9
    assert [one.best for one in find_moments(windows, scores, 3, group_by="file", max_per_file=1)] == [0, 3, 6]


def test_windows_found_by_their_words_alone_are_one_moment():
    windows = overlapping(12, step=3.0, window=3.0)
    words = np.where(np.arange(12) < 10, 2.5, NAN)  # a caption over 30 s
    ranks = np.where(np.isnan(words), NAN, 1 / (60 + np.arange(12)))
    nothing = np.full(12, NAN)
    (found,) = find_moments(windows, ranks, 10, strength=nothing, words=words)
    assert extent(windows, found) == (0, 30)
    assert find_moments(windows, ranks, 10, strength=nothing, words=words, group_by="file") == [found]


def test_a_window_that_is_alike_by_words_or_by_meaning_belongs_and_one_that_is_neither_does_not():
    windows = overlapping(6, step=4.0)
    strength, words = np.array([-1.0, 4, 3, 0.5, 0.2, 3.5]), np.array([2.0, 2, NAN, NAN, NAN, NAN])
    first, *_ = find_moments(windows, np.array([0.1, 1, 0.2, 0.3, 0.2, 0.1]), 10, strength=strength, words=words)
    assert first == Found(1, (0, 1, 2))


def test_grouped_by_file_an_hour_of_noise_is_a_few_moments_and_not_thousands():
    windows = overlapping(1440, 1440, window=5.0, step=2.5)
    scores = np.random.default_rng(0).normal(size=2880)
    scores[[100, 500, 1000]] = [9.0, 6.0, 5.0]
    found = find_moments(windows, scores, 2, group_by="file")
    first = [one.best for one in found if windows.file[one.best] == 0]
    assert first == [100, 500] and 1 <= len(found) - len(first) < 60


def test_grouped_by_file_one_that_answers_nothing_has_its_best_window_alone():
    windows = overlapping(4, 3, step=10.0)
    scores = np.array([-3.0, -1, -1, -2, NAN, -4, 0])
    assert [one.best for one in find_moments(windows, scores, 2, group_by="file")] == [6, 1]
    words = np.array([NAN, NAN, NAN, 1.0, NAN, NAN, NAN])
    assert [one.best for one in find_moments(windows, scores, 2, group_by="file", words=words)] == [6, 1, 3]


def test_near_duplicates_are_folded_into_the_better_one_only_when_asked():
    windows = overlapping(1, 1, 1, 1)
    scores = np.array([4.0, 3.0, 2.0, 1.0])
    vectors = np.array([[1, 0], [0, 1], [0.999, 0.01], [0, 0]], np.float32)
    folded = find_moments(windows, scores, 10, fold_above=0.99, vectors=[vectors])
    assert [(one.best, one.num_folded) for one in folded] == [(0, 1), (1, 0), (3, 0)]
    assert len(find_moments(windows, scores, 10, vectors=[vectors])) == 4
    assert len(find_moments(windows, scores, 1, fold_above=0.99, vectors=[vectors])) == 1


def test_an_answer_says_where_and_why():
    windows = overlapping(3)
    found = find_moments(windows, np.array([3.0, 4.0, 0.0]), 1)[0]
    why = [Reason("audio", 1, 0.5)]
    moment = make_moment(windows, found, rank=1, path="a.mp4", score=4.0, stand_out=4.0, why=why, texts=["dog"])
    assert moment.as_dict() == {
        "rank": 1,
        "path": "a.mp4",
        "start_seconds": 0.0,
        "stop_seconds": 6.0,
        "best_start_seconds": 2.0,
        "best_stop_seconds": 6.0,
        "score": 4.0,
        "stand_out": 4.0,
        "why": [{"modality": "audio", "rank": 1, "score": 0.5}],
        "texts": ["dog"],
        "num_folded": 0,
        "text_from": None,
    }


@pytest.mark.parametrize("group_by", ["moment", "file"])
def test_a_long_index_is_laid_out_at_once(group_by):
    windows = overlapping(*[100] * 300)
    scores = np.random.default_rng(0).normal(size=30_000)
    assert len(find_moments(windows, scores, 10, group_by=group_by, max_per_file=1)) == 10


def test_only_as_many_are_sorted_as_are_asked_for_and_in_the_same_order(monkeypatch):
    generator = np.random.default_rng(0)
    scores = generator.integers(0, 40, 500).astype(float)  # many are equal
    scores[generator.random(500) < 0.1] = NAN
    place = generator.permutation(500)
    there = ~np.isnan(scores)
    whole = [number for number in np.lexsort((place, -scores)) if there[number]]
    for size in (1, 7, 499, 1024):
        monkeypatch.setattr(moments, "SORTED_FIRST", size)
        assert [*moments._best_first(scores, place, there)] == whole


@pytest.mark.parametrize("k", [1, 3, 10])
def test_grouped_by_file_the_answers_are_those_of_each_file_alone(k):
    generator = np.random.default_rng(1)
    windows = overlapping(*generator.integers(1, 9, 12))
    order = generator.permutation(len(windows))
    windows, scores = windows.at(order), generator.normal(size=len(windows)).round(1)
    found = find_moments(windows, scores, k, group_by="file")
    best = {}
    for number in np.lexsort((windows.place, -scores)):
        best.setdefault(int(windows.file[number]), scores[number])
    files = [*best][:k]
    assert [*dict.fromkeys(int(windows.file[one.best]) for one in found)] == files
    for file in files:
        alone = find_moments(windows, np.where(windows.file == file, scores, NAN), 1, group_by="file")
        assert [one for one in found if windows.file[one.best] == file] == alone


def test_the_windows_of_a_file_are_those_of_its_number_by_time():
    rng = np.random.default_rng(0)
    file, start = rng.choice([0, 1, 3, 4], 60), rng.integers(0, 40, 60) / 2
    windows = Windows(file, start, start + rng.integers(1, 60, 60) / 2)
    for number in range(6):
        found = windows.of_file(number)
        assert sorted(found) == np.flatnonzero(file == number).tolist()
        assert (np.diff(start[found]) >= 0).all()
    assert len(Windows(file[:0], start[:0], start[:0]).of_file(0)) == 0
