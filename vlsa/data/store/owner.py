"""Who writes a folder on an object store: one object there, from the first moment of a run to its last.

Used by staging.py and retrieve/index/publishing.py. Made only if it is not there, and replaced only as it was seen. A
person may delete it when its run seems to be dead; a run that still lives finds out before it removes anything
(`require`).
"""

import json
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vlsa.base.errors import VlsaError
from vlsa.base.files import write_atomically
from vlsa.data.store.local_copy import writing_cache
from vlsa.data.store.objects import ObjectMissing, Objects

MOST_TRIES = 5
"""The object may be removed, or replaced, between two looks at it."""
LONGEST_BYTES = 1 << 16


@dataclass(kw_only=True)
class Owner:
    """The object that says who writes, and what this process says in it."""

    objects: Objects
    name: str
    """Of the object."""
    token_path: Path
    """A file with what the runs of this machine have, and those of others do not; it outlives them."""
    error: type[VlsaError]
    what: str
    """That is written: "index"."""
    harm: str
    """Of two at once: "two would ..."."""
    _mine: bytes = field(default=b"", init=False)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the object. One that a killed run of this machine left is taken over: the caller makes sure that no
        other process of this machine is here. Raises `error` when another one writes; StoreError.
        """
        with writing_cache(self.token_path.parent):
            token = self._token()
        self._mine = _said(token)
        self._take(token)
        try:
            yield
        except BaseException:
            with suppress(VlsaError):
                self._let_go()
            raise
        self._let_go()

    def require(self) -> bool:
        """Raises `error` when another run has taken over, since a person deleted the object; StoreError.

        If nobody has, it is made again: True then, when another run may have come and gone. One request otherwise.
        """
        now = self._read()
        if not now and self.objects.create(self.name, self._mine):
            return True
        if (now := now or self._read()) != self._mine:
            raise self.error(
                f"{self.objects.address}: {_process(now)} writes this {self.what} now, since {self.name} of this run "
                f"was deleted; {self.harm}. Run the same command again when the other one has ended."
            )
        return False

    def _take(self, token: str) -> None:
        now = b""
        for _ in range(MOST_TRIES):
            if self.objects.create(self.name, self._mine):
                return
            left, now = self.objects.list().get(self.name), self._read()
            if now == self._mine:  # it was made, and the answer was lost
                return
            if now and _parsed(now).get("owner") != token:
                break
            if now and left is not None:
                self.objects.replace(self.name, self._mine, left)
        raise self.error(
            f"{self.objects.address}: {_process(now)} is writing this {self.what} since {_parsed(now).get('since')}; "
            f"{self.harm}. Wait for it; if it has been killed, delete the object {self.objects.address}/{self.name} "
            "and run the same command again."
        )

    def _let_go(self) -> None:
        """Remove the object, if it still says that it is this run."""
        with suppress(ObjectMissing):
            if self._read() == self._mine:
                self.objects.remove([self.name])

    def _read(self) -> bytes:
        """What the object has; nothing where it is not there."""
        try:
            return self.objects.read(self.name, 0, LONGEST_BYTES)
        except ObjectMissing:
            return b""

    def _token(self) -> str:
        if not self.token_path.exists():
            write_atomically(self.token_path, uuid.uuid4().hex.encode())
        return self.token_path.read_text()


def _said(token: str) -> bytes:
    """What the object says of this run; another thing each time."""
    mine = {
        "owner": token,
        "host": socket.gethostname(),
        "process": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="microseconds"),
    }
    return json.dumps(mine).encode()


def _process(data: bytes) -> str:
    facts = _parsed(data)
    return f"process {facts.get('process')} on {facts.get('host')}"


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {}
