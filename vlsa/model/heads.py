"""From the outputs of the encoder to globals: pooling, and heads where an objective has them.

Paper: VLSA (arXiv 2405.07202), Eq. 6: the mean, which has to serve reconstruction and the match with two other
modalities at once. Beyond the paper: with a head for each modality and pair, each pair is matched in a *space* of its
own. A global is then one unit vector for each space, one after the other, with zeros in the space that its modality is
not in; so the dot product of two globals of different modalities is the cosine in the space of their pair, whatever the
heads. Reads `Tokens`; used by vlsa.py, feeds matching.py.
Axes: B clips, N tokens, D width of the encoder, H heads of a modality, S spaces, W numbers of a global (S times the
width of a space).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vlsa.config import MODALITIES, ModelConfig, is_in
from vlsa.model.losses import Globals, attention_pool, mean_pool
from vlsa.model.precision import in_float32
from vlsa.model.types import Tokens


class Heads(nn.Module):
    """Pools the tokens of each modality to its global; every option is a field of `ObjectiveConfig`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        objective, width = config.objective, config.encoder.width
        self.spaces = objective.spaces
        self.space_width = config.space_width
        self.spaces_of = {name: [space for space in self.spaces if is_in(name, space)] for name in MODALITIES}
        self.tokens = nn.Parameter(torch.randn(len(MODALITIES), width) * 0.02) if objective.pooling == "token" else None
        attends, projects = objective.pooling == "attention", objective.heads != "none"
        self.queries = nn.ModuleDict(
            {
                name: nn.ParameterDict({space: torch.zeros(width) for space in spaces})
                for name, spaces in self.spaces_of.items()
                if attends and spaces
            }
        )
        """A query of zeros weighs all tokens alike: training starts at the mean of Eq. 6."""
        self.projections = nn.ModuleDict(
            {
                name: nn.ModuleDict({space: _head(objective.head_kind, width, self.space_width) for space in spaces})
                for name, spaces in self.spaces_of.items()
                if projects and spaces
            }
        )

    # ---- tokens of their own --------------------------------------------------------------------------------------

    def add_tokens(self, tokens: dict[str, Tokens]) -> dict[str, Tokens]:
        """With pooling="token", a global token in front of each modality; padding where the modality is absent."""
        return tokens if self.tokens is None else {name: self._with_token(name, part) for name, part in tokens.items()}

    def _with_token(self, name: str, part: Tokens) -> Tokens:
        assert self.tokens is not None
        token = self.tokens[MODALITIES.index(name)].expand(part.tokens.shape[0], 1, -1)
        absent = part.padding.all(dim=1, keepdim=True)
        return Tokens(torch.cat([token, part.tokens], dim=1), torch.cat([absent, part.padding], dim=1))

    def without_tokens(self, tokens: dict[str, Tokens]) -> dict[str, Tokens]:
        """The inverse of `add_tokens`."""
        if self.tokens is None:
            return tokens
        return {name: Tokens(part.tokens[:, 1:], part.padding[:, 1:]) for name, part in tokens.items()}

    # ---- globals --------------------------------------------------------------------------------------------------

    def forward(self, encoded: dict[str, Tokens]) -> Globals:
        """The global of each modality, in float32; zeros where the modality is absent."""
        return Globals(
            vectors={name: self.vectors(name, part) for name, part in encoded.items()},
            present={name: ~part.padding.all(dim=-1) for name, part in encoded.items()},
        )

    def vectors(self, name: str, part: Tokens) -> Float[Tensor, "B W"]:
        """Unit vectors of one modality in each of its spaces, one after the other."""
        with in_float32(part.tokens):  # heads are small, and what they give is compared
            pooled = self.pool(name, part)
            present = (~part.padding.all(dim=-1, keepdim=True)).float()
            own = {
                space: F.normalize(self.project(name, space, pooled[:, n]), dim=-1) * present
                for n, space in enumerate(self.spaces_of[name])
            }
        nothing = pooled.new_zeros(pooled.shape[0], self.space_width)  # not len(): an export leaves it open
        return torch.cat([own.get(space, nothing) for space in self.spaces], dim=-1)

    def pool(self, name: str, part: Tokens) -> Float[Tensor, "B H D"]:
        """One vector for each head: the mean of the real tokens (Eq. 6), their global token, or their weighted mean."""
        if name in self.queries:
            queries = torch.stack([self.queries[name][space] for space in self.spaces_of[name]])
            return attention_pool(part.tokens, part.padding, queries)
        pooled = mean_pool(part.tokens, part.padding) if self.tokens is None else part.tokens[:, 0].float()
        return pooled[:, None].expand(-1, len(self.spaces_of[name]), -1)

    def project(self, name: str, space: str, pooled: Float[Tensor, "*S D"]) -> Float[Tensor, "*S _"]:
        """Through the head of a modality in a space; as it is without heads."""
        return self.projections[name][space](pooled) if name in self.projections else pooled


def _head(kind: str, width: int, space_width: int) -> nn.Module:
    if kind == "linear":
        return nn.Linear(width, space_width)
    return nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, space_width))
