"""One encoder of a model as an ONNX file, in float32 or with weights of 8 bits.

torch.onnx traces the encoder with the number of clips, and of words, left open. The STFT, for which ONNX has no exact
counterpart, becomes a convolution with the waves of the discrete Fourier transform. Called by write.py.
Axes: B clips, S samples, T times, R linear frequencies, V frames, L words.
"""

import copy
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vlsa.base.errors import VlsaError
from vlsa.config import AudioConfig, ModelConfig
from vlsa.data.batch import Batch
from vlsa.model.spectrogram import LogSpectrogram
from vlsa.model.vlsa import VLSA
from vlsa.retrieve.encode.onnx.folder import INPUTS, OUTPUT, library


class ConvolvedSpectrogram(LogSpectrogram):
    """`LogSpectrogram` whose STFT is a convolution, which every runtime has."""

    def __init__(self, config: AudioConfig) -> None:
        super().__init__(config)
        size = config.window_samples
        angles = torch.arange(size, dtype=torch.float64) * torch.arange(size // 2 + 1, dtype=torch.float64)[:, None]
        angles = angles.remainder(size) * (2 * torch.pi / size)
        waves = torch.cat([angles.cos(), angles.sin()]) * self.window.double()
        self.register_buffer("waves", waves.float()[:, None], persistent=False)

    def magnitude(self, sound: Float[Tensor, "B S"]) -> Float[Tensor, "B T R"]:
        """As LogSpectrogram's, from the sums of the windowed samples times cosines, and times sines."""
        half = self.config.window_samples // 2
        padded = F.pad(sound[:, None], (half, half), mode="reflect")
        parts = F.conv1d(padded, self.waves, stride=self.config.hop_samples)
        real, imaginary = parts.chunk(2, dim=1)
        return (real.square() + imaginary.square()).sqrt().transpose(1, 2)


class _Open(Batch):
    """A batch whose number of clips is left open, so that its parts cannot be compared."""

    def __post_init__(self) -> None:
        pass


class _OneEncoder(nn.Module):
    """One encoder of a model, as a function of the parts of a batch that it reads."""

    def __init__(self, model: VLSA, modality: str) -> None:
        super().__init__()
        self.model, self.modality = model, modality

    def forward(self, *parts: Tensor) -> Tensor:
        nothing = {field: torch.empty(0) for inputs in INPUTS.values() for field in inputs.values()}
        given = dict(zip(INPUTS[self.modality].values(), parts, strict=True))
        return getattr(self.model, f"encode_{self.modality}")(_Open(ids=(), **(nothing | given)))


def write_encoder(model: VLSA, modality: str, path: Path) -> None:
    """Write one encoder of a model as an ONNX file, in float32."""
    model = copy.deepcopy(model).cpu().eval()
    model.spectrogram = ConvolvedSpectrogram(model.config.audio)
    model.decoder = None
    parts = _example(model.config)
    names = tuple(INPUTS[modality])
    clips = torch.export.Dim("clips", min=1, max=2**20)
    words = torch.export.Dim("words", min=1, max=model.config.text.num_tokens)
    axes = {0: clips, 1: words} if modality == "text" else {0: clips}
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            _OneEncoder(model, modality).eval(),
            tuple(parts[name] for name in names),
            input_names=names,
            output_names=[OUTPUT],
            dynamic_shapes={"parts": tuple(axes for _ in names)},
            dynamo=True,
            verbose=False,
        )
        assert program is not None
        program.save(path)


def _example(config: ModelConfig) -> dict[str, Tensor]:
    """Two clips of the right shapes, to trace the model with."""
    frames, size = config.video.num_frames, config.video.size_px
    return {
        "video": torch.zeros(2, frames, 3, size, size, dtype=torch.uint8),
        "frame_seconds": torch.zeros(2, frames),
        "frame_padding": torch.zeros(2, frames, dtype=torch.bool),
        "sound": torch.zeros(2, config.audio.num_samples),
        "num_samples": torch.full((2,), config.audio.num_samples),
        "words": torch.zeros(2, config.text.num_tokens, dtype=torch.int64),
        "word_padding": torch.zeros(2, config.text.num_tokens, dtype=torch.bool),
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns about its internals, and about libraries that this model does not use."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def quantise(path: Path) -> None:
    """Weights of the transformer to 8 bits, one scale a column; what is multiplied with them is scaled as it comes.

    The spectrogram and the patches stay in float32: quiet sound would be rounded away, and they cost next to nothing.
    Raises VlsaError for an encoder of more than 2 GB.
    """
    if path.with_name(f"{path.name}.data").exists():
        raise VlsaError(
            f"{path.name}: more than 2 GB of weights, which ONNX Runtime does not turn into int8; nothing was written. "
            "Export without --int8."
        )
    onnx: Any = library("onnx")
    quantization: Any = library("onnxruntime.quantization")
    whole = path.with_suffix(".float32")
    os.replace(path, whole)
    products = [node for node in onnx.load(whole, load_external_data=False).graph.node if node.op_type == "MatMul"]
    with _quiet():
        quantization.quantize_dynamic(
            whole,
            path,
            op_types_to_quantize=["MatMul"],
            nodes_to_exclude=[node.name for node in products if not _in_transformer(node)],
            per_channel=True,
            reduce_range=True,
            weight_type=quantization.QuantType.QInt8,
        )
    whole.unlink()


def _in_transformer(node: Any) -> bool:
    """The exporter notes at each node the module that it comes from."""
    return any("model.encoder.towers" in note.value for note in node.metadata_props)
