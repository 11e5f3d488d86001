"""What `vlsa search` and `vlsa similar` print, and what they read of a person's files and terminal."""

import io
import re
import sys
from dataclasses import replace

import pytest
from command_lines import call
from followed_folder import follow, write_footage
from media_files import numbered, write_media
from rich.cells import cell_len
from typer.testing import CliRunner

from vlsa.cli import app, found
from vlsa.cli.encoders import encoders
from vlsa.retrieve.encode.public import known
from vlsa.retrieve.search.answer import Answer
from vlsa.retrieve.search.library import Library
from vlsa.retrieve.search.question import Question


class Asked:
    """A library that remembers what it was asked."""

    source = "/footage"

    def __init__(self) -> None:
        self.texts: list[str] = []

    def ask(self, question: Question) -> Answer:
        self.texts += [part.value for part in question.parts]
        return Answer((), False, 20)


@pytest.fixture
def library(monkeypatch) -> Asked:
    asked = Asked()
    monkeypatch.setattr(Library, "open", lambda path, run_path=None, source=None, parallel=False: asked)
    return asked


def test_a_list_of_questions_may_begin_with_the_mark_that_editors_write(library):
    CliRunner().invoke(app, ["search", "index", "-"], input="\ufeffa dog\na bell\n")
    CliRunner().invoke(app, ["search", "index", "--question", "-"], input='\ufeff{"parts": [{"text": "cat"}]}\n')
    assert library.texts == ["a dog", "a bell", "cat"]


def test_an_empty_name_of_a_question_file_is_not_the_same_as_none(library):
    result = CliRunner().invoke(app, ["search", "index", "--question", ""])
    assert result.exit_code == 2 and "cannot be read" in result.stderr and library.texts == []


@pytest.mark.parametrize("text", ["字幕の長い行" * 12, "말하는 사람 " * 12, "🐦‍⬛ a bird " * 12])
def test_wide_letters_fit_the_terminal_as_narrow_ones_do(text):
    rows = [("1", "鳥/川辺.mp4", "0:00:01.0", "3.0", "12.5", "words 1", text)] * 2
    for row in found.fitted(rows, 80):
        assert row[-1].endswith("…") and text.startswith(row[-1][:-1].rstrip())
        widths = [max(len(name), cell_len(cell)) for name, cell in zip(found.HEADER, row, strict=True)]
        assert 78 <= sum(widths) + len(widths) - 1 <= 80


def test_what_is_like_a_moment_is_said_to_be_nothing_where_it_is(tmp_path):
    footage = write_footage(tmp_path / "footage")
    write_media(footage / "silent.mp4", pictures=numbered(50))
    follow(footage, tmp_path / "index")
    result = call(f"vlsa similar {tmp_path}/index sound-1.wav@0-2 --where 'duration > 2 and has_text'")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing found: no other window that the filter keeps can be compared with it by both" in result.stderr
    assert "no such folder" not in call(f"vlsa similar {tmp_path}/index sound-1.wav@0-2").stderr
    none = call(f"vlsa similar {tmp_path}/index sound-1.wav@0-2 --where \"name = 'sound1.wav'\"")
    said = "the filter keeps no file; no file has name = 'sound1.wav'; did you mean 'sound-1.wav'?"
    assert (none.exit_code, none.stdout, none.stderr) == (0, "", f"vlsa: nothing found: {said}\n")
    footage.rename(tmp_path / "moved")
    for line in ("similar {0}/index sound-1.wav@0-2", "duplicates {0}/index --at-least 0.01"):
        found = call(f"vlsa {line}".format(tmp_path))
        assert f"vlsa: {footage}: no such folder here, so the paths lead nowhere" in found.stderr and found.stdout
        there = call(f"vlsa {line} --source {{0}}/moved".format(tmp_path))
        assert "no such folder" not in there.stderr and str(tmp_path / "moved") in there.stdout
    (tmp_path / "moved").rename(footage)
    silent = call(f"vlsa similar {tmp_path}/index silent.mp4@0-2 --by audio")
    assert silent.exit_code == 2 and "similar: that stretch has no audio; nothing can be compared" in silent.stderr
    away = call(f"vlsa similar {tmp_path}/index silent.mp4@70-72 --by audio")
    assert away.exit_code == 2 and "silent.mp4: ends at 0:00:02; there is nothing at 0:01:10" in away.stderr
    missing = call(f"vlsa similar {tmp_path}/index sound1.wav@0-2")
    said = f"vlsa: sound1.wav: no such file in {tmp_path}/index; nothing can be compared with it."
    assert missing.exit_code == 2 and missing.stderr == f"{said} Did you mean sound-1.wav?\n"


def test_public_encoders_fit_a_terminal_of_80_columns(monkeypatch, tmp_path):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(known, "listed", lambda: [replace(one, bytes_on_disk=605_000_000) for one in known.KNOWN])
    encoders()
    lines = re.sub(r"\x1b\[[\d;]*m", "", sys.stdout.getvalue()).splitlines()
    assert max(map(len, lines)) <= 80
    assert all(any(line.split()[:1] == [one.name] for line in lines) for one in known.KNOWN)
    assert [line.strip() for line in lines if line.startswith("Compare")] == [
        "Compare video-text", "Compare audio-text", "Compare audio-video, audio-text, video-text",
    ]  # fmt: skip
