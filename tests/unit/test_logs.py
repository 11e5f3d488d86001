"""Progress: plain lines where stderr is no terminal, a bar where it is, and times that people can read."""

import io
import logging
import sys
import warnings

import pytest

from vlsa import logs
from vlsa.logs import Bar, duration


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
    monkeypatch.setattr(logs.time, "monotonic", lambda: now[0])
    return now


def test_plain_progress_is_a_line_now_and_then_with_the_time_left(capsys, clock):
    with Bar("training") as bar:
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


def test_in_a_terminal_there_is_a_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with Bar("preparing clips") as bar:
        bar.update(1, 10)
        bar.update(7, 10, "cat.mp4")
    shown = sys.stderr.getvalue()
    assert "preparing clips" in shown
    assert "7/10" in shown
    assert "cat.mp4" in shown


def test_notes_of_ours_reach_stderr_and_warnings_of_libraries_do_not(capsys, monkeypatch):
    monkeypatch.setattr(sys, "warnoptions", [])
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    logger = logging.getLogger("vlsa")
    before = logger.handlers, logger.propagate, logger.level
    with warnings.catch_warnings():
        logs.set_up()
        logging.getLogger("vlsa.pretrain.journal").info("curves go to a file")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    logger.handlers, logger.propagate = before[:2]
    logger.setLevel(before[2])
    assert capsys.readouterr().err == "vlsa: curves go to a file\n"
