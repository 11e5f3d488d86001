"""A disk that fills up at any point of `prepare`, truly: a small file system that grows between two runs."""

import subprocess
from pathlib import Path

import pytest
from preparing import every_byte, made_rows, run

from vlsa.base.errors import StoreError
from vlsa.data.store.reader import ClipStore


def mount(folder: Path, options: str) -> bool:
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True)
    return done.returncode == 0


@pytest.fixture
def small_disk(tmp_path):
    """A folder that is a file system of its own, of one page; skipped where only an administrator may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mount(folder, "size=4k"):
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_what_was_finished_stays_and_the_same_command_goes_on_when_there_is_room(small_disk, tmp_path):
    run(made_rows(20), tmp_path / "whole")
    whole, store, num_full, finished = every_byte(tmp_path / "whole"), small_disk / "store", 0, {}
    for num_kib in range(4, 400, 12):
        assert mount(small_disk, f"remount,size={num_kib}k")
        try:
            run(made_rows(20), store)
            break
        except StoreError as error:
            assert "No space left on device" in str(error) and "run the same command again" in str(error), error
            num_full += 1
        now = {name: data for name, data in every_byte(small_disk).items() if "/shards/" in name}
        assert now.items() >= finished.items() and not any(name.endswith(".partial") for name in now)
        finished = {name: data for name, data in now.items() if name.removesuffix(".tar") + ".jsonl" in now}
    assert num_full >= 5 and len(finished) >= 4
    assert mount(small_disk, "remount,size=4m")
    assert len(ClipStore.open(store)) == 20  # the index of the whole, which is made anew where it is missing, has room
    assert every_byte(store) == whole
