"""Cases of a bench one after another: each in a process of its own, kept as soon as it is measured.

A case that does not fit into the GPU's memory begins anew with half the clips; one that fails or takes too long is told
as such, and the next begins. What a results file holds of the same code, recipe and GPU is not measured again: a bench
that was cut off goes on. With --small all cases run in this process, and an error is an error.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from ceilings import measure as measure_ceilings
from records import ROOT, above_zero, append, circumstances, finish, read, told

from vlsa.base.errors import VlsaError
from vlsa.config import Config
from vlsa.config.overrides import override
from vlsa.config.recipes import recipe

Results = dict[str, Any]
CASE_SECONDS = 240.0
"""Longest that one case may take, compilation included."""
SMALL_CLIPS, SMALL_STEPS = 4, 2
CEILINGS = "ceilings"
TOO_MANY = "too many clips"
RESULT = "RESULT "
"""Begins the line in which a case's process hands over what it measured."""


@dataclass(frozen=True)
class Job:
    """What one case is to measure."""

    config: Config
    num_clips: int
    num_steps: int
    small: bool
    profile: Path | None
    """Where a table of the longest kernels is to be written, if it is."""

    @property
    def device(self) -> torch.device:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class Case:
    """One row of a bench: what it is, how many clips it begins with, what it measures."""

    name: str
    says: str
    measure: Callable[[Job], Results]
    num_clips: Callable[[Config, float], int] = lambda _config, _gib: 1
    """From the settings and the GPU's memory in GiB."""
    where: Literal["anywhere", "gpu", "processor"] = "anywhere"
    """Where the case says something."""
    profiled: bool = False


@dataclass(frozen=True)
class Bench:
    """A question: its cases, and what is said below the table."""

    name: str
    question: str
    cases: Sequence[Case]
    closing: Callable[[Config, dict[str, Results]], list[str]]


def ceilings_case() -> Case:
    """The first of every bench: what shares are shares of."""
    return Case(CEILINGS, "", lambda job: measure_ceilings(job.device, job.config.model))


def main(bench: Bench) -> int:
    """Measure all cases and end with the record; or one case, in a process that `main` began."""
    return told(lambda: _main(bench, _parser(bench).parse_args()))


def _main(bench: Bench, options: argparse.Namespace) -> int:
    cases = {case.name: case for case in (ceilings_case(), *bench.cases)}
    if options.case:
        return _one(cases[options.case], options)
    wanted = options.only.split(",") if options.only else list(cases)
    unknown = [name for name in wanted if name not in cases]
    if unknown:
        print(f"--only {','.join(unknown)}: no such case. Known: {', '.join(cases)}.", file=sys.stderr)
        return 2
    wanted = [CEILINGS, *(name for name in wanted if name != CEILINGS)]
    return _all(bench, [cases[name] for name in wanted], options)


def _parser(bench: Bench) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=bench.question, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", help="recipe to measure (paper; tiny with --small)")
    parser.add_argument("--only", help="cases to measure, with commas between")
    parser.add_argument(
        "--steps", type=above_zero(int), default=10, help="steps that are timed in each case, if time allows"
    )
    parser.add_argument("--seconds", type=float, default=1200.0, help="no case begins after so long")
    parser.add_argument("--small", action="store_true", help="a few clips and steps in one process, to try the bench")
    parser.add_argument("--batch-size", type=above_zero(int), help="clips to begin with, in place of what should fit")
    parser.add_argument("--set", dest="assignments", action="append", default=[], help="a.b=c, changes a setting")
    parser.add_argument("--again", action="store_true", help="measure also what the results file holds")
    parser.add_argument("--out", type=Path, help="results file: a line a case, and one at the end")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    return parser


def _job(case: Case, num_clips: int, options: argparse.Namespace) -> Job:
    profile = options.out.parent / f"profile-{case.name}.txt" if options.out and case.profiled else None
    steps = SMALL_STEPS if options.small else options.steps
    return Job(_config(options), num_clips, steps, options.small, None if options.small else profile)


def _config(options: argparse.Namespace) -> Config:
    return override(recipe(options.recipe or ("tiny" if options.small else "paper")), options.assignments)


def _one(case: Case, options: argparse.Namespace) -> int:
    try:
        results = case.measure(_job(case, options.batch_size, options))
    except (torch.OutOfMemoryError, VlsaError) as error:
        if not isinstance(error.__cause__ or error, torch.OutOfMemoryError):
            raise
        results = {TOO_MANY: True}
    print(RESULT + json.dumps(results))
    return 0


def _all(bench: Bench, cases: Sequence[Case], options: argparse.Namespace) -> int:
    config, facts = _config(options), circumstances()
    if options.out:  # found out before anything is measured
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.open("a").close()
    about = {"bench": bench.name, "recipe": config.recipe, "small": options.small, "set": options.assignments, **facts}
    saved = {} if options.again else _saved(about, options.out)
    stop = time.monotonic() + options.seconds
    measured: dict[str, Results] = {}
    print(HEAD, flush=True)
    for case in cases:
        results = saved.get(case.name)
        if results is None:
            results = _measured(case, config, stop, options)
            results |= _shares(results, measured.get(CEILINGS, {}), config)
            if "skipped" not in results:
                append({**about, "case": case.name, "says": case.says, "results": results}, options.out)
        measured[case.name] = results
        print(row(case, results), flush=True)
    print(LEGEND)
    print("\n--small: these times say nothing\n" if options.small else "")
    print("\n".join(bench.closing(config, measured)), flush=True)
    return finish({**about, "case": "all", "results": measured}, options.out)


def _saved(about: dict[str, Any], out: Path | None) -> dict[str, Results]:
    """Results that hold still: of the same code, settings and device, and not failed."""
    same = [name for name in about if name not in ("commit", "versions")] + ["versions"]
    kept = {}
    for record in read(out):
        if all(record.get(name) == json.loads(json.dumps(about[name])) for name in same) and record["case"] != "all":
            kept[record["case"]] = record["results"]
    return {name: results for name, results in kept.items() if "failed" not in results}


def _measured(case: Case, config: Config, stop: float, options: argparse.Namespace) -> Results:
    elsewhere = {"gpu": not torch.cuda.is_available(), "processor": torch.cuda.is_available()}
    if elsewhere.get(case.where):
        return {"skipped": "needs a GPU" if case.where == "gpu" else "for a processor alone"}
    if options.small:
        num_clips = options.batch_size or SMALL_CLIPS
        return case.measure(_job(case, num_clips, options))
    memory_gib = torch.cuda.get_device_properties().total_memory / 2**30 if torch.cuda.is_available() else 8.0
    num_clips, too_many = options.batch_size or case.num_clips(config, memory_gib), []
    while True:
        left = stop - time.monotonic()
        if left <= 0:
            return {"skipped": "no time left"} | ({"does_not_fit": too_many} if too_many else {})
        results = _in_process(case, num_clips, min(CASE_SECONDS, left + 60), options)
        if TOO_MANY not in results:
            return results | ({"does_not_fit": too_many} if too_many else {})
        too_many.append(num_clips)
        if num_clips == 1:
            return {"failed": "not even one clip fits", "does_not_fit": too_many}
        num_clips //= 2


def _in_process(case: Case, num_clips: int, limit_seconds: float, options: argparse.Namespace) -> Results:
    command = [sys.executable, *sys.argv, "--case", case.name, "--batch-size", str(num_clips)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment, start_new_session=True
        )
        try:
            output, _ = process.communicate(timeout=limit_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return {"failed": f"took longer than {limit_seconds:.0f} s"}
        handed = [line.removeprefix(RESULT) for line in output.splitlines() if line.startswith(RESULT)]
        if process.returncode == 0 and handed:
            return json.loads(handed[-1])
        errors.seek(0)
        told = [line for line in errors.read().splitlines() if line.strip()]
        print("\n".join(told[-12:]), file=sys.stderr)
        return {"failed": (told or [f"ended with status {process.returncode}"])[-1][:300]}


def _shares(results: Results, ceilings: Results, config: Config) -> Results:
    """Utilisation, gap and hours, from clips a second and the ceilings."""
    speed = results.get("clips_per_second")
    if not speed:
        return {}
    views = config.train.batch_size * config.train.num_steps
    num_clips, flops, num_bytes = results["batch_size"], results["flops"], results["bytes"]
    shares: Results = {"tflops": speed * flops / num_clips / 1e12, "hours_of_the_recipe": views / speed / 3600}
    if "bfloat16_tflops" in ceilings:
        by_arithmetic = flops / ceilings["bfloat16_tflops"] / 1e12
        by_memory = num_bytes / ceilings["copy_terabytes_per_second"] / 1e12
        shares["utilisation"] = shares["tflops"] / ceilings["bfloat16_tflops"]
        shares["floor_seconds"] = max(by_arithmetic, by_memory)
        shares["gap"] = num_clips / speed / shares["floor_seconds"]
    return shares


HEAD = f"{'case':<18}{'clips':>6}{'ms/step':>9}{'clips/s':>9}{'MFU':>8}{'gap':>7}{'GiB':>7}{'hours':>9}  what it is"
LEGEND = (
    "MFU = share of the measured bfloat16 product; gap = time over the floor; hours = the whole recipe on one of it"
)


def row(case: Case, results: Results) -> str:
    """A case as a line of the table."""
    told = results.get("skipped") or ("failed: " + results["failed"] if "failed" in results else "")
    if not told and "clips_per_second" not in results:
        told = ", ".join(f"{name} {value:.4g}" for name, value in results.items())
    if told:
        return f"{case.name:<18}  {told}"
    columns = [
        f"{results['batch_size']:>6}",
        f"{results['step_seconds_median'] * 1e3:>9.1f}",
        f"{results['clips_per_second']:>9.1f}",
        f"{results['utilisation']:>8.1%}" if "utilisation" in results else " " * 8,
        f"{results['gap']:>7.2f}" if "gap" in results else " " * 7,
        f"{results['peak_gib']:>7.1f}" if results["peak_gib"] else " " * 7,
        f"{_hours(results['hours_of_the_recipe']):>9}",
    ]
    more = f"; {results['does_not_fit']} do not fit" if results.get("does_not_fit") else ""
    return f"{case.name:<18}{''.join(columns)}  {case.says}{more}"


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.3g}"
