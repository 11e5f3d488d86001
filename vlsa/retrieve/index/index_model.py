"""The model of an index, for whoever asks questions or adds rows: loaded when it is first needed, refused if another.

Reads the facts of an index (facts.py) and a run; feeds index.py and search/. The model and PyTorch are imported when
it is loaded. An index may come from anywhere, so a name in it is looked up on this disk and in the cache of the hub
alone; only a name that the user gives is fetched from the network.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlsa.base.errors import ConfigError, SearchIndexError, VlsaError
from vlsa.base.hub import on_this_disk
from vlsa.retrieve.encode.public.names import parse
from vlsa.retrieve.index.facts import damaged

if TYPE_CHECKING:
    from vlsa.retrieve.encode.encoders import Encoder


class IndexModel:
    """What made the vectors of an index: the model of `run_path`, or that of the run recorded in the index."""

    def __init__(self, where: str | Path, facts: dict[str, Any], run_path: str | None = None) -> None:
        self.where, self._made, self._run_path = where, facts["model"], run_path
        """Where: the folder or the address of the index, for messages."""
        self._encoder: Encoder | None = None

    @property
    def encoder(self) -> "Encoder":
        """Raises SearchIndexError when it cannot be loaded or is another one."""
        if self._encoder is None:
            recorded = self._made.get("run")
            if self._run_path is None and recorded is None:
                raise SearchIndexError(
                    f"{self.where}: names no run of a model; questions cannot be encoded. "
                    "Name the run with --run (run_path=)."
                )
            from vlsa.retrieve.encode import encoders

            try:
                loaded = encoders.load(self._run_path or _local(recorded))
            except VlsaError as error:
                raise SearchIndexError(
                    f"{self.where}: its model cannot be loaded ({error}) Name the run with --run (run_path=)."
                ) from error
            self.accept(loaded)
        assert self._encoder is not None
        return self._encoder

    def accept(self, encoder: "Encoder") -> None:
        """Use this one, with the sampling of the index. Raises SearchIndexError for another model."""
        if encoder.fingerprint != self._made["fingerprint"]:
            raise SearchIndexError(
                f"{self.where}: made by model {self._made['fingerprint']} (run {self._made.get('run')}), "
                f"this is {encoder.fingerprint}; "
                "vectors of two models cannot be compared. Use that run, or index again into another folder."
            )
        from vlsa.retrieve.encode.sampling import Sampling

        try:
            self._encoder = encoder.with_sampling(Sampling.of(self._made))
        except (TypeError, ConfigError) as error:
            raise damaged(self.where) from error


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
