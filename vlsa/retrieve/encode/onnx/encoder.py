"""An exported model as an encoder: the same methods as the run's, run by ONNX Runtime on the processor.

Reads the folder that write.py made (folder.py); feeds whatever takes an encoder. A file is opened, and its bytes
checked, when its modality is first asked for.
Axes: B clips of a forward pass, D width of the matching space.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from vlsa.base.errors import CheckpointError
from vlsa.data.batch import Batch
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.retrieve.encode.batch_encoder import BatchEncoder
from vlsa.retrieve.encode.onnx.folder import (
    INPUTS,
    OUTPUT,
    TOKENIZER_FILE,
    ExportFacts,
    check_file,
    library,
    model_file,
    read_facts,
)


class OnnxEncoder(BatchEncoder):
    """Three ONNX files as an encoder; threads are as many as PyTorch would use (OMP_NUM_THREADS)."""

    def __init__(self, folder: Path, facts: ExportFacts, tokenizer: Tokenizer, *, batch_size: int = 32) -> None:
        about = {**facts.about, "run": str(folder), "exported": facts.precision}
        super().__init__(facts.config, tokenizer, about=about, batch_size=batch_size)
        self.folder, self.facts = folder, facts
        self._sessions: dict[str, Any] = {}

    @classmethod
    def open(cls, folder: str | Path, *, batch_size: int = 32) -> "OnnxEncoder":
        """The model in a folder. Raises CheckpointError (not an export, damaged), VlsaError (no ONNX Runtime)."""
        facts = read_facts(folder)
        library("onnxruntime")
        path = check_file(folder, TOKENIZER_FILE, facts)
        tokenizer = Tokenizer.from_json(path.read_text(encoding="utf-8"), str(path))
        return cls(Path(folder), facts, tokenizer, batch_size=batch_size)

    @cached_property
    def fingerprint(self) -> str:
        """The run's own if the weights are float32: vectors of both can be compared."""
        return self.facts.fingerprint

    def forward(self, modality: str, batch: Batch) -> Float32[np.ndarray, "B D"]:
        """Unit vectors of one modality of a batch. Raises CheckpointError for a damaged file."""
        if modality not in self._sessions:
            self._sessions[modality] = self._open(modality)
        inputs = {name: getattr(batch, field).numpy() for name, field in INPUTS[modality].items()}
        return self._sessions[modality].run([OUTPUT], inputs)[0]

    def _open(self, modality: str) -> Any:
        path = check_file(self.folder, model_file(modality), self.facts)
        if f"{path.name}.data" in self.facts.digests:
            check_file(self.folder, f"{path.name}.data", self.facts)
        return open_session(path)


def open_session(path: Path, num_threads: int | None = None) -> Any:
    """An ONNX Runtime session on the processor. Raises CheckpointError when the file cannot be run."""
    runtime = library("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = num_threads or torch.get_num_threads()
    options.log_severity_level = 3  # errors alone; the rest is about graphs, which a user cannot change
    try:
        return runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors share no base but Exception
        raise CheckpointError(
            f"{path}: ONNX Runtime {runtime.__version__} cannot run it ({str(error).splitlines()[0]}); nothing can be "
            "encoded with it. Export the run again with this version."
        ) from error
