"""Workers die, hang and fail on purpose here; the job goes on, and the parent knows whom to blame."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from vlsa.base.errors import ConfigError, StoreError, VlsaError
from vlsa.data.engine.patience import processor_seconds
from vlsa.data.engine.workers import Done, Heartbeat, Lost, Started, WorkerPool, _exit_cause, patience_seconds


def act(task: str, beat: Heartbeat) -> str:
    """Do as the task says."""
    beat(f"about to {task}", 0.5 if task == "hang" else 30)
    if task == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    if task == "leave":
        os._exit(3)
    if task == "hang":
        time.sleep(60)
    if task == "complain":
        raise StoreError("disk: full; make room.")
    if task == "break":
        raise ZeroDivisionError("our bug")
    return f"{task} done"


PATIENCE_SECONDS = 1.0


def work(seconds: float, beat: Heartbeat) -> bool:
    """Compute with pauses, as where others have the processor, and say nothing of it; whether that took too long."""
    beat("working", PATIENCE_SECONDS)
    begun, rested = time.process_time(), 0.0
    while (spent := time.process_time() - begun) < seconds:
        if rested < 4 * spent:
            time.sleep(0.02)
            rested += 0.02
    return rested > PATIENCE_SECONDS


def test_a_worker_that_gets_a_part_of_a_processor_may_take_its_time_and_one_that_has_had_it_hangs() -> None:
    slow, endless = (WorkerPool(work, [seconds], num_workers=1) for seconds in (0.6, 1000.0))
    assert [event.value for event in slow.events() if isinstance(event, Done)] == [True]
    assert [event.reason for event in endless.events() if isinstance(event, Lost)] == ["timeout"]


def test_the_time_of_a_processor_is_counted_by_process() -> None:
    before, begun = processor_seconds(os.getpid()), time.process_time()
    while time.process_time() - begun < 0.2:
        pass
    after = processor_seconds(os.getpid())
    assert before is not None and after is not None
    assert after - before == pytest.approx(time.process_time() - begun, abs=0.05)
    assert processor_seconds(None) is None


def die_at_once(task: str, beat: Heartbeat) -> None:
    os._exit(9)


def test_workers_that_die_or_hang_cost_only_their_task() -> None:
    tasks = ["a", "die", "b", "hang", "leave", "c"]
    events = list(WorkerPool(act, tasks, num_workers=2).events())
    lost = {event.task: (event.label, event.reason, event.message) for event in events if isinstance(event, Lost)}
    assert lost == {
        "die": ("about to die", "crashed", "the decoder died (SIGSEGV)"),
        "leave": ("about to leave", "crashed", "the decoder died (exit code 3)"),
        "hang": ("about to hang", "timeout", "the decoder hung"),
    }
    assert {event.task: event.value for event in events if isinstance(event, Done)} == {
        task: f"{task} done" for task in "abc"
    }
    assert sum(isinstance(event, Started) for event in events) == len(tasks)


def test_a_lost_task_may_be_submitted_again() -> None:
    pool = WorkerPool(act, ["die", "a"], num_workers=1)
    finished = []
    for event in pool.events():
        if isinstance(event, Lost):
            pool.submit("instead")
        if isinstance(event, Done):
            finished.append(event.task)
    assert finished == ["instead", "a"]


@pytest.mark.parametrize("num_workers", [0, 1])
def test_what_the_user_can_mend_is_raised_as_it_is(num_workers: int) -> None:
    with pytest.raises(StoreError, match="disk: full; make room."):
        list(WorkerPool(act, ["a", "complain", "b"], num_workers).events())


def test_our_bug_is_raised_with_the_workers_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="in a worker process:(.|\n)*test_workers.py(.|\n)*our bug"):
        list(WorkerPool(act, ["break"], num_workers=1).events())


def test_workers_that_never_start_end_the_job_with_advice() -> None:
    with pytest.raises(VlsaError, match=r'3 worker processes .* before they could start.*__name__ == "__main__"'):
        list(WorkerPool(die_at_once, ["a", "b"], num_workers=1).events())


def die_before_the_work_once(task: str, beat: Heartbeat) -> str:
    """The first worker of each task dies before it says what it does."""
    mark = Path(task)
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    beat(task, 30)
    return mark.name


@pytest.mark.parametrize("num_workers", [1, 2])
def test_a_worker_that_dies_between_tasks_is_replaced_and_its_task_is_done(tmp_path: Path, num_workers: int) -> None:
    tasks = [str(tmp_path / name) for name in "abcdefgh"]
    events = list(WorkerPool(die_before_the_work_once, tasks, num_workers).events())
    assert sorted(event.value for event in events if isinstance(event, Done)) == list("abcdefgh")
    assert not any(isinstance(event, Lost) for event in events)


def test_an_idle_worker_that_was_killed_costs_nothing() -> None:
    pool = WorkerPool(act, ["a", "b", "c"], num_workers=1)
    finished = []
    for event in pool.events():
        if isinstance(event, Done):
            finished.append(event.task)
            for child in multiprocessing.active_children():
                child.kill()
                child.join()
    assert finished == ["a", "b", "c"]


def test_a_signal_without_a_name_is_reported_by_its_number() -> None:
    assert _exit_cause(-signal.SIGSEGV) == "SIGSEGV"
    assert _exit_cause(-(signal.SIGRTMIN + 3)) == f"signal {signal.SIGRTMIN + 3}"
    assert _exit_cause(3) == "exit code 3"


def test_without_workers_everything_happens_here_in_order() -> None:
    events = list(WorkerPool(act, ["a", "b"], num_workers=0).events())
    assert events == [Started("a", "about to a"), Done("a", "a done"), Started("b", "about to b"), Done("b", "b done")]


def test_no_task_needs_no_worker() -> None:
    assert list(WorkerPool(act, [], num_workers=4).events()) == []


def test_larger_files_and_longer_clips_get_more_patience(tmp_path: Path) -> None:
    path = tmp_path / "large.mp4"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    assert patience_seconds(path, media_seconds=6.0) == pytest.approx(20 + 12 + 10)
    assert patience_seconds(tmp_path / "missing.mp4") == 20


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, time
            from vlsa.data.engine.workers import WorkerPool

            def tell_and_sleep(task, beat):
                beat(str(os.getpid()), 60)
                time.sleep(60)

            if __name__ == "__main__":
                for event in WorkerPool(tell_and_sleep, ["a"], num_workers=1).events():
                    print(event.label, flush=True)
            """
        )
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        worker_id = int(parent.stdout.readline())
        assert is_alive(worker_id)
        parent.kill()
    deadline = time.monotonic() + 10
    while is_alive(worker_id) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(worker_id)


def is_alive(process_id: int) -> bool:
    """Running, and not merely waiting for somebody to collect its exit code."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_fewer_than_no_workers_are_refused() -> None:
    with pytest.raises(ConfigError, match="-1 worker processes"):
        WorkerPool(act, ["a"], -1)
