"""How second.py cuts Table 5 to a budget: clips rendered once, steps by a probe, a table after each arm.

OUT/second.jsonl    the probe, the steps that it allows, and the seconds of each part
OUT/results.jsonl   a line for each arm and stage: what vlsa evaluate writes
OUT/table5.md, .json, .png   of the arms that are finished
OUT/curves.jsonl, .png       of all trainings, the unfinished one too
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from budget import Budget, Cut, kept_folder, print_tables
from made import random_batch, render
from matplotlib.backends.backend_agg import FigureCanvasAgg  # not later: a cut in the middle of an import breaks it
from matplotlib.figure import Figure
from records import ROOT, above_zero, append, circumstances
from stepping import start, step_of
from timing import time_steps

from vlsa.base import console
from vlsa.config import Config
from vlsa.data.clip import Dataset
from vlsa.data.loading.loader import read_tensors
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.pretrain.interrupt import Stopped
from vlsa.reproduce.charts import draw_table
from vlsa.reproduce.plan import Place, Plan, place, stages_of
from vlsa.reproduce.runs import carry_out
from vlsa.reproduce.sources import Sources
from vlsa.reproduce.tables import make_table, write_table
from vlsa.reproduce.targets import FULL, GAM, LPMM, NEITHER, TARGETS, Arm, Target
from vlsa.show.plots.curves import read_series

TARGET = TARGETS["table5"]
ORDER = (FULL, NEITHER, GAM, LPMM)
"""Of the arms: the most valuable first."""
NUM_TRAININGS, PRETRAININGS = 7, 2.5
"""Of the table, each with an evaluation; and its three pre-trainings in steps of the whole objective."""
START_SECONDS = 14.0
"""Of each training and its evaluation, in addition to the steps: reading processes, the model, the checkpoint."""
SAFETY = 0.85
"""Share of what is left that is planned for."""
MOST_STEPS, LEAST_STEPS = 1500, 20
PANELS = {
    "loss": "loss",
    "LPMM: sum of its terms": "local_",
    "GAM: sum of its contrasts, nats": "global_contrast_",
    "clips a second": "clips_per_second",
}
"""What is drawn, and how the values are named that are added up."""


@dataclass(frozen=True)
class Size:
    """How large the table is."""

    recipe: str
    px: int
    num_clips: int
    num_test: int
    num_finetuning: int
    batch_size: int
    """Of fine-tuning."""
    epochs: int
    assignments: tuple[str, ...] = ()

    def plan(self, num_steps: int, num_workers: int, assignments: list[str]) -> Plan:
        """Of all runs. Blocks are not compiled: in runs of seconds that would cost more than it brings."""
        own = ("compute.compile=off", f"train.num_workers={num_workers}", "train.checkpoint_every_steps=100000")
        return Plan(
            recipe=self.recipe,
            data=f"world:train={self.num_clips},test={self.num_test},px={self.px}",
            finetune_data=f"world:train={self.num_finetuning},test=0,first=100000,px={self.px}",
            budget_steps=num_steps,
            epochs=self.epochs,
            batch_size=self.batch_size,
            assignments=(*own, *self.assignments, *assignments),
        )


SMALL_MODEL = tuple(
    f"model.{setting}"
    for setting in (
        "video.size_px=16",
        "video.patch_px=8",
        "video.num_frames=2",
        "encoder.width=32",
        "decoder.width=32",
    )
)
SIZES = {
    False: Size("small", 112, 8192, 1000, 2048, 256, 5),
    True: Size("tiny", 16, 16, 12, 8, 8, 1, ("train.batch_size=8", "train.cache_gib=0", *SMALL_MODEL)),
}


def main() -> int:
    """Train, evaluate, and end with the table."""
    options = _parser().parse_args()
    if not (options.small or torch.cuda.is_available()):
        print("torch sees no GPU, which the size small needs. Try --small.", file=sys.stderr)
        return 2
    folder = kept_folder(options.out)
    runs = options.runs or ROOT / "runs" / f"second-{circumstances()['code']}"
    console.set_up()
    about = {"bench": "second", "small": options.small, "set": options.assignments, **circumstances()}
    append(about, folder / "second.jsonl")
    status, cut = 0, ""
    scratch = Path(tempfile.mkdtemp(dir=_fast_disk()))
    try:
        with Budget(options.seconds) as budget:
            _all_arms(options, budget, runs, scratch, folder)
    except (Cut, Stopped) as reason:
        cut, status = f"cut: {reason}; the arms that are missing were not finished\n", reason.exit_code
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print_tables(cut + _publish(options, runs, folder), folder / "table5.md")
    print(f"results: {folder}")
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=above_zero(float), default=290.0, help="budget of the whole")
    parser.add_argument("--steps", type=above_zero(int), help="of each pre-training, in place of what should fit")
    parser.add_argument("--small", action="store_true", help="a few clips and steps, to try it")
    parser.add_argument("--set", dest="assignments", action="append", default=[], help="a.b=c, changes a setting")
    parser.add_argument("--out", type=Path, help="folder of the results; by default $OUT, else runs/gpu")
    parser.add_argument("--runs", type=Path, help="folder of the trainings; finished ones are kept")
    return parser


def _fast_disk() -> str | None:
    """A disk in memory, where it has room for all rendered clips; None for the usual temporary folder."""
    shared = Path("/dev/shm")
    return str(shared) if shared.is_dir() and shutil.disk_usage(shared).free > 20 * 2**30 else None


def _all_arms(options: argparse.Namespace, budget: Budget, runs: Path, scratch: Path, folder: Path) -> None:
    started, size = time.monotonic(), SIZES[options.small]
    num_workers = 0 if options.small else max((os.cpu_count() or 2) - 2, 1)
    plan = size.plan(options.steps or LEAST_STEPS, num_workers, options.assignments)
    opened = {
        data: render(data, scratch / str(number), max(num_workers, 1))
        for number, data in enumerate((plan.data, plan.finetune_data))
    }
    _note(folder, "rendering", seconds=time.monotonic() - started)
    if not options.steps:
        steps = _held_steps(runs) or (
            2 if options.small else _fitting_steps(size, plan, opened[plan.data], budget, folder)
        )
        plan = replace(plan, budget_steps=steps)
    sources = Sources(plan, opened)
    for arm in ORDER:
        for stage in reversed(stages_of(TARGET, arm)):  # zero-shot needs the pre-training alone
            started = time.monotonic()
            carry_out(replace(TARGET, arms=(arm,), claim=(), stages=(stage,)), plan, 1, runs, sources)
            _note(folder, f"{arm.name}, {stage}", seconds=time.monotonic() - started)
            _keep_results(runs, arm, stage, folder)
        _publish(options, runs, folder)


def _note(folder: Path, part: str, **values: float) -> None:
    append({"part": part, **{name: round(value, 4) for name, value in values.items()}}, folder / "second.jsonl")


def _held_steps(runs: Path) -> int | None:
    """Steps of the runs that are there, which a second start has to keep."""
    path = runs / "plan.json"
    return json.loads(path.read_text(encoding="utf-8"))["budget_steps"] if path.exists() else None


def _reading_seconds(config: Config, tokenizer: Tokenizer, clips: Dataset) -> float:
    """Of one clip, by one process, with a margin for putting batches together."""
    rows, rng = clips.rows("train")[:32], np.random.default_rng(0)
    started = time.perf_counter()
    for row in rows:
        read_tensors(clips, row, config.model, tokenizer, rng)
    return 1.5 * (time.perf_counter() - started) / len(rows)


def _fitting_steps(size: Size, plan: Plan, clips: Dataset, budget: Budget, folder: Path) -> int:
    """Steps of each pre-training that fit into the budget: by a step on noise, or by reading where that is slower."""
    config = plan.config(FULL, seed=0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trainer = start(config, device)
    num_clips = config.train.batch_size
    batch = random_batch(config.model, num_clips, device)
    timing = time_steps(lambda: step_of(trainer, iter([batch])), device, num_steps=5, num_warm_up=3, limit_seconds=5)
    seconds = max(
        timing.median, num_clips * _reading_seconds(config, trainer.tokenizer, clips) / config.train.num_workers
    )
    tuning = 4 * size.epochs * size.num_finetuning * seconds / num_clips
    left = SAFETY * (budget.left - NUM_TRAININGS * START_SECONDS - tuning)
    steps = max(min(int(left / PRETRAININGS / seconds), MOST_STEPS), LEAST_STEPS)
    _note(folder, "probe", step_seconds=seconds, seconds_left=budget.left, steps=steps)
    return steps


def _keep_results(runs: Path, arm: Arm, stage: str, folder: Path) -> None:
    results = json.loads(place(runs, arm, 0).results(stage).read_text(encoding="utf-8"))
    append({"arm": arm.name, "stage": stage, "results": results}, folder / "results.jsonl")


def _publish(options: argparse.Namespace, runs: Path, folder: Path) -> str:
    """The table of the finished arms and the curves of all, in the folder that is kept; returns the table."""
    arms = tuple(arm for arm in TARGET.arms if _is_finished(place(runs, arm, 0), arm))
    if not arms:
        _draw_curves(runs, folder)
        return "no arm was finished"
    names = {arm.name for arm in arms}
    target: Target = replace(TARGET, arms=arms, claim=tuple(name for name in TARGET.claim if name in names))
    if names == {NEITHER.name}:
        target = replace(target, stages=stages_of(TARGET, NEITHER))
    plan = Plan(**{**json.loads((runs / "plan.json").read_text(encoding="utf-8"))})
    table = make_table(target, plan, 1, runs)
    page, _ = write_table(table, folder)
    draw_table(table, folder / "table5.png")
    _draw_curves(runs, folder)
    small = "--small: these numbers mean nothing\n" if options.small else ""
    return small + page.read_text(encoding="utf-8")


def _is_finished(at: Place, arm: Arm) -> bool:
    return all(at.results(stage).exists() for stage in stages_of(TARGET, arm))


def _draw_curves(runs: Path, folder: Path) -> None:
    """All trainings as lines of one file, and in one figure."""
    paths = {
        f"{arm.label}, {path.parent.name}": path
        for arm in ORDER
        for path in sorted(place(runs, arm, 0).folder.glob("*/metrics.jsonl"), reverse=True)
        if path.stat().st_size
    }
    if not paths:
        return
    lines = [
        json.dumps({"run": name, **json.loads(line)})
        for name, path in paths.items()
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    (folder / "curves.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    figure = Figure(figsize=(12, 7), layout="constrained")
    FigureCanvasAgg(figure)
    curves: dict[str, Any] = {name: read_series(path) for name, path in paths.items() if name.endswith("pretrained")}
    for number, (title, prefix) in enumerate(PANELS.items(), 1):
        axes = figure.add_subplot(2, 2, number)
        for name, series in curves.items():
            found = [values for key, values in series.items() if key.startswith(prefix)]
            if found:
                axes.plot(found[0][0], sum(values for _, values in found), label=name.partition(",")[0])
        axes.set_title(title, fontsize=9, loc="left")
        axes.set_xlabel("step", fontsize=8)
        axes.legend(fontsize=8)
    figure.savefig(folder / "curves.png", dpi=120)
