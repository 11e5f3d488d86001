"""YouCook2: steps of cooking videos, with one sentence each. Three forms: a CSV, the official JSON, and that of VAST.

The captions of the official test set are not public, and everybody reports the validation set: it is our `test`. To
keep it as `val`, say so (`val=PATH`).
"""

import re
from collections.abc import Iterator

from vlsa.base.errors import ManifestError
from vlsa.data.benchmarks import values, vast
from vlsa.data.benchmarks.files import AnnotationFile, files_by_form, open_all
from vlsa.data.benchmarks.requests import AnnotatedClip, Request
from vlsa.data.benchmarks.youtube import youtube_clip

COLUMNS = ("end", "start", "task", "text", "video_id")
SUBSETS = {"training": "train", "validation": "test", "testing": "test"}
FORMS = {
    "csv": (
        f"validation_youcook.csv with the columns {','.join(COLUMNS)} (end before start)",
        lambda file: file.has_columns(*COLUMNS),
    ),
    "json": (
        'youcookii_annotations_trainval.json: {"database": {ID: {"subset", "annotations": [{"segment", "sentence"}]}}}',
        lambda file: file.has_keys("database"),
    ),
    "vast": (vast.EXPECTED, vast.is_vast),
}
STRETCH = re.compile(r"(.+)_(\d+(?:\.\d+)?)_(\d+(?:\.\d+)?)")
"""ID_START_END; an id may hold underscores itself."""


def read(request: Request) -> Iterator[AnnotatedClip]:
    """The clips of YouCook2. Raises ManifestError."""
    files = files_by_form(open_all(request), request.name, FORMS)
    if request.subtitles and (files["csv"] or files["json"]):
        raise ManifestError(
            f"{(files['csv'] + files['json'])[0].path}: has no subtitles, so no clip would have text. Leave out --text "
            f"subtitles, or give {vast.EXPECTED}."
        )
    for file in files["csv"]:
        yield from _read_csv(file)
    for file in files["json"]:
        yield from _read_json(file)
    for file in files["vast"]:
        yield from _read_vast(file, request)


def _read_csv(file: AnnotationFile) -> Iterator[AnnotatedClip]:
    split = _split(file)
    for where, row in file.records(*COLUMNS):
        start, stop = (values.seconds(row[name], where, name) for name in ("start", "end"))
        video_id = values.identifier(row["video_id"], where, "video_id")
        text = values.words(row["text"], where, "text")
        yield youtube_clip(video_id, start, stop, (text,), split=split, where=where, path=file.path)


def _read_json(file: AnnotationFile) -> Iterator[AnnotatedClip]:
    database = file.value["database"]
    if not isinstance(database, dict):
        raise ManifestError(f"{file.path}: 'database' is not an object. Expected {FORMS['json'][0]}.")
    for video_id, facts in database.items():
        where = f"{file.path}: {values.named(video_id)}"
        video_id = values.identifier(video_id, where, "id")
        subset = values.field(facts, "subset", where)
        if not isinstance(subset, str) or subset not in SUBSETS:
            raise ManifestError(f"{where}: subset={values.shown(subset)} is not one of {', '.join(SUBSETS)}. Fix it.")
        for place, step in values.entries(facts.get("annotations", []), where, "annotations"):
            segment = values.field(step, "segment", place)
            if not isinstance(segment, list) or len(segment) != 2:
                raise ManifestError(f"{place}: 'segment' is not [start, end] in seconds. Fix it.")
            start, stop = (values.seconds(time, place, "segment") for time in segment)
            text = values.words(values.field(step, "sentence", place), place, "sentence")
            yield youtube_clip(video_id, start, stop, (text,), split=SUBSETS[subset], where=place, path=file.path)


def _read_vast(file: AnnotationFile, request: Request) -> Iterator[AnnotatedClip]:
    split = _split(file)
    for where, name, texts in vast.read_vast(file, request):
        match = STRETCH.fullmatch(name)
        if not match:
            raise ManifestError(
                f"{where}: video_id={name[:60]!r} is not ID_START_END, such as GLd3aX16zBg_90_102, so the clip cannot "
                "be placed in its video. Get the publisher's own file."
            )
        start, stop = (values.seconds(match[group], where, "video_id") for group in (2, 3))
        yield youtube_clip(match[1], start, stop, texts, split=split, where=where, path=file.path, other_names=(name,))


def _split(file: AnnotationFile) -> str:
    split = file.split()
    return "test" if split == "val" and not file.source.asked_split else split
