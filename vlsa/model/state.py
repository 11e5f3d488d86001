"""The arrows inside the model: what `VLSA` hands from one stage of a training step to the next.

Reads nothing; made and read by vlsa.py.
Axes: B clips, V frames, N patches, P values of a patch, K visible tokens, M decoded patches, L words, D width.
"""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor


@dataclass(frozen=True)
class SpecialWords:
    """Ids of the tokenizer that the model has to know."""

    start: int
    stop: int
    mask: int


@dataclass(frozen=True, eq=False)
class Content:
    """A batch as patches: what goes in and what has to be rebuilt. Padding True = not real."""

    video: UInt8[Tensor, "B N_v P_v"]
    """Raw pixels: only those that are used become numbers of unit scale."""
    frame_seconds: Float[Tensor, "B V"]
    video_padding: Bool[Tensor, "B N_v"]
    audio: Float[Tensor, "B N_a P_a"]
    audio_padding: Bool[Tensor, "B N_a"]
    words: Int[Tensor, "B L"]
    word_padding: Bool[Tensor, "B L"]


@dataclass(frozen=True, eq=False)
class Masks:
    """What of a batch stays visible, and which of the hidden patches are decoded; indices into the patches."""

    visible_video: Int[Tensor, "B K_v"]
    visible_audio: Int[Tensor, "B K_a"]
    hidden_video: Int[Tensor, "B M_v"]
    hidden_audio: Int[Tensor, "B M_a"]
    hidden_words: Bool[Tensor, "B L"]


@dataclass(frozen=True, eq=False)
class Seen:
    """Tokens of one modality, before or after the encoder."""

    tokens: Float[Tensor, "B K D"]
    padding: Bool[Tensor, "B K"]


@dataclass(frozen=True, eq=False)
class Globals:
    """One unit vector a clip and modality (Eq. 6), and which clips have the modality."""

    vectors: dict[str, Float[Tensor, "B D"]]
    present: dict[str, Bool[Tensor, " B"]]


@dataclass(frozen=True, eq=False)
class Losses:
    """The loss of a step (Eq. 8) and its terms before weighing, for the log."""

    total: Float[Tensor, ""]
    terms: dict[str, Float[Tensor, ""]]

    def __repr__(self) -> str:
        terms = ", ".join(f"{name}={value.item():.4f}" for name, value in self.terms.items())
        return f"Losses(total={self.total.item():.4f}, {terms})"
