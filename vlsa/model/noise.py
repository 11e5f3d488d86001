"""The randomness of a training step: a row of numbers for each clip, of which a process draws only its own clips' rows.

Reads the settings; used by vlsa.py. Philox (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", 2011) is
counter-based, so a row is drawn without those before it: the work of a process does not grow with the number of
processes.
Axes: B clips of this process, G clips of the whole batch, N patches, L text tokens, n numbers of a clip.
"""

import math
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from vlsa.config import ModelConfig, ObjectiveConfig

NUMBERS_OF_A_BLOCK = 8
"""float32 numbers in a block of Philox: four times 64 bits."""


@dataclass(frozen=True, eq=False)
class MaskNoise:
    """Uniform numbers that decide which patches and tokens are masked, and which of these are decoded (masking.py)."""

    visible_video: Float[Tensor, "B N_v"]
    visible_audio: Float[Tensor, "B N_a"]
    masked_video: Float[Tensor, "B N_v"]
    masked_audio: Float[Tensor, "B N_a"]
    text_mask: Float[Tensor, "B L"]

    def rows(self, start: int, stop: int) -> "MaskNoise":
        """The part of some clips."""
        return MaskNoise(**{field.name: getattr(self, field.name)[start:stop] for field in fields(self)})


@dataclass(frozen=True, eq=False)
class PairNoise:
    """What decides the negative pairs of the matching term (matching.py)."""

    shift: Int[Tensor, ""]
    """1 to G - 1: the rotation of the whole batch that makes the negative pairs."""
    partners: Float[Tensor, "B pairs 2"] | None
    """Uniform numbers that draw the hard negatives of a clip, for each pair of modalities and both directions."""

    def rows(self, start: int, stop: int) -> "PairNoise":
        """The part of some clips."""
        return PairNoise(self.shift, None if self.partners is None else self.partners[start:stop])


@dataclass(frozen=True, eq=False)
class Noise:
    """All the randomness of a step, drawn beforehand: a step is a function of weights, batch and this."""

    masks: MaskNoise
    pairs: PairNoise

    def rows(self, start: int, stop: int) -> "Noise":
        """The part of some clips."""
        return Noise(self.masks.rows(start, stop), self.pairs.rows(start, stop))

    def to(self, device: torch.device) -> "Noise":
        """The same numbers on another device."""
        masks = {field.name: _moved(getattr(self.masks, field.name), device) for field in fields(self.masks)}
        partners = None if self.pairs.partners is None else _moved(self.pairs.partners, device)
        return Noise(MaskNoise(**masks), PairNoise(_moved(self.pairs.shift, device), partners))


def _moved(values: Tensor, device: torch.device) -> Tensor:
    pinned = values.pin_memory() if device.type == "cuda" else values  # so that the copy is asynchronous
    return pinned.to(device, non_blocking=True)


def draw_noise(
    config: ModelConfig,
    num_clips: int,
    generator: torch.Generator | None = None,
    rows: tuple[int, int] | None = None,
) -> Noise:
    """The randomness of these `rows` (start, stop; all by default) of a batch of G clips.

    Drawn on the CPU, so that every device computes the same step; a row does not depend on which rows are asked for.
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
    """Shape of `PairNoise.partners` for a clip: pairs of modalities (0 without hard negatives), two directions."""
    drawn = objective.hard_negatives and objective.matching_weight and objective.global_weight
    return (len(objective.pairs) if drawn else 0, 2)


def uniform_rows(seed: int, start: int, stop: int, num_numbers: int) -> Float[Tensor, "B n"]:
    """Rows `start` to `stop` of an endless table of uniform numbers in [0, 1) that the seed determines; on the CPU."""
    num_blocks = -(-num_numbers // NUMBERS_OF_A_BLOCK)
    philox = np.random.Philox(key=seed)
    philox.advance(start * num_blocks)
    shape = (stop - start, num_blocks * NUMBERS_OF_A_BLOCK)
    drawn = np.random.Generator(philox).random(shape, dtype=np.float32)
    return torch.from_numpy(drawn)[:, :num_numbers]
