"""Random masks of local-patch masked modelling (LPMM).

Paper: VLSA (arXiv 2405.07202), section 3.2: 75% of the patches of each frame independently, 75% of the audio patches,
15% of the words. `mask` True = hidden; `padding` True = not real.
Axes: B clips, G groups that are masked each on its own (frames), I patches of a group, K of them visible, N = G I, L
words.
"""

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int, Num
from torch import Tensor


def num_visible(num_patches: int, share: float) -> int:
    """How many of a group's patches stay visible when a share is hidden: at least one."""
    return max(num_patches - round(num_patches * share), 1)


def visible_patches(noise: Float[Tensor, "B G I"], padding: Bool[Tensor, "B G I"], share: float) -> Int[Tensor, "B K"]:
    """Indices (into N, ascending) of the patches that stay visible: exactly as many in each group.

    The lowest `noise` stays. The first of a group's real patches in that order is moved to the front, so that a group
    which is partly padding never shows padding alone.
    """
    best_real = noise.masked_fill(padding, 2.0).argmin(dim=-1, keepdim=True)
    noise = noise.scatter(-1, best_real, -1.0)
    kept = noise.argsort(dim=-1)[..., : num_visible(noise.shape[-1], share)].sort(dim=-1).values
    first = torch.arange(noise.shape[1], device=noise.device)[:, None] * noise.shape[2]
    return rearrange(kept + first, "b g k -> b (g k)")


def some_masked(visible: Int[Tensor, "B K"], noise: Float[Tensor, "B N"], share: float) -> Int[Tensor, "B M"]:
    """Indices (ascending) of a random share of the hidden patches: those that are decoded."""
    num_hidden = noise.shape[1] - visible.shape[1]
    hidden_first = noise.scatter(1, visible, 2.0).argsort(dim=-1)
    return hidden_first[:, : max(round(num_hidden * share), min(num_hidden, 1))].sort(dim=-1).values


def mask_tokens(noise: Float[Tensor, "B L"], special: Bool[Tensor, "B L"], share: float) -> Bool[Tensor, "B L"]:
    """True at the words that become [MASK]: the rounded share of each text's words, at least one if it has any.

    `special` marks what is no word: padding, [CLS], [SEP].
    """
    if share == 0:
        return torch.zeros_like(special)
    num_words = (~special).sum(dim=-1, keepdim=True)
    num_hidden = (num_words * share).round().clamp(min=1).minimum(num_words)
    rank = noise.masked_fill(special, 2.0).argsort(dim=-1).argsort(dim=-1)
    return (rank < num_hidden) & ~special


def gather_tokens(tokens: Num[Tensor, "B N D"], indices: Int[Tensor, "B K"]) -> Num[Tensor, "B K D"]:
    """The tokens at these indices."""
    return tokens.gather(1, indices[..., None].expand(-1, -1, tokens.shape[-1]))
