"""A public checkpoint on disk or on the Hugging Face hub: its settings and its weights, safetensors only.

Reads config.json, model.safetensors (or its shards and their index), preprocessor_config.json and vocab.txt; feeds
families.py. Weights are read one by one as they are asked for.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from vlsa.base.errors import CheckpointError, ConfigError
from vlsa.config import MODALITIES

CONFIG_FILE, WEIGHTS_FILE, INDEX_FILE = "config.json", "model.safetensors", "model.safetensors.index.json"
INPUTS_FILE, VOCABULARY_FILE = "preprocessor_config.json", "vocab.txt"
WANTED = (CONFIG_FILE, WEIGHTS_FILE, INDEX_FILE, "model-*.safetensors", INPUTS_FILE, VOCABULARY_FILE)
DIGEST = re.compile(r"#([0-9a-f]{16})$")
HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
NAMED_WEIGHTS_SHOWN = 3


@dataclass(frozen=True)
class Checkpoint:
    """A folder in Hugging Face format."""

    where: str
    """As the user named it."""
    modality: str
    """The only one that it is to serve; empty = whatever it was made for."""
    folder: Path
    settings: dict[str, Any]
    """config.json."""
    inputs: dict[str, Any]
    """preprocessor_config.json; empty if there is none."""
    files: dict[str, Path]
    """Name of a weight -> the file that holds it."""

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
        """`where`, #, and a digest of settings and weights: what a run writes down."""
        digest = hashlib.sha256(json.dumps([self.settings, self.inputs], sort_keys=True).encode())
        for path in sorted(set(self.files.values())):
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return f"{self.where}#{digest.hexdigest()[:16]}"

    def tensor(self, *names: str) -> Tensor:
        """The weight that has one of these names, as float32. Raises CheckpointError when it is missing or damaged."""
        name = next((name for name in names if name in self.files), None)
        if name is None:
            some = ", ".join(list(self.files)[:NAMED_WEIGHTS_SHOWN])
            raise CheckpointError(
                f"{self.where}: no weight {names[0]} in it (but {some}, ...); a {self.family} has one. "
                "Give a checkpoint as save_pretrained writes it."
            )
        try:
            with safe_open(self.files[name], "pt") as file:
                tensor = file.get_tensor(name).float()
        except (SafetensorError, OSError) as error:
            raise _damaged(self.files[name], error) from error
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
    modality, name = split_modality(where)
    folder = _folder(name)
    checkpoint = Checkpoint(
        where=where,
        modality=modality,
        folder=folder,
        settings=_json(folder / CONFIG_FILE),
        inputs=_json(folder / INPUTS_FILE) if (folder / INPUTS_FILE).is_file() else {},
        files=_weights(name, folder),
    )
    if asked and checkpoint.recorded != source:
        raise CheckpointError(
            f"{where}: its digest is {checkpoint.recorded.rpartition('#')[2]}, not {asked[1]}; the run would begin "
            "from other weights than those asked for. Leave the # and the digest out to take it as it is."
        )
    return checkpoint


def split_modality(where: str) -> tuple[str, str]:
    """`audio=FOLDER` as ("audio", "FOLDER"); a bare folder has no modality."""
    modality, equals, name = where.partition("=")
    return (modality, name) if equals and modality in MODALITIES else ("", where)


def same_sources(asked: tuple[str, ...], begun: tuple[str, ...]) -> bool:
    """Whether a resumed run names the sources that it was begun from; a digest need not be repeated."""
    return len(asked) == len(begun) and all(
        one == other or one == DIGEST.sub("", other) for one, other in zip(asked, begun, strict=True)
    )


def _folder(name: str) -> Path:
    path = Path(name)
    if path.is_dir():
        if (path / "checkpoints").is_dir():
            raise ConfigError(
                f"{name}: a run of vlsa, not a public checkpoint; its weights have other names. To go on from it with "
                f"other data or pairs: vlsa finetune {name} --data STORE --out OUT"
            )
        if (path / CONFIG_FILE).is_file():
            return path
        raise ConfigError(
            f"{name}: no {CONFIG_FILE} in it; it says what the weights are. Give a folder in Hugging Face format: "
            f"{CONFIG_FILE} beside {WEIGHTS_FILE}."
        )
    if path.is_file():
        raise ConfigError(f"{name}: a file; its settings lie beside it. Give the folder: --init {path.parent}")
    if not HUB_NAME.fullmatch(name):
        raise ConfigError(f"{name}: no such folder; there is nothing to begin from. Give a folder or a hub id.")
    return _download(name)


def _download(name: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ConfigError(
            f"{name}: no such folder, and the hub cannot be asked without huggingface_hub; there is nothing to begin "
            "from. Give a folder, or: pip install huggingface_hub"
        ) from error
    try:
        return _checked(name, Path(snapshot_download(name, allow_patterns=list(WANTED))))
    except (OSError, ValueError) as error:  # no network, no such repository, not allowed in
        reason = re.split(r"[\n]|\. ", str(error))[0].rstrip(".")
        raise ConfigError(
            f"{name}: no such folder, and the Hugging Face hub does not give it ({reason}); there is nothing to begin "
            "from. Check the name and the network, or download it elsewhere and give its folder."
        ) from error


def _checked(name: str, folder: Path) -> Path:
    if (folder / CONFIG_FILE).is_file():
        return folder
    raise ConfigError(
        f"{name}: the repository on the hub has no {CONFIG_FILE}; it says what the weights are. Give one in "
        "Hugging Face format."
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, error) from error
    if not isinstance(values, dict):
        raise _damaged(path, "not a JSON object")
    return values


def _weights(name: str, folder: Path) -> dict[str, Path]:
    """Name of each weight -> its file, from the headers alone."""
    if (folder / WEIGHTS_FILE).is_file():
        return dict.fromkeys(_names(folder / WEIGHTS_FILE), folder / WEIGHTS_FILE)
    if (folder / INDEX_FILE).is_file():
        return _sharded(folder)
    other = next((f" beside {path.name}" for path in sorted(folder.glob("*.bin"))), "")
    raise ConfigError(
        f"{name}: no {WEIGHTS_FILE}{other}; a pytorch_model.bin is a pickle, which may run any program when "
        f"it is read, and is not taken. Save it again with transformers: save_pretrained writes {WEIGHTS_FILE}."
    )


def _sharded(folder: Path) -> dict[str, Path]:
    shards = _json(folder / INDEX_FILE).get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(shard, str) for shard in shards.values()):
        raise _damaged(folder / INDEX_FILE, "no weight_map in it")
    files = {}
    for shard in sorted(set(shards.values())):
        if Path(shard).name != shard or not (folder / shard).is_file():
            raise CheckpointError(
                f"{folder / INDEX_FILE}: names {shard}, which is not beside it; weights are missing. Copy all files."
            )
        files |= dict.fromkeys(_names(folder / shard), folder / shard)
    return files


def _names(path: Path) -> list[str]:
    try:
        with safe_open(path, "pt") as file:
            return list(file.keys())
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, what: object) -> CheckpointError:
    return CheckpointError(
        f"{path}: damaged or cut short ({what}); nothing can be taken from it. Download or copy it again."
    )
