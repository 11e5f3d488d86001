"""Masks: exact shares, each frame by itself, nothing but real words, and all from the noise."""

import pytest
import torch
from tiny import generator, mask_of

from vlsa.model.masking import (
    gather_tokens,
    mask_tokens,
    masked_positions,
    max_masked_tokens,
    num_visible,
    some_masked,
    visible_patches,
)

NO_PADDING = torch.zeros(5, 3, 16, dtype=torch.bool)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=generator(seed))


@pytest.mark.parametrize(("share", "hidden"), [(0.75, 12), (0.5, 8), (0.0, 0), (0.99, 15)])
def test_each_frame_masks_exactly_its_share_and_keeps_at_least_one(share, hidden):
    visible = visible_patches(noise(5, 3, 16), NO_PADDING, share)
    mask = mask_of(visible, 48)
    assert mask.reshape(5, 3, 16).sum(dim=-1).eq(hidden).all()
    assert num_visible(16, share) == 16 - hidden


def test_frames_and_clips_get_different_masks():
    padding = torch.zeros(5, 3, 64, dtype=torch.bool)
    mask = mask_of(visible_patches(noise(5, 3, 64), padding, 0.75), 192).reshape(15, 64)
    assert len({tuple(row.tolist()) for row in mask}) == 15


def test_every_patch_is_masked_as_often():
    padding = torch.zeros(2000, 1, 16, dtype=torch.bool)
    hidden = mask_of(visible_patches(noise(2000, 1, 16), padding, 0.75), 16).float().mean(dim=0)
    assert (hidden - 0.75).abs().max() < 5 * (0.75 * 0.25 / 2000) ** 0.5


def test_the_lowest_noise_stays_visible_in_ascending_order():
    given = torch.tensor([[[0.9, 0.1, 0.5, 0.2], [0.3, 0.8, 0.7, 0.05]]])
    visible = visible_patches(given, torch.zeros(1, 2, 4, dtype=torch.bool), 0.5)
    assert visible.tolist() == [[1, 3, 4, 7]]


def test_a_group_that_is_partly_padding_always_shows_a_real_patch():
    padding = torch.ones(200, 1, 16, dtype=torch.bool)
    real = torch.randint(16, (200,), generator=generator(1))
    padding[torch.arange(200), 0, real] = False
    visible = visible_patches(noise(200, 1, 16), padding, 0.75)
    assert visible.shape == (200, 4)
    assert (visible == real[:, None]).any(dim=1).all()
    assert (visible.diff(dim=1) > 0).all()


def test_a_group_of_padding_alone_keeps_its_shape():
    assert visible_patches(noise(1, 2, 16), torch.ones(1, 2, 16, dtype=torch.bool), 0.75).shape == (1, 8)


@pytest.mark.parametrize(("share", "num_decoded"), [(1.0, 36), (0.25, 9), (0.001, 1)])
def test_decoded_patches_are_hidden_ones_each_once(share, num_decoded):
    visible = visible_patches(noise(5, 3, 16), NO_PADDING, 0.75)
    decoded = some_masked(visible, noise(5, 48, seed=1), share)
    assert decoded.shape == (5, num_decoded)
    assert mask_of(visible, 48).gather(1, decoded).all()
    assert (decoded.diff(dim=1) > 0).all()


def test_nothing_is_decoded_where_nothing_is_hidden():
    visible = visible_patches(noise(5, 3, 16), NO_PADDING, 0.0)
    assert some_masked(visible, noise(5, 48), 1.0).shape == (5, 0)


def test_the_decoded_part_is_random():
    visible = visible_patches(noise(1, 3, 16), NO_PADDING[:1], 0.75)
    chosen = {tuple(some_masked(visible, noise(1, 48, seed=seed), 0.25)[0].tolist()) for seed in range(5)}
    assert len(chosen) == 5


def special(*num_words: int, length: int = 24) -> torch.Tensor:
    """[CLS], so many words, [SEP], padding."""
    place = torch.arange(length)
    return torch.stack([(place == 0) | (place > number) for number in num_words])


def test_the_rounded_share_of_the_tokens_of_each_text_is_masked():
    marks = special(20, 10, 7, 3, 1, 0)
    hidden = mask_tokens(noise(6, 24), marks, 0.15)
    assert hidden.sum(dim=1).tolist() == [3, 2, 1, 1, 1, 0]  # 3, 1.5 to even, 1.05, at least one, at least one, none
    assert not (hidden & marks).any()


def test_no_word_is_hidden_when_the_share_is_0():
    assert not mask_tokens(noise(2, 24), special(20, 10), 0.0).any()


def test_every_word_is_hidden_as_often():
    hidden = mask_tokens(noise(4000, 24), special(20).expand(4000, -1), 0.15)[:, 1:21].float().mean(dim=0)
    assert (hidden - 0.15).abs().max() < 5 * (0.15 * 0.85 / 4000) ** 0.5


def test_gathered_tokens_are_those_at_the_indices():
    tokens = torch.arange(24.0).reshape(2, 4, 3)
    assert torch.equal(gather_tokens(tokens, torch.tensor([[3, 0], [1, 1]])), tokens[[[0], [1]], [[3, 0], [1, 1]]])


def test_masked_positions_list_every_masked_token_once_in_order():
    mask = mask_tokens(noise(6, 24), special(20, 10, 3, 1, 0, 24), 0.15)
    positions = masked_positions(mask, 0.15)
    assert positions.shape == (6, 4)  # ceil(0.15 * 24)
    for row, places in zip(mask, positions.tolist(), strict=True):
        number = int(row.sum())
        assert places[:number] == row.nonzero()[:, 0].tolist()
        assert len(set(places)) == 4


@pytest.mark.parametrize("share", [0.0, 0.01, 0.05, 0.1, 0.15, 0.25, 0.3, 0.5, 0.75, 0.9, 0.99])
def test_no_text_has_more_masked_tokens_than_the_most(share):
    """Of any length: the count is rounded in float32, the bound in float64."""
    for length in range(1, 80):
        counts = mask_tokens(noise(1, length), torch.zeros(1, length, dtype=torch.bool), share).sum(dim=1)
        assert counts.max() <= max_masked_tokens(length, share) <= length
