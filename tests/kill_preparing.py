"""Prepare footage again and again, each time killed at a random moment: python kill_preparing.py FOOTAGE OUT SEED TRIES

What is killed is the process of `vlsa prepare`, its whole group, or one of its two workers, TRIES times each; then the
same command runs to its end. Fails if a store is not, byte for byte, that of an unbroken run; prints how many were
killed at work. Each try is a fork of this process, which has imported the command, so that it starts at once.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Literal

Victim = Literal["parent", "group", "worker"]
VICTIMS: tuple[Victim, ...] = ("parent", "group", "worker")


def prepare(footage: Path, store: Path) -> int:
    """The number of a child that prepares."""
    from vlsa.cli import main
    from vlsa.data.store import prepare as _  # noqa: F401

    child = os.fork()
    if child:
        return child
    os.setpgid(0, 0)
    status = 1
    try:
        os.dup2(os.open(store.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
        os.dup2(1, 2)
        main(["prepare", str(footage), str(store), "--recipe", "tiny", "--workers", "2"])
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    finally:
        os._exit(status)


def finish(footage: Path, store: Path) -> None:
    """The command, unbroken."""
    _, status = os.waitpid(prepare(footage, store), 0)
    assert os.waitstatus_to_exitcode(status) == 0, store.with_suffix(".log").read_text()


def killed(footage: Path, store: Path, victim: Victim, after_seconds: float, rng: random.Random) -> bool:
    """The command, killed; whether there was anything to kill. Where a worker was, it goes on to its end."""
    child = prepare(footage, store)
    time.sleep(after_seconds)
    workers = spawned_by(child)
    if victim == "worker" and workers:
        os.kill(rng.choice(workers), signal.SIGKILL)
    elif victim == "parent":
        os.kill(child, signal.SIGKILL)
    elif victim == "group":
        os.killpg(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == (0 if victim == "worker" else -signal.SIGKILL) or code == 0, store.with_suffix(".log").read_text()
    return bool(workers) and (victim == "worker" or code != 0)


def spawned_by(process: int) -> list[int]:
    """Worker processes of a process; none of one that has ended."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    except OSError:
        return []


def every_byte(folder: Path) -> dict[str, bytes]:
    """What a store holds."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def main() -> None:
    """A run that shows how long one takes and what is right; then the kills."""
    footage, out, rng, num_tries = Path(sys.argv[1]), Path(sys.argv[2]), random.Random(sys.argv[3]), int(sys.argv[4])
    out.mkdir()
    started = time.monotonic()
    finish(footage, out / "unbroken")
    whole_seconds = time.monotonic() - started
    right, num_killed = every_byte(out / "unbroken"), dict.fromkeys(VICTIMS, 0)
    for number in range(num_tries):
        for victim in VICTIMS:
            store = out / f"{victim}-{number}"
            num_killed[victim] += killed(footage, store, victim, rng.uniform(0, whole_seconds), rng)
            finish(footage, store)
            assert every_byte(store) == right, f"{store}\n{store.with_suffix('.log').read_text()}"
    print(*(f"{victim}: {count}" for victim, count in num_killed.items()), sep=", ")


if __name__ == "__main__":
    main()
