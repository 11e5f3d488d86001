"""From a public data set's annotation files and a folder of its media to a manifest that `prepare` reads.

The adapters (adapters.py) read what is different; the rest is the same for all data sets: clips of one key become one
row, media are searched for by name, every file that was found is scanned once for its length and audio, and what
cannot become a row is reported with its reason. Nothing is replaced by something else.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from vlsa.base.errors import ConfigError, ManifestError
from vlsa.base.files import Progress, write_json_lines
from vlsa.data.benchmarks.adapters import find_adapter
from vlsa.data.benchmarks.columns import parse_columns
from vlsa.data.benchmarks.finder import MediaFinder
from vlsa.data.benchmarks.import_summary import ImportSummary, count
from vlsa.data.benchmarks.media_scan import MediaScan
from vlsa.data.benchmarks.merging import merge, without_blanks
from vlsa.data.benchmarks.placing import place
from vlsa.data.benchmarks.requests import Request, parse_source
from vlsa.data.ingest import manifest
from vlsa.data.ingest.manifest import ClipRow, Rejection


def convert(
    name: str,
    annotations: Sequence[str | Path],
    media_folder: str | Path,
    manifest_path: str | Path,
    *,
    variant: str | None = None,
    subtitles: bool = False,
    columns: str = "",
    title: str = "",
    allow_count: bool = False,
    num_workers: int | None = None,
    progress: Progress | None = None,
) -> ImportSummary:
    """Write a manifest of a data set's clips whose media exist, and a report of the others next to it.

    name: of adapters.py. annotations: paths, or `SPLIT=PATH` where a file's name does not say its split.
    variant: of MSR-VTT, see msrvtt.py. subtitles: take what is said as text, in the forms that have it.
    columns: of a generic reader, see columns.py. title: what that data set is called in messages.
    allow_count: go on when the annotations have another number of clips than the published one.
    num_workers: processes that scan the media (None = one per core; 0 = this process).
    Raises ConfigError (unknown name or option), ManifestError and CaptionError (a file that is not what it should be;
    no clip left; every file silent in a set that needs audio).
    """
    adapter, manifest_path = find_adapter(name, variant, subtitles, bool(columns or title)), Path(manifest_path)
    sources = tuple(parse_source(str(word)) for word in annotations)
    _check_paths(name, [source.path for source in sources], manifest_path)
    request = Request(
        name=title or name,
        sources=sources,
        variant=variant,
        subtitles=subtitles,
        columns=parse_columns(columns, adapter.path_column) if columns else None,
        media_folder=Path(media_folder),
        progress=progress,
    )
    annotated, rejections = merge(adapter.read(request))
    if not annotated:
        raise ManifestError(f"{sources[0].path}: no clip in these annotations. Give the files that hold the captions.")
    counts = count(clip for clip in annotated if not clip.fault)
    if not allow_count:
        adapter.published_of(variant).check(request.name, counts)
    whole, blank = without_blanks(annotated)
    media = MediaScan(Path(media_folder), notes_path_of(manifest_path), num_workers, progress)
    finder = MediaFinder(media.folder, media.names(), needs_sound=adapter.needs_sound)
    placed = place(whole, finder, media, adapter.silent_hint if adapter.needs_sound else None)
    rejections += placed.rejections
    summary = ImportSummary(
        name=request.name,
        manifest_path=str(manifest_path),
        report_path=str(report_path_of(manifest_path)),
        annotated=counts,
        kept=count(placed.rows),
        num_blank=blank,
        num_with_sound=placed.num_with_sound,
        reasons=dict(Counter(rejection.reason for rejection in rejections).most_common()),
    )
    _write(manifest_path, placed.rows, rejections, media.folder)
    media.forget()
    return summary


def report_path_of(manifest_path: Path) -> Path:
    """`clips.jsonl` is reported on in `clips_report.jsonl`."""
    return manifest_path.with_name(f"{manifest_path.stem}_report.jsonl")


def notes_path_of(manifest_path: Path) -> Path:
    """What an unfinished import of `clips.jsonl` has scanned is in `clips_scanned.jsonl`."""
    return manifest_path.with_name(f"{manifest_path.stem}_scanned.jsonl")


def _check_paths(name: str, paths: list[Path], manifest_path: Path) -> None:
    if not paths:
        raise ConfigError(f"{name}: no annotation files. Name them after the data set.")
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
