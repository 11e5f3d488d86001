"""One lock a folder: two writers exclude each other on every file system, or are told in one line."""

import errno
import fcntl
import os

import pytest

from vlsa.base.errors import ConfigError, VlsaError
from vlsa.base.files import LOCK_NAME, locked_folder

BUSY = ConfigError("busy")


@pytest.fixture
def nfs(monkeypatch):
    """As Linux emulates flock on NFS by fcntl: an exclusive lock needs a descriptor that is open for writing."""
    flock = fcntl.flock

    def flock_on_nfs(descriptor: int, operation: int) -> None:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock_on_nfs)


def check_that_two_writers_exclude_each_other(folder, lock_name) -> None:
    with locked_folder(folder, BUSY, lock_name):
        with pytest.raises(ConfigError, match="busy"), locked_folder(folder, BUSY, lock_name):
            pass
        with locked_folder(folder / "another", BUSY, lock_name):
            pass
    with locked_folder(folder, BUSY, lock_name):
        pass


@pytest.mark.parametrize("lock_name", [None, "index.lock"])
def test_two_writers_of_a_folder_exclude_each_other(tmp_path, lock_name):
    check_that_two_writers_exclude_each_other(tmp_path, lock_name)
    assert sorted(os.listdir(tmp_path)) == (["another"] if lock_name is None else ["another", lock_name])


@pytest.mark.parametrize("lock_name", [None, "index.lock"])
def test_two_writers_of_a_folder_on_a_network_disk_exclude_each_other(tmp_path, nfs, lock_name):
    check_that_two_writers_exclude_each_other(tmp_path, lock_name)
    assert sorted(os.listdir(tmp_path)) == sorted(["another", lock_name or LOCK_NAME])


def test_a_disk_without_locks_is_one_line(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    num_open = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    with pytest.raises(VlsaError, match=r"\.lock: cannot be locked \(No locks available\).*local disk") as caught:
        locked_folder(tmp_path, BUSY).__enter__()
    assert "\n" not in str(caught.value)
    assert num_open == (len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0)
