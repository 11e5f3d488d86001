"""The model of an index, loaded only if something has to be encoded; used by build.py and watch.py."""

import hashlib
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vlsa.retrieve.encode.protocol import Encoder

MODEL_SUFFIXES = (".safetensors", ".json", ".onnx", ".data")
"""Of the files that make a run or an export what it is."""


class Model:
    """An encoder, or the path of a run that is loaded only if it is needed."""

    def __init__(self, model: "Encoder | str | os.PathLike[str]") -> None:
        self._model = model

    @cached_property
    def encoder(self) -> "Encoder":
        """The model, ready to encode."""
        from vlsa.retrieve.encode import encoders

        return encoders.load(os.fspath(self._model)) if isinstance(self._model, str | os.PathLike) else self._model

    @cached_property
    def files(self) -> str:
        """Digest of names, sizes and times of the files of a run or an export; empty for anything else."""
        if not isinstance(self._model, str | os.PathLike) or not os.path.exists(self._model):
            return ""
        root = Path(self._model)
        found = [root] if root.is_file() else [path for path in root.rglob("*") if path.suffix in MODEL_SUFFIXES]
        facts = sorted((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in found)
        return hashlib.blake2b(repr(facts).encode(), digest_size=16).hexdigest()

    def made(self, facts: Mapping[str, Any]) -> bool:
        """Whether an index is known to be of this model, without loading it."""
        if isinstance(self._model, str | os.PathLike):
            return bool(self.files) and self.files == facts.get("model_files")
        return self._model.fingerprint == facts["model"]["fingerprint"]
