"""The model that made an index: loaded by the name that the index records, and refused if it is another one.

Used by index.py. An index may come from anywhere, so a name in it is looked up on this disk and in the cache of the hub
alone; only a name that the user gives is fetched from the network.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlsa.base.errors import ConfigError, SearchIndexError, VlsaError
from vlsa.base.hub import on_this_disk
from vlsa.retrieve.encode.public.names import parse
from vlsa.retrieve.index.facts import damaged

if TYPE_CHECKING:
    from vlsa.retrieve.encode.protocol import Encoder


def load_model(path: Path, facts: Mapping[str, Any], given: str | None) -> "Encoder":
    """The model of an index, by the name that is given or else recorded. Raises SearchIndexError."""
    recorded = facts["model"].get("run")
    if given is None and recorded is None:
        raise SearchIndexError(
            f"{path}: names no run of a model; questions cannot be encoded. Name the run with --run (run_path=)."
        )
    from vlsa.retrieve.encode import encoders

    try:
        loaded = encoders.load(given or _local(recorded))
    except VlsaError as error:
        raise SearchIndexError(
            f"{path}: its model cannot be loaded ({error}) Name the run with --run (run_path=)."
        ) from error
    return accepted(path, facts, loaded)


def _local(name: str) -> str:
    """The same name with folders in place of hub ids. Raises ConfigError for what is not on this disk."""
    parts = parse(name)
    folders = [on_this_disk(part.where) for part in parts]
    for part, folder in zip(parts, folders, strict=True):
        if folder is None:
            raise ConfigError(
                f"{part}: not on this disk, and what an index names is not downloaded by itself. "
                f"To fetch it: --run {name}."
            )
    return "+".join(f"{part.family}:{folder}" for part, folder in zip(parts, folders, strict=True)) or name


def accepted(path: Path, facts: Mapping[str, Any], encoder: "Encoder") -> "Encoder":
    """The model as the index used it. Raises SearchIndexError if it is not the one that made the vectors."""
    made_by = facts["model"]["fingerprint"]
    if encoder.fingerprint != made_by:
        raise SearchIndexError(
            f"{path}: made by model {made_by} (run {facts['model'].get('run')}), this is {encoder.fingerprint}; "
            "vectors of two models cannot be compared. Use that run, or index again into another folder."
        )
    from vlsa.retrieve.encode.sampling import Sampling

    try:
        return encoder.with_sampling(Sampling.of(facts["model"]))
    except (TypeError, ConfigError) as error:
        raise damaged(path) from error
