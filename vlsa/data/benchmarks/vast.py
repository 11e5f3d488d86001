"""The annotation form of VAST, in which several data sets are handed out: JSON, a list of {video_id, desc, subtitle}.

Used by msrvtt.py and youcook2.py. `desc` is a caption or a list of captions; `subtitle` is what is said.
"""

from collections.abc import Iterator

from vlsa.base.errors import ManifestError
from vlsa.data.benchmarks.files import AnnotationFile
from vlsa.data.benchmarks.requests import Request
from vlsa.data.benchmarks.values import all_words, entries, field, identifier

EXPECTED = 'a JSON list of {"video_id", "desc", "subtitle"} (the form of VAST)'


def is_vast(file: AnnotationFile) -> bool:
    """Whether a file has this form."""
    return file.is_list_with("video_id", "desc") or file.is_list_with("video_id", "subtitle")


def read_vast(file: AnnotationFile, request: Request) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Where, video id and texts of each entry: descriptions, or with `request.subtitles` what is said."""
    key = "subtitle" if request.subtitles else "desc"
    if request.subtitles and not any(isinstance(entry, dict) and "subtitle" in entry for entry in file.value):
        raise ManifestError(
            f"{file.path}: no entry has a 'subtitle' (found {file.found}), so no clip would have text. Leave out "
            "--text subtitles, or get the annotations that have them."
        )
    for where, entry in entries(file.value, str(file.path), "entry"):
        video_id = identifier(field(entry, "video_id", where), where, "video_id")
        said = entry.get(key, "") if request.subtitles else field(entry, key, where)
        yield f"{where} ({video_id})", video_id, all_words(said, where, key)
