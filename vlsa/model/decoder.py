"""The masked-autoencoder decoder: from joint outputs of the encoder to masked pixels, spectrogram values and tokens.

Paper: VLSA (arXiv 2405.07202), sections 3.2 and 4.1; its weights are shared by the three modalities (Figure 4, the best
setting). Reads encoder outputs; feeds losses.py. The heads compute what is scored and nothing else: logits of all text
tokens would be the largest tensor of a step.
Axes: B clips, K visible tokens, M decoded patches or tokens, D encoder width, E decoder width, P values of a patch.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from vlsa.config import MODALITIES, ModelConfig, groups_of_sharing
from vlsa.model.encoder import Transformer
from vlsa.model.masking import gather_tokens
from vlsa.model.patches import Positions
from vlsa.model.types import Tokens


@dataclass(frozen=True)
class Visible:
    """Joint outputs of the encoder for a modality, and their positions."""

    tokens: Float[Tensor, "B K D"]
    indices: Int[Tensor, "B K"]
    padding: Bool[Tensor, "B K"]


@dataclass(frozen=True)
class Masked:
    """Positions of the masked patches or tokens of a modality that are decoded; those that are padding do not count."""

    indices: Int[Tensor, "B M"]
    padding: Bool[Tensor, "B M"]


@dataclass(frozen=True)
class Reconstruction:
    """Predictions for the masked patches and tokens that are decoded."""

    video: Float[Tensor, "B M_v P_v"]
    audio: Float[Tensor, "B M_a P_a"]
    text: Float[Tensor, "B M_t vocabulary"]


class DecoderTower(nn.Module):
    """A small transformer over visible tokens and mask tokens of some modalities, and a linear head for each."""

    def __init__(self, config: ModelConfig, modalities: tuple[str, ...] = MODALITIES) -> None:
        super().__init__()
        width = config.decoder.width
        self.modalities = modalities
        self.input = nn.Linear(config.encoder.width, width)
        self.mask_token = nn.Parameter(torch.randn(width) * 0.02)
        self.modality = nn.Parameter(torch.randn(len(MODALITIES), width) * 0.02)
        self.positions = Positions(config, width)
        self.transformer = Transformer(
            config.decoder.num_layers, width, config.decoder.num_heads, config.decoder.mlp_ratio
        )
        num_values = {
            "video": 3 * config.video.patch_px**2,
            "audio": config.audio.patch_size**2,
            "text": config.text.vocabulary_size,
        }
        self.heads = nn.ModuleDict({name: nn.Linear(width, num_values[name]) for name in modalities})

    def forward(
        self, visible: dict[str, Visible], masked: dict[str, Masked], frame_seconds: Float[Tensor, "B V"]
    ) -> dict[str, Float[Tensor, "B _ _"]]:
        """Predictions for each of its modalities: B M P, of the text B M vocabulary.

        Masked patches enter as mask tokens; masked text tokens are among the visible ones, as [MASK].
        """
        places = self._places(frame_seconds)
        parts: dict[tuple[str, str], Tokens] = {}
        for name in self.modalities:
            tokens = self.input(visible[name].tokens) + gather_tokens(places[name], visible[name].indices)
            parts[name, "visible"] = Tokens(tokens, visible[name].padding)
        for name in self.modalities:
            if name != "text":
                tokens = self.mask_token + gather_tokens(places[name], masked[name].indices)
                parts[name, "masked"] = Tokens(tokens, masked[name].padding)
        padding = torch.cat([part.padding for part in parts.values()], dim=1)
        output = self.transformer(torch.cat([part.tokens for part in parts.values()], dim=1), [padding])
        pieces = output.split([part.tokens.shape[1] for part in parts.values()], dim=1)
        decoded = dict(zip(parts, pieces, strict=True))
        if "text" in self.modalities:
            decoded["text", "masked"] = gather_tokens(decoded["text", "visible"], masked["text"].indices)
        return {name: self.heads[name](decoded[name, "masked"]) for name in self.modalities}

    def _places(self, frame_seconds: Float[Tensor, "B V"]) -> dict[str, Float[Tensor, "B _ E"]]:
        """Position and modality of every patch and token of a clip."""
        places = {
            "video": self.positions.video(frame_seconds),
            "audio": self.positions.audio.expand(len(frame_seconds), -1, -1),
            "text": self.positions.text.expand(len(frame_seconds), -1, -1),
        }
        return {name: places[name] + self.modality[MODALITIES.index(name)] for name in self.modalities}


class Decoder(nn.Module):
    """One decoder for all modalities (the paper's best), or one for each group that shares weights (Figure 4)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        groups = groups_of_sharing(config.decoder.shared)
        self.towers = nn.ModuleDict({"_".join(group): DecoderTower(config, group) for group in groups})

    def forward(
        self, visible: dict[str, Visible], masked: dict[str, Masked], frame_seconds: Float[Tensor, "B V"]
    ) -> Reconstruction:
        """Reconstruct the masked patches of video and audio, and the masked tokens."""
        decoded = {}
        for tower in self.towers.values():
            decoded |= tower(visible, masked, frame_seconds)
        return Reconstruction(decoded["video"], decoded["audio"], decoded["text"])
