"""What a run writes down as it goes: metrics.jsonl for programs, TensorBoard event files for people.

Fed by loop.py, which holds the folder of the run meanwhile (`only_writer`); read by serve/curves.py. A
resumed run first drops the lines of steps that it will do again.
"""

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from vlsa.config import Config
from vlsa.data.manifest import write_atomically
from vlsa.errors import CheckpointError, ConfigError
from vlsa.settings import to_dict

METRICS_FILE, SETTINGS_FILE = "metrics.jsonl", "config.json"


class Journal:
    """Appends to RUN/metrics.jsonl (one JSON object a line, with its step) and to RUN/events.out.tfevents.*"""

    def __init__(self, run_path: Path, config: Config, first_step: int) -> None:
        run_path.mkdir(parents=True, exist_ok=True)
        write_atomically(run_path / SETTINGS_FILE, json.dumps(to_dict(config), indent=2).encode() + b"\n")
        self.path = run_path / METRICS_FILE
        _drop_after(self.path, first_step)
        self._file = self.path.open("a", encoding="utf-8")
        self._board = _board(run_path, first_step)

    def write(self, step: int, values: dict[str, float]) -> None:
        """One line of numbers to six digits, flushed."""
        rounded = {name: float(f"{value:.6g}") for name, value in values.items()}  # a learning rate may be 1e-8
        self._file.write(json.dumps({"step": step, **rounded}) + "\n")
        self._file.flush()
        if self._board:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self._board:
            self._board.close()


def require_place(run_path: Path) -> None:
    """Raises ConfigError for a folder where a run cannot lie: its settings would replace those of something else."""
    try:
        str(run_path).encode()
        held = json.loads((run_path / SETTINGS_FILE).read_bytes())
    except UnicodeEncodeError as error:
        raise ConfigError(f"{run_path}: its name is not UTF-8; no weights could be kept there. Rename it.") from error
    except (OSError, ValueError, RecursionError):  # not there, or cut short
        return
    if not (isinstance(held, dict) and "train" in held):
        raise ConfigError(
            f"{run_path}: holds the {SETTINGS_FILE} of something else, which would be lost. Name another --out."
        )


@contextmanager
def only_writer(run_path: Path) -> Iterator[None]:
    """Hold the folder of a run, made if need be. Raises CheckpointError when another process trains in it."""
    run_path.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(run_path, os.O_RDONLY)
    try:
        _lock(run_path, descriptor)
        yield
    finally:
        os.close(descriptor)


def _lock(run_path: Path, descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CheckpointError(
            f"{run_path}: another process is training this run; two would overwrite each other's checkpoints. "
            "Wait for it to end, or give another --out."
        ) from error


def read_metrics(run_path: str | Path) -> list[dict[str, int | float]]:
    """The lines of metrics.jsonl; a line cut short by a kill, or spoilt, is left out."""
    path = Path(run_path) / METRICS_FILE
    lines = map(_parsed, path.read_bytes().splitlines() if path.exists() else [])
    return [line for line in lines if isinstance(line, dict) and isinstance(line.get("step"), int)]


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _drop_after(path: Path, step: int) -> None:
    kept = [line for line in read_metrics(path.parent) if line["step"] <= step]
    write_atomically(path, "".join(json.dumps(line) + "\n" for line in kept).encode())


def _board(run_path: Path, first_step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        logging.getLogger(__name__).info("tensorboard is not installed: curves go to %s only", run_path / METRICS_FILE)
        return None
    return SummaryWriter(str(run_path), purge_step=first_step + 1)
