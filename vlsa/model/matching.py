"""Global audio matching (GAM): one vector for each modality of a clip, contrasted and matched over the whole batch.

Paper: VLSA (arXiv 2405.07202), section 3.3, Eq. 1, 6, 7. Reads globals (heads.py); used by vlsa.py; the equations are
in losses.py. With the pair video-text alone this is video-text matching (VTM), the paper's baseline (Figure 5).
Axes: B clips of this process, G clips of the whole batch, D width of a space.
"""

import math

import torch
import torch.distributed as dist
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from vlsa.base.processes import first_row, num_processes
from vlsa.config import ModelConfig, num_shared
from vlsa.model import losses
from vlsa.model.losses import GatheredGlobals, Globals
from vlsa.model.noise import PairNoise
from vlsa.model.triples import triple_loss

MAX_SCALE = 100.0
"""Ceiling of a learned 1 / tau."""


class GlobalMatching(nn.Module):
    """Scores the globals that heads.py makes; every option is a field of `ObjectiveConfig`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.objective = objective = config.objective
        self.columns = {pair: config.columns(pair) for pair in objective.pairs}
        num_features = config.space_width * (1 if objective.matching_features == "product" else 2)
        pairs = objective.pairs if objective.global_weight and objective.matching_weight else ()
        self.layers = nn.ModuleDict({pair: nn.Linear(num_features, 1) for pair in pairs})
        log_scale = torch.tensor(math.log(1 / objective.temperature))
        learned = objective.learn_temperature and bool(objective.global_weight)
        self.log_scale, self.log_scales = None, nn.ParameterDict()
        if objective.pair_temperatures and learned:
            for pair in objective.pairs:
                self.log_scales[pair] = nn.Parameter(log_scale.clone())
        else:
            self.log_scale = nn.Parameter(log_scale, requires_grad=learned)
        bias = nn.Parameter(torch.tensor(objective.sigmoid_bias), requires_grad=bool(objective.global_weight))
        self.bias = bias if objective.contrast == "sigmoid" else None

    def forward(self, own: Globals, noise: PairNoise) -> dict[str, Float[Tensor, ""]]:
        """Eq. 7: for each pair of modalities, contrast in both directions and matching.

        With several processes `own` holds the globals of this one's clips, and the negatives come from the clips of
        all; the terms of all processes add up to those of the whole batch.
        """
        everyone = gather(own)
        terms = (
            {"global_contrast": self.contrast_triples(own, everyone, noise.shift)} if self.objective.is_triple else {}
        )
        for number, pair in enumerate(self.objective.pairs):
            name = pair.replace("-", "_")
            if not self.objective.is_triple:
                terms[f"global_contrast_{name}"] = self.contrast(pair, own, everyone)
            if self.objective.matching_weight and noise.partners is None:
                terms[f"global_match_{name}"] = self.match_shifted(pair, own, everyone, noise.shift)
            elif self.objective.matching_weight:
                terms[f"global_match_{name}"] = self.match_hard(pair, own, everyone, noise.partners[:, number])
        return terms | (self.teach(own, everyone) if self.objective.teacher_weight else {})

    def contrast(self, pair: str, own: Globals, everyone: Globals) -> Float[Tensor, ""]:
        """Each clip against all of the batch: InfoNCE (Eq. 7, first two terms), or the sigmoid loss of SigLIP."""
        one, other, both = self.of_pair(pair, own)
        gathered = GatheredGlobals(*self.of_pair(pair, everyone), first_row(len(one)))
        if self.bias is None:
            return losses.contrastive_loss(one, other, self.scale(pair), both, gathered)
        return losses.sigmoid_loss(one, other, self.scale(pair), self.bias, both, gathered)

    def contrast_triples(self, own: Globals, everyone: Globals, shift: Int[Tensor, ""]) -> Float[Tensor, ""]:
        """All three globals of each clip against those of all of the batch (triples.py)."""
        num_clips = len(own.present["video"])
        rows = first_row(num_clips) + torch.arange(num_clips, device=shift.device)
        return triple_loss(self.objective.contrast, own, everyone, self.scale(), rows, shift)

    def teach(self, own: Globals, everyone: Globals) -> dict[str, Float[Tensor, ""]]:
        """Each modality against the mean of its clip's globals, which it does not change, among those of all clips.

        Fusion as teacher (OmniRetriever, arXiv 2605.26641); there the joint pass gives the fused vector, and a further
        term trains it. With a space for each pair the mean is over all of them, and a modality is compared in its own:
        it has a unit vector in each of n, so it is divided by sqrt(n).
        """
        names = tuple(dict.fromkeys("-".join(self.objective.pairs).split("-")))
        (mine, is_fused), (theirs, are_fused) = (losses.fused_globals(part, names) for part in (own, everyone))
        terms = {}
        for name in names:
            length = num_shared(name, name, self.objective.spaces) ** 0.5
            one, all_ones = own.vectors[name] / length, everyone.vectors[name] / length
            both, present = own.present[name] & is_fused, everyone.present[name] & are_fused
            gathered = GatheredGlobals(all_ones, theirs, present, first_row(len(mine)))
            terms[f"global_teach_{name}"] = losses.contrastive_loss(one, mine, self.scale(), both, gathered)
        return terms

    def match_shifted(self, pair: str, own: Globals, everyone: Globals, shift: Int[Tensor, ""]) -> Float[Tensor, ""]:
        """Positive pairs against those that a rotation of the whole batch makes (Eq. 7, third term)."""
        one, other, both = self.of_pair(pair, own)
        gathered = GatheredGlobals(*self.of_pair(pair, everyone), first_row(len(one)))
        num_clips, rows = len(gathered.one), gathered.rows(len(one))
        partner = (torch.arange(num_clips, device=shift.device) - shift) % num_clips
        has_one, has_other = (everyone.present[name] for name in pair.split("-"))
        is_negative = has_one & has_other[partner] & (num_clips > 1)
        negative = self.match(pair, one, gathered.other[partner[rows]])
        counts = gathered.present.sum(), is_negative.sum()
        return losses.matching_loss(self.match(pair, one, other), negative, both, is_negative[rows], counts)

    def match_hard(
        self, pair: str, own: Globals, everyone: Globals, uniform: Float[Tensor, "B 2"]
    ) -> Float[Tensor, ""]:
        """Positive pairs against hard negatives of the whole batch, for both globals of a pair."""
        one, other, both = self.of_pair(pair, own)
        gathered = GatheredGlobals(*self.of_pair(pair, everyone), first_row(len(one)))
        scale = self.scale(pair)
        logits_one, logits_other = (scale * one @ gathered.other.T), (scale * other @ gathered.one.T)
        for_one = losses.hard_negatives(logits_one.detach(), gathered, uniform[:, 0])
        for_other = losses.hard_negatives(logits_other.detach(), gathered, uniform[:, 1])
        negative = torch.cat(
            [self.match(pair, one, gathered.other[for_one]), self.match(pair, gathered.one[for_other], other)]
        )
        num_pairs = gathered.present.sum()
        is_negative = (both & (num_pairs > 1)).repeat(2)
        counts = num_pairs, 2 * num_pairs * (num_pairs > 1)
        return losses.matching_loss(self.match(pair, one, other), negative, both, is_negative, counts)

    def match(self, pair: str, one: Float[Tensor, "B D"], other: Float[Tensor, "B D"]) -> Float[Tensor, " B"]:
        """Logit that two globals belong to one clip: one fully connected layer (Eq. 7).

        On a concatenation such a layer is a sum of one term for each global, which cannot distinguish pairs; the
        default input is their product (times D, so that its elements are of order one).
        """
        if self.objective.matching_features == "product":
            features = one * other * one.shape[-1]
        else:
            features = torch.cat([one, other], dim=-1) * one.shape[-1] ** 0.5
        return self.layers[pair](features).squeeze(-1)

    def of_pair(
        self, pair: str, globals_: Globals
    ) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B D"], Bool[Tensor, " B"]]:
        """The two globals of a pair such as "audio-video" in their space, and which clips have both."""
        one, other = pair.split("-")
        vectors, columns = globals_.vectors, self.columns[pair]
        return vectors[one][:, columns], vectors[other][:, columns], globals_.present[one] & globals_.present[other]

    # ---- the temperature ------------------------------------------------------------------------------------------

    def scale(self, pair: str | None = None) -> Float[Tensor, ""]:
        """1 / tau of a pair; the same for all but with `pair_temperatures`."""
        log_scale = self.log_scale if self.log_scale is not None else self.log_scales[pair]
        return log_scale.exp()

    def temperatures(self) -> dict[str, Float[Tensor, ""]]:
        """Each tau, by the name that it is logged under."""
        if self.log_scale is not None:
            return {"temperature": 1 / self.scale().detach()}
        return {f"temperature_{pair.replace('-', '_')}": 1 / self.scale(pair).detach() for pair in self.log_scales}

    @torch.no_grad()
    def limit_scale(self) -> None:
        """Clamp a learned 1 / tau to its ceiling, so that it can fall again; called after each update."""
        for log_scale in (self.log_scale, *self.log_scales.values()):
            if log_scale is not None:
                log_scale.clamp_(max=math.log(MAX_SCALE))


def gather(own: Globals) -> Globals:
    """The globals of the clips of all processes, in the order of the processes; differentiable."""
    if num_processes() == 1:
        return own
    return Globals(
        vectors={name: _GatherRows.apply(part) for name, part in own.vectors.items()},
        present={name: _GatherRows.apply(part.to(torch.uint8)).bool() for name, part in own.present.items()},
    )


class _GatherRows(torch.autograd.Function):
    """All-gather whose backward pass sums the gradients of all processes for the rows of this one.

    PyTorch's own gives the same gradient but has no name that lasts: `distributed.nn.functional.all_gather` and
    `all_gather_tensor_autograd` are deprecated in torch 2.13, and their successor is in a private module.
    """

    @staticmethod
    def forward(ctx: object, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows) for _ in range(num_processes())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        parts = [part.contiguous() for part in gradient.chunk(num_processes())]
        own = torch.empty_like(parts[0])
        dist.reduce_scatter(own, parts)
        return own
