"""An S3 server of this process, on localhost: moto's, which can be made to fail, and remembers what it was asked."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

BUCKET = "films"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "someone",
    "AWS_SECRET_ACCESS_KEY": "a-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_MAX_ATTEMPTS": "4",
}
NO_PROFILE = {"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}


class Server:
    """A WSGI application around moto's."""

    def __init__(self) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self._moto = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self.asked: list[tuple[str, str, str]] = []
        """Method, key and range of each request."""
        self.answer_first: Callable[[int, str, str], str] = lambda number, method, key: ""
        """The error to answer a request with, by its number, method and key: "503 Slow Down"; "" = none."""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method, key = environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix(f"/{BUCKET}").lstrip("/")
        with self._lock:
            number = len(self.asked)
            self.asked.append((method, key, environ.get("HTTP_RANGE", "")))
            error = self.answer_first(number, method, key)
            if not error:
                return list(self._moto(environ, start_response))
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        status, _, code = error.partition(" ")
        start_response(error, [("Content-Type", "application/xml")])
        return [f"<Error><Code>{code.replace(' ', '')}</Code><Message>{status} on purpose</Message></Error>".encode()]

    def num_asked(self, method: str, part: str = "") -> int:
        """How many requests there were of a method for keys with `part` in them."""
        return sum(one == method and part in key for one, key, _ in self.asked)

    def heal(self) -> None:
        """No errors from now on, and nothing remembered."""
        self.answer_first = lambda number, method, key: ""
        self.asked.clear()


@contextmanager
def serving() -> Iterator[tuple[Server, str]]:
    """A server and its address, until the end of the block."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = Server()
    http = make_server("127.0.0.1", 0, server, threaded=True)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    forget_clients()
    try:
        yield server, f"http://127.0.0.1:{http.server_port}"
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def use(monkeypatch: pytest.MonkeyPatch, address: str, cache: Path) -> None:
    """Let the client of this process talk to a server, with credentials, and without those of whoever runs the test."""
    for name, value in {**ENVIRONMENT, **NO_PROFILE, "AWS_ENDPOINT_URL": address, "VLSA_CACHE": str(cache)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)


def client() -> Any:
    """The file system of the bucket; its methods are fsspec's."""
    import fsspec

    return fsspec.filesystem("s3", use_listings_cache=False)


def forget_clients() -> None:
    """The next request looks at the variables of the environment anew."""
    type(client()).clear_instance_cache()


def every_object(prefix: str) -> dict[str, bytes]:
    """All objects below a prefix in the bucket, by their names there."""
    system, base = client(), f"{BUCKET}/{prefix}"
    return {path.removeprefix(f"{base}/"): system.cat_file(path) for path in system.find(base)}


@pytest.fixture(scope="module")
def started_server() -> Iterator[tuple[Server, str]]:
    """A server for a module of tests."""
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
