"""What is in a media file that is to be indexed: its facts and its text, or why it cannot be used.

Runs in worker processes (data/engine/workers.py), as decoders may crash on unknown files. Reads media and subtitle
files; feeds update.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from vlsa.base.errors import CaptionError, MediaError
from vlsa.base.files import Progress
from vlsa.data.engine.workers import Done, Heartbeat, Lost, WorkerPool, patience_seconds
from vlsa.data.ingest.manifest import Rejection
from vlsa.data.ingest.sidecars import Sidecar
from vlsa.data.media.decode import iter_subtitles
from vlsa.data.media.probe import LONGEST_FILE_SECONDS, MediaFacts, probe
from vlsa.data.media.subtitles import read_subtitle_file
from vlsa.retrieve.index.file_facts import FileFacts, file_id
from vlsa.retrieve.index.texts import FileText, from_cues


@dataclass(frozen=True)
class SurveyTask:
    """A file to look at."""

    path: str
    """As in the ledger."""
    absolute: str
    sidecars: tuple[Sidecar, ...]
    has_captions: bool
    """Its text is in a caption table: subtitles are not read."""


@dataclass(frozen=True)
class Survey:
    """What was found in a file. Without facts it cannot be used."""

    facts: FileFacts | None = None
    texts: tuple[FileText, ...] = ()
    rejections: tuple[Rejection, ...] = ()


def survey(tasks: Sequence[SurveyTask], num_workers: int, progress: Progress | None) -> dict[str, Survey]:
    """Look at files in processes that may die of them; what killed two, or held one, is reported as any other fault."""
    found: dict[str, Survey] = {}
    for event in WorkerPool(survey_file, tasks, num_workers, second_chance=True).events():
        if isinstance(event, Lost):
            message = f"{event.task.absolute}: {event.message} while scanning the file. Convert it or leave it out."
            found[event.task.path] = Survey(rejections=(_rejection(event.task.path, event.reason, message),))
        elif isinstance(event, Done):
            found[event.task.path] = event.value
        else:
            continue
        if progress:
            progress(len(found), len(tasks), f"files scanned: {event.task.path}")
    return found


def survey_file(task: SurveyTask, beat: Heartbeat) -> Survey:
    """Look at one file. Text that cannot be read costs the text, not the file."""
    beat(task.path, patience_seconds(task.absolute))
    try:
        media = probe(task.absolute)
    except MediaError as error:
        return Survey(rejections=(_rejection(task.path, error.reason, str(error)),))
    texts, rejections = _texts(task, media)
    if media.choices:
        message = f"{task.absolute}: read as {', '.join(media.choices)}, since it leaves a choice."
        rejections.append(_rejection(task.path, reason="choice", message=message))
    return Survey(_facts(task, media), tuple(texts), tuple(rejections))


def _texts(task: SurveyTask, media: MediaFacts) -> tuple[list[FileText], list[Rejection]]:
    if task.has_captions:
        return [], []
    if task.sidecars:
        return read_sidecars(task.path, task.sidecars, media.frames_per_second)
    try:
        cues = iter_subtitles(task.absolute, media.audio_index) if media.has_subtitles else ()
        return from_cues(cues, media.subtitle_language), []
    except MediaError as error:
        return [], [_rejection(task.path, reason="captions", message=str(error))]


def read_sidecars(
    path: str, sidecars: Sequence[Sidecar], frames_per_second: float | None
) -> tuple[list[FileText], list[Rejection]]:
    """The text of a file's subtitle files, each in its language; one that cannot be read costs its own text alone.

    Some kinds count frames of the film: `frames_per_second` of them.
    """
    texts: list[FileText] = []
    rejections = []
    for sidecar in sidecars:
        try:
            found = read_subtitle_file(sidecar.path, frames_per_second=frames_per_second, language=sidecar.language)
            texts += from_cues(found.cues, sidecar.language)
            rejections += [_rejection(path, *remark) for remark in found.remarks(sidecar.path)]
        except CaptionError as error:
            rejections.append(_rejection(path, reason="captions", message=str(error)))
    return texts, rejections


def _facts(task: SurveyTask, media: MediaFacts) -> FileFacts:
    ends = [end for end in (media.video_end_seconds, media.audio_end_seconds) if end]
    longest = max(ends, default=media.duration_seconds)
    return FileFacts(
        path=task.path,
        file_id=file_id(task.path),
        duration_seconds=longest if longest <= LONGEST_FILE_SECONDS else media.duration_seconds,
        width_px=media.width_px,
        height_px=media.height_px,
        frames_per_second=media.frames_per_second,
        sample_rate_hz=media.sample_rate_hz,
        video_codec=media.video_codec,
        audio_codec=media.audio_codec,
        has_video=media.has_video,
        has_audio=media.has_sound,
        has_subtitles=media.has_subtitles,
        subtitle_language=media.subtitle_language,
        recorded_at=media.recorded_at,
        recorded_from="container" if media.recorded_at else None,
    )


def _rejection(path: str, reason: str, message: str) -> Rejection:
    return Rejection(path, path, None, None, reason, message)
