"""How the globals lie in their space: alignment and uniformity, for watching a run.

Wang and Isola, "Understanding Contrastive Representation Learning through Alignment and Uniformity on the Hypersphere"
(arXiv 2005.10242), section 4.1, with their alpha = 2 and t = 2. A low alignment says that the two globals of a clip are
near each other; a low uniformity says that clips are far apart. A model that has collapsed has both at 0, the best
alignment and the worst uniformity, which no loss shows as plainly.

Reads globals (heads.py); used by pretrain/. Nothing here waits for the device; all is float32, under autocast too.
Axes: B clips, D width.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vlsa.config import ModelConfig, num_shared
from vlsa.model.types import Globals

SHARPNESS = 2.0
"""t of the Gaussian potential exp(-t d^2)."""


@torch.no_grad()
def alignment(one: Float[Tensor, "B D"], other: Float[Tensor, "B D"], present: Bool[Tensor, " B"]) -> Float[Tensor, ""]:
    """Mean squared distance of true pairs: 0 where they coincide, 2 for strangers, at most 4; nan without a pair.

    Row i of both comes from clip i, unit length along D; clips that are not `present` in both do not count.
    """
    distance = (one.float() - other.float()).square().sum(dim=-1)
    return torch.where(present, distance, 0.0).sum() / present.sum()


@torch.no_grad()
def uniformity(vectors: Float[Tensor, "B D"], present: Bool[Tensor, " B"]) -> Float[Tensor, ""]:
    """Log of the mean of exp(-2 d^2) over distinct pairs of clips; unit length along D.

    0 where all clips coincide; -4 for clips spread evenly over a sphere of high dimension, and about the least that can
    be had; nan with fewer than two clips.
    """
    with torch.autocast(vectors.device.type, enabled=False):
        cosine = vectors.float() @ vectors.float().T  # B B
    squared = (2 - 2 * cosine).clamp(min=0)
    counted = (present[:, None] & present[None, :]).triu(diagonal=1)
    potential = torch.where(counted, (-SHARPNESS * squared).exp(), 0.0)
    return (potential.sum() / counted.sum()).log()


def geometry(globals_: Globals, config: ModelConfig) -> dict[str, Float[Tensor, ""]]:
    """`alignment_audio_video` of each pair ("audio-video"), `uniformity_audio` of each modality; on the device.

    With a space for each pair, alignment is in that space, and uniformity over all spaces of the modality together.
    """
    vectors, present, pairs = globals_.vectors, globals_.present, config.objective.pairs
    values = {}
    for pair in pairs:
        one, other = pair.split("-")
        both, columns = present[one] & present[other], config.columns(pair)
        values[f"alignment_{one}_{other}"] = alignment(vectors[one][:, columns], vectors[other][:, columns], both)
    for name in dict.fromkeys(name for pair in pairs for name in pair.split("-")):
        length = num_shared(name, name, config.objective.spaces) ** 0.5
        values[f"uniformity_{name}"] = uniformity(vectors[name] / length, present[name])
    return values
