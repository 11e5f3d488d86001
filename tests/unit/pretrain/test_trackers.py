"""Trackers: the real libraries without a network, and what becomes of a run whose tracker fails."""

import json
import logging
import os
import struct
import threading
import time

import mlflow
import pytest
import wandb
from mlflow import MlflowClient
from tiny import tiny_run
from wandb.proto.wandb_internal_pb2 import Record

from vlsa.base.errors import ConfigError
from vlsa.pretrain import trackers
from vlsa.pretrain.metrics_log import MetricsLog, read_metrics
from vlsa.pretrain.trackers import IDS_FILE, TRACKERS, require_trackers


def journal(path, first_step: int = 0, *names: str) -> MetricsLog:
    return MetricsLog(path, tiny_run(), first_step, names)


# --- Weights & Biases, offline


@pytest.fixture
def offline(monkeypatch, tmp_path):
    for name in ("WANDB_PROJECT", "WANDB_API_KEY", "WANDB_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    yield
    wandb.teardown()


def records(folder) -> list[Record]:
    """What an offline run holds: a log of blocks of 32 KiB, each record a checksum, a length, a kind and its bytes."""
    data = next(folder.glob("run-*.wandb")).read_bytes()
    place, whole, found = 7, b"", []
    while place + 7 <= len(data):
        if 2**15 - place % 2**15 < 7:
            place += 2**15 - place % 2**15
            continue
        length, kind = struct.unpack_from("<HB", data, place + 4)
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last of its parts
            found.append(Record.FromString(whole))
            whole = b""
    return found


def history(folder) -> list[dict[str, float]]:
    rows = [
        {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
        for record in records(folder)
        if record.HasField("history")
    ]
    return [{name: value for name, value in row.items() if name in ("_step", "loss", "a/r10")} for row in rows]


def test_wandb_keeps_a_run_offline_with_its_settings(tmp_path, offline):
    with journal(tmp_path / "mine", 0, "wandb") as written:
        written.write(1, {"loss": 3.0})
        written.write(10, {"loss": 0.5})
        written.write(10, {"a/r10": 0.25})
    wandb.teardown()  # the end of the program: its process has written all
    folder = next((tmp_path / "mine" / "wandb").glob("offline-run-*"))
    assert history(folder) == [{"_step": 1, "loss": 3.0}, {"_step": 10, "loss": 0.5, "a/r10": 0.25}]
    run = next(record.run for record in records(folder) if record.HasField("run"))
    assert (run.project, run.display_name) == ("vlsa", "mine")
    updates = [update for record in records(folder) for update in record.config.update]
    model = next(json.loads(update.value_json) for update in updates if "model" in (update.key, *update.nested_key))
    assert model["encoder"]["width"] == tiny_run().model.encoder.width


def test_a_resumed_run_goes_on_under_its_name_with_wandb_and_one_begun_anew_does_not(tmp_path, offline):
    names = []
    for first_step in (0, 10, 0):
        with journal(tmp_path, first_step, "wandb") as written:
            written.write(first_step + 1, {"loss": 1.0})
        names.append(json.loads((tmp_path / IDS_FILE).read_text())["wandb"])
    assert names[0] == names[1] != names[2]
    assert {path.name.split("-")[3] for path in (tmp_path / "wandb").glob("offline-run-*")} == {names[0], names[2]}


def test_without_a_login_a_run_does_not_begin_and_the_line_says_how(tmp_path, offline, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with pytest.raises(ConfigError, match=r"there is no API key.*wandb login.*WANDB_MODE=offline") as caught:
        journal(tmp_path, 0, "wandb")
    assert "\n" not in str(caught.value)


# --- MLflow, in files


@pytest.fixture
def store(monkeypatch, tmp_path) -> MlflowClient:
    uri = (tmp_path / "mlruns").as_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # a database needs more than the client
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    return MlflowClient(uri)


def runs_of(store: MlflowClient) -> list[mlflow.entities.Run]:
    return store.search_runs([store.get_experiment_by_name("vlsa").experiment_id])


def test_mlflow_has_the_numbers_and_the_settings(tmp_path, store):
    with journal(tmp_path / "mine", 0, "mlflow") as written:
        written.write(1, {"loss": 3.0})
        written.write(10, {"loss": 0.5, "text_to_video/r10": 0.25})
    (run,) = runs_of(store)
    assert [(m.step, m.value) for m in store.get_metric_history(run.info.run_id, "loss")] == [(1, 3.0), (10, 0.5)]
    assert run.data.metrics["text_to_video/r10"] == 0.25
    assert run.data.params["model.encoder.width"] == str(tiny_run().model.encoder.width)
    assert (run.info.run_name, run.info.status) == ("mine", "FINISHED")


def test_a_resumed_run_goes_on_in_the_same_run_of_mlflow(tmp_path, store):
    for first_step in (0, 10):
        with journal(tmp_path, first_step, "mlflow") as written:
            written.write(first_step + 10, {"loss": first_step + 1.0})
    (run,) = runs_of(store)
    assert [m.step for m in store.get_metric_history(run.info.run_id, "loss")] == [10, 20]


def test_a_run_that_ends_in_an_error_is_marked_so(tmp_path, store):
    with pytest.raises(KeyError), journal(tmp_path, 0, "mlflow"):
        raise KeyError
    assert [run.info.status for run in runs_of(store)] == ["FAILED"]


def test_a_server_that_is_not_there_stops_a_new_run_in_a_line(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(
        ConfigError, match=r"--report-to mlflow: cannot start a run \(API request.*MLFLOW_TRACKING_URI"
    ) as caught:
        journal(tmp_path, 0, "mlflow")
    assert "\n" not in str(caught.value)


def test_a_server_is_asked_a_few_times_unless_the_user_says_otherwise(monkeypatch):
    names = list(trackers.FEW_TRIES)
    for name in names:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(names[0], "5")
    with trackers._few_tries():
        assert [os.environ[name] for name in names] == ["5", trackers.FEW_TRIES[names[1]]]
    assert [os.environ.get(name) for name in names] == ["5", None]


# --- any of them


class Noted:
    """A tracker that notes what it is told, and fails when it is asked to."""

    module, extra, advice = "json", "noted", "Do nothing."

    def __init__(self, start: trackers.Start) -> None:
        self.id = start.id or f"run-{len(self.starts)}"
        self.starts.append(start)
        if self.fails_at == "start":
            raise OSError("no way\nto the server")

    def write(self, step: int, values: dict[str, float]) -> None:
        self.told.append((step, values))
        if self.fails_at == step:
            raise ConnectionError("the line is dead\nand buried")
        if self.hangs_at == step:
            self.go_on.wait(20)

    def close(self, failed: bool) -> None:
        self.told.append(("closed", failed))


@pytest.fixture
def noted(monkeypatch) -> type[Noted]:
    """Takes the place of all trackers."""
    fresh = {"starts": [], "told": [], "fails_at": None, "hangs_at": None, "go_on": threading.Event()}
    kind = type("Noted", (Noted,), fresh)
    monkeypatch.setattr(trackers, "TRACKERS", {"noted": kind})
    monkeypatch.setattr(trackers, "_is_installed", lambda module: module == "json")
    monkeypatch.setattr(logging.getLogger("vlsa"), "propagate", True)
    return kind


def write_steps(path, first_step: int, *steps: int) -> None:
    with journal(path, first_step, "noted") as written:
        for step in steps:
            written.write(step, {"loss": 1.0})


def test_a_tracker_is_told_all_and_that_it_is_over(tmp_path, noted):
    write_steps(tmp_path, 0, 1, 10)
    assert noted.told == [(1, {"loss": 1.0}), (10, {"loss": 1.0}), ("closed", False)]


def test_what_is_no_number_reaches_neither_file_nor_tracker(tmp_path, noted):
    with journal(tmp_path, 0, "noted") as written:
        written.write(1, {"loss": 1.0, "alignment_audio_text": float("nan")})
    assert read_metrics(tmp_path) == [{"step": 1, "loss": 1.0}]
    assert noted.told[0] == (1, {"loss": 1.0})


def test_a_tracker_that_fails_on_the_way_is_told_of_once_and_the_run_goes_on(tmp_path, noted, caplog):
    noted.fails_at = 10
    with journal(tmp_path, 0, "noted") as written:
        for step in (1, 10, 20, 30):
            written.write(step, {"loss": 1.0})
            time.sleep(0.02)
    assert [line["step"] for line in read_metrics(tmp_path)] == [1, 10, 20, 30]
    assert [told[0] for told in noted.told] == [1, 10]
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "noted: failed (the line is dead) and is dropped; metrics.jsonl continues"
    ]


def test_a_tracker_that_hangs_holds_nobody_up(tmp_path, noted, monkeypatch, caplog):
    noted.hangs_at = 1
    monkeypatch.setattr(trackers, "PATIENCE_SECONDS", 0.05)
    began = time.monotonic()
    write_steps(tmp_path, 0, 1, 10, 20)
    assert time.monotonic() - began < 5
    assert [line["step"] for line in read_metrics(tmp_path)] == [1, 10, 20]
    assert "noted: still busy" in caplog.text
    noted.go_on.set()


def test_a_tracker_that_cannot_begin_stops_a_new_run_in_a_line(tmp_path, noted):
    noted.fails_at = "start"
    with pytest.raises(ConfigError, match=r"^--report-to noted: cannot start a run \(no way\); .* Do nothing\.$"):
        write_steps(tmp_path, 0)


def test_a_run_that_goes_on_is_not_stopped_by_its_tracker(tmp_path, noted, caplog):
    write_steps(tmp_path, 0, 10)
    noted.fails_at = "start"
    write_steps(tmp_path, 10, 20)
    noted.fails_at = None
    write_steps(tmp_path, 20, 30)
    assert [line["step"] for line in read_metrics(tmp_path)] == [10, 20, 30]
    assert "noted: cannot be used (no way); metrics.jsonl continues" in caplog.text
    assert [start.id for start in noted.starts] == [None, "run-0", "run-0"]


def test_when_the_second_cannot_begin_the_first_is_closed(tmp_path, noted):
    refusing = type("Refusing", (noted,), {"fails_at": "start"})
    trackers.TRACKERS["refusing"] = refusing
    with pytest.raises(ConfigError, match="refusing"):
        journal(tmp_path, 0, "noted", "refusing")
    assert noted.told == [("closed", True)]


@pytest.mark.parametrize("spoilt", ["", "[1]", '{"noted": 5}'])
def test_a_spoilt_list_of_names_means_a_new_run_there(tmp_path, noted, spoilt):
    (tmp_path / IDS_FILE).write_text(spoilt)
    write_steps(tmp_path, 10, 20)
    assert noted.starts[0].id is None


def test_the_reason_of_a_library_is_cut_between_words(tmp_path, noted, monkeypatch):
    def refuse(self, start) -> None:
        raise RuntimeError("somewhere " * 40)

    monkeypatch.setattr(noted, "__init__", refuse)
    with pytest.raises(ConfigError, match=r"\(somewhere (somewhere )+\.\.\.\); nobody") as caught:
        write_steps(tmp_path, 0)
    assert len(str(caught.value)) < 320


def test_an_unknown_tracker_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"--report-to wandbb: no such tracker\. .*wandb"):
        require_trackers(["wandbb"])


@pytest.mark.parametrize(("name", "extra"), [("tensorboard", "curves"), ("wandb", "wandb"), ("mlflow", "mlflow")])
def test_a_missing_library_is_named_with_its_extra(monkeypatch, name, extra):
    monkeypatch.setattr(trackers, "_is_installed", lambda module: False)
    assert TRACKERS[name].extra == extra
    with pytest.raises(ConfigError, match=rf"{name} is not installed; .* pip install '\.\[{extra}\]'$"):
        require_trackers([name])


def test_tensorboard_is_there_unasked_and_not_twice(tmp_path):
    with journal(tmp_path, 0, "tensorboard") as written:
        written.write(1, {"loss": 1.0})
    assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 1


def test_without_tensorboard_the_file_of_metrics_is_enough(tmp_path, monkeypatch):
    monkeypatch.setattr(trackers, "_is_installed", lambda module: False)
    with journal(tmp_path) as written:
        written.write(1, {"loss": 1.0})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "metrics.jsonl"]
