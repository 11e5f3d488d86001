"""Cases of a bench one after another within a budget: each in a process of its own, kept as soon as it is measured.

A case that does not fit into the GPU's memory starts again with half the clips; one that fails or takes too long is
reported, and the next starts. Results in the folder of the same code, settings and GPU are not measured again, so a
bench that was cut off resumes. With --small all cases run in this process, and an error is an error.

    OUT/NAME.jsonl   a line for each case, when it is measured
    OUT/NAME.txt     the table so far; printed last
    OUT/NAME.log     what the cases printed
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from budget import Budget, Cut, kept_folder, print_tables
from records import ROOT, above_zero, append, circumstances, exit_status, read
from table import HEAD, LEGEND, Results, agreement, row, shares

from vlsa.base.errors import VlsaError
from vlsa.config import Config
from vlsa.config.overrides import override
from vlsa.config.recipes import recipe

SMALL_CLIPS, SMALL_STEPS = 4, 2
CEILINGS, REFERENCE = "ceilings", "reference"
TOO_MANY, UNFINISHED = "too many clips", "unfinished"
RESULT = "RESULT "
"""Starts the line in which a case's process hands over what it measured; the last one counts."""


@dataclass(frozen=True)
class Job:
    """What one case is to measure."""

    config: Config
    num_clips: int
    equal_clips: int
    """Clips of step 1, the same for all cases, so that its loss and gradient can be compared."""
    num_steps: int
    small: bool
    profile: Path | None
    """Where a table of the longest kernels is to be written, if it is."""
    stop: float = float("inf")
    """On time.monotonic's clock."""

    @property
    def device(self) -> torch.device:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def seconds(self, most: float) -> float:
        """For timing: no more than `most`, and half of what is left."""
        return max(min(most, (self.stop - time.monotonic()) / 2), 0.0)


@dataclass(frozen=True)
class Case:
    """One row of a bench: what it is, how many clips it starts with, what it measures."""

    name: str
    about: str
    measure: Callable[[Job], Results]
    num_clips: Callable[[Config, float], int] = lambda _config, _gib: 1
    """From the settings and the GPU's memory in GiB."""
    where: Literal["anywhere", "gpu", "processor"] = "anywhere"
    """Where the case is meaningful."""
    profiled: bool = False
    least_seconds: float = 15.0
    """With less time left it is not started."""
    most_seconds: float = 150.0
    """Compilation included."""


@dataclass(frozen=True)
class Bench:
    """A question: its cases, which of them run unless others are asked for, and what is written below the table."""

    name: str
    question: str
    cases: Sequence[Case]
    chosen: Sequence[str]
    closing: Callable[[Config, dict[str, Results]], list[str]]
    seconds: float
    equal_clips: Callable[[Config, float], int] = lambda _config, _gib: SMALL_CLIPS


def main(bench: Bench) -> int:
    """Measure the cases and end with their table; or one case, in a process that `main` started."""
    return exit_status(lambda: _main(bench, _parser(bench).parse_args()))


def _main(bench: Bench, options: argparse.Namespace) -> int:
    cases = {case.name: case for case in bench.cases}
    options.out, options.bench = kept_folder(options.out), bench.name
    if options.case:
        return _one(cases[options.case], options)
    wanted = options.only.split(",") if options.only else list(bench.chosen)
    unknown = [name for name in wanted if name not in cases]
    if unknown:
        print(f"--only {','.join(unknown)}: no such case. Known: {', '.join(cases)}.", file=sys.stderr)
        return 2
    if not (options.small or options.only or torch.cuda.is_available()):
        print(
            "torch sees no GPU, whose times are asked for. Try --small, or name cases by --only.",
            file=sys.stderr,
        )
        return 2
    return _all(bench, [cases[name] for name in dict.fromkeys(wanted)], options)


def _parser(bench: Bench) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=bench.question, formatter_class=argparse.RawDescriptionHelpFormatter)
    positive = above_zero(int)
    parser.add_argument("--recipe", help="recipe to measure (paper; tiny with --small)")
    parser.add_argument("--only", help=f"cases, with commas between; of {', '.join(case.name for case in bench.cases)}")
    parser.add_argument("--steps", type=positive, default=10, help="steps timed in each case, if time allows")
    parser.add_argument("--seconds", type=above_zero(float), default=bench.seconds, help="budget of the whole")
    parser.add_argument("--small", action="store_true", help="a few clips and steps in one process, to try the bench")
    parser.add_argument("--batch-size", type=positive, help="clips to start with, in place of what should fit")
    parser.add_argument("--set", dest="assignments", action="append", default=[], help="a.b=c, changes a setting")
    parser.add_argument("--again", action="store_true", help="measure again what the folder holds")
    parser.add_argument("--out", type=Path, help="folder of the results; by default $OUT, else runs/gpu")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--equal-clips", type=positive, help=argparse.SUPPRESS)
    return parser


def _job(case: Case, num_clips: int, equal_clips: int, options: argparse.Namespace, stop: float) -> Job:
    profile = options.out / f"profile-{case.name}.txt" if case.profiled and not options.small else None
    steps = SMALL_STEPS if options.small else options.steps
    return Job(_config(options), num_clips, equal_clips, steps, options.small, profile, stop)


def _config(options: argparse.Namespace) -> Config:
    name = options.recipe or ("tiny/paper-objective" if options.small else "paper")
    return override(recipe(name), options.assignments)


def hand_over(results: Results) -> None:
    """What a case has measured so far, for the process that started it: kept even if this one is cut off."""
    print(f"\n{RESULT}{json.dumps(results)}", flush=True)


def _one(case: Case, options: argparse.Namespace) -> int:
    try:
        stop = time.monotonic() + options.seconds
        results = case.measure(_job(case, options.batch_size, options.equal_clips, options, stop))
    except (torch.OutOfMemoryError, VlsaError) as error:
        if not isinstance(error.__cause__ or error, torch.OutOfMemoryError):
            raise
        results = {TOO_MANY: True}
    hand_over(results)
    return 0


def _all(bench: Bench, cases: Sequence[Case], options: argparse.Namespace) -> int:
    config, facts = _config(options), circumstances()
    kept, page = options.out / f"{bench.name}.jsonl", options.out / f"{bench.name}.txt"
    about = {"bench": bench.name, "recipe": config.recipe, "small": options.small, "set": options.assignments, **facts}
    saved = {} if options.again else _saved(about, kept)
    measured: dict[str, Results] = {}
    text, status = _page(bench, config, cases, measured, options), 0
    try:
        with Budget(options.seconds) as budget:
            for case in cases:
                results = saved.get(case.name)
                if results is None:
                    started = time.monotonic()
                    results = _measured(bench, case, budget, options)
                    results["case_seconds"] = round(time.monotonic() - started, 1)
                    results |= shares(results, measured.get(CEILINGS, {}), config)
                    results |= agreement(results, measured.get(REFERENCE, {}))
                    append({**about, "case": case.name, "about": case.about, "results": results}, kept)
                measured[case.name] = results
                print(row(case.name, case.about, results), flush=True)
                text = _page(bench, config, cases, measured, options)
                page.write_text(text, encoding="utf-8")
    except Cut as cut:
        text, status = f"{text}\ncut: {cut}", cut.exit_code
        page.write_text(text, encoding="utf-8")
    print_tables(f"{text}\nresults: {options.out}", page)
    return status


def _page(
    bench: Bench, config: Config, cases: Sequence[Case], measured: dict[str, Results], options: argparse.Namespace
) -> str:
    """The table as far as it is."""
    rows = [row(case.name, case.about, measured.get(case.name, {"skipped": "not measured"})) for case in cases]
    small = ["--small: these times mean nothing"] if options.small else []
    seconds = ", ".join(
        f"{name} {part['case_seconds']:.0f}" for name, part in measured.items() if "case_seconds" in part
    )
    small.append(f"seconds that each case took, compilation included: {seconds}")
    return "\n".join([HEAD, *rows, LEGEND, *small, *bench.closing(config, measured)])


def _saved(about: dict[str, Any], kept: Path) -> dict[str, Results]:
    """Results that are still valid: of the same code, settings and device, and neither failed nor skipped."""
    same = [name for name in about if name != "commit"]
    found = {}
    for record in read(kept):
        if all(record.get(name) == json.loads(json.dumps(about[name])) for name in same):
            found[record["case"]] = record["results"]
    return {name: results for name, results in found.items() if not {"failed", "skipped"} & results.keys()}


def _measured(bench: Bench, case: Case, budget: Budget, options: argparse.Namespace) -> Results:
    elsewhere = {"gpu": not torch.cuda.is_available(), "processor": torch.cuda.is_available()}
    if elsewhere.get(case.where):
        return {"skipped": "needs a GPU" if case.where == "gpu" else "for a processor alone"}
    config = _config(options)
    memory_gib = torch.cuda.get_device_properties().total_memory / 2**30 if torch.cuda.is_available() else 8.0
    equal_clips = SMALL_CLIPS if options.small else bench.equal_clips(config, memory_gib)
    equal_clips = options.batch_size or equal_clips
    if options.small:
        return case.measure(_job(case, equal_clips, equal_clips, options, budget.stop))
    num_clips, too_many = options.batch_size or case.num_clips(config, memory_gib), []
    while True:
        if budget.left < case.least_seconds:
            results = {"skipped": f"no time left: {max(budget.left, 0):.0f} s of at least {case.least_seconds:.0f} s"}
        else:
            seconds = min(case.most_seconds, budget.left - 1)  # before the budget cuts the whole
            results = _in_process(case, num_clips, equal_clips, seconds, options)
        if TOO_MANY not in results:
            return results | ({"does_not_fit": too_many} if too_many else {})
        too_many.append(num_clips)
        if num_clips == 1:
            return {"failed": "not even one clip fits", "does_not_fit": too_many}
        num_clips //= 2


def _in_process(
    case: Case, num_clips: int, equal_clips: int, limit_seconds: float, options: argparse.Namespace
) -> Results:
    size = ["--batch-size", str(num_clips), "--equal-clips", str(equal_clips), "--seconds", f"{limit_seconds:.1f}"]
    command = [sys.executable, *sys.argv, "--case", case.name, *size, "--out", str(options.out)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    with (options.out / f"{options.bench}.log").open("a+", encoding="utf-8", errors="replace") as log:
        log.write(f"\n== {case.name}, {num_clips} clips\n")
        log.flush()
        first = log.tell()
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        try:
            status: int | None = process.wait(timeout=limit_seconds)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        log.seek(first)
        return _handed_over(log.read(), status, limit_seconds)


def _handed_over(printed: str, status: int | None, limit_seconds: float) -> Results:
    """What a process handed over; of one that failed or was stopped (status None) before it did, the reason."""
    lines = [line for line in printed.splitlines() if line.strip()]
    handed = [line.removeprefix(RESULT) for line in lines if line.startswith(RESULT)]
    results: Results = json.loads(handed[-1]) if handed else {UNFINISHED: True}
    if UNFINISHED not in results:
        return results
    if status is None:
        return results | {"failed": f"took longer than {limit_seconds:.0f} s"}
    print("\n".join(line[:300] for line in lines[-4:]), file=sys.stderr)
    errors = [line for line in lines if "Error" in line.partition(":")[0]] or lines
    return results | {"failed": (errors or [f"ended with status {status}"])[-1][:200]}
