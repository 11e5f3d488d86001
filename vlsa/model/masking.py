"""Random masks of local-patch masked modelling (LPMM).

Paper: VLSA (arXiv 2405.07202), section 3.2: 75% of the patches of each frame independently, 75% of the audio patches,
15% of the text tokens. `mask` True = masked; `padding` True = not real.
Axes: B clips, G groups that are masked independently (frames), I patches of a group, N = G I, K visible and M decoded
patches or tokens, L text tokens.
"""

import math

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int, Num
from torch import Tensor


def num_visible(num_patches: int, share: float) -> int:
    """Number of visible patches of a group of which a share is masked: at least one."""
    return max(num_patches - round(num_patches * share), 1)


def visible_patches(noise: Float[Tensor, "B G I"], padding: Bool[Tensor, "B G I"], share: float) -> Int[Tensor, "B K"]:
    """Indices (into N, ascending) of the patches that stay visible: exactly as many in each group.

    Those with the lowest `noise`, and first of all the best real patch: a group that is partly padding never shows
    padding alone.
    """
    best_real = noise.masked_fill(padding, 2.0).argmin(dim=-1, keepdim=True)
    noise = noise.scatter(-1, best_real, -1.0)
    kept = noise.argsort(dim=-1)[..., : num_visible(noise.shape[-1], share)].sort(dim=-1).values
    first = torch.arange(noise.shape[1], device=noise.device)[:, None] * noise.shape[2]
    return rearrange(kept + first, "b g k -> b (g k)")


def some_masked(visible: Int[Tensor, "B K"], noise: Float[Tensor, "B N"], share: float) -> Int[Tensor, "B M"]:
    """Indices (ascending) of a random share of the masked patches: those that are decoded."""
    num_masked = noise.shape[1] - visible.shape[1]
    masked_first = noise.scatter(1, visible, 2.0).argsort(dim=-1)
    return masked_first[:, : max(round(num_masked * share), min(num_masked, 1))].sort(dim=-1).values


def mask_tokens(noise: Float[Tensor, "B L"], special: Bool[Tensor, "B L"], share: float) -> Bool[Tensor, "B L"]:
    """True at the tokens that become [MASK]: the rounded share of each text, at least one if it has any.

    `special` marks the tokens that are never masked: padding, [CLS], [SEP].
    """
    if share == 0:
        return torch.zeros_like(special)
    num_tokens = (~special).sum(dim=-1, keepdim=True)
    num_masked = (num_tokens * share).round().clamp(min=1).minimum(num_tokens)
    rank = noise.masked_fill(special, 2.0).argsort(dim=-1).argsort(dim=-1)
    return (rank < num_masked) & ~special


def max_masked_tokens(num_tokens: int, share: float) -> int:
    """The most tokens that `mask_tokens` masks in a text of this length: a bound that is the same for every text."""
    return math.ceil(num_tokens * share)


def masked_positions(mask: Bool[Tensor, "B L"], share: float) -> Int[Tensor, "B M"]:
    """Indices of the masked tokens (ascending), followed by other tokens where a text has fewer than the most."""
    order = (~mask).to(torch.uint8).argsort(dim=1, stable=True)
    return order[:, : max_masked_tokens(mask.shape[1], share)]


def gather_tokens(tokens: Num[Tensor, "B N D"], indices: Int[Tensor, "B K"]) -> Num[Tensor, "B K D"]:
    """The tokens at these indices."""
    return tokens.gather(1, indices[..., None].expand(-1, -1, tokens.shape[-1]))
