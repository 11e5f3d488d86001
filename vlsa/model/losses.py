"""The objectives, one function for each equation.

Paper: VLSA (arXiv 2405.07202), Eq. 5 (local-patch masked modelling, LPMM) and Eq. 1, 6, 7 (global audio matching,
GAM). Each term is a mean over what is present: a clip without a modality counts neither above nor below the line.

A batch may be split, into chunks or over processes. Each term is then the sum over the clips of the part divided by
the count of the whole batch, so that the parts add up to the loss of the whole.
Axes: B clips of this part, G clips of the whole batch, M decoded patches or tokens, P values of a patch, N tokens, D
width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Num
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Globals:
    """One global for each clip and modality (Eq. 6), and which clips have the modality.

    A unit vector, or with a space for each pair one in each of them (heads.py).
    """

    vectors: dict[str, Float[Tensor, "B W"]]
    present: dict[str, Bool[Tensor, " B"]]

    def detach(self) -> "Globals":
        """The same without a gradient."""
        return Globals({name: vectors.detach() for name, vectors in self.vectors.items()}, self.present)

    @classmethod
    def stack(cls, parts: "list[Globals]") -> "Globals":
        """The globals of consecutive chunks as one."""
        vectors = {name: torch.cat([part.vectors[name] for part in parts]) for name in parts[0].vectors}
        return cls(vectors, {name: torch.cat([part.present[name] for part in parts]) for name in vectors})


@dataclass(frozen=True, eq=False)
class GatheredGlobals:
    """Two globals of each clip of the whole batch; the clips of this process are the rows from `first` on."""

    one: Float[Tensor, "G D"]
    other: Float[Tensor, "G D"]
    present: Bool[Tensor, " G"]
    """Clips that have both."""
    first: int = 0

    def rows(self, num_clips: int) -> Int[Tensor, " B"]:
        """Indices of the clips of this process in the whole batch."""
        return self.first + torch.arange(num_clips, device=self.present.device)


def patch_loss(
    prediction: Float[Tensor, "B M P"],
    target: Float[Tensor, "B M P"],
    padding: Bool[Tensor, "B M"],
    count: Num[Tensor, ""] | None = None,
) -> Float[Tensor, ""]:
    """Mean squared error of the masked patches that are real (Eq. 5, L_v and L_a); `count` of them in all."""
    error = (prediction.float() - target.float()).square().mean(dim=-1)
    return mean_where(error, ~padding, count)


def text_loss(
    logits: Float[Tensor, "B M vocabulary"],
    target: Int[Tensor, "B M"],
    padding: Bool[Tensor, "B M"],
    count: Num[Tensor, ""] | None = None,
) -> Float[Tensor, ""]:
    """Cross-entropy of the masked tokens, nats per token (Eq. 5, L_t); `count` of them in all."""
    # Rows of a matrix: with the classes in the middle PyTorch would copy the largest tensor of a step.
    error = F.cross_entropy(logits.float().flatten(0, 1), target.flatten(), reduction="none")
    return mean_where(error, ~padding.flatten(), count)


def mean_pool(tokens: Float[Tensor, "B N D"], padding: Bool[Tensor, "B N"]) -> Float[Tensor, "B D"]:
    """The global of a modality: the mean of its real tokens (Eq. 6); zero where there are none."""
    real = (~padding)[..., None].float()
    return (tokens.float() * real).sum(dim=1) / real.sum(dim=1).clamp(min=1)


def attention_pool(
    tokens: Float[Tensor, "B N D"], padding: Bool[Tensor, "B N"], queries: Float[Tensor, "H D"]
) -> Float[Tensor, "B H D"]:
    """Means of the real tokens, weighted by softmax(query . token / sqrt(D)); the plain mean for a query of zeros.

    Attention with one learned query and no other weights (as the pooling head of SigLIP, arXiv 2303.15343, without its
    projections and MLP). Where there are no real tokens the result means nothing.
    """
    tokens = tokens.float()
    scores = tokens @ queries.float().T / tokens.shape[-1] ** 0.5  # B N H
    scores = scores.masked_fill(padding[..., None], torch.finfo(scores.dtype).min)
    return scores.softmax(dim=1).transpose(1, 2) @ tokens


def contrastive_loss(
    one: Float[Tensor, "B D"],
    other: Float[Tensor, "B D"],
    scale: Float[Tensor, ""],
    present: Bool[Tensor, " B"],
    everyone: GatheredGlobals | None = None,
) -> Float[Tensor, ""]:
    """Symmetric InfoNCE, nats per clip (Eq. 7, first two terms).

    Row i of both is of clip i, unit length along D; `scale` is 1 / tau; clips that are not `present` in both are
    neither queries nor negatives. With `everyone` the negatives are all other clips of the batch (the local form of
    the loss: each process computes its own rows, B x G logits).
    """
    everyone = everyone or GatheredGlobals(one, other, present)
    target = everyone.rows(len(one))
    absent = ~present[:, None] | ~everyone.present[None, :]
    error = torch.zeros_like(present, dtype=torch.float32)
    for queries, candidates in ((one, everyone.other), (other, everyone.one)):
        logits = (scale * queries @ candidates.T).float()  # B G
        logits = logits.masked_fill(absent, torch.finfo(logits.dtype).min)
        error = error + F.cross_entropy(logits, target, reduction="none")
    return mean_where(error, present, everyone.present.sum())


def fused_globals(globals_: Globals, names: Sequence[str]) -> tuple[Float[Tensor, "B D"], Bool[Tensor, " B"]]:
    """The unit mean of those of these globals that a clip has, without a gradient, and which clips have two or more."""
    vectors, has = globals_.vectors, globals_.present
    parts, present = (torch.stack([values[name] for name in names]) for values in (vectors, has))
    mean = (parts.detach() * present[..., None]).sum(dim=0)
    return F.normalize(mean, dim=-1), present.sum(dim=0) > 1


def sigmoid_loss(
    one: Float[Tensor, "B D"],
    other: Float[Tensor, "B D"],
    scale: Float[Tensor, ""],
    bias: Float[Tensor, ""],
    present: Bool[Tensor, " B"],
    everyone: GatheredGlobals | None = None,
) -> Float[Tensor, ""]:
    """Binary cross-entropy of every pair of the batch, nats per clip (SigLIP, arXiv 2303.15343, Eq. 1)."""
    everyone = everyone or GatheredGlobals(one, other, present)
    logits = (scale * one @ everyone.other.T + bias).float()  # B G
    own = everyone.rows(len(one))[:, None] == torch.arange(logits.shape[1], device=logits.device)
    counted = present[:, None] & everyone.present[None, :]
    errors = F.softplus(torch.where(own, -logits, logits))
    return torch.where(counted, errors, 0.0).sum() / everyone.present.sum().clamp(min=1)


def hard_negatives(
    logits: Float[Tensor, "B G"], everyone: GatheredGlobals, uniform: Float[Tensor, " B"]
) -> Int[Tensor, " B"]:
    """For each row a negative column, drawn with probability softmax(logits) over the other clips that are present.

    As in ALBEF (arXiv 2107.07651, section 3.3); drawn in float32 by inverting the cumulative sum at a `uniform` number,
    which does not wait for the device. A row without any other clip gets itself; the caller must not count it.
    """
    rows = everyone.rows(len(logits))
    own = rows[:, None] == torch.arange(logits.shape[1], device=logits.device)
    excluded = ~everyone.present[None, :] | own
    allowed = logits.float().masked_fill(excluded, torch.finfo(torch.float32).min)
    cumulative = allowed.softmax(dim=1).cumsum(dim=1)  # B G
    drawn = (cumulative <= uniform[:, None] * cumulative[:, -1:]).sum(dim=1).clamp(max=logits.shape[1] - 1)
    # Rounding of the sum may end at a column of probability zero.
    drawn = torch.where(excluded.gather(1, drawn[:, None])[:, 0], allowed.argmax(dim=1), drawn)
    return torch.where(excluded.all(dim=1), rows, drawn)


def matching_loss(
    logits_true: Float[Tensor, " B"],
    logits_false: Float[Tensor, " negatives"],
    present_true: Bool[Tensor, " B"],
    present_false: Bool[Tensor, " negatives"],
    counts: tuple[Num[Tensor, ""], Num[Tensor, ""]] | None = None,
) -> Float[Tensor, ""]:
    """Binary cross-entropy of positive and negative pairs, nats per pair (Eq. 7, third term); ln 2 is chance.

    `counts`: positive and negative pairs of the whole batch.
    """
    num_true, num_false = counts or (None, None)
    is_true = F.softplus(-logits_true.float())
    is_false = F.softplus(logits_false.float())
    return 0.5 * (mean_where(is_true, present_true, num_true) + mean_where(is_false, present_false, num_false))


def mean_where(
    values: Float[Tensor, "*S"], keep: Bool[Tensor, "*S"], count: Num[Tensor, ""] | None = None
) -> Float[Tensor, ""]:
    """Mean of the kept values, 0 without any; with `count`, their part of a mean over that many."""
    count = keep.sum() if count is None else count
    return torch.where(keep, values, 0.0).sum() / count.clamp(min=1)
