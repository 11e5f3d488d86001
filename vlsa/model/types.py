"""The intermediate values of a training step: what `VLSA` passes from one of its stages to the next.

Axes: B clips, V frames, N patches, P values of a patch, K visible tokens, M decoded patches or tokens, L text tokens,
D width.
"""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from vlsa.model.losses import Globals


@dataclass(frozen=True)
class SpecialTokens:
    """Token ids that the model has to know."""

    start: int
    stop: int
    mask: int


@dataclass(frozen=True, eq=False)
class Content:
    """A batch as patches and token ids: the input, and the target of LPMM. Padding True = not real."""

    video: UInt8[Tensor, "B N_v P_v"]
    """Raw pixels: only the patches that are used are scaled to floats."""
    frame_seconds: Float[Tensor, "B V"]
    video_padding: Bool[Tensor, "B N_v"]
    audio: Float[Tensor, "B N_a P_a"]
    audio_padding: Bool[Tensor, "B N_a"]
    token_ids: Int[Tensor, "B L"]
    text_padding: Bool[Tensor, "B L"]


@dataclass(frozen=True, eq=False)
class Masks:
    """Which patches of a batch stay visible, and which of the masked patches and tokens are decoded, by index."""

    visible_video: Int[Tensor, "B K_v"]
    visible_audio: Int[Tensor, "B K_a"]
    masked_video: Int[Tensor, "B M_v"]
    masked_audio: Int[Tensor, "B M_a"]
    text_mask: Bool[Tensor, "B L"]
    """True at the tokens that become [MASK]."""
    masked_text: Int[Tensor, "B M_t"]
    """Their indices; a text with fewer than M_t of them lists others too, which `text_mask` excludes."""


@dataclass(frozen=True, eq=False)
class Tokens:
    """Tokens of one modality, before or after the encoder."""

    tokens: Float[Tensor, "B K D"]
    padding: Bool[Tensor, "B K"]


@dataclass(frozen=True, eq=False)
class Parts:
    """What a step computes of each clip on its own, before clips are contrasted."""

    terms: dict[str, Float[Tensor, ""]]
    """LPMM: the part of these clips in each mean over the whole batch."""
    globals: Globals
    counts: Float[Tensor, " 3"]
    """Decoded patches of video and audio and decoded tokens of the whole batch, over which LPMM is a mean."""


@dataclass(frozen=True, eq=False)
class Losses:
    """The loss of a step (Eq. 8) and its unweighted terms, for the log."""

    total: Float[Tensor, ""]
    terms: dict[str, Float[Tensor, ""]]
    globals: Globals | None = None
    """Of these clips, detached."""
    counts: Float[Tensor, " 3"] | None = None
    """As in `Parts`."""

    def __repr__(self) -> str:
        terms = ", ".join(f"{name}={value.item():.4f}" for name, value in self.terms.items())
        return f"Losses(total={self.total.item():.4f}, {terms})"
