"""The randomness of a training step: a row of numbers for each clip, of which a process draws those of its own clips.

Reads the settings; used by vlsa.py. Philox (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", 2011) numbers
its blocks, so that a row is had without those before it: what a process draws does not grow with their number.
Axes: B clips at hand, G clips of the whole batch, n numbers of a clip.
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vlsa.config import ModelConfig, ObjectiveConfig
from vlsa.model.types import MaskNoise, Noise, PairNoise

NUMBERS_OF_A_BLOCK = 8
"""Of float32 in what Philox makes at a time: four times 64 bits."""


def draw_noise(
    config: ModelConfig,
    num_clips: int,
    generator: torch.Generator | None = None,
    rows: tuple[int, int] | None = None,
) -> Noise:
    """All the randomness of a step of G clips, of which these `rows` (start, stop) are at hand; all by default.

    Drawn on the CPU, so that every device computes the same step; a clip's is the same whatever rows are asked for.
    """
    video, audio, shape = config.video, config.audio, shape_of_partners(config.objective)
    num_video, num_audio = video.num_frames * video.patches_per_frame, audio.num_patches
    sizes = [num_video, num_audio, num_video, num_audio, config.text.num_tokens, math.prod(shape)]
    seed = int(torch.randint(2**62, (), generator=generator))
    shift = torch.randint(1, max(num_clips, 2), (), generator=generator)
    drawn = uniform_rows(seed, *(rows or (0, num_clips)), sum(sizes))
    *masks, partners = (part.contiguous() for part in drawn.split(sizes, dim=1))
    return Noise(MaskNoise(*masks), PairNoise(shift, partners.unflatten(1, shape) if partners.numel() else None))


def shape_of_partners(objective: ObjectiveConfig) -> tuple[int, int]:
    """Of the numbers that draw a clip's hard negatives: pairs of modalities (0 without them), and both ways."""
    drawn = objective.hard_negatives and objective.matching_weight and objective.global_weight
    return (len(objective.pairs) if drawn else 0, 2)


def uniform_rows(seed: int, start: int, stop: int, num_numbers: int) -> Float[Tensor, "B n"]:
    """Rows `start` to `stop` of an endless table of numbers in [0, 1), on the CPU; the seed fixes all of it."""
    num_blocks = -(-num_numbers // NUMBERS_OF_A_BLOCK)
    philox = np.random.Philox(key=seed)
    philox.advance(start * num_blocks)
    shape = (stop - start, num_blocks * NUMBERS_OF_A_BLOCK)
    drawn = np.random.Generator(philox).random(shape, dtype=np.float32)
    return torch.from_numpy(drawn)[:, :num_numbers]
