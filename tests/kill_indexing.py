"""Index footage again and again, each time killed at a random place: `python kill_indexing.py FOOTAGE OUT SEED TRIES`.

Each try is a fork of this process, which has imported everything but Lance (which is not to be used across a fork), so
that a try takes a fraction of a second. Every fourth is not killed, nor is the last. Then files are renamed, removed
and rewritten, and as many tries follow on the same indexes. With `decoders` as a fifth argument two processes decode,
and what is killed is the process that writes, all of them, or one that decodes. Fails if an index is not, in both
tables, the ledger and the report, that of an unbroken run; prints how many were killed at work.

With decoders a try takes seconds, so the tests do without: python kill_indexing.py FOOTAGE OUT 0 15 decoders.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Literal

from fake_encoder import FakeEncoder, decode_slowly, write_numbered_sound
from followed_folder import content

from vlsa.retrieve.index import build, writer
from vlsa.retrieve.search import tables_process

writer.ROWS_PER_WRITE = 2  # a write and its acknowledgement every two rows
Victim = Literal["writer", "all", "decoder"]


def index(footage: Path, out: Path, started: int, num_workers: int) -> None:
    """The life of a child."""
    import lancedb  # noqa: F401

    os.setpgid(0, 0)
    os.write(started, b".")
    decode = decode_slowly if num_workers else None
    build.build_index(FakeEncoder(), footage, out, num_workers=num_workers, decode=decode)


def run(
    footage: Path, out: Path, kill_after_seconds: float | None, victim: Victim = "writer", num_workers: int = 0
) -> bool:
    """One try; whether anything was killed before it had ended."""
    began, started = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            index(footage, out, started, num_workers)
            status = 0
        finally:
            os._exit(status)
    os.read(began, 1)
    was_killed = False
    if kill_after_seconds is not None:
        time.sleep(kill_after_seconds)
        was_killed = kill(child, victim)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
    return was_killed if victim == "decoder" else os.WIFSIGNALED(status)


def kill(child: int, victim: Victim) -> bool:
    """Kill, and say whether there was anything to kill."""
    if victim == "all":
        os.killpg(child, signal.SIGKILL)
    elif victim == "writer":
        os.kill(child, signal.SIGKILL)
    else:
        decoders = [pid for pid in children(child) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        if not decoders:
            return False
        os.kill(random.choice(decoders), signal.SIGKILL)
    return True


def children(process: int) -> list[int]:
    """Processes that a process has started."""
    return [int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def main() -> None:
    """A run that shows how long one takes; then rounds of kills, each finished in peace."""
    footage, out, seed, num_tries = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    with_decoders = sys.argv[5:] == ["decoders"]
    num_workers, victims = (2, ("writer", "all", "decoder")) if with_decoders else (0, ("writer",))
    sys.meta_path.insert(0, tables_process._Placeholders())
    rng, num_killed = random.Random(seed), dict.fromkeys(victims, 0)
    started = time.monotonic()
    run(footage, out / "unbroken", None, num_workers=num_workers)
    whole_seconds = time.monotonic() - started
    for phase in range(2):
        for number in range(num_tries):
            folder, victim = out / f"round-{number // 4}", victims[number % len(victims)]
            after_seconds = rng.uniform(0, whole_seconds if with_decoders else whole_seconds / 2)
            num_killed[victim] += run(footage, folder, after_seconds, victim, num_workers)
            if number % 4 == 3 or number == num_tries - 1:
                run(footage, folder, None)
        if phase == 0:
            reorganize(footage)
    run(footage, out / "new", None)
    for folder in sorted(out.glob("round-*")):
        assert content(folder) == content(out / "new"), folder
    print(*(f"{victim}: {count}" for victim, count in num_killed.items()), sep=", ")


def reorganize(footage: Path) -> None:
    """Rename a third of the files, remove one, write another one anew, empty one, and give one a text."""
    files = sorted(footage.glob("*.wav"))
    for path in files[::3]:
        path.rename(path.with_name(f"moved-{path.name}"))
    files[1].unlink()
    write_numbered_sound(files[2], 77)
    files[4].write_bytes(b"")
    files[5].with_suffix(".en.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nthe number 5\n")


if __name__ == "__main__":
    main()
