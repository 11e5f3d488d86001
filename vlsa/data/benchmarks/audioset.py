"""AudioSet, VGGSound and CAV-MAE's lists of them: stretches of YouTube videos with the names of what is heard.

AudioSet: three lines that start with #, then `YTID, 30.000, 40.000, "/m/068hy,/m/07q6cd_"` (comma and space). VGGSound:
`YTID,start,label,split`, or `file.mp4,"label, with comma"`, both without header, 10 s each. CAV-MAE: JSON that names
files. A clip's text is the names of its classes, with commas between them.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from vlsa.base.errors import ManifestError
from vlsa.data.benchmarks import labels, values
from vlsa.data.benchmarks.files import AnnotationFile, files_by_form, open_all
from vlsa.data.benchmarks.requests import AnnotatedClip, Request
from vlsa.data.benchmarks.youtube import youtube_clip
from vlsa.data.media.suffixes import MEDIA_SUFFIXES

VGGSOUND_SECONDS = 10.0
VGGSOUND_FILE = re.compile(r"(.{11})_(\d{6})")
"""YTID_SECONDS."""
SEGMENTS_EXPECTED = (
    'segments such as balanced_train_segments.csv: # comments, then YTID, start_seconds, end_seconds, "positive_labels"'
)
VGGSOUND_EXPECTED = (
    "vggsound.csv: YouTubeID,start,label,split without header",
    'test.csv: file.mp4,"label" without header',
)
CAVMAE_EXPECTED = '{"data": [{"video_id", "wav", "video_path", "labels"}]}'


HEADER = ("ytid", "start_seconds", "end_seconds", "positive_labels")


def is_segments(file: AnnotationFile) -> bool:
    """Whether a file is a list of AudioSet's stretches, with their names in a comment or in the first line."""
    if file.is_document or len(file.header) < len(HEADER):
        return False
    return file.header == HEADER or all(map(_is_time, file.header[1:3]))


def read_segments(file: AnnotationFile) -> Iterator[tuple[str, list[str]]]:
    """File:line and (video id, start, stop, class ids) of each stretch."""
    for where, cells in file.rows(as_audioset=True):
        if len(cells) != 4:
            raise ManifestError(f"{where}: {len(cells)} values, where 4 are needed. Expected {SEGMENTS_EXPECTED}.")
        if cells[1].strip().lower() != HEADER[1]:
            yield where, cells


def read_audioset(request: Request) -> Iterator[AnnotatedClip]:
    """The clips of AudioSet. Raises ManifestError."""
    forms = {"segments": (SEGMENTS_EXPECTED, is_segments), "classes": (labels.EXPECTED, labels.is_class_file)}
    files = files_by_form(open_all(request), request.name, forms)
    names = labels.read_class_names(files["classes"], request.name)
    for file in files["segments"]:
        split = file.split()
        for where, cells in read_segments(file):
            video_id = values.identifier(cells[0], where, "YTID")
            start, stop = (values.seconds(cell, where, "time") for cell in cells[1:3])
            text = labels.label_text(cells[3], names, where)
            yield youtube_clip(video_id, start, stop, (text,), split=split, where=where, path=file.path, often_cut=True)


def read_vggsound(request: Request) -> Iterator[AnnotatedClip]:
    """The clips of VGGSound. Raises ManifestError."""
    forms = {"all": (VGGSOUND_EXPECTED[0], _is_vggsound), "files": (VGGSOUND_EXPECTED[1], _is_vggsound_files)}
    files = files_by_form(open_all(request), request.name, forms)
    for file in files["all"]:
        for where, cells in file.rows():
            if len(cells) != 4 or cells[3].strip() not in ("train", "test"):
                raise ManifestError(f"{where}: found {','.join(cells)[:80]!r}. Expected {VGGSOUND_EXPECTED[0]}.")
            yield _vggsound_clip(cells[0], cells[1], cells[2], cells[3].strip(), where, file.path)
    for file in files["files"]:
        split = file.split()
        for where, cells in file.rows():
            if len(cells) != 2:
                raise ManifestError(f"{where}: found {','.join(cells)[:80]!r}. Expected {VGGSOUND_EXPECTED[1]}.")
            yield _file_clip(cells[0], cells[1], split, where, file.path)


def read_cavmae(request: Request) -> Iterator[AnnotatedClip]:
    """The clips of a JSON of CAV-MAE. Raises ManifestError."""
    forms = {
        "json": (CAVMAE_EXPECTED, lambda file: file.has_keys("data")),
        "classes": (labels.EXPECTED, labels.is_class_file),
    }
    files = files_by_form(open_all(request), request.name, forms)
    names = labels.read_class_names(files["classes"], request.name)
    for file in files["json"]:
        split = file.split()
        for where, entry in values.entries(file.value["data"], str(file.path), "data"):
            video_id = values.identifier(values.field(entry, "video_id", where), where, "video_id")
            ids = values.words(values.field(entry, "labels", where), where, "labels")
            yield AnnotatedClip(
                key=video_id,
                split=split,
                texts=(labels.label_text(ids, names, where),),
                cut_names=tuple(dict.fromkeys((*_named_files(entry, where), video_id))),
                where=f"{where} ({video_id})",
                path=file.path,
            )


def _named_files(entry: dict[str, Any], where: str) -> Iterator[str]:
    """Names of the files of an entry without folders, which are another machine's: the video first, it has both."""
    for key in ("video_path", "wav"):
        name = PurePosixPath(values.words(entry.get(key), where, key)).name
        if PurePosixPath(name).suffix.lower() in MEDIA_SUFFIXES:
            yield PurePosixPath(name).stem


def _vggsound_clip(video_id: str, start: str, label: str, split: str, where: str, path: Path) -> AnnotatedClip:
    first = values.seconds(start, where, "start")
    texts = (values.words(label, where, "label"),)
    id = values.identifier(video_id, where, "YouTubeID")
    return youtube_clip(id, first, first + VGGSOUND_SECONDS, texts, split=split, where=where, path=path, often_cut=True)


def _file_clip(name: str, label: str, split: str, where: str, path: Path) -> AnnotatedClip:
    stem = PurePosixPath(values.identifier(name, where, "file")).stem
    match = VGGSOUND_FILE.fullmatch(stem)
    if match:
        return _vggsound_clip(match[1], match[2], label, split, where, path)
    text = values.words(label, where, "label")
    return AnnotatedClip(key=stem, split=split, texts=(text,), cut_names=(stem,), where=where, path=path)


def _is_vggsound(file: AnnotationFile) -> bool:
    return not file.is_document and len(file.header) == 4 and _is_time(file.header[1])


def _is_vggsound_files(file: AnnotationFile) -> bool:
    return len(file.header) == 2 and PurePosixPath(file.header[0]).suffix in MEDIA_SUFFIXES


def _is_time(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
