"""The encoder against torch.nn.TransformerEncoder with the same weights: the same numbers."""

import pytest
import torch
from torch import nn

from vlsa.model.encoder import Transformer

WIDTH, NUM_HEADS, NUM_LAYERS = 48, 4, 3


def reference_with_weights_of(ours: Transformer) -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(
        WIDTH, NUM_HEADS, 4 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    theirs = nn.TransformerEncoder(layer, NUM_LAYERS, norm=nn.LayerNorm(WIDTH), enable_nested_tensor=False)
    theirs.norm.load_state_dict(ours.norm.state_dict())
    for mine, other in zip(ours.blocks, theirs.layers, strict=True):
        other.self_attn.in_proj_weight.data.copy_(mine.attention.query_key_value.weight)
        other.self_attn.in_proj_bias.data.copy_(mine.attention.query_key_value.bias)
        other.self_attn.out_proj.load_state_dict(mine.attention.output.state_dict())
        other.norm1.load_state_dict(mine.norm_attention.state_dict())
        other.norm2.load_state_dict(mine.norm_mlp.state_dict())
        other.linear1.load_state_dict(mine.mlp[0].state_dict())
        other.linear2.load_state_dict(mine.mlp[2].state_dict())
    return theirs


@pytest.fixture
def ours() -> Transformer:
    torch.manual_seed(0)
    ours = Transformer(NUM_LAYERS, WIDTH, NUM_HEADS, mlp_ratio=4)
    for parameter in ours.parameters():  # no weight may be special: neither a bias of 0 nor a norm of 1
        parameter.data += 0.1 * torch.randn_like(parameter)
    return ours


@pytest.mark.parametrize("num_padding", [0, 4])
def test_three_layers_give_the_numbers_of_torch(ours, num_padding):
    tokens = torch.randn(3, 11, WIDTH)
    padding = torch.zeros(3, 11, dtype=torch.bool)
    padding[1, 11 - num_padding :] = True
    theirs = reference_with_weights_of(ours)(tokens, src_key_padding_mask=padding)
    mine = ours(tokens, [padding])
    assert (mine - theirs)[~padding].abs().max() < 1e-5


def test_gradients_are_those_of_torch(ours):
    tokens, padding = torch.randn(2, 7, WIDTH), torch.zeros(2, 7, dtype=torch.bool)
    theirs = reference_with_weights_of(ours)
    weight = torch.randn(2, 7, WIDTH)
    (theirs(tokens) * weight).sum().backward()
    (ours(tokens, [padding]) * weight).sum().backward()
    for mine, other in zip(ours.blocks, theirs.layers, strict=True):
        expected = other.self_attn.in_proj_weight.grad
        torch.testing.assert_close(mine.attention.query_key_value.weight.grad, expected, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(mine.mlp[2].weight.grad, other.linear2.weight.grad, atol=1e-4, rtol=1e-4)


def test_both_halves_of_a_packed_call_give_the_numbers_of_torch(ours):
    tokens = torch.randn(2, 9, WIDTH)
    paddings = [torch.zeros(2, 5, dtype=torch.bool), torch.zeros(2, 4, dtype=torch.bool)]
    paddings[1][0, 2:] = True
    real = ~torch.cat(paddings, dim=1)
    theirs = reference_with_weights_of(ours)
    isolated, joint = ours.forward_both(tokens, paddings, fusion_layers=NUM_LAYERS)
    assert (joint - theirs(tokens, src_key_padding_mask=~real))[real].abs().max() < 1e-5
    apart = [theirs(tokens[:, :5]), theirs(tokens[:, 5:], src_key_padding_mask=paddings[1])]
    assert (isolated - torch.cat(apart, dim=1))[real].abs().max() < 1e-5
