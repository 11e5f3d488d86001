"""The mask-autoencoder decoder: from the joint encoder's visible tokens to hidden pixels, spectrogram values and words.

Paper: VLSA (arXiv 2405.07202), sections 3.2 and 4.1; its weights are shared by the three modalities (Figure 4, the best
setting). Reads encoder outputs; feeds losses.py. Only the decoded part of the hidden patches is computed.
Axes: B clips, K visible tokens, M decoded patches, L words, D encoder width, E decoder width, P values of a patch.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from vlsa.config import ModelConfig
from vlsa.model.encoder import Transformer, groups_of
from vlsa.model.masking import gather_tokens
from vlsa.model.patches import Positions


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
class Rebuilt:
    """What the decoder made of the hidden patches and of every word."""

    video: Float[Tensor, "B M_v P_v"]
    audio: Float[Tensor, "B M_a P_a"]
    words: Float[Tensor, "B L vocabulary"]


class Decoder(nn.Module):
    """A small transformer over visible tokens and mask tokens of all modalities, and a linear head for each."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.decoder.width
        self.input = nn.Linear(config.encoder.width, width)
        self.mask_token = nn.Parameter(torch.randn(width) * 0.02)
        self.modality = nn.Parameter(torch.randn(3, width) * 0.02)
        self.positions = Positions(config, width)
        self.transformer = Transformer(
            config.decoder.num_layers, width, config.decoder.num_heads, config.decoder.mlp_ratio
        )
        self.video_head = nn.Linear(width, 3 * config.video.patch_px**2)
        self.audio_head = nn.Linear(width, config.audio.patch_size**2)
        self.word_head = nn.Linear(width, config.text.vocabulary_size)

    def forward(
        self,
        video: Visible,
        audio: Visible,
        text: Float[Tensor, "B L D"],
        text_padding: Bool[Tensor, "B L"],
        hidden_video: Hidden,
        hidden_audio: Hidden,
        frame_seconds: Float[Tensor, "B V"],
    ) -> Rebuilt:
        """Rebuild the hidden patches, and all words."""
        video_places = self.positions.video(frame_seconds) + self.modality[0]
        audio_places = (self.positions.audio + self.modality[1]).expand(len(video.tokens), -1, -1)
        parts = [
            self.input(video.tokens) + gather_tokens(video_places, video.indices),
            self.input(audio.tokens) + gather_tokens(audio_places, audio.indices),
            self.mask_token + gather_tokens(video_places, hidden_video.indices),
            self.mask_token + gather_tokens(audio_places, hidden_audio.indices),
            self.input(text) + self.positions.text[: text.shape[1]] + self.modality[2],
        ]
        paddings = [video.padding, audio.padding, hidden_video.padding, hidden_audio.padding, text_padding]
        everything = groups_of([torch.cat(paddings, dim=1)])
        output = self.transformer(torch.cat(parts, dim=1), everything)
        _, _, video_part, audio_part, text_part = output.split([part.shape[1] for part in parts], dim=1)
        return Rebuilt(self.video_head(video_part), self.audio_head(audio_part), self.word_head(text_part))
