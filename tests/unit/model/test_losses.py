"""Each loss against its closed form."""

import math

import pytest
import torch
import torch.nn.functional as F

from vlsa.model.losses import (
    GatheredGlobals,
    contrastive_loss,
    hard_negatives,
    matching_loss,
    mean_pool,
    patch_loss,
    sigmoid_loss,
    text_loss,
)

ALL = torch.ones(4, dtype=torch.bool)


def unit_rows(num_rows: int, width: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(num_rows, width, generator=torch.Generator().manual_seed(seed)), dim=-1)


# --- LPMM


def test_patch_loss_is_the_mean_square_over_real_patches():
    rebuilt = torch.tensor([[[0.0, 0.0], [1.0, 3.0]], [[2.0, 2.0], [9.0, 9.0]]])
    padding = torch.tensor([[False, False], [False, True]])
    loss = patch_loss(rebuilt, torch.zeros(2, 2, 2), padding)
    assert loss.item() == pytest.approx((0 + (1 + 9) / 2 + 4) / 3)


def test_patch_loss_of_padding_alone_is_zero_and_so_is_its_gradient():
    rebuilt = torch.randn(2, 3, 4, requires_grad=True)
    loss = patch_loss(rebuilt, torch.zeros(2, 3, 4), torch.ones(2, 3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(rebuilt.grad, torch.zeros(2, 3, 4))


def test_text_loss_of_a_clueless_model_is_the_log_of_the_vocabulary():
    mask = torch.tensor([[True, False, True], [False, False, True]])
    loss = text_loss(torch.zeros(2, 3, 50), torch.randint(50, (2, 3)), ~mask)
    assert loss.item() == pytest.approx(math.log(50))


def test_text_loss_counts_masked_tokens_only():
    token_ids = torch.tensor([[1, 2, 3]])
    logits = torch.zeros(1, 3, 5)
    logits[0, 1, 2] = math.log(4)  # the right token gets 4 of 8 parts
    assert text_loss(logits, token_ids, torch.tensor([[True, False, True]])).item() == pytest.approx(math.log(2))
    both = text_loss(logits, token_ids, torch.tensor([[False, False, True]])).item()
    assert both == pytest.approx((math.log(5) + math.log(2)) / 2)
    assert text_loss(logits, token_ids, torch.ones(1, 3, dtype=torch.bool)).item() == 0


# --- GAM


def test_mean_pool_leaves_padding_out():
    tokens = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [50.0, 50.0]], [[7.0, 7.0], [8.0, 8.0], [9.0, 9.0]]])
    padding = torch.tensor([[False, False, True], [True, True, True]])
    assert mean_pool(tokens, padding).tolist() == [[2.0, 3.0], [0.0, 0.0]]


@pytest.mark.parametrize("scale", [1.0, 2.0, 1 / 0.07])
def test_orthonormal_pairs_have_the_closed_form_loss(scale):
    loss = contrastive_loss(torch.eye(4), torch.eye(4), torch.tensor(scale), ALL)
    assert loss.item() == pytest.approx(2 * math.log1p(3 * math.exp(-scale)), rel=1e-5, abs=5e-7)


def test_a_collapsed_model_has_the_loss_of_chance():
    same = torch.ones(4, 8) / 8**0.5
    assert contrastive_loss(same, same, torch.tensor(14.0), ALL).item() == pytest.approx(2 * math.log(4), rel=1e-5)


def test_contrast_is_the_sum_of_both_directions():
    audio, other, scale = unit_rows(4, 8, 0), unit_rows(4, 8, 1), torch.tensor(5.0)
    similarity = scale * audio @ other.T
    forth = -similarity.softmax(dim=1).diagonal().log().mean()
    back = -similarity.softmax(dim=0).diagonal().log().mean()
    assert contrastive_loss(audio, other, scale, ALL).item() == pytest.approx((forth + back).item(), rel=1e-5)


def test_absent_clips_are_neither_queries_nor_negatives():
    present = torch.tensor([True, False, True, True])
    loss = contrastive_loss(torch.eye(4), torch.eye(4), torch.tensor(2.0), present)
    assert loss.item() == pytest.approx(2 * math.log1p(2 * math.exp(-2.0)), rel=1e-5)
    audio, other = unit_rows(4, 8, 0).requires_grad_(), unit_rows(4, 8, 1).requires_grad_()
    loss = contrastive_loss(audio, other, torch.tensor(3.0), present)
    fewer = contrastive_loss(audio[present], other[present], torch.tensor(3.0), ALL[:3])
    assert loss.item() == pytest.approx(fewer.item(), rel=1e-6)
    loss.backward()
    assert torch.equal(audio.grad[1], torch.zeros(8))
    assert torch.equal(other.grad[1], torch.zeros(8))
    assert audio.grad[[0, 2, 3]].abs().sum(dim=1).min() > 0


@pytest.mark.parametrize("num_present", [0, 1])
def test_contrast_needs_two_clips_and_is_zero_and_finite_with_fewer(num_present):
    audio = unit_rows(4, 8).requires_grad_()
    loss = contrastive_loss(audio, unit_rows(4, 8, 1), torch.tensor(100.0), torch.arange(4) < num_present)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(audio.grad, torch.zeros(4, 8))


def test_a_matching_layer_that_knows_nothing_is_at_ln_2():
    assert matching_loss(torch.zeros(4), torch.zeros(4), ALL, ALL).item() == pytest.approx(math.log(2))


def test_matching_averages_true_and_false_pairs_apart():
    true, false = torch.tensor([1.0, 2.0, 99.0, 99.0]), torch.tensor([-1.0, 99.0, 99.0, 99.0])
    first_two, first = torch.arange(4) < 2, torch.arange(4) < 1
    log_sigmoid = [math.log(1 / (1 + math.exp(-x))) for x in (1.0, 2.0)]
    expected = 0.5 * (-(log_sigmoid[0] + log_sigmoid[1]) / 2 - log_sigmoid[0])
    assert matching_loss(true, false, first_two, first).item() == pytest.approx(expected, rel=1e-6)


def test_matching_without_any_pair_is_zero():
    none = torch.zeros(4, dtype=torch.bool)
    assert matching_loss(torch.randn(4), torch.randn(4), none, none).item() == 0


def test_no_sum_of_a_term_for_each_side_beats_ln_2_on_negative_pairs():
    """A linear layer on a concatenation is such a sum; by Jensen it cannot beat chance, whatever its weights."""
    rng = torch.Generator().manual_seed(0)
    for size in (0.1, 1.0, 10.0):
        for shift in (1, 2, 3):
            one, other = torch.randn(2, 4, generator=rng) * size
            loss = matching_loss(one + other, one + other.roll(shift), ALL, ALL)
            assert loss.item() >= math.log(2) - 1e-6


def test_a_product_of_both_sides_beats_ln_2_on_repaired_clips():
    one = other = torch.eye(4)
    logits = [20 * (one * other.roll(shift, dims=0)).sum(dim=1) - 10 for shift in (0, 1)]
    assert matching_loss(*logits, ALL, ALL).item() < 1e-4


# --- beyond the paper


def test_orthonormal_pairs_have_the_closed_form_sigmoid_loss():
    """n matches at scale + bias, n (n - 1) others at bias."""
    num_clips, scale, bias = 5, 3.0, -1.0
    loss = sigmoid_loss(
        torch.eye(num_clips), torch.eye(num_clips), torch.tensor(scale), torch.tensor(bias), ALL[:1].expand(num_clips)
    )
    expected = math.log1p(math.exp(-scale - bias)) + (num_clips - 1) * math.log1p(math.exp(bias))
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_absent_clips_are_in_no_pair_of_the_sigmoid_loss():
    one, other = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(0))
    present = torch.tensor([True, True, False, True, False, True])
    arguments = torch.tensor(2.0), torch.tensor(-1.0)
    whole = sigmoid_loss(one, other, *arguments, present)
    kept = sigmoid_loss(one[present], other[present], *arguments, torch.ones(4, dtype=torch.bool))
    assert whole.item() == pytest.approx(kept.item(), rel=1e-6)


def draw(logits: torch.Tensor, present: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Hard negatives of a batch that one process holds."""
    anything = torch.zeros(len(logits), 1)
    return hard_negatives(logits, GatheredGlobals(anything, anything, present), torch.rand(len(logits), generator=rng))


def test_hard_negatives_are_drawn_by_likeness_and_never_the_clip_itself():
    logits = torch.tensor([[9.0, math.log(3.0), 0.0], [0.0, 9.0, 0.0], [50.0, 0.0, 9.0]])
    rng, present = torch.Generator().manual_seed(0), torch.ones(3, dtype=torch.bool)
    drawn = torch.stack([draw(logits, present, rng) for _ in range(4000)])
    assert (drawn != torch.arange(3)).all()
    assert (drawn[:, 0] == 1).float().mean().item() == pytest.approx(0.75, abs=0.03)
    assert (drawn[:, 1] == 0).float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert (drawn[:, 2] == 0).all()


def test_hard_negatives_are_present_and_a_batch_of_one_has_none():
    logits = torch.zeros(4, 4)
    present = torch.tensor([True, False, True, False])
    drawn = draw(logits, present, torch.Generator().manual_seed(0))
    assert drawn[[0, 2]].tolist() == [2, 0]
    assert draw(torch.zeros(1, 1), torch.ones(1, dtype=torch.bool), torch.Generator()).tolist() == [0]


def test_hard_negatives_in_half_precision_are_drawn_in_full():
    """In float16 a sum of many small probabilities stops growing; and large logits overflow."""
    num_clips = 6000
    everyone = GatheredGlobals(*torch.zeros(2, num_clips, 1), torch.ones(num_clips, dtype=torch.bool))
    logits = torch.full((3, num_clips), 60_000.0, dtype=torch.float16)
    drawn = hard_negatives(logits, everyone, torch.tensor([0.25, 0.5, 0.95]))
    assert drawn.tolist() == pytest.approx([1500, 3000, 5700], abs=3)


def test_a_number_at_either_end_draws_a_clip_that_is_there():
    present = torch.tensor([False, True, True, False, False])
    everyone = GatheredGlobals(*torch.zeros(2, 5, 1), present)
    for uniform, drawn in ((0.0, 1), (0.75, 2), (1.0, 1)):  # the last is beyond the sum: the likest clip stands in
        assert hard_negatives(torch.zeros(1, 5), everyone, torch.tensor([uniform])).tolist() == [drawn]
