"""The part of the Hugging Face hub's HTTP interface that huggingface_hub uses to upload a model and to download it."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from huggingface_hub import constants

COMMIT = "b" * 40


class Hub(ThreadingHTTPServer):
    """Keeps the files of one repository in memory."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.created: dict[str, object] = {}
        self.tokens: set[str] = set()


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.tokens.add(self.headers.get("Authorization", ""))
        path = self.path.partition("?")[0]
        if path == "/api/repos/create" and json.loads(body)["name"] == "name":
            self.server.created = json.loads(body)
            self._answer({"url": f"{constants.ENDPOINT}/org/name", "name": "org/name"})
        elif path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif path == "/api/models/org/name/preupload/main":
            names = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]
            self._answer({"files": modes})
        elif path == "/api/models/org/name/commit/main":
            lines = [json.loads(line) for line in body.splitlines() if line]
            files = [line["value"] for line in lines if line["key"] == "file"]
            self.server.files |= {file["path"]: base64.b64decode(file["content"]) for file in files}
            self._answer({"commitUrl": f"{constants.ENDPOINT}/org/name/commit/{COMMIT}", "commitOid": COMMIT})
        else:
            self._refuse()

    def do_GET(self) -> None:
        path, files = self.path.partition("?")[0], self.server.files
        if path.startswith("/org/name/resolve/") and path.rpartition("/")[2] in files:
            content = files[path.rpartition("/")[2]]
            self._send(content, ETag=f'"{_digest(content)}"', **{"X-Repo-Commit": COMMIT})
        elif path == "/api/models/org/name/revision/main":
            self._answer({"id": "org/name", "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]})
        elif path.startswith("/api/models/org/name/tree/"):
            sizes = {name: (len(content), _digest(content)) for name, content in files.items()}
            self._answer([{"type": "file", "path": n, "size": size, "oid": oid} for n, (size, oid) in sizes.items()])
        else:
            self._refuse()

    do_HEAD = do_GET

    def _answer(self, value: object) -> None:
        self._send(json.dumps(value).encode())

    def _refuse(self) -> None:
        self._send(b"", status=404)

    def _send(self, content: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), "Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _digest(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


@contextmanager
def local_hub(monkeypatch: pytest.MonkeyPatch, cache: str) -> Iterator[Hub]:
    """Where huggingface_hub sends everything meanwhile, and an empty cache of its own."""
    hub = Hub()
    thread = Thread(target=hub.serve_forever)
    thread.start()
    endpoint = f"http://127.0.0.1:{hub.server_port}"
    for name, value in {
        "ENDPOINT": endpoint,
        "HUGGINGFACE_CO_URL_TEMPLATE": endpoint + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": cache,
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
    }.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setenv("HF_TOKEN", "a-token")
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()
