"""The families that can be begun from: what each holds for which modality, as `Offer`s.

ViT (arXiv 2010.11929), MAE (2111.06377), CLIP (2103.00020), VideoMAE (2203.12602), BERT (1810.04805), AST
(2104.01778), in the format of Hugging Face transformers. Reads files.py; feeds apply.py.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from vlsa.base.errors import ConfigError
from vlsa.model.warm_start import resize
from vlsa.model.warm_start.files import Checkpoint
from vlsa.model.warm_start.pretrained_weights import Offer, Reader, Scale

BASE = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "image_size": 224,
    "patch_size": 16,
    "qkv_bias": True,
}
"""What transformers takes where a config.json is silent."""
CLIP_VISION = BASE | {"hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "patch_size": 32}
CLIP_TEXT = CLIP_VISION | {
    "hidden_size": 512,
    "num_attention_heads": 8,
    "intermediate_size": 2048,
    "max_position_embeddings": 77,
}
VIDEOMAE = BASE | {"num_frames": 16, "tubelet_size": 2, "use_mean_pooling": True}
AST = BASE | {"num_mel_bins": 128, "max_length": 1024, "frequency_stride": 10, "time_stride": 10}

HALVES = ((0.5,) * 3, (0.5,) * 3)
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP_PIXELS = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
"""Means and deviations of colours where there is no preprocessor_config.json."""

NO_CLASS = ("class token", "the global of a modality is the mean of its tokens")


def offers(checkpoint: Checkpoint) -> list[Offer]:
    """What a checkpoint has to give; with a modality asked for, for that one alone.

    Raises ConfigError for a family that is not known, or that has nothing for the modality; CheckpointError for missing
    weights.
    """
    if checkpoint.family not in FAMILIES:
        raise ConfigError(
            f"{checkpoint.where}: model_type {checkpoint.family or 'missing'!r} in its config.json; nobody has said "
            f"where its weights belong. Known: {', '.join(FAMILIES)}."
        )
    made = FAMILIES[checkpoint.family](checkpoint)
    if not checkpoint.modality:
        return made
    pictures = [offer.as_audio() for offer in made if offer.modality == "video" and checkpoint.modality == "audio"]
    chosen = [offer for offer in made if offer.modality == checkpoint.modality] or pictures
    if not chosen:
        raise ConfigError(
            f"{checkpoint.where}: a checkpoint of the family {checkpoint.family} has nothing for "
            f"{checkpoint.modality}. Leave {checkpoint.modality}= out."
        )
    return [replace(offer, optional=False) for offer in chosen]


def _vit(checkpoint: Checkpoint) -> list[Offer]:
    return [_picture(checkpoint, HALVES, ("", "vit."))]


def _mae(checkpoint: Checkpoint) -> list[Offer]:
    offer = _picture(checkpoint, IMAGENET, ("", "vit."))
    return [replace(offer, left_out=(*offer.left_out, ("its decoder", "VLSA's has other inputs")))]


def _picture(checkpoint: Checkpoint, pixels: Scale, prefixes: tuple[str, ...]) -> Offer:
    reader = Reader(checkpoint, BASE, prefixes, checkpoint.settings)
    side = reader.number("image_size") // reader.number("patch_size")
    kernel, bias = reader.pair("embeddings.patch_embeddings.projection")
    return Offer(
        origin=reader.origin,
        modality="video",
        needs=reader.needs(),
        num_layers=reader.number("num_hidden_layers"),
        block=reader.block,
        norm=reader.pair("layernorm"),
        kernel=kernel,
        bias=bias,
        pixel_scale=_pixel_scale(checkpoint, pixels),
        places=reader.grid(reader.get("embeddings.position_embeddings"), 1, side, side),
        left_out=(NO_CLASS,),
    )


def _clip(checkpoint: Checkpoint) -> list[Offer]:
    return [
        _clip_vision(checkpoint, checkpoint.settings.get("vision_config") or {}),
        replace(_clip_text(checkpoint, checkpoint.settings.get("text_config") or {}), optional=True),
    ]


def _clip_vision(checkpoint: Checkpoint, settings: dict[str, Any] | None = None) -> Offer:
    settings = checkpoint.settings if settings is None else settings
    reader = Reader(checkpoint, CLIP_VISION, ("", "vision_model."), settings)
    side = reader.number("image_size") // reader.number("patch_size")
    kernel = reader.get("embeddings.patch_embedding.weight")
    return Offer(
        origin=f"{reader.origin}, vision",
        modality="video",
        needs=reader.needs(),
        num_layers=reader.number("num_hidden_layers"),
        block=reader.block,
        norm=reader.pair("post_layernorm"),
        norm_note="there it norms the class token alone",
        kernel=kernel,
        bias=torch.zeros(len(kernel)),
        pixel_scale=_pixel_scale(checkpoint, CLIP_PIXELS),
        places=reader.grid(reader.get("embeddings.position_embedding.weight"), 1, side, side),
        input_norm=reader.pair("pre_layrnorm"),
        left_out=(NO_CLASS, ("projections", "globals are compared without one")),
    )


def _clip_text(checkpoint: Checkpoint, settings: dict[str, Any] | None = None) -> Offer:
    settings = checkpoint.settings if settings is None else settings
    reader = Reader(checkpoint, CLIP_TEXT, ("", "text_model."), settings)
    order = reader.get("embeddings.position_embedding.weight")
    return Offer(
        origin=f"{reader.origin}, text",
        modality="text",
        needs=reader.needs(),
        num_layers=reader.number("num_hidden_layers"),
        block=reader.block,
        block_note="trained to look at earlier words alone; here they look at all",
        norm=reader.pair("final_layer_norm"),
        places=order[None, None],
        left_out=(("word embeddings", "CLIP's pieces of words are not WordPiece's"),),
        whole_only=True,
    )


def _videomae(checkpoint: Checkpoint) -> list[Offer]:
    reader = Reader(checkpoint, VIDEOMAE, ("", "videomae."), checkpoint.settings)
    side, tubelet = reader.number("image_size") // reader.number("patch_size"), reader.number("tubelet_size")
    moments, needs = reader.number("num_frames") // tubelet, reader.needs()
    kernel, bias = reader.pair("embeddings.patch_embeddings.projection")
    has_norm = reader.has("layernorm.weight")
    table = resize.interleaved_sinusoids(moments * side * side, needs["width"])
    offer = Offer(
        origin=reader.origin,
        modality="video",
        needs=needs,
        num_layers=reader.number("num_hidden_layers"),
        block=reader.block,
        norm=reader.pair("layernorm") if has_norm else None,
        norm_note="" if has_norm else "this checkpoint ends without one",
        kernel=resize.merge_frames(kernel),
        bias=bias,
        merged_note=f"tubelets of {tubelet} frames summed to single frames: the same answer to a still picture",
        pixel_scale=_pixel_scale(checkpoint, IMAGENET),
        places=table.reshape(moments, side, side, -1),
        left_out=(("its decoder or classifier", "VLSA's has other inputs"),),
    )
    return [offer]


def _bert(checkpoint: Checkpoint) -> list[Offer]:
    reader = Reader(checkpoint, BASE, ("", "bert."), checkpoint.settings)
    words = reader.get("embeddings.word_embeddings.weight")
    offer = Offer(
        origin=reader.origin,
        modality="text",
        needs={"width": words.shape[1], "num_heads": reader.number("num_attention_heads")},
        places=reader.get("embeddings.position_embeddings.weight")[None, None],
        kind=reader.get("embeddings.token_type_embeddings.weight")[0],
        words=words,
        input_norm=(
            reader.get("embeddings.LayerNorm.weight", "embeddings.LayerNorm.gamma"),
            reader.get("embeddings.LayerNorm.bias", "embeddings.LayerNorm.beta"),
        ),
        left_out=(("its blocks", "they norm after each sum (post-norm), the encoder before (pre-norm)"),),
    )
    return [offer]


def _ast(checkpoint: Checkpoint) -> list[Offer]:
    reader = Reader(checkpoint, AST, ("", "audio_spectrogram_transformer."), checkpoint.settings)
    size = reader.number("patch_size")
    rows = (reader.number("num_mel_bins") - size) // reader.number("frequency_stride") + 1
    columns = (reader.number("max_length") - size) // reader.number("time_stride") + 1
    kernel, bias = reader.pair("embeddings.patch_embeddings.projection")
    offer = Offer(
        origin=reader.origin,
        modality="audio",
        needs=reader.needs(),
        num_layers=reader.number("num_hidden_layers"),
        block=reader.block,
        norm=reader.pair("layernorm"),
        # Its spectrograms have a deviation of 0.5 (it divides by two of them), ours of 1.
        kernel=0.5 * kernel,
        bias=bias,
        kernel_note="halved: its spectrograms have half the deviation of ours",
        places=reader.grid(reader.get("embeddings.position_embeddings"), 2, rows, columns),
        left_out=(("class and distillation token", NO_CLASS[1]),),
    )
    return [offer]


def _pixel_scale(checkpoint: Checkpoint, usual: Scale) -> Scale:
    """Means and deviations of the colours: the checkpoint's own, or the family's usual ones."""
    if checkpoint.inputs.get("do_normalize") is False:
        return (0.0,) * 3, (1.0,) * 3
    mean, deviation = checkpoint.inputs.get("image_mean"), checkpoint.inputs.get("image_std")
    if _three(mean) and _three(deviation) and min(deviation) > 0:
        return tuple(map(float, mean)), tuple(map(float, deviation))
    return usual


def _three(values: Any) -> bool:
    return isinstance(values, list) and len(values) == 3 and all(isinstance(value, int | float) for value in values)


FAMILIES: dict[str, Callable[[Checkpoint], list[Offer]]] = {
    "vit": _vit,
    "vit_mae": _mae,
    "clip": _clip,
    "clip_vision_model": lambda checkpoint: [_clip_vision(checkpoint)],
    "clip_text_model": lambda checkpoint: [_clip_text(checkpoint)],
    "videomae": _videomae,
    "bert": _bert,
    "audio-spectrogram-transformer": _ast,
}
"""By the `model_type` of config.json."""
