"""Put public weights into a fresh model, and say what became of each.

Reads families.py and plan.py; called once, before the first step, by pretrain/warm.py. The numbers that come out are
checked against transformers in tests/parity/test_warm_start_*.py.
Axes: D width, V G_h G_w frames and grid of places, n words.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from vlsa.base.errors import CheckpointError, ConfigError
from vlsa.config import MODALITIES, ModelConfig
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.model.encoder import Transformer
from vlsa.model.patches import Embedding, LearnedPositions
from vlsa.model.vlsa import VLSA
from vlsa.model.warm_start import resize
from vlsa.model.warm_start.families import offers
from vlsa.model.warm_start.files import Checkpoint
from vlsa.model.warm_start.plan import FIXED, Use, plan
from vlsa.model.warm_start.pretrained_weights import Offer
from vlsa.model.warm_start.report import Report


def apply(model: VLSA, sources: Sequence[Checkpoint], tokenizer: Tokenizer | None = None) -> Report:
    """Begin a fresh model, already calibrated, from public checkpoints; of two that offer the same the first gives it.

    Raises ConfigError for what does not fit, CheckpointError for what is damaged; the model is then of no use.
    """
    given: list[Offer] = []
    for source in sources:
        with _taken_at_its_word(source):
            made = offers(source)
        _check_vocabulary(source, made, model, tokenizer)
        given += made
    pixel_scale = (float(model.pixel_scale[0]), float(model.pixel_scale[1]))
    with _taken_at_its_word(*sources):
        report = warm_start(model.embedding, towers_of(model), model.config, given, pixel_scale)
    report.add("decoder, matching, temperature", "fresh")
    report.sources = tuple(source.recorded for source in sources)
    return report


@contextmanager
def _taken_at_its_word(*sources: Checkpoint) -> Iterator[None]:
    """Raises CheckpointError when weights turn out to be other than the config.json beside them says."""
    try:
        yield
    except (RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
        told, where = " ".join(str(error).split())[:100], ", ".join(source.where for source in sources)
        raise CheckpointError(
            f"{where}: weights and config.json are of different models ({told}); "
            "nothing can be taken. Write them again with save_pretrained."
        ) from error


def towers_of(model: VLSA) -> dict[str, Transformer]:
    """The encoder of each modality; the same one where weights are shared."""
    encoder = model.encoder
    towers = zip(encoder.groups, encoder.towers.values(), strict=True)
    return {name: tower for group, tower in towers for name in group}


@torch.no_grad()
def warm_start(
    embedding: Embedding,
    towers: Mapping[str, Transformer],
    config: ModelConfig,
    given: Sequence[Offer],
    pixel_scale: tuple[float, float],
) -> Report:
    """Put what is offered into the embedding and the encoders of the modalities.

    `pixel_scale` is the mean and deviation of pixels in [0, 1] that the model's input is divided by.
    """
    report = Report()
    uses = plan(given, towers, config.encoder)
    for tower, names in _distinct(towers):
        _blocks(report, tower, names, next((use for use in uses if use.blocks and use.offer.modality in names), None))
    for number, modality in enumerate(MODALITIES):
        use = next((use for use in uses if use.tokens and use.offer.modality == modality), None)
        offer = use.offer if use else None
        if modality == "text":
            _words(report, embedding, offer)
        else:
            _patches(report, modality, embedding, config, offer, pixel_scale)
        _positions(report, modality, embedding, config, offer)
        _kind(report, modality, embedding.modality[number], offer)
        _input_norm(report, modality, embedding, offer)
    for use in uses:
        _left_out(report, use)
    return report


def _distinct(towers: Mapping[str, Transformer]) -> Iterable[tuple[Transformer, list[str]]]:
    for tower in dict.fromkeys(towers.values()):
        yield tower, [name for name in MODALITIES if towers[name] is tower]


def _blocks(report: Report, tower: Transformer, names: list[str], use: Use | None) -> None:
    label, num_ours = f"encoder of {', '.join(names)}", len(tower.blocks)
    if use is None or use.offer.block is None:
        report.add(f"{label}: {num_ours} blocks, norm", "fresh")
        return
    offer, num_taken = use.offer, min(num_ours, use.offer.num_layers)
    for layer in range(num_taken):
        for name, value in use.offer.block(layer).items():
            _put(tower.blocks[layer].get_parameter(name), value, offer, f"{name} of layer {layer}")
    part = f"the first {num_taken} of its {offer.num_layers}" if num_taken < offer.num_layers else ""
    action = "resized" if num_taken < offer.num_layers else "taken"
    report.add(
        f"{label}: blocks 1-{num_taken}", action, offer.origin, "; ".join(filter(None, (part, offer.block_note)))
    )
    if num_taken < num_ours:
        report.add(f"{label}: blocks {num_taken + 1}-{num_ours}", "fresh")
    if offer.norm and num_taken == num_ours == offer.num_layers:
        _put_pair(tower.norm, offer.norm, offer, "the last norm")
        report.add(f"{label}: norm", "taken", offer.origin, offer.norm_note)
    else:
        report.add(f"{label}: norm", "fresh", "", offer.norm_note or "its norm belongs after its last layer")


def _patches(
    report: Report,
    modality: str,
    embedding: Embedding,
    config: ModelConfig,
    offer: Offer | None,
    pixel_scale: tuple[float, float],
) -> None:
    if offer is None or offer.kernel is None or offer.bias is None:
        report.add(f"{modality}: patches", "fresh")
        return
    size = config.video.patch_px if modality == "video" else config.audio.patch_size
    notes, old = [offer.merged_note] if offer.merged_note else [], tuple(offer.kernel.shape[-2:])
    kernel, bias = resize.resize_kernel(offer.kernel, size), offer.bias
    if old != (size, size):
        notes.append(f"{old[0]} x {old[1]} to {size} x {size}")
    action = "resized" if notes else "taken"
    notes += [offer.kernel_note] if offer.kernel_note else []
    if offer.pixel_scale:
        kernel, bias = resize.fold_scales(kernel, bias, offer.pixel_scale, pixel_scale)
        notes.append("its mean and deviation of pixels folded in")
    linear = resize.video_linear(kernel) if modality == "video" else resize.audio_linear(kernel)
    _put_pair(embedding.get_submodule(modality), (linear, bias), offer, "the patch kernel")
    report.add(f"{modality}: patches", action, offer.origin, "; ".join(notes))


def _words(report: Report, embedding: Embedding, offer: Offer | None) -> None:
    if offer is None or offer.words is None:
        report.add("text: words", "fresh")
        return
    _put(embedding.text.weight, offer.words, offer, "the word embeddings")
    report.add("text: words", "taken", offer.origin, f"{len(offer.words):,} pieces")


def _positions(report: Report, modality: str, embedding: Embedding, config: ModelConfig, offer: Offer | None) -> None:
    if offer is None or offer.places is None:
        report.add(f"{modality}: positions", "fresh")
    elif not isinstance(embedding.positions, LearnedPositions):
        report.add(f"{modality}: positions", "fresh", "", FIXED)
    elif modality == "text":
        _order(report, embedding.positions.text, offer)
    else:
        _places(report, modality, embedding.positions, config, offer)


def _order(report: Report, ours: Tensor, offer: Offer) -> None:
    assert offer.places is not None
    places, num_ours = offer.places[0, 0], len(ours)
    num_taken = min(num_ours, len(places))
    _put(ours[:num_taken], places[:num_taken], offer, "the positions")
    note = f"the first {num_taken} of its {len(places)}" if num_taken < len(places) else ""
    note = f"it has {num_taken}; the last {num_ours - num_taken} stay fresh" if num_taken < num_ours else note
    report.add("text: positions", "resized" if note else "taken", offer.origin, note)


def _places(report: Report, modality: str, positions: LearnedPositions, config: ModelConfig, offer: Offer) -> None:
    assert offer.places is not None
    audio, side = config.audio, config.video.size_px // config.video.patch_px
    bands, times = audio.num_frequencies // audio.patch_size, audio.num_times // audio.patch_size
    shape = (config.video.num_frames, side, side) if modality == "video" else (1, bands, times)
    old = tuple(offer.places.shape[:3])
    num_frames = 1 if old[0] == 1 else shape[0]  # an image model's serve each frame
    table = resize.resize_places(offer.places, num_frames, *shape[1:]).expand(*shape, -1)
    if modality == "video":
        _put(positions.frames, table.flatten(1, 2), offer, "the positions")
    else:
        _put(positions.audio, table[0].transpose(0, 1).flatten(0, 1), offer, "the positions")  # time by time
    notes = [f"{old[1]} x {old[2]} to {shape[1]} x {shape[2]}"] if old[1:] != shape[1:] else []
    notes += [f"{old[0]} moments to {shape[0]}"] if old[0] != num_frames else []
    action = "resized" if notes else "taken"
    notes += ["the same for each frame"] if num_frames < shape[0] else []
    report.add(f"{modality}: positions", action, offer.origin, "; ".join(notes))


def _kind(report: Report, modality: str, ours: Tensor, offer: Offer | None) -> None:
    if offer is None:
        report.add(f"{modality}: kind", "fresh")
        return
    _put(ours, torch.zeros_like(ours) if offer.kind is None else offer.kind, offer, "the kind of token")
    note = "zero: it has none" if offer.kind is None else "its first token type"
    report.add(f"{modality}: kind", "taken", offer.origin, note)


def _input_norm(report: Report, modality: str, embedding: Embedding, offer: Offer | None) -> None:
    name = f"{modality}: input norm"
    if modality in embedding.input_norms:
        if offer and offer.input_norm:
            _put_pair(embedding.input_norms[modality], offer.input_norm, offer, "the norm of tokens")
            report.add(name, "taken", offer.origin)
        else:
            report.add(name, "fresh")
    elif offer and offer.input_norm:
        note = f"add {modality} to model.encoder.input_norms to take it"
        report.add(f"{offer.modality}: its norm of tokens", "left out", offer.origin, note)


def _left_out(report: Report, use: Use) -> None:
    if use.refused:
        what = "its blocks" if use.tokens else "all of it"
        report.add(f"{use.offer.modality}: {what}", "left out", use.offer.origin, use.refused)
    for what, why in use.offer.left_out if use.tokens or use.blocks else ():
        report.add(f"{use.offer.modality}: {what}", "left out", use.offer.origin, why)


def _put_pair(layer: nn.Module, pair: tuple[Tensor, Tensor], offer: Offer, what: str) -> None:
    _put(layer.get_parameter("weight"), pair[0], offer, f"the weight of {what}")
    _put(layer.get_parameter("bias"), pair[1], offer, f"the bias of {what}")


def _put(ours: Tensor, theirs: Tensor, offer: Offer, what: str) -> None:
    if ours.shape != theirs.shape:
        raise CheckpointError(
            f"{offer.origin}: {what} has the shape {list(theirs.shape)} where {list(ours.shape)} follows from its "
            "config.json; the two belong to different models. Mend the folder."
        )
    ours.copy_(theirs)


def _check_vocabulary(source: Checkpoint, made: Sequence[Offer], model: VLSA, tokenizer: Tokenizer | None) -> None:
    """Words may be taken only if a number means the same piece in both vocabularies. Raises ConfigError."""
    words = next((offer.words for offer in made if offer.words is not None), None)
    if words is None:
        return
    num_ours = model.config.text.vocabulary_size
    remedy = f"Give its vocabulary: --vocabulary {source.vocabulary or 'vocab.txt'}"
    problem = ""
    if len(words) != num_ours:
        problem = f"{len(words):,} word pieces, the model has {num_ours:,}"
    elif tokenizer and source.vocabulary and not _same_pieces(tokenizer, Tokenizer.from_vocabulary(source.vocabulary)):
        problem = "its vocab.txt is not the vocabulary of the model"
    if problem:
        raise ConfigError(f"--init {source.where}: {problem}; its embeddings would belong to other words. {remedy}")


def _same_pieces(one: Tokenizer, other: Tokenizer) -> bool:
    return one.backend.get_vocab() == other.backend.get_vocab()
