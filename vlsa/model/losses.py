"""The objectives, one free function an equation.

Paper: VLSA (arXiv 2405.07202), Eq. 5 (local-patch masked modelling, LPMM) and Eq. 1, 6, 7 (global audio matching,
GAM). Each term is normalised by what is present: a clip without a modality counts neither above nor below the line.
Axes: B clips, M decoded patches, P values of a patch, L words, D width.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor


def patch_loss(
    rebuilt: Float[Tensor, "B M P"], target: Float[Tensor, "B M P"], padding: Bool[Tensor, "B M"]
) -> Float[Tensor, ""]:
    """Mean squared error of the hidden patches that are real (Eq. 5, L_v and L_a)."""
    error = (rebuilt.float() - target.float()).square().mean(dim=-1)
    return _mean_where(error, ~padding)


def word_loss(
    logits: Float[Tensor, "B L vocabulary"], words: Int[Tensor, "B L"], mask: Bool[Tensor, "B L"]
) -> Float[Tensor, ""]:
    """Cross-entropy of the hidden words, nats a word (Eq. 5, L_t)."""
    error = F.cross_entropy(logits.float().transpose(1, 2), words, reduction="none")
    return _mean_where(error, mask)


def mean_pool(tokens: Float[Tensor, "B N D"], padding: Bool[Tensor, "B N"]) -> Float[Tensor, "B D"]:
    """The global of a modality: the mean of its real tokens (Eq. 6); zero where there are none."""
    real = (~padding)[..., None].float()
    return (tokens.float() * real).sum(dim=1) / real.sum(dim=1).clamp(min=1)


def contrastive_loss(
    audio: Float[Tensor, "B D"],
    other: Float[Tensor, "B D"],
    scale: Float[Tensor, ""],
    present: Bool[Tensor, " B"],
) -> Float[Tensor, ""]:
    """Symmetric InfoNCE, nats a clip (Eq. 7, first two terms).

    Row i of both comes from clip i, unit length along D; `scale` is 1 / tau; clips that are not `present` in both are
    neither queries nor negatives.
    """
    logits = (scale * audio @ other.T).float()  # B B
    absent = ~present
    logits = logits.masked_fill(absent[:, None] | absent[None, :], torch.finfo(logits.dtype).min)
    target = torch.arange(len(audio), device=audio.device)
    forth = F.cross_entropy(logits, target, reduction="none")
    back = F.cross_entropy(logits.T, target, reduction="none")
    return _mean_where(forth + back, present)


def sigmoid_loss(
    one: Float[Tensor, "B D"],
    other: Float[Tensor, "B D"],
    scale: Float[Tensor, ""],
    bias: Float[Tensor, ""],
    present: Bool[Tensor, " B"],
) -> Float[Tensor, ""]:
    """Each pair of the batch as a yes or a no, nats a clip (SigLIP, arXiv 2303.15343, Eq. 1); arguments as above."""
    logits = (scale * one @ other.T + bias).float()  # B B
    sign = 2 * torch.eye(len(one), device=one.device) - 1
    counted = present[:, None] & present[None, :]
    return torch.where(counted, F.softplus(-sign * logits), 0.0).sum() / present.sum().clamp(min=1)


def hard_negatives(
    logits: Float[Tensor, "B B"], present: Bool[Tensor, " B"], generator: torch.Generator | None = None
) -> Int[Tensor, " B"]:
    """For each row a wrong column, drawn with probability softmax(logits) over the others that are present.

    Drawn in float32 by the Gumbel-max rule, so that the device is not waited for; as ALBEF (arXiv 2107.07651, section
    3.3) mines them. A row with no other clip to choose from gets itself, which the caller must not count.
    """
    own = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    uniform = torch.rand(logits.shape, generator=generator).clamp(min=1e-20).to(logits.device, non_blocking=True)
    noisy = logits.float() - (-uniform.log()).log()
    lowest = torch.finfo(noisy.dtype).min
    noisy = noisy.masked_fill(~present[None, :], lowest).masked_fill(own, lowest)
    alone = (~present[None, :] | own).all(dim=1)
    return torch.where(alone, torch.arange(len(logits), device=logits.device), noisy.argmax(dim=1))


def matching_loss(
    logits_true: Float[Tensor, " B"],
    logits_false: Float[Tensor, " negatives"],
    present_true: Bool[Tensor, " B"],
    present_false: Bool[Tensor, " negatives"],
) -> Float[Tensor, ""]:
    """Binary cross-entropy of true against re-paired globals, nats a pair (Eq. 7, third term); ln 2 is chance."""
    is_true = F.softplus(-logits_true.float())
    is_false = F.softplus(logits_false.float())
    return 0.5 * (_mean_where(is_true, present_true) + _mean_where(is_false, present_false))


def _mean_where(values: Float[Tensor, "*S"], keep: Bool[Tensor, "*S"]) -> Float[Tensor, ""]:
    """Mean of the kept values; 0 when there are none."""
    return torch.where(keep, values, 0.0).sum() / keep.sum().clamp(min=1)
