"""Progress: plain lines where stderr is no terminal, a bar where it is, and times that people can read."""

import io
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from vlsa.base import console
from vlsa.base.console import Bar, duration, printable, say, timestamp, training_message


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


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0, "0:00:00.0"), (7.5, "0:00:07.5"), (59.96, "0:01:00.0"), (3723.04, "1:02:03.0"), (360_000.0, "100:00:00.0")],
)
def test_positions_in_a_file_are_hours_minutes_seconds_and_tenths(seconds, shown):
    assert timestamp(seconds) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m.mp4", "\\x1b[31mred\\x1b[0m.mp4"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("two\r\nlines\tand\x85\u2028more", "two\\r\\nlines\\tand\\x85\\u2028more"),
        ("\x9b31m \x9d0;t\x9c", "\\x9b31m \\x9d0;t\\x9c"),
        ("gpj\u202e.exe \u2066\u200f\u061c", "gpj\\u202e.exe \\u2066\\u200f\\u061c"),
        ("zero\u200bwidth\ufeff\U000e0041", "zero\\u200bwidth\\ufeff\\U000e0041"),
        (os.fsdecode(b"\x9b31m"), "\\udc9b31m"),
    ],
)
def test_what_a_terminal_obeys_or_hides_is_escaped(text, shown):
    assert printable(text) == shown
    assert printable(shown) == shown


@pytest.mark.parametrize("text", ["café [b] 日本語 עברית \xa0", "👩\u200d👩\u200d👧 می\u200cخواهم", "back\\slash", ""])
def test_text_of_any_language_is_shown_as_it_is(text):
    assert printable(text) == text


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


def test_each_part_of_a_stage_says_what_it_counts(monkeypatch, capsys, clock):
    def made(bar: Bar) -> None:
        bar.update_part(19, 19, "files read: a: b.mp4")
        clock[0] += 100
        bar.update_part(1, 19, "windows encoded: a: b.mp4")
        clock[0] += 30
        bar.update_part(4, 19, "windows encoded: a: b.mp4")

    with Bar("indexing") as bar:
        made(bar)
    plain = ["vlsa: files read: 19 of 19", "vlsa: windows encoded: 1 of 19, a: b.mp4"]
    assert capsys.readouterr().err.splitlines()[:2] == plain
    terminal = terminal_of(monkeypatch)
    with Bar("indexing") as bar:
        made(bar)
    last = terminal.getvalue().rpartition("windows encoded")[2]
    assert all(text in last for text in ("4/19", "2 min 30 s left", "a: b.mp4")) and "files read" not in last


def test_a_resumed_run_estimates_by_its_own_speed(capsys, clock):
    with Bar("training") as bar:
        bar.update(900, 1000)
        clock[0] += 30
        bar.update(910, 1000)
    assert "4 min 30 s left" in capsys.readouterr().err


def test_a_last_unit_that_is_reported_twice_is_one_line(capsys):
    bar = Bar("scanning")
    for done in (1, 2, 2, 2):
        bar.update(done, 2)
    assert capsys.readouterr().err == "vlsa: scanning: 2 of 2\n"


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


@contextmanager
def own_logging(monkeypatch) -> Iterator[None]:
    """Messages as a command shows them, and those of libraries; what pytest had is put back afterwards."""
    monkeypatch.setattr(sys, "warnoptions", [])
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    monkeypatch.setenv("HF_HUB_VERBOSITY", "error")
    logger = logging.getLogger("vlsa")
    before = logger.handlers, logger.propagate, logger.level
    with warnings.catch_warnings():
        console.set_up()
        yield
    logger.handlers, logger.propagate = before[:2]
    logger.setLevel(before[2])


PATH = "/footage/" + "a long name " * 10 + "[b] :smile: 5 s.mp4"


def test_a_message_stands_on_a_line_of_its_own_above_the_bar_and_whole(monkeypatch):
    terminal = terminal_of(monkeypatch)
    with own_logging(monkeypatch), Bar("training") as bar:
        bar.update(1, 10)
        for put in (say, logging.getLogger("vlsa.test").warning):
            start = len(terminal.getvalue())
            put(f"{PATH}: cannot be read")
            before, told, after = terminal.getvalue()[start:].partition(f"vlsa: {PATH}: cannot be read\n")
            assert told and before.endswith("\r\x1b[2K")  # the bar is wiped first
            assert "training" in after  # and drawn again
    say("after it")
    assert terminal.getvalue().endswith("vlsa: after it\n")


NASTY = "a\x1b]0;owned\x07\x9b2J\u202e\nb.mp4"


def test_no_control_character_of_a_file_name_reaches_the_terminal_by_a_message_or_a_progress_line(capsys):
    say(f"{NASTY}: cannot be read")
    with Bar(f"preparing {NASTY}", keep_message=True) as bar:
        bar.update(10, 10, NASTY)
    shown = capsys.readouterr().err.splitlines()
    assert shown[0] == f"vlsa: {printable(NASTY)}: cannot be read"
    assert shown[1] == f"vlsa: preparing {printable(NASTY)}: 10 of 10, {printable(NASTY)}"
    assert len(shown) == 2


def test_no_control_character_of_a_file_name_reaches_the_terminal_by_the_bar(monkeypatch):
    terminal = terminal_of(monkeypatch)
    monkeypatch.setenv("COLUMNS", "200")
    with Bar(NASTY) as bar:
        bar.update(7, 10, NASTY)
    assert terminal.getvalue().count(printable(NASTY)) >= 2
    assert not {"\x07", "\x9b", "\u202e"} & set(terminal.getvalue())
    assert "\x1b]0;" not in terminal.getvalue()


def test_notes_of_ours_reach_stderr_and_warnings_of_libraries_do_not(capsys, monkeypatch):
    with own_logging(monkeypatch):
        logging.getLogger("vlsa.pretrain.metrics_log").info("curves go to %s", "a\x1b[2Jfile")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert capsys.readouterr().err == "vlsa: curves go to a\\x1b[2Jfile\n"


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
