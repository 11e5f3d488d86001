"""Where the metrics of a run go in addition to metrics.jsonl: TensorBoard, Weights & Biases, MLflow.

Used by metrics_log.py. A tracker is an extra: written from a thread of its own, so that a slow server does not slow the
training; one that fails is reported once and dropped, since metrics.jsonl has everything. Only a new run is refused
when an asked tracker cannot start: nothing is lost yet, and a person is there. Libraries are imported when asked for.
"""

import importlib.util
import json
import logging
import os
import queue
import secrets
import textwrap
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from vlsa.base.errors import ConfigError
from vlsa.base.files import open_regular, write_atomically
from vlsa.config import Config
from vlsa.config.overrides import flat, nearest, to_dict

IDS_FILE = "trackers.json"
"""The run's name with each tracker, so that a resumed run continues there."""
PROJECT = "vlsa"
"""Project or experiment, where WANDB_PROJECT or MLFLOW_EXPERIMENT_NAME names no other."""
PATIENCE_SECONDS = 60.0
"""How long the end of a run waits for a tracker."""
MOST_PARAMETERS = 100
"""That MLflow takes at once."""
LONGEST_REASON = 200
"""Characters of a library's message that are shown."""
FEW_TRIES = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""While a person waits: half a minute until a silent server is given up, in place of a quarter of an hour."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Start:
    """What a tracker is given when a run starts, or resumes after `first_step`; `id` is its name for the run so far."""

    run_path: Path
    config: Config
    first_step: int
    id: str | None


@runtime_checkable
class Tracker(Protocol):
    """Numbers go in; `id` finds the run again. A class is called with a `Start`; anything may be raised."""

    module: ClassVar[str]
    extra: ClassVar[str]
    advice: ClassVar[str]
    id: str

    def write(self, step: int, values: dict[str, float]) -> None: ...

    def close(self, failed: bool) -> None: ...


class TensorBoard:
    """Event files in the folder of the run."""

    module, extra, advice = "tensorboard", "curves", "Free the place on the disk."
    id = ""

    def __init__(self, start: Start) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(start.run_path), purge_step=start.first_step + 1)

    def write(self, step: int, values: dict[str, float]) -> None:
        """One scalar a name."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self, failed: bool) -> None:
        """Write what is left."""
        self._writer.close()


class WeightsAndBiases:
    """A run of a W&B project; with WANDB_MODE=offline a folder RUN/wandb, to be sent later with `wandb sync`."""

    module, extra, advice = "wandb", "wandb", "Log in with `wandb login`, or set WANDB_MODE=offline."

    def __init__(self, start: Start) -> None:
        import wandb

        # Asked for in the middle of the progress bar, a key could not be typed.
        if wandb.setup().settings.mode == "online" and not wandb.login(prompt=False, verify=False):
            raise ConfigError("there is no API key")
        self.id = start.id or secrets.token_hex(4)
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            id=self.id,
            name=start.run_path.resolve().name,
            dir=start.run_path,
            resume="allow",
            settings=wandb.Settings(console="off", silent=True),
        )
        self._run.config.update(to_dict(start.config), allow_val_change=True)
        later = f"offline; send it later with: wandb sync {start.run_path}/wandb/offline-*"
        log.info("wandb: %s", later if self._run.offline else self._run.url)

    def write(self, step: int, values: dict[str, float]) -> None:
        """A step that it has already is left as it is: a resumed run repeats it exactly."""
        self._run.log(values, step=step)

    def close(self, failed: bool) -> None:
        """Send what is left."""
        self._run.finish(exit_code=int(failed))


class MLflow:
    """A run of an MLflow experiment, on the server or in the store that MLFLOW_TRACKING_URI names."""

    module, extra, advice = (
        "mlflow",
        "mlflow",
        "Set MLFLOW_TRACKING_URI to a server that answers. A database (sqlite:///runs.db) needs the whole package: "
        "pip install mlflow. A folder (file:runs) needs MLFLOW_ALLOW_FILE_STORE=true.",
    )

    def __init__(self, start: Start) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import Metric

        self._client, self._metric = MlflowClient(), Metric
        with _few_tries():
            self.id = start.id or self._create(start)
            self._client.update_run(self.id, status="RUNNING")
        log.info("mlflow: run %s at %s", self.id, self._client.tracking_uri)

    def _create(self, start: Start) -> str:
        from mlflow.entities import Param

        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        experiment = self._client.get_experiment_by_name(name)
        experiment_id = experiment.experiment_id if experiment else self._client.create_experiment(name)
        run_id = self._client.create_run(experiment_id, run_name=start.run_path.resolve().name).info.run_id
        params = [Param(key, str(value)) for key, value in flat(to_dict(start.config)).items()]
        for first in range(0, len(params), MOST_PARAMETERS):
            self._client.log_batch(run_id, params=params[first : first + MOST_PARAMETERS])
        return run_id

    def write(self, step: int, values: dict[str, float]) -> None:
        """All values of a step in one request."""
        now_ms = round(time.time() * 1000)
        self._client.log_batch(self.id, metrics=[self._metric(*pair, now_ms, step) for pair in values.items()])

    def close(self, failed: bool) -> None:
        """Say that the run is over."""
        self._client.set_terminated(self.id, "FAILED" if failed else "FINISHED")


@contextmanager
def _few_tries() -> Iterator[None]:
    """The run waits for MLflow's server meanwhile; what the user has set stands."""
    ours = {name: value for name, value in FEW_TRIES.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]


TRACKERS: dict[str, type[Tracker]] = {"tensorboard": TensorBoard, "wandb": WeightsAndBiases, "mlflow": MLflow}


class TrackerThread:
    """Hands numbers to a tracker from a thread of its own, until it fails."""

    def __init__(self, name: str, tracker: Tracker) -> None:
        self.name, self.tracker = name, tracker
        self._queue: queue.SimpleQueue[tuple[int, dict[str, float]] | bool] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"tracker {name}", daemon=True)
        self._thread.start()

    def write(self, step: int, values: dict[str, float]) -> None:
        """Returns at once."""
        if self._thread.is_alive():
            self._queue.put((step, values))

    def close(self, failed: bool) -> None:
        """Wait, for a minute at most, until all is written."""
        self._queue.put(failed)
        self._thread.join(PATIENCE_SECONDS)
        if self._thread.is_alive():
            log.warning(
                "%s: still busy %.0f s after the end; what it lacks is in metrics.jsonl", self.name, PATIENCE_SECONDS
            )

    def _work(self) -> None:
        try:
            while not isinstance(item := self._queue.get(), bool):
                self.tracker.write(*item)
            self.tracker.close(failed=item)
        except Exception as error:  # whatever a library may raise, a run is worth more than its curves
            log.warning("%s: failed (%s) and is dropped; metrics.jsonl continues", self.name, _first_line(error))


def require_trackers(names: Sequence[str]) -> None:
    """Raises ConfigError for an unknown tracker, or one whose library is not there."""
    for name in names:
        if name not in TRACKERS:
            raise ConfigError(f"--report-to {name}: no such tracker. {nearest(name, TRACKERS)}")
        if not _is_installed(TRACKERS[name].module):
            raise ConfigError(
                f"--report-to {name}: {TRACKERS[name].module} is not installed; nobody could watch the run there. "
                f"pip install '.[{TRACKERS[name].extra}]'"
            )


def open_trackers(names: Sequence[str], run_path: Path, config: Config, first_step: int) -> list[TrackerThread]:
    """TensorBoard if it is installed, and the asked ones; a resumed run continues in theirs.

    Raises ConfigError for one that `require_trackers` refuses, or that cannot start a new run (no login, no server).
    """
    require_trackers(names)
    default = ["tensorboard"] if _is_installed(TensorBoard.module) else []
    if not default:
        log.info("tensorboard is not installed: curves go to %s only", run_path / "metrics.jsonl")
    ids = _read_ids(run_path / IDS_FILE) if first_step else {}
    threads: list[TrackerThread] = []
    for name in dict.fromkeys([*default, *names]):
        try:
            threads.append(TrackerThread(name, TRACKERS[name](Start(run_path, config, first_step, ids.get(name)))))
        except Exception as error:  # theirs, of any kind; re-raised for a new run as what a user can fix
            if not first_step and name in names:
                _close(threads)
                raise _refusal(name, error) from error
            log.warning("%s: cannot be used (%s); metrics.jsonl continues", name, _first_line(error))
    _write_ids(run_path / IDS_FILE, ids | {thread.name: thread.tracker.id for thread in threads if thread.tracker.id})
    return threads


def _close(threads: list[TrackerThread]) -> None:
    for thread in threads:
        thread.close(failed=True)


def _refusal(name: str, error: Exception) -> ConfigError:
    why, advice = _first_line(error), TRACKERS[name].advice
    return ConfigError(f"--report-to {name}: cannot start a run ({why}); nobody could watch it there. {advice}")


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:
        return False


def _first_line(error: Exception) -> str:
    text = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    whole = text.strip().rstrip(".")
    return whole if len(whole) <= LONGEST_REASON else textwrap.shorten(whole, LONGEST_REASON, placeholder=" ...")


def _read_ids(path: Path) -> dict[str, str]:
    try:
        with open_regular(path) as file:
            ids = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    return {name: id_ for name, id_ in ids.items() if isinstance(id_, str)} if isinstance(ids, dict) else {}


def _write_ids(path: Path, ids: dict[str, str]) -> None:
    if ids or path.exists():
        write_atomically(path, json.dumps(ids).encode() + b"\n")
