"""LSMDC: clips of feature films with what a narrator says to the blind. A file `MOVIE/CLIP_ID.avi` is one clip.

The files end in .csv, are separated by tabs, and have no header. A CLIP_ID may occur several times: that clip has
several captions.
"""

from collections.abc import Iterator

from vlsa.base.errors import ManifestError
from vlsa.data.benchmarks import values
from vlsa.data.benchmarks.files import AnnotationFile, files_by_form, open_all
from vlsa.data.benchmarks.requests import AnnotatedClip, Request

COLUMNS = ("CLIP_ID", "START_ALIGNED", "END_ALIGNED", "START_EXTRACTED", "END_EXTRACTED", "SENTENCE")
EXPECTED = f"lines of {len(COLUMNS)} values separated by tabs, without header: {' '.join(COLUMNS)}"
TIME_CHARACTERS = 3
"""Of the time that follows the movie's name in a CLIP_ID and ends at the first dot: `_00` in A_Film_00.01.02.345."""


def read(request: Request) -> Iterator[AnnotatedClip]:
    """The clips of LSMDC. Raises ManifestError."""
    for file in files_by_form(open_all(request), request.name, {"tabs": (EXPECTED, _has_tabs)})["tabs"]:
        split = file.split()
        for where, line in file.lines():
            cells = line.split("\t")
            if len(cells) != len(COLUMNS):
                raise ManifestError(
                    f"{where}: {len(cells)} values; text would be lost or join the wrong clip. Expected {EXPECTED}."
                )
            clip_id = values.identifier(cells[0].strip().strip('"'), where, "CLIP_ID")
            yield AnnotatedClip(
                key=clip_id,
                split=split,
                texts=(values.words(cells[-1], where, "SENTENCE"),),
                cut_names=(f"{movie_of(clip_id)}/{clip_id}",),
                where=where,
                path=file.path,
            )


def movie_of(clip_id: str) -> str:
    """The folder of a clip: `0001_American_Beauty` of `0001_American_Beauty_00.00.51.926-00.00.54.129`."""
    return clip_id.partition(".")[0][:-TIME_CHARACTERS]


def _has_tabs(file: AnnotationFile) -> bool:
    first = next(file.lines(), ("", ""))[1]
    return not file.is_document and first.count("\t") == len(COLUMNS) - 1
