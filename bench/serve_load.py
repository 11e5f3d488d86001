"""Does a server stand many clients at once, while the index that it serves is being written?

Why: a page that is open in an office is asked by many people while new footage comes in. No answer may fail, and the
memory of the server may not grow with the number of answers. Half of the footage is indexed; then clients ask without
a pause (searches, moments, thumbnails, ranges of files, the state), each over a connection of its own, while the rest
is copied in and indexed. The numbers to look at are the errors, and the memory at the end over that after a third.

Run: python bench/serve_load.py RUN FOLDER [--clients 50] [--seconds 60] [--out bench/results/serve_load.jsonl]
It talks to 127.0.0.1 alone, and ends the processes that it starts. The last line of stdout is one JSON record.
"""

import argparse
import http.client
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from records import above_zero, circumstances, exit_status, finish

WORDS = ("a ball", "a bell rings twice", "a red block", "knocks", "something glass", "a slow swing", "bird", "1")
START_SECONDS = 120.0
LONGEST_ANSWER_SECONDS = 120.0
MEMORY_EVERY_SECONDS = 0.5


@dataclass
class Seen:
    """What the clients saw."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    """Of each answer, by what was asked for."""
    failures: Counter[str] = field(default_factory=Counter)
    """By status, or by the name of what went wrong with the connection."""
    memory: list[tuple[float, int]] = field(default_factory=list)
    """Seconds from the start, and MiB of the server."""


class Client:
    """Asks one thing after another until the time is over."""

    def __init__(self, port: int, number: int, seen: Seen) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=LONGEST_ANSWER_SECONDS)
        self._random, self._seen = random.Random(number), seen

    def run(self, until: float) -> None:
        """Until that time of time.monotonic."""
        while time.monotonic() < until:
            body = {"index": "index", "question": {"parts": [{"text": self._random.choice(WORDS)}], "k": 12}}
            answer = self._ask("search", "POST", "/api/search", json.dumps(body))
            moments = json.loads(answer)["moments"] if answer else []
            for moment in self._random.sample(moments, min(3, len(moments))):
                self._ask("thumbnail", "GET", f"/api/thumbnails/{quote(moment['thumbnail'] or moment['id'])}")
                self._ask("range", "GET", f"/media/{quote(moment['media_id'])}", headers={"Range": "bytes=0-65535"})
            if moments:
                self._ask("moment", "GET", f"/api/moments/{quote(moments[0]['id'])}")
            self._ask("state", "GET", "/api/state")
        self._http.close()

    def _ask(self, what: str, method: str, path: str, body: str | None = None, headers: Any = None) -> bytes:
        started = time.monotonic()
        try:
            kind = {"Content-Type": "application/json"} if body else {}
            self._http.request(method, path, body, {**kind, **(headers or {})})
            response = self._http.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._seen.failures[f"{what}: {type(error).__name__}"] += 1
            self._http.close()
            return b""
        self._seen.seconds.setdefault(what, []).append(time.monotonic() - started)
        if response.status >= 400:
            self._seen.failures[f"{what}: {response.status}"] += 1
            return b""
        return data


def vlsa(*arguments: str | Path, **options: Any) -> "subprocess.Popen[bytes]":
    """A command of this package."""
    command = [sys.executable, "-m", "vlsa.cli", *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, **options)


def wait_until_ready(port: int, server: "subprocess.Popen[bytes]") -> None:
    """Until the first question is answered. Raises OSError."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        seen = Seen()
        Client(port, 0, seen).run(time.monotonic() + 0.01)
        if not seen.failures:
            return
        time.sleep(0.2)
    raise OSError(0, "the server did not answer", "vlsa serve")


def memory_mib(pid: int) -> int:
    """Resident memory of a process; 0 where it cannot be read."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return int(text.partition("VmRSS:")[2].split()[0]) // 1024


def grow(run: Path, files: Sequence[Path], footage: Path, index: Path, until: float, num_steps: int = 4) -> int:
    """Copy files in and index them, some at a time, until all are in or the time is over; how many are."""
    step = max(len(files) // num_steps, 1)
    for first in range(0, len(files), step):
        if time.monotonic() > until:
            return first
        for path in files[first : first + step]:
            shutil.copy(path, footage)
        if vlsa("index", run, footage, "--out", index, "--workers", "1").wait():
            raise OSError(0, "the index could not be written", str(index))
    return len(files)


def load(port: int, pid: int, num_clients: int, seconds: float, work: Any) -> Seen:
    """Clients at work for so long, while `work` runs."""
    seen, started = Seen(), time.monotonic()
    until = started + seconds
    clients = [Client(port, number, seen) for number in range(num_clients)]
    threads = [threading.Thread(target=client.run, args=[until], daemon=True) for client in clients]
    threads.append(threading.Thread(target=work, args=[until], daemon=True))
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        seen.memory.append((time.monotonic() - started, memory_mib(pid)))
        time.sleep(MEMORY_EVERY_SECONDS)
    return seen


def summary(seen: Seen, seconds: float) -> dict[str, Any]:
    """The record of a run."""
    of_each = {
        what: {
            "num": len(times),
            "median_ms": round(1000 * statistics.median(times), 1),
            "p95_ms": round(1000 * statistics.quantiles(times, n=20, method="inclusive")[-1], 1),
        }
        for what, times in sorted(seen.seconds.items())
        if len(times) > 1
    }
    third = max((mib for at, mib in seen.memory if at <= seconds / 3), default=0)
    end = seen.memory[-1][1]
    memory = {"after_a_third_mib": third, "end_mib": end, "ratio": round(end / third, 3) if third else None}
    return {"answers": of_each, "failures": dict(seen.failures), "memory": memory}


def measure(run: Path, folder: Path, num_clients: int, seconds: float, port: int) -> dict[str, Any]:
    """Serve half of a folder, and index the rest under load."""
    files = sorted(path for path in folder.iterdir() if path.suffix in (".mp4", ".wav"))
    if len(files) < 2:
        raise OSError(0, "fewer than two media files", str(folder))
    with tempfile.TemporaryDirectory() as temporary:
        footage, index = Path(temporary, "footage"), Path(temporary, "index")
        footage.mkdir()
        grow(run, files[: len(files) // 2], footage, index, time.monotonic() + 1e6, num_steps=1)
        server = vlsa("serve", index, "--port", port)
        added: list[int] = []
        try:
            wait_until_ready(port, server)
            rest = files[len(files) // 2 :]
            work = lambda until: added.append(grow(run, rest, footage, index, until))  # noqa: E731
            seen = load(port, server.pid, num_clients, seconds, work)
        finally:
            server.terminate()
            server.wait()
    about = {"num_files": len(files), "num_added": sum(added), "num_clients": num_clients, "seconds": seconds}
    return about | summary(seen, seconds)


def main() -> int:
    """Measure, print, and end with the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clients", type=above_zero(int), default=50)
    parser.add_argument("--seconds", type=above_zero(float), default=60.0)
    parser.add_argument("--port", type=above_zero(int), default=8799)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    found = measure(chosen.run, chosen.folder, chosen.clients, chosen.seconds, chosen.port)
    record = {"bench": "serve_load", **found, **circumstances()}
    status = finish(record, chosen.out)
    return status or int(bool(found["failures"]))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).resolve().parents[1]))
    sys.exit(exit_status(main))
