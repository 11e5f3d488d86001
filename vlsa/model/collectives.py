"""The globals of the whole batch, when its clips are spread over processes; alone, a process holds them all.

Used by matching.py (negatives from all processes) and by losses that are normalised over the whole batch. What is
gathered carries a gradient back to the process that it came from. Everything is PyTorch's: its default process group,
with as many clips in each process.
Axes: B clips of this process, G clips of all.
"""

import torch
import torch.distributed as dist
from jaxtyping import Num, Shaped
from torch import Tensor

from vlsa.base.processes import num_processes, rank


def first_row(num_clips: int) -> int:
    """Where this process's clips begin in the whole batch."""
    return num_clips * rank()


class _GatherRows(torch.autograd.Function):
    """Rows of all processes; the backward pass sums what each of them has to say of a row."""

    @staticmethod
    def forward(ctx: object, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows) for _ in range(num_processes())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        parts = [part.contiguous() for part in gradient.chunk(num_processes())]
        own = torch.empty_like(parts[0])
        dist.reduce_scatter(own, parts)
        return own


def gather_rows(rows: Shaped[Tensor, "B ..."]) -> Shaped[Tensor, "G ..."]:
    """The rows of all processes, in their order; differentiable."""
    if num_processes() == 1:
        return rows
    if rows.dtype == torch.bool:  # which not every backend sends
        return gather_rows(rows.to(torch.uint8)).bool()
    return _GatherRows.apply(rows)


@torch.no_grad()
def sum_over_processes(values: Num[Tensor, "..."]) -> Num[Tensor, "..."]:
    """The sum of what each process holds; for counts and reports, without a gradient."""
    if num_processes() > 1:
        values = values.clone()
        dist.all_reduce(values)
    return values
