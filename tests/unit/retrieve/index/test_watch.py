"""`vlsa index --watch`: what changes in the folder is found soon after, and Ctrl-C ends it with one line."""

import logging
import os
import signal
import threading
from pathlib import Path

import pytest
from command_lines import call
from fake_encoder import FakeEncoder, write_numbered_sound
from nearest import nearest

from vlsa.base.console import say
from vlsa.base.errors import ManifestError
from vlsa.data.ingest import changes
from vlsa.retrieve.encode import encoders
from vlsa.retrieve.index import watch
from vlsa.retrieve.index.index import Index


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(changes, "QUIET_MS", 50)
    folder = tmp_path / "footage"
    folder.mkdir()
    for number in (1, 2, 3):
        write_numbered_sound(folder / f"sound-{number}.wav", number)
    return folder


def test_changes_are_followed_until_it_is_stopped_and_a_table_that_is_malformed_is_waited_for(folder, caplog):
    stop, out = threading.Event(), folder / ".index"  # within the folder: its own files are no change of it
    summaries = watch.watch_index(FakeEncoder(), folder, out, num_workers=0, stop=stop)
    assert next(summaries).num_files == 3
    (folder / "sound-1.wav").rename(folder / "moved-1.wav")
    summary = next(summaries)
    assert (summary.num_files_moved, summary.num_files) == (1, 3)
    (folder / "metadata.csv").write_text("no\npath\n")

    def mend() -> None:
        if any("metadata.csv" in message for message in caplog.messages):
            (folder / "metadata.csv").unlink()
            write_numbered_sound(folder / "sound-4.wav", 4)
        else:
            threading.Timer(0.1, mend).start()

    with caplog.at_level(logging.WARNING):
        mend()
        assert next(summaries).num_files == 4
    assert nearest(Index.open(out, encoder=FakeEncoder()), "number 4", k=1)[0].path == str(folder / "sound-4.wav")
    stop.set()
    assert list(summaries) == []


def test_a_folder_that_cannot_be_indexed_at_first_is_an_error(folder, tmp_path):
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(ManifestError, match="no media files"):
        next(watch.watch_index(FakeEncoder(), folder, tmp_path / "index", num_workers=0))


def test_ctrl_c_ends_the_command_with_one_line(folder, tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(encoders, "load", lambda path: FakeEncoder())

    def say_and_interrupt(text: str) -> None:  # it says that it watches when it has printed what it did
        say(text)
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()

    monkeypatch.setattr("vlsa.cli.index.say", say_and_interrupt)
    result = call(f"vlsa index {tmp_path / 'run'} {folder} --out {tmp_path / 'index'} --watch --workers 0")
    assert result.exit_code == 130
    assert "3 files, 3 windows" in result.stdout
    assert "stopped; the same command resumes" in result.stderr


def test_what_is_written_into_the_index_is_no_change_by_whatever_names_the_folders_are_given(
    folder, tmp_path, monkeypatch
):
    (tmp_path / "link").symlink_to(folder)
    (folder / ".index").mkdir()
    monkeypatch.chdir(folder)
    for out in (Path(".index"), tmp_path / "link" / ".index", folder / ".index"):
        is_change = changes.change_filter(out)
        for place in (".", folder, tmp_path / "link"):
            assert not is_change(1, f"{place}/.index/index_report.jsonl"), (out, place)
            assert not is_change(1, f"{place}/.index/data-0/files.jsonl"), (out, place)
            assert is_change(1, f"{place}/sound-1.wav") and is_change(3, f"{place}/gone.wav")
            assert not is_change(1, f"{place}/.hidden")


def test_restart_and_prune_hold_for_the_first_time_only(folder, monkeypatch):
    monkeypatch.chdir(folder)
    asked, build_index = [], watch.build_index

    def noted(*arguments, **options):
        asked.append((options["restart"], options["prune"]))
        return build_index(*arguments, **options)

    monkeypatch.setattr(watch, "build_index", noted)
    stop = threading.Event()
    summaries = watch.watch_index(FakeEncoder(), ".", ".index", num_workers=0, restart=True, prune=True, stop=stop)
    next(summaries)
    (folder / "sound-1.wav").rename("moved-1.wav")
    next(summaries)
    assert asked == [(True, True), (False, False)]
    stop.set()
    assert list(summaries) == []


def test_the_report_is_written_when_it_differs_only(folder, tmp_path):
    (folder / "empty.mp4").write_bytes(b"")
    report = tmp_path / "index" / "index_report.jsonl"
    states = []
    for name in ("empty.mp4", "empty.mp4", "other.mp4"):
        (folder / name).write_bytes(b"")
        watch.build_index(FakeEncoder(), folder, tmp_path / "index", num_workers=0)
        states.append((report.stat().st_ino, report.stat().st_mtime_ns))
    assert states[0] == states[1] != states[2]
    report.write_bytes(b"{")
    watch.build_index(FakeEncoder(), folder, tmp_path / "index", num_workers=0)
    assert report.read_text().count("\n") == 2
