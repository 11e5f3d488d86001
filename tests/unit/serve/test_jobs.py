"""Long jobs: each in a process that may die, a bounded number at a time, ended when nobody waits for them."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from vlsa.base.errors import MediaError, VlsaError
from vlsa.serve.http.problems import BusyError
from vlsa.serve.media.jobs import Jobs


@dataclass(frozen=True)
class Told:
    """Does what its word says, and leaves its process number in a file."""

    word: str
    folder: str

    def run(self) -> str:
        Path(self.folder, self.word).write_text(str(os.getpid()))
        if self.word == "die":
            os._exit(11)
        if self.word == "fail":
            raise MediaError("x: nothing; nothing. Nothing.", reason="nothing")
        if self.word == "refuse":
            raise VlsaError("refused")
        if self.word == "sleep":
            time.sleep(600)
        if self.word == "fill":
            bytearray(3 << 30)
        return self.word.upper()


def test_a_task_that_dies_or_fails_costs_itself_alone(tmp_path):
    jobs = Jobs(1, 4 << 30)
    told = [Told(word, str(tmp_path)) for word in ("one", "fail", "die", "two")]
    outcomes = list(jobs.outcomes(told, "job", 60.0))
    assert [getattr(one, "reason", one) for one in outcomes] == ["ONE", "nothing", "crashed", "TWO"]


def test_what_a_job_raises_is_raised(tmp_path):
    jobs = Jobs(1, 4 << 30)
    assert jobs.run(Told("one", str(tmp_path)), "job", 60.0) == "ONE"
    for word, error in (("fail", MediaError), ("refuse", VlsaError)):
        with pytest.raises(error):
            jobs.run(Told(word, str(tmp_path)), "job", 60.0)
    with jobs.slot():  # each gave its place back
        pass


def test_a_task_that_takes_too_much_memory_is_an_error_of_its_file(tmp_path):
    with pytest.raises(MediaError, match="job: takes more than 2 GiB of memory") as raised:
        Jobs(1, 2 << 30).run(Told("fill", str(tmp_path)), "job", 60.0)
    assert raised.value.reason == "too_long"


def test_no_more_jobs_run_than_may(tmp_path):
    jobs = Jobs(1, 4 << 30)
    with jobs.slot(), pytest.raises(BusyError, match="as many as may"):
        jobs.run(Told("one", str(tmp_path)), "job", 60.0)


def test_a_job_that_takes_too_long_is_ended(tmp_path):
    with pytest.raises(MediaError) as raised:
        Jobs(1, 4 << 30).run(Told("sleep", str(tmp_path)), "job", 0.5)
    assert raised.value.reason == "timeout"
    assert_ends(int((tmp_path / "sleep").read_text()))


def test_the_process_ends_when_nobody_waits_any_more(tmp_path):
    outcomes = Jobs(1, 4 << 30).outcomes([Told(word, str(tmp_path)) for word in ("one", "sleep")], "job", 60.0)
    assert next(outcomes) == "ONE"
    pid = int((tmp_path / "one").read_text())
    outcomes.close()
    assert_ends(pid)


def assert_ends(pid: int) -> None:
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
