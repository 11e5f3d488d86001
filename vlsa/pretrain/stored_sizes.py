"""Whether the sizes in a checkpoint's settings are those of its weights, before a model is built of them.

A damaged or hostile header may ask for 10^5 layers or a width of 10^9. Sizes that a weight has are compared with it;
those that none has (frames, samples) are held to what a clip may take. Used by checkpoint.py.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor

from vlsa.config import ModelConfig
from vlsa.pretrain.sharded_files import damaged

MOST_VALUES = 2**28
"""Of a clip, or of a table that is computed from the settings: 1 GiB in float32. The paper's take 2**21."""
HIGHEST_RATE_HZ = 10**6
MLP_BIAS = "blocks.0.mlp.0.bias"
BLOCK = re.compile(r"(encoder|decoder)\.towers\.\w+\.(?:transformer\.)?blocks\.(\d+)\.")


def require_stored_sizes(model: ModelConfig, weights: Mapping[str, Tensor], vocabulary_size: int, path: Path) -> None:
    """Raises CheckpointError naming the first setting that is not of these weights, or that no clip can have."""
    odd = next((name for name, weight in weights.items() if not weight.is_floating_point()), None)
    if odd:
        raise damaged(path, f"{odd} holds no floating-point numbers")
    for name, size, stored in _stored(model, weights, vocabulary_size):
        if size != stored:
            raise damaged(path, f"model.{name} is {_short(size)} in its settings, {stored} in its weights")
    for name, size in _computed(model):
        if size > MOST_VALUES:
            raise damaged(path, f"{_short(size)} {name} in its settings")
    if model.audio.sample_rate_hz > HIGHEST_RATE_HZ:
        raise damaged(path, f"model.audio.sample_rate_hz is {_short(model.audio.sample_rate_hz)} in its settings")


def _stored(model: ModelConfig, weights: Mapping[str, Tensor], vocabulary_size: int) -> Iterator[tuple[str, int, int]]:
    """Settings, with their sizes there and in the weights (0 for a weight that is missing)."""
    shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
    width = _size(shapes, "embedding.video.bias", 0)
    yield "encoder.width", model.encoder.width, width
    yield "text.vocabulary_size", model.text.vocabulary_size, vocabulary_size
    yield "text.vocabulary_size", model.text.vocabulary_size, _size(shapes, "embedding.text.weight", 0)
    yield "video.patch_px squared", 3 * model.video.patch_px**2, _size(shapes, "embedding.video.weight", 1)
    yield "audio.patch_size squared", model.audio.patch_size**2, _size(shapes, "embedding.audio.weight", 1)
    yield "encoder.num_layers", model.encoder.num_layers, _num_layers(shapes, "encoder")
    yield "encoder.mlp_ratio x width", model.encoder.mlp_ratio * width, _size_of_any(shapes, "encoder", MLP_BIAS)
    if model.objective.local_weight:
        width = _size_of_any(shapes, "decoder", "input.bias")
        yield "decoder.width", model.decoder.width, width
        yield "decoder.num_layers", model.decoder.num_layers, _num_layers(shapes, "decoder")
        yield "decoder.mlp_ratio x width", model.decoder.mlp_ratio * width, _size_of_any(shapes, "decoder", MLP_BIAS)
    if model.objective.heads != "none":
        end = ".bias" if model.objective.head_kind == "linear" else ".2.bias"
        names = (name for name in shapes if name.startswith("heads.projections.") and name.endswith(end))
        yield "objective.head_width", model.space_width, _size(shapes, next(names, ""), 0)
    frames = shapes.get("embedding.positions.frames")
    if model.encoder.positions == "learned":
        yield "video.num_frames", model.video.num_frames, frames[0] if frames else 0


def _computed(model: ModelConfig) -> Iterator[tuple[str, int]]:
    """What a clip takes, and what the model computes of its settings: how many values."""
    video, audio = model.video, model.audio
    width = max(model.encoder.width, model.decoder.width)
    yield "pixel values of a clip", 3 * video.num_frames * video.size_px**2
    yield "samples of a clip", audio.num_times * audio.hop_samples
    yield "values of a filter bank", audio.num_frequencies * audio.window_samples
    yield "positions", width * max(video.patches_per_frame, audio.num_patches, model.text.num_tokens)


def _size(shapes: Mapping[str, tuple[int, ...]], name: str, axis: int) -> int:
    shape = shapes.get(name, ())
    return shape[axis] if axis < len(shape) else 0


def _num_layers(shapes: Mapping[str, tuple[int, ...]], part: str) -> int:
    found = (match for match in map(BLOCK.match, shapes) if match and match[1] == part)
    return len({match[2] for match in found})


def _size_of_any(shapes: Mapping[str, tuple[int, ...]], part: str, end: str) -> int:
    """Rows of the weight of that name in the first tower of the encoder or the decoder."""
    names = (name for name in shapes if name.startswith(f"{part}.towers.") and name.endswith(end))
    return _size(shapes, next(names, ""), 0)


def _short(number: int) -> str:
    text = str(number)
    return text if len(text) <= 20 else f"a number of {len(text)} digits"
