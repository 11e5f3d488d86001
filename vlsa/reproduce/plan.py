"""What the runs of a folder have in common, and their paths. Reads targets.py; used by runs.py and tables.py."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from vlsa.base.errors import ConfigError
from vlsa.base.files import write_atomically
from vlsa.config import Config
from vlsa.config.overrides import names_of
from vlsa.config.recipes import settings_of
from vlsa.reproduce.targets import FINE_TUNED, FULL, Arm, Target

WARMUP_SHARE = 0.1
"""Longest warm-up of a run whose steps are limited by a budget."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What all runs of a folder have in common."""

    recipe: str = "tiny"
    data: str
    """Store, or made world, to pre-train on."""
    finetune_data: str = ""
    """Store to fine-tune on; "" = `data`."""
    evaluate_data: str = ""
    """Store to evaluate on; "" = `data`."""
    split: str = "test"
    budget_steps: int | None = None
    """Steps of each pre-training; None = the recipe's."""
    pairs: tuple[str, ...] = ("text-video", "text-audio")
    epochs: int = 20
    """Of fine-tuning."""
    batch_size: int = 256
    """Of fine-tuning."""
    vocabulary: str = ""
    assignments: tuple[str, ...] = ()

    @property
    def measured_on(self) -> str:
        """Store, or made world, that is evaluated."""
        return self.evaluate_data or self.data

    def config(self, arm: Arm, seed: int) -> Config:
        """Settings of an arm's pre-training. Raises ConfigError."""
        if "/" in self.recipe:
            raise ConfigError(
                f"reproduce --recipe {self.recipe}: a table compares variants of one recipe. Give the recipe alone: "
                f"--recipe {self.recipe.partition('/')[0]}."
            )
        name = arm.variant or FULL.variant  # nothing is pre-trained, then: fine-tuning is that of the paper's arms
        config = settings_of(f"{self.recipe}/{name}", [*self.assignments, f"train.seed={seed}"])
        steps, warmup = self.budget_steps or config.train.num_steps, config.train.warmup_steps
        if self.budget_steps and "train.warmup_steps" not in names_of(config, self.assignments):
            warmup = min(warmup, round(WARMUP_SHARE * steps))
        return replace(config, train=replace(config.train, num_steps=steps, warmup_steps=warmup))


@dataclass(frozen=True)
class Place:
    """The folder of an arm's run with a seed."""

    folder: Path

    @property
    def pretrained(self) -> Path:
        return self.folder / "pretrained"

    @property
    def fine_tuned(self) -> Path:
        return self.folder / FINE_TUNED

    def results(self, stage: str) -> Path:
        """The results after a stage."""
        return self.folder / f"{stage.replace(' ', '-')}.json"


def place(out: Path, arm: Arm, seed: int) -> Place:
    """The folder of an arm's run with a seed."""
    return Place(out / "runs" / arm.name / f"seed-{seed}")


def keep_plan(out: Path, plan: Plan) -> None:
    """Write the plan into a new folder. Raises ConfigError if the folder holds another experiment."""
    path, wanted = out / "plan.json", _as_json(plan)
    if path.exists() and any((out / "runs").glob("*/seed-*/*")):
        # An option that is newer than the folder had its default.
        held = _as_json(Plan(data="")) | _read_plan(path)
        changed = [f"{name} {held.get(name)} -> {value}" for name, value in wanted.items() if held.get(name) != value]
        if changed:
            raise ConfigError(
                f"{out}: holds runs of another experiment ({', '.join(changed)}); a table of both would be "
                "meaningless. Give the same options, or another --out."
            )
        return
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(wanted, indent=2).encode() + b"\n")


def _as_json(plan: Plan) -> dict[str, Any]:
    return json.loads(json.dumps(asdict(plan)))


def _read_plan(path: Path) -> dict[str, Any]:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        return {**held}
    except (ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"{path}: not a plan ({error}); its folder may hold other runs. Name another.") from error


def stages_of(target: Target, arm: Arm) -> tuple[str, ...]:
    """The stages after which an arm is measured; without pre-training only after fine-tuning."""
    return target.stages if arm.variant is not None else tuple(s for s in target.stages if s == FINE_TUNED)
