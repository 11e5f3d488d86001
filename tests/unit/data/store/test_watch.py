"""`prepare --watch`: files that appear are added once they are whole."""

import logging
import os
import signal
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from command_lines import call
from fake_encoder import write_numbered_sound

from vlsa.data.ingest import changes
from vlsa.data.ingest.scan import scan
from vlsa.data.store import watch
from vlsa.data.store.prepare import prepare
from vlsa.data.store.reader import ClipStore
from vlsa.data.store.shards import StoreSettings

SETTINGS = StoreSettings(short_side_px=16, frames_per_second=2.0, sample_rate_hz=8000, window_seconds=2.0)


def written(path: Path, number: int, age_seconds: float = 60.0) -> Path:
    write_numbered_sound(path, number)
    then = time.time() - age_seconds
    os.utime(path, (then, then))
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(changes, "QUIET_MS", 50)
    monkeypatch.setattr(watch, "SETTLED_SECONDS", 1.0)
    folder = tmp_path / "footage"
    folder.mkdir()
    for number in (1, 2):
        written(folder / f"sound-{number}.wav", number)
    return folder


def watched(folder, store, stop):
    def add(rows, rejections):
        return prepare(rows, store, SETTINGS, rejections=rejections, num_workers=0, add=True)

    list_clips = partial(scan, folder, window_seconds=2.0, num_workers=0)
    return watch.watch_store(list_clips, add, folder, store, stop=stop)


def test_a_file_that_is_still_being_written_is_added_when_it_is_whole(folder, tmp_path):
    store, stop = tmp_path / "store", threading.Event()
    summaries = watched(folder, store, stop)
    first = next(summaries)
    before = ClipStore.open(store).content_digest
    assert first.num_clips > 0 and first.num_added == first.num_clips

    whole = write_numbered_sound(tmp_path / "whole.wav", 3) or (tmp_path / "whole.wav").read_bytes()
    growing = folder / "sound-3.wav"

    def write_slowly() -> None:
        with growing.open("wb") as file:
            for start in range(0, len(whole), len(whole) // 6):
                file.write(whole[start : start + len(whole) // 6])
                file.flush()
                time.sleep(0.3)

    threading.Thread(target=write_slowly).start()
    second = next(summaries)
    store_now = ClipStore.open(store)
    added = [clip for clip in store_now.clips if clip.source.endswith("sound-3.wav")]
    assert second.num_added == len(added) > 0 and growing.read_bytes() == whole
    assert second.num_clips == first.num_clips + len(added) and second.num_rejected == 0
    assert store_now.content_digest != before
    stop.set()
    assert list(summaries) == []


def test_what_goes_wrong_later_is_said_and_the_folder_is_still_followed(folder, tmp_path, caplog):
    store, stop = tmp_path / "store", threading.Event()
    summaries = watched(folder, store, stop)
    assert next(summaries).num_added
    written(folder / "sound-1.wav", 9)  # another file under a name that the store has: refused

    def mend() -> None:
        if any("sound-1.wav" in message for message in caplog.messages):
            written(folder / "sound-1.wav", 1)
            written(folder / "sound-4.wav", 4)
        else:
            threading.Timer(0.1, mend).start()

    with caplog.at_level(logging.WARNING):
        mend()
        assert next(summaries).num_added
    assert any(clip.source.endswith("sound-4.wav") for clip in ClipStore.open(store).clips)
    stop.set()
    assert list(summaries) == []


def test_a_folder_with_nothing_but_files_being_written_is_waited_for(folder, tmp_path):
    for path in folder.iterdir():
        os.utime(path)
    stop = threading.Event()
    began = time.time()
    summaries = watched(folder, tmp_path / "store", stop)
    assert next(summaries).num_clips and time.time() - began >= 0.9
    stop.set()
    assert list(summaries) == []


def test_ctrl_c_ends_the_command_with_one_line(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("vlsa.cli.prepare.say", lambda text: os.kill(os.getpid(), signal.SIGINT))
    result = call(f"vlsa prepare {folder} {tmp_path / 'store'} --watch --workers 0 --recipe tiny")
    assert result.exit_code == 130
    assert "2 clips" in result.stdout and "stopped; the same command resumes" in result.stderr


@pytest.mark.parametrize("options", ["--restart", "--shard 1/2"])
def test_it_goes_with_no_option_that_makes_a_store_otherwise(folder, tmp_path, options):
    result = call(f"vlsa prepare {folder} {tmp_path / 'store'} --watch {options}")
    assert result.exit_code == 2 and "--watch" in result.stderr


def test_a_list_of_clips_is_not_followed(tmp_path):
    (tmp_path / "clips.jsonl").write_text("{}\n")
    result = call(f"vlsa prepare {tmp_path / 'clips.jsonl'} {tmp_path / 'store'} --watch")
    assert result.exit_code == 2 and "FOLDER" in result.stderr


def test_a_folder_that_never_rests_is_looked_at_a_sixth_of_the_time_at_most(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "SETTLED_SECONDS", 0.1)
    looks, stop, began = [], threading.Event(), time.monotonic()

    def slow_listing():
        looks.append(time.monotonic())
        time.sleep(0.5)
        return scan(folder, window_seconds=2.0, num_workers=0)

    def add(rows, rejections):
        return prepare(rows, tmp_path / "store", SETTINGS, rejections=rejections, num_workers=0, add=True)

    def touch() -> None:
        if time.monotonic() < began + 7.0:
            os.utime(folder / "sound-1.wav")
            threading.Timer(0.2, touch).start()
        else:
            stop.set()

    touch()
    assert list(watch.watch_store(slow_listing, add, folder, tmp_path / "store", stop=stop))  # one, or two if it rested
    assert len(looks) <= 4, looks  # a rest of five times the half second of each
