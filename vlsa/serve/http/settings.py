"""How the server runs: which indexes, where it listens, who may ask, and the limits of what one request may cost.

Made by cli/serve.py; read by all of serve/. Whatever the server writes lies below one folder (`state`).
"""

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from vlsa.base.errors import ConfigError
from vlsa.data.store.objects import short_digest
from vlsa.retrieve.index.remote_state import address_of

STATE_NAME = "serve"
"""In the first index, or below `data_folder`: what the server writes, by default."""
SHORTEST_TOKEN = 16
"""Characters; a shorter one can be guessed."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one request may cost."""

    upload_bytes: int = 512 * 1024**2
    uploads_bytes: int = 4 * 1024**3
    """Of all uploads that are kept; the oldest go first."""
    upload_seconds: float = 600.0
    """Of media in an uploaded file; a longer one is asked with by a stretch of an indexed file."""
    upload_pixels: int = 64_000_000
    """Of a frame or an image, before it is decoded."""
    body_bytes: int = 1024**2
    """Of a request that is no upload."""
    most_answers: int = 500
    """Moments, or files when grouped by file, of one search."""
    cache_bytes: int = 1024**3
    """Of thumbnails and other images made from the footage."""
    worker_bytes: int = 4 * 1024**3
    """Address space of a process that decodes."""
    wait_seconds: float = 30.0
    """How long a request may wait for a process that decodes."""
    worker_seconds: float = 60.0
    """Patience for one thumbnail, waveform or upload."""


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """What `vlsa serve` was given. Raises ConfigError for what would not be safe."""

    indexes: tuple[Path, ...]
    run: str | None = None
    """The run, or public encoder, that made the index, if it was moved."""
    source: Path | None = None
    """The folder of the footage, if it was moved."""
    host: str = "127.0.0.1"
    port: int = 8765
    token: str | None = None
    """Whoever has it may ask; None = everybody who can connect."""
    insecure: bool = False
    """Listen beyond this machine without a token."""
    allowed_hosts: tuple[str, ...] = ()
    """Names by which the server is called, as behind a reverse proxy, besides its own address."""
    state: Path | None = None
    num_workers: int = 2
    """Processes that decode for thumbnails, waveforms and uploads."""
    log_questions: bool = False
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        if not self.indexes:
            raise ConfigError("serve: no index is named; there is nothing to search. Name the folder of one.")
        if len(self.indexes) > 1 and (self.run or self.source):
            raise ConfigError(
                "serve: --run and --source with several indexes; whose they are is not clear. Serve one index, or run "
                "`vlsa index` for each where its footage is now."
            )
        if self.num_workers < 1:
            raise ConfigError(
                f"serve: {self.num_workers} processes that decode; no image could be shown. Use --workers 1 or more."
            )
        if self.token is not None and len(self.token) < SHORTEST_TOKEN:
            raise ConfigError(
                f"serve: a token of {len(self.token)} characters; it could be guessed. Use at least {SHORTEST_TOKEN}: "
                "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
        if not self.is_local and self.token is None and not self.insecure:
            raise ConfigError(
                f"serve: --host {self.host} lets other machines in; they could see all footage. Give a --token-file, "
                "or say --insecure if all who can reach this machine may."
            )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.host)

    @property
    def is_private(self) -> bool:
        """Whether whoever asks sits at this machine: nobody else can connect, and no proxy hands on what others ask."""
        return self.is_local and not self.allowed_hosts

    @property
    def state_folder(self) -> Path:
        """Where the server writes: on this machine, also for an index on an object store."""
        if self.state:
            return self.state
        address = address_of(self.indexes[0])
        return self.indexes[0] / STATE_NAME if address is None else data_folder() / STATE_NAME / folder_name(address)


def data_folder() -> Path:
    """Where what people made is kept: $XDG_DATA_HOME/vlsa, by default ~/.local/share/vlsa."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "vlsa"


def folder_name(address: str) -> str:
    """Of an address: its last part, for people, and a digest of all of it."""
    address = address.rstrip("/")
    return f"{address.rpartition('/')[2]}-{short_digest(address)[:8]}"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
