"""VLSA's training step written with the layers of `transformers`; peer_step.py says why, and what was decided how.

Axes: B clips, V frames, H W pixels, T F times and frequencies, G frames (or 1), I patches of one, N tokens, K visible,
M masked, L text tokens, D width.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn

from vlsa.config import ModelConfig
from vlsa.model.masking import gather_tokens, num_visible
from vlsa.model.patches import normalise_patches, patchify_audio, patchify_video, sinusoids

NAMES = ("video", "audio", "text")
MASK_TOKEN_ID = 3
"""Any token would do for the time that it takes."""


class Stack(nn.Module):
    """The library's pre-norm layers, and a last norm."""

    def __init__(self, num_layers: int, width: int, num_heads: int, mlp_ratio: int) -> None:
        super().__init__()
        from transformers import ViTMAEConfig
        from transformers.models.vit_mae.modeling_vit_mae import ViTMAELayer

        shape = {"hidden_size": width, "num_attention_heads": num_heads, "intermediate_size": mlp_ratio * width}
        config = ViTMAEConfig(**shape, layer_norm_eps=1e-5, attn_implementation="sdpa")
        self.layers = nn.ModuleList(ViTMAELayer(config) for _ in range(num_layers))
        self.norm = nn.LayerNorm(width)

    def forward(
        self, tokens: Float[Tensor, "B N D"], real: Bool[Tensor, "B 1 1 N"] | None = None
    ) -> Float[Tensor, "B N D"]:
        """Every token attends to the `real` ones, or to all."""
        for layer in self.layers:
            tokens = layer(tokens, real)
        return self.norm(tokens)


class Items(nn.Module):
    """What the encoder and the decoder have each: fixed positions as in ViTMAE, modality embeddings, layers."""

    def __init__(self, lengths: dict[str, int], num_layers: int, width: int, num_heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.modality = nn.ParameterDict({name: nn.Parameter(torch.randn(width) * 0.02) for name in lengths})
        for name, length in lengths.items():
            self.register_buffer(name, sinusoids(torch.arange(length, dtype=torch.float32), width), persistent=False)
        self.stack = Stack(num_layers, width, num_heads, mlp_ratio)

    def place(self, name: str, indices: Int[Tensor, "B K"]) -> Float[Tensor, "B K D"]:
        """Position and modality of the tokens at these places."""
        return self.get_buffer(name)[indices] + self.modality[name]


@dataclass(frozen=True)
class Drawn:
    """Which patches stay visible and which are masked, as indices; which tokens are masked."""

    visible: dict[str, Int[Tensor, "B _"]]
    masked: dict[str, Int[Tensor, "B _"]]
    masked_text: Bool[Tensor, "B L"]


class Peer(nn.Module):
    """The model; with `mask_padding` False padding is attended to like any token."""

    def __init__(self, config: ModelConfig, mask_padding: bool = True) -> None:
        super().__init__()
        self.config, self.mask_padding = config, mask_padding
        video, audio, encoder, decoder = config.video, config.audio, config.encoder, config.decoder
        lengths = {"video": video.num_frames * video.patches_per_frame, "audio": audio.num_patches}
        lengths["text"] = config.text.num_tokens
        sizes = {"video": 3 * video.patch_px**2, "audio": audio.patch_size**2}
        self.embed = nn.ModuleDict({name: nn.Linear(size, encoder.width) for name, size in sizes.items()})
        self.token_embedding = nn.Embedding(config.text.vocabulary_size, encoder.width)
        self.encoder = Items(lengths, encoder.num_layers, encoder.width, encoder.num_heads, encoder.mlp_ratio)
        self.narrow = nn.Linear(encoder.width, decoder.width)
        self.mask_token = nn.Parameter(torch.randn(decoder.width) * 0.02)
        self.decoder = Items(lengths, decoder.num_layers, decoder.width, decoder.num_heads, decoder.mlp_ratio)
        sizes["text"] = config.text.vocabulary_size
        self.heads = nn.ModuleDict({name: nn.Linear(decoder.width, size) for name, size in sizes.items()})
        self.match = nn.ModuleDict({pair: nn.Linear(encoder.width, 1) for pair in config.objective.pairs})

    def forward(
        self,
        video: UInt8[Tensor, "B V 3 H W"],
        spectrogram: Float[Tensor, "B T F"],
        token_ids: Int[Tensor, "B L"],
        text_padding: Bool[Tensor, "B L"],
    ) -> Float[Tensor, ""]:
        """Loss of a batch (VLSA, Eq. 8)."""
        patches = {
            "video": patchify_video(video, self.config.video.patch_px),
            "audio": patchify_audio(spectrogram, self.config.audio.patch_size),
        }
        drawn = self.draw(patches, text_padding)
        tokens = {name: self.embed[name](_values(name, part, drawn.visible[name])) for name, part in patches.items()}
        tokens["text"] = self.token_embedding(token_ids.masked_fill(drawn.masked_text, MASK_TOKEN_ID))
        tokens = {name: tokens[name] + self.encoder.place(name, drawn.visible[name]) for name in NAMES}
        num_patches = tokens["video"].shape[1] + tokens["audio"].shape[1]
        text_real, all_real = self.real_keys(text_padding, 0), self.real_keys(text_padding, num_patches)
        alone = {name: self.encoder.stack(tokens[name], text_real if name == "text" else None) for name in NAMES}
        joint = self.encoder.stack(torch.cat([tokens[name] for name in NAMES], dim=1), all_real)
        reconstructed = self.reconstruct(joint, drawn, text_padding)
        targets = {name: normalise_patches(_values(name, part, drawn.masked[name])) for name, part in patches.items()}
        local = sum(F.mse_loss(reconstructed[name].float(), target) for name, target in targets.items())
        answers = token_ids.masked_fill(~drawn.masked_text, -100)
        local = local + F.cross_entropy(
            reconstructed["text"].flatten(0, 1).float(), answers.flatten(), ignore_index=-100
        )
        objective = self.config.objective
        return objective.local_weight * local + objective.global_weight * self.matching(alone, text_padding)

    def draw(self, patches: dict[str, Tensor], text_padding: Bool[Tensor, "B L"]) -> Drawn:
        """Random masks: as many visible patches in every frame; each token by itself."""
        video, audio, device = self.config.video, self.config.audio, text_padding.device
        num_clips, num_tokens = text_padding.shape
        both = {
            "video": _split(num_clips, video.num_frames, video.patches_per_frame, video.mask_share, device),
            "audio": _split(num_clips, 1, audio.num_patches, audio.mask_share, device),
        }
        visible, masked = ({name: parts[number] for name, parts in both.items()} for number in (0, 1))
        visible["text"] = torch.arange(num_tokens, device=device).expand(num_clips, -1)
        masked_text = (torch.rand(text_padding.shape, device=device) < self.config.text.mask_share) & ~text_padding
        return Drawn(visible, masked, masked_text)

    def real_keys(
        self, text_padding: Bool[Tensor, "B L"], num_before: int, num_after: int = 0
    ) -> Bool[Tensor, "B 1 1 N"] | None:
        """Which tokens may be attended to: all patches before and after the text, and its real tokens."""
        real = F.pad(~text_padding, (num_before, num_after), value=True)[:, None, None, :]
        return real if self.mask_padding else None

    def reconstruct(
        self, joint: Float[Tensor, "B N D"], drawn: Drawn, text_padding: Bool[Tensor, "B L"]
    ) -> dict[str, Float[Tensor, "B _ _"]]:
        """Masked patches, and all text tokens, from the outputs of the joint pass."""
        visible = torch.cat([self.decoder.place(name, drawn.visible[name]) for name in NAMES], dim=1)
        asked = torch.cat([self.decoder.place(name, part) for name, part in drawn.masked.items()], dim=1)
        num_tokens = text_padding.shape[1]
        real = self.real_keys(text_padding, joint.shape[1] - num_tokens, asked.shape[1])
        tokens = torch.cat([self.narrow(joint) + visible, self.mask_token + asked], dim=1)
        output = self.decoder.stack(tokens, real)[:, joint.shape[1] - num_tokens :]
        sizes = [num_tokens, *(part.shape[1] for part in drawn.masked.values())]
        pieces = dict(zip(("text", *drawn.masked), output.split(sizes, dim=1), strict=True))
        return {name: self.heads[name](piece) for name, piece in pieces.items()}

    def matching(
        self, alone: dict[str, Float[Tensor, "B _ D"]], text_padding: Bool[Tensor, "B L"]
    ) -> Float[Tensor, ""]:
        """InfoNCE both ways and a matching term, for each pair of modalities (Eq. 6 and 7)."""
        real = (~text_padding)[..., None]
        text = (alone["text"].float() * real).sum(dim=1) / real.sum(dim=1).clamp(min=1)
        means = {"video": alone["video"].float().mean(dim=1), "audio": alone["audio"].float().mean(dim=1), "text": text}
        vectors = {name: F.normalize(mean, dim=-1) for name, mean in means.items()}
        total = torch.zeros((), device=text.device)
        for pair, layer in self.match.items():
            one, other = (vectors[name] for name in pair.split("-"))
            logits = one @ other.T / self.config.objective.temperature
            target = torch.arange(len(logits), device=logits.device)
            total = total + F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)
            true, false = (layer(one * kin * one.shape[-1]).squeeze(-1) for kin in (other, other.roll(1, dims=0)))
            total = total + (F.softplus(-true.float()).mean() + F.softplus(false.float()).mean()) / 2
        return total


def _values(name: str, patches: Tensor, indices: Int[Tensor, "B K"]) -> Float[Tensor, "B K P"]:
    chosen = gather_tokens(patches, indices)
    return (chosen.float() / 255 - 0.45) / 0.225 if name == "video" else chosen


def _split(
    num_clips: int, num_groups: int, size: int, share: float, device: torch.device
) -> tuple[Int[Tensor, "B K"], Int[Tensor, "B M"]]:
    """Visible and masked patches, in each group by itself, from the order of random numbers."""
    order = torch.rand(num_clips, num_groups, size, device=device).argsort(dim=-1)
    order = order + size * torch.arange(num_groups, device=device)[:, None]
    kept = num_visible(size, share)
    return rearrange(order[..., :kept], "b g k -> b (g k)"), rearrange(order[..., kept:], "b g m -> b (g m)")
