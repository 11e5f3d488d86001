"""Preparing a store on an object store: the local folder it is made in, who may write it, and what is sent when.

Used by prepare.py. The object store is the truth, and the folder a copy of its small files (local_copy.py): it is made
anew by every run, so that any machine goes on where another one stopped. What is sent, in this order:

    prepare.lock       who writes, from the first moment to the last
    unfinished.json    of a new store: its header, until store.json is there
    sources.jsonl, manifest*.jsonl
    shards             each when it is whole: its tar, then its index; then the local tar is removed
    prepare_report.jsonl, clips.safetensors, and last store.json: now the store can be opened
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from vlsa.base.errors import StoreError
from vlsa.base.files import LOCK_NAME, cache_folder
from vlsa.data.ingest.shots import FOLDER_NAME as SCENES
from vlsa.data.media.transcripts import FOLDER_NAME as TRANSCRIPTS
from vlsa.data.store import given_up
from vlsa.data.store.holding import whole_store
from vlsa.data.store.index_layout import NAME as INDEX_NAME
from vlsa.data.store.local_copy import (
    HEADER_NAME,
    UNFINISHED_NAME,
    fetch_shard_indexes,
    leave_hole,
    naming_address,
    shards_among,
    writing_cache,
)
from vlsa.data.store.objects import Objects, Stored, etag, short_digest
from vlsa.data.store.owner import Owner
from vlsa.data.store.plan import MADE
from vlsa.data.store.shards import index_path, read_header, shard_path
from vlsa.data.store.summary import REPORT_NAME

OWNER_NAME = "prepare.lock"
KEPT = (TRANSCRIPTS, SCENES)
"""Folders of what was found out about media files; of use whatever becomes of the store."""


class Staging:
    """The local folder of a store on an object store. Picklable: the processes that make shards send them."""

    def __init__(self, address: str) -> None:
        """Raises ConfigError for an address that cannot be."""
        self.objects = Objects(address)
        self.address = self.objects.address
        self.folder = cache_folder() / "preparing" / short_digest(self.address)
        self._found: dict[str, Stored] = {}
        self._shards: dict[str, Stored] = {}
        self._owner = Owner(
            objects=self.objects,
            name=OWNER_NAME,
            token_path=self.folder.with_suffix(".owner"),
            error=StoreError,
            what="store",
            harm="two at once would mix their clips",
        )

    def fetch_kept(self) -> Path:
        """The folder, with the transcripts and cuts that the store has. Raises StoreError where it is not reached."""
        with writing_cache(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            for kept in KEPT:
                names = [f"{kept}/{name}" for name in self.objects.list(kept)]
                if missing := [name for name in names if not (self.folder / name).exists()]:
                    self.objects.fetch(missing, self.folder)
        return self.folder

    @contextmanager
    def held(self, restart: bool) -> Iterator[None]:
        """Hold the store, with the folder as a copy of it; `restart`: of nothing, after deleting it.

        Raises StoreError when another run is writing it, or when it is something else than a store.
        """
        with naming_address(self.folder, self.address), whole_store(self.folder), self._owner.held():
            is_done = False
            try:
                with writing_cache(self.folder):
                    self._pull(restart)
                yield
                is_done = True
            finally:
                self._clear(with_crashes=is_done)

    def send_plan(self) -> None:
        """Send what is written down of the clips; shards of other clips are deleted first. Raises StoreError."""
        self._require_held()
        numbers = {number for number, suffix, _ in shards_among(self._shards) if suffix == ".jsonl"}
        planned = {number for number in numbers if index_path(self.folder, number).exists()}
        parts = [(number, suffix) for number, suffix, _ in shards_among(self._shards) if number not in planned]
        self.objects.remove([f"shards/{shard_path('', number).with_suffix(suffix).name}" for number, suffix in parts])
        if HEADER_NAME not in self._found:
            self._send(HEADER_NAME, UNFINISHED_NAME)
        for pattern in reversed(MADE):  # where the list of clips is, their files are written down too
            for path in sorted(self.folder.glob(pattern)):
                self._send(path.name)

    def send_shard(self, number: int) -> None:
        """Send a shard that was made in the folder: its tar, then its index that vouches for it. Raises StoreError."""
        tar, index = shard_path(self.folder, number), index_path(self.folder, number)
        with naming_address(self.folder, self.address):
            self._require_held()
            if tar.exists():
                self.objects.put(tar, f"shards/{tar.name}")
            self.objects.put(index, f"shards/{index.name}")
            if tar.exists():
                leave_hole(tar, tar.stat().st_size)

    def send_result(self) -> None:
        """Send all that makes the shards a store, its header last. Raises StoreError."""
        self._require_held()
        for kept in KEPT:
            there = self.objects.list(kept)
            for path in sorted(self.folder.glob(f"{kept}/*.json")):
                if path.name not in there:
                    self.objects.put(path, f"{kept}/{path.name}")
        for name in (REPORT_NAME, INDEX_NAME, HEADER_NAME):
            self._send(name)
        if UNFINISHED_NAME in self._found:
            self.objects.remove([UNFINISHED_NAME])

    def _send(self, name: str, new_name: str | None = None) -> None:
        """Send a file of the folder, unless it is there with these bytes."""
        path, new_name = self.folder / name, new_name or name
        now = Stored(path.stat().st_size, f'"{etag(path)}"')
        if self._found.get(new_name) != now:
            self._found[new_name] = self.objects.put(path, new_name)

    def _pull(self, restart: bool) -> None:
        self._found, self._shards = self.objects.list(), self.objects.list("shards")
        header = next((name for name in (HEADER_NAME, UNFINISHED_NAME) if name in self._found), None)
        self._clear(with_crashes=restart or header is None)
        if header is None:
            if others := self._found.keys() - {OWNER_NAME}:
                raise StoreError(
                    f"{self.address}: not empty ({min(others)}) and not a clip store; files in it could be mixed up "
                    "with a store's. Name a new folder."
                )
            return
        self.objects.fetch([header], self.folder)
        os.replace(self.folder / header, self.folder / HEADER_NAME)
        if restart:
            read_header(self.folder)  # refuses to delete what is not a store
            self._delete()
            return
        names = [name for name in self._found if any(fnmatch(name, one) for one in (*MADE, REPORT_NAME))]
        if names:
            self.objects.fetch(names, self.folder)
        parts = list(shards_among(self._shards))
        sizes = {number: stored.num_bytes for number, suffix, stored in parts if suffix == ".tar"}
        numbers = [number for number, suffix, _ in parts if suffix == ".jsonl"]
        fetch_shard_indexes(self.objects, self.folder, numbers, sizes)

    def _delete(self) -> None:
        """Delete the store; until its new header is there, it is an unfinished one: it may still be restarted."""
        self._send(HEADER_NAME, UNFINISHED_NAME)
        self._clear()
        shards = [f"shards/{name}" for name in self._shards]
        made = [name for name in self._found if any(fnmatch(name, one) for one in (*MADE, REPORT_NAME, INDEX_NAME))]
        self.objects.remove([name for name in (HEADER_NAME, *made, *shards) if name in self._found or name in shards])
        self._found, self._shards = {UNFINISHED_NAME: self._found[UNFINISHED_NAME]}, {}

    def _clear(self, with_crashes: bool = True) -> None:
        """Empty the folder, but for what is of use in another run."""
        kept = (*KEPT, LOCK_NAME, *(() if with_crashes else (given_up.PATTERN,)))
        for path in list(self.folder.iterdir()):
            if any(fnmatch(path.name, one) for one in kept):
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def _require_held(self) -> None:
        """Raises StoreError when another run has written the store, or does, since a person deleted this one's object.

        One request, unless that object is not there; then it is made anew.
        """
        if self._owner.require():
            self._require_unchanged()

    def _require_unchanged(self) -> None:
        """Raises StoreError when what is written down of the store is not what this run has found or sent."""
        found, planned = self.objects.list(), (HEADER_NAME, UNFINISHED_NAME, *MADE)
        for name in sorted(found.keys() | self._found.keys()):
            if any(fnmatch(name, one) for one in planned) and found.get(name) != self._found.get(name):
                raise StoreError(
                    f"{self.address}: another run has written {name} since {OWNER_NAME} of this run was deleted; two "
                    "at once would mix their clips. Run the same command again."
                )
