"""The option --transcribe of prepare and index: a model for speech, by its name."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vlsa.data.ingest.transcribe import Speech

Transcribe = Annotated[
    str | None,
    typer.Option(
        help="Hear the text of files that have none: a folder or hub id of a faster-whisper model.",
        metavar="MODEL",
        show_default=False,
    ),
]


def speech_of(model: str | None, kept: Path, again: bool) -> "Speech | None":
    """How to transcribe with a model and keep what is heard; `again`: also what failed before.

    Raises ConfigError for a model that is not there.
    """
    if model is None:
        return None
    from vlsa.data.ingest.speech_model import WhisperModel
    from vlsa.data.ingest.transcribe import Speech

    return Speech(WhisperModel.find(model), kept, again)
