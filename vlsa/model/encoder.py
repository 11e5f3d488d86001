"""The one transformer that serves video, sound and text.

Paper: VLSA (arXiv 2405.07202), section 3.2, Eq. 3-4: ViT, pre-norm, weights shared by all modalities. Reads tokens of
patches.py; feeds decoder.py and losses.py.

A *packed* call takes all tokens at once: linear layers and norms see one long sequence, and attention runs in groups
of it. So the isolated passes (a modality sees itself only) and the joint pass (all see all) are one call with the
same weights.
Axes: B clips, N tokens, D width, h heads.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from vlsa.config import EncoderConfig, groups_of_sharing
from vlsa.model.state import Seen


@dataclass(frozen=True)
class Group:
    """Tokens start..stop of a packed sequence, which attend to each other and to nothing else."""

    start: int
    stop: int
    padding: Bool[Tensor, "B n"]

    @property
    def attends(self) -> Bool[Tensor, "B 1 1 n"]:
        """True at the tokens that may be looked at. A clip that has none of the group looks at all, and is not used."""
        return (~self.padding | self.padding.all(dim=-1, keepdim=True))[:, None, None, :]


def groups_of(paddings: list[Bool[Tensor, "B _"]], first: int = 0) -> list[Group]:
    """Groups that follow one another from token `first` on."""
    groups = []
    for padding in paddings:
        groups.append(Group(first, first + padding.shape[1], padding))
        first += padding.shape[1]
    return groups


class Attention(nn.Module):
    """Multi-head self-attention within groups."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "B N D"], groups: list[Group]) -> Float[Tensor, "B N D"]:
        """One linear layer over all tokens, attention group by group; the groups cover the tokens in order."""
        packed = rearrange(self.query_key_value(x), "b n (three h d) -> three b h n d", three=3, h=self.num_heads)
        attended = []
        for group in groups:
            query, key, value = packed[..., group.start : group.stop, :]
            output = F.scaled_dot_product_attention(query, key, value, attn_mask=group.attends)
            attended.append(rearrange(output, "b h n d -> b n (h d)"))
        return self.output(torch.cat(attended, dim=1))


class QuickGELU(nn.Module):
    """CLIP's activation: x sigmoid(1.702 x), close to GELU."""

    def forward(self, x: Float[Tensor, "*N"]) -> Float[Tensor, "*N"]:
        """Of each element."""
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

    def forward(self, x: Float[Tensor, "B N D"], groups: list[Group]) -> Float[Tensor, "B N D"]:
        """Attention within groups, then the MLP, each added to what came in."""
        x = x + self.attention(self.norm_attention(x), groups)
        return x + self.mlp(self.norm_mlp(x))


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

    def forward(self, x: Float[Tensor, "B N D"], groups: list[Group]) -> Float[Tensor, "B N D"]:
        """Each group attends within itself, in every layer."""
        for block in self.blocks:
            x = block(x, groups)
        return self.norm(x)

    def forward_joint(
        self, x: Float[Tensor, "B N D"], paddings: list[Bool[Tensor, "B _"]], fusion_layers: int
    ) -> Float[Tensor, "B N D"]:
        """The joint outputs of `forward_both` alone: first layers isolated, the last `fusion_layers` joint."""
        isolated, together = groups_of(paddings), groups_of([torch.cat(paddings, dim=1)])
        num_first = len(self.blocks) - fusion_layers
        for number, block in enumerate(self.blocks):
            x = block(x, isolated if number < num_first else together)
        return self.norm(x)

    def forward_both(
        self, x: Float[Tensor, "B N D"], paddings: list[Bool[Tensor, "B _"]], fusion_layers: int
    ) -> tuple[Float[Tensor, "B N D"], Float[Tensor, "B N D"]]:
        """Isolated and joint outputs of the same tokens in one packed call.

        `paddings` cuts the tokens into modalities. The first layers run isolated only; the last `fusion_layers` carry a
        second copy of the tokens, in which all modalities attend to each other.
        """
        num_tokens = x.shape[1]
        isolated = groups_of(paddings)
        both = [*isolated, *groups_of([torch.cat(paddings, dim=1)], first=num_tokens)]
        num_first = len(self.blocks) - fusion_layers
        for block in self.blocks[:num_first]:
            x = block(x, isolated)
        x = torch.cat([x, x], dim=1)
        for block in self.blocks[num_first:]:
            x = block(x, both)
        isolated_output, joint_output = self.norm(x).split(num_tokens, dim=1)
        return isolated_output, joint_output


class Encoder(nn.Module):
    """One transformer for all modalities (the paper), or one for each group that shares weights (Figure 3).

    What goes in and comes out is the tokens of each modality by name. In a joint pass the modalities of a group attend
    to each other; a modality with an encoder of its own attends to itself in every pass.
    """

    def __init__(self, encoder: EncoderConfig) -> None:
        super().__init__()
        self.fusion_layers = encoder.fusion_layers
        self.groups = groups_of_sharing(encoder.shared)
        shape = (encoder.num_layers, encoder.width, encoder.num_heads, encoder.mlp_ratio)
        kind = (encoder.activation, encoder.norm_eps)
        self.towers = nn.ModuleDict({"_".join(group): Transformer(*shape, *kind) for group in self.groups})

    def isolated(self, seen: dict[str, Seen]) -> dict[str, Seen]:
        """Outputs when each modality attends to itself only; `seen` may hold any of the modalities."""
        outputs = {}
        for tower, names in self._parts(seen):
            outputs |= _split(tower(_tokens(seen, names), groups_of(_paddings(seen, names))), seen, names)
        return outputs

    def joint(self, seen: dict[str, Seen]) -> dict[str, Seen]:
        """Outputs when the modalities of each group attend to each other, in the last `fusion_layers` as in `both`."""
        outputs = {}
        for tower, names in self._parts(seen):
            together = tower.forward_joint(_tokens(seen, names), _paddings(seen, names), self.fusion_layers)
            outputs |= _split(together, seen, names)
        return outputs

    def both(self, seen: dict[str, Seen]) -> tuple[dict[str, Seen], dict[str, Seen]]:
        """Isolated and joint outputs, of each group in one packed call."""
        isolated, joint = {}, {}
        for tower, names in self._parts(seen):
            x, paddings = _tokens(seen, names), _paddings(seen, names)
            if len(names) == 1:
                alone = together = tower(x, groups_of(paddings))
            else:
                alone, together = tower.forward_both(x, paddings, self.fusion_layers)
            isolated |= _split(alone, seen, names)
            joint |= _split(together, seen, names)
        return isolated, joint

    def _parts(self, seen: dict[str, Seen]) -> list[tuple[Transformer, list[str]]]:
        """Each transformer that has something to do, and the modalities that it serves."""
        named = ([name for name in group if name in seen] for group in self.groups)
        return [(tower, names) for tower, names in zip(self.towers.values(), named, strict=True) if names]


def _tokens(seen: dict[str, Seen], names: Sequence[str]) -> Float[Tensor, "B N D"]:
    return torch.cat([seen[name].tokens for name in names], dim=1)


def _paddings(seen: dict[str, Seen], names: Sequence[str]) -> list[Bool[Tensor, "B _"]]:
    return [seen[name].padding for name in names]


def _split(outputs: Float[Tensor, "B N D"], seen: dict[str, Seen], names: Sequence[str]) -> dict[str, Seen]:
    parts = outputs.split([seen[name].padding.shape[1] for name in names], dim=1)
    return {name: Seen(part, seen[name].padding) for name, part in zip(names, parts, strict=True)}
