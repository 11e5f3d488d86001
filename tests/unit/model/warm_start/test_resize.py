"""Weights of other shapes: each rule keeps the outputs that it says it keeps."""

import math

import pytest
import torch
from tiny import generator
from torch.nn import functional as F

from vlsa.model.warm_start import resize


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=generator())


def test_summed_colours_give_the_same_output_for_a_grey_image():
    kernel, grey = noise(5, 3, 4, 4), noise(2, 1, 8, 8)
    before = F.conv2d(grey.expand(-1, 3, -1, -1), kernel, stride=4)
    torch.testing.assert_close(F.conv2d(grey, resize.merge_colours(kernel), stride=4), before, atol=1e-5, rtol=1e-5)


def test_summed_frames_give_the_same_output_for_a_still_video():
    kernel, image = noise(5, 3, 2, 4, 4), noise(2, 3, 8, 8)
    before = F.conv3d(image[:, :, None].expand(-1, -1, 2, -1, -1), kernel, stride=(2, 4, 4))[:, :, 0]
    torch.testing.assert_close(F.conv2d(image, resize.merge_frames(kernel), stride=4), before, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [4, 5, 7, 8, 16])
def test_a_larger_kernel_gives_the_same_output_for_enlarged_patches(size):
    kernel, patches = noise(5, 3, 4, 4), noise(6, 3, 4, 4)
    enlarged = F.interpolate(patches, size=(size, size), mode="bilinear", align_corners=False)
    before, after = F.conv2d(patches, kernel), F.conv2d(enlarged, resize.resize_kernel(kernel, size))
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("factor", [2, 4])
def test_a_kernel_shrunk_by_a_whole_factor_is_the_sum_of_its_squares(factor):
    kernel = noise(5, 3, 8, 8)
    expected = factor**2 * F.avg_pool2d(kernel, factor)
    torch.testing.assert_close(resize.resize_kernel(kernel, 8 // factor), expected, atol=1e-5, rtol=1e-5)


def test_a_kernel_that_is_not_square_is_resized_on_each_side():
    kernel = torch.ones(1, 1, 8, 2)
    torch.testing.assert_close(resize.resize_kernel(kernel, 4).sum(), torch.tensor(16.0), atol=1e-4, rtol=0)


def test_a_folded_scale_gives_the_same_output_for_the_same_pixels():
    kernel, bias, pixels = noise(5, 3, 4, 4), noise(5), torch.rand(2, 3, 4, 4, generator=generator())
    mean, deviation = (0.1, 0.5, 0.9), (0.2, 0.3, 0.4)
    seen = (pixels - torch.tensor(mean)[:, None, None]) / torch.tensor(deviation)[:, None, None]
    folded, shifted = resize.fold_scales(kernel, bias, (mean, deviation), (0.3, 0.7))
    ours = F.conv2d((pixels - 0.3) / 0.7, folded, shifted)
    torch.testing.assert_close(ours, F.conv2d(seen, kernel, bias), atol=1e-4, rtol=1e-5)


def test_positions_of_the_right_size_stay_bit_for_bit():
    table = noise(2, 3, 5, 8)
    assert torch.equal(resize.resize_places(table, 2, 3, 5), table)


def test_resized_positions_keep_a_constant():
    flat = resize.resize_places(torch.full((2, 4, 4, 3), 0.7), 5, 8, 6)
    torch.testing.assert_close(flat, torch.full((5, 8, 6, 3), 0.7))


def test_a_grid_three_times_as_fine_has_the_old_positions_in_the_middle_of_each_three():
    table = noise(2, 4, 5, 8)
    fine = resize.resize_places(table, 6, 12, 15)
    torch.testing.assert_close(fine[1::3, 1::3, 1::3], table, atol=1e-5, rtol=1e-5)


def test_moments_in_between_are_linear():
    table = torch.tensor([0.0, 1.0])[:, None, None, None].expand(2, 2, 2, 1)
    assert resize.resize_places(table, 4, 2, 2)[:, 0, 0, 0].tolist() == pytest.approx([0, 0.25, 0.75, 1])


def test_interleaved_sinusoids_are_those_of_the_first_transformer():
    table = resize.interleaved_sinusoids(7, 6)
    for place in range(7):
        rates = [1, 10_000 ** (-2 / 6), 10_000 ** (-4 / 6)]
        expected = [f(place * rate) for rate in rates for f in (math.sin, math.cos)]
        assert table[place].tolist() == pytest.approx(expected, abs=1e-6)
