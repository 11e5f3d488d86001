"""Worker processes that stay: values, errors, deaths and hangs, one task at a time from many threads."""

import os
import signal
import threading
import time

import pytest

from vlsa.base.errors import MediaError, VlsaError
from vlsa.data.engine.standing import NoWorkerFree, StandingWorkers


def act(task, beat):
    """What a task says: die, hang, raise, or give the number of this process."""
    beat(str(task), 60.0)
    if task == "die":
        os._exit(7)
    if task == "hang":
        time.sleep(60)
    if task == "refuse":
        raise VlsaError("refused: by the task. Ask for something else.")
    if task == "fault":
        raise ZeroDivisionError
    return os.getpid()


@pytest.fixture(scope="module")
def workers():
    workers = StandingWorkers(act, 1)
    yield workers
    workers.close()


def call(workers, task, patience_seconds=60.0, wait_seconds=60.0):
    return workers.call(task, wait_seconds=wait_seconds, patience_seconds=patience_seconds)


def test_a_process_stays_for_the_next_task_even_after_an_error_of_the_user(workers):
    first = call(workers, "work")
    with pytest.raises(VlsaError, match="^refused"):
        call(workers, "refuse")
    assert call(workers, "work") == first != os.getpid()


@pytest.mark.parametrize(("task", "reason"), [("die", "crashed"), ("hang", "timeout")])
def test_a_process_that_dies_or_hangs_is_one_error_and_is_replaced(workers, task, reason):
    first = call(workers, "work")
    with pytest.raises(MediaError) as caught:
        call(workers, task, patience_seconds=0.2)
    assert caught.value.reason == reason
    assert call(workers, "work") != first


def test_a_process_that_was_killed_while_it_waited_costs_no_task(workers):
    first = call(workers, "work")
    os.kill(first, signal.SIGKILL)
    assert call(workers, "work") != first


def test_a_fault_of_the_task_is_raised_and_the_process_replaced(workers):
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        call(workers, "fault")
    assert call(workers, "work")


def test_who_finds_all_busy_waits_no_longer_than_he_says(workers):
    def hang():
        with pytest.raises(MediaError):
            call(workers, "hang", patience_seconds=1.0)

    busy = threading.Thread(target=hang)
    busy.start()
    time.sleep(0.3)
    with pytest.raises(NoWorkerFree, match="all 1 decoding processes are busy"):
        call(workers, "work", wait_seconds=0.01)
    assert call(workers, "work")  # waits until the other is given up
    busy.join()


def test_closed_workers_take_no_task():
    closed = StandingWorkers(act, 1)
    closed.close()
    with pytest.raises(NoWorkerFree, match="stopping"):
        call(closed, "work")
