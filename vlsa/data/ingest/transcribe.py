"""The words of many media files, each heard once: what is finished is kept by the content of the file and the model.

Runs hearing.py in a process of its own, as decoders may crash on unknown files; one process, since a model uses all
cores and its memory is large. Feeds scan.py and the index.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vlsa.base.errors import ConfigError, MediaError, StoreError
from vlsa.base.files import Progress
from vlsa.data.engine.workers import Done, Heartbeat, Lost, Started, WorkerPool, patience_seconds
from vlsa.data.ingest.hearing import STRETCH_SECONDS, hear_file
from vlsa.data.ingest.speech_model import SpeechModel
from vlsa.data.media.content_digest import content_digest
from vlsa.data.media.transcripts import FOLDER_NAME, Transcript, keep_transcript, kept_transcript

BEATS_BEFORE, BEATS_PER_STRETCH = 3, 2
"""Of a file: those before the first stretch, but for the very first, and those of each stretch."""
READING, LOADING = "reading", "loading"
"""Labels of a worker before it hears; then the label is where the transcript is kept."""
LOADING_SECONDS = 900.0
"""Patience: a large model from a cold network disk."""


@dataclass(frozen=True)
class Speech:
    """How files are transcribed, and where transcripts are kept."""

    model: SpeechModel
    kept: Path
    """The store or the index."""
    again: bool = False
    """Hear files again of which not all could be heard."""


@dataclass(frozen=True)
class HearTask:
    """A file to hear. Picklable."""

    name: str
    path: str
    seconds: float
    speech: Speech
    content: str = ""
    """Digest of its bytes, if it is known."""


@dataclass(frozen=True)
class Heard:
    """The words of a file, and reason and message of what went wrong."""

    transcript: Transcript = field(default_factory=Transcript)
    remarks: tuple[tuple[str, str], ...] = ()


def transcribe(tasks: Sequence[HearTask], num_workers: int, progress: Progress | None) -> dict[str, Heard]:
    """The words of each file, by its name. What fails in a file is a remark of it, and the rest goes on.

    Progress counts seconds of media. `num_workers` = 0: in this process. Raises ConfigError for a model that cannot
    be loaded, StoreError where transcripts cannot be kept.
    """
    found: dict[str, Heard] = {}
    lengths, num_beats = {task.name: task.seconds for task in tasks}, 0
    total = sum(lengths.values())
    for event in WorkerPool(transcribe_file, tasks, min(num_workers, 1), second_chance=True).events():
        if isinstance(event, Started):
            num_beats = 0 if event.label == READING else num_beats + 1
        else:
            found[event.task.name] = event.value if isinstance(event, Done) else _lost(event)
            num_beats = 0
        if progress:
            num_stretches = max(num_beats - BEATS_BEFORE, 0) // BEATS_PER_STRETCH
            current = min(num_stretches * STRETCH_SECONDS, event.task.seconds)
            done = sum(lengths[name] for name in found) + (0 if event.task.name in found else current)
            progress(round(done), round(total), f"seconds heard: {event.task.name}")
    return found


def transcribe_file(task: HearTask, beat: Heartbeat) -> Heard:
    """The words of one file: those that were kept, or it is heard now. What could not be heard is kept too: the same
    command gives the same rows, whatever failed.
    """
    beat(READING, patience_seconds(task.path))
    try:
        path = transcript_path(task)
    except OSError as error:
        return Heard(remarks=(("transcript", f"{task.path}: cannot be read ({error.strerror}). Check the file."),))
    transcript = kept_transcript(path)
    if transcript is None or (transcript.remarks and task.speech.again):
        beat(LOADING, LOADING_SECONDS)
        transcriber = task.speech.model.load()
        try:
            transcript = hear_file(task.path, transcriber, lambda _, seconds: beat(str(path), seconds))
        except MediaError as error:
            transcript = Transcript(remarks=(str(error),))
        _keep(path, transcript)
    return _heard(transcript)


def _heard(transcript: Transcript) -> Heard:
    return Heard(transcript, tuple(("transcript", message) for message in transcript.remarks))


def transcript_path(task: HearTask) -> Path:
    """Where the transcript of a file is kept. Raises OSError for one that cannot be read."""
    content = task.content or content_digest(task.path)
    return task.speech.kept / FOLDER_NAME / f"{content}-{task.speech.model.fingerprint}.json"


def _keep(path: Path, transcript: Transcript) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        keep_transcript(path, transcript)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror}); what was heard would be lost. Make room or fix the "
            "permissions, and run the same command again: finished transcripts are kept."
        ) from error


def _lost(event: Lost) -> Heard:
    """Raises ConfigError if the process was lost with the model, and not with the file."""
    if event.label == LOADING:
        raise ConfigError(
            f"{event.task.speech.model.name}: the process ended while it loaded this model ({event.message}); nothing "
            "can be transcribed. Give a smaller model, or make memory free."
        )
    message = f"{event.task.path}: {event.message} while its speech was heard; it has no text. Convert the file."
    transcript = Transcript(remarks=(message,))
    if event.label != READING:
        _keep(Path(event.label), transcript)
    return _heard(transcript)
