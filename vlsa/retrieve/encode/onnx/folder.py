"""The folder of an exported model: its files, and the facts that make them a model.

    FOLDER/video.onnx  FOLDER/audio.onnx  FOLDER/text.onnx  FOLDER/tokenizer.json
    FOLDER/export.json       settings, origin, precision, a digest of each other file, and one of all that

Written by write.py, read by encoder.py; encoders.py asks `is_export` whether a path is one.
"""

import hashlib
import importlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from vlsa.base.errors import CheckpointError, ConfigError, VlsaError
from vlsa.base.files import write_atomically
from vlsa.config import ModelConfig
from vlsa.config.overrides import from_dict, to_dict
from vlsa.pretrain.metrics_log import EXPORT_FILE

FORMAT, VERSION = "vlsa-onnx", 1
TOKENIZER_FILE = "tokenizer.json"

INPUTS = {
    "video": {"video": "video", "frame_seconds": "frame_seconds", "frame_padding": "frame_padding"},
    "audio": {"sound": "waveform", "num_samples": "num_samples"},
    "text": {"words": "token_ids", "word_padding": "text_padding"},
}
"""The inputs of each file (their names are part of the format), and the field of `Batch` (data/batch.py) of each."""
OUTPUT = "vectors"
OWN_DIGEST = "digest"
"""Key of the digest of everything else in export.json: edited settings would make other inputs than the files take."""
OWN_FILES = {EXPORT_FILE, TOKENIZER_FILE, *(f"{name}.onnx{end}" for name in INPUTS for end in ("", ".data"))}
"""All that may be in the folder; weights beyond 2 GB lie next to their file, in .data."""

Precision = Literal["float32", "int8"]


@dataclass(frozen=True)
class ExportFacts:
    """What export.json says."""

    config: ModelConfig
    precision: Precision
    """Of the weights in matrix products."""
    about: Mapping[str, Any]
    """The run, its checkpoint, recipe and training seed."""
    fingerprint: str
    """That of the run for float32, whose vectors are the run's own; another for int8."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each other file, by name."""


def model_file(modality: str) -> str:
    """Name of the file that encodes a modality."""
    return f"{modality}.onnx"


def is_export(path: str | Path) -> bool:
    """Whether a path is the folder of an exported model, intact or not."""
    return (Path(path) / EXPORT_FILE).is_file()


def library(name: str) -> ModuleType:
    """One of the libraries of the extra `export`. Raises VlsaError when it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise VlsaError(
            f"{name}: cannot be imported ({error}); exported models need it. pip install '.[export]'"
        ) from error


def write_facts(folder: Path, facts: ExportFacts, names: Iterable[str]) -> None:
    """Write export.json, with the digests of the files written so far."""
    values = {**asdict(facts), "config": to_dict(facts.config)}
    values["digests"] = {name: digest(folder / name) for name in sorted(names)}
    values = {"format": FORMAT, "version": VERSION, **values}
    write_atomically(folder / EXPORT_FILE, json.dumps({**values, OWN_DIGEST: _digest_of(values)}, indent=2).encode())


def read_facts(folder: str | Path) -> ExportFacts:
    """Read export.json. Raises CheckpointError: not an export, of another version, or damaged."""
    path = Path(folder) / EXPORT_FILE
    if not path.is_file():
        raise CheckpointError(
            f"{folder}: no exported model, {EXPORT_FILE} is missing; nothing can be encoded with it. "
            "Make one: vlsa export onnx RUN --out FOLDER"
        )
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        own, expected = values.pop(OWN_DIGEST, ""), _digest_of(values)
        kind = values.pop("format"), values.pop("version")
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise _damaged(path, error) from error
    if kind != (FORMAT, VERSION):
        raise CheckpointError(
            f"{path}: {kind[0]} {kind[1]}, this vlsa reads {FORMAT} {VERSION}; it would be misread. "
            "Use the vlsa that wrote it, or export the run again."
        )
    if own != expected:
        raise _damaged(path, "its facts have been changed")
    try:
        facts = ExportFacts(**{**values, "config": from_dict(ModelConfig, values["config"])})
        assert facts.digests.keys() >= {TOKENIZER_FILE, *map(model_file, INPUTS)}
        return facts
    except (ConfigError, TypeError, KeyError, AttributeError, AssertionError) as error:
        raise _damaged(path, error) from error


def check_file(folder: str | Path, name: str, facts: ExportFacts) -> Path:
    """The path of a file of the export. Raises CheckpointError when it is missing or not as it was written."""
    path = Path(folder) / name
    try:
        same = digest(path) == facts.digests[name]
    except OSError as error:
        raise _damaged(path, error.strerror) from error
    if not same:
        raise _damaged(path, "its bytes have been changed")
    return path


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_of(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _damaged(path: Path, what: object) -> CheckpointError:
    return CheckpointError(
        f"{path}: missing, damaged or cut short ({what}); its vectors could not be trusted. "
        "Copy the folder again, or export the run again: vlsa export onnx RUN --out FOLDER"
    )
