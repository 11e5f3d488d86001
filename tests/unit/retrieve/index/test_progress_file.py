"""progress.json: written while an index is, right about the time left, and not believed when its writer is dead."""

import errno
import json
import os
import socket
import subprocess
import sys

import pytest
from followed_folder import follow, write_footage

from vlsa.retrieve.index import progress_file
from vlsa.retrieve.index.progress_file import PROGRESS_NAME, IndexProgress, ProgressFile, read_progress


def test_other_processes_see_how_far_an_index_is_while_it_is_written(tmp_path):
    folder, out, seen = write_footage(tmp_path / "footage"), tmp_path / "index", []
    follow(folder, out, progress=lambda done, total, message: seen.append(read_progress(out)))
    first = seen[0]
    assert (first.done, first.total, first.message) == (1, 5, "files read: sound-1.wav")
    assert None not in seen
    assert read_progress(out) is None
    assert not (out / PROGRESS_NAME).exists()


def test_the_time_left_follows_from_the_speed_of_the_stage(tmp_path):
    now = [100.0]
    with ProgressFile(tmp_path, clock=lambda: now[0]) as report:
        report(0, 40, "reading a")
        assert read_progress(tmp_path) == IndexProgress(0, 40, "reading a", None)
        now[0] += 20
        report(10, 40, "reading b")
        assert read_progress(tmp_path) == IndexProgress(10, 40, "reading b", 60.0)
        now[0] += 0.5
        report(11, 40, "not written so soon")
        assert read_progress(tmp_path).done == 10
        now[0] += 100
        report(1, 30, "indexing a")
        now[0] += 29
        report(30, 30, "indexing b")
        assert read_progress(tmp_path) == IndexProgress(30, 30, "indexing b", 0.0)


def test_stages_that_count_as_much_of_other_things_have_their_own_time_left(tmp_path):
    now = [100.0]
    with ProgressFile(tmp_path, clock=lambda: now[0]) as report:
        report(0, 40, "files read: a")
        now[0] += 20
        report(40, 40, "files read: b")
        now[0] += 1
        report(0, 40, "windows encoded: a")
        now[0] += 30
        report(10, 40, "windows encoded: b")
        assert read_progress(tmp_path) == IndexProgress(10, 40, "windows encoded: b", 90.0)


def test_what_a_killed_process_left_is_not_believed(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from vlsa.retrieve.index.progress_file import ProgressFile; "
        "ProgressFile(Path(sys.argv[1]))(1, 2, 'x'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=False)
    assert (tmp_path / PROGRESS_NAME).exists()
    assert read_progress(tmp_path) is None


def test_a_writer_on_another_machine_is_believed_for_a_while(tmp_path):
    report = ProgressFile(tmp_path)
    report(3, 9, "indexing a")
    facts = json.loads((tmp_path / PROGRESS_NAME).read_text())
    (tmp_path / PROGRESS_NAME).write_text(json.dumps(facts | {"host": socket.gethostname() + "-other", "pid": 1 << 40}))
    assert read_progress(tmp_path).done == 3
    os.utime(tmp_path / PROGRESS_NAME, (0, 0))
    assert read_progress(tmp_path) is None


@pytest.mark.parametrize("written", ["", "[]", "{}", '{"done": "many"}', "\ud83d"])
def test_a_damaged_file_is_no_progress(tmp_path, written):
    (tmp_path / PROGRESS_NAME).write_text(written, errors="surrogatepass")
    assert read_progress(tmp_path) is None


def test_an_index_is_made_where_its_progress_cannot_be_written(tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(progress_file, "write_atomically", full)
    seen = []
    summary = follow(
        write_footage(tmp_path / "footage"), tmp_path / "index", progress=lambda done, total, message: seen.append(done)
    )
    assert summary.num_files_added == 5 and len(seen) > 5
    assert read_progress(tmp_path / "index") is None
