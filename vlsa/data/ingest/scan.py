"""A folder of media files as a list of clips, each file scanned once, in worker processes.

Reads media files, subtitles and caption tables.

Text of a file: its rows in captions.csv and captions.jsonl, of FOLDER or a folder in it; else the first of its subtitle
files in the order of sidecars.py (cat.srt or cat.en.vtt next to cat.mp4); else its embedded subtitles; else, if asked
for, what is said in it (transcribe.py); else none.
Clips: see segments.py. Splits: as the table says; what it does not name is `train`. If no row names a split, about
`test_share` of the files become `test`, chosen by a hash of their name (if that chooses none, the one with the lowest),
so that few files change sides as a folder grows and no file feeds both; with fewer than 10 files, the last clips of
each. What is in a store keeps its split (store/plan.py).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vlsa.base.errors import CaptionError, ConfigError, ManifestError, MediaError
from vlsa.base.files import Progress
from vlsa.data.engine.engines import Engine, Kills, LocalEngine
from vlsa.data.engine.workers import Heartbeat, Lost, Started, patience_seconds
from vlsa.data.ingest.footage import Footage
from vlsa.data.ingest.listing import list_media, near_name
from vlsa.data.ingest.manifest import ClipRow, Rejection, check_unique, clip_id, safe_id
from vlsa.data.ingest.segments import Cut, Lengths, cut_cues, cut_rows, cut_shots, with_words
from vlsa.data.ingest.shots import kept_cuts, spanned
from vlsa.data.ingest.sidecars import Sidecar
from vlsa.data.ingest.splits import assign_splits
from vlsa.data.ingest.transcribe import HearTask, Speech, transcribe
from vlsa.data.media import decode
from vlsa.data.media.closed_captions import unread_captions
from vlsa.data.media.subtitles import TimedText, read_subtitle_file
from vlsa.data.media.transcripts import Word
from vlsa.data.media.unread import unread_remarks


@dataclass(frozen=True)
class Task:
    """A file to scan."""

    folder: Path
    name: str
    """Relative to the folder, with forward slashes."""
    has_rows: bool
    """Its text is in the caption table: no need to look for subtitles."""
    sidecar: Sidecar | None = None
    """Its subtitle file, relative to the folder."""
    scenes: Path | None = None
    """Look for cuts, and keep them there."""

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.folder / self.name


@dataclass(frozen=True)
class ScannedFile:
    """What was found in a file: its length and timed text, or why it cannot be used."""

    duration_seconds: float = 0.0
    has_sound: bool = False
    cues: tuple[TimedText, ...] = ()
    reason: str = ""
    message: str = ""
    words: tuple[Word, ...] = ()
    """What is said in it, if it was transcribed."""
    cuts_seconds: tuple[float, ...] = ()
    """Where its shots begin, but for the first, if cuts were looked for."""
    remarks: tuple[tuple[str, str], ...] = ()
    """Reason and message of what is odd about its text; the file is kept."""


def scan(
    folder: str | Path,
    *,
    window_seconds: float = 6.0,
    shortest_seconds: float = 0.5,
    test_share: float = 0.1,
    allow_outside: bool = False,
    num_workers: int | None = None,
    engine: Engine | None = None,
    speech: Speech | None = None,
    scenes: Path | None = None,
    begin_share: float = 0.0,
    progress: Progress | None = None,
) -> tuple[list[ClipRow], list[Rejection]]:
    """Rows for every media file under a folder, and what had to be left out, in the order of file names and times.

    `allow_outside`: a caption table may name files outside of the folder. `num_workers` processes scan the files (None
    = one per core; 0 = this process, where a crash of a decoder is the end), or another `engine` does. `speech`
    transcribes files without text here, one after the other; their clips are the same as without it. `scenes` is where
    cuts are kept that are looked for: then no clip without a caption goes across one. `begin_share` of the files come
    last: what processes that scan the same folder at once hear and see, and keep, is then seldom the same. The result
    does not depend on it.

    Raises ManifestError when there is nothing to list, CaptionError when captions.csv is malformed, ConfigError for a
    window shorter than the shortest clip, or a test share that is not between 0 and 1.
    """
    _check_numbers(window_seconds, shortest_seconds, test_share)
    folder = Path(folder)
    footage = Footage.of(folder, list_media(folder), allow_outside)
    tasks = [Task(folder, name, name in footage.table, footage.sidecar(name), scenes) for name in footage.names]
    first = int(begin_share * len(tasks))
    turn = [*tasks[first:], *tasks[:first]]
    scanned = scan_files(turn, engine or LocalEngine(num_workers), progress)
    if speech is not None:
        scanned |= _transcribed(turn, scanned, speech, 0 if num_workers == 0 else 1, progress)
    lengths = {"window_seconds": window_seconds, "shortest_seconds": shortest_seconds}
    cuts = {task.name: _cut_file(task, scanned[task.name], footage, lengths) for task in tasks}
    good = {name: [cut for cut in found if not cut.reason] for name, found in cuts.items()}
    rows = _rows(folder, good, test_share)
    faulty = [_rejection(folder, name, cut) for name, found in cuts.items() for cut in found if cut.reason]
    across = (spanned(task.name, task.path, scanned[task.name].cuts_seconds, good[task.name]) for task in tasks)
    return rows, [*footage.rejections(), *faulty, *_remarks(folder, scanned), *filter(None, across)]


def _rows(folder: Path, cuts: Mapping[str, list[Cut]], test_share: float) -> list[ClipRow]:
    """The clips of all files, each with its split. Raises ManifestError where two have one id."""
    split = assign_splits({name: found for name, found in cuts.items() if found}, test_share)
    rows = [_row(folder, name, cut) for name, chosen in split.items() for cut in chosen]
    check_unique(rows, str(folder))
    return rows


def _check_numbers(window_seconds: float, shortest_seconds: float, test_share: float) -> None:
    if not shortest_seconds <= window_seconds < math.inf:
        raise ConfigError(f"window of {window_seconds:g} s: at least {shortest_seconds:g} s are a clip. Try 6.")
    if not 0 <= test_share <= 1:
        raise ConfigError(f"test share {test_share:g}: a share lies between 0 and 1. Try 0.1.")


def _remarks(folder: Path, scanned: dict[str, ScannedFile]) -> list[Rejection]:
    """What is odd about the text of files that are kept."""
    return [
        Rejection(name, str(folder / name), None, None, reason, message)
        for name, found in sorted(scanned.items())
        for reason, message in found.remarks
    ]


def scan_files(tasks: list[Task], engine: Engine, progress: Progress | None) -> dict[str, ScannedFile]:
    """Scan files in workers that may die of them; what killed or held one is reported as any other fault.

    One that did so when cuts were looked for is scanned without them.
    """
    scanned: dict[str, ScannedFile] = {}
    lost: dict[str, str] = {}
    pool, kills = engine.pool(scan_file, tasks, files_of), Kills()
    for event in pool.events():
        if isinstance(event, Started):
            continue
        if isinstance(event, Lost) and kills.is_first(event):
            pool.submit(event.task)
            continue
        if isinstance(event, Lost) and event.task.scenes is not None:
            lost[event.task.name] = f"{event.task.path}: {event.message} while cuts were looked for; it has none."
            pool.submit(replace(event.task, scenes=None))
            continue
        if isinstance(event, Lost):
            message = f"{event.task.path}: {event.message} while scanning the file. Convert it or leave it out."
            scanned[event.task.name] = ScannedFile(reason=event.reason, message=message)
        else:
            scanned[event.task.name] = event.value
        if event.task.name in lost and not scanned[event.task.name].reason:
            found = scanned[event.task.name]
            scanned[event.task.name] = replace(found, remarks=(*found.remarks, ("scenes", lost[event.task.name])))
        if progress:
            progress(len(scanned), len(tasks), event.task.name)
    return scanned


def files_of(task: Task) -> list[Path]:
    """What is read to scan a file."""
    return [task.path] if task.sidecar is None else [task.path, task.folder / task.sidecar.path]


def scan_file(task: Task, beat: Heartbeat) -> ScannedFile:
    """Scan one file: its length, and its subtitles if the caption table has no text of it."""
    beat(task.name, patience_seconds(task.path))
    try:
        facts = decode.probe(task.path)
    except MediaError as error:
        return ScannedFile(reason=error.reason, message=str(error))
    try:
        cues, remarks = _find_cues(task, facts)
    except (CaptionError, MediaError) as error:
        cues, remarks = [], [("captions", str(error))]
    remarks = [*unread_remarks(task.path, facts.choices), *remarks]
    cuts: Sequence[float] = ()
    if task.scenes is not None:
        beat(task.name, patience_seconds(task.path, facts.duration_seconds))
        cuts, failed = kept_cuts(task.path, facts, task.scenes)
        remarks = [*remarks, *failed]
    return ScannedFile(
        facts.duration_seconds, facts.has_sound, tuple(cues), cuts_seconds=tuple(cuts), remarks=tuple(remarks)
    )


def _transcribed(
    tasks: Sequence[Task],
    scanned: Mapping[str, ScannedFile],
    speech: Speech,
    num_workers: int,
    progress: Progress | None,
) -> dict[str, ScannedFile]:
    """Files with sound and without text of their own, with what is said in them."""
    silent = [
        HearTask(task.name, str(task.path), scanned[task.name].duration_seconds, speech)
        for task in tasks
        if scanned[task.name].has_sound and not task.has_rows and not scanned[task.name].cues
    ]
    return {
        name: replace(scanned[name], words=heard.transcript.words, remarks=(*scanned[name].remarks, *heard.remarks))
        for name, heard in transcribe(silent, num_workers, progress).items()
    }


def _find_cues(task: Task, facts: decode.MediaFacts) -> tuple[Iterable[TimedText], list[tuple[str, str]]]:
    """The cues of a file, and remarks on them."""
    if task.has_rows:
        return [], []
    if task.sidecar is not None:
        path, language = task.folder / task.sidecar.path, task.sidecar.language
        found = read_subtitle_file(path, frames_per_second=facts.frames_per_second, language=language)
        return found.cues, found.remarks(path)
    if not facts.has_subtitles:
        return [], unread_captions(task.path, facts.choices)
    chosen = [word for word in facts.choices if word.startswith("subtitles-")]
    remarks = [("choice", f"{task.path}: the text is that of stream {word}.") for word in chosen]
    return decode.iter_subtitles(task.path, facts.audio_index), remarks


def _cut_file(task: Task, found: ScannedFile, footage: Footage, seconds: Mapping[str, float]) -> list[Cut]:
    """`seconds`: those of `Lengths`, but for the file's."""
    rows = footage.table.get(task.name, ())
    lengths = Lengths(file_seconds=found.duration_seconds, **seconds)
    path = task.path
    if found.reason:
        named = f" (named by line {rows[0].line_number} of the caption table)" if rows else ""
        near = near_name(task.name, footage.listed.names) if found.reason == "missing" else None
        named += f" There is {near!r}." if near else ""
        return [Cut(start_seconds=None, stop_seconds=None, reason=found.reason, message=found.message + named)]
    try:
        if rows:
            cuts = cut_rows(rows, lengths)
        else:
            shots = cut_shots(lengths, found.cuts_seconds)
            cuts = cut_cues(found.cues, lengths) if found.cues else with_words(shots, found.words)
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from error
    return [replace(cut, message=f"{path}: {cut.message}") if cut.reason else cut for cut in cuts]


def _row(folder: Path, name: str, cut: Cut) -> ClipRow:
    return ClipRow(
        id=_cut_id(name, cut),
        path=str(folder / name),
        start_seconds=cut.start_seconds,
        stop_seconds=cut.stop_seconds,
        texts=cut.texts,
        split=cut.split or "train",
        text_kind=cut.text_kind,
    )


def _cut_id(name: str, cut: Cut) -> str:
    return safe_id(cut.id) if cut.id else clip_id(name, cut.start_seconds, cut.stop_seconds)


def _rejection(folder: Path, name: str, cut: Cut) -> Rejection:
    id = name if cut.start_seconds is None else _cut_id(name, cut)
    return Rejection(id, str(folder / name), cut.start_seconds, cut.stop_seconds, cut.reason, cut.message)
