"""Results on stdout: tables whose paths can be copied, and nothing that a terminal would obey."""

import io
import json
import os
import subprocess
import sys

import pytest
from command_lines import call

from vlsa.base.console import CONTROL, printable
from vlsa.cli.output import next_step, print_json, print_table, print_text, short_path

NASTY = "a [b]\x1b]0;owned\x07 \x9b2J\u202e\n'b\\x.mp4"
UNDECODABLE = os.fsdecode(b"caf\xff")


def terminal_of(monkeypatch, columns: int) -> io.StringIO:
    """Takes the place of stdout."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", str(columns))
    return sys.stdout


def test_no_control_character_of_a_file_name_reaches_stdout(capsys):
    print_table(["file", f"h{NASTY}"], [[NASTY, NASTY]], title=NASTY)
    print_text(NASTY)
    next_step("index", NASTY)
    print(short_path(NASTY))
    shown = capsys.readouterr().out
    assert CONTROL.search(shown.replace("\n", "")) is None
    assert shown.count(printable(NASTY)) == 5  # title, two cells, sentence, path


def test_the_next_step_names_the_same_file_when_it_is_pasted_into_a_shell(capsys):
    next_step("index", NASTY, "plain name")
    line = capsys.readouterr().out.removeprefix("Next: vlsa ")
    done = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True)
    assert done.stdout == b"\0".join(os.fsencode(word) for word in ("index", NASTY, "plain name", ""))


def test_json_is_exact_and_holds_nothing_that_a_terminal_obeys(capsys):
    print_json([{"path": NASTY, "other": UNDECODABLE, "text": "caf\xe9 \U000e0041"}])
    line = capsys.readouterr().out
    assert json.loads(line) == {"path": NASTY, "other": UNDECODABLE, "text": "caf\xe9 \U000e0041"}
    assert CONTROL.search(line.removesuffix("\n")) is None
    assert "caf\xe9" in line
    line.encode()  # valid UTF-8


@pytest.mark.parametrize("path", ["footage/" + "long-name-" * 12 + ".mp4", "a folder/with many/spaces in it " * 4])
def test_a_path_stands_on_one_line_however_narrow_the_terminal(monkeypatch, path):
    terminal = terminal_of(monkeypatch, 80)
    print_table(
        ("rank", "file", "start", "text"), [("1", path, "0:00:07.5", "a red ball bounces twice")], right="rank|start"
    )
    lines = terminal.getvalue().splitlines()
    assert sum(path.rstrip() in line for line in lines) == 1
    assert sum("0:00:07.5" in line for line in lines) == 1
    assert len(lines) > 4  # the text gives way
    assert all(word in terminal.getvalue() for word in ("rank", "start", "text", "red", "ball", "bounces", "twice"))


def test_a_table_that_fits_is_not_wider_than_the_terminal(monkeypatch):
    terminal = terminal_of(monkeypatch, 80)
    print_table(("file", "text"), [("a.mp4", "many words " * 30)])
    assert max(map(len, terminal.getvalue().splitlines())) <= 80


@pytest.mark.parametrize("num", ["200", "1,000", "10,000"])
def test_a_direction_stands_on_one_line_of_80_columns_whatever_the_size_of_the_gallery(monkeypatch, num):
    terminal = terminal_of(monkeypatch, 80)
    header = ("direction", "R@1 %", "R@5 %", "R@10 %", "R@50 %", "MedR", "chance\nR@1/5/10 %", "N", "Q")
    row = ("text → video+audio", "72.0", "96.0", "100.0", "–", "11.5", "0.5/2.5/5.0", num, num)
    print_table(header, [row], right="|".join(header[1:]))
    lines = terminal.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split() for line in lines if "video" in line] == [["text", "→", "video+audio", *row[1:]]]


def test_columns_have_two_spaces_between_them_where_there_is_room(monkeypatch):
    terminal = terminal_of(monkeypatch, 80)
    print_table(("one", "two"), [("abc", "d")])
    assert " abc  d" in terminal.getvalue()


@pytest.mark.parametrize("line", [r"vlsa evaluate $NASTY --data x", r"vlsa $NASTY", r"vlsa doctor $NASTY"])
def test_no_control_character_of_an_argument_reaches_the_terminal_by_an_error(line):
    nasty = "a\x1b]0;owned\x07\x9b2J\u202eb"
    result = call(line.replace("$NASTY", f'"{nasty}"'))
    assert result.exit_code == 2
    assert CONTROL.search(result.stderr.replace("\n", "")) is None
    assert printable(nasty) in result.stderr
