"""The texts of files that have none of their own, heard by a model for speech.

Reads media through data/ingest/transcribe.py; feeds plan.py.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from vlsa.base.files import Progress
from vlsa.data.ingest.manifest import Rejection
from vlsa.data.ingest.transcribe import Heard, HearTask, Speech, transcribe
from vlsa.data.media.transcripts import phrases
from vlsa.retrieve.index.texts import FileText, from_cues
from vlsa.retrieve.index.writer import MediaFile


def hear(
    files: Sequence[MediaFile],
    root: Path,
    speech: Speech,
    num_workers: int,
    progress: Progress | None,
) -> dict[str, tuple[list[FileText], list[Rejection]]]:
    """Texts of files that have audio and no text of their own, and what could not be heard, by path."""
    silent = [
        HearTask(
            file.source.path, os.path.join(root, file.source.path), file.facts.duration_seconds, speech, file.content
        )
        for file in files
        if file.facts.has_audio and not file.texts
    ]
    return {path: _texts(path, heard) for path, heard in transcribe(silent, num_workers, progress).items()}


def _texts(path: str, heard: Heard) -> tuple[list[FileText], list[Rejection]]:
    words = heard.transcript
    remarks = [Rejection(path, path, None, None, reason, message) for reason, message in heard.remarks]
    return from_cues(phrases(words.words), words.language), remarks
