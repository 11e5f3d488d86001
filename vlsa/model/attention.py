"""Attention within groups of a packed sequence, by kernels that give the same outputs.

`Masked` calls dense attention group by group and masks padding: any device, any precision, exact. `Flash` makes one
call of variable-length flash attention (arXiv 2307.08691) over the groups of all clips, in which padding costs nothing
and no mask is read: a GPU, bfloat16. For batches without padding either has a form that reads no mask and moves no
token. Used by encoder.py and, through it, by the decoder.
Axes: B clips, N tokens of a packed sequence, n tokens of a group, h heads, d width of a head, D = h d.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from vlsa.base.errors import ConfigError
from vlsa.model.masking import gather_tokens

Paddings = Sequence[Bool[Tensor, "B _"]]
"""Padding of each of consecutive groups."""


def require_no_padding(paddings: Paddings) -> None:
    """Raises ConfigError for padding; on a GPU an assertion of the device fails instead, which is not waited for."""
    any_padding = torch.cat(list(paddings), dim=1).any()
    message = "compute.attention: dense kernels attend to everything, and this batch has padding. Set it to auto."
    if any_padding.device.type == "cpu" and any_padding:
        raise ConfigError(message)
    if any_padding.device.type == "cuda":
        torch._assert_async(~any_padding, message)


@dataclass(frozen=True)
class Group:
    """Tokens start..stop of a packed sequence, which attend to each other and to nothing else."""

    start: int
    stop: int
    padding: Bool[Tensor, "B n"] | None
    """None: all are real."""

    @property
    def attends(self) -> Bool[Tensor, "B 1 1 n"] | None:
        """True at the keys. A clip without real tokens attends to all of them, and its outputs are not used."""
        if self.padding is None:
            return None
        return (~self.padding | self.padding.all(dim=-1, keepdim=True))[:, None, None, :]


@dataclass(frozen=True, eq=False)
class Masked:
    """Each group in a dense call of its own (scaled_dot_product_attention)."""

    groups: tuple[Group, ...]

    @classmethod
    def of(cls, paddings: Paddings) -> "Masked":
        """From the padding of consecutive groups."""
        stops = list(accumulate(padding.shape[1] for padding in paddings))
        return cls(tuple(map(Group, [0, *stops], stops, paddings)))

    @classmethod
    def of_unpadded(cls, paddings: Paddings) -> "Masked":
        """Without a mask. Raises ConfigError for padding."""
        require_no_padding(paddings)
        return cls(tuple(replace(group, padding=None) for group in cls.of(paddings).groups))

    def arrange(self, x: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """Tokens in the order that `attend` takes."""
        return x

    def restore(self, x: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """The inverse of `arrange`."""
        return x

    def attend(self, packed: Float[Tensor, "B N threehd"], num_heads: int) -> Float[Tensor, "B N hd"]:
        """Outputs of attention, from queries, keys and values side by side."""
        packed = rearrange(packed, "b n (three h d) -> three b h n d", three=3, h=num_heads)
        lengths = [group.stop - group.start for group in self.groups]
        attended = []
        # A split, whose gradient is one concatenation: that of slices is a tensor of zeros for each, and their sum.
        for group, (query, key, value) in zip(self.groups, packed.split(lengths, dim=-2), strict=True):
            output = F.scaled_dot_product_attention(query, key, value, attn_mask=group.attends)
            attended.append(rearrange(output, "b h n d -> b n (h d)"))
        return torch.cat(attended, dim=1)


class _Permute(torch.autograd.Function):
    """Tokens in another order, whose gradient is a gather by the inverse and not the slower scatter-add of a gather."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(inverse)
        return gather_tokens(x, order)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (inverse,) = ctx.saved_tensors
        return gather_tokens(gradient, inverse), None, None


@dataclass(frozen=True, eq=False)
class Flash:
    """All groups of all clips in one call: the real tokens of a group are one sequence, and its padding is another.

    Lengths stay on the device, which is not waited for; a sequence may have length zero.
    """

    order: Int[Tensor, "B N"] | None
    """None: the tokens are in order already, since none is padding."""
    inverse: Int[Tensor, "B N"] | None
    boundaries: Int[Tensor, " sequences"]
    """Start of each sequence, over all clips, and the stop of the last one; int32."""
    longest: int
    """The most tokens of a sequence."""

    @classmethod
    def of(cls, paddings: Paddings) -> "Flash":
        """From the padding of consecutive groups."""
        keys = torch.cat([2 * number + padding.int() for number, padding in enumerate(paddings)], dim=1)
        order = keys.argsort(dim=1, stable=True)
        lengths = torch.stack([part.sum(dim=1) for padding in paddings for part in (~padding, padding)], dim=1)
        boundaries = F.pad(lengths.flatten().cumsum(0), (1, 0)).to(torch.int32)
        return cls(order, order.argsort(dim=1), boundaries, max(padding.shape[1] for padding in paddings))

    @classmethod
    def of_unpadded(cls, paddings: Paddings) -> "Flash":
        """Each group is a sequence; tokens stay where they are. Raises ConfigError for padding."""
        require_no_padding(paddings)
        num_clips, lengths = len(paddings[0]), [padding.shape[1] for padding in paddings]
        starts = torch.tensor([0, *accumulate(lengths)][:-1], dtype=torch.int32)
        clips = torch.arange(num_clips, dtype=torch.int32)[:, None] * sum(lengths)
        boundaries = F.pad((clips + starts).flatten(), (0, 1), value=num_clips * sum(lengths))
        return cls(None, None, boundaries.to(paddings[0].device, non_blocking=True), max(lengths))

    def arrange(self, x: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """Tokens in the order that `attend` takes."""
        return x if self.order is None else _Permute.apply(x, self.order, self.inverse)

    def restore(self, x: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """The inverse of `arrange`."""
        return x if self.order is None else _Permute.apply(x, self.inverse, self.order)

    def attend(self, packed: Float[Tensor, "B N threehd"], num_heads: int) -> Float[Tensor, "B N hd"]:
        """Outputs of attention, from queries, keys and values side by side."""
        query, key, value = rearrange(packed, "b n (three h d) -> three (b n) h d", three=3, h=num_heads)
        output = flash_attention(query, key, value, self.boundaries, self.longest)
        return rearrange(output, "(b n) h d -> b n (h d)", b=len(packed))


def flash_attention(
    query: Float[Tensor, "T h d"],
    key: Float[Tensor, "T h d"],
    value: Float[Tensor, "T h d"],
    boundaries: Int[Tensor, " sequences"],
    longest: int,
) -> Float[Tensor, "T h d"]:
    """PyTorch's variable-length flash attention, which is for GPUs only."""
    from torch.nn.attention.varlen import varlen_attn

    return varlen_attn(query, key, value, boundaries, boundaries, longest, longest)


Packing = Masked | Flash
KERNELS: dict[str, Callable[[Paddings], Packing]] = {
    "masked": Masked.of,
    "flash": Flash.of,
    "dense": Masked.of_unpadded,
    "flash_dense": Flash.of_unpadded,
}


class Attention(nn.Module):
    """Multi-head self-attention within groups."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.head_width = width // num_heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "B N D"], packing: Packing) -> Float[Tensor, "B N D"]:
        """Linear layers over all tokens at once, attention group by group."""
        return self.output(packing.attend(self.query_key_value(x), self.num_heads))
