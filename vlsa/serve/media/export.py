"""Moments as files for other programs: tables, subtitles, edit lists, or clips in a zip.

Tasks of a process that may die (jobs.py), which call search/export; feeds routes/export.py.
"""

import io
import os
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vlsa.base.errors import MediaError
from vlsa.retrieve.search.moments import Moment

LEFT_OUT_NAME = "left_out.txt"
"""In the zip: a line for each moment that could not be cut or written."""


@dataclass(frozen=True)
class Footage:
    """The source of an index, and what files of it are called in what is written."""

    name: str
    folder: str


@dataclass(frozen=True)
class WrittenMoments:
    """Moments of some indexes in one of the forms of search/export/write.py.

    Of one index paths are relative to its source, of several they begin with the name of the index. Only timelines
    need places on the disk; with `is_local` they have them, else the same relative paths.
    """

    moments: tuple[tuple[Footage, Moment], ...]
    suffix: str
    title: str
    is_local: bool

    def run(self) -> dict[str, bytes]:
        """The bytes by the name of the file, LEFT_OUT_NAME among them if a file cannot be read.

        Raises MediaError if none can be, VlsaError.
        """
        from vlsa.retrieve.search.export.write import write_moments

        sources = {footage.name: footage.folder for footage, _ in self.moments}
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder, "sources")
            root.mkdir()
            for name, source in sources.items():
                os.symlink(source, root / name)
            moments = [one if len(sources) == 1 else _below(footage.name, one) for footage, one in self.moments]
            start = next(iter(sources.values()), folder) if len(sources) < 2 else str(root)
            missing: list[tuple[str, MediaError]] = []
            out = Path(folder, f"moments{self.suffix}")
            paths = write_moments(
                moments, out, start, self.title, lambda moment, error: missing.append((_label(moment), error))
            )
            texts = {path.name.replace("moments", "", 1): path.read_bytes().decode() for path in paths}
        files = {self.title + name: self._placed(text, root, sources).encode() for name, text in texts.items()}
        return files | ({LEFT_OUT_NAME: _left_out(missing).encode()} if missing else {})

    def _placed(self, text: str, root: Path, sources: dict[str, str]) -> str:
        """A text whose links lead to the footage: by its place on this disk, or relative to it."""
        for name, source in sources.items():
            there = f"{Path(source).absolute().as_uri()}/"
            if len(sources) > 1:
                text = text.replace(f"{(root / name).as_uri()}/", there if self.is_local else f"{name}/")
            elif not self.is_local:
                text = text.replace(there, "")
        return text


def _below(name: str, moment: Moment) -> Moment:
    return moment if os.path.isabs(moment.path) else replace(moment, path=f"{name}/{moment.path}")


@dataclass(frozen=True)
class CutMoment:
    """A moment cut into a clip of its own in a folder."""

    footage: Footage
    moment: Moment
    folder: str
    exact: bool

    def run(self) -> str:
        """The path of the clip. Raises MediaError."""
        from vlsa.retrieve.search.export.cut import cut_moments

        (cut,) = cut_moments([self.moment], self.footage.folder, Path(self.folder), exact=self.exact)
        return str(cut.path)


def zip_bytes(files: dict[str, bytes]) -> bytes:
    """Files as a zip."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def zip_of_clips(outcomes: Iterator[Any], labels: Sequence[str]) -> Iterator[bytes]:
    """The bytes of a zip, piece by piece, as the clips are made; each clip is deleted when it is in.

    outcomes: the path of each clip, or the MediaError why there is none, in the order of `labels`. What could not be
    cut is in the text LEFT_OUT_NAME of the zip. Raises MediaError, before the first byte, where nothing could be cut.
    """
    sink, missing, num_cut = _Sink(), [], 0
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for label, outcome in zip(labels, outcomes, strict=True):
            if isinstance(outcome, MediaError):
                missing.append((label, outcome))
                continue
            num_cut += 1
            yield from _add(archive, sink, Path(outcome))
        if not num_cut and missing:
            raise missing[0][1]
        if missing:
            archive.writestr(LEFT_OUT_NAME, _left_out(missing))
    yield sink.taken()


def _left_out(missing: Sequence[tuple[str, MediaError]]) -> str:
    return "".join(f"{label}: {error.reason}\n" for label, error in missing)


def _label(moment: Moment) -> str:
    return f"{moment.rank:03d} {moment.path}"


def _add(archive: zipfile.ZipFile, sink: "_Sink", path: Path) -> Iterator[bytes]:
    with path.open("rb") as clip, archive.open(path.name, "w", force_zip64=True) as entry:
        while piece := clip.read(1 << 18):
            entry.write(piece)
            yield sink.taken()
    path.unlink()


class _Sink(io.RawIOBase):
    """Where a zip is written that is sent on at once: it cannot be read or gone back in."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        """Keep a piece until it is taken."""
        self._pieces.append(bytes(piece))
        return len(piece)

    def taken(self) -> bytes:
        """All that was written since."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
