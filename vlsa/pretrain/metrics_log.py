"""What a run writes down as it goes: metrics.jsonl for programs, and what trackers.py makes of it for people.

Fed by loop.py, which holds the folder of the run meanwhile (`only_writer`); read by show/plots/curves.py. A
resumed run first drops the lines of steps that it will do again.
"""

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from vlsa.base.errors import CheckpointError, ConfigError
from vlsa.base.files import locked_folder, open_regular, write_atomically
from vlsa.base.processes import rank
from vlsa.config import Config
from vlsa.config.overrides import to_dict
from vlsa.pretrain.trackers import open_trackers

METRICS_FILE, SETTINGS_FILE = "metrics.jsonl", "config.json"
SETTINGS_BEGIN = b'{"recipe":'
"""The first bytes of a run's settings, without white space."""
EXPORT_FILE = "export.json"
"""What retrieve/encode/onnx/folder.py writes: no run may lie where it is."""
NO_RUNS = {"store.json": "a store of clips", "index.json": "an index"}
"""File -> what the folder is that it stands in."""


class MetricsLog:
    """Appends to RUN/metrics.jsonl (one JSON object a line, with its step), and passes it to the trackers.

    TensorBoard is one where it is installed; `trackers` names more. Of several processes rank 0 writes; what the others
    say is dropped. Raises ConfigError as `open_trackers`.
    """

    def __init__(self, run_path: Path, config: Config, first_step: int, trackers: Sequence[str] = ()) -> None:
        self._file, self._trackers = None, []
        if rank() > 0:
            return
        run_path.mkdir(parents=True, exist_ok=True)
        write_atomically(run_path / SETTINGS_FILE, json.dumps(to_dict(config), indent=2).encode() + b"\n")
        self.path = run_path / METRICS_FILE
        _drop_after(self.path, first_step)
        self._trackers = open_trackers(trackers, run_path, config, first_step)
        self._file = self.path.open("a", encoding="utf-8")

    def write(self, step: int, values: dict[str, float]) -> None:
        """One line of numbers to six digits, flushed. What is no number has no place in JSON, and is left out."""
        if not self._file:
            return
        values = {name: value for name, value in values.items() if math.isfinite(value)}
        rounded = {name: float(f"{value:.6g}") for name, value in values.items()}  # a learning rate may be 1e-8
        self._file.write(json.dumps({"step": step, **rounded}) + "\n")
        self._file.flush()
        for tracker in self._trackers:
            tracker.write(step, values)

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()
        for tracker in self._trackers:
            tracker.close(failed=kind is not None)


def require_place(run_path: Path) -> None:
    """Raises ConfigError for a folder where a run cannot lie: it would take the place of something else."""
    if run_path.is_file():
        raise ConfigError(f"{run_path}: is a file; a run is a folder. Name another --out.")
    if (run_path / EXPORT_FILE).exists():
        raise ConfigError(
            f"{run_path}: holds an exported model, which would answer in place of the run. Name another --out."
        )
    other = next((what for name, what in NO_RUNS.items() if (run_path / name).exists()), None)
    if other:
        raise ConfigError(f"{run_path}: is {other}; a run would be mixed into its files. Name another --out.")
    try:
        str(run_path).encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"{run_path}: its name is not UTF-8; no weights could be kept there. Rename it.") from error
    others = _file_of_something_else(run_path)
    if others:
        raise ConfigError(f"{run_path}: holds the {others} of something else, which would be lost. Name another --out.")


def _file_of_something_else(run_path: Path) -> str | None:
    """A file that no run wrote and that one would write over. What a kill cut short is a run's."""
    try:
        with open_regular(run_path / SETTINGS_FILE) as file:
            settings = file.read()
    except OSError:  # not there: a run writes its settings first
        is_run = (run_path / "checkpoints").is_dir()
        return METRICS_FILE if not is_run and _has_bytes(run_path / METRICS_FILE) else None
    try:
        held = json.loads(settings)
    except (ValueError, RecursionError):
        begin = b"".join(settings.split())[: len(SETTINGS_BEGIN)]
        return None if SETTINGS_BEGIN.startswith(begin) else SETTINGS_FILE
    return None if isinstance(held, dict) and "train" in held else SETTINGS_FILE


def _has_bytes(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


@contextmanager
def only_writer(run_path: Path) -> Iterator[None]:
    """Hold the folder of a run, made if need be; rank 0 does for all.

    Raises CheckpointError when another training has it.
    """
    if rank() > 0:
        yield
        return
    busy = CheckpointError(
        f"{run_path}: another process is training this run; two would overwrite each other's checkpoints. "
        "Wait for it to end, or give another --out."
    )
    with locked_folder(run_path, busy):
        yield


def read_metrics(run_path: str | Path) -> list[dict[str, int | float]]:
    """The lines of metrics.jsonl; a line cut short by a kill, or spoilt, is left out."""
    path = Path(run_path) / METRICS_FILE
    if not path.exists():
        return []
    with open_regular(path) as file:
        lines = list(map(_parsed, file.read().splitlines()))
    return [line for line in lines if isinstance(line, dict) and isinstance(line.get("step"), int)]


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _drop_after(path: Path, step: int) -> None:
    kept = [line for line in read_metrics(path.parent) if line["step"] <= step]
    write_atomically(path, "".join(json.dumps(line) + "\n" for line in kept).encode())
