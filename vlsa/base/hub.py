"""A checkpoint of the Hugging Face hub: first what its cache on this disk has, then the network.

Used wherever a folder or a hub id names a checkpoint: model/warm_start/ and retrieve/encode/.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from vlsa.base.errors import ConfigError

HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


def checkpoint_folder(name: str, patterns: Sequence[str]) -> Path:
    """The folder of a checkpoint: itself, or where the cache of the hub keeps the files that the patterns name.

    Raises ConfigError: a file, neither a folder nor a hub id, or not to be had.
    """
    path = Path(name)
    if path.is_dir():
        return path
    if path.exists():
        raise ConfigError(f"{name}: a file; its settings lie next to it. Give the folder: {path.parent}")
    if not HUB_NAME.fullmatch(name):
        raise ConfigError(f"{name}: no such folder; there is nothing to start from. Give a folder or a hub id.")
    try:
        return _cached(name) or _downloaded(name, patterns)
    except ImportError:
        reason, remedy = "huggingface_hub is not installed", "Give its folder, or: pip install huggingface_hub"
    except (OSError, ValueError) as error:  # no network, no such repository, no permission
        reason = re.split(r"[\n]|\. ", str(error))[0].rstrip(".")
        remedy = f"Check the name; where there is a network, `hf download {name}` fetches it, or give its folder."
    raise ConfigError(
        f"{name}: no such folder, and the Hugging Face hub does not give it ({reason}); there is nothing to start "
        f"from. {remedy}"
    )


def _cached(name: str) -> Path | None:
    """Where the cache has settings and weights; None if it does not."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    return folder if (folder / "config.json").is_file() and any(folder.glob("*.safetensors")) else None


def _downloaded(name: str, patterns: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(name, allow_patterns=list(patterns)))
