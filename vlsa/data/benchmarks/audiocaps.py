"""AudioCaps: 10 s of audio from YouTube videos, with captions that people wrote: one in training, else five.

The retrieval papers use parts of it that differ. A list of ids (one a line: YouTube ids or names such as ID_30; an
audiocap id stands for its one caption) says which clips a split has; a split without a list has the clips of its CSV.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from vlsa.base.errors import ManifestError
from vlsa.data.benchmarks import values
from vlsa.data.benchmarks.files import AnnotationFile, files_by_form, open_all, read_ids
from vlsa.data.benchmarks.requests import AnnotatedClip, Request
from vlsa.data.benchmarks.youtube import youtube_clip
from vlsa.data.media.suffixes import MEDIA_SUFFIXES

CLIP_SECONDS = 10.0
COLUMNS = ("audiocap_id", "youtube_id", "start_time", "caption")
FORMS = {
    "csv": (
        f"train.csv, val.csv or test.csv with the columns {','.join(COLUMNS)}",
        lambda file: file.has_columns(*COLUMNS),
    ),
    "list": ("a list of ids, one a line, without header", AnnotationFile.is_id_list),
}


def read(request: Request) -> Iterator[AnnotatedClip]:
    """The clips of AudioCaps. Raises ManifestError."""
    files = files_by_form(open_all(request), request.name, FORMS)
    if not files["csv"]:
        raise ManifestError(f"{files['list'][0].path}: a list alone has no captions. Give {FORMS['csv'][0]} too.")
    listed = {file.split() for file in files["list"]}
    by_name: dict[str, list[AnnotatedClip]] = defaultdict(list)
    for file in files["csv"]:
        for audiocap_id, clip in _read_csv(file):
            if clip.split not in listed:
                yield clip
            if listed:
                for name in {audiocap_id, *clip.cut_names, *clip.video_names}:
                    by_name[name].append(clip)
    for file in files["list"]:
        yield from _read_list(file, by_name)


def _read_csv(file: AnnotationFile) -> Iterator[tuple[str, AnnotatedClip]]:
    split = file.split()
    for where, row in file.records(*COLUMNS):
        start = values.seconds(row["start_time"], where, "start_time")
        caption = values.words(row["caption"], where, "caption")
        video_id = values.identifier(row["youtube_id"], where, "youtube_id")
        clip = youtube_clip(
            video_id, start, start + CLIP_SECONDS, (caption,), split=split, where=where, path=file.path, often_cut=True
        )
        yield row["audiocap_id"].strip(), clip


def _read_list(file: AnnotationFile, by_name: dict[str, list[AnnotatedClip]]) -> Iterator[AnnotatedClip]:
    """The clips that a list names. One that no CSV has stays without text, to be reported."""
    split = file.split()
    for where, id in read_ids(file):
        stem = id[: -len(suffix)] if (suffix := _media_suffix(id)) else id
        found = by_name.get(stem, ())
        for clip in found:
            yield replace(clip, split=split)
        if not found:
            yield AnnotatedClip(
                key=stem, split=split, texts=(), cut_names=(stem,), where=f"{where} ({stem}: in no CSV)", path=file.path
            )


def _media_suffix(name: str) -> str:
    return next((suffix for suffix in MEDIA_SUFFIXES if name.lower().endswith(suffix)), "")
