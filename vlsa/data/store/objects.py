"""A folder on an object store, by its fsspec address (`s3://bucket/prefix`): list, read, fetch, put, create, remove.

Used by remote_place.py for reading and by staging.py for writing. An object appears whole, with its last byte, or not
at all; nothing else is relied on. Credentials come from where the client library looks for them (for S3: environment,
~/.aws, the role of the machine), never from an address. Needs the package of the address's protocol (extra `s3`).
"""

import errno
import hashlib
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from vlsa.base.errors import ConfigError, StoreError

PART_BYTES = 50 * 2**20
"""Larger objects are sent in parts of this size, and read back in them."""
MOST_ATTEMPTS = 8
"""Of each request, as botocore counts them, the first included; AWS_MAX_ATTEMPTS overrides it."""
CONNECT_SECONDS, READ_SECONDS = 10, 60
LOCAL_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Of the disk that an object is copied to."""
S3 = ("s3", "s3a")


class ObjectMissing(StoreError):
    """Something that is not on the object store."""


@dataclass(frozen=True)
class Stored:
    """What a listing says of an object."""

    num_bytes: int
    version: str
    """Changes with the content: the ETag, or the time of the last change."""
    modified_seconds: float | None = field(default=None, compare=False)
    """Since 1970, when it was last written, where the object store says so."""


def is_address(path: object) -> bool:
    """Whether a path names a place on an object store."""
    return "://" in str(path)


def short_digest(*values: object) -> str:
    """A name for a file in a cache."""
    return hashlib.blake2b(repr(values).encode(errors="surrogateescape"), digest_size=16).hexdigest()


class Objects:
    """One folder on an object store. Picklable, and safe in threads and forked processes: each has its own client."""

    def __init__(self, address: str) -> None:
        """Raises ConfigError for an address that holds a secret or is no address."""
        self.protocol, _, rest = address.partition("://")
        if _holds_key(rest):
            raise ConfigError(
                f"{self.protocol}://...@...: an address with a key in it; it would be written to logs and checkpoints. "
                "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws/credentials, and name the bucket alone."
            )
        if not rest.strip("/") or set("*?[]") & set(rest):
            shown = address.partition("?")[0]  # a signature may follow
            raise ConfigError(f"{shown}: not the address of one folder. Write {self.protocol}://BUCKET/FOLDER.")
        self.address = address.rstrip("/")

    def __repr__(self) -> str:
        return f"Objects({self.address!r})"

    def list(self, folder: str = "") -> dict[str, Stored]:
        """The objects that lie in the folder, or in one below it, by their names there; none where it is not there.

        The name of a folder ends in a slash. Raises StoreError: no such bucket, no right to see it, no answer.
        """
        with self._reaching(folder):
            base = self._key(folder)
            try:
                found = self._system.ls(base, detail=True)
            except FileNotFoundError as error:
                if error.__cause__ is not None:  # what the server says: no such bucket
                    raise
                return {}
        inside = {facts["name"].removeprefix(f"{base}/"): facts for facts in found if facts["name"] != base}
        return {f"{name}{'/' * (facts['type'] != 'file')}": _stored(facts) for name, facts in inside.items()}

    def read(self, name: str, start: int, stop: int) -> bytes:
        """Bytes of an object; fewer at its end. Raises StoreError."""
        with self._reaching(name):
            return self._system.cat_file(self._key(name), start=start, end=stop)

    def fetch(self, names: Sequence[str], folder: Path) -> None:
        """Copy objects to files of their names in a local folder, several at a time. Raises StoreError, OSError."""
        mine = f"{os.getpid()}-{threading.get_ident()}.partial"
        partials = {name: folder / f"{name}.{mine}" for name in names}
        for path in partials.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._reaching(names[0] if len(names) == 1 else ""):
                self._system.get([self._key(name) for name in names], list(map(str, partials.values())))
            for name, path in partials.items():
                os.replace(path, folder / name)
        finally:
            for path in partials.values():
                path.unlink(missing_ok=True)

    def put(self, path: Path, name: str) -> Stored:
        """Copy a local file to an object, and compare what arrived; as it is listed now. Raises StoreError, OSError."""
        options = {"chunksize": PART_BYTES} if self.protocol in S3 else {}
        with self._reaching(name):
            key = self._key(name)
            self._system.put_file(str(path), key, **options)
            facts = self._system.info(key)
            read = partial(self._system.cat_file, key)
            is_same = facts["size"] == path.stat().st_size and (
                str(facts.get("ETag", "")).strip('"') == etag(path) or _has_bytes(path, read)
            )
        if not is_same:
            raise StoreError(
                f"{self.address}/{name}: arrived with other bytes than were sent; clips in it would be lost. "
                "Run the same command again."
            )
        return _stored(facts)

    def create(self, name: str, data: bytes) -> bool:
        """Make an object that is not there yet; False, and nothing is changed, where it is. Raises StoreError."""
        with self._reaching(name):
            try:
                self._system.pipe_file(self._key(name), data, mode="create")
            except FileExistsError:
                return False
        return True

    def replace(self, name: str, data: bytes, before: Stored) -> bool:
        """Write an object that is as it was when it was listed; False, and nothing is changed, where it is not (S3).

        Raises StoreError.
        """
        options = {"IfMatch": before.version} if self.protocol in S3 else {}
        try:
            with self._reaching(name):
                self._system.pipe_file(self._key(name), data, **options)
        except ObjectMissing:
            return False
        except StoreError as error:
            if _is_precondition(error.__cause__):
                return False
            raise
        return True

    def remove(self, names: Sequence[str]) -> None:
        """Delete objects. Raises StoreError."""
        if names:
            with self._reaching(""):
                self._system.rm([self._key(name) for name in names])

    @property
    def _system(self) -> Any:
        """The client of this process and thread; fsspec keeps it, and makes another one after a fork."""
        import fsspec

        options: dict[str, Any] = {"use_listings_cache": False}
        if self.protocol in S3:
            attempts = os.environ.get("AWS_MAX_ATTEMPTS", "")
            retries = {"mode": "standard", "max_attempts": int(attempts) if attempts.isdigit() else MOST_ATTEMPTS}
            timeouts = {"connect_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS}
            options["config_kwargs"] = {"retries": retries, **timeouts}
        try:
            return fsspec.filesystem(self.protocol, **options)
        except ImportError as error:
            package = "pip install '.[s3]'" if self.protocol in S3 else "Install it with pip."
            raise ConfigError(
                f"{self.address}: cannot be opened ({_said(error)}); a package is missing. {package}"
            ) from error
        except ValueError as error:
            raise ConfigError(
                f"{self.address}: no such kind of address ({_said(error)}); nothing can be read there. Name a "
                "folder, or write s3://BUCKET/FOLDER."
            ) from error

    def _key(self, name: str) -> str:
        """What the client calls it: without the protocol."""
        return "/".join(filter(None, (self._system._strip_protocol(self.address), name)))

    @contextmanager
    def _reaching(self, name: str) -> Iterator[None]:
        """Turn what a client raises into a StoreError that says what to do."""
        where = "/".join(filter(None, (self.address, name)))
        try:
            yield
        except FileNotFoundError as error:
            raise ObjectMissing(f"{where}: not there ({_said(error)}). Check the address and the bucket.") from error
        except (OSError, ValueError, *_client_errors()) as error:  # botocore's word for a bad endpoint is ValueError
            if getattr(error, "errno", None) in LOCAL_ERRORS:
                raise
            is_refused = isinstance(error, PermissionError) or "Credential" in type(error).__name__
            advice = (
                "Check the credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, ~/.aws, or the role "
                "of this machine) and what they allow in this bucket."
                if is_refused
                else "It was tried several times. Check the network, AWS_ENDPOINT_URL and AWS_REGION, and run the same "
                "command again."
            )
            what = "refused" if is_refused else "not reached"
            raise StoreError(f"{where}: {what} ({_said(error)}). {advice}") from error


def _client_errors() -> tuple[type[Exception], ...]:
    """Errors of the clients that are loaded which are no OSError."""
    found = [getattr(sys.modules.get("botocore.exceptions"), name, None) for name in ("BotoCoreError", "ClientError")]
    return tuple(filter(None, [*found, getattr(sys.modules.get("aiohttp"), "ClientError", None)]))


def _is_precondition(error: BaseException | None) -> bool:
    """Whether a server refused a write since the object is another one now."""
    return isinstance(error, FileExistsError) or "PreconditionFailed" in repr(getattr(error, "__cause__", error))


def _said(error: Exception) -> str:
    """What a client says, on one line."""
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(text.split()) or type(error).__name__


def _stored(facts: dict[str, Any]) -> Stored:
    times = ("LastModified", "mtime", "created")
    version = next((facts[name] for name in ("ETag", "etag", *times) if facts.get(name)), "")
    modified = next((facts[name] for name in times if facts.get(name)), None)
    seconds = modified.timestamp() if isinstance(modified, datetime) else modified
    return Stored(facts["size"], str(version), seconds if isinstance(seconds, int | float) else None)


def etag(path: Path) -> str:
    """What S3 calls an object with the bytes of this file: their MD5, or of a large one that of its parts' MD5s."""
    whole, parts = hashlib.md5(usedforsecurity=False), hashlib.md5(usedforsecurity=False)
    num_parts = 0
    for part in _parts(path):
        num_parts += 1
        whole.update(part)
        parts.update(hashlib.md5(part, usedforsecurity=False).digest())
    is_one = path.stat().st_size < 2 * PART_BYTES
    return whole.hexdigest() if is_one else f"{parts.hexdigest()}-{num_parts}"


def _has_bytes(path: Path, read: Callable[..., bytes]) -> bool:
    """Whether an object has the bytes of a file: of one that is encrypted, the ETag says nothing."""
    place = 0
    for part in _parts(path):
        if read(start=place, end=place + len(part)) != part:
            return False
        place += len(part)
    return True


def _parts(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(PART_BYTES):
            yield part


def _holds_key(rest: str) -> bool:
    """Whether a key stands in front of the bucket, `ID:SECRET@BUCKET`; a secret may have slashes in it."""
    first = rest.split("/", 1)[0]
    return "@" in first or ("@" in rest and ":" in first and not first.startswith("arn:"))
