"""From a public data set's annotation files and a folder of its media to a manifest that `prepare` reads.

The adapters (adapters.py) read what is different; the rest is the same for all data sets: clips of one key become one
row, media are searched for by name, every file that was found is scanned once for its length and audio, and what
cannot become a row is reported with its reason. Nothing is replaced by something else.
"""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vlsa.base.errors import ConfigError, ManifestError
from vlsa.base.files import Progress, write_json_lines
from vlsa.data.benchmarks.adapters import find_adapter
from vlsa.data.benchmarks.finder import Found, MediaFinder, wanted_names
from vlsa.data.benchmarks.import_summary import ImportSummary, count
from vlsa.data.benchmarks.requests import Adapter, AnnotatedClip, Request, parse_source
from vlsa.data.ingest import manifest
from vlsa.data.ingest.manifest import ClipRow, Rejection
from vlsa.data.ingest.segments import floor_ms

if TYPE_CHECKING:
    from vlsa.data.ingest.scan import ScannedFile

FILES_CHECKED_FIRST = 20
"""A set that needs audio is given up when none of so many files, spread over all, has any."""
SLACK_SECONDS = 1.0
"""A file is cut to a stretch when it is no more than so much longer, and ends before the stretch would."""
LONGEST_ID = 80
STRICTEST_FIRST = ("test", "val", "train")


@dataclass(frozen=True)
class Placed:
    """A clip and the file that it is in."""

    clip: AnnotatedClip
    name: str
    """Relative to the folder of media."""
    is_cut: bool


def convert(
    name: str,
    annotations: Sequence[str | Path],
    media_folder: str | Path,
    manifest_path: str | Path,
    *,
    variant: str | None = None,
    subtitles: bool = False,
    num_workers: int | None = None,
    progress: Progress | None = None,
) -> ImportSummary:
    """Write a manifest of a data set's clips whose media exist, and a report of the others next to it.

    name: of adapters.py. annotations: paths, or `SPLIT=PATH` where a file's name does not say its split.
    variant: of MSR-VTT, see msrvtt.py. subtitles: take what is said as text, in the forms that have it.
    num_workers: processes that scan the media (None = one per core; 0 = this process).
    Raises ConfigError (unknown name or option), ManifestError and CaptionError (a file that is not what it should be;
    no clip left; every file silent in a set that needs audio).
    """
    adapter, manifest_path = find_adapter(name, variant, subtitles), Path(manifest_path)
    sources = tuple(parse_source(str(word)) for word in annotations)
    _check_paths(name, [source.path for source in sources], manifest_path)
    request = Request(name=name, sources=sources, variant=variant, subtitles=subtitles)
    annotated, rejections = merge(adapter.read(request))
    if not annotated:
        raise ManifestError(f"{sources[0].path}: no clip in these annotations. Give the files that hold the captions.")
    whole, blank = _without_blanks(annotated)
    placed, lost = place(whole, Path(media_folder))
    scanned = _scan_media(placed, Path(media_folder), adapter, num_workers, progress)
    rows, faulty = _rows(placed, scanned, Path(media_folder), adapter)
    rejections += lost + faulty
    summary = ImportSummary(
        name=name,
        manifest_path=str(manifest_path),
        report_path=str(report_path_of(manifest_path)),
        annotated=count(annotated),
        kept=count(rows),
        num_blank=blank,
        num_with_sound=sum(scanned[clip.name].has_sound for clip in placed if not scanned[clip.name].reason),
        reasons=dict(Counter(rejection.reason for rejection in rejections).most_common()),
    )
    _write(manifest_path, rows, rejections, Path(media_folder))
    return summary


def report_path_of(manifest_path: Path) -> Path:
    """`clips.jsonl` is reported on in `clips_report.jsonl`."""
    return manifest_path.with_name(f"{manifest_path.stem}_report.jsonl")


def merge(clips: Iterable[AnnotatedClip]) -> tuple[list[AnnotatedClip], list[Rejection]]:
    """One clip a key and split, with all its texts; a key in two splits stays in the one that is held out.

    A text that another file has given already (a set's whole list and its test list) counts once.
    """
    merged: dict[tuple[str, str], AnnotatedClip] = {}
    known_from: dict[tuple[str, str], dict[str, Path]] = {}
    splits: dict[str, str] = {}
    for clip in clips:
        key = (clip.key, clip.split)
        splits[clip.key] = min(splits.get(clip.key, clip.split), clip.split, key=STRICTEST_FIRST.index)
        if key not in merged:
            merged[key] = clip
            continue
        if key not in known_from:  # rarely: most clips of a large set come once
            known_from[key] = dict.fromkeys(merged[key].texts, merged[key].path)
        new = tuple(text for text in clip.texts if known_from[key].get(text, clip.path) == clip.path)
        if new:
            known_from[key] |= dict.fromkeys(new, clip.path)
            merged[key] = replace(merged[key], texts=merged[key].texts + new)
    kept = [clip for clip in merged.values() if splits[clip.key] == clip.split]
    doubled = [clip for clip in merged.values() if splits[clip.key] != clip.split]
    return kept, [
        _rejection(
            clip,
            reason="duplicate",
            message=f"{clip.where}: this clip is in split {splits[clip.key]} too; it is left out of {clip.split}, "
            "or the score would be that of training clips.",
        )
        for clip in doubled
    ]


def place(clips: Sequence[AnnotatedClip], folder: Path) -> tuple[list[Placed], list[Rejection]]:
    """Find each clip's file. Raises ManifestError when the folder does not exist, or holds none of them."""
    from vlsa.data.ingest.scan import list_media  # brings media libraries

    finder = MediaFinder(list_media(folder).names)
    placed, rejections = [], []
    for clip in clips:
        fault = _fault(clip)
        found = finder.find(clip)
        if fault or len(found.names) != 1:
            rejections.append(fault or _not_one_file(clip, found, folder))
        else:
            placed.append(Placed(clip, found.names[0], found.is_cut))
    return placed, rejections


def _check_paths(name: str, paths: list[Path], manifest_path: Path) -> None:
    if not paths:
        raise ConfigError(f"{name}: no annotation files. Name them with --annotations PATH.")
    if manifest_path.is_dir():
        raise ConfigError(f"{manifest_path}: is a folder; the manifest is a file. Name one, such as clips.jsonl.")
    whole = [Path(os.path.abspath(path)) for path in paths]
    twice = next((path for path in whole if whole.count(path) > 1), None)
    if twice:
        raise ConfigError(f"{twice}: given twice; its captions would count twice. Name it once.")
    for path in (manifest_path, report_path_of(manifest_path)):
        if Path(os.path.abspath(path)) in whole:
            raise ConfigError(
                f"{path}: would be written over, and is one of the annotation files. Name another manifest."
            )
        if path.is_file() and not _is_list_of_clips(path):
            raise ConfigError(
                f"{path}: holds something else than a list of clips, and would be written over. Name another manifest."
            )


def _is_list_of_clips(path: Path) -> bool:
    """By its first bytes; an empty file may become one."""
    start = b'{"id"'
    with path.open("rb") as file:
        return file.read(len(start)) in (b"", start)


def _without_blanks(clips: Iterable[AnnotatedClip]) -> tuple[list[AnnotatedClip], int]:
    """The clips without blank captions, and how many those were."""
    whole = [replace(clip, texts=tuple(filter(None, clip.texts))) if "" in clip.texts else clip for clip in clips]
    return whole, sum(clip.texts.count("") for clip in clips)


def _fault(clip: AnnotatedClip) -> Rejection | None:
    """What is wrong with a clip by its annotations alone."""
    if not clip.texts:
        message = f"{clip.where}: no caption; nothing could be learned from or asked about it."
        return _rejection(clip, reason="no_caption", message=message)
    if clip.span and clip.span[1] <= clip.span[0]:
        message = f"{clip.where}: stops at {clip.span[1]:g} s and starts at {clip.span[0]:g} s; nothing is between."
        return _rejection(clip, reason="zero_length", message=message)
    return None


def _not_one_file(clip: AnnotatedClip, found: Found, folder: Path) -> Rejection:
    if not found.names:
        message = f"{folder}: no {wanted_names(clip)}, named by {clip.where}. Copy it there, or do without."
        return _rejection(clip, reason="missing", message=message)
    several = " and ".join(found.names[:3])
    message = f"{folder}: {several} could both be the clip of {clip.where}. Name a folder that has one of them."
    return _rejection(clip, reason="ambiguous", message=message)


def _scan_media(
    placed: Sequence[Placed], folder: Path, adapter: Adapter, num_workers: int | None, progress: Progress | None
) -> dict[str, "ScannedFile"]:
    """Length and audio of each file. Raises ManifestError when a set that needs audio has none."""
    from vlsa.data.ingest.scan import Task, scan_files

    workers = os.cpu_count() or 1 if num_workers is None else num_workers
    tasks = [Task(folder, file, has_rows=True) for file in dict.fromkeys(clip.name for clip in placed)]
    first = tasks[:: max(len(tasks) // FILES_CHECKED_FIRST, 1)] if adapter.needs_sound else []
    scanned = scan_files(first, workers, progress if len(first) == len(tasks) else None)
    readable = [found for found in scanned.values() if not found.reason]
    if readable and not any(found.has_sound for found in readable):
        raise ManifestError(
            f"{folder}: none of the {len(readable)} scanned files has audio, which this data set is about; "
            f"{adapter.silent_hint}Get the videos with their audio."
        )
    return scanned | scan_files([task for task in tasks if task.name not in scanned], workers, progress)


def _rows(
    placed: Iterable[Placed], scanned: dict[str, "ScannedFile"], folder: Path, adapter: Adapter
) -> tuple[list[ClipRow], list[Rejection]]:
    rows, rejections = [], []
    for each in placed:
        made = _row(each, scanned[each.name], folder, adapter)
        (rows if isinstance(made, ClipRow) else rejections).append(made)
    return rows, rejections


def _row(placed: Placed, found: "ScannedFile", folder: Path, adapter: Adapter) -> ClipRow | Rejection:
    clip, path = placed.clip, os.path.abspath(folder / placed.name)
    if found.reason:
        return _rejection(clip, found.reason, found.message, path)
    if adapter.needs_sound and not found.has_sound:
        message = f"{path}: no audio, which this data set is about. Get the file with its audio, or do without."
        return _rejection(clip, reason="no_sound", message=message, path=path)
    start, stop = stretch(clip, found.duration_seconds, placed.is_cut)
    if start >= stop:
        message = f"{path}: starts at {start:g} s by {clip.where}, but the file ends at {stop:g} s. Check the file."
        return _rejection(clip, reason="outside", message=message, path=path)
    return ClipRow(row_id(clip.key), path, start, stop, clip.texts, clip.split)


def stretch(clip: AnnotatedClip, file_seconds: float, is_cut: bool) -> tuple[float, float]:
    """Start and stop in the file: all of it if it holds this clip alone, else the span, up to the file's end.

    Where files that have a video's name are often cut ones, one is when it is as short as the span and ends before it.
    """
    stop_of_file = floor_ms(file_seconds)
    if is_cut or clip.span is None:
        return 0.0, stop_of_file
    start, stop = clip.span
    if clip.often_cut and file_seconds < stop - SLACK_SECONDS / 2 and file_seconds <= stop - start + SLACK_SECONDS:
        return 0.0, stop_of_file
    return floor_ms(start), min(floor_ms(stop), stop_of_file)


def row_id(key: str) -> str:
    """A clip's key as an id: itself where it can be one, else made safe, with a digest that keeps it unique."""
    safe = re.sub(r"[^A-Za-z0-9_@-]", "_", key)
    if safe == key and len(key) <= LONGEST_ID:
        return key
    return f"{safe[:LONGEST_ID]}-{hashlib.sha1(key.encode()).hexdigest()[:8]}"


def _rejection(clip: AnnotatedClip, reason: str, message: str, path: str = "") -> Rejection:
    start, stop = clip.span or (None, None)
    return Rejection(row_id(clip.key), path, start, stop, reason, " ".join(message.split()))


def _write(manifest_path: Path, rows: list[ClipRow], rejections: list[Rejection], folder: Path) -> None:
    """The report first, so that it exists if nothing else does. Raises ManifestError when no row is left."""
    manifest_path.parent.mkdir(parents=True, exist_ok=True)
    report_path = report_path_of(manifest_path)
    write_json_lines(report_path, map(asdict, rejections))
    if not rows:
        raise ManifestError(
            f"{folder}: not one of {len(rejections):,} clips could be used; see {report_path}. The first: "
            f"{rejections[0].message}"
        )
    manifest.check_unique(rows, str(manifest_path))
    manifest.write(manifest_path, rows)
