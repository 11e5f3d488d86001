"""A budget ends in tables: cut in time or by SIGTERM, in the folder that is kept, within what a machine hands over."""

import os
import signal
import subprocess
import sys
import time

import budget
import pytest
import records
from command_lines import ROOT


@pytest.fixture
def now(monkeypatch):
    """The program starts now, and keeps no reserve."""
    monkeypatch.setattr(budget, "STARTED", time.monotonic())
    monkeypatch.setattr(budget, "RESERVE_SECONDS", 0.0)


def test_the_end_of_the_budget_cuts_and_is_no_failure(now):
    started = time.monotonic()
    with pytest.raises(budget.Cut, match="used up") as cut, budget.Budget(0.3) as clock:
        assert 0 < clock.left <= 0.3
        time.sleep(30)
    assert 0.2 < time.monotonic() - started < 5 and cut.value.exit_code == 0


def test_sigterm_cuts_once_and_its_handler_is_restored(now):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(budget.Cut) as cut, budget.Budget(60.0):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)
    assert cut.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) == before and signal.getitimer(signal.ITIMER_REAL)[0] == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_cut_that_a_finalizer_swallows_comes_again(now, monkeypatch):
    class Slow:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)

    monkeypatch.setattr(budget, "AGAIN_SECONDS", 0.2)
    with pytest.raises(budget.Cut, match="SIGTERM"), budget.Budget(60.0):
        Slow()
        time.sleep(30)
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_part_that_ends_in_time_is_not_cut(now):
    with budget.Budget(60.0) as clock:
        assert clock.left > 50
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_results_go_where_out_says_else_into_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "ROOT", tmp_path / "root")
    monkeypatch.setenv("OUT", str(tmp_path / "kept"))
    assert budget.kept_folder(None) == tmp_path / "kept"
    assert budget.kept_folder(tmp_path / "asked") == tmp_path / "asked"
    for value in ("", None):
        monkeypatch.setenv("OUT", value) if value is not None else monkeypatch.delenv("OUT")
        assert budget.kept_folder(None) == tmp_path / "root" / "runs" / "gpu"
    assert all((tmp_path / part).is_dir() for part in ("kept", "asked", "root/runs/gpu"))


def test_tables_end_the_output_within_what_is_handed_over(tmp_path, capsys):
    lines = [f"line {number}" for number in range(5000)]
    budget.print_tables("\n".join(lines), tmp_path / "first.txt")
    printed = capsys.readouterr().out
    assert len(printed) < 12_000
    assert printed.startswith("\nline 0\n") and printed.endswith("line 4999\n")
    assert "all of it is in first.txt" in printed


def test_missing_packages_are_one_line_that_says_how_to_carry_them(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(records, "SITE", tmp_path)
    with pytest.raises(SystemExit) as stopped:
        records.require_packages("torch", "no-such-package", "nor-this")
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("missing here: no-such-package, nor-this;") and error.count("\n") == 1
    assert "pip install --no-deps --target runs/site no-such-package nor-this" in error


def test_carried_packages_are_found_after_those_of_the_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "SITE", tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "carried_package.py").write_text("")
    (tmp_path / "torch.py").write_text("raise ImportError('another torch')")
    records.require_packages("torch", "carried_package")
    assert sys.path[-1] == str(tmp_path)


def test_the_benches_measure_the_package_next_to_them_without_git(tmp_path):
    """Run from elsewhere, with nothing on PATH."""
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'bench')!r})\nimport records, vlsa\n"
    code += "print(vlsa.__file__, records.circumstances()['commit'])"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == [str(ROOT / "vlsa" / "__init__.py"), "None"], done.stderr
