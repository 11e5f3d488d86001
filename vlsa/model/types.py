"""The arrows inside the model: what `VLSA` hands from one stage of a training step to the next.

Reads nothing; made and read by vlsa.py.
Axes: B clips, G clips of the whole batch, V frames, N patches, P values of a patch, K visible tokens, M decoded
patches, L words, D width.
"""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor


@dataclass(frozen=True)
class SpecialTokens:
    """Ids of the tokenizer that the model has to know."""

    start: int
    stop: int
    mask: int


@dataclass(frozen=True, eq=False)
class MaskNoise:
    """Uniform numbers that decide what of each clip is hidden and what of that is decoded; see masking.py."""

    visible_video: Float[Tensor, "B N_v"]
    visible_audio: Float[Tensor, "B N_a"]
    masked_video: Float[Tensor, "B N_v"]
    masked_audio: Float[Tensor, "B N_a"]
    text_mask: Float[Tensor, "B L"]

    def rows(self, start: int, stop: int) -> "MaskNoise":
        """Those of some clips."""
        return MaskNoise(**{field.name: getattr(self, field.name)[start:stop] for field in fields(self)})


@dataclass(frozen=True, eq=False)
class PairNoise:
    """What decides which globals of the clips at hand are paired wrongly; see matching.py."""

    shift: Int[Tensor, ""]
    """1 to G - 1: the rotation that re-pairs the whole batch."""
    partners: Float[Tensor, "B pairs 2"] | None
    """Uniform numbers that draw a clip's hard negatives, for each pair of modalities and both ways."""

    def rows(self, start: int, stop: int) -> "PairNoise":
        """Those of some clips."""
        return PairNoise(self.shift, None if self.partners is None else self.partners[start:stop])


@dataclass(frozen=True, eq=False)
class Noise:
    """All the randomness of a step, drawn beforehand: the rest is a function of weights, batch and this."""

    masks: MaskNoise
    pairs: PairNoise

    def rows(self, start: int, stop: int) -> "Noise":
        """Those of some clips."""
        return Noise(self.masks.rows(start, stop), self.pairs.rows(start, stop))

    def to(self, device: torch.device) -> "Noise":
        """The same numbers on another device."""
        masks = {field.name: _moved(getattr(self.masks, field.name), device) for field in fields(self.masks)}
        partners = None if self.pairs.partners is None else _moved(self.pairs.partners, device)
        return Noise(MaskNoise(**masks), PairNoise(_moved(self.pairs.shift, device), partners))


def _moved(values: Tensor, device: torch.device) -> Tensor:
    pinned = values.pin_memory() if device.type == "cuda" else values  # so that the copy is not waited for
    return pinned.to(device, non_blocking=True)


@dataclass(frozen=True, eq=False)
class Content:
    """A batch as patches: what goes in and what has to be rebuilt. Padding True = not real."""

    video: UInt8[Tensor, "B N_v P_v"]
    """Raw pixels: only those that are used become numbers of unit scale."""
    frame_seconds: Float[Tensor, "B V"]
    video_padding: Bool[Tensor, "B N_v"]
    audio: Float[Tensor, "B N_a P_a"]
    audio_padding: Bool[Tensor, "B N_a"]
    token_ids: Int[Tensor, "B L"]
    text_padding: Bool[Tensor, "B L"]


@dataclass(frozen=True, eq=False)
class Masks:
    """What of a batch stays visible, and which of the hidden patches are decoded; indices into the patches."""

    visible_video: Int[Tensor, "B K_v"]
    visible_audio: Int[Tensor, "B K_a"]
    masked_video: Int[Tensor, "B M_v"]
    masked_audio: Int[Tensor, "B M_a"]
    text_mask: Bool[Tensor, "B L"]


@dataclass(frozen=True, eq=False)
class Tokens:
    """Tokens of one modality, before or after the encoder."""

    tokens: Float[Tensor, "B K D"]
    padding: Bool[Tensor, "B K"]


@dataclass(frozen=True, eq=False)
class Globals:
    """One unit vector a clip and modality (Eq. 6), and which clips have the modality."""

    vectors: dict[str, Float[Tensor, "B D"]]
    present: dict[str, Bool[Tensor, " B"]]

    def detach(self) -> "Globals":
        """The same without a gradient."""
        return Globals({name: vectors.detach() for name, vectors in self.vectors.items()}, self.present)

    @classmethod
    def stack(cls, parts: "list[Globals]") -> "Globals":
        """Those of chunks that follow one another."""
        vectors = {name: torch.cat([part.vectors[name] for part in parts]) for name in parts[0].vectors}
        return cls(vectors, {name: torch.cat([part.present[name] for part in parts]) for name in vectors})


@dataclass(frozen=True, eq=False)
class Parts:
    """What some clips give to a step, whatever the other clips of the batch are."""

    terms: dict[str, Float[Tensor, ""]]
    """LPMM: their part of each mean over the whole batch."""
    globals: Globals


@dataclass(frozen=True, eq=False)
class Losses:
    """The loss of a step (Eq. 8) and its terms before weighing, for the log."""

    total: Float[Tensor, ""]
    terms: dict[str, Float[Tensor, ""]]
    globals: Globals | None = None
    """Of the clips at hand, without a gradient."""

    def __repr__(self) -> str:
        terms = ", ".join(f"{name}={value.item():.4f}" for name, value in self.terms.items())
        return f"Losses(total={self.total.item():.4f}, {terms})"
