"""Slow clients on a real socket: they do not keep others waiting, and are shown the door."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request
from media_files import tone, write_media
from serving import application, index_by_names, listening_server

from vlsa.serve.http import patience
from vlsa.serve.run import listening, server_config

SLOW_REQUEST = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"
SLOW_BODY = b"POST /body HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 200000\r\n\r\n"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    app = FastAPI()

    @app.get("/health")
    def health() -> str:
        return "well"

    @app.post("/body")
    async def body(request: Request) -> int:
        return len(await request.body())

    server = uvicorn.Server(server_config(app))
    listener = listening("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, args=[[listener]], daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(10)
    listener.close()


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(patience, "HEAD_SECONDS", 1.0)
    monkeypatch.setattr(patience, "BODY_SECONDS", 1.0)


@contextmanager
def connected(port: int, sent: bytes) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(sent)
        yield connection


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1 << 16) == b""
    except ConnectionError:
        return True


def received(connection: socket.socket, ending: bytes) -> bool:
    """Whether a response comes that ends so; it may come in parts."""
    found = b""
    while not found.endswith(ending):
        part = connection.recv(1 << 16)
        if not part:
            return False
        found += part
    return True


def healthy(port: int) -> bytes:
    with connected(port, b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n") as connection:
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def test_many_who_stop_in_the_middle_keep_nobody_waiting_and_are_closed(port):
    slow = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(100)]
    for connection, sent in zip(slow, 25 * [b"", SLOW_REQUEST, SLOW_BODY, b"GET /health HTT"], strict=True):
        connection.sendall(sent)
    assert healthy(port).endswith(b'"well"')
    assert all(is_closed(connection) for connection in slow)
    for connection in slow:
        connection.close()


@pytest.mark.parametrize("begun", [SLOW_REQUEST, SLOW_BODY])
def test_a_byte_now_and_then_buys_no_time(port, begun):
    with connected(port, begun) as connection:
        connection.settimeout(0.1)
        for _ in range(100):
            try:
                connection.sendall(b"x")
                if connection.recv(1 << 16) == b"":
                    return
            except TimeoutError:
                continue
            except ConnectionError:
                return
    pytest.fail("still open after 10 s")


def test_a_steady_body_may_take_longer_and_the_connection_stays_for_more(port, monkeypatch):
    monkeypatch.setattr(patience, "HEAD_SECONDS", 3.0)
    with connected(port, SLOW_BODY) as connection:
        for _ in range(4):
            connection.sendall(b"x" * 50_000)
            time.sleep(0.3)
        assert received(connection, b"200000")
        time.sleep(0.3)
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert received(connection, b'"well"')
        assert is_closed(connection)


def test_an_export_that_its_client_does_not_read_gives_its_place_to_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(patience, "UNREAD_SECONDS", 1.0)
    (tmp_path / "footage").mkdir()
    loud = {"sound": tone(10), "rate_hz": 48_000, "audio_codec": "pcm_s16le"}
    write_media(tmp_path / "footage" / "1-tone.wav", **loud)
    app = application(index_by_names(tmp_path / "footage", tmp_path / "index"))
    (file,) = app.state.services.catalogue.index("index").files().listed
    clips = {"format": "clips", "moments": [f"index:{file.file_id}:0-10000"] * 20, "exact": False}  # 10 MB at least
    body = json.dumps(clips).encode()

    with listening_server(app) as address, socket.socket() as client:
        place = urlsplit(address)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((place.hostname, place.port))
        client.sendall(
            f"POST /api/export HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        assert client.recv(12) == b"HTTP/1.1 200"

        def export() -> int:
            table = {"format": "csv", "moments": clips["moments"][:1]}
            return httpx.post(f"{address}/api/export", json=table, timeout=60).status_code

        assert export() == 503  # the one place is taken
        give_up = time.monotonic() + 60
        while export() != 200:
            assert time.monotonic() < give_up, "it is never given back"
            time.sleep(0.1)
