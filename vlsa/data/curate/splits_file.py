"""Other splits of a store, in a file next to it: the store stays as it is, and its clips are read through the file.

{"format": "vlsa-splits", "version": 1, "store": "../store", "made_by": {...}}
{"id": "cat-1", "split": "train", "group": 0}

The store is relative to the folder of the file. A clip that no line names is left out. Wherever a store is expected as
--data, such a file can stand. Written by splits.py; read by loading/dataset.py and the commands of `vlsa data`.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlsa.base.errors import StoreError
from vlsa.base.files import read_json_lines, write_json_lines
from vlsa.data.clip import Clip
from vlsa.data.ingest.manifest import SPLITS, Rejection
from vlsa.data.store.reader import ClipStore, StoredClip
from vlsa.data.store.shards import StoreSettings

FORMAT, VERSION = "vlsa-splits", 1


class ResplitStore:
    """A store whose clips have the splits of a file. It has what `ClipStore` has for readers."""

    def __init__(self, store: ClipStore, splits: dict[str, str], path: Path) -> None:
        self.store, self.splits_path = store, path
        self._splits = splits

    @property
    def path(self) -> Path:
        """The folder of the store."""
        return self.store.path

    @property
    def settings(self) -> StoreSettings:
        """Those of the store."""
        return self.store.settings

    @property
    def rejections(self) -> Sequence[Rejection]:
        """Those of the store."""
        return self.store.rejections

    def __len__(self) -> int:
        return len(self._splits)

    def rows(self, split: str | None = None) -> list[StoredClip]:
        """The clips of a split (None = all), in the order of the store. Raises StoreError for an unknown split."""
        if split not in (None, *SPLITS):
            raise StoreError(f"{self.splits_path}: no split named {split!r}. Known: {', '.join(SPLITS)}.")
        found = ((clip, self._splits.get(clip.id)) for clip in self.store.rows())
        return [replace(clip, split=own) for clip, own in found if own is not None and split in (None, own)]

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


def open_clips(path: str | Path) -> ClipStore | ResplitStore:
    """A store, or a store with the splits of a file. Raises StoreError."""
    return read_splits(Path(path)) if Path(path).is_file() else ClipStore.open(path)


def write_splits(path: Path, store: ClipStore, rows: Iterable[dict[str, Any]], made_by: dict[str, Any]) -> None:
    """Write {id, split, group} rows for a store."""
    where = os.path.relpath(store.path.absolute(), path.absolute().parent)
    head = {"format": FORMAT, "version": VERSION, "store": where, "made_by": made_by}
    write_json_lines(path, [head, *rows])


def read_splits(path: Path) -> ResplitStore:
    """The store that a file names, with its splits.

    Raises StoreError: not such a file, of another version, a store that cannot be opened, a clip that it does not have
    or that is named twice, an unknown split.
    """
    not_splits = StoreError(
        f"{path}: not a list of clips, and not a splits file (its first line is not that of `vlsa data split`). "
        "Give a store, or a file made by `vlsa data split STORE --out FILE`."
    )
    try:
        head, *lines = read_json_lines(path)
        if not isinstance(head, dict) or head.get("format") != FORMAT:
            raise not_splits
        if head.get("version") != VERSION:
            raise StoreError(f"{path}: splits of version {head.get('version')!r:.20}; this vlsa reads {VERSION}.")
        splits = [(line["id"], line["split"]) for line in lines]
        store_path = Path(path.parent, head["store"])
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise not_splits from error
    store = ClipStore.open(os.path.normpath(store_path))
    _check(path, splits, store)
    return ResplitStore(store, dict(splits), path)


def _check(path: Path, splits: list[tuple[Any, Any]], store: ClipStore) -> None:
    known = {clip.id for clip in store.rows()}
    for number, (name, split) in enumerate(splits, 2):
        if split not in SPLITS or not isinstance(name, str) or name not in known:
            raise StoreError(
                f"{path}:{number}: {name!r:.80} in {split!r:.20}: no clip of {store.path}, or no split; scores would "
                f"be of other clips. Splits are {', '.join(SPLITS)}; make the file again if the store changed."
            )
    if len(dict(splits)) < len(splits):
        raise StoreError(f"{path}: names a clip twice; one of its splits would be hidden. Name each once.")
