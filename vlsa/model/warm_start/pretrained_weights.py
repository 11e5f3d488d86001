"""What a public checkpoint has to give, under our names: one `Offer` for each modality that it serves.

Reads files.py and the key tables of families.py; used by plan.py and apply.py. Whatever config.json says is compared
with the shapes in the headers of the weights before anything is read or computed from it.
Axes: D width, H width of an MLP, C colours, h w rows and columns of a patch, V G_h G_w frames and grid of patches.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from vlsa.base.errors import CheckpointError, ConfigError
from vlsa.model.warm_start import resize
from vlsa.model.warm_start.files import Checkpoint, brief

Scale = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and deviation of each colour."""
Weight = tuple[tuple[str, ...], str]
"""Its names in checkpoints, and its axes."""
AXES = {
    "D": "hidden_size",
    "H": "intermediate_size",
    "p": "patch_size",
    "t": "tubelet_size",
    "V": "vocab_size",
    "T": "type_vocab_size",
}
"""Axis of a weight -> the setting with its size; n counts positions, a digit stands for itself."""
LAYERS = ("encoder.layer.{}.", "encoder.layers.{}.", "layers.{}.")
BLOCK: dict[str, Weight] = {
    "norm_attention": (("layernorm_before", "layer_norm1"), "D"),
    "query": (("attention.attention.query", "attention.q_proj", "self_attn.q_proj"), "DD"),
    "key": (("attention.attention.key", "attention.k_proj", "self_attn.k_proj"), "DD"),
    "value": (("attention.attention.value", "attention.v_proj", "self_attn.v_proj"), "DD"),
    "attention.output": (("attention.output.dense", "attention.o_proj", "self_attn.out_proj"), "DD"),
    "norm_mlp": (("layernorm_after", "layer_norm2"), "D"),
    "mlp.0": (("intermediate.dense", "mlp.fc1"), "HD"),
    "mlp.2": (("output.dense", "mlp.fc2"), "DH"),
}
"""Layers of our `Block` (query, key and value apart), with the axes of their weights."""
BIASES = {"query": ("attention.attention.q_bias",), "value": ("attention.attention.v_bias",)}
"""Names that VideoMAE gives to biases; its keys have none."""
QKV_BIASES = ("query.bias", "key.bias", "value.bias")
FLOATS = ("F64", "F32", "F16", "BF16")
LARGEST_NUMBER, MOST_POSITIONS, SMALLEST_DEVIATION = 1 << 40, 1 << 15, 1e-6


@dataclass(frozen=True, kw_only=True)
class Family:
    """Where the weights of one family are, and what has to be known about them."""

    modality: str
    weights: dict[str, Weight]
    """By our name, without blocks; what is not listed the family does not have."""
    settings: dict[str, Any]
    """What transformers takes where config.json is silent."""
    prefix: str
    """What may precede each name: a model with a head has it."""
    section: str = ""
    """Part of config.json that describes this half of its checkpoints; empty = all."""
    may_lack: tuple[str, ...] = ()
    """Ends of our names that some checkpoints do not have."""
    num_special: int = 0
    """Positions before those of the patches."""
    pixels: Scale | None = None
    """Usual mean and deviation of colours, pixels in [0, 1]."""
    factor: float = 1.0
    """Of the patch kernel."""
    has_blocks: bool = True
    optional: bool = False
    """Left out, not refused, where it does not fit."""
    block_note: str = ""
    norm_note: str = ""
    kernel_note: str = ""
    merge_note: str = ""
    """What becomes of the shape of the kernel."""
    left_out: tuple[tuple[str, str], ...] = ()
    """(What the checkpoint has and we do not take, why)."""


@dataclass(frozen=True)
class Offer:
    """Weights of one checkpoint for one modality; made by families.py, once `find` has found them all."""

    checkpoint: Checkpoint
    family: Family
    modality: str
    """Not that of the family: frames' weights for spectrograms, as if these were grey images."""
    settings: dict[str, Any]
    found: dict[str, str] = field(default_factory=dict)
    """Our name -> name in the checkpoint."""

    @property
    def origin(self) -> str:
        """For people."""
        half = f", {self.family.section.removesuffix('_config')}" if self.family.section else ""
        return f"{self.checkpoint.where} ({self.checkpoint.family}){half}"

    @property
    def num_layers(self) -> int:
        """Blocks that it offers. Raises CheckpointError."""
        return self.number("num_hidden_layers") if self.family.has_blocks else 0

    def setting(self, name: str) -> Any:
        """A value of config.json, or the default of transformers."""
        value = self.settings.get(name)
        return self.family.settings.get(name) if value is None else value

    def number(self, name: str) -> int:
        """A count in config.json. Raises CheckpointError."""
        value = self.setting(name)
        if isinstance(value, list) and len(value) == 2 and value[0] == value[1]:
            value = value[0]
        if type(value) is not int or not 1 <= value <= LARGEST_NUMBER:
            raise self._wrong(f"{name}={brief(value)}", "a count is needed there")
        return value

    @property
    def needs(self) -> dict[str, Any]:
        """What the encoder has to be like to hold the blocks. Raises ConfigError, CheckpointError."""
        width, heads = self.number("hidden_size"), self.number("num_attention_heads")
        if width % heads:
            raise self._wrong(f"num_attention_heads={heads}", f"a divisor of hidden_size={width} is needed there")
        if not self.family.has_blocks:
            return {"width": width, "num_heads": heads}
        hidden = self.number("intermediate_size")
        activation, eps = self.setting("hidden_act"), self.setting("layer_norm_eps")
        unfit = ""
        if activation not in ("gelu", "quick_gelu"):
            unfit = f"its activation is {brief(activation)}; the encoder has gelu and quick_gelu"
        elif hidden % width:
            unfit = f"its MLPs are {hidden / width:.2f} times as wide as its tokens; the encoder's are a whole multiple"
        if unfit:
            raise ConfigError(f"{self.origin}: {unfit}, and would give other outputs. Take another checkpoint.")
        if not isinstance(eps, float | int) or not 0 < eps < 1:
            raise self._wrong(f"layer_norm_eps={brief(eps)}", "a small number above 0 is needed there")
        ratio, eps = hidden // width, float(eps)
        return {"width": width, "num_heads": heads, "mlp_ratio": ratio, "activation": activation, "norm_eps": eps}

    @property
    def grid(self) -> tuple[int, int, int]:
        """V G_h G_w: of text 1, 1 and the tokens. Raises CheckpointError."""
        number = self.number
        if self.family.modality == "text":
            grid = 1, 1, number("max_position_embeddings")
        elif self.family.modality == "audio":
            size = number("patch_size")
            rows, columns = number("num_mel_bins") - size, number("max_length") - size
            grid = 1, rows // number("frequency_stride") + 1, columns // number("time_stride") + 1
        else:
            side = number("image_size") // number("patch_size")
            has_tubelets = "tubelet_size" in self.family.settings
            grid = (number("num_frames") // number("tubelet_size") if has_tubelets else 1), side, side
        if min(grid) < 1 or math.prod(grid) > MOST_POSITIONS:
            sizes = " x ".join(map(str, grid))
            raise self._wrong(f"{sizes} positions", f"1 to {MOST_POSITIONS:,} are needed")
        return grid

    def find(self) -> "Offer":
        """Itself, once each weight has been found in the headers with the shape that config.json gives it.

        Raises CheckpointError.
        """
        stored, prefix = self.checkpoint.weights, self.family.prefix
        may_lack = self.family.may_lack + (QKV_BIASES if self.setting("qkv_bias") is False else ())
        for part, names, shape in self._expected():
            name = next((start + name for start in ("", prefix) for name in names if start + name in stored), None)
            if name is not None:
                self._check(name, shape)
                self.found[part] = name
            elif not part.endswith(may_lack):
                raise CheckpointError(
                    f"{self.checkpoint.where}: no weight {names[0]} in it (but {brief(list(stored))}); a "
                    f"{self.checkpoint.family} has one. Give a checkpoint as save_pretrained writes it."
                )
        _ = self.needs  # refused here, not when it is planned
        return self

    def _check(self, name: str, shape: tuple[int, ...]) -> None:
        stored = self.checkpoint.weights[name]
        problem = ""
        if stored.shape != shape:
            problem = f"has the shape {list(stored.shape)} where {list(shape)} follows from its config.json"
        elif stored.dtype not in FLOATS:
            problem = f"is stored as {stored.dtype}, perhaps quantised, where one of {', '.join(FLOATS)} is read"
        if problem:
            raise CheckpointError(
                f"{self.origin}: {name} {problem}; it cannot be taken. Write the model again with save_pretrained."
            )

    def _expected(self) -> Iterator[tuple[str, list[str], tuple[int, ...]]]:
        """Our name of each weight, its names in checkpoints, and its shape."""
        sizes = {axis: self.number(name) for axis, name in AXES.items() if name in self.family.settings}
        sizes |= {"1": 1, "3": 3, "n": self.family.num_special + math.prod(self.grid)}
        for part, (names, axes) in self.family.weights.items():
            yield part, list(names), tuple(sizes[axis] for axis in axes)
        for layer in range(self.num_layers):
            starts = [start.format(layer) for start in LAYERS]
            for part, (names, axes) in BLOCK.items():
                shape = tuple(sizes[axis] for axis in axes)
                for kind, others in (("weight", ()), ("bias", BIASES.get(part, ()))):
                    full = [start + name for start in starts for name in (*(f"{n}.{kind}" for n in names), *others)]
                    yield f"blocks.{layer}.{part}.{kind}", full, shape if kind == "weight" else shape[:1]

    def get(self, part: str) -> Tensor:
        """The weight of that name among ours; zeros for a bias that it does not have. Raises CheckpointError."""
        if not self.has(part) and part.endswith(".bias"):
            return torch.zeros(self.number("hidden_size"))
        return self.checkpoint.tensor(self.found[part])

    def has(self, part: str) -> bool:
        """Whether it offers such a weight."""
        return part in self.found

    def pair(self, layer: str) -> tuple[Tensor, Tensor]:
        """Weight and bias of a layer. Raises CheckpointError."""
        return self.get(f"{layer}.weight"), self.get(f"{layer}.bias")

    def block(self, layer: int) -> dict[str, Tensor]:
        """The state of our `Block` for one layer. Raises CheckpointError."""
        kinds = ("weight", "bias")
        state = {f"{part}.{kind}": self.get(f"blocks.{layer}.{part}.{kind}") for part in BLOCK for kind in kinds}
        for kind in kinds:
            three = [state.pop(f"{part}.{kind}") for part in ("query", "key", "value")]
            state[f"attention.query_key_value.{kind}"] = torch.cat(three)
        return state

    @property
    def kernel(self) -> Float[Tensor, "D C h w"]:
        """How a patch becomes a token; of a spectrogram, h counts frequencies and w times."""
        kernel = self.get("patches.weight") * self.family.factor
        kernel = resize.merge_frames(kernel) if kernel.ndim == 5 else kernel
        return resize.merge_colours(kernel) if self.is_grey else kernel

    @property
    def is_grey(self) -> bool:
        """Whether weights for frames are to serve spectrograms."""
        return self.modality != self.family.modality

    @property
    def positions(self) -> Float[Tensor, "V G_h G_w D"]:
        """Of the patches alone; those of VideoMAE are not stored."""
        grid, width = self.grid, self.number("hidden_size")
        stored = self.has("positions")
        table = self.get("positions") if stored else resize.interleaved_sinusoids(math.prod(grid), width)
        table = table.reshape(-1, width)[self.family.num_special :].reshape(*grid, width)
        return table[:1] if self.is_grey else table

    @property
    def pixel_scale(self) -> Scale | None:
        """Means and deviations of the colours that it was trained on; None: they are none. Raises CheckpointError."""
        if self.is_grey or self.family.pixels is None:
            return None
        inputs = self.checkpoint.inputs
        if inputs.get("do_normalize") is False:
            return (0.0,) * 3, (1.0,) * 3
        given = [inputs.get("image_mean"), inputs.get("image_std")]
        if given == [None, None]:
            return self.family.pixels
        numbers = [value for values in given if isinstance(values, list) and len(values) == 3 for value in values]
        known = [value for value in numbers if isinstance(value, int | float) and abs(value) < LARGEST_NUMBER]
        if len(known) != 6 or min(known[3:]) < SMALLEST_DEVIATION:
            pair = f"image_mean={brief(given[0])} and image_std={brief(given[1])}"
            raise self._wrong(pair, "three numbers each are needed, and deviations above 0", "preprocessor_config.json")
        values = tuple(map(float, known))
        return values[:3], values[3:]

    def _wrong(self, what: str, needed: str, file: str = "config.json") -> CheckpointError:
        return CheckpointError(f"{self.origin}: {what} in its {file}; {needed}. Correct the file.")
