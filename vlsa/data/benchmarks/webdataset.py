"""Shards of the webdataset library: tar files in which a clip is the members of one name, `01.mp4, 01.txt, 01.json`.

The media are copied into the media folder, in a folder for each shard, since a list of clips names files. The words
are those of the .txt (or .text, .caption, .caption.txt) member or of keys of the .json member; both may be compressed,
`01.json.gz`. Answers convert.py.
"""

import gzip
import io
import itertools
import json
import os
import re
import tarfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from vlsa.base.errors import ManifestError
from vlsa.data.benchmarks.clip_rows import Form
from vlsa.data.benchmarks.columns import Columns
from vlsa.data.benchmarks.files import AnnotationFile
from vlsa.data.benchmarks.forms import clips_of_records, split_of
from vlsa.data.benchmarks.nested import with_nested
from vlsa.data.benchmarks.records import MalformedRow, Record
from vlsa.data.benchmarks.requests import AnnotatedClip, Request, Source
from vlsa.data.benchmarks.unpacking import unpack
from vlsa.data.media.suffixes import MEDIA_SUFFIXES

NAME, TEXT = "@name", "txt"
"""Columns of a record: the media file, relative to the media folder; the member of words."""
PLAIN = (TEXT, "text", "caption")
"""Members of words: of several, the first counts where no columns are named."""
SHARD_ENDING = re.compile(r"\.(tar(\.\w+)?|tgz)", re.IGNORECASE)
BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}|\{([^{}]*,[^{}]*)\}")
MOST_SHARDS = 1_000_000
LONGEST_TEXT = 50_000_000
"""Bytes of a member of words."""
COMPRESSED = ".gz"


def read(request: Request) -> Iterator[AnnotatedClip]:
    """The clips of all shards. Raises ManifestError: not a tar, no sample with words, a column that none has."""
    asked = request.columns or Columns(path=NAME, text=(TEXT,))
    form = Form(columns=replace(asked, path=NAME), expected="shards of webdataset")
    shards = [Source(path, source.asked_split) for source in request.sources for path in expand(str(source.path))]
    folders = folders_of(source.path for source in shards)
    for number, source in enumerate(shards):
        if request.progress:
            request.progress(number, len(shards), source.path.name)
        file = AnnotationFile(source)
        records = _records(source.path, form.columns, request.media_folder, folders[source.path])
        yield from clips_of_records(records, form, file=file, split=split_of(file, form))


def folders_of(shards: Iterable[Path]) -> dict[Path, str]:
    """Where the media of each shard lie: its name without ending; of shards of one name, with the folders they are in.

    `train/00.tar` and `val/00.tar` are train/00 and val/00.
    """
    by_name: dict[str, list[Path]] = defaultdict(list)
    for path in dict.fromkeys(shards):
        ending = SHARD_ENDING.search(path.name)
        by_name[path.name[: ending.start()] if ending else path.name].append(path)
    found = {}
    for name, paths in by_name.items():
        parents = [os.path.abspath(path.parent) for path in paths]
        common = os.path.commonpath(parents)
        for path, parent in zip(paths, parents, strict=True):
            found[path] = os.path.normpath(os.path.join(os.path.relpath(parent, common), name))
    return found


def expand(pattern: str) -> list[Path]:
    """`a-{000..002}.tar` is a-000.tar, a-001.tar, a-002.tar; `{a,b}.tar` is a.tar, b.tar. Raises ManifestError."""
    parts: list[list[str]] = []
    place = 0
    for match in BRACES.finditer(pattern):
        parts.append([pattern[place : match.start()]])
        parts.append(_choices(match))
        place = match.end()
    parts.append([pattern[place:]])
    count = 1
    for part in parts:
        count *= max(len(part), 1)
    if count > MOST_SHARDS:
        raise ManifestError(f"{pattern}: stands for {count:,} shards; that cannot be meant. Correct the numbers.")
    return [Path("".join(each)) for each in itertools.product(*parts)]


def _choices(match: re.Match[str]) -> list[str]:
    if match[3] is not None:
        return match[3].split(",")
    first, last = int(match[1]), int(match[2])
    if not first <= last <= first + MOST_SHARDS:
        raise ManifestError(f"{match[0]}: is not FIRST..LAST of shards. Correct the numbers.")
    return [str(number).zfill(len(match[1])) for number in range(first, last + 1)]


def _records(
    path: Path, columns: Columns, media_folder: Path, folder: str
) -> Iterator[tuple[str, Record | MalformedRow]]:
    try:
        with tarfile.open(path, "r|*") as tar:
            for key, members in itertools.groupby(
                _members(tar, path, media_folder, folder), key=lambda member: member[0]
            ):
                yield f"{path}: {key[:80]}", _record(f"{path}: {key[:80]}", [each[1] for each in members], columns)
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror or error}). Check the path.") from error
    except (tarfile.TarError, EOFError) as error:
        raise ManifestError(f"{path}: not a whole tar file ({str(error)[:80]}). Copy or download it again.") from error


def _members(
    tar: tarfile.TarFile, path: Path, media_folder: Path, folder: str
) -> Iterator[tuple[str, tuple[str, Any] | MalformedRow]]:
    """Sample, and column and value of a member; a file of media becomes its name, once it is in the media folder."""
    for info in tar:
        inside = PurePosixPath(info.name)
        stem, _, ending = inside.name.partition(".")
        content = tar.extractfile(info) if info.isfile() else None
        if not content or not stem or not ending:
            continue
        key, where = str(inside.with_name(stem)), f"{path}: {info.name[:80]}"
        name = f"{folder}/{key}.{ending}"
        try:
            if PurePosixPath(name).suffix.lower() in MEDIA_SUFFIXES:
                unpack(content, info.size, media_folder, name, where)
                yield key, (NAME, name)
            elif (kind := _kind(ending)) and info.size <= LONGEST_TEXT:
                words = _words(_plain(content.read(), ending, where), kind, where)
                yield key, (_column(ending), Aside(words) if _is_aside(ending) else words)
        except MalformedRow as error:
            yield key, AsideMember(str(error)) if _is_aside(ending) else error


@dataclass(frozen=True)
class Aside:
    """The words of a member with a longer ending: they count where the sample has none of that name."""

    words: Any


class AsideMember(MalformedRow):
    """A further member cannot be read; its sample can, unless no other member has the columns that are wanted."""


def _is_aside(ending: str) -> bool:
    """Whether a member of words has a longer ending than the sample's own, as 01.ocr.txt and 01.meta.json."""
    return bool(_kind(ending)) and "." in ending.lower().removesuffix(COMPRESSED)


def _kind(ending: str) -> str:
    """`json`, or another ending of words; blank for that of anything else."""
    kind = ending.lower().removesuffix(COMPRESSED).rpartition(".")[2]
    return kind if kind in ("json", *PLAIN) else ""


def _column(ending: str) -> str:
    """What a member of words is called: `caption` of 01.caption.txt, `txt` of 01.txt; `json` whatever stands before."""
    name = ending.lower().removesuffix(COMPRESSED)
    return "json" if _kind(ending) == "json" else name.rpartition(".")[0].lstrip("@") or name


def _plain(data: bytes, ending: str, where: str) -> bytes:
    """The bytes of a member that may be compressed."""
    if not ending.lower().endswith(COMPRESSED):
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            plain = file.read(LONGEST_TEXT + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise MalformedRow(f"{where}: cannot be decompressed ({str(error)[:80]}). It is left out.") from error
    if len(plain) > LONGEST_TEXT:
        raise MalformedRow(f"{where}: more than {LONGEST_TEXT:,} bytes of words. It is left out.")
    return plain


def _words(data: bytes, ending: str, where: str) -> Any:
    try:
        return json.loads(data) if ending == "json" else data.decode("utf-8-sig")
    except (ValueError, RecursionError) as error:
        raise MalformedRow(f"{where}: is not {ending} ({str(error)[:80]}). It is left out.") from error


def _record(where: str, members: list[tuple[str, Any] | MalformedRow], columns: Columns) -> Record | MalformedRow:
    """All members of a sample as one record; keys of the .json are columns."""
    record: dict[str, Any] = {}
    plain: dict[str, Any] = {}
    unread = [member for member in members if isinstance(member, MalformedRow)]
    if own := next((error for error in unread if not isinstance(error, AsideMember)), None):
        return own
    given = [member for member in members if not isinstance(member, MalformedRow)]
    for column, value in [one for one in given if not isinstance(one[1], Aside)]:
        if column == NAME and NAME in record:  # 0001.mp4 and 0001.wav: the first counts
            continue
        record |= _columns_of(column, value)
        plain |= {column: value} if column in PLAIN else {}
    for column, aside in [one for one in given if isinstance(one[1], Aside)]:
        record = _columns_of(column, aside.words) | record
        plain = ({column: aside.words} if column in PLAIN else {}) | plain
    first = next((name for name in PLAIN if name in plain), None)
    if first is not None:
        record[TEXT] = plain[first]
    record = with_nested(record, columns)
    lacking = columns.missing(record)
    if lacking and unread:
        return unread[0]
    if lacking:
        what = "no media file" if NAME in lacking else f"no {lacking[0]!r}"
        found = ", ".join(map(str, list(record)[:8])) or "nothing"
        return MalformedRow(f"{where}: {what} in this sample (found: {found}). Name the words: --columns text=KEY.")
    return record


def _columns_of(column: str, value: Any) -> dict[str, Any]:
    """A member as columns: each key of a .json; the file of a sample is a member, never its word."""
    if column == "json" and isinstance(value, dict):
        return {key: each for key, each in value.items() if key != NAME}
    return {column: value}
