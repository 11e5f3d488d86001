"""The picture of pairs: runs stand side by side, and both kinds of pairs are to be seen."""

import numpy as np
import pytest
from PIL import Image

from vlsa.base.errors import VlsaError
from vlsa.show.compute.pair_map import PairMap
from vlsa.show.plots.pair_map_plot import draw_pair_maps


def size_of(path) -> tuple[int, int]:
    """Width and height in pixels."""
    with Image.open(path) as picture:
        return picture.size


def drawn(name: str = "text-video") -> PairMap:
    points = np.concatenate([np.random.default_rng(0).normal(size=(30, 2)), np.full((30, 2), 9.0)])
    return PairMap(name, points, np.arange(60) < 30, 0.5, {"text": -2.0, "video": -3.0}, 0.9, 30)


def test_two_runs_are_as_high_as_one_and_wider(tmp_path):
    one = size_of(draw_pair_maps({"GAM": drawn()}, tmp_path / "1.png"))
    two = size_of(draw_pair_maps({"GAM": drawn(), "VTM $1$": drawn()}, tmp_path / "2.png"))
    assert two[0] > 1.8 * one[0]
    assert two[1] <= one[1]  # the caption needs fewer lines


def test_four_runs_take_a_second_row(tmp_path):
    names = [f"run {n}" for n in range(4)]
    three = size_of(draw_pair_maps({name: drawn() for name in names[:3]}, tmp_path / "3.png"))
    four = size_of(draw_pair_maps({name: drawn() for name in names}, tmp_path / "4.png"))
    assert four[0] == pytest.approx(three[0], rel=0.02)
    assert four[1] > 1.6 * three[1]


def test_both_kinds_of_pairs_are_seen_in_their_colours(tmp_path):
    pixels = np.asarray(Image.open(draw_pair_maps({"a": drawn()}, tmp_path / "a.png")).convert("RGB")).astype(int)
    red, green, blue = np.moveaxis(pixels, -1, 0)
    assert (green - red > 40).sum() > 100  # teal
    assert (red - blue > 60).sum() > 100  # orange


def test_a_collapsed_model_can_be_drawn(tmp_path):
    flat = PairMap("text-video", np.zeros((8, 2)), np.arange(8) < 4, 0.0, {"text": 0.0}, 0.5, 4)
    assert draw_pair_maps({"a": flat}, tmp_path / "a.png").exists()


def test_no_map_is_one_line(tmp_path):
    with pytest.raises(VlsaError, match="no pairs to draw"):
        draw_pair_maps({}, tmp_path / "a.png")
