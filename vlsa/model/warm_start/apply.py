"""Put public weights into a fresh model, and report what became of each.

Reads families.py and plan.py; called once, before the first step, by pretrain/loop.py. A run that has a checkpoint
resumes from its own weights, and needs neither the sources nor the network again. The numbers that come out are
checked against transformers in tests/parity/test_warm_start_*.py.
Axes: D width, V G_h G_w frames and grid of patches, n tokens.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from vlsa.base.errors import ConfigError
from vlsa.config import MODALITIES
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.model.encoder import Transformer
from vlsa.model.patches import LearnedPositions
from vlsa.model.vlsa import VLSA
from vlsa.model.warm_start import resize
from vlsa.model.warm_start.families import offers
from vlsa.model.warm_start.files import Checkpoint, read
from vlsa.model.warm_start.plan import plan
from vlsa.model.warm_start.pretrained_weights import Offer

Outcome = tuple[str, str]
"""Action and note of a row."""
FRESH: Outcome = ("fresh", "")
FIXED: Outcome = ("fresh", "encoder.positions is fixed; --set model.encoder.positions=learned takes them")


class Row(NamedTuple):
    """One line of the table."""

    weight: str
    action: str
    """taken, resized (its shape was changed on the way), fresh (ours, as without --init), or left out (theirs)."""
    origin: str
    note: str


@dataclass
class Report:
    """What became of each weight, and the sources."""

    HEADER: ClassVar = ("weight", "action", "from", "note")
    sources: tuple[str, ...] = ()
    """Each with the digest of what was read: what the run records."""
    rows: list[Row] = field(default_factory=list)
    """The table under `HEADER`."""

    def add(self, weight: str, outcome: Outcome, origin: str = "") -> None:
        """One more row; what is fresh has no origin."""
        action, note = outcome
        self.rows.append(Row(weight, action, "" if action == "fresh" else origin, note))


def initialiser(
    sources: Sequence[str], on_initialised: Callable[[Report], None] | None = None
) -> Callable[[VLSA, Tokenizer], tuple[str, ...]]:
    """A function that puts these public checkpoints into a calibrated model; `on_initialised` gets the report.

    It returns the sources with their digests, and raises ConfigError and CheckpointError.
    """

    def initialise(model: VLSA, tokenizer: Tokenizer) -> tuple[str, ...]:
        report = apply(model, [read(source) for source in sources], tokenizer)
        if on_initialised:
            on_initialised(report)
        return report.sources

    return initialise


@torch.no_grad()
def apply(model: VLSA, sources: Sequence[Checkpoint], tokenizer: Tokenizer | None = None) -> Report:
    """Initialise a fresh model, already calibrated, from public checkpoints; of two with the same the first gives it.

    Raises ConfigError for what does not fit, CheckpointError for what is damaged; the model is then of no use.
    """
    given = [offer for source in sources for offer in offers(source)]
    for offer in given:
        _check_vocabulary(offer, model, tokenizer)
    encoder = model.encoder
    groups = list(zip(encoder.groups, encoder.towers.values(), strict=True))
    chosen = plan(given, {name: tower for group, tower in groups for name in group}, model.config.encoder)
    report = Report(tuple(source.recorded for source in sources))
    for group, tower in groups:
        _blocks(report, f"encoder of {', '.join(group)}", tower, chosen.blocks.get(tower))
    for modality in MODALITIES:
        _tokens(report, model, modality, chosen.tokens.get(modality))
    for what, origin, why in chosen.left_out:
        report.add(what, ("left out", why), origin)
    report.add("decoder, heads, matching, temperature", FRESH)
    return report


def _blocks(report: Report, label: str, tower: Transformer, offer: Offer | None) -> None:
    num_ours = len(tower.blocks)
    if offer is None:
        report.add(f"{label}: {num_ours} blocks, norm", FRESH)
        return
    num_theirs, family = offer.num_layers, offer.family
    num_taken = min(num_ours, num_theirs)
    for layer in range(num_taken):
        for name, value in offer.block(layer).items():
            tower.blocks[layer].get_parameter(name).copy_(value)
    part = f"the first {num_taken} of its {num_theirs}" if num_taken < num_theirs else ""
    outcome = ("resized" if part else "taken", _joined(part, family.block_note))
    report.add(f"{label}: blocks 1-{num_taken}", outcome, offer.origin)
    if num_taken < num_ours:
        report.add(f"{label}: blocks {num_taken + 1}-{num_ours}", FRESH)
    outcome = ("fresh", family.norm_note or "its norm belongs after its last layer")
    if not offer.has("norm.weight"):
        outcome = ("fresh", "this checkpoint ends without one")
    elif num_ours == num_theirs:
        _put(tower.norm, *offer.pair("norm"))
        outcome = ("taken", family.norm_note)
    report.add(f"{label}: norm", outcome, offer.origin)


def _tokens(report: Report, model: VLSA, modality: str, offer: Offer | None) -> None:
    """What makes tokens of a modality."""
    has_norm = modality in model.embedding.input_norms
    steps = {"token embeddings": _token_table} if modality == "text" else {"patches": _patches}
    steps |= {"positions": _positions, "modality embedding": _modality}
    steps |= {"input norm": _input_norm} if has_norm else {}
    for what, step in steps.items():
        report.add(f"{modality}: {what}", step(model, offer) if offer else FRESH, offer.origin if offer else "")
    if offer and offer.has("input_norm.weight") and not has_norm:
        note = f"add {modality} to model.encoder.input_norms to take it"
        report.add(f"{modality}: its input norm", ("left out", note), offer.origin)


def _token_table(model: VLSA, offer: Offer) -> Outcome:
    if not offer.has("tokens"):
        return FRESH
    table = offer.get("tokens")
    model.embedding.text.weight.copy_(table)
    return "taken", f"{len(table):,} word pieces"


def _patches(model: VLSA, offer: Offer) -> Outcome:
    config, is_video, theirs = model.config, offer.modality == "video", offer.kernel
    size = config.video.patch_px if is_video else config.audio.patch_size
    old = tuple(theirs.shape[-2:])
    kernel, bias = resize.resize_kernel(theirs, size), offer.get("patches.bias")
    grey = "3 colours summed: as a grey image" if offer.is_grey else ""
    sizes = f"{old[0]} x {old[1]} to {size} x {size}" if old != (size, size) else ""
    resized = _joined(offer.family.merge_note, grey, sizes)
    folded = ""
    if scale := offer.pixel_scale:
        mean, deviation = model.pixel_scale.tolist()
        kernel, bias = resize.fold_scales(kernel, bias, scale, (mean, deviation))
        folded = "its mean and deviation of pixels folded in"
    linear = resize.video_linear(kernel) if is_video else resize.audio_linear(kernel)
    _put(model.embedding.get_submodule(offer.modality), linear, bias)
    return "resized" if resized else "taken", _joined(resized, offer.family.kernel_note, folded)


def _positions(model: VLSA, offer: Offer) -> Outcome:
    positions = model.embedding.positions
    if not isinstance(positions, LearnedPositions):
        return FIXED
    return _order(positions.text, offer) if offer.modality == "text" else _places(positions, model, offer)


def _order(ours: nn.Parameter, offer: Offer) -> Outcome:
    """Positions of tokens of a text."""
    theirs, num_ours = offer.positions[0, 0], len(ours)
    num_taken = min(num_ours, len(theirs))
    ours[:num_taken] = theirs[:num_taken]
    if num_taken < num_ours:
        return "resized", f"it has {num_taken}; the last {num_ours - num_taken} stay fresh"
    return ("resized", f"the first {num_taken} of its {len(theirs)}") if num_taken < len(theirs) else ("taken", "")


def _places(positions: LearnedPositions, model: VLSA, offer: Offer) -> Outcome:
    """Positions on the grid of patches; an image model's serve each frame."""
    video, audio, theirs = model.config.video, model.config.audio, offer.positions
    grid = (1, audio.num_frequencies // audio.patch_size, audio.num_times // audio.patch_size)
    if offer.modality == "video":
        grid = (video.num_frames, *[video.size_px // video.patch_px] * 2)
    (moments, *old), num_frames = theirs.shape[:3], grid[0] if len(theirs) > 1 else 1
    table = resize.resize_places(theirs, num_frames, *grid[1:]).expand(*grid, -1)
    if offer.modality == "video":
        positions.frames.copy_(table.flatten(1, 2))
    else:
        positions.audio.copy_(table[0].transpose(0, 1).flatten(0, 1))  # time by time
    resized = _joined(
        f"{old[0]} x {old[1]} to {grid[1]} x {grid[2]}" if tuple(old) != grid[1:] else "",
        f"{moments} moments to {grid[0]}" if moments != num_frames else "",
    )
    each = "the same for each frame" if num_frames < grid[0] else ""
    return "resized" if resized else "taken", _joined(resized, each)


def _modality(model: VLSA, offer: Offer) -> Outcome:
    ours = model.embedding.modality[MODALITIES.index(offer.modality)]
    if not offer.has("types"):
        ours.zero_()
        return "taken", "zero: it has none"
    ours.copy_(offer.get("types")[0])
    return "taken", "its first token type"


def _input_norm(model: VLSA, offer: Offer) -> Outcome:
    if not offer.has("input_norm.weight"):
        return FRESH
    _put(model.embedding.input_norms[offer.modality], *offer.pair("input_norm"))
    return "taken", ""


def _put(layer: nn.Module, weight: Tensor, bias: Tensor) -> None:
    layer.get_parameter("weight").copy_(weight)
    layer.get_parameter("bias").copy_(bias)


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))


def _check_vocabulary(offer: Offer, model: VLSA, tokenizer: Tokenizer | None) -> None:
    """Token embeddings may be taken only if an id means the same piece in both vocabularies. Raises ConfigError."""
    if not offer.has("tokens"):
        return
    theirs, ours, path = offer.number("vocab_size"), model.config.text.vocabulary_size, offer.checkpoint.vocabulary
    problem = ""
    if theirs != ours:
        problem = f"{theirs:,} word pieces, the model has {ours:,}"
    elif tokenizer and path and _pieces(tokenizer) != _pieces(Tokenizer.from_vocabulary(path)):
        problem = "its vocab.txt is not the vocabulary of the model"
    if problem:
        raise ConfigError(
            f"--init {offer.checkpoint.where}: {problem}; its embeddings would belong to other tokens. "
            f"Give its vocabulary: --vocabulary {path or 'vocab.txt'}"
        )


def _pieces(tokenizer: Tokenizer) -> dict[str, int]:
    return tokenizer.backend.get_vocab()
