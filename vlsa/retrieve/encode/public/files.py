"""A public checkpoint on this disk: its settings, its weights (safetensors alone), and a digest of all that.

Reads a folder or the cache of the Hugging Face hub (base/hub.py); feeds load.py.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlsa.base.errors import CheckpointError, ConfigError
from vlsa.base.files import cache_folder, read_json, write_atomically
from vlsa.base.hub import SETTINGS_AND_WEIGHTS, checkpoint_folder
from vlsa.model.warm_start.files import CONFIG_FILE, json_object, stored_weights
from vlsa.retrieve.encode.public.names import EncoderName

WANTED = ("*.json", "*.txt", "*.model", "*.safetensors")
"""What is downloaded: settings, vocabularies, and weights that are no pickle."""
SETTINGS = (CONFIG_FILE, "preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json")
VOCABULARIES = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "vocab.txt", "spiece.model")
NEEDED = (*SETTINGS_AND_WEIGHTS, ("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model"), SETTINGS[1:])
"""What the cache must have to be used without asking the hub: of each group one."""
SMALL_BYTES = 1 << 24
"""A smaller file is read again each time."""


@dataclass(frozen=True)
class PublicCheckpoint:
    """A folder as transformers writes it."""

    name: EncoderName
    folder: Path
    settings: dict[str, Any]
    """config.json."""

    @property
    def model_type(self) -> str:
        """What transformers calls the family."""
        return str(self.settings.get("model_type", ""))

    def digest(self) -> str:
        """Of weights, settings and vocabularies: equal wherever the same files lie."""
        total = hashlib.sha256()
        weights = {stored.path for stored in stored_weights(str(self.name), self.folder).values()}
        others = (self.folder / name for name in (*SETTINGS, *VOCABULARIES))
        for path in sorted(weights | {path for path in others if path.is_file()}):
            total.update(f"{path.name} {_content_digest(path)}\n".encode())
        return total.hexdigest()[:16]


def find(name: EncoderName) -> PublicCheckpoint:
    """The checkpoint of a name. Raises ConfigError where it is not to be had, or holds no weights in safetensors."""
    folder = checkpoint_folder(name.where, WANTED, NEEDED)
    if not (folder / CONFIG_FILE).is_file():
        raise ConfigError(
            f"{name}: has no {CONFIG_FILE} in it; it says what the weights are. Give a folder or a repository as "
            "transformers writes it."
        )
    stored_weights(str(name), folder)
    return PublicCheckpoint(name, folder, json_object(folder / CONFIG_FILE))


def _content_digest(path: Path) -> str:
    """SHA-256 of a file; kept for files that take long to read, until their size or time changes."""
    facts, real = path.stat(), str(path.resolve())
    if facts.st_size < SMALL_BYTES:
        return _sha256(path)
    state = [facts.st_size, facts.st_mtime_ns]
    known = _known_digests()
    if known.get(real, [])[:2] != state or len(known[real]) != 3:
        known[real] = [*state, _sha256(path)]
        _keep(known)
    return str(known[real][2])


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}); nothing can be encoded with it.") from error


def _digests_path() -> Path:
    return cache_folder() / "digests.json"


def _known_digests() -> dict[str, list[Any]]:
    """Size, time and digest of each file that was read before; empty when that is not known."""
    try:
        values = read_json(_digests_path())
    except (OSError, ValueError):
        return {}
    known = values.items() if isinstance(values, dict) else ()
    return {name: value for name, value in known if isinstance(value, list)}


def _keep(known: dict[str, list[Any]]) -> None:
    """Where nothing can be written, the digest is computed again next time."""
    path = _digests_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(known, indent=1).encode())
    except OSError:
        return
