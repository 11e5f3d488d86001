"""What a run writes down: lines that survive a kill, and a resumed run without doubled steps."""

import itertools
import json
import os
import re
import time

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import tiny_run

from vlsa.base.errors import ConfigError
from vlsa.config import Config
from vlsa.config.overrides import from_dict
from vlsa.pretrain.metrics_log import METRICS_FILE, MetricsLog, read_metrics, require_place
from vlsa.retrieve.encode.onnx.folder import is_export


def write_steps(path, first_step: int, steps: list[int], factor: float = 1.0) -> None:
    with MetricsLog(path, tiny_run(), first_step) as journal:
        for step in steps:
            journal.write(step, {"loss": factor * step})


def test_each_line_is_an_object_with_its_step(tmp_path):
    write_steps(tmp_path / "run", 0, [1, 10])
    lines = (tmp_path / "run" / METRICS_FILE).read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"step": 1, "loss": 1.0}, {"step": 10, "loss": 10.0}]
    assert read_metrics(tmp_path / "run") == [json.loads(line) for line in lines]


def test_small_numbers_keep_their_digits(tmp_path):
    write_steps(tmp_path, 0, [1], factor=1.23456e-8)  # a learning rate in a long warm-up
    assert read_metrics(tmp_path)[0]["loss"] == 1.23456e-8


def test_a_line_is_on_disk_before_the_run_ends(tmp_path):
    with MetricsLog(tmp_path, tiny_run(), 0) as journal:
        journal.write(1, {"loss": 0.5})
        assert read_metrics(tmp_path) == [{"step": 1, "loss": 0.5}]


def test_the_settings_lie_beside_it(tmp_path):
    write_steps(tmp_path, 0, [])
    assert from_dict(Config, json.loads((tmp_path / "config.json").read_text())) == tiny_run()


def test_a_resumed_run_drops_what_it_will_do_again(tmp_path):
    write_steps(tmp_path, 0, [1, 10, 20, 30])
    write_steps(tmp_path, 15, [20, 30, 40], factor=2.0)
    assert [(line["step"], line["loss"]) for line in read_metrics(tmp_path)] == [
        (1, 1.0),
        (10, 10.0),
        (20, 40.0),
        (30, 60.0),
        (40, 80.0),
    ]


def test_a_run_that_begins_anew_drops_everything(tmp_path):
    write_steps(tmp_path, 0, [1, 10])
    write_steps(tmp_path, 0, [1])
    assert len(read_metrics(tmp_path)) == 1


def test_a_line_that_a_kill_cut_short_is_left_out_and_does_not_spoil_the_next(tmp_path):
    write_steps(tmp_path, 0, [1, 10])
    with (tmp_path / METRICS_FILE).open("a") as file:
        file.write('{"step": 11, "lo')
    assert [line["step"] for line in read_metrics(tmp_path)] == [1, 10]
    write_steps(tmp_path, 10, [20])
    assert [line["step"] for line in read_metrics(tmp_path)] == [1, 10, 20]


def test_no_journal_has_no_lines(tmp_path):
    assert read_metrics(tmp_path / "nothing") == []


def test_tensorboard_shows_the_same_numbers_each_step_once(tmp_path, monkeypatch):
    clock = itertools.count(1_700_000_000, 10)  # event files are ordered by the second of their making
    monkeypatch.setattr(time, "time", lambda: float(next(clock)))
    write_steps(tmp_path, 0, [1, 10, 20], factor=3.0)  # killed before its first checkpoint
    write_steps(tmp_path, 0, [1, 10, 20])
    write_steps(tmp_path, 10, [20, 30], factor=2.0)
    curves = EventAccumulator(str(tmp_path)).Reload()
    shown = [(event.step, event.value) for event in curves.Scalars("loss")]
    assert shown == [(1, 1.0), (10, 10.0), (20, 40.0), (30, 60.0)]


def test_lines_that_are_spoilt_are_left_out_and_the_run_goes_on(tmp_path):
    write_steps(tmp_path, 0, [1])
    with (tmp_path / METRICS_FILE).open("ab") as file:
        file.write(b'5\n"x"\n{"loss": 1}\n\xff\xfe\n' + b"\0" * 40 + b"\n" + b"[" * 100_000 + b"\n")
    write_steps(tmp_path, 1, [2])
    assert [line["step"] for line in read_metrics(tmp_path)] == [1, 2]


def test_the_settings_of_something_else_are_not_written_over(tmp_path):
    theirs = b'{"model_type": "vit"}'
    (tmp_path / "config.json").write_bytes(theirs)
    with pytest.raises(ConfigError, match=r"holds the config\.json of something else"):
        require_place(tmp_path)
    assert (tmp_path / "config.json").read_bytes() == theirs


@pytest.mark.parametrize(
    ("name", "theirs"),
    [("config.json", b'{ // widths\n "width": 3 }'), ("config.json", b"[[["), ("metrics.jsonl", b'{"epoch": 3}\n')],
)
def test_what_no_run_wrote_is_not_written_over(tmp_path, name, theirs):
    (tmp_path / name).write_bytes(theirs)
    with pytest.raises(ConfigError, match=f"holds the {re.escape(name)} of something else, which would be lost"):
        require_place(tmp_path)
    assert (tmp_path / name).read_bytes() == theirs


@pytest.mark.parametrize(("name", "what"), [("store.json", "is a store of clips"), ("index.json", "is an index")])
def test_a_store_or_an_index_is_no_place_for_a_run(tmp_path, name, what):
    (tmp_path / name).write_text("{}")
    with pytest.raises(ConfigError, match=f"{what}.* Name another --out"):
        require_place(tmp_path)


def test_a_run_whose_settings_were_removed_is_still_its_place(tmp_path):
    write_steps(tmp_path, 0, [1])
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "config.json").unlink()
    require_place(tmp_path)


@pytest.mark.parametrize("left", [None, b"", b'{\n  "rec', b'{"recipe": "ti'])
def test_a_folder_whose_settings_a_kill_cut_short_is_a_place_for_its_run(tmp_path, left):
    if left is not None:
        (tmp_path / "config.json").write_bytes(left)
    require_place(tmp_path)
    write_steps(tmp_path, 0, [1])
    require_place(tmp_path)


def test_a_folder_whose_name_is_not_utf_8_is_told_before_anything_is_written(tmp_path):
    with pytest.raises(ConfigError, match="its name is not UTF-8"):
        require_place(tmp_path / os.fsdecode(b"\xff"))


def test_a_file_or_an_exported_model_is_no_place_for_a_run(tmp_path):
    (tmp_path / "export.json").write_text("{}")
    assert is_export(tmp_path)
    with pytest.raises(ConfigError, match="holds an exported model.* Name another --out"):
        require_place(tmp_path)
    with pytest.raises(ConfigError, match="is a file; a run is a folder"):
        require_place(tmp_path / "export.json")
