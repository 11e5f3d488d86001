"""A trained model as an encoder: video, audio and text to vectors that can be compared.

Reads a checkpoint (pretrain/checkpoint.py), an exported model (onnx/) or a public one (public/); feeds embed.py,
index/ and evaluate/. What is common to all encoders is in media_encoder.py, to those of VLSA in batch_encoder.py; what
is asked of any in protocol.py.
Axes: B rows of a forward pass, D width of the matching space.
"""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float32

from vlsa.config import Config
from vlsa.data.batch import Batch
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.pretrain.model_fingerprint import model_fingerprint, recorded_fingerprint, recorded_steps
from vlsa.retrieve.encode.batch_encoder import BatchEncoder
from vlsa.retrieve.encode.onnx.folder import is_export
from vlsa.retrieve.encode.protocol import Encoder, Media
from vlsa.retrieve.encode.public.names import OWN, parse
from vlsa.retrieve.encode.sampling import COVERING, Sampling

if TYPE_CHECKING:
    from vlsa.model.vlsa import VLSA

__all__ = ["Encoder", "Media", "VlsaEncoder", "load", "load_run"]

FEW_TEXTS = 8
_THREADS = threading.Lock()


def load(run_path: str | Path, device: torch.device | str | None = None, *, sampling: Sampling = COVERING) -> Encoder:
    """The model of a run, ready to encode: `vlsa.load("RUN").encode_text(["a bell rings"])`. Raises VlsaError.

    A folder of `vlsa export onnx` serves as well; it runs on the processor whatever `device` says. So does a public
    encoder by folder or hub id, or a sum: "clip:FOLDER", "clip:FOLDER+clap:ORG/NAME"; and "vlsa:ORG/NAME" of the hub
    (for `from_pretrained`, `save_pretrained` and `push_to_hub`: vlsa.HubEncoder).
    device: None = the GPU if there is one, in bfloat16 for a run unless it was trained with compute.precision=float32.
    """
    names = parse(os.fspath(run_path))
    if len(names) == 1 and names[0].family == OWN:
        from vlsa.base.hub import checkpoint_folder

        where = checkpoint_folder(names[0].where, ("*.json", "*.safetensors"))
        return load_run(where, device, fast=True).with_sampling(sampling)
    if names:
        from vlsa.retrieve.encode.public.load import load_public

        return load_public(names, _place(device), sampling)
    if is_export(run_path):
        from vlsa.retrieve.encode.onnx.encoder import OnnxEncoder

        return OnnxEncoder.open(run_path).with_sampling(sampling)
    return load_run(run_path, device, fast=True).with_sampling(sampling)


def _place(device: torch.device | str | None) -> torch.device:
    return torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))


@contextmanager
def _threads_for(modality: str, batch: Batch) -> Iterator[None]:
    """A query of a few texts is encoded on one thread: the others wait for more work in a loop for a while (OpenMP),
    and would keep the processor from the comparison with the windows, which comes next, on threads of NumPy.
    """
    if modality != "text" or len(batch) > FEW_TEXTS:
        yield
        return
    with _THREADS:
        num_threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(num_threads)


def load_run(run_path: str | Path, device: torch.device | str | None = None, *, fast: bool = False) -> "VlsaEncoder":
    """The model of a run or a checkpoint, with its weights at hand. Raises CheckpointError.

    device: None = the GPU if there is one. fast: a GPU encodes in bfloat16 with flash attention, where it can.
    """
    from vlsa.pretrain.acceleration import set_up_encoding
    from vlsa.pretrain.checkpoint import load_model, model_file, training_data

    path = model_file(run_path)  # once: a training may save a newer checkpoint at any time
    model, tokenizer, config = load_model(path)
    place = _place(device)
    model.to(place)
    if fast:
        set_up_encoding(model, config.compute, place)
    about = {
        "precision": str(model.precision).removeprefix("torch."),
        "run": str(run_path),
        "checkpoint": path.parent.name,
        "recipe": config.recipe,
        "training_seed": config.train.seed,
        "training_data": training_data(path),
        "step": recorded_steps(path),
        "num_steps": config.train.num_steps,
    }
    return VlsaEncoder(model, tokenizer, about=about, fingerprint=recorded_fingerprint(path), settings=config)


class VlsaEncoder(BatchEncoder):
    """VLSA as an encoder, run by PyTorch; each modality is encoded by itself."""

    def __init__(
        self,
        model: "VLSA",
        tokenizer: Tokenizer,
        *,
        about: Mapping[str, Any] | None = None,
        batch_size: int = 32,
        fingerprint: str | None = None,
        settings: Config | None = None,
    ) -> None:
        super().__init__(model.config, tokenizer, about=about, batch_size=batch_size)
        self.model, self._recorded = model, fingerprint
        self.settings = settings or Config(model=model.config)

    @cached_property
    def fingerprint(self) -> str:
        """As recorded in the checkpoint, or else the digest of the weights, the settings, and the vocabulary."""
        return self._recorded or model_fingerprint(self.config, self.tokenizer, self.model.state_dict())

    def forward(self, modality: str, batch: Batch) -> Float32[np.ndarray, "B D"]:
        """Unit vectors of one modality of a batch; a model in training mode is in training mode afterwards."""
        device = next(self.model.parameters()).device
        was_training = self.model.training
        self.model.eval()
        # Not inference_mode: a table cached in it would break the next training step.
        with torch.no_grad(), self.model.low_precision(), _threads_for(modality, batch):
            vectors = getattr(self.model, f"encode_{modality}")(batch.to(device)).float().cpu().numpy()
        self.model.train(was_training)
        return vectors
