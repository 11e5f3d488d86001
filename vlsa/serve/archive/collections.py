"""Collections: moments that people keep, in an order, with notes. One SQLite file for all indexes of a page.

Read and written by routes/collections.py; kept_moments.py finds the moments again. A moment is kept by the name of its
index, its path, the digest of its file and its times, so that it is found again after indexing anew, or after the file
was moved. What is acknowledged is on the disk (WAL, synchronous FULL). What is deleted stays for KEPT_SECONDS and can
be restored.
"""

import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vlsa.base.errors import VlsaError
from vlsa.serve.http.problems import StorageError

KEPT_SECONDS = 30 * 86_400.0
"""How long a deleted collection or moment can be restored."""
MOST_COLLECTIONS, MOST_ITEMS = 1_000, 10_000
"""In all, and in one collection."""
LONGEST_NAME, LONGEST_NOTE = 200, 10_000
SCHEMA = """
CREATE TABLE IF NOT EXISTS collections (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL, deleted REAL);
CREATE TABLE IF NOT EXISTS items (
    id TEXT PRIMARY KEY, collection TEXT NOT NULL REFERENCES collections ON DELETE CASCADE, position INTEGER NOT NULL,
    index_name TEXT NOT NULL, path TEXT NOT NULL, content TEXT NOT NULL, start_ms INTEGER NOT NULL,
    stop_ms INTEGER NOT NULL, note TEXT NOT NULL, added REAL NOT NULL, deleted REAL);
CREATE INDEX IF NOT EXISTS items_of ON items (collection, position);
"""
VERSION = 1


@dataclass(frozen=True)
class Place:
    """What a moment is kept by."""

    index_name: str
    path: str
    """Relative to the source of the index, as it was when the moment was kept."""
    content: str
    """Digest of the bytes of the file; empty where it is not known."""
    start_ms: int
    stop_ms: int


@dataclass(frozen=True)
class Item:
    """A moment of a collection."""

    id: str
    place: Place
    note: str
    added_at: str
    """ISO 8601 in UTC."""


@dataclass(frozen=True)
class Collection:
    """Moments in their order."""

    id: str
    name: str
    created_at: str
    updated_at: str
    items: tuple[Item, ...]


class Collections:
    """All collections of a page. Safe in threads; several processes may share the file, which the first use opens."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._opened: sqlite3.Connection | None = None

    @property
    def _database(self) -> sqlite3.Connection:
        """The open file; for who holds the lock. Raises VlsaError."""
        if self._opened is None:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._opened = _opened(self.path)
            except (sqlite3.Error, OSError) as error:
                raise StorageError(
                    f"{self.path}: collections cannot be kept there ({error}). Check the rights and the free space, "
                    "or move the file away."
                ) from error
        return self._opened

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
            self._opened = None

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """One step: all of it is on the disk at the end, or nothing. Raises VlsaError."""
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                try:
                    yield self._database
                    self._database.execute("COMMIT")
                finally:
                    if self._database.in_transaction:  # also when it could not be committed, as on a full disk
                        self._database.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise StorageError(
                    f"{self.path}: the collections could not be changed ({error}); they are as before. Try again."
                ) from error

    def _rows(self, query: str, *values: object) -> list[tuple]:
        with self._lock:
            try:
                return self._database.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise StorageError(f"{self.path}: the collections could not be read ({error}). Try again.") from error

    def all(self) -> list[Collection]:
        """Every collection that is not deleted, the one that was changed last first."""
        found = self._rows("SELECT id FROM collections WHERE deleted IS NULL ORDER BY updated DESC, rowid DESC")
        return [one for (id,) in found if (one := self.find(id)) is not None]

    def find(self, id: str) -> Collection | None:
        """A collection that is not deleted; None where there is none."""
        query = "SELECT name, created, updated FROM collections WHERE id = ? AND deleted IS NULL"
        found = self._rows(query, id)
        if not found:
            return None
        name, created, updated = found[0]
        return Collection(id, name, _utc(created), _utc(updated), self._items(id))

    def _items(self, collection: str) -> tuple[Item, ...]:
        columns = "id, index_name, path, content, start_ms, stop_ms, note, added"
        query = f"SELECT {columns} FROM items WHERE collection = ? AND deleted IS NULL ORDER BY position, rowid"
        rows = self._rows(query, collection)
        return tuple(Item(id, Place(*place), note, _utc(added)) for id, *place, note, added in rows)

    def create(self, name: str) -> str:
        """A new collection; returns its id. Raises VlsaError for a name that cannot be one."""
        name, now, id = checked_name(name), time.time(), secrets.token_hex(8)
        with self._changing() as database:
            (count,) = database.execute("SELECT count(*) FROM collections WHERE deleted IS NULL").fetchone()
            if count >= MOST_COLLECTIONS:
                raise VlsaError(f"collections: there are {count}, as many as can be. Delete some.")
            database.execute("INSERT INTO collections VALUES (?, ?, ?, ?, NULL)", (id, name, now, now))
        return id

    def rename(self, id: str, name: str) -> bool:
        """Give a collection another name. False where there is none."""
        name = checked_name(name)
        with self._changing() as database:
            changed = database.execute("UPDATE collections SET name = ? WHERE id = ? AND deleted IS NULL", (name, id))
            return _touched(database, id) if changed.rowcount else False

    def delete(self, id: str) -> bool:
        """Put a collection away, so that it can be restored for a time. False where there is none."""
        with self._changing() as database:
            query = "UPDATE collections SET deleted = ? WHERE id = ? AND deleted IS NULL"
            return database.execute(query, (time.time(), id)).rowcount > 0

    def restore(self, id: str) -> bool:
        """Bring a deleted collection back. False where there is none."""
        with self._changing() as database:
            query = "UPDATE collections SET deleted = NULL WHERE id = ? AND deleted IS NOT NULL"
            return database.execute(query, (id,)).rowcount > 0

    def add(self, id: str, place: Place, note: str = "") -> str | None:
        """Keep a moment at the end of a collection; returns the id of the item, None without such a collection."""
        note, now, item = checked_note(note), time.time(), secrets.token_hex(8)
        with self._changing() as database:
            if not _touched(database, id):
                return None
            query = "SELECT count(*), coalesce(max(position), -1) FROM items WHERE collection = ? AND deleted IS NULL"
            count, last = database.execute(query, (id,)).fetchone()
            if count >= MOST_ITEMS:
                raise VlsaError(f"collections: this one holds {count} moments, as many as can be. Begin another one.")
            kept = place.index_name, place.path, place.content, place.start_ms, place.stop_ms
            row = (item, id, last + 1, *kept, note, now)
            database.execute("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)", row)
        return item

    def change(self, id: str, item: str, *, note: str | None = None, position: int | None = None) -> bool:
        """Give an item another note, or another place in the order (0 = first). False where there is none."""
        with self._changing() as database:
            order = _order(database, id)
            if item not in order or not _touched(database, id):
                return False
            if note is not None:
                database.execute("UPDATE items SET note = ? WHERE id = ?", (checked_note(note), item))
            if position is not None:
                order.remove(item)
                order.insert(max(position, 0), item)
                _reorder(database, order)
            return True

    def remove(self, id: str, item: str) -> bool:
        """Put an item away, so that it can be restored for a time. False where there is none."""
        with self._changing() as database:
            if item not in _order(database, id):
                return False
            database.execute("UPDATE items SET deleted = ? WHERE id = ?", (time.time(), item))
            return _touched(database, id)

    def restore_item(self, id: str, item: str) -> bool:
        """Bring a removed item back to its place. False where there is none."""
        with self._changing() as database:
            query = "UPDATE items SET deleted = NULL WHERE id = ? AND collection = ? AND deleted IS NOT NULL"
            changed = database.execute(query, (item, id))
            return _touched(database, id) if changed.rowcount else False


def _opened(path: Path) -> sqlite3.Connection:
    """The file, with its tables, and without what was deleted KEPT_SECONDS ago. Raises sqlite3.Error."""
    database = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
    for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        database.execute(f"PRAGMA {setting}")
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise sqlite3.DatabaseError(f"written by a later vlsa, version {version}")
    database.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version={VERSION}; COMMIT;")
    for table in ("items", "collections"):
        database.execute(f"DELETE FROM {table} WHERE deleted < ?", (time.time() - KEPT_SECONDS,))
    return database


def _order(database: sqlite3.Connection, id: str) -> list[str]:
    """The items of a collection that is not deleted, in their order."""
    query = (
        "SELECT items.id FROM items JOIN collections ON collections.id = items.collection WHERE collections.id = ? "
        "AND collections.deleted IS NULL AND items.deleted IS NULL ORDER BY position, items.rowid"
    )
    return [item for (item,) in database.execute(query, (id,))]


def _reorder(database: sqlite3.Connection, order: Sequence[str]) -> None:
    numbered = [(position, item) for position, item in enumerate(order)]
    database.executemany("UPDATE items SET position = ? WHERE id = ?", numbered)


def _touched(database: sqlite3.Connection, id: str) -> bool:
    """Record that a collection is changed now. False where there is none."""
    query = "UPDATE collections SET updated = ? WHERE id = ? AND deleted IS NULL"
    return database.execute(query, (time.time(), id)).rowcount > 0


def checked_name(name: str) -> str:
    """A name for a collection, without blanks at its ends. Raises VlsaError."""
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not _is_text(name):
        raise VlsaError(f"collections: {name[:40]!r} cannot be a name; write 1 to {LONGEST_NAME} letters.")
    return name


def checked_note(note: str) -> str:
    """A note that can be kept. Raises VlsaError."""
    if len(note) > LONGEST_NOTE or not _is_text(note):
        raise VlsaError(f"collections: the note cannot be kept; write at most {LONGEST_NOTE:,} letters.")
    return note


def _is_text(text: str) -> bool:
    """Whether SQLite can keep it: no half characters, and nothing that would end it early."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
