"""Other splits of a store, in a file next to it: the store stays as it is, and its clips are read through the file.

{"format": "vlsa-splits", "version": 1, "store": "../store", "made_by": {...}, "column": {...}}
{"id": "cat-1", "split": "train", "group": 0}

The store is relative to the folder of the file. A clip that no line names is left out. Wherever a store is expected as
--data, such a file can stand. The column (splits_column.py) says the same as the lines, so that none of them, and no
record of the store, is read when the file is opened; where lines or store have changed, the lines count. Written by
splits.py; read by loading/dataset.py and the commands of `vlsa data`.
"""

import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, overload

import numpy as np

from vlsa.base.errors import StoreError
from vlsa.base.files import json_line, read_json_lines, write_atomically
from vlsa.data.clip import Clip, RowFacts
from vlsa.data.curate.splits_column import LEFT_OUT, SplitsColumn, column_of, disagreeing, known_column
from vlsa.data.ingest.manifest import SPLITS, Rejection
from vlsa.data.store.clip_index import NO_CLIP
from vlsa.data.store.clip_rows import ClipRows
from vlsa.data.store.index_build import id_hash
from vlsa.data.store.objects import is_address
from vlsa.data.store.place import Place
from vlsa.data.store.reader import ClipStore, StoredClip
from vlsa.data.store.shards import StoreSettings

FORMAT, VERSION = "vlsa-splits", 1


class ResplitRows(Sequence[StoredClip]):
    """Clips of a store, each made with its split when it is asked for: nothing but numbers goes to another process."""

    def __init__(
        self, rows: ClipRows, numbers: np.ndarray, codes: np.ndarray, digests: tuple[str, str | None] | None = None
    ) -> None:
        self._rows, self._numbers, self._codes = rows, numbers, codes
        self.digests = digests
        """Of facts and of media (`digests_of`); None where they are not known without reading all clips."""

    def __len__(self) -> int:
        return len(self._numbers)

    def __repr__(self) -> str:
        return f"ResplitRows({len(self)} clips)"

    @overload
    def __getitem__(self, item: int) -> StoredClip: ...
    @overload
    def __getitem__(self, item: slice) -> "ResplitRows": ...
    def __getitem__(self, item: int | slice) -> "StoredClip | ResplitRows":
        if isinstance(item, slice):
            return ResplitRows(self._rows, self._numbers[item], self._codes)
        number = int(self._numbers[item])
        return replace(self._rows[number], split=SPLITS[self._codes[number]])

    def facts(self) -> RowFacts:
        """Lengths and modalities of all of these clips, by columns."""
        return self._rows.facts(self._numbers)

    def sources(self) -> list[str]:
        """The media file of each clip; each file is looked up once."""
        return self._rows.sources(self._numbers)


class ResplitStore:
    """A store whose clips have the splits of a file. It has what `ClipStore` has for readers."""

    def __init__(self, store: ClipStore, column: SplitsColumn, path: Path) -> None:
        self.store, self.splits_path = store, path
        self._codes, self._digests = column.codes, column.digests

    @property
    def path(self) -> Path | str:
        """The folder, or the address, of the store."""
        return self.store.path

    @property
    def place(self) -> Place:
        """That of the store."""
        return self.store.place

    @property
    def settings(self) -> StoreSettings:
        """Those of the store."""
        return self.store.settings

    @property
    def rejections(self) -> Sequence[Rejection]:
        """Those of the store."""
        return self.store.rejections

    def __len__(self) -> int:
        return int((self._codes != LEFT_OUT).sum())

    def rows(self, split: str | None = None) -> ResplitRows:
        """The clips of a split (None = all), in the order of the store. Raises StoreError for an unknown split."""
        if split not in (None, *SPLITS):
            raise StoreError(f"{self.splits_path}: no split named {split!r}. Known: {', '.join(SPLITS)}.")
        chosen = self._codes != LEFT_OUT if split is None else self._codes == SPLITS.index(split)
        numbers = np.flatnonzero(chosen).astype(np.uint32)
        return ResplitRows(self.store.rows(), numbers, self._codes, self._digests.get(split or ""))

    def texts(self, split: str | None = None) -> Iterable[str]:
        """Every text of a split, clip by clip."""
        return (text for clip in self.rows(split) for text in clip.texts)

    def media_path(self, clip: StoredClip) -> str:
        """The absolute path of a clip's media file."""
        return self.store.media_path(clip)

    def read(
        self,
        clip: StoredClip,
        *,
        frame_indices: Sequence[int] | None = None,
        sound_range: tuple[int, int] | None = None,
    ) -> Clip:
        """Decode a clip, or the asked part of it only, as `ClipStore.read`."""
        return self.store.read(clip, frame_indices=frame_indices, sound_range=sound_range)


def open_clips(path: str | Path, check: bool = False) -> ClipStore | ResplitStore:
    """A store, or a store with the splits of a file; `check` as in `read_splits`. Raises StoreError."""
    return read_splits(Path(path), check) if not is_address(path) and Path(path).is_file() else ClipStore.open(path)


def write_splits(path: Path, store: ClipStore, rows: Iterable[dict[str, Any]], made_by: dict[str, Any]) -> None:
    """Write {id, split, group} rows for a store. Raises StoreError for a clip that it lacks, or that is named twice."""
    own = os.fspath(store.path)
    where = own if is_address(own) else os.path.relpath(os.path.abspath(own), path.absolute().parent)
    listed = list(rows)
    lines = b"".join(json_line(row) for row in listed)
    codes = _codes_of_clips(path, *_hashed(iter(listed)), store, listed.__getitem__)
    column = column_of(store, codes).as_json(store, lines)
    head = {"format": FORMAT, "version": VERSION, "store": where, "made_by": made_by}
    write_atomically(path, json_line(head | {"column": column}) + lines)


def read_splits(path: Path, check: bool = False) -> ResplitStore:
    """The store that a file names, with its splits; `check`: by its lines, whatever the column says.

    Raises StoreError: not such a file, of another version, a store that cannot be opened, a clip that it does not have
    or that is named twice, an unknown split, a column that says something else than the lines.
    """
    not_splits = StoreError(
        f"{path}: not a list of clips, and not a splits file (its first line is not that of `vlsa data split`). "
        "Give a store, or a file made by `vlsa data split STORE --out FILE`."
    )
    try:
        lines = _filled_lines(path)
        head = next(lines)
        if not isinstance(head, dict) or head.get("format") != FORMAT:
            raise not_splits
        if head.get("version") != VERSION:
            raise StoreError(f"{path}: splits of version {head.get('version')!r:.20}; this vlsa reads {VERSION}.")
        store_path = head["store"] if is_address(head["store"]) else os.path.normpath(Path(path.parent, head["store"]))
    except (OSError, ValueError, TypeError, LookupError, StopIteration) as error:
        raise not_splits from error
    store = ClipStore.open(store_path)
    try:
        column = known_column(path, head, store)
        hashed = _hashed(lines) if column is None or check else None
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise not_splits from error
    if hashed is not None:
        codes = _codes_of_clips(path, *hashed, store, lambda line: _line(path, line))
        if column is not None and not np.array_equal(column.codes, codes):
            raise disagreeing(path)
        column = column or SplitsColumn(codes, {})
    assert column is not None
    return ResplitStore(store, column, path)


def _hashed(lines: Iterator[Any]) -> tuple[np.ndarray, np.ndarray]:
    """The hash of each line's id, and its split by its place in SPLITS; LEFT_OUT for a line with none of these.

    Nine bytes a line are kept of it, since there may be millions.
    """
    hashes, codes = array("Q"), array("b")
    for line in lines:
        name, split = line["id"], line["split"]
        is_known = split in SPLITS and isinstance(name, str) and not _has_half_character(name)
        hashes.append(id_hash(name) if is_known else 0)
        codes.append(SPLITS.index(split) if is_known else LEFT_OUT)
    return np.array(hashes, np.uint64), np.array(codes, np.int8)


def _has_half_character(name: str) -> bool:
    return not name.isascii() and any("\ud800" <= letter <= "\udfff" for letter in name)


def _codes_of_clips(
    path: Path, hashes: np.ndarray, codes: np.ndarray, store: ClipStore, line_of: Callable[[int], Any]
) -> np.ndarray:
    """The place of each clip's split in SPLITS, int8, in the order of the store; LEFT_OUT where no line names it.

    By the column of hashes of the store: no record of a clip is read, unless two clips of the store have one hash.
    """
    numbers = store.rows().places_of(hashes, lambda line: str(line_of(line)["id"]))
    numbers[codes == LEFT_OUT] = NO_CLIP
    found = np.full(len(store), LEFT_OUT, np.int8)
    firsts = np.full(len(store), len(numbers), np.int64)
    named = np.flatnonzero(numbers != NO_CLIP)
    np.minimum.at(firsts, numbers[named], named)
    is_double = firsts[numbers[named]] != named
    wrong = np.union1d(np.flatnonzero(numbers == NO_CLIP)[:1], named[is_double][:1])
    if len(wrong):
        raise _refused(path, int(wrong[0]), numbers, store, line_of)
    found[numbers] = codes
    return found


def _refused(path: Path, line: int, numbers: np.ndarray, store: ClipStore, line_of: Callable[[int], Any]) -> StoreError:
    """What is wrong with a line of the list (0 = the first behind the head)."""
    if numbers[line] != NO_CLIP:
        return StoreError(f"{path}: names a clip twice; one of its splits would be hidden. Name each once.")
    value = line_of(line)
    return StoreError(
        f"{path}:{line + 2}: {value['id']!r:.80} in {value['split']!r:.20}: no clip of {store.path}, or no split; "
        f"scores would be of other clips. Splits are {', '.join(SPLITS)}; make the file again if the store changed."
    )


def _line(path: Path, number: int) -> Any:
    return next(islice(_filled_lines(path), number + 1, None))


def _filled_lines(path: Path) -> Iterator[Any]:
    """Without blank ones, as editors leave them at the end."""
    return (line for line in read_json_lines(path) if line is not None)
