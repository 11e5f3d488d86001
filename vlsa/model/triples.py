"""Contrast of all three modalities of a clip at once, in place of pairs; beyond the paper, in one space for all.

Each modality in turn is the anchor: a clip's anchor is to be found for its two others, and these for the anchor, among
all clips of the batch. The sources score one anchor, the text; here all three are, since any modality is to retrieve
any other. A clip that lacks a modality is neither query nor negative. Reads globals; used by matching.py.
Axes: B clips of this process, G clips of the whole batch, D width.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vlsa.config import MODALITIES
from vlsa.model.losses import Globals, mean_where

SMALLEST_SQUARE = 1e-6
"""Below it the gradient of a square root would not be finite."""


def volume(one: Tensor, other: Tensor, between: Tensor) -> Float[Tensor, "*S"]:
    """Minus the volume of the parallelepiped of three unit vectors, from their three cosines.

    The root of the determinant of their Gram matrix (GRAM, arXiv 2412.11959, section 3): 0 for vectors that are alike,
    -1 for orthogonal ones.
    """
    square = 1 + 2 * one * other * between - one.square() - other.square() - between.square()
    return -square.clamp(min=SMALLEST_SQUARE).sqrt()


def area(one: Tensor, other: Tensor, between: Tensor) -> Tensor:
    """Minus the area of the triangle between the ends of three unit vectors, from the cosines of the anchor with both.

    Half the root of |u|^2 |v|^2 - (u . v)^2, with u and v the sides at the anchor (TRIANGLE, arXiv 2509.24734).
    """
    along = 1 + between - one - other  # u . v
    square = (2 - 2 * one) * (2 - 2 * other) - along.square()
    return -0.5 * square.clamp(min=SMALLEST_SQUARE).sqrt()


GEOMETRIES: dict[str, Callable[..., Tensor]] = {"volume": volume, "area": area}


def triple_loss(
    contrast: str,
    own: Globals,
    everyone: Globals,
    scale: Float[Tensor, ""],
    rows: Int[Tensor, " B"],
    shift: Int[Tensor, ""],
) -> Float[Tensor, ""]:
    """Cross-entropy of each anchor and its two others, in both directions, nats per clip.

    contrast: "volume", "area", or "product", the multilinear inner product. `rows`: indices of this process's clips in
    the whole batch; `shift`: of the clips whose modalities are paired wrongly in the negatives of "product".
    """
    present, of_all = (torch.stack([*part.present.values()]).all(dim=0) for part in (own, everyone))
    absent = ~present[:, None] | ~of_all[None, :]
    order = (torch.arange(len(of_all), device=rows.device) + shift) % len(of_all)
    is_true = rows[:, None] == torch.arange(len(of_all), device=rows.device)
    of_absent = absent | (~of_all[order] & ~is_true)  # a negative of "product" takes the third modality from elsewhere
    error = torch.zeros_like(present, dtype=torch.float32)
    for anchor in MODALITIES:
        second, third = (name for name in MODALITIES if name != anchor)
        mine, theirs = ([part.vectors[name] for name in (anchor, second, third)] for part in (own, everyone))
        if contrast == "product":
            found = (_products(mine, theirs, is_true, order), of_absent), (_found_by_products(mine, theirs), absent)
        else:
            found = [(scores, absent) for scores in _geometry(GEOMETRIES[contrast], mine, theirs)]
        for scores, left_out in found:
            logits = (scale * scores).float().masked_fill(left_out, torch.finfo(torch.float32).min)  # B G
            error = error + F.cross_entropy(logits, rows, reduction="none")
    return mean_where(error, present, of_all.sum())


def _geometry(score: Callable[..., Tensor], mine: list[Tensor], theirs: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Own anchors against the others of each clip, and own others against the anchor of each clip."""
    anchor, second, third = mine
    anchors, seconds, thirds = theirs
    between, own_between = (seconds * thirds).sum(dim=-1), (second * third).sum(dim=-1)
    return (
        score(anchor @ seconds.T, anchor @ thirds.T, between[None, :]),
        score(second @ anchors.T, third @ anchors.T, own_between[:, None]),
    )


def _products(
    mine: list[Tensor], theirs: list[Tensor], is_true: Bool[Tensor, "B G"], order: Int[Tensor, " G"]
) -> Float[Tensor, "B G"]:
    """Multilinear inner products, the sum over D of all three (Symile, arXiv 2411.01053), times sqrt(D).

    A negative pairs the second modality of each clip with the third of another, which `order` names, so that a pair
    alone does not give a triple away. The factor makes up for the width D: random unit vectors have products of 1 / D.
    """
    (anchor, second, third), (_, seconds, thirds) = mine, theirs
    negative = anchor @ (seconds * thirds[order]).T
    true = (anchor * second * third).sum(dim=-1, keepdim=True)
    return anchor.shape[-1] ** 0.5 * torch.where(is_true, true, negative)


def _found_by_products(mine: list[Tensor], theirs: list[Tensor]) -> Float[Tensor, "B G"]:
    """Own second and third modality against the anchor of each clip."""
    (_, second, third), (anchors, _, _) = mine, theirs
    return anchors.shape[-1] ** 0.5 * (second * third) @ anchors.T
