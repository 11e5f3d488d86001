"""Progress: plain lines where stderr is no terminal, a bar where it is, and times that people can read."""

import io
import logging
import os
import subprocess
import sys
import warnings

import pytest

from vlsa.base import console
from vlsa.base.console import Bar, duration, training_message


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (60.0, "1 min"),
        (200.0, "3 min 20 s"),
        (3599.6, "1 h 0 min"),
        (7500.0, "2 h 5 min"),
    ],
)
def test_durations_read_as_people_say_them(seconds, said):
    assert duration(seconds) == said


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    return now


def test_plain_progress_is_a_line_now_and_then_with_the_time_left(capsys, clock):
    with Bar("training", keep_message=True) as bar:
        for step in range(0, 101, 10):
            clock[0] += 5
            bar.update(step, 100, "loss 1.5")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "vlsa: training: 30 of 100, loss 1.5, 35 s left"
    assert lines[-1] == "vlsa: training: 100 of 100, loss 1.5"
    assert len(lines) == 3  # every 20 s, and the end


def test_a_part_that_counts_other_things_has_its_own_time_left(capsys, clock):
    with Bar("indexing") as bar:
        bar.update(50, 50)
        clock[0] += 100
        bar.update(5, 10)
        clock[0] += 30
        bar.update(8, 10)
    assert "indexing: 8 of 10, 20 s left" in capsys.readouterr().err


def test_a_resumed_run_estimates_by_its_own_speed(capsys, clock):
    with Bar("training") as bar:
        bar.update(900, 1000)
        clock[0] += 30
        bar.update(910, 1000)
    assert "4 min 30 s left" in capsys.readouterr().err


def test_the_last_file_is_not_named_when_all_is_done(capsys):
    with Bar("preparing clips") as bar:
        bar.update(10, 10, "cat.mp4")
    assert capsys.readouterr().err == "vlsa: preparing clips: 10 of 10\n"


def terminal_of(monkeypatch) -> io.StringIO:
    """Takes the place of stderr; to be called in the test, as pytest sets stderr anew after the fixtures."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    return sys.stderr


def test_in_a_terminal_there_is_a_bar_with_the_time_left(monkeypatch, clock):
    terminal = terminal_of(monkeypatch)
    with Bar("preparing clips") as bar:
        bar.update(1, 10)
        clock[0] += 60
        bar.update(7, 10, "cat.mp4")
    shown = terminal.getvalue()
    assert "preparing clips" in shown
    assert "7/10" in shown
    assert "30 s left" in shown
    assert "cat.mp4" in shown


def test_a_bar_that_is_full_says_how_long_it_took(monkeypatch, clock):
    terminal = terminal_of(monkeypatch)
    with Bar("preparing clips") as bar:
        bar.update(0, 10)
        clock[0] += 80
        bar.update(10, 10, "cat.mp4")
    shown = terminal.getvalue()
    assert "1 min 20 s" in shown.rpartition("preparing clips")[2]
    assert "cat.mp4" not in shown.rpartition("preparing clips")[2]


def test_brackets_in_a_files_name_are_shown_as_they_are(monkeypatch):
    terminal = terminal_of(monkeypatch)
    with Bar("preparing clips") as bar:
        bar.update(7, 10, "[bold]/[/x].mp4")
    assert "[bold]/[/x].mp4" in terminal.getvalue()


def test_notes_of_ours_reach_stderr_and_warnings_of_libraries_do_not(capsys, monkeypatch):
    monkeypatch.setattr(sys, "warnoptions", [])
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    monkeypatch.setenv("HF_HUB_VERBOSITY", "error")
    logger = logging.getLogger("vlsa")
    before = logger.handlers, logger.propagate, logger.level
    with warnings.catch_warnings():
        console.set_up()
        logging.getLogger("vlsa.pretrain.metrics_log").info("curves go to a file")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    logger.handlers, logger.propagate = before[:2]
    logger.setLevel(before[2])
    assert capsys.readouterr().err == "vlsa: curves go to a file\n"


def test_the_hubs_library_is_quiet_although_it_sets_its_level_when_it_is_imported():
    level = "logging.getLogger('huggingface_hub.utils._http').getEffectiveLevel()"
    code = (
        f"import logging; from vlsa.base.console import set_up; set_up(); import huggingface_hub.utils; print({level})"
    )
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_VERBOSITY"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert int(done.stdout) == logging.ERROR


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({}, "loss 2.346"),
        ({"clips_per_second": 1234.5, "data_wait_share": 0.04}, "loss 2.346, 1,234 clips/s"),
        ({"clips_per_second": 0.34}, "loss 2.346, 0.3 clips/s"),
        ({"clips_per_second": 80.0, "mfu": 0.523}, "loss 2.346, 80 clips/s, 52% MFU"),
        ({"clips_per_second": 80.0, "data_wait_share": 0.31}, "loss 2.346, 80 clips/s, 31% waiting for data"),
    ],
)
def test_training_says_how_it_goes_and_only_what_is_worth_a_look(metrics, said):
    assert training_message({"loss": 2.3456} | metrics) == said
