"""Results of many runs as one table: means over seeds, intervals over clips and seeds, whether the claimed order holds.

Reads results files (retrieve/evaluate/results_file.py); used by charts.py and the command line. A cell's recall is the
mean over seeds. Clips and seeds are both drawn at random: clips are resampled jointly for all seeds and arms, and the
spread between the seeds of an arm is added (retrieve/evaluate/bootstrap.py, over_seeds).
Axes: B resamples, M seeds, Q queries, K recalls.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vlsa.base.files import write_atomically
from vlsa.reproduce.plan import Plan, stages_of
from vlsa.reproduce.runs import results_of
from vlsa.reproduce.targets import DATA_SETS, FINE_TUNED, STAGES, Target
from vlsa.reproduce.verdicts import MARKS, verdicts_of
from vlsa.retrieve.evaluate.bootstrap import bounded_interval, means, over_seeds, resampled_queries
from vlsa.retrieve.evaluate.comparable import (
    files_without_clips,
    require_one_sampling,
    require_same,
    without_clips_note,
)
from vlsa.retrieve.evaluate.metrics import RECALL_AT
from vlsa.retrieve.evaluate.ranks import Ranks
from vlsa.retrieve.evaluate.results import direction_label, markdown_table
from vlsa.retrieve.evaluate.results_file import Results

NUM_RESAMPLES = 2000
SEEDS_AT = 10
"""The R@k at which each seed is shown."""


@dataclass(frozen=True)
class Cell:
    """An arm in one direction; recalls are shares in [0, 1]."""

    recall: dict[int, float]
    interval: dict[int, tuple[float, float]]
    """95%, over clips and seeds, of the mean over seeds."""
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
    sampling: str
    """How much of each clip was encoded."""
    commits: tuple[str, ...]
    without_clips: tuple[str, ...] = ()
    """Files that do not record which queries are of one clip."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        cells = {
            stage: {arm: {name: cell.as_dict() for name, cell in row.items()} for arm, row in rows.items()}
            for stage, rows in self.cells.items()
        }
        about = {"target": self.target.name, "plan": asdict(self.plan), "num_seeds": self.num_seeds}
        return {
            **about,
            "data": self.data,
            "sampling": self.sampling,
            "commits": list(self.commits),
            "cells": cells,
            "verdicts": self.verdicts,
        }

    def markdown(self) -> str:
        """Title, a table for each stage and direction, the verdicts, and the caption."""
        parts = [f"# {self.target.title}", self.target.about]
        for stage, rows in self.cells.items():
            parts.append(f"## {STAGES[stage][0].upper()}{STAGES[stage][1:]}")
            for direction in self.target.directions:
                cell = next((row[direction] for row in rows.values() if direction in row), None)
                if cell:
                    sizes = f"N = {cell.num_items:,}, Q = {cell.num_queries:,}"
                    parts += [f"**{direction_label(direction)}** ({sizes})", "\n".join(self._rows(stage, direction))]
            verdicts = self.verdicts.get(stage, [])
            parts += [*verdicts, MARKS] if verdicts else []
        return "\n\n".join([*parts, self.caption()]) + "\n"

    def _rows(self, stage: str, direction: str) -> list[str]:
        rows = self.cells[stage]
        arms = [arm for arm in self.target.arms if direction in rows.get(arm.name, {})]
        cells = [rows[arm.name][direction] for arm in arms]
        measured = stage == FINE_TUNED and any(direction in arm.paper for arm in arms)
        has_papers = measured and self.benchmark == DATA_SETS.get(direction)
        header = ["", *(f"R@{k} %" for k in RECALL_AT), f"R@{SEEDS_AT} %, each seed"]
        lines = [
            [arm.label, *(cell.text(k) for k in RECALL_AT), ", ".join(f"{100 * s:.1f}" for s in cell.seeds[SEEDS_AT])]
            for arm, cell in zip(arms, cells, strict=True)
        ]
        lines.append(["chance", *(f"{100 * cells[0].chance[k]:.1f}" for k in RECALL_AT), ""])
        if has_papers:
            header.append("paper: R@1 / 5 / 10 %")
            papers = [" / ".join(f"{v:.1f}" for v in arm.paper.get(direction, ())) or "–" for arm in arms]
            lines = [[*line, paper] for line, paper in zip(lines, [*papers, ""], strict=True)]
        return markdown_table(header, lines)

    def caption(self) -> str:
        """What was done, so that it can be done again."""
        plan = self.plan
        steps = f"{plan.budget_steps} steps" if plan.budget_steps else "the recipe's steps"
        tuned = ""
        if FINE_TUNED in self.cells:
            where = plan.finetune_data or plan.data
            epochs = f"{plan.epochs} epoch{'s' if plan.epochs > 1 else ''}"
            tuned = f", fine-tuned for {epochs} in batches of {plan.batch_size} on {where}"
        changes = "".join(f", {assignment}" for assignment in plan.assignments)
        seeds = "1 seed" if self.num_seeds == 1 else f"mean of {self.num_seeds} seeds"
        spread = "over clips and seeds" if self.num_seeds > 1 else "over clips (the spread over seeds is not known)"
        caption = (
            f"Recipe `{plan.recipe}`{changes}; pre-trained for {steps} on {plan.data}{tuned}. Evaluated on split "
            f"{plan.split} of {plan.measured_on} (N items, Q queries), encoded: {self.sampling}; {seeds}; in brackets "
            f"95% intervals {spread}, by bootstrap. Ties in expectation; no post-processing. Commit "
            f"{', '.join(self.commits) or 'unknown'}."
        )
        return " ".join(filter(None, (caption, without_clips_note(self.without_clips))))


def make_table(target: Target, plan: Plan, num_seeds: int, out: Path, benchmark: str = "") -> Table:
    """The table of finished runs. Raises ResultsError if their results cannot be compared."""
    results = {
        stage: {
            arm.name: results_of(target, arm, stage, num_seeds, out)
            for arm in target.arms
            if stage in stages_of(target, arm)
        }
        for stage in target.stages
    }
    files = [file for arms in results.values() for group in arms.values() for file in group]
    require_same(files)
    require_one_sampling(files)
    cells = {stage: {name: _cells(target, files) for name, files in arms.items()} for stage, arms in results.items()}
    commits = sorted({str(file.facts.get("commit")) for file in files if file.facts.get("commit")})
    about = (benchmark, files[0].facts["data"], files[0].sampling.label(), tuple(commits), files_without_clips(files))
    return Table(target, plan, num_seeds, cells, verdicts_of(target, results), *about)


def write_table(table: Table, out: Path) -> tuple[Path, Path]:
    """Write OUT/NAME.md and OUT/NAME.json."""
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
    hits = [np.stack([one.hits(k) for k in RECALL_AT], axis=1) for one in ranks]  # Q K of each seed
    seeds = np.stack([one.mean(axis=0) for one in hits])  # M K
    clip = next((one.clips for one in ranks if one.clip is not None), ranks[0].clips)
    drawn = np.concatenate(
        [np.stack([means(counts, one) for one in hits], axis=1) for counts in resampled_queries(clip, NUM_RESAMPLES, 0)]
    )  # B M K
    samples = over_seeds(drawn.mean(axis=1), [drawn], seed=0)
    recall = seeds.mean(axis=0).tolist()
    num_clips = len(np.unique(clip))
    ends = [bounded_interval(samples[:, column], value, num_clips) for column, value in enumerate(recall)]
    return Cell(
        recall=dict(zip(RECALL_AT, recall, strict=True)),
        interval=dict(zip(RECALL_AT, ends, strict=True)),
        seeds=dict(zip(RECALL_AT, seeds.T.tolist(), strict=True)),
        chance={k: chance[f"r{k}"] for k in RECALL_AT},
        num_queries=len(ranks[0]),
        num_items=ranks[0].num_items,
    )
