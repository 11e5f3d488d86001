"""A checkpoint of the Hugging Face hub: first what its cache on this disk has, then the network.

Used wherever a folder or a hub id names a checkpoint: model/warm_start/, retrieve/encode/ and retrieve/index/.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vlsa.base.errors import ConfigError
from vlsa.base.files import read_json

HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
SETTINGS_AND_WEIGHTS = (("config.json",), ("*.safetensors",))
"""What any checkpoint has: of each group, a file of one of these names."""


def checkpoint_folder(
    name: str, patterns: Sequence[str], needed: Sequence[Sequence[str]] = SETTINGS_AND_WEIGHTS, **options: Any
) -> Path:
    """The folder of a checkpoint: itself, or where the cache of the hub keeps the files that the patterns name.

    Of each group of names in `needed` the cache must have a file, or the rest is downloaded. `options` are those of
    huggingface_hub.snapshot_download. Raises ConfigError: a file, neither a folder nor a hub id, or not to be had.
    """
    path = Path(name)
    if path.exists() and not path.is_dir():
        raise ConfigError(f"{name}: a file; its settings lie next to it. Give the folder: {path.parent}")
    if not path.exists() and not HUB_NAME.fullmatch(name):
        raise ConfigError(f"{name}: no such folder; there is nothing to start from. Give a folder or a hub id.")
    try:
        where = {key: value for key, value in options.items() if key in ("revision", "cache_dir")}
        known = None if options.get("force_download") else on_this_disk(name, needed, **where)
        return known or _downloaded(name, patterns, **options)
    except ImportError:
        reason, remedy = "huggingface_hub is not installed", "Give its folder, or: pip install huggingface_hub"
    except (OSError, ValueError) as error:  # no network, no such repository, no permission
        reason = re.split(r"[\n]|\. ", str(error))[0].rstrip(".")
        remedy = f"Check the name; where there is a network, `hf download {name}` fetches it, or give its folder."
    raise ConfigError(
        f"{name}: no such folder, and the Hugging Face hub does not give it ({reason}); there is nothing to start "
        f"from. {remedy}"
    )


def on_this_disk(name: str, needed: Sequence[Sequence[str]] = SETTINGS_AND_WEIGHTS, **where: Any) -> Path | None:
    """A folder, or where the cache has all that is needed of a hub id; None if it does not. Never asks the network."""
    if Path(name).is_dir():
        return Path(name)
    try:
        from huggingface_hub import snapshot_download

        folder = Path(snapshot_download(name, local_files_only=True, **where))
    except (ImportError, OSError, ValueError):  # ValueError: no name of a repository
        return None
    return folder if _has(folder, needed) and _has_all_shards(folder) else None


def _has(folder: Path, needed: Sequence[Sequence[str]]) -> bool:
    return all(any(path.is_file() for name in names for path in folder.glob(name)) for names in needed)


def _has_all_shards(folder: Path) -> bool:
    """Whether all files of weights are there that a list of shards names."""
    try:
        lists = [read_json(path)["weight_map"] for path in folder.glob("*.safetensors.index.json")]
        return all((folder / str(name)).is_file() for shards in lists for name in {*shards.values()})
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False


def _downloaded(name: str, patterns: Sequence[str], **options: Any) -> Path:
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(name, allow_patterns=list(patterns), **options))
