"""How an index is made or brought up to its source, checked against the model. Used by build.py."""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlsa.base.errors import ConfigError
from vlsa.data.engine.engines import Engine
from vlsa.data.ingest.segments import segment_seconds
from vlsa.retrieve.index.facts import PRECISIONS, TRANSCRIBE

if TYPE_CHECKING:
    from vlsa.data.ingest.speech_model import SpeechModel
    from vlsa.data.ingest.transcribe import Speech
    from vlsa.retrieve.encode.sampling import WindowSpec
    from vlsa.retrieve.index.encode_windows import Decode

SHORTEST_STEP_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """How an index is made or brought up to its source. None = as it was made, or for a new one the default."""

    num_workers: int | None = None
    """Processes that decode; None = one per core, 0 = this process."""
    window_seconds: float | None = None
    """Default: the window of the model, rounded up to half a second."""
    step_seconds: float | None = None
    """From the start of a window to the start of the next; default: half a window."""
    vectors: str | None = None
    """How they are stored: float32, the default, or float16, in half of the space."""
    restart: bool = False
    """Make it anew; the old index answers until the new one is finished."""
    prune: bool = False
    """Take out files that are gone even if they are more than half of all."""
    engine: Engine | None = None
    """Decodes and encodes media, as on a Ray cluster; None = this machine."""
    decode: "Decode | None" = None
    acknowledged: Callable[[], None] | None = None
    """Called whenever all that was written is acknowledged: then the folder holds an index as it would after a kill."""
    transcribe: "SpeechModel | None" = None
    """Hears files that have no text; an index goes on with the model that it was made with."""

    def __post_init__(self) -> None:
        if self.vectors is not None and self.vectors not in PRECISIONS:
            raise ConfigError(f"vectors: {self.vectors!r} cannot be stored; use one of {', '.join(PRECISIONS)}.")

    def going_on(self, facts: Mapping[str, Any]) -> "BuildOptions":
        """For an index that is brought up to its source: the model for speech that it names, unless one is given."""
        recorded = facts.get(TRANSCRIBE)
        if self.transcribe is not None or not recorded:
            return self
        from vlsa.data.ingest.speech_model import WhisperModel

        return replace(self, transcribe=WhisperModel(recorded["name"], recorded["fingerprint"]))

    @property
    def heard_by(self) -> str:
        """The fingerprint of the model for speech; empty without one."""
        return self.transcribe.fingerprint if self.transcribe else ""

    def speech(self, kept: Path) -> "Speech | None":
        """How files are heard, and kept in the index; by `restart` also those that could not be heard before."""
        from vlsa.data.ingest.transcribe import Speech

        return None if self.transcribe is None else Speech(self.transcribe, kept, again=self.restart)

    @property
    def recorded(self) -> dict[str, dict[str, str]]:
        """What index.json says of the model for speech; a folder by its whole path."""
        if self.transcribe is None:
            return {}
        name = self.transcribe.name
        where = os.path.abspath(name) if os.path.isdir(name) else name
        return {TRANSCRIBE: {"name": where, "fingerprint": self.heard_by}}

    @property
    def precision(self) -> str:
        """How the vectors of a new index are stored."""
        return self.vectors or PRECISIONS[0]

    def windows(self, model: "WindowSpec") -> dict[str, float]:
        """Length and distance of the windows of an index. Raises ConfigError."""
        window = segment_seconds(model.window_seconds) if self.window_seconds is None else self.window_seconds
        step = window / 2 if self.step_seconds is None else self.step_seconds
        if not 0.5 <= window <= 3600:
            raise ConfigError(f"window of {window:g} s: from 0.5 s to an hour can be a window. Try --window 6.")
        if not SHORTEST_STEP_SECONDS <= step <= window:
            raise ConfigError(
                f"step of {step:g} s: with windows of {window:g} s it lies between {SHORTEST_STEP_SECONDS:g} s and "
                f"{window:g} s, or parts of a file could not be found. Try --step {window / 2:g}."
            )
        if self.window_seconds is not None:
            _check_encoded(window, step, model)
        return {"window_seconds": window, "step_seconds": step}

    def no_windows(self) -> dict[str, float]:
        """For a store, whose clips are the windows. Raises ConfigError if others are asked for."""
        if self.window_seconds is not None or self.step_seconds is not None:
            raise ConfigError(
                "--window, --step: the clips of a store are its windows. Leave them out, or name a folder."
            )
        return {}


def _check_encoded(window_seconds: float, step_seconds: float, model: "WindowSpec") -> None:
    """Raises ConfigError for windows of which the model would encode a part only."""
    num_windows = model.sampling.num_windows
    most = num_windows * model.window_seconds
    longest = window_seconds + step_seconds / 2  # the last one, which a remainder joins
    if longest > most:
        whole = max(math.floor(2 * window_seconds * most / longest) / 2, 0.5)
        raise ConfigError(
            f"window of {window_seconds:g} s: the model encodes at most {num_windows} windows of "
            f"{model.window_seconds:g} s of it, and the last one of a file can have {longest:g} s; the rest could not "
            f"be found. Try --window {whole:g}, or leave it out."
        )
