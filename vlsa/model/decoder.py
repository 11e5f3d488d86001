"""The mask-autoencoder decoder: from the joint encoder's visible tokens to hidden pixels, spectrogram values and words.

Paper: VLSA (arXiv 2405.07202), sections 3.2 and 4.1; its weights are shared by the three modalities (Figure 4, the best
setting). Reads encoder outputs; feeds losses.py. Only the decoded part of the hidden patches is computed.
Axes: B clips, K visible tokens, M decoded patches, L words, D encoder width, E decoder width, P values of a patch.
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
    """What the encoder saw of a modality: its outputs and where they stand."""

    tokens: Float[Tensor, "B K D"]
    indices: Int[Tensor, "B K"]
    padding: Bool[Tensor, "B K"]


@dataclass(frozen=True)
class Hidden:
    """Which hidden patches of a modality are decoded."""

    indices: Int[Tensor, "B M"]
    padding: Bool[Tensor, "B M"]


@dataclass(frozen=True)
class Reconstruction:
    """What the decoder made of the hidden patches and of every word."""

    video: Float[Tensor, "B M_v P_v"]
    audio: Float[Tensor, "B M_a P_a"]
    text: Float[Tensor, "B L vocabulary"]


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
        self, visible: dict[str, Visible], hidden: dict[str, Hidden], frame_seconds: Float[Tensor, "B V"]
    ) -> dict[str, Float[Tensor, "B _ _"]]:
        """The hidden patches of each of its modalities, B M P; of the text all words, B L vocabulary."""
        places = self._places(frame_seconds)
        parts: dict[tuple[str, str], Tokens] = {}
        for name in self.modalities:
            shown = visible[name]
            tokens = self.input(shown.tokens) + gather_tokens(places[name], shown.indices)
            parts[name, "visible"] = Tokens(tokens, shown.padding)
        for name in self.modalities:
            if name in hidden:
                tokens = self.mask_token + gather_tokens(places[name], hidden[name].indices)
                parts[name, "hidden"] = Tokens(tokens, hidden[name].padding)
        padding = torch.cat([part.padding for part in parts.values()], dim=1)
        output = self.transformer(torch.cat([part.tokens for part in parts.values()], dim=1), [padding])
        pieces = output.split([part.tokens.shape[1] for part in parts.values()], dim=1)
        rebuilt = dict(zip(parts, pieces, strict=True))
        last = {name: "hidden" if name in hidden else "visible" for name in self.modalities}
        return {name: self.heads[name](rebuilt[name, kind]) for name, kind in last.items()}

    def _places(self, frame_seconds: Float[Tensor, "B V"]) -> dict[str, Float[Tensor, "B _ E"]]:
        """Position and modality of every token that there can be."""
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
        self, visible: dict[str, Visible], hidden: dict[str, Hidden], frame_seconds: Float[Tensor, "B V"]
    ) -> Reconstruction:
        """Rebuild the hidden patches of picture and sound, and all words."""
        rebuilt = {}
        for tower in self.towers.values():
            rebuilt |= tower(visible, hidden, frame_seconds)
        return Reconstruction(rebuilt["video"], rebuilt["audio"], rebuilt["text"])
