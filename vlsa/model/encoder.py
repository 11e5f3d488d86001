"""The one transformer that encodes video, audio and text.

Paper: VLSA (arXiv 2405.07202), section 3.2, Eq. 3-4: ViT, pre-norm, weights shared by all modalities. Reads tokens of
patches.py; feeds decoder.py and losses.py.

A *packed* call takes all tokens at once: linear layers and norms read one long sequence, and attention runs within
groups of it. So the isolated passes (a modality attends to itself) and the joint pass (all attend to all) are one call
with the same weights.
Axes: B clips, N tokens, D width.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vlsa.config import EncoderConfig, groups_of_sharing
from vlsa.model.attention import KERNELS, Attention, Packing, Paddings
from vlsa.model.types import Tokens


class QuickGELU(nn.Module):
    """CLIP's activation: x sigmoid(1.702 x), close to GELU."""

    def forward(self, x: Float[Tensor, "*N"]) -> Float[Tensor, "*N"]:
        """Element by element."""
        return x * torch.sigmoid(1.702 * x)


ACTIVATIONS: dict[str, type[nn.Module]] = {"gelu": nn.GELU, "quick_gelu": QuickGELU}


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(
        self, width: int, num_heads: int, mlp_ratio: int, activation: str = "gelu", norm_eps: float = 1e-5
    ) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width, eps=norm_eps)
        self.attention = Attention(width, num_heads)
        self.norm_mlp = nn.LayerNorm(width, eps=norm_eps)
        self.mlp = nn.Sequential(
            nn.Linear(width, mlp_ratio * width), ACTIVATIONS[activation](), nn.Linear(mlp_ratio * width, width)
        )

    def forward(self, x: Float[Tensor, "B N D"], packing: Packing) -> Float[Tensor, "B N D"]:
        """Attention within groups, then the MLP, each added to what came in."""
        x = x + self.attention(self.norm_attention(x), packing)
        return x + self.mlp(self.norm_mlp(x))


RunBlock = Callable[[Block, Tensor, Packing], Tensor]
"""A function that runs a block."""


def run(block: Block, x: Float[Tensor, "B N D"], packing: Packing) -> Float[Tensor, "B N D"]:
    """Plain call of a block."""
    return block(x, packing)


def recomputing(run_block: RunBlock) -> RunBlock:
    """Activation checkpointing: only the input of a block is kept, and the backward pass runs it again.

    No block draws random numbers, so no generator state is kept.
    """
    return lambda block, x, packing: checkpoint(
        run_block, block, x, packing, use_reentrant=False, preserve_rng_state=False
    )


class Transformer(nn.Module):
    """Blocks and a last norm; the encoder, and the body of the decoder."""

    def __init__(
        self,
        num_layers: int,
        width: int,
        num_heads: int,
        mlp_ratio: int,
        activation: str = "gelu",
        norm_eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, num_heads, mlp_ratio, activation, norm_eps) for _ in range(num_layers))
        self.norm = nn.LayerNorm(width, eps=norm_eps)
        self.kernel = "masked"
        """Attention in training."""
        self.encoding_kernel = "masked"
        """Attention outside training: the exact kernel, unless `set_up_encoding` chose another."""
        self.residual: torch.dtype | None = None
        """Type of the residual stream in training; None: that of the tokens."""
        self.run_block: RunBlock = run

    def forward(self, x: Float[Tensor, "B N D"], paddings: Paddings) -> Float[Tensor, "B N D"]:
        """Each group attends within itself, in every layer; the groups cover the tokens in order."""
        return self.norm(self.layers(x, slice(None), paddings))

    def layers(self, x: Float[Tensor, "B N D"], which: slice, paddings: Paddings) -> Float[Tensor, "B N D"]:
        """Some of the blocks."""
        kernel, run_block = (self.kernel, self.run_block) if self.training else (self.encoding_kernel, run)
        residual = self.residual if self.training and self.residual else x.dtype
        packing = KERNELS[kernel](paddings)
        output = packing.arrange(x.to(residual))
        for block in self.blocks[which]:
            output = run_block(block, output, packing)
        return packing.restore(output).to(x.dtype)

    def forward_joint(
        self, x: Float[Tensor, "B N D"], paddings: Paddings, fusion_layers: int
    ) -> Float[Tensor, "B N D"]:
        """The joint outputs of `forward_both` alone: first layers isolated, the last `fusion_layers` joint."""
        num_first = len(self.blocks) - fusion_layers
        if num_first:
            x = self.layers(x, slice(num_first), paddings)
        return self.norm(self.layers(x, slice(num_first, None), [torch.cat(list(paddings), dim=1)]))

    def forward_both(
        self, x: Float[Tensor, "B N D"], paddings: Paddings, fusion_layers: int
    ) -> tuple[Float[Tensor, "B N D"], Float[Tensor, "B N D"]]:
        """Isolated and joint outputs of the same tokens in one packed call.

        `paddings` splits the tokens into modalities. The first layers run isolated only; the last `fusion_layers` run a
        second copy of the tokens too, in which all modalities attend to each other.
        """
        num_first = len(self.blocks) - fusion_layers
        if num_first:
            x = self.layers(x, slice(num_first), paddings)
        both = [*paddings, torch.cat(list(paddings), dim=1)]
        outputs = self.norm(self.layers(torch.cat([x, x], dim=1), slice(num_first, None), both))
        isolated, joint = outputs.chunk(2, dim=1)
        return isolated, joint


class Encoder(nn.Module):
    """One transformer for all modalities (the paper), or one for each group that shares weights (Figure 3).

    Inputs and outputs are the tokens of each modality by name. In a joint pass the modalities of a group attend to each
    other; a modality with an encoder of its own attends to itself in every pass.
    """

    def __init__(self, encoder: EncoderConfig) -> None:
        super().__init__()
        self.fusion_layers = encoder.fusion_layers
        self.groups = groups_of_sharing(encoder.shared)
        shape = (encoder.num_layers, encoder.width, encoder.num_heads, encoder.mlp_ratio)
        kind = (encoder.activation, encoder.norm_eps)
        self.towers = nn.ModuleDict({"_".join(group): Transformer(*shape, *kind) for group in self.groups})

    def isolated(self, tokens: dict[str, Tokens]) -> dict[str, Tokens]:
        """Outputs when each modality attends to itself only; `tokens` may hold any modalities."""
        outputs = {}
        for tower, names in self._parts(tokens):
            outputs |= _split(tower(_packed(tokens, names), _paddings(tokens, names)), tokens, names)
        return outputs

    def joint(self, tokens: dict[str, Tokens]) -> dict[str, Tokens]:
        """Outputs when the modalities of each group attend to each other, in the last `fusion_layers` as in `both`."""
        outputs = {}
        for tower, names in self._parts(tokens):
            together = tower.forward_joint(_packed(tokens, names), _paddings(tokens, names), self.fusion_layers)
            outputs |= _split(together, tokens, names)
        return outputs

    def both(self, tokens: dict[str, Tokens]) -> tuple[dict[str, Tokens], dict[str, Tokens]]:
        """Isolated and joint outputs, of each group in one packed call."""
        isolated, joint = {}, {}
        for tower, names in self._parts(tokens):
            x, paddings = _packed(tokens, names), _paddings(tokens, names)
            if len(names) == 1:
                alone = together = tower(x, paddings)
            else:
                alone, together = tower.forward_both(x, paddings, self.fusion_layers)
            isolated |= _split(alone, tokens, names)
            joint |= _split(together, tokens, names)
        return isolated, joint

    def _parts(self, tokens: dict[str, Tokens]) -> list[tuple[Transformer, list[str]]]:
        """Each transformer with inputs, and the modalities that it encodes."""
        named = ([name for name in group if name in tokens] for group in self.groups)
        return [(tower, names) for tower, names in zip(self.towers.values(), named, strict=True) if names]


def _packed(tokens: dict[str, Tokens], names: Sequence[str]) -> Float[Tensor, "B N D"]:
    return torch.cat([tokens[name].tokens for name in names], dim=1)


def _paddings(tokens: dict[str, Tokens], names: Sequence[str]) -> list[Bool[Tensor, "B _"]]:
    return [tokens[name].padding for name in names]


def _split(outputs: Float[Tensor, "B N D"], tokens: dict[str, Tokens], names: Sequence[str]) -> dict[str, Tokens]:
    parts = outputs.split([tokens[name].padding.shape[1] for name in names], dim=1)
    return {name: Tokens(part, tokens[name].padding) for name, part in zip(names, parts, strict=True)}
