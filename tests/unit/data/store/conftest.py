"""An S3 server for the tests of this folder: one a module, with an empty bucket for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from object_store import BUCKET, Server, client, serving, use


@pytest.fixture(scope="module")
def started_server() -> Iterator[tuple[Server, str]]:
    with serving() as started:
        yield started


@pytest.fixture
def server(started_server: tuple[Server, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Server:
    """The server, whole and empty; this process talks to it, and caches in the folder of the test."""
    server, address = started_server
    use(monkeypatch, address, tmp_path / "cache")
    server.heal()
    system = client()
    if system.exists(BUCKET):
        system.rm(BUCKET, recursive=True)
    system.mkdir(BUCKET)
    server.heal()
    return server
