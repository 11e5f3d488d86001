"""The public library: transformers, imported when it is used, and its parts without any weight that is not stored.

Feeds the encoders of this folder. Axes: B rows, D width.
"""

import contextlib
import io
import os
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from vlsa.base.errors import CheckpointError, VlsaError
from vlsa.model.warm_start.files import brief
from vlsa.retrieve.encode.public.files import PublicCheckpoint

LOCAL = {"local_files_only": True, "trust_remote_code": False}
"""No program and no further file is fetched."""
DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, ImportError)
"""What transformers raises for files that do not belong together, or are cut."""


def transformers() -> ModuleType:
    """The library. Raises VlsaError where it is not installed."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # it names each absent image library at import
    try:
        import transformers as library
    except ImportError as error:
        raise VlsaError(
            f"transformers: cannot be imported ({error}); public encoders need it. pip install '.[public]'"
        ) from error
    library.utils.logging.disable_progress_bar()
    return library


def model_of(kind: Any, checkpoint: PublicCheckpoint, device: torch.device, **options: Any) -> Any:
    """A model with the weights of a checkpoint. Raises CheckpointError when one is missing or does not fit."""
    from safetensors import SafetensorError

    options |= {"use_safetensors": True, "dtype": torch.float32, "output_loading_info": True, **LOCAL}
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # transformers prints notes about its own documentation
            model, found = kind.from_pretrained(checkpoint.folder, **options)
    except (*DAMAGED, SafetensorError) as error:
        raise damaged(checkpoint, error) from error
    lacking = sorted({str(name) for kind in ("missing_keys", "mismatched_keys") for name in found[kind]})
    if lacking:
        raise damaged(checkpoint, f"weights are missing or of another shape: {brief(lacking)}")
    return model.eval().to(device)


def part_of(kind: Any, checkpoint: PublicCheckpoint) -> Any:
    """A processor or a tokenizer with the settings of a checkpoint. Raises CheckpointError."""
    try:
        return kind.from_pretrained(checkpoint.folder, **LOCAL)
    except DAMAGED as error:
        raise damaged(checkpoint, error) from error


def damaged(checkpoint: PublicCheckpoint, cause: object) -> CheckpointError:
    """The one line for a folder that transformers cannot read."""
    reason = " ".join(str(cause).split())[:200]
    return CheckpointError(
        f"{checkpoint.name}: transformers cannot read it ({reason}); nothing can be encoded with it. "
        "Download or copy all of its files again."
    )


def pooled(output: Any) -> Tensor:
    """The vectors in what a model returned."""
    return output if isinstance(output, Tensor) else output.pooler_output


def on(device: torch.device, inputs: Mapping[str, Any], names: Sequence[str]) -> dict[str, Tensor]:
    """The tensors of these names, those that there are, on a device."""
    return {name: inputs[name].to(device) for name in names if name in inputs}
