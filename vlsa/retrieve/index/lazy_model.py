"""The model of an index, loaded only if something has to be encoded; used by build.py and watch.py."""

import hashlib
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlsa.retrieve.encode.public.names import parse

if TYPE_CHECKING:
    from vlsa.retrieve.encode.protocol import Encoder

MODEL_SUFFIXES = (".safetensors", ".json", ".onnx", ".data")
"""Of the files that make a run or an export what it is."""


class Model:
    """An encoder, or the path of a run that is loaded only if it is needed."""

    def __init__(self, model: "Encoder | str | os.PathLike[str]") -> None:
        self._model = model

    @property
    def name(self) -> str:
        """The path, or the public name, from which any process can load it; empty for one that is in memory alone."""
        return os.fspath(self._model) if isinstance(self._model, str | os.PathLike) else ""

    @cached_property
    def encoder(self) -> "Encoder":
        """The model, ready to encode."""
        from vlsa.retrieve.encode import encoders

        return encoders.load(os.fspath(self._model)) if isinstance(self._model, str | os.PathLike) else self._model

    @cached_property
    def files(self) -> str:
        """Digest of names, sizes and times of the files of a model on this disk; empty for anything else."""
        if not isinstance(self._model, str | os.PathLike):
            return ""
        name = os.fspath(self._model)
        roots = [Path(part.where) for part in parse(name)] or [Path(name)]
        if not all(root.exists() for root in roots):
            return ""
        found = [path for root in roots for path in _files(root)]
        facts = sorted((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in found)
        return hashlib.blake2b(repr(facts).encode(), digest_size=16).hexdigest()

    def made(self, facts: Mapping[str, Any]) -> bool:
        """Whether an index is known to be of this model, without loading it."""
        if isinstance(self._model, str | os.PathLike):
            return bool(self.files) and self.files == facts.get("model_files")
        return self._model.fingerprint == facts["model"]["fingerprint"]


def _files(root: Path) -> list[Path]:
    """The files of a run, an export or a public checkpoint, or the one that is given."""
    return [root] if root.is_file() else [path for path in root.rglob("*") if path.suffix in MODEL_SUFFIXES]
