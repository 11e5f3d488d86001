"""A public checkpoint on disk or on the Hugging Face hub: its settings and its weights, safetensors only.

Reads config.json, the headers of model.safetensors (or of its shards), preprocessor_config.json and the name of
vocab.txt; feeds families.py. Weights are read one by one as they are needed.
"""

import hashlib
import json
import re
import reprlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open
from torch import Tensor

from vlsa.base.errors import CheckpointError, ConfigError
from vlsa.base.files import read_json
from vlsa.base.hub import checkpoint_folder
from vlsa.config import MODALITIES

CONFIG_FILE, WEIGHTS_FILE, INDEX_FILE = "config.json", "model.safetensors", "model.safetensors.index.json"
INPUTS_FILE, VOCABULARY_FILE = "preprocessor_config.json", "vocab.txt"
WANTED = (CONFIG_FILE, WEIGHTS_FILE, INDEX_FILE, "model-*.safetensors", INPUTS_FILE, VOCABULARY_FILE)
DIGEST = re.compile(r"#([0-9a-f]{16})$")


class Stored(NamedTuple):
    """What the header of a safetensors file says about a weight."""

    path: Path
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Checkpoint:
    """A folder in Hugging Face format."""

    where: str
    """As the user named it."""
    modality: str
    """The only one that it is to serve; empty = those that its family is for."""
    folder: Path
    settings: dict[str, Any]
    """config.json."""
    inputs: dict[str, Any]
    """preprocessor_config.json; empty if there is none."""
    weights: dict[str, Stored]

    @property
    def family(self) -> str:
        """The `model_type` of config.json."""
        return str(self.settings.get("model_type", ""))

    @property
    def vocabulary(self) -> Path | None:
        """Its vocab.txt, if there is one."""
        path = self.folder / VOCABULARY_FILE
        return path if path.is_file() else None

    @property
    def recorded(self) -> str:
        """`where`, #, and a digest of settings and weights: what a run writes down. Raises CheckpointError."""
        try:
            digest = hashlib.sha256(json.dumps([self.settings, self.inputs], sort_keys=True).encode())
        except RecursionError as error:
            raise _damaged(self.folder / CONFIG_FILE, "nested too deeply") from error
        for path in sorted({stored.path for stored in self.weights.values()}):
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return f"{self.where}#{digest.hexdigest()[:16]}"

    def tensor(self, name: str) -> Tensor:
        """A weight as float32. Raises CheckpointError when it is damaged."""
        path = self.weights[name].path
        try:
            with safe_open(path, "pt") as file:
                tensor = file.get_tensor(name).float()
        except (SafetensorError, OSError) as error:
            raise _damaged(path, error) from error
        if not tensor.isfinite().all():
            raise CheckpointError(
                f"{self.where}: {name} holds numbers that are not finite; nothing could be trained from them. "
                "Take another checkpoint."
            )
        return tensor


def read(source: str) -> Checkpoint:
    """Open what `--init` names: [MODALITY=]FOLDER-OR-HUB-ID[#DIGEST]. Raises ConfigError, CheckpointError."""
    asked = DIGEST.search(source)
    where = DIGEST.sub("", source)
    modality, equals, name = where.partition("=")
    if not equals or modality not in MODALITIES:
        modality, name = "", where
    folder = _folder(name)
    inputs = json_object(folder / INPUTS_FILE) if (folder / INPUTS_FILE).exists() else {}
    checkpoint = Checkpoint(
        where, modality, folder, json_object(folder / CONFIG_FILE), inputs, stored_weights(name, folder)
    )
    if asked and checkpoint.recorded != source:
        raise CheckpointError(
            f"{where}: its digest is {checkpoint.recorded.rpartition('#')[2]}, not {asked[1]}; the run would start "
            "from other weights than those asked for. Leave the # and the digest out to take it as it is."
        )
    return checkpoint


def same_sources(asked: tuple[str, ...], recorded: tuple[str, ...]) -> bool:
    """Whether a resumed run names the sources that it was initialised from; a digest need not be repeated."""
    return len(asked) == len(recorded) and all(
        one == other or one == DIGEST.sub("", other) for one, other in zip(asked, recorded, strict=True)
    )


def _folder(name: str) -> Path:
    path = Path(name)
    if path.is_dir() and (path / "checkpoints").is_dir():
        raise ConfigError(
            f"{name}: a run of vlsa, not a public checkpoint; its weights have other names. To train it further on "
            f"other data or pairs: vlsa finetune {name} --data STORE --out OUT"
        )
    return _with_config(name, checkpoint_folder(name, WANTED))


def _with_config(name: str, folder: Path) -> Path:
    if (folder / CONFIG_FILE).is_file():
        return folder
    raise ConfigError(
        f"{name}: has no {CONFIG_FILE} in it; it says what the weights are. Give a folder or a repository in Hugging "
        f"Face format: {CONFIG_FILE} next to {WEIGHTS_FILE}."
    )


def json_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object. Raises CheckpointError."""
    try:
        values = read_json(path)
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
    if not isinstance(values, dict):
        raise _damaged(path, "not a JSON object")
    return values


def stored_weights(name: str, folder: Path) -> dict[str, Stored]:
    """What each weight is, from the headers alone. Raises ConfigError where there are none, CheckpointError."""
    if (folder / WEIGHTS_FILE).is_file():
        return _header(folder / WEIGHTS_FILE)
    if (folder / INDEX_FILE).is_file():
        return _sharded(folder)
    other = next((f" next to {path.name}" for path in sorted(folder.glob("*.bin"))), "")
    raise ConfigError(
        f"{name}: no {WEIGHTS_FILE}{other}; a pytorch_model.bin is a pickle, which may run any program when "
        f"it is read, and is not taken. Save it again with transformers: save_pretrained writes {WEIGHTS_FILE}."
    )


def _sharded(folder: Path) -> dict[str, Stored]:
    shards = json_object(folder / INDEX_FILE).get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(shard, str) for shard in shards.values()):
        raise _damaged(folder / INDEX_FILE, "no weight_map in it")
    weights = {}
    for shard in sorted(set(shards.values())):
        if Path(shard).name != shard or "\0" in shard or not (folder / shard).is_file():
            raise CheckpointError(
                f"{folder / INDEX_FILE}: names {brief(shard)}, which is not a file next to it; weights are missing. "
                "Copy all files."
            )
        weights |= _header(folder / shard)
    return weights


def _header(path: Path) -> dict[str, Stored]:
    try:
        with safe_open(path, "pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - it is no dictionary
            return {name: Stored(path, tuple(s.get_shape()), s.get_dtype()) for name, s in slices.items()}
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error


def brief(value: object) -> str:
    """A value of a file that anybody may have written, on one line and no longer than people read."""
    short = reprlib.Repr()
    short.maxlist, short.maxstring, short.maxother = 3, 80, 80
    return short.repr(value)


def _damaged(path: Path, what: object) -> CheckpointError:
    reason = " ".join(str(what).split())[:200]
    return CheckpointError(
        f"{path}: damaged or cut short ({reason}); nothing can be taken from it. Download or copy it again."
    )
