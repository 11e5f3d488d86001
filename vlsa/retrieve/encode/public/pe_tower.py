"""The vision tower of PE-AV, without timm: Perception Encoder (arXiv 2504.13181), a ViT with rotary positions.

Its weights have the names that timm gives them. Stands in for TimmWrapperForImageClassification in transformers, since
timm needs torchvision. Read by pe_av.py. Axes: B images, N patches, T tokens (a class token and the patches), D width.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AutoModelForImageClassification, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import ImageClassifierOutput

HEAD_WIDTH = 64
"""Of the tiny, small, base and large ones; that of the largest is 96, which has no class token either."""
POOL_HEADS = 8
NORM_EPS = 1e-5
ROTARY_BASE = 10_000.0
GRID = 24
"""Positions are stretched to a grid of so many patches a side, counted from 1."""


class PeTowerConfig(PreTrainedConfig):
    """Sizes of the tower, all of them as the weights say."""

    model_type = "vlsa_pe_tower"

    width: int = 1024
    depth: int = 24
    mlp_width: int = 4096
    patch_px: int = 14
    grid: int = 24
    """Patches a side."""


class Attention(nn.Module):
    """Self-attention; queries and keys of patches are rotated by their place."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, tokens: Float[Tensor, "B T D"], angles: Float[Tensor, "N d"]) -> Float[Tensor, "B T D"]:
        """The first token has no place."""
        query, key, value = rearrange(self.qkv(tokens), "b t (three h d) -> three b h t d", three=3, d=HEAD_WIDTH)
        query, key = (torch.cat([part[:, :, :1], rotated(part[:, :, 1:], angles)], dim=2) for part in (query, key))
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.proj(rearrange(mixed, "b h t d -> b t (h d)"))


class Mlp(nn.Module):
    """Two layers."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, tokens: Float[Tensor, "*axes D"]) -> Float[Tensor, "*axes D"]:
        """The same for each token."""
        return self.fc2(F.gelu(self.fc1(tokens)))


class Block(nn.Module):
    """A pre-norm layer."""

    def __init__(self, config: PeTowerConfig) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(config.width, eps=NORM_EPS) for _ in range(2))
        self.attn, self.mlp = Attention(config.width), Mlp(config.width, config.mlp_width)

    def forward(self, tokens: Float[Tensor, "B T D"], angles: Float[Tensor, "N d"]) -> Float[Tensor, "B T D"]:
        """Attention, then the MLP, each added."""
        tokens = tokens + self.attn(self.norm1(tokens), angles)
        return tokens + self.mlp(self.norm2(tokens))


class AttentionPool(nn.Module):
    """One learned query looks at all tokens."""

    def __init__(self, config: PeTowerConfig) -> None:
        super().__init__()
        width = config.width
        self.latent = nn.Parameter(torch.zeros(1, 1, width))
        self.q, self.kv, self.proj = nn.Linear(width, width), nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.norm, self.mlp = nn.LayerNorm(width, eps=NORM_EPS), Mlp(width, config.mlp_width)

    def forward(self, tokens: Float[Tensor, "B T D"]) -> Float[Tensor, "B D"]:
        """One vector an image."""
        query = rearrange(self.q(self.latent.expand(len(tokens), -1, -1)), "b t (h d) -> b h t d", h=POOL_HEADS)
        key, value = rearrange(self.kv(tokens), "b t (two h d) -> two b h t d", two=2, h=POOL_HEADS)
        pooled = self.proj(rearrange(F.scaled_dot_product_attention(query, key, value), "b h t d -> b t (h d)"))
        return (pooled + self.mlp(self.norm(pooled)))[:, 0]


class _PatchEmbed(nn.Module):
    """Holds the kernel under the name that it has in checkpoints."""

    def __init__(self, config: PeTowerConfig) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, config.width, config.patch_px, stride=config.patch_px, bias=False)


class Tower(nn.Module):
    """Images to logits, which PE-AV takes as features."""

    def __init__(self, config: PeTowerConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = _PatchEmbed(config)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + config.grid**2, config.width))
        self.norm_pre, self.norm = (nn.LayerNorm(config.width, eps=NORM_EPS) for _ in range(2))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.attn_pool = AttentionPool(config)
        self.head = nn.Linear(config.width, config.num_labels)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B L"]:
        """Square images of the size that the weights are for."""
        patches = rearrange(self.patch_embed.proj(images), "b d y x -> b (y x) d")
        tokens = torch.cat([self.cls_token.expand(len(images), -1, -1), patches], dim=1)
        tokens = self.norm_pre(tokens + self.pos_embed)
        angles = rotation_angles(self.config.grid).to(tokens)
        for block in self.blocks:
            tokens = block(tokens, angles)
        return self.head(self.attn_pool(self.norm(tokens)))


class PeTower(PreTrainedModel):
    """The tower where transformers looks for a model of timm."""

    config_class = PeTowerConfig

    def __init__(self, config: PeTowerConfig) -> None:
        super().__init__(config)
        self.timm_model = Tower(config)
        self.post_init()

    def forward(self, pixel_values: Tensor) -> ImageClassifierOutput:
        """As transformers' wrapper of timm returns it."""
        return ImageClassifierOutput(logits=self.timm_model(pixel_values.to(self.dtype)))


AutoModelForImageClassification.register(PeTowerConfig, PeTower, exist_ok=True)


def rotation_angles(grid: int) -> Float[Tensor, "N d"]:
    """The angle of each pair of numbers of a head, by the column of the patch and then by its row."""
    bands = ROTARY_BASE ** -torch.linspace(0, 1, HEAD_WIDTH // 4 + 1)[:-1]
    places = (torch.arange(grid) + 1.0) * GRID / grid
    rows, columns = (part.flatten() for part in torch.meshgrid(places, places, indexing="ij"))
    return torch.cat([columns[:, None] * bands, rows[:, None] * bands], dim=1)


def rotated(heads: Float[Tensor, "B h N d2"], angles: Float[Tensor, "N d"]) -> Float[Tensor, "B h N d2"]:
    """Neighbouring numbers as the two coordinates of a point, turned by the angle of their pair."""
    x, y = heads[..., 0::2], heads[..., 1::2]
    cosine, sine = angles.cos(), angles.sin()
    return torch.stack([x * cosine - y * sine, y * cosine + x * sine], dim=-1).flatten(-2)


def tower_config(shapes: Mapping[str, tuple[int, ...]]) -> PeTowerConfig:
    """The sizes that the stored weights have, by their names in the tower. Raises KeyError for another tower."""
    width, _, patch_px, _ = shapes["patch_embed.proj.weight"]
    depth = 1 + max(int(name.split(".")[1]) for name in shapes if name.startswith("blocks."))
    config = PeTowerConfig(
        width=width,
        depth=depth,
        mlp_width=shapes["blocks.0.mlp.fc1.weight"][0],
        patch_px=patch_px,
        grid=round((shapes["pos_embed"][1] - 1) ** 0.5),
    )
    config.num_labels = shapes["head.weight"][0]
    return config
