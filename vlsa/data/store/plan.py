"""Which clips are in which shard: fixed before anything is decoded, and written down in the store.

    STORE/manifest.jsonl         the clips that the store began with, in the order of its shards
    STORE/manifest-0001.jsonl    those that `prepare --add` added first, and so on
    STORE/sources.jsonl          size and time of each media file when its clips were planned

A store is given clips once: those of a file that has changed are not replaced in silence. Used by prepare.py.
"""

import hashlib
import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from vlsa.base.errors import StoreError
from vlsa.base.files import LOCK_NAME
from vlsa.config import overrides as settings_json
from vlsa.data.ingest import manifest
from vlsa.data.ingest.manifest import TEXT_KINDS, ClipRow
from vlsa.data.ingest.shots import FOLDER_NAME as SCENES
from vlsa.data.media.text_files import one_line
from vlsa.data.media.transcripts import FOLDER_NAME as TRANSCRIPTS
from vlsa.data.store import gone_files, sources
from vlsa.data.store.holding import PART_LOCKS
from vlsa.data.store.reader import ClipStore
from vlsa.data.store.shard_index import read_shard_index
from vlsa.data.store.shards import (
    StoreSettings,
    header_settings,
    index_path,
    read_header,
    shard_path,
    write_header,
    writing,
)
from vlsa.data.store.summary import REPORT_NAME

MADE = ("manifest*.jsonl", sources.NAME)
"""What is written down of a plan."""
FEWEST_CLIPS_PER_SHARD, MOST_SMALL_SHARDS = 16, 64
MOST_NAMED = 3


@dataclass(frozen=True)
class Plan:
    """The clips of a store in the order of its shards."""

    groups: tuple[tuple[ClipRow, ...], ...]
    """The clips that it began with, then those of each addition."""
    num_new: int = 0
    """How many of the last group are not in a finished store yet."""

    @property
    def num_rows(self) -> int:
        """Of all groups."""
        return sum(map(len, self.groups))

    def shards(self, clips_per_shard: int) -> list[tuple[ClipRow, ...]]:
        """The rows of each shard; no shard has rows of two groups."""
        return [group[first:last] for group in self.groups for first, last in shard_bounds(len(group), clips_per_shard)]

    def header(self, settings: StoreSettings, base: str) -> dict[str, Any]:
        """What store.json says of it."""
        added = {"added": [len(group) for group in self.groups[1:]]} if self.groups[1:] else {}
        counts = {"num_shards": len(self.shards(settings.clips_per_shard)), "num_rows": self.num_rows}
        return {**counts, "manifest_digest": _digest(self.groups[0]), **added, "base": base}


def shard_bounds(num_rows: int, clips_per_shard: int) -> list[tuple[int, int]]:
    """First and last + 1 row of each shard: by the number of rows alone, never by the machine.

    Small sets get up to 64 shards of at least 16 clips, so that all workers have work.
    """
    small = max(math.ceil(num_rows / MOST_SMALL_SHARDS), FEWEST_CLIPS_PER_SHARD)
    size = min(clips_per_shard, small)
    return [(first, min(first + size, num_rows)) for first in range(0, num_rows, size)]


def new_plan(store_path: Path, rows: Sequence[ClipRow], settings: StoreSettings) -> Plan:
    """Make an empty folder a store of these rows. Raises StoreError for a folder with something else in it."""
    mine = (REPORT_NAME, LOCK_NAME, PART_LOCKS, SCENES, TRANSCRIPTS, *MADE)
    if any(not any(fnmatch(path.name, name) for name in mine) for path in store_path.iterdir()):
        raise StoreError(
            f"{store_path}: not empty and not a clip store; files in it could be mixed up with a store's. "
            "Name a new folder."
        )
    plan = Plan((tuple(rows),), num_new=len(rows))
    with writing(store_path):
        sources.remember(store_path, rows)
        manifest.write(_manifest_path(store_path, 0), rows)
    write_header(store_path, settings, **plan.header(settings, os.getcwd()))
    return plan


def known_plan(store_path: Path, rows: Sequence[ClipRow], settings: StoreSettings, add: bool) -> Plan:
    """The plan of a store that exists, with the paths of `rows`; `add`: and those of `rows` that are not in it.

    With `add` clips of files that are gone stay. Raises StoreError: made with other settings; clips that are gone, or
    files or clips that have changed; others without `add`.
    """
    header = read_header(store_path)
    old, new = (settings_json.to_dict(one) for one in (header_settings(header), settings))
    if changed := [f"{name} {old[name]} -> {new[name]}" for name in new if old[name] != new[name]]:
        raise _refused(store_path, f"made with other settings: {', '.join(changed)}")
    recorded = _recorded(store_path, header, rows, add)
    gone = gone_files.rows_of_gone_files(recorded, rows, header.get("base", "")) if add else []
    now = {row.id: row for row in (*rows, *gone)}
    known = {row.id for group in recorded for row in group}
    fresh = _settled([row for row in rows if row.id not in known], recorded, now)
    may_move = bool(add or fresh or len(recorded) > 1)
    kept = [row for row in rows if row.id in known]
    faults = [*_differences(recorded, now, may_move, add), *sources.changed_files(store_path, kept)]
    if faults:
        newer = "(or this version of vlsa reads them in another way: CHANGELOG.md)"
        raise _refused(store_path, f"made of other footage: {'; '.join(faults)} {newer}")
    groups = [tuple(replace(row, path=now[row.id].path) for row in group) for group in recorded]
    _check_counts(store_path, header, Plan(tuple(groups)), settings)
    if gone:
        gone_files.keep(store_path, gone, fresh, Plan(tuple(groups)).shards(settings.clips_per_shard))
    if not fresh:
        was_finished = len(groups) > 1 or (store_path / REPORT_NAME).exists()
        return Plan(tuple(groups), num_new=0 if was_finished else len(groups[0]))
    if not add:
        raise StoreError(
            f"{store_path}: does not hold {_named('clip', fresh)}; what was prepared before stays as it is. Add new "
            "files with --add, choose another folder, or prepare again with --restart."
        )
    _plan_addition(store_path, len(groups), fresh, Plan(tuple(groups)), settings)
    return Plan((*groups, fresh), num_new=len(fresh))


def _settled(
    fresh: Sequence[ClipRow], recorded: Sequence[Sequence[ClipRow]], now: dict[str, ClipRow]
) -> tuple[ClipRow, ...]:
    """New rows; of a file whose clips would go to another split today, they go to that of its clips in the store."""
    splits: dict[str, set[str]] = {}
    moved = set()
    for row in (row for group in recorded for row in group if row.id in now):
        today = now[row.id]
        splits.setdefault(today.path, set()).add(row.split)
        if row.split != today.split:
            moved.add(today.path)
    settled = {path: splits[path].pop() for path in moved if len(splits[path]) == 1}
    return tuple(replace(row, split=settled.get(row.path, row.split)) for row in fresh)


def planned_ids(store_path: Path) -> set[str]:
    """The ids of the clips that a store holds or has left out, as far as they are written down; none without a store.

    Raises StoreError, ManifestError.
    """
    if not (store_path / "store.json").exists() or not _manifest_path(store_path, 0).exists():
        return set()
    numbers = range(1 + len(read_header(store_path).get("added", [])))
    return {row.id for number in numbers for row in _read_manifest(store_path, number)}


def commit(store_path: Path, plan: Plan, settings: StoreSettings) -> None:
    """Make added clips a part of the store. Raises StoreError unless their shards are whole and hold them alone."""
    if plan.num_new and len(plan.groups) > 1:
        _check_added(store_path, plan, settings)
        base = read_header(store_path).get("base", os.getcwd())
        write_header(store_path, settings, **plan.header(settings, base))


def _check_added(store_path: Path, plan: Plan, settings: StoreSettings) -> None:
    first = len(Plan(plan.groups[:-1]).shards(settings.clips_per_shard))
    for number, rows in enumerate(plan.shards(settings.clips_per_shard)[first:], first):
        index = read_shard_index(store_path, number)
        if sorted(line.id for line in (*index.clips, *index.rejections)) != sorted(row.id for row in rows):
            raise StoreError(
                f"{shard_path(store_path, number)}: holds other clips than were to be added; the store stays as it was "
                f"before. Delete {index_path(store_path, number).name} next to it and run the same command again."
            )


def _plan_addition(
    store_path: Path, number: int, fresh: tuple[ClipRow, ...], before: Plan, settings: StoreSettings
) -> None:
    """Write down what is to be added; shards of an unfinished addition of other clips, or files, are removed.

    The manifest is last: where it is, the files are written down too, whenever a run is killed.
    """
    path = _manifest_path(store_path, number)
    wanted = [replace(row, path="") for row in fresh]
    is_known = path.exists() and [replace(row, path="") for row in _read_manifest(store_path, number)] == wanted
    if is_known and not any(sources.changed_files(store_path, fresh)):
        return
    first = len(before.shards(settings.clips_per_shard))
    with writing(store_path):
        for shard in _shards_from(store_path, first):
            index_path(store_path, shard).unlink(missing_ok=True)
            shard_path(store_path, shard).unlink(missing_ok=True)
        sources.remember(store_path, fresh)
        manifest.write(path, fresh)


def _shards_from(store_path: Path, first: int) -> list[int]:
    """Numbers of shards that lie behind those of the store."""
    names = (path.stem.removeprefix("shard-") for path in store_path.glob("shards/shard-*"))
    return sorted({int(name) for name in names if name.isdigit() and int(name) >= first})


def _recorded(store_path: Path, header: dict[str, Any], rows: Sequence[ClipRow], add: bool) -> list[list[ClipRow]]:
    """The clips of each group, as they were written down; a store of an earlier version has a digest of them only."""
    if not _manifest_path(store_path, 0).exists():
        rows = _rows_in(store_path, rows) if add else rows
        if header.get("manifest_digest") != _digest(rows):
            counts = f"{header.get('num_rows')} then, {len(rows)} now"
            raise _refused(store_path, f"made of other clips ({counts}), or other times, texts or splits of them")
        with writing(store_path):
            sources.remember(store_path, rows)
            manifest.write(_manifest_path(store_path, 0), rows)
    return [_read_manifest(store_path, number) for number in range(1 + len(header.get("added", [])))]


def _rows_in(store_path: Path, rows: Sequence[ClipRow]) -> list[ClipRow]:
    """Those of the rows that a finished store holds or has rejected, with the splits that it gave them."""
    store = ClipStore.open(store_path)
    splits = {clip.id: clip.split for clip in store.clips} | {line.id: "" for line in store.rejections}
    return [replace(row, split=splits[row.id] or row.split) for row in rows if row.id in splits]


def _read_manifest(store_path: Path, number: int) -> list[ClipRow]:
    path = _manifest_path(store_path, number)
    return manifest.read(path) if not path.exists() or path.stat().st_size else []


def _check_counts(store_path: Path, header: dict[str, Any], plan: Plan, settings: StoreSettings) -> None:
    wanted = plan.header(settings, "")
    if any(header.get(name) != wanted[name] for name in ("num_shards", "num_rows")):
        raise StoreError(
            f"{store_path}: its manifests and its store.json disagree on its clips, so that one of them is damaged. "
            "Restore them from a copy, or prepare again with --restart."
        )


def _digest(rows: Sequence[ClipRow]) -> str:
    """Distinguishes one manifest from another. Paths do not count: the same folder may be named in several ways."""
    facts = [(row.id, row.start_seconds, row.stop_seconds, row.texts, row.split, *_unusual_kind(row)) for row in rows]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _unusual_kind(row: ClipRow) -> tuple[str, ...]:
    """Nothing for captions, so that stores from before there were kinds are known again."""
    return () if row.text_kind == TEXT_KINDS[0] else (row.text_kind,)


def _manifest_path(store_path: Path, number: int) -> Path:
    return store_path / (f"manifest-{number:04d}.jsonl" if number else "manifest.jsonl")


def _differences(
    recorded: Sequence[Sequence[ClipRow]], now: dict[str, ClipRow], may_move: bool, add: bool
) -> Iterator[str]:
    """What is gone, and what has changed. Splits of old clips stay as they are where clips may be added."""
    rows = [row for group in recorded for row in group]
    gone = [row for row in rows if row.id not in now]
    changed = [row for row in rows if row.id in now and not _is_same(row, now[row.id], may_move)]
    if gone:
        where = "listed while their files are there" if add else "there (--add goes on without files that are gone)"
        yield f"{_named('clip', gone)} no longer {where}"
    if changed:
        yield f"{_named('clip', changed)} with other times, texts or splits"


def _is_same(one: ClipRow, other: ClipRow, may_move: bool) -> bool:
    split = one.split if may_move else other.split
    return replace(one, path="", texts=_seen(one)) == replace(other, path="", texts=_seen(other), split=split)


def _seen(row: ClipRow) -> tuple[str, ...]:
    """Texts as they are read now: stores of 0.8 and older have marks in them that nobody sees."""
    return tuple(filter(None, map(one_line, row.texts)))


def _named(what: str, rows: Sequence[ClipRow]) -> str:
    """How many, and of which files."""
    files = list(dict.fromkeys(row.path for row in rows))
    more = ", ..." if len(files) > MOST_NAMED else ""
    return f"{len(rows)} {what}{'s' * (len(rows) != 1)} (of {', '.join(files[:MOST_NAMED])}{more})"


def _refused(store_path: Path, what: str) -> StoreError:
    return StoreError(
        f"{store_path}: {what}; one store cannot mix them. Choose another folder, or prepare again with --restart."
    )
