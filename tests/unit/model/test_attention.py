"""Attention: groups are closed, and leaving padding out by sequence lengths gives what masking it gives."""

import pytest
import torch
import torch.nn.functional as F
from tiny import generator

from vlsa.base.errors import ConfigError
from vlsa.model import attention
from vlsa.model.attention import KERNELS, Attention, Flash, Group, Masked

WIDTH, HEADS, LENGTHS = 32, 4, (5, 4, 3)


@pytest.fixture
def paddings() -> list[torch.Tensor]:
    """Of three groups: padding at the end, at the front and in the middle; clip 2 has no third group."""
    paddings = [torch.zeros(4, length, dtype=torch.bool) for length in LENGTHS]
    paddings[0][0, 0] = paddings[0][3, 2] = True
    paddings[1][1, 2:] = True
    paddings[2][2] = True
    return paddings


def sequence_by_sequence(query, key, value, boundaries, longest):
    """What flash attention has to compute, from its definition."""
    lengths = boundaries.diff().tolist()
    assert max(lengths) <= longest and sum(lengths) == len(query)
    parts = zip(*(x.split(lengths) for x in (query, key, value)), strict=True)
    outputs = [
        F.softmax(q.transpose(0, 1) @ k.permute(1, 2, 0) / q.shape[-1] ** 0.5, -1) @ v.transpose(0, 1)
        for q, k, v in parts
    ]
    return torch.cat(outputs, dim=1).transpose(0, 1)


def test_groups_follow_one_another(paddings):
    assert [(group.start, group.stop) for group in Masked.of(paddings).groups] == [(0, 5), (5, 9), (9, 12)]


def test_padding_is_not_attended_except_by_a_clip_that_has_nothing_else():
    group = Group(0, 2, torch.tensor([[False, True], [True, True]]))
    assert group.attends[:, 0, 0].tolist() == [[True, False], [True, True]]


def test_real_tokens_of_a_group_become_one_sequence_and_its_padding_another(paddings):
    packing = Flash.of(paddings)
    lengths = packing.boundaries.diff().reshape(4, 3, 2)
    assert lengths[..., 0].tolist() == [[4, 4, 3], [5, 2, 3], [5, 4, 0], [4, 4, 3]]
    assert (lengths.sum(dim=-1) == torch.tensor(LENGTHS)).all()
    assert packing.order[0, :5].tolist() == [1, 2, 3, 4, 0]
    assert packing.boundaries.dtype == torch.int32
    assert packing.longest == 5


def test_what_is_arranged_is_restored(paddings):
    x = torch.randn(4, 12, WIDTH, generator=generator())
    packing = Flash.of(paddings)
    assert not torch.equal(packing.arrange(x), x)
    assert torch.equal(packing.restore(packing.arrange(x)), x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_kernels_give_the_same_outputs_and_gradients(paddings, monkeypatch, dtype):
    monkeypatch.setattr(attention, "flash_attention", sequence_by_sequence)
    torch.manual_seed(0)
    layer = Attention(WIDTH, HEADS).to(dtype)
    x = torch.randn(4, 12, WIDTH, generator=generator(), dtype=dtype)
    real = ~torch.cat(paddings, dim=1)
    results = []
    for packing in (Masked.of(paddings), Flash.of(paddings)):
        layer.zero_grad()
        output = packing.restore(layer(packing.arrange(x), packing))[real]
        output.square().sum().backward()
        results.append([output.detach(), *(p.grad.clone() for p in layer.parameters())])
    for masked, flash in zip(*results, strict=True):
        torch.testing.assert_close(flash, masked, atol=1e-5, rtol=1e-5)


def test_the_real_kernel_takes_what_it_is_given(paddings):
    """Shapes, types and the absence of any wait, on a device that has no values."""
    layer = Attention(WIDTH, HEADS).to("meta", torch.bfloat16)
    packing = Flash.of([torch.zeros(4, length, dtype=torch.bool, device="meta") for length in LENGTHS])
    x = torch.zeros(4, 12, WIDTH, device="meta", dtype=torch.bfloat16)
    output = packing.restore(layer(packing.arrange(x), packing))
    assert output.shape == x.shape and output.dtype == torch.bfloat16


@pytest.mark.parametrize("kernel", ["dense", "flash_dense"])
def test_without_padding_the_kernels_that_ignore_it_give_the_same_outputs_and_gradients(monkeypatch, kernel):
    monkeypatch.setattr(attention, "flash_attention", sequence_by_sequence)
    torch.manual_seed(0)
    layer = Attention(WIDTH, HEADS)
    paddings = [torch.zeros(4, length, dtype=torch.bool) for length in LENGTHS]
    x = torch.randn(4, 12, WIDTH, generator=generator())
    results = []
    for packing in (Masked.of(paddings), KERNELS[kernel](paddings)):
        layer.zero_grad()
        output = packing.restore(layer(packing.arrange(x), packing))
        output.square().sum().backward()
        results.append([output.detach(), *(p.grad.clone() for p in layer.parameters())])
    for masked, other in zip(*results, strict=True):
        torch.testing.assert_close(other, masked, atol=1e-5, rtol=1e-5)


def test_without_padding_sequences_are_the_groups_and_no_token_moves():
    paddings = [torch.zeros(2, length, dtype=torch.bool) for length in LENGTHS]
    packing = Flash.of_unpadded(paddings)
    assert packing.boundaries.tolist() == [0, 5, 9, 12, 17, 21, 24]
    assert packing.boundaries.dtype == torch.int32 and packing.longest == 5
    x = torch.randn(2, 12, WIDTH, generator=generator())
    assert packing.arrange(x) is x and packing.restore(x) is x
    assert all(group.attends is None for group in Masked.of_unpadded(paddings).groups)


@pytest.mark.parametrize("kernel", ["dense", "flash_dense"])
def test_padding_that_would_be_attended_to_is_refused(paddings, kernel):
    with pytest.raises(ConfigError, match="this batch has padding. Set it to auto"):
        KERNELS[kernel](paddings)


def test_the_real_kernel_takes_sequences_without_padding():
    layer = Attention(WIDTH, HEADS).to("meta", torch.bfloat16)
    packing = Flash.of_unpadded([torch.zeros(4, length, dtype=torch.bool, device="meta") for length in LENGTHS])
    x = torch.zeros(4, 12, WIDTH, device="meta", dtype=torch.bfloat16)
    assert layer(packing.arrange(x), packing).shape == x.shape
