"""HowTo100M: instructional videos with what is said in them, and the paper's part of it: the videos in AudioSet too.

Captions: one CSV a video (`VIDEOID.csv` with start,end,text) or a folder of them; or one JSON or pickle of
{id: {"start": [], "end": [], "text": []}}. Each line is a clip; their stretches overlap. HowTo100M_v1.csv, or another
list of videos, says which videos are taken. There is no split: all is for training.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from vlsa.base.errors import ManifestError
from vlsa.data.benchmarks import audioset, values
from vlsa.data.benchmarks.files import AnnotationFile, open_file, wrong_file
from vlsa.data.benchmarks.requests import AnnotatedClip, Request, Source
from vlsa.data.benchmarks.youtube import milliseconds

COLUMNS = ("start", "end", "text")
EXPECTED = (
    "VIDEOID.csv with the columns start,end,text, or a folder of such files",
    'one JSON or pickle of {ID: {"start": [], "end": [], "text": []}}',
    "HowTo100M_v1.csv with the columns video_id,category_1,category_2,rank,task_id",
    "a list of videos with the column video_path or video_id",
)


@dataclass
class Sources:
    """The files of a request. Those of one video each are opened only when they are needed: there are a million."""

    of_one_video: list[Source] = field(default_factory=list)
    documents: list[AnnotationFile] = field(default_factory=list)
    wanted: set[str] | None = None
    """Ids in HowTo100M_v1.csv; None = it was not given."""
    in_audioset: set[str] | None = None
    """Ids in AudioSet; None = it was not given."""

    def takes(self, video_id: str) -> bool:
        """Whether every list that was given has the video."""
        return all(ids is None or video_id in ids for ids in (self.wanted, self.in_audioset))


def read(request: Request) -> Iterator[AnnotatedClip]:
    """The clips of HowTo100M. Raises ManifestError."""
    yield from _read(_open_sources(request, with_audioset=False))


def read_with_audioset(request: Request) -> Iterator[AnnotatedClip]:
    """The clips of those videos that AudioSet has too. Raises ManifestError."""
    sources = _open_sources(request, with_audioset=True)
    if sources.in_audioset is None:
        raise ManifestError(f"{request.name}: no file of AudioSet was given. Add {audioset.SEGMENTS_EXPECTED}.")
    found = False
    for clip in _read(sources):
        found = True
        yield clip
    if not found:
        raise ManifestError(
            f"{request.name}: no video is in both the captions and AudioSet's {len(sources.in_audioset):,} videos, so "
            "there is nothing to learn from. Give unbalanced_train_segments.csv, and all captions."
        )


def _open_sources(request: Request, *, with_audioset: bool) -> Sources:
    sources = Sources()
    for source in request.sources:
        if source.path.is_dir():
            sources.of_one_video += [Source(path) for path in sorted(source.path.glob("*.csv"))]
            if not sources.of_one_video:
                raise ManifestError(f"{source.path}: no .csv in this folder. Expected {EXPECTED[0]}.")
            continue
        file = open_file(source)
        if isinstance(file.value, dict):
            sources.documents.append(file)
        elif file.has_columns(*COLUMNS):
            sources.of_one_video.append(source)
        elif file.has_columns("video_path"):
            paths = (PurePosixPath(row["video_path"].strip()) for _, row in file.records("video_path"))
            sources.wanted = _ids(sources.wanted, (path.name.removesuffix(path.suffix) for path in paths))
        elif file.has_columns("video_id"):
            sources.wanted = _ids(sources.wanted, (row["video_id"] for _, row in file.records("video_id")))
        elif with_audioset and audioset.is_segments(file):
            sources.in_audioset = _ids(sources.in_audioset, (cells[0] for _, cells in audioset.read_segments(file)))
        else:
            raise wrong_file(file, request.name, [*EXPECTED, *([audioset.SEGMENTS_EXPECTED] if with_audioset else [])])
    if not sources.documents and not sources.of_one_video:
        raise ManifestError(f"{request.name}: no captions were given. Add {EXPECTED[0]}; or {EXPECTED[1]}.")
    return sources


def _ids(known: set[str] | None, found: Iterator[str]) -> set[str]:
    return (known or set()) | {id.strip() for id in found}


def _read(sources: Sources) -> Iterator[AnnotatedClip]:
    for source in sources.of_one_video:
        if sources.takes(source.path.stem):
            yield from _read_csv(source)
    for file in sources.documents:
        for video_id, captions in file.value.items():
            where = f"{file.path}: {values.named(video_id)}"
            if sources.takes(values.identifier(video_id, where, "id")):
                yield from _read_lists(video_id, captions, where, file.path)


def _read_csv(source: Source) -> Iterator[AnnotatedClip]:
    file = open_file(source)
    if not file.has_columns(*COLUMNS):
        raise wrong_file(file, "howto100m", EXPECTED[:1])
    for where, row in file.records(*COLUMNS):
        yield _clip(source.path.stem, row["start"], row["end"], row["text"], where, source.path)


def _read_lists(video_id: str, captions: object, where: str, path: Path) -> Iterator[AnnotatedClip]:
    columns = [values.field(captions, name, where) for name in COLUMNS]
    if not all(isinstance(column, list | tuple) for column in columns) or len({*map(len, columns)}) != 1:
        raise ManifestError(f"{where}: start, end and text are not lists of equal length. Expected {EXPECTED[1]}.")
    for number, (start, stop, text) in enumerate(zip(*columns, strict=True), 1):
        yield _clip(video_id, start, stop, text, f"{where}: caption {number}", path)


def _clip(video_id: str, start: object, stop: object, text: object, where: str, path: Path) -> AnnotatedClip:
    span = values.seconds(start, where, "start"), values.seconds(stop, where, "end")
    return AnnotatedClip(
        key=f"{video_id}@{milliseconds(span[0])}-{milliseconds(span[1])}",
        split="train",
        texts=(values.words(text, where, "text"),),
        video_names=(video_id,),
        span=span,
        where=where,
        path=path,
    )
