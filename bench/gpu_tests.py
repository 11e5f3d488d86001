"""The tests that need a GPU as cases of a bench: what passed is kept test by test."""

import os
from functools import partial
from importlib.util import find_spec
from typing import Any

from records import ROOT
from running import UNFINISHED, Case, Job, hand_over
from table import Results


def case(name: str, about: str, selected: str) -> Case:
    """Tests in tests/gpu whose names have `selected` in them."""
    return Case(name, about, partial(run, selected), where="gpu", most_seconds=100)


def run(selected: str, _job: Job, folder: str = "tests/gpu") -> Results:
    """How many passed; those that did not are a failure of the case."""
    import pytest

    os.environ["VLSA_REQUIRE_GPU"] = "1"
    os.chdir(ROOT)
    outcomes = Outcomes()
    # pyproject.toml's options ask for packages of the full set-up; other versions than the tested ones may warn.
    options = ["-v", "-o", "addopts=", "-o", "filterwarnings=default", "-p", "no:cacheprovider"]
    options += ["--import-mode=importlib", *(["-k", selected] if selected else []), *in_parallel(), folder]
    status = pytest.main(options, plugins=[outcomes])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return outcomes.results() | {"failed": f"pytest ended with status {int(status)}; nothing is proven"}
    return outcomes.results()


def in_parallel() -> list[str]:
    """Options by which several processes share the tests, where pytest-xdist is there: most of them wait to compile."""
    return ["-n", str(min(8, os.cpu_count() or 1))] if find_spec("xdist") else []


class Outcomes:
    """A plugin of pytest: hands over after each test what is known so far."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: Any) -> None:
        """One phase of one test."""
        if report.failed:
            self.failed.append(report.nodeid.rpartition("::")[2])
        elif report.when == "call" and report.passed:
            self.passed.append(report.nodeid.rpartition("::")[2])
        if report.when == "teardown":
            hand_over(self.results() | {UNFINISHED: True})

    def results(self) -> Results:
        """For the row of the case."""
        failed = {"failed": f"{len(self.failed)} of the tests: {', '.join(self.failed)}"} if self.failed else {}
        return {"passed": len(self.passed), "names": self.passed, **failed}
