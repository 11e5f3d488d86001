"""Attention within groups of a packed sequence, by two kernels that give the same outputs.

`Masked` calls dense attention group by group and masks padding: any device, any precision, exact. `Flash` makes one
call of variable-length flash attention (arXiv 2307.08691) over the groups of all clips, in which padding costs nothing
and no mask is read: a GPU, bfloat16. Used by encoder.py and, through it, by the decoder.
Axes: B clips, N tokens of a packed sequence, n tokens of a group, h heads, d width of a head, D = h d.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from vlsa.model.masking import gather_tokens

Paddings = Sequence[Bool[Tensor, "B _"]]
"""Padding of each group; the groups follow one another."""


@dataclass(frozen=True)
class Group:
    """Tokens start..stop of a packed sequence, which attend to each other and to nothing else."""

    start: int
    stop: int
    padding: Bool[Tensor, "B n"]

    @property
    def attends(self) -> Bool[Tensor, "B 1 1 n"]:
        """True at the tokens that may be looked at. A clip that has none of the group looks at all, and is not used."""
        return (~self.padding | self.padding.all(dim=-1, keepdim=True))[:, None, None, :]


@dataclass(frozen=True, eq=False)
class Masked:
    """Each group in a dense call of its own."""

    groups: tuple[Group, ...]

    @classmethod
    def of(cls, paddings: Paddings) -> "Masked":
        """Groups that follow one another."""
        groups, first = [], 0
        for padding in paddings:
            groups.append(Group(first, first + padding.shape[1], padding))
            first += padding.shape[1]
        return cls(tuple(groups))

    def arrange(self, x: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """Tokens in the order that `attend` takes."""
        return x

    def restore(self, x: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """The inverse of `arrange`."""
        return x

    def attend(self, packed: Float[Tensor, "B N threehd"], num_heads: int) -> Float[Tensor, "B N hd"]:
        """Outputs of attention, from queries, keys and values side by side."""
        packed = rearrange(packed, "b n (three h d) -> three b h n d", three=3, h=num_heads)
        attended = []
        for group in self.groups:
            query, key, value = packed[..., group.start : group.stop, :]
            output = F.scaled_dot_product_attention(query, key, value, attn_mask=group.attends)
            attended.append(rearrange(output, "b h n d -> b n (h d)"))
        return torch.cat(attended, dim=1)


class _Permute(torch.autograd.Function):
    """Tokens in another order; the gradient goes back by the inverse, not by adding up as that of a gather does."""

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
    """All groups of all clips in one call; the real tokens of a group are brought together, and padding attends alone.

    Lengths stay on the device: nothing is waited for. A group that is all padding, or has none, is a sequence of length
    zero.
    """

    order: Int[Tensor, "B N"]
    inverse: Int[Tensor, "B N"]
    boundaries: Int[Tensor, " sequences"]
    """Where each sequence begins, over all clips, and where the last one ends; int32."""
    longest: int
    """No sequence has more tokens."""

    @classmethod
    def of(cls, paddings: Paddings) -> "Flash":
        """Groups that follow one another."""
        keys = torch.cat([2 * number + padding.int() for number, padding in enumerate(paddings)], dim=1)
        order = keys.argsort(dim=1, stable=True)
        lengths = torch.stack([part.sum(dim=1) for padding in paddings for part in (~padding, padding)], dim=1)
        boundaries = F.pad(lengths.flatten().cumsum(0), (1, 0)).to(torch.int32)
        return cls(order, order.argsort(dim=1), boundaries, max(padding.shape[1] for padding in paddings))

    def arrange(self, x: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """Tokens in the order that `attend` takes."""
        return _Permute.apply(x, self.order, self.inverse)

    def restore(self, x: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """The inverse of `arrange`."""
        return _Permute.apply(x, self.inverse, self.order)

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
    """PyTorch's variable-length flash attention; a processor has no such kernel."""
    from torch.nn.attention.varlen import varlen_attn

    return varlen_attn(query, key, value, boundaries, boundaries, longest, longest)


Packing = Masked | Flash
KERNELS: dict[str, Callable[[Paddings], Packing]] = {"masked": Masked.of, "flash": Flash.of}


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
