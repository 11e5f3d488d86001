"""The map of windows: what is alike lies together, whatever the number of windows, and always at the same place."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from vlsa.serve.archive.map_layout import lay_out


def groups(num_windows: int, num_groups: int, spread: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors around some directions, and the group of each."""
    rng = np.random.default_rng(1)
    group = rng.integers(0, num_groups, num_windows)
    vectors = rng.normal(size=(num_groups, 64))[group] + spread * rng.normal(size=(num_windows, 64))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), group


def share_of_own_group(places: np.ndarray, group: np.ndarray) -> float:
    """How many of the ten nearest points are of the same group, on average."""
    near = NearestNeighbors(n_neighbors=11).fit(places).kneighbors(places, return_distance=False)[:, 1:]
    return float((group[near] == group[:, None]).mean())


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setattr("vlsa.serve.archive.map_layout.NUM_STEPS", 250)  # as few as t-SNE takes


@pytest.fixture
def few_landmarks(monkeypatch):
    monkeypatch.setattr("vlsa.serve.archive.map_layout.MOST_LANDMARKS", 200)


def test_alike_windows_lie_together_whether_they_are_landmarks_or_not(few_landmarks):
    vectors, group = groups(1000, 8)
    made = lay_out(vectors)
    assert share_of_own_group(made.places, group) > 0.95
    assert share_of_own_group(np.random.default_rng(0).random((1000, 2)), group) < 0.2
    assert np.abs(made.places).max() <= 1.0


def test_the_same_vectors_give_the_same_map(few_landmarks):
    vectors, _ = groups(300, 4)
    first, second = lay_out(vectors), lay_out(vectors)
    np.testing.assert_array_equal(first.places, second.places)
    np.testing.assert_array_equal(first.cluster, second.cluster)


def test_clusters_are_the_groups_the_largest_first(few_landmarks):
    vectors, group = groups(500, 3, spread=0.05)
    made = lay_out(vectors)
    assert made.num_clusters == 3
    assert all(len(set(made.cluster[group == number])) == 1 for number in range(3))
    sizes = np.bincount(made.cluster, minlength=4)
    assert sizes[0] == 0 and sizes[1] >= sizes[2] >= sizes[3] > 0


def test_windows_without_a_vector_lie_in_a_row_below_and_in_no_cluster():
    vectors, _ = groups(40, 2)
    vectors[[3, 7, 20]] = 0
    made = lay_out(vectors)
    np.testing.assert_allclose(made.places[[3, 7, 20]], [[-1, -1.15], [0, -1.15], [1, -1.15]], rtol=1e-6)
    assert (made.cluster == 0).nonzero()[0].tolist() == [3, 7, 20]


@pytest.mark.parametrize("num_windows", [0, 1, 2, 7, 8, 9])
def test_a_few_windows_have_a_map_too(num_windows):
    made = lay_out(groups(num_windows, 2)[0])
    assert made.places.shape == (num_windows, 2) and np.isfinite(made.places).all()
    assert made.cluster.all()


@pytest.mark.parametrize("num_windows", [2, 50])
def test_windows_that_are_all_the_same_lie_at_one_place(num_windows):
    made = lay_out(np.ones((num_windows, 16), np.float32) / 4)
    assert np.ptp(made.places, axis=0).max() == 0 and made.num_clusters == 1


def test_progress_only_rises():
    seen = []
    lay_out(groups(20, 2)[0], lambda share, what: seen.append(share))
    assert seen == sorted(seen) and len(seen) >= 4 and 0 < seen[0] < seen[-1] < 1
