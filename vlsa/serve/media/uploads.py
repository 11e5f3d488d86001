"""Files that people ask with: kept for a day, up to a total size, named by the digest of their bytes.

Used by the routes of uploads and of search. What a file is, is found out in a process that may die (decoding.py).
"""

import hashlib
import json
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from vlsa.base.errors import MediaError
from vlsa.base.files import read_json, write_atomically
from vlsa.data.media.suffixes import MEDIA_SUFFIXES
from vlsa.serve.http.problems import TooMuchError, UnknownIdError
from vlsa.serve.http.settings import Limits
from vlsa.serve.media.decoding import LookAt, UploadFacts

KEPT_SECONDS = 86_400
CHUNK_BYTES = 1 << 20
_HEX = re.compile("[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True)
class Upload:
    """A file that somebody sent."""

    hex: str
    name: str
    """As its sender calls it; nothing is stored under that."""
    path: Path
    facts: UploadFacts

    def as_dict(self) -> dict[str, object]:
        """What its sender is answered."""
        facts = asdict(self.facts)
        del facts["num_pixels"]
        return {"id": f"upload:{self.hex}", "name": self.name, **facts}


class Uploads:
    """The uploads in a folder."""

    def __init__(self, folder: Path, limits: Limits, look: Callable[[LookAt, str], UploadFacts]) -> None:
        self._folder, self._limits, self._look = folder, limits, look
        self._lock = threading.Lock()

    def add(self, read: Callable[[int], bytes], name: str) -> Upload:
        """Keep a file, whose next bytes `read` gives.

        Raises TooMuchError when it is too large or too long, MediaError when it cannot be decoded.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._purge()
        descriptor, partial = tempfile.mkstemp(".partial", dir=self._folder)
        try:
            with os.fdopen(descriptor, "wb") as copy:
                hex = self._copy(read, copy.write)
            with suppress(UnknownIdError):
                return replace(self.get(hex), name=name)
            facts = self._facts(partial, name)
            path = self._folder / (hex + _suffix(facts, name))
            os.replace(partial, path)
        finally:
            Path(partial).unlink(missing_ok=True)
        known = json.dumps({"name": name, "facts": asdict(facts)}).encode()
        with self._lock:
            write_atomically(self._folder / f"{hex}.json", known)
        return Upload(hex, name, path, facts)

    def get(self, hex: str) -> Upload:
        """An upload, which stays for another day. Raises UnknownIdError."""
        unknown = UnknownIdError(f"upload:{hex[:40]}: no such upload; they are kept for a day. Send the file again.")
        if not _HEX.fullmatch(hex):
            raise unknown
        try:
            known = read_json(self._folder / f"{hex}.json")
            facts = UploadFacts(**known["facts"])
            path = self._folder / (hex + _suffix(facts, known["name"]))
            os.utime(path)
        except (OSError, ValueError) as error:
            raise unknown from error
        return Upload(hex, known["name"], path, facts)

    def named(self, message: str) -> str:
        """A message in which uploads are called as their senders call them, not by where they are kept."""
        kept = re.compile(re.escape(os.path.join(self._folder, "")) + r"([0-9a-f]{32})\.\w+", re.ASCII)
        return kept.sub(lambda found: self._name(found[1]) or found[0], message)

    def _name(self, hex: str) -> str:
        with suppress(UnknownIdError):
            return self.get(hex).name
        return ""

    def _copy(self, read: Callable[[int], bytes], write: Callable[[bytes], object]) -> str:
        """Copy up to the most bytes; the digest of all."""
        digest, num_bytes = hashlib.blake2b(digest_size=16), 0
        while chunk := read(CHUNK_BYTES):
            num_bytes += len(chunk)
            if num_bytes > self._limits.upload_bytes:
                raise TooMuchError(f"more than {self._limits.upload_bytes:,} bytes; this much can be sent. Cut it.")
            digest.update(chunk)
            write(chunk)
        return digest.hexdigest()

    def _facts(self, path: str, name: str) -> UploadFacts:
        try:
            facts = self._look(LookAt(path, self._limits.upload_pixels), name)
        except MediaError as error:
            raise MediaError(str(error).replace(path, name), error.reason) from error
        if facts.duration_seconds > self._limits.upload_seconds:
            raise TooMuchError(
                f"{name}: lasts {facts.duration_seconds:,.0f} s; {self._limits.upload_seconds:,.0f} s can be asked "
                "with. Cut it, or index it and ask with a stretch of it."
            )
        return facts

    def _purge(self) -> None:
        """Remove what is a day old, and the oldest beyond the total size."""
        with self._lock:
            found, total = [], 0
            for path in self._folder.iterdir():
                with suppress(FileNotFoundError):  # another upload has just got its name
                    found += [(path.stat(), path)] if path.suffix != ".json" else []
            for state, path in sorted(found, key=lambda one: one[0].st_mtime, reverse=True):
                total += state.st_size
                if total > self._limits.uploads_bytes or state.st_mtime < time.time() - KEPT_SECONDS:
                    path.unlink(missing_ok=True)
                    path.with_name(f"{path.name.partition('.')[0]}.json").unlink(missing_ok=True)


def _suffix(facts: UploadFacts, name: str) -> str:
    """By which the decoders know an image from media; the bytes say the rest."""
    if facts.kind == "image":
        return ".png"
    suffix = os.path.splitext(name)[1].lower()
    return suffix if suffix in MEDIA_SUFFIXES else ".mp4"
