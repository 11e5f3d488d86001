"""Global audio matching (GAM): one vector a modality, and clips told apart by them.

Paper: VLSA (arXiv 2405.07202), section 3.3, Eq. 1, 6, 7. Reads encoder outputs; used by vlsa.py. With the pair
video-text alone this is video-text matching (VTM), which the paper sets against GAM (Figure 5).
Axes: B clips of this process, G clips of the whole batch, D width.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from vlsa.config import MODALITIES, ModelConfig
from vlsa.model import losses
from vlsa.model.collectives import first_row, gather_rows
from vlsa.model.losses import GatheredGlobals
from vlsa.model.types import Globals, PairNoise, Tokens

MAX_SCALE = 100.0
"""Ceiling of a learned 1 / tau."""


class GlobalMatching(nn.Module):
    """Pools globals and scores them; every option is a field of `ObjectiveConfig`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.objective = objective = config.objective
        width = config.encoder.width
        num_features = width * (1 if objective.matching_features == "product" else 2)
        pairs = objective.pairs if objective.global_weight and objective.matching_weight else ()
        self.layers = nn.ModuleDict({pair: nn.Linear(num_features, 1) for pair in pairs})
        log_scale = torch.tensor(math.log(1 / objective.temperature))
        learned = objective.learn_temperature and bool(objective.global_weight)
        self.log_scale = nn.Parameter(log_scale, requires_grad=learned)
        sigmoid = objective.contrast == "sigmoid"
        self.bias = nn.Parameter(torch.tensor(objective.sigmoid_bias)) if sigmoid else None
        tokens = objective.pooling == "token"
        self.tokens = nn.Parameter(torch.randn(len(MODALITIES), width) * 0.02) if tokens else None

    def add_tokens(self, seen: dict[str, Tokens]) -> dict[str, Tokens]:
        """With pooling="token", a global token before each modality's own; padding where the modality is absent."""
        return seen if self.tokens is None else {name: self._with_token(name, part) for name, part in seen.items()}

    def _with_token(self, name: str, part: Tokens) -> Tokens:
        assert self.tokens is not None
        token = self.tokens[MODALITIES.index(name)].expand(part.tokens.shape[0], 1, -1)
        absent = part.padding.all(dim=1, keepdim=True)
        return Tokens(torch.cat([token, part.tokens], dim=1), torch.cat([absent, part.padding], dim=1))

    def without_tokens(self, seen: dict[str, Tokens]) -> dict[str, Tokens]:
        """The inverse of `add_tokens`."""
        if self.tokens is None:
            return seen
        return {name: Tokens(part.tokens[:, 1:], part.padding[:, 1:]) for name, part in seen.items()}

    def pool(self, encoded: dict[str, Tokens]) -> Globals:
        """The global of each modality, at unit length: the mean of its outputs (Eq. 6), or its token's output."""
        return Globals(
            vectors={name: F.normalize(self._pool(part), dim=-1) for name, part in encoded.items()},
            present={name: ~part.padding.all(dim=-1) for name, part in encoded.items()},
        )

    def _pool(self, part: Tokens) -> Float[Tensor, "B D"]:
        if self.tokens is None:
            return losses.mean_pool(part.tokens, part.padding)
        return part.tokens[:, 0].float() * ~part.padding[:, :1]

    def forward(self, globals_: Globals, noise: PairNoise) -> dict[str, Float[Tensor, ""]]:
        """Eq. 7: for each pair of modalities, contrast both ways and matching.

        With several processes the globals are those of this one's clips, which are told from everyone's; the terms of
        all processes add up to those of the whole batch.
        """
        first = first_row(len(next(iter(globals_.vectors.values()))))
        vectors = {name: gather_rows(part) for name, part in globals_.vectors.items()}
        present = {name: gather_rows(part) for name, part in globals_.present.items()}
        terms = {}
        for number, pair in enumerate(self.objective.pairs):
            one, other = pair.split("-")
            everyone = GatheredGlobals(vectors[one], vectors[other], present[one] & present[other], first)
            own = globals_.vectors[one], globals_.vectors[other]
            both = globals_.present[one] & globals_.present[other]
            name = pair.replace("-", "_")
            terms[f"global_contrast_{name}"] = self._contrast(*own, both, everyone)
            if self.objective.matching_weight and noise.partners is None:
                terms[f"global_match_{name}"] = self._match_shifted(
                    pair, own, both, everyone, (present[one], present[other]), noise.shift
                )
            elif self.objective.matching_weight:
                terms[f"global_match_{name}"] = self._match_likest(pair, own, both, everyone, noise.partners[:, number])
        return terms

    def _contrast(
        self,
        one: Float[Tensor, "B D"],
        other: Float[Tensor, "B D"],
        present: Bool[Tensor, " B"],
        everyone: GatheredGlobals,
    ) -> Float[Tensor, ""]:
        if self.bias is None:
            return losses.contrastive_loss(one, other, self.scale, present, everyone)
        return losses.sigmoid_loss(one, other, self.scale, self.bias, present, everyone)

    def _match_shifted(
        self,
        pair: str,
        own: tuple[Float[Tensor, "B D"], Float[Tensor, "B D"]],
        both: Bool[Tensor, " B"],
        everyone: GatheredGlobals,
        present: tuple[Bool[Tensor, " G"], Bool[Tensor, " G"]],
        shift: Int[Tensor, ""],
    ) -> Float[Tensor, ""]:
        """True pairs against pairs re-paired by a rotation of the whole batch."""
        num_clips = len(everyone.one)
        partner = (torch.arange(num_clips, device=shift.device) - shift) % num_clips
        is_false = present[0] & present[1][partner] & (num_clips > 1)
        rows = everyone.rows(len(both))
        false = self.match(pair, own[0], everyone.other[partner[rows]])
        counts = everyone.present.sum(), is_false.sum()
        return losses.matching_loss(self.match(pair, *own), false, both, is_false[rows], counts)

    def _match_likest(
        self,
        pair: str,
        own: tuple[Float[Tensor, "B D"], Float[Tensor, "B D"]],
        both: Bool[Tensor, " B"],
        everyone: GatheredGlobals,
        uniform: Float[Tensor, "B 2"],
    ) -> Float[Tensor, ""]:
        """True pairs against the likest wrong partners in the whole batch."""
        one, other = own
        logits_one, logits_other = (self.scale * one @ everyone.other.T), (self.scale * other @ everyone.one.T)
        for_one = losses.hard_negatives(logits_one.detach(), everyone, uniform[:, 0])
        for_other = losses.hard_negatives(logits_other.detach(), everyone, uniform[:, 1])
        false = torch.cat(
            [self.match(pair, one, everyone.other[for_one]), self.match(pair, everyone.one[for_other], other)]
        )
        num_pairs = everyone.present.sum()
        is_false = (both & (num_pairs > 1)).repeat(2)
        counts = num_pairs, 2 * num_pairs * (num_pairs > 1)
        return losses.matching_loss(self.match(pair, one, other), false, both, is_false, counts)

    def match(self, pair: str, one: Float[Tensor, "B D"], other: Float[Tensor, "B D"]) -> Float[Tensor, " B"]:
        """Logit that two globals belong to one clip: one fully connected layer (Eq. 7).

        On a concatenation such a layer is the sum of a term for each global, so that no pairing can beat chance; its
        default input is their product (times D, so that its elements are of order one).
        """
        if self.objective.matching_features == "product":
            features = one * other * one.shape[-1]
        else:
            features = torch.cat([one, other], dim=-1) * one.shape[-1] ** 0.5
        return self.layers[pair](features).squeeze(-1)

    @torch.no_grad()
    def limit_scale(self) -> None:
        """Bring a learned 1 / tau back under its ceiling, so that it can come down again; called after each update."""
        self.log_scale.clamp_(max=math.log(MAX_SCALE))

    @property
    def scale(self) -> Float[Tensor, ""]:
        """1 / tau."""
        return self.log_scale.exp()
