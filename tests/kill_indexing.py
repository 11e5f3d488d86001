"""Index footage again and again, each time killed at a random place: `python kill_indexing.py FOOTAGE OUT SEED TRIES`.

Each try is a fork of this process, which has imported everything but Lance (which is not to be used across a fork), so
that a try takes a fraction of a second. The last try is not killed. Then files are renamed, removed and rewritten, and
it all happens again on the same indexes. Prints how many tries were killed at work.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

from fake_encoder import FakeEncoder, write_numbered_sound

from vlsa.retrieve.index import build, writer
from vlsa.retrieve.search import tables_process

writer.ROWS_PER_WRITE = 2  # a write and its acknowledgement every two rows


def index(footage: Path, out: Path, started: int) -> None:
    """The life of a child."""
    import lancedb  # noqa: F401

    os.write(started, b".")
    build.build_index(FakeEncoder(), footage, out, num_workers=0)


def run(footage: Path, out: Path, kill_after_seconds: float | None) -> bool:
    """One try; whether it was killed before it had ended."""
    began, started = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            index(footage, out, started)
            status = 0
        finally:
            os._exit(status)
    os.read(began, 1)
    if kill_after_seconds is not None:
        time.sleep(kill_after_seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
    return os.WIFSIGNALED(status)


def main() -> None:
    """A run that shows how long one takes; then rounds of kills, each finished in peace."""
    footage, out, seed, num_tries = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    sys.meta_path.insert(0, tables_process._Placeholders())
    rng, num_killed = random.Random(seed), 0
    started = time.monotonic()
    run(footage, out / "unbroken", None)
    whole_seconds = time.monotonic() - started
    for phase in range(2):
        for number in range(num_tries):
            folder = out / f"round-{number // 4}"
            num_killed += run(footage, folder, rng.uniform(0, whole_seconds / 2))
            if number % 4 == 3:
                run(footage, folder, None)
        if phase == 0:
            reorganize(footage)
    run(footage, out / "new", None)
    print(num_killed)


def reorganize(footage: Path) -> None:
    """Rename a third of the files, remove one, and write another one anew."""
    files = sorted(footage.glob("*.wav"))
    for path in files[::3]:
        path.rename(path.with_name(f"moved-{path.name}"))
    files[1].unlink()
    write_numbered_sound(files[2], 77)


if __name__ == "__main__":
    main()
