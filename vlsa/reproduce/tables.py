"""Results of many runs as one table: means over seeds, intervals over queries, and whether the claimed order holds.

Reads files of results (retrieve/written.py); feeds pictures.py and the command line. A cell's recall is the mean over
seeds of each query's outcome, its interval the bootstrap of that over queries; beside it stands the spread over seeds.
Axes: Q queries, K recalls.
"""

import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vlsa.base.files import write_atomically
from vlsa.reproduce.plan import Plan, stages_of
from vlsa.reproduce.runs import results_of
from vlsa.reproduce.targets import DATA_SETS, FINE_TUNED, MAIN, PAPER, STAGES, WRONG_SOUND, Target
from vlsa.retrieve.evaluate.bootstrap import interval, means, resamples
from vlsa.retrieve.evaluate.compare import Difference, compare
from vlsa.retrieve.evaluate.metrics import RECALL_AT
from vlsa.retrieve.evaluate.ranks import Ranks
from vlsa.retrieve.evaluate.results import direction_label, markdown_table
from vlsa.retrieve.evaluate.results_file import Results

NUM_RESAMPLES = 2000
SEEDS_AT = 10
"""Each seed is shown at this R@k."""


@dataclass(frozen=True)
class Cell:
    """An arm in one direction; recalls are shares in [0, 1]."""

    recall: dict[int, float]
    interval: dict[int, tuple[float, float]]
    """95%, over queries, of the mean over seeds."""
    seeds: dict[int, list[float]]
    """Each seed's."""
    chance: dict[int, float]
    num_queries: int
    num_items: int

    def text(self, k: int) -> str:
        """In percent, with its interval."""
        low, high = self.interval[k]
        return f"{100 * self.recall[k]:.1f} ({100 * low:.1f}–{100 * high:.1f})"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        recalls = {
            f"r{k}": {"mean": self.recall[k], "interval": list(self.interval[k]), "seeds": self.seeds[k]}
            for k in self.recall
        }
        return {
            "N": self.num_items,
            "Q": self.num_queries,
            **recalls,
            "chance": {f"r{k}": v for k, v in self.chance.items()},
        }


@dataclass(frozen=True)
class Table:
    """A target's results."""

    target: Target
    plan: Plan
    num_seeds: int
    cells: dict[str, dict[str, dict[str, Cell]]]
    """Stage -> arm -> direction."""
    verdicts: dict[str, list[str]]
    """Stage -> a sentence for each direction of the claim."""
    benchmark: str
    data: str
    commits: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        cells = {
            stage: {arm: {name: cell.as_dict() for name, cell in row.items()} for arm, row in rows.items()}
            for stage, rows in self.cells.items()
        }
        about = {"target": self.target.name, "plan": asdict(self.plan), "num_seeds": self.num_seeds}
        return {**about, "data": self.data, "commits": list(self.commits), "cells": cells, "verdicts": self.verdicts}

    def markdown(self) -> str:
        """Title, a table a stage and direction, the sentences, and what was done."""
        parts = [f"# {self.target.title}", self.target.about]
        for stage, rows in self.cells.items():
            parts.append(f"## {STAGES[stage][0].upper()}{STAGES[stage][1:]}")
            for direction in self.target.directions:
                if any(direction in row for row in rows.values()):
                    parts += [f"**{direction_label(direction)}**", "\n".join(self._rows(stage, direction))]
            verdicts = self.verdicts.get(stage, [])
            parts += [*verdicts, MARKS] if verdicts else []
        return "\n\n".join([*parts, self.caption()]) + "\n"

    def _rows(self, stage: str, direction: str) -> list[str]:
        rows = self.cells[stage]
        arms = [arm for arm in self.target.arms if direction in rows.get(arm.name, {})]
        cells = [rows[arm.name][direction] for arm in arms]
        measured = stage == FINE_TUNED and any(direction in arm.paper for arm in arms)
        beside = measured and self.benchmark == DATA_SETS.get(direction)
        header = ["", *(f"R@{k} %" for k in RECALL_AT), f"R@{SEEDS_AT} %, each seed"]
        lines = [
            [arm.label, *(cell.text(k) for k in RECALL_AT), ", ".join(f"{100 * s:.1f}" for s in cell.seeds[SEEDS_AT])]
            for arm, cell in zip(arms, cells, strict=True)
        ]
        lines.append(["chance", *(f"{100 * cells[0].chance[k]:.1f}" for k in RECALL_AT), ""])
        if beside:
            header.append("paper: R@1 / 5 / 10 %")
            papers = [" / ".join(f"{v:.1f}" for v in arm.paper.get(direction, ())) or "–" for arm in arms]
            lines = [[*line, paper] for line, paper in zip(lines, [*papers, ""], strict=True)]
        return markdown_table(header, lines)

    def caption(self) -> str:
        """What was done, so that it can be done again."""
        plan = self.plan
        cell = next(iter(next(iter(next(iter(self.cells.values())).values())).values()))
        steps = f"{plan.budget_steps} steps" if plan.budget_steps else "the recipe's steps"
        tuned = ""
        if FINE_TUNED in self.cells:
            where = plan.finetune_data or plan.data
            epochs = f"{plan.epochs} epoch{'s' if plan.epochs > 1 else ''}"
            tuned = f", fine-tuned for {epochs} in batches of {plan.batch_size} on {where}"
        changes = "".join(f", {assignment}" for assignment in plan.assignments)
        seeds = "1 seed" if self.num_seeds == 1 else f"mean of {self.num_seeds} seeds"
        return (
            f"Recipe `{plan.recipe}`{changes}; pre-trained for {steps} on {plan.data}{tuned}. Evaluated on split "
            f"{plan.split} of {plan.measured_on}, N = {cell.num_items:,}, Q = {cell.num_queries:,}; {seeds}; in "
            f"brackets 95% intervals by bootstrap over queries, which do not cover the spread over seeds. Ties in "
            f"expectation; no post-processing. Commit {', '.join(self.commits) or 'unknown'}."
        )


def make_table(target: Target, plan: Plan, num_seeds: int, out: Path, benchmark: str = "") -> Table:
    """The table of finished runs. Raises ResultsError when their results cannot be compared."""
    results = {
        stage: {
            arm.name: results_of(target, arm, stage, num_seeds, out)
            for arm in target.arms
            if stage in stages_of(target, arm)
        }
        for stage in target.stages
    }
    cells = {stage: {name: _cells(target, files) for name, files in arms.items()} for stage, arms in results.items()}
    ordered = [stage for stage in results if stage != WRONG_SOUND] if target.claim else []
    verdicts = {stage: _verdicts(target, stage, results[stage], cells[stage]) for stage in ordered}
    if target.must_fall:
        verdicts[target.stages[-1]] = _falls(target, results, cells)
    files = [file for arms in results.values() for group in arms.values() for file in group]
    commits = sorted({str(file.facts.get("commit")) for file in files if file.facts.get("commit")})
    return Table(target, plan, num_seeds, cells, verdicts, benchmark, files[0].facts["data"], tuple(commits))


def write_table(table: Table, out: Path) -> tuple[Path, Path]:
    """OUT/NAME.md and OUT/NAME.json."""
    name = table.target.name
    write_atomically(out / f"{name}.md", table.markdown().encode(errors="replace"))
    write_atomically(out / f"{name}.json", json.dumps(table.as_dict(), indent=1, ensure_ascii=False).encode() + b"\n")
    return out / f"{name}.md", out / f"{name}.json"


def _cells(target: Target, files: Sequence[Results]) -> dict[str, Cell]:
    known = files[0].directions()
    return {
        name: cell_of([file.ranks["none"][name] for file in files], known[name]["chance"])
        for name in target.directions
        if name in known
    }


def cell_of(ranks: Sequence[Ranks], chance: dict[str, float]) -> Cell:
    """One arm in one direction from the ranks of its seeds, and the recalls of chance by name."""
    hits = {k: np.stack([one.hits(k) for one in ranks]) for k in RECALL_AT}  # seeds Q
    outcome = np.stack([hits[k].mean(axis=0) for k in RECALL_AT], axis=1)  # Q K
    samples = np.concatenate([means(counts, outcome) for counts in resamples(len(outcome), NUM_RESAMPLES, seed=0)])
    first = ranks[0]
    return Cell(
        recall={k: float(hits[k].mean()) for k in RECALL_AT},
        interval={k: interval(samples[:, column]) for column, k in enumerate(RECALL_AT)},
        seeds={k: [float(one.mean()) for one in hits[k]] for k in RECALL_AT},
        chance={k: chance[f"r{k}"] for k in RECALL_AT},
        num_queries=len(first),
        num_items=first.num_items,
    )


def _verdicts(
    target: Target, stage: str, results: dict[str, Sequence[Results]], cells: dict[str, dict[str, Cell]]
) -> list[str]:
    """For each direction, a sentence: at which recalls the claimed order holds, and what lies between neighbours."""
    order = [name for name in target.claim if name in cells]
    pairs = [(one, other, compare(results[one], results[other])) for one, other in itertools.pairwise(order)]
    labels = {arm.name: arm.label for arm in target.arms}
    claimed = " > ".join(labels[name] for name in order)
    sentences = []
    for direction in target.directions if pairs else ():
        if all(direction in cells[name] for name in order):
            steps = [Step.of(one, other, cells, direction, compared.differences) for one, other, compared in pairs]
            told = "; ".join(f"{labels[step.one]} over {labels[step.other]} {step}" for step in steps)
            order_of = claimed_order(target, stage, direction)
            start = f"{direction_label(direction)}: {order_of}, {claimed}, {_holds(steps)}."
            sentences.append(f"{start} Differences at R@1 / 5 / 10, percentage points: {told}.")
    return sentences


def _falls(
    target: Target,
    results: dict[str, dict[str, Sequence[Results]]],
    cells: dict[str, dict[str, dict[str, Cell]]],
) -> list[str]:
    """For each direction, a sentence: by how much each control is worse than the first arm after the first stage."""
    base, stage = target.arms[0], target.stages[0]
    compared = {
        told: compare(results[stage][base.name], results[at][arm]).differences for arm, at, told in target.must_fall
    }
    sentences = []
    for direction in target.directions:
        falls = []
        for arm, at, told in target.must_fall:
            both = {base.name: cells[stage][base.name], told: cells[at][arm]}
            if all(direction in row for row in both.values()):
                falls.append(f"{Step.of(base.name, told, both, direction, compared[told])} {told}")
        if falls:
            start = f"{direction_label(direction)}: {base.label} loses, in percentage points of R@1 / 5 / 10"
            sentences.append(f"{start}: {'; '.join(falls)}.")
    return sentences


def claimed_order(target: Target, stage: str, direction: str) -> str:
    """Whose order is looked for: the paper's is of fine-tuned models, in the directions that it measures."""
    if target.source != PAPER:
        return f"{target.source} order"
    numbers = [arm.paper for arm in target.arms if arm.name in target.claim]
    measured = [name for name in MAIN if all(name in one for one in numbers) or not any(numbers)]
    of_models = "" if stage == FINE_TUNED else " of fine-tuned models"
    where = "" if direction in measured else f" in {' and '.join(map(direction_label, measured))}"
    return f"{PAPER} order{of_models}{where}"


@dataclass(frozen=True)
class Step:
    """One arm over the next one in the claimed order, at each recall."""

    one: str
    other: str
    difference: dict[int, float]
    """In [-1, 1], above 0 as claimed."""
    clear: dict[int, bool]
    """Whether the 95% interval of the paired difference leaves 0 out."""
    apart: dict[int, bool]
    """Whether the arms' own intervals do not touch."""

    @classmethod
    def of(
        cls, one: str, other: str, cells: dict[str, dict[str, Cell]], direction: str, differences: Sequence[Difference]
    ) -> "Step":
        """From the comparison of two arms."""
        found = {d.metric: d for d in differences if d.direction == direction}
        ends = [(cells[one][direction].interval[k], cells[other][direction].interval[k]) for k in RECALL_AT]
        return cls(
            one,
            other,
            {k: found[f"r{k}"].difference for k in RECALL_AT},
            {k: found[f"r{k}"].interval[0] > 0 or found[f"r{k}"].interval[1] < 0 for k in RECALL_AT},
            {k: a[0] > b[1] or a[1] < b[0] for k, (a, b) in zip(RECALL_AT, ends, strict=True)},
        )

    def __str__(self) -> str:
        marks = {k: ("**" if self.apart[k] else "*" if self.clear[k] else "") for k in RECALL_AT}
        points = {k: round(100 * self.difference[k], 1) + 0.0 for k in RECALL_AT}  # + 0.0: no -0.0
        return " / ".join(f"{points[k]:+.1f}{marks[k]}" for k in RECALL_AT).replace("*", "\\*")


def _holds(steps: Sequence[Step]) -> str:
    """At which recalls every step goes as claimed, and whether all intervals are apart there."""
    good = [k for k in RECALL_AT if all(step.difference[k] > 0 for step in steps)]
    apart = [k for k in good if all(step.apart[k] for step in steps)]
    if not good:
        return "does not hold at R@1, 5 or 10"
    where = "holds at " + ", ".join(f"R@{k}" for k in good)
    missing = [f"R@{k}" for k in RECALL_AT if k not in good]
    where += f" and not at {', '.join(missing)}" if missing else ""
    return where + (f", with intervals that do not touch at {', '.join(f'R@{k}' for k in apart)}" if apart else "")


MARKS = "\\* the 95% interval of the paired difference leaves 0 out; \\*\\* the two intervals do not touch either."
