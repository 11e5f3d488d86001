"""The shared encoder: groups are closed, a packed call is the separate calls, each block counts."""

import math

import pytest
import torch
from tiny import generator

from vlsa.model.attention import Masked
from vlsa.model.encoder import QuickGELU, Transformer

WIDTH, LENGTHS = 32, (5, 4, 3)


@pytest.fixture
def encoder() -> Transformer:
    torch.manual_seed(0)
    return Transformer(num_layers=3, width=WIDTH, num_heads=4, mlp_ratio=2)


def test_quick_gelu_is_x_times_a_sigmoid():
    x = torch.tensor([-2.0, 0.0, 1.0])
    expected = [value / (1 + math.exp(-1.702 * value)) for value in x.tolist()]
    assert QuickGELU()(x).tolist() == pytest.approx(expected)


@pytest.mark.parametrize(("option", "value"), [("activation", "quick_gelu"), ("norm_eps", 0.1)])
def test_each_option_of_a_block_has_an_effect(tokens, option, value):
    plain, other = Transformer(2, WIDTH, 4, 2), Transformer(2, WIDTH, 4, 2, **{option: value})
    other.load_state_dict(plain.state_dict())
    padding = torch.zeros(4, 12, dtype=torch.bool)
    assert (plain(tokens, [padding]) - other(tokens, [padding])).abs().max() > 1e-3


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randn(4, sum(LENGTHS), WIDTH, generator=generator())


@pytest.fixture
def paddings() -> list[torch.Tensor]:
    """Of three modalities: clip 1 has a short second one, clip 2 has no third one."""
    paddings = [torch.zeros(4, length, dtype=torch.bool) for length in LENGTHS]
    paddings[1][1, 2:] = True
    paddings[2][2] = True
    return paddings


@pytest.mark.parametrize("fusion_layers", [1, 2, 3])
def test_the_joint_pass_by_itself_is_that_of_a_packed_call(encoder, tokens, paddings, fusion_layers):
    _, joint = encoder.forward_both(tokens, paddings, fusion_layers)
    alone = encoder.forward_joint(tokens, paddings, fusion_layers)
    torch.testing.assert_close(alone, joint, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("fusion_layers", [1, 2, 3])
def test_the_isolated_outputs_of_a_packed_call_are_those_of_calls_by_themselves(
    encoder, tokens, paddings, fusion_layers
):
    isolated, _ = encoder.forward_both(tokens, paddings, fusion_layers)
    alone = [encoder(part, [padding]) for part, padding in zip(tokens.split(LENGTHS, 1), paddings, strict=True)]
    torch.testing.assert_close(isolated, torch.cat(alone, dim=1), atol=1e-5, rtol=1e-5)


def test_the_joint_outputs_of_a_packed_call_are_those_of_one_call_over_all(encoder, tokens, paddings):
    _, joint = encoder.forward_both(tokens, paddings, fusion_layers=3)
    together = encoder(tokens, [torch.cat(paddings, dim=1)])
    torch.testing.assert_close(joint, together, atol=1e-5, rtol=1e-5)


def test_with_fewer_fusion_layers_the_first_run_isolated_and_the_last_joint(encoder, tokens, paddings):
    _, joint = encoder.forward_both(tokens, paddings, fusion_layers=1)
    x = tokens
    for block in encoder.blocks[:2]:
        x = block(x, Masked.of(paddings))
    x = encoder.norm(encoder.blocks[2](x, Masked.of([torch.cat(paddings, dim=1)])))
    torch.testing.assert_close(joint, x, atol=1e-5, rtol=1e-5)


def test_a_token_moves_its_own_group_and_no_other(encoder, tokens, paddings):
    before, joint_before = encoder.forward_both(tokens, paddings, 2)
    moved = tokens.clone()
    moved[:, 0, :9] += 1
    after, joint_after = encoder.forward_both(moved, paddings, 2)
    assert ((after - before)[:, :5].abs().amax(dim=-1) > 1e-4).all()
    assert torch.equal(after[:, 5:], before[:, 5:])
    assert (joint_after - joint_before).abs().amax(dim=-1)[:, 5:].min() > 1e-5


def test_what_lies_in_padding_does_not_matter(encoder, tokens, paddings):
    before = encoder.forward_both(tokens, paddings, 2)
    junk = tokens.clone()
    padding = torch.cat(paddings, dim=1)
    junk[padding] = 1000.0
    after = encoder.forward_both(junk, paddings, 2)
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one[~padding], other[~padding])
        assert other.isfinite().all()


def test_a_clip_does_not_depend_on_its_neighbours_in_the_batch(encoder, tokens, paddings):
    isolated, joint = encoder.forward_both(tokens, paddings, 2)
    alone = encoder.forward_both(tokens[2:3], [padding[2:3] for padding in paddings], 2)
    torch.testing.assert_close(isolated[2:3], alone[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(joint[2:3], alone[1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_each_block_has_an_effect_and_a_gradient(encoder, tokens, paddings, layer):
    before = [output.detach() for output in encoder.forward_both(tokens, paddings, 2)]
    sum(output.square().sum() for output in encoder.forward_both(tokens, paddings, 2)).backward()
    block = encoder.blocks[layer]
    for name, parameter in block.named_parameters():
        assert parameter.grad.abs().sum() > 0, name
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.zero_()
    after = encoder.forward_both(tokens, paddings, 2)
    for one, other in zip(before, after, strict=True):
        assert (one - other).abs().max() > 0.01
