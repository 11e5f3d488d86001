"""What a public checkpoint has to give, under our names: one `Offer` for each modality that it serves.

Reads files.py; made by families.py, used by apply.py.
Axes: D width, C colours, h w rows and columns of a patch, V G_h G_w frames and grid of places, n words.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from vlsa.base.errors import CheckpointError, ConfigError
from vlsa.model.warm_start import resize
from vlsa.model.warm_start.files import Checkpoint

PARTS = {
    "norm_attention": ("layernorm_before", "layer_norm1"),
    "attention.output": ("attention.output.dense", "attention.o_proj", "self_attn.out_proj"),
    "norm_mlp": ("layernorm_after", "layer_norm2"),
    "mlp.0": ("intermediate.dense", "mlp.fc1"),
    "mlp.2": ("output.dense", "mlp.fc2"),
}
"""Part of our `Block` -> its names in files that transformers wrote, old and new."""
LAYERS = ("encoder.layer.{}.", "encoder.layers.{}.", "layers.{}.")
QUERY_KEY_VALUE = (
    ("attention.attention.query", "attention.q_proj", "self_attn.q_proj"),
    ("attention.attention.key", "attention.k_proj", "self_attn.k_proj"),
    ("attention.attention.value", "attention.v_proj", "self_attn.v_proj"),
)
BIASES = ("attention.attention.q_bias", "", "attention.attention.v_bias")
"""VideoMAE keeps the biases of query and value apart; its keys have none."""
Pair = tuple[Tensor, Tensor]
"""Weight and bias."""
Scale = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and deviation of each colour."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """Weights for one modality; None = the family has no such thing."""

    origin: str
    """Checkpoint and family, for people."""
    modality: str
    needs: dict[str, Any]
    """Fields of `EncoderConfig` that must agree, and their values."""
    num_layers: int = 0
    block: Callable[[int], dict[str, Tensor]] | None = None
    """State of our `Block` for a layer."""
    block_note: str = ""
    norm: Pair | None = None
    norm_note: str = ""
    kernel: Tensor | None = None
    """D C h w: how a patch becomes a token; of a spectrogram, h counts frequencies and w times."""
    bias: Tensor | None = None
    kernel_note: str = ""
    """What was already done to its values; empty = nothing."""
    merged_note: str = ""
    """What was already done to its shape."""
    pixel_scale: Scale | None = None
    """Means and deviations of the colours that it was trained on, pixels in [0, 1]."""
    places: Tensor | None = None
    """V G_h G_w D: positions; of words, 1 1 n D."""
    kind: Tensor | None = None
    """D: added to each token of the modality; None = nothing is added."""
    words: Tensor | None = None
    input_norm: Pair | None = None
    left_out: tuple[tuple[str, str], ...] = ()
    """(What the checkpoint has and we do not take, why)."""
    optional: bool = False
    """One of several that a checkpoint has: left out, not refused, where it does not fit."""
    whole_only: bool = False
    """Nothing of it is of use without its blocks."""

    def as_audio(self) -> "Offer":
        """The same for spectrograms, as if they were grey pictures: the kernel summed over colours."""
        assert self.kernel is not None
        return replace(
            self,
            modality="audio",
            kernel=resize.merge_colours(self.kernel),
            merged_note="3 colours summed: as a grey picture",
            pixel_scale=None,
            places=None if self.places is None else self.places[:1],
        )


@dataclass(frozen=True)
class Reader:
    """A checkpoint, or a part of it, with defaults for what its settings leave unsaid."""

    checkpoint: Checkpoint
    defaults: dict[str, Any]
    prefixes: tuple[str, ...] = ("",)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """For people."""
        return f"{self.checkpoint.where} ({self.checkpoint.family})"

    def setting(self, name: str) -> Any:
        """A value of config.json, or what transformers takes in its stead."""
        value = self.settings.get(name)
        return self.defaults.get(name) if value is None else value

    def number(self, name: str) -> int:
        """A count. Raises CheckpointError."""
        value = self.setting(name)
        if isinstance(value, list) and len(value) == 2 and value[0] == value[1]:
            value = value[0]
        if type(value) is not int or value < 1:
            raise CheckpointError(
                f"{self.origin}: {name}={value!r} in its config.json; a count is needed there. Mend the file."
            )
        return value

    def has(self, name: str) -> bool:
        """Whether there is such a weight."""
        return any(prefix + name in self.checkpoint.files for prefix in self.prefixes)

    def get(self, *names: str) -> Tensor:
        """The weight of one of these names. Raises CheckpointError."""
        return self.checkpoint.tensor(*(prefix + name for prefix in self.prefixes for name in names))

    def pair(self, *names: str) -> Pair:
        """Weight and bias of a layer. Raises CheckpointError."""
        return self.get(*(f"{name}.weight" for name in names)), self.get(*(f"{name}.bias" for name in names))

    def needs(self) -> dict[str, Any]:
        """What the encoder has to be like to hold the blocks. Raises ConfigError, CheckpointError."""
        width, hidden = self.number("hidden_size"), self.number("intermediate_size")
        activation = self.setting("hidden_act")
        if activation not in ("gelu", "quick_gelu"):
            raise ConfigError(
                f"{self.origin}: its activation is {activation}; the encoder has gelu and quick_gelu, and would answer "
                "otherwise. Take another checkpoint."
            )
        if hidden % width:
            raise ConfigError(
                f"{self.origin}: its MLPs are {hidden / width:.2f} times as wide as its tokens; the encoder's are "
                "a whole multiple. Take another checkpoint."
            )
        return {
            "width": width,
            "num_heads": self.number("num_attention_heads"),
            "mlp_ratio": hidden // width,
            "activation": activation,
            "norm_eps": float(self.setting("layer_norm_eps")),
        }

    def block(self, layer: int) -> dict[str, Tensor]:
        """The state of our `Block` for one layer. Raises CheckpointError."""
        starts = [start.format(layer) for start in LAYERS]
        state = {}
        for part, names in PARTS.items():
            state[f"{part}.weight"], state[f"{part}.bias"] = self.pair(*_joined(starts, names))
        weights = [self.get(*_joined(starts, [f"{name}.weight" for name in names])) for names in QUERY_KEY_VALUE]
        biases = [self._bias(starts, number, len(weight)) for number, weight in enumerate(weights)]
        state["attention.query_key_value.weight"] = torch.cat(weights)
        state["attention.query_key_value.bias"] = torch.cat(biases)
        return state

    def _bias(self, starts: list[str], number: int, width: int) -> Tensor:
        names = _joined(starts, [f"{name}.bias" for name in QUERY_KEY_VALUE[number]] + [BIASES[number]])
        keyless = self.checkpoint.family == "videomae" and number == 1
        if not any(map(self.has, names)) and (keyless or self.setting("qkv_bias") is False):
            return torch.zeros(width)
        return self.get(*names)

    def grid(self, table: Tensor, num_special: int, rows: int, columns: int) -> Tensor:
        """Positions of the places alone, 1 G_h G_w D. Raises CheckpointError when there are not as many."""
        places = table.reshape(-1, table.shape[-1])[num_special:]
        if len(places) != rows * columns:
            raise CheckpointError(
                f"{self.origin}: {len(places)} positions, but its config.json speaks of {rows} x {columns} patches; "
                "they cannot be put in their places. Mend the file."
            )
        return places.reshape(1, rows, columns, -1)


def _joined(starts: list[str], names: tuple[str, ...] | list[str]) -> list[str]:
    return [start + name for start in starts for name in names if name]
