"""The gradient of a step: of a whole batch, also when its clips come in chunks or are spread over processes.

Gradient caching (arXiv 2101.06983): contrast needs the globals of all clips at once, but their activations only one
chunk at a time. So the globals are found first, without a gradient; the gradient of GAM towards each of them follows;
then each chunk is run anew and takes its clips' share of it in addition to its part of LPMM. The gradient is that of
the whole batch in the memory of a chunk, for one more pass of the encoder. Reads VLSA; used by loop.py.
Axes: B clips of this process, D width.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from vlsa.base.processes import num_processes, sum_over_processes
from vlsa.data.batch import Batch
from vlsa.model.noise import MaskNoise, Noise, PairNoise
from vlsa.model.types import Globals, Losses, Parts
from vlsa.model.vlsa import VLSA


@dataclass(frozen=True, eq=False)
class Cached:
    """What a chunk has to know of the whole batch."""

    counts: Float[Tensor, " 3"]
    vectors: dict[str, Float[Tensor, "B D"]]
    """Gradient of GAM towards the globals of the chunk's clips."""
    weights: dict[str, Tensor]
    """Gradient of GAM towards the weights of matching, by name; only one chunk brings it in."""

    def chunk(self, start: int, stop: int, *, is_last: bool) -> "Cached":
        """What concerns some of the clips."""
        vectors = {name: gradient[start:stop] for name, gradient in self.vectors.items()}
        return Cached(self.counts, vectors, self.weights if is_last else {})


class Objective(nn.Module):
    """The loss as one call, for DDP and FSDP2 to wrap: all that carries a gradient passes through `forward`."""

    def __init__(self, model: VLSA) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, noise: Noise, cached: Cached | None = None) -> Losses:
        """The loss of a batch; or with `cached` LPMM's part of a chunk, whose total has the gradient of GAM in it."""
        if cached is None:
            return self.model.step(batch, noise)
        parts = self.model.parts(batch, noise.masks, cached.counts)
        losses = self.model.losses(parts.terms)
        total = losses.total
        for name, gradient in cached.vectors.items():
            total = total + (parts.globals.vectors[name] * gradient).sum()
        for name, gradient in cached.weights.items():
            total = total + (self.model.matching.get_parameter(name) * gradient).sum()
        return Losses(total, losses.terms)

    @torch.no_grad()
    def encode_no_grad(self, batch: Batch, noise: MaskNoise, chunk_size: int) -> tuple[Globals, Float[Tensor, " 3"]]:
        """Globals of the batch, found chunk by chunk, and the counts of what is masked of all clips."""
        globals_, counts = zip(
            *(
                self.model.encode_no_grad(batch.rows(start, stop), noise.rows(start, stop))
                for start, stop in chunks(len(batch), chunk_size)
            ),
            strict=True,
        )
        return Globals.stack(list(globals_)), sum_over_processes(torch.stack(counts).sum(dim=0))

    def contrast(self, globals_: Globals, noise: PairNoise) -> tuple[Losses, dict[str, Tensor], dict[str, Tensor]]:
        """GAM of the globals, and its gradient towards them and towards the weights of matching, by name."""
        vectors = {name: part.detach().requires_grad_() for name, part in globals_.vectors.items()}
        losses = self.model.losses(self.model.global_losses(Globals(vectors, globals_.present), noise))
        if not losses.terms:
            return losses, {}, {}
        weights = {name: weight for name, weight in self.model.matching.named_parameters() if weight.requires_grad}
        gradients = torch.autograd.grad(losses.total, [*vectors.values(), *weights.values()], allow_unused=True)
        named = dict(zip([*vectors, *weights], gradients, strict=True))
        found = {name: gradient for name, gradient in named.items() if gradient is not None}
        return (
            losses,
            {name: gradient for name, gradient in found.items() if name in vectors},
            {name: gradient for name, gradient in found.items() if name in weights},
        )


def chunks(num_clips: int, chunk_size: int) -> list[tuple[int, int]]:
    """Start and stop of each chunk; the last may be smaller."""
    return [(start, min(start + chunk_size, num_clips)) for start in range(0, num_clips, chunk_size)]


def backward(objective: nn.Module, batch: Batch, noise: Noise, chunk_size: int = 0) -> Losses:
    """Add the gradient of a batch's loss to that of the weights; returns the loss, without a gradient.

    `objective`: an `Objective`, or DDP around one, which then means the gradient over processes. `noise` is of this
    process's clips, of which `chunk_size` are taken at a time (0 = all). With several processes the losses returned are
    this one's part of a sum.
    """
    if not 0 < chunk_size < len(batch):
        losses = objective(batch, noise)
        (losses.total * num_processes()).backward()
        return _detached(losses)
    bare: Objective = getattr(objective, "module", objective)
    globals_, counts = bare.encode_no_grad(batch, noise.masks, chunk_size)
    contrast, vectors, weights = bare.contrast(globals_, noise.pairs)
    cached = Cached(counts, vectors, weights)
    local: list[dict[str, Tensor]] = []
    for start, stop in chunks(len(batch), chunk_size):
        is_last = stop == len(batch)
        with nullcontext() if is_last else _unsynced(objective):
            part = cached.chunk(start, stop, is_last=is_last)
            losses = objective(batch.rows(start, stop), noise.rows(start, stop), part)
            (losses.total * num_processes()).backward()
        local.append(losses.terms)
    terms = {name: sum(part[name] for part in local) for name in local[0]} | contrast.terms
    return _detached(bare.model.losses(terms, Parts({}, globals_, counts)))


def _unsynced(objective: nn.Module) -> AbstractContextManager[None]:
    """DDP sums gradients over processes with the last chunk's alone; FSDP2 keeps none whole, and sums with each."""
    return objective.no_sync() if isinstance(objective, DistributedDataParallel) else nullcontext()


def _detached(losses: Losses) -> Losses:
    terms = {name: term.detach() for name, term in losses.terms.items()}
    return Losses(losses.total.detach(), terms, losses.globals, losses.counts)
