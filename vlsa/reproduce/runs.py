"""The runs behind a table: each arm with each seed is pre-trained, fine-tuned and evaluated; what is there is kept.

    OUT/plan.json                                   what the runs are of: one folder holds one experiment
    OUT/runs/ARM/seed-0/pretrained/                 a run of vlsa pretrain
    OUT/runs/ARM/seed-0/fine-tuned/                 a run of vlsa finetune
    OUT/runs/ARM/seed-0/zero-shot.json  ...         results of vlsa evaluate

Tables that share an arm share its runs. Reads targets.py; feeds tables.py.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlsa import jobs
from vlsa.config import Config
from vlsa.errors import ConfigError, ResultsError
from vlsa.logs import say
from vlsa.reproduce.checks import check
from vlsa.reproduce.targets import FINE_TUNED, WRONG_SOUND, Arm, Target

if TYPE_CHECKING:
    from vlsa.data.tokenizer import Tokenizer
    from vlsa.retrieve.written import Results

WARMUP_SHARE = 0.1
"""Longest warm-up of a run whose steps are cut by a budget."""


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
        """Store, or made world, whose split is evaluated."""
        return self.evaluate_data or self.data

    def config(self, arm: Arm, seed: int) -> Config:
        """Settings of an arm's pre-training. Raises ConfigError."""
        if "/" in self.recipe:
            raise ConfigError(
                f"reproduce --recipe {self.recipe}: a table compares variants of one recipe. Give the recipe alone: "
                f"--recipe {self.recipe.partition('/')[0]}."
            )
        name = f"{self.recipe}/{arm.variant}" if arm.variant else self.recipe
        config = jobs.settings_of(name, [*self.assignments, f"train.seed={seed}"])
        steps = self.budget_steps or config.train.num_steps
        warmup = min(config.train.warmup_steps, round(WARMUP_SHARE * steps)) if self.budget_steps else None
        warmup = config.train.warmup_steps if warmup is None else warmup
        return replace(config, train=replace(config.train, num_steps=steps, warmup_steps=warmup))


@dataclass(frozen=True)
class Place:
    """Where an arm's run with a seed lies."""

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
    """Where an arm's run with a seed lies."""
    return Place(out / "runs" / arm.name / f"seed-{seed}")


def keep_plan(out: Path, plan: Plan) -> None:
    """Write the plan into a new folder. Raises ConfigError when the folder holds another experiment."""
    from vlsa.data.manifest import write_atomically

    path, wanted = out / "plan.json", _as_json(plan)
    if path.exists() and any((out / "runs").glob("*/seed-*/*")):
        # An option that is younger than the folder was at its default.
        held = _as_json(Plan(data="")) | _read_plan(path)
        changed = [f"{name} {held.get(name)} -> {value}" for name, value in wanted.items() if held.get(name) != value]
        if changed:
            raise ConfigError(
                f"{out}: holds runs of another experiment ({', '.join(changed)}); a table of both would mean nothing. "
                "Give the same options, or another --out."
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
        raise ConfigError(f"{path}: not a plan ({error}); what its folder holds is unknown. Name another.") from error


def stages_of(target: Target, arm: Arm) -> tuple[str, ...]:
    """After which stages an arm is measured: what was never pre-trained can be fine-tuned only."""
    return target.stages if arm.variant is not None else tuple(s for s in target.stages if s == FINE_TUNED)


def carry_out(target: Target, plan: Plan, num_seeds: int, out: Path) -> None:
    """Train and evaluate what is missing. Raises VlsaError; KeyboardInterrupt after a Ctrl-C."""
    check(target, plan)
    keep_plan(out, plan)
    _check_results(target, num_seeds, out)
    missing = list(_missing(target, num_seeds, out))
    for number, (arm, seed, stage) in enumerate(missing, 1):
        say(f"{number} of {len(missing)}: {arm.label}, seed {seed}, {stage}")
        _measure(plan, arm, seed, stage, place(out, arm, seed))


def _check_results(target: Target, num_seeds: int, out: Path) -> None:
    """Raises ResultsError, before anything is trained, for results that are there and broken, or of other clips."""
    first = None
    places = [place(out, arm, seed).results(stage) for arm, seed, stage in _all(target, num_seeds)]
    for path in filter(Path.exists, places):
        found = _read(path)
        first = first or found
        if any(found.facts[name] != first.facts[name] for name in ("data_digest", "split")):
            one, other = (f"{file.facts['data']}, split {file.facts['split']}" for file in (found, first))
            raise ResultsError(
                f"{path}: results of other clips ({one}) than {first.path} ({other}); a table of both would mean "
                "nothing. Delete the one that does not belong here: the same command makes it again."
            )


def _all(target: Target, num_seeds: int) -> Iterator[tuple[Arm, int, str]]:
    for seed in range(num_seeds):  # seed by seed, so that a run cut short has whole tables of fewer seeds
        for arm in target.arms:
            for stage in stages_of(target, arm):
                yield arm, seed, stage


def _missing(target: Target, num_seeds: int, out: Path) -> Iterator[tuple[Arm, int, str]]:
    for arm, seed, stage in _all(target, num_seeds):
        if not place(out, arm, seed).results(stage).exists():
            yield arm, seed, stage


def _measure(plan: Plan, arm: Arm, seed: int, stage: str, at: Place) -> None:
    """One file of results, after the training that it needs."""
    from vlsa.data.controls import SwappedSound
    from vlsa.retrieve.encoders import load

    run = at.pretrained
    if arm.variant is not None:
        vocabulary = Path(plan.vocabulary) if plan.vocabulary else None
        jobs.pretrain(plan.config(arm, seed), plan.data, run, vocabulary, watch=False)
    if stage == FINE_TUNED:
        _finetune(plan, arm, seed, at)
        run = at.fine_tuned
    clips = jobs.open_clips(plan.measured_on)
    source = SwappedSound(clips) if stage == WRONG_SOUND else clips
    jobs.evaluate_clips(load(run), source, plan.split).write(at.results(stage))


def _finetune(plan: Plan, arm: Arm, seed: int, at: Place) -> None:
    from vlsa.pretrain.checkpoint import load_model
    from vlsa.pretrain.finetune import finetune_config, pairs_of, start_from

    clips = jobs.open_clips(plan.finetune_data or plan.data)
    how: dict[str, Any] = {}
    init: tuple[str, ...] = ()
    if arm.variant is None:
        before = plan.config(arm, seed)
        how["tokenizer"] = _tokenizer(plan, before)
    else:
        _, how["tokenizer"], before = load_model(at.pretrained)
        name, how["initialise"] = start_from(at.pretrained)
        init = (name,)
    config = finetune_config(
        before, len(clips.rows("train")), pairs_of(list(plan.pairs)), num_epochs=plan.epochs, batch_size=plan.batch_size
    )
    config = replace(config, train=replace(config.train, init=init))
    jobs.train(config, clips, at.fine_tuned, title="fine-tuning", **how)


def _tokenizer(plan: Plan, config: Config) -> "Tokenizer":
    """The vocabulary that the pre-trained arms have, so that the arms differ in their pre-training alone."""
    from vlsa.pretrain.loop import learn_tokenizer

    given = jobs.public_tokenizer(config, Path(plan.vocabulary) if plan.vocabulary else None)
    return given or learn_tokenizer(config, jobs.open_clips(plan.data))


def results_of(target: Target, arm: Arm, stage: str, num_seeds: int, out: Path) -> Sequence[Any]:
    """The results of an arm after a stage, one a seed. Raises ResultsError for a broken file."""
    assert stage in stages_of(target, arm)
    return [_read(place(out, arm, seed).results(stage)) for seed in range(num_seeds)]


def _read(path: Path) -> "Results":
    """Results with all that a table shows. Raises ResultsError."""
    from vlsa.retrieve.metrics import RECALL_AT
    from vlsa.retrieve.written import read_results

    again = "Or delete it: the same command makes it again."
    try:
        found = read_results(path)
    except ResultsError as error:
        raise ResultsError(f"{error} {again}") from error
    for name, direction in found.directions().items():
        chance = direction.get("chance")
        if not (isinstance(chance, dict) and all(isinstance(chance.get(f"r{k}"), float | int) for k in RECALL_AT)):
            raise ResultsError(f"{path}: not whole ({name} without chance); a table shows it. Evaluate again. {again}")
    return found
