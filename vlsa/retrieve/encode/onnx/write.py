"""A run to the folder of an exported model: three ONNX files, each compared with the run before it counts.

Reads a run (encoders.py) and has its encoders traced (trace.py); writes the folder that folder.py describes, under
another name first.
Axes: B clips, D width.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from vlsa.base.errors import VlsaError
from vlsa.config import MODALITIES, ModelConfig
from vlsa.data.batch import Batch
from vlsa.data.loading.loader import MemoryClips, read_tensors
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.data.world import made_clips
from vlsa.retrieve.encode.doubts import log_unfinished
from vlsa.retrieve.encode.encoders import VlsaEncoder, load_run
from vlsa.retrieve.encode.onnx.encoder import open_session
from vlsa.retrieve.encode.onnx.folder import (
    INPUTS,
    OUTPUT,
    OWN_FILES,
    TOKENIZER_FILE,
    ExportFacts,
    Precision,
    is_export,
    library,
    model_file,
    write_facts,
)
from vlsa.retrieve.encode.onnx.trace import quantise, write_encoder

MOST_DIFFERENCE = 1e-4
"""Of any element of a unit vector between a run and its float32 export."""
OF_AN_ENCODER = ("fingerprint", "sampling", "precision")
"""Facts that the exported model states of itself."""
NUM_COMPARED = 6
"""Made clips that both encode; some lack frames, sound or words."""


@dataclass(frozen=True)
class EncoderWritten:
    """One ONNX file, and how its vectors compare with the run's."""

    modality: str
    num_bytes: int
    max_difference: float
    """Largest absolute difference of an element."""
    min_cosine: float
    """Smallest cosine of a vector and the run's."""

    def row(self) -> tuple[str, ...]:
        """Cells of a table: encoder, MB, largest difference, least cosine."""
        return self.modality, f"{self.num_bytes / 1e6:.1f}", f"{self.max_difference:.1e}", f"{self.min_cosine:.6f}"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Exported:
    """What was written."""

    folder: Path
    precision: Precision
    encoders: tuple[EncoderWritten, ...]

    def __str__(self) -> str:
        size = sum(encoder.num_bytes for encoder in self.encoders) / 1e6
        return f"{self.folder}: three encoders in {self.precision}, {size:.1f} MB in all."


def export_onnx(
    run_path: str | Path,
    out: str | Path,
    *,
    int8: bool = False,
    progress: Callable[[str], None] = lambda what: None,
) -> Exported:
    """Write a run's encoders as ONNX files; an existing export is replaced.

    int8: weights of matrix products in 8 bits. `progress` is called with the current step. Raises VlsaError: the
    libraries are not installed, OUT holds something else, the run cannot be read, or a file's vectors differ.
    """
    for name in ("onnx", "onnxscript", "onnxruntime"):
        library(name)
    out = Path(out)
    _check_place(out)
    encoder = load_run(run_path, "cpu")
    log_unfinished(encoder.about, "what is exported is not the finished model")
    precision: Precision = "int8" if int8 else "float32"
    place = Path(os.path.realpath(out))  # a symbolic link keeps its target
    partial = Path(f"{place}.{os.getpid()}.partial")
    partial.mkdir(parents=True)
    try:
        written = tuple(_write_encoders(encoder, partial, precision, progress))
        (partial / TOKENIZER_FILE).write_text(encoder.tokenizer.to_json(), encoding="utf-8")
        about = {name: value for name, value in encoder.about.items() if name not in OF_AN_ENCODER}
        fingerprint = encoder.fingerprint if not int8 else f"{encoder.fingerprint}-int8"
        names = [path.name for path in partial.iterdir()]
        write_facts(partial, ExportFacts(encoder.config, precision, about, fingerprint), names)
        if place.exists():
            shutil.rmtree(place)
        os.replace(partial, place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Exported(out, precision, written)


def _check_place(out: Path) -> None:
    """Nothing but an export, intact or not, may be replaced."""
    if out.is_dir():
        own = OWN_FILES if is_export(out) else set()
        other = sorted(path.name for path in out.iterdir() if path.name not in own)
    else:
        other = [out.name] if out.exists() else []
    if other:
        raise VlsaError(
            f"{out}: holds {other[0]}, which is not part of an export and would be lost. Choose another folder."
        )


def _write_encoders(
    encoder: VlsaEncoder, folder: Path, precision: Precision, progress: Callable[[str], None]
) -> Iterator[EncoderWritten]:
    batch = compared_batch(encoder.config, encoder.tokenizer)
    for modality in MODALITIES:
        path = folder / model_file(modality)
        progress(f"exporting the encoder of {modality}")
        write_encoder(encoder.model, modality, path)
        if precision == "int8":
            quantise(path)
        progress(f"comparing the encoder of {modality} with the run")
        session = open_session(path)
        answers = session.run(
            [OUTPUT], {name: getattr(batch, field).numpy() for name, field in INPUTS[modality].items()}
        )[0]
        yield _compared(modality, path, answers, encoder.forward(modality, batch), precision, len(encoder.spaces))


def _compared(
    modality: str,
    path: Path,
    answers: Float32[np.ndarray, "B D"],
    expected: Float32[np.ndarray, "B D"],
    precision: Precision,
    num_spaces: int,
) -> EncoderWritten:
    if not np.isfinite(expected).all():
        raise VlsaError(
            f"{path.name}: the run's own vectors are not finite numbers; nothing could be found with them. The model "
            "has diverged: export an earlier checkpoint."
        )
    difference = float(np.abs(answers - expected).max())
    most = MOST_DIFFERENCE if precision == "float32" else 2.0  # that unit vectors can differ by
    if not difference <= most:  # not <=: a NaN too
        raise VlsaError(
            f"{path.name}: answers differ from the run's by {difference:.1e}, {most:.0e} is allowed; it "
            "would find other clips. Use the versions of torch, onnx and onnxruntime that are in constraints.txt."
        )
    cosines = (answers * expected).reshape(len(expected), num_spaces, -1).sum(axis=2)
    present = expected.reshape(len(expected), num_spaces, -1).any(axis=2)
    cosine = float(cosines[present].min(initial=1.0))  # 1 for a modality that no space holds
    num_bytes = sum(part.stat().st_size for part in path.parent.glob(f"{path.name}*"))
    return EncoderWritten(modality, num_bytes, difference, cosine)


def compared_batch(config: ModelConfig, tokenizer: Tokenizer) -> Batch:
    """Made clips at the model's sizes: the first whole, the last empty, and more padding from one to the next."""
    video, audio = config.video, config.audio
    made = made_clips(0, range(NUM_COMPARED), audio.sample_rate_hz, size_px=video.size_px)
    source = MemoryClips({"test": list(made)})
    batch = Batch.stack([read_tensors(source, row, config, tokenizer) for row in source.rows()])
    number = torch.arange(NUM_COMPARED)
    share = 1 - number / (NUM_COMPARED - 1)
    frames = torch.arange(video.num_frames) >= share[:, None] * video.num_frames
    words = torch.arange(config.text.num_tokens) >= (share[:, None] * config.text.num_tokens)
    return replace(
        batch,
        frame_padding=batch.frame_padding | frames,
        num_samples=(batch.num_samples * share).long(),
        text_padding=batch.text_padding | words,
    )
