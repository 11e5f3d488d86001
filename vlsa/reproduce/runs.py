"""The runs behind a table: each arm with each seed is pre-trained, fine-tuned and evaluated; finished runs are kept.

    OUT/plan.json                                   the settings of all runs: one folder holds one experiment
    OUT/runs/ARM/seed-0/pretrained/                 a run of vlsa pretrain
    OUT/runs/ARM/seed-0/fine-tuned/                 a run of vlsa finetune
    OUT/runs/ARM/seed-0/zero-shot.json  ...         results of vlsa evaluate

Tables that share an arm share its runs. Reads targets.py; used by tables.py.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlsa.base.console import Bar, say
from vlsa.base.errors import ResultsError
from vlsa.data.loading.sound_controls import SwappedSound
from vlsa.pretrain.checkpoint import checkpoints, step_of
from vlsa.pretrain.finetune import finetune_config, pairs_of, start_from
from vlsa.pretrain.start import train
from vlsa.reproduce.plan import Place, Plan, keep_plan, place, stages_of
from vlsa.reproduce.preflight import check
from vlsa.reproduce.sources import Sources
from vlsa.reproduce.targets import FINE_TUNED, WRONG_SOUND, Arm, Target
from vlsa.retrieve.encode.encoders import load
from vlsa.retrieve.encode.sampling import COVERING, Sampling
from vlsa.retrieve.evaluate.evaluate import evaluate_store
from vlsa.retrieve.evaluate.metrics import RECALL_AT
from vlsa.retrieve.evaluate.results_file import Results, read_results


def carry_out(target: Target, plan: Plan, num_seeds: int, out: Path, sources: Sources | None = None) -> None:
    """Train and evaluate what is missing. Raises VlsaError; KeyboardInterrupt after a Ctrl-C.

    `sources`: those of the plan, if its data sets are open already.
    """
    sources = sources or Sources(plan)
    check(target, plan, sources)
    keep_plan(out, plan)
    missing = list(_missing(target, num_seeds, out))
    _check_results(target, num_seeds, out, COVERING if missing else None)
    for number, (arm, seed, stage) in enumerate(missing, 1):
        say(f"{number} of {len(missing)}: {arm.label}, seed {seed}, {stage}")
        at = place(out, arm, seed)
        _pretrain(sources, arm, seed, at)
        _measure(sources, arm, seed, stage, at)


def _check_results(target: Target, num_seeds: int, out: Path, sampling: Sampling | None = None) -> None:
    """Raises ResultsError, before anything is trained, for existing results that cannot stand in one table.

    They are broken, of other clips, or were encoded by another rule than `sampling`, which further results will have
    (None = than the first one).
    """
    first = None
    places = [place(out, arm, seed).results(stage) for arm, seed, stage in _all(target, num_seeds)]
    for path in filter(Path.exists, places):
        found = _read(path)
        first = first or found
        if any(found.facts[name] != first.facts[name] for name in ("data_digest", "split")):
            one, other = (f"{file.facts['data']}, split {file.facts['split']}" for file in (found, first))
            raise ResultsError(
                f"{path}: results of other clips ({one}) than {first.path} ({other}); a table of both would be "
                "meaningless. Delete the one that does not belong here: the same command makes it again."
            )
        sampling = sampling or found.sampling
        if found.sampling != sampling:
            raise ResultsError(
                f"{path}: encoded {found.sampling.label()}, other results of the table {sampling.label()}; they cannot "
                f"be compared. Delete the results ({out / 'runs'}/*/*/*.json): the same command evaluates the runs "
                "again, without training."
            )


def _all(target: Target, num_seeds: int) -> Iterator[tuple[Arm, int, str]]:
    for seed in range(num_seeds):  # seed by seed, so that an interrupted run has complete tables of fewer seeds
        for arm in target.arms:
            for stage in stages_of(target, arm):
                yield arm, seed, stage


def _missing(target: Target, num_seeds: int, out: Path) -> Iterator[tuple[Arm, int, str]]:
    for arm, seed, stage in _all(target, num_seeds):
        if not place(out, arm, seed).results(stage).exists():
            yield arm, seed, stage


def _pretrain(sources: Sources, arm: Arm, seed: int, at: Place) -> None:
    """Pre-train an arm, unless it has no pre-training or is finished: starting reading processes takes seconds."""
    config, saved = sources.plan.config(arm, seed), checkpoints(at.pretrained)
    if arm.variant is None or (saved and step_of(saved[-1]) == config.train.num_steps):
        return
    tokenizer = None if saved else sources.tokenizer(config)
    train(config, sources.pretraining, at.pretrained, tokenizer=tokenizer)


def _measure(sources: Sources, arm: Arm, seed: int, stage: str, at: Place) -> None:
    """Write one results file of an arm, after fine-tuning if the stage needs it."""
    if stage == FINE_TUNED:
        _finetune(sources, arm, seed, at)
    clips = SwappedSound(sources.evaluation) if stage == WRONG_SOUND else sources.evaluation
    run = at.fine_tuned if stage == FINE_TUNED else at.pretrained
    with Bar("encoding clips") as bar:
        evaluation = evaluate_store(load(run), clips, sources.plan.split, progress=bar.update)
    evaluation.write(at.results(stage))


def _finetune(sources: Sources, arm: Arm, seed: int, at: Place) -> None:
    plan, clips = sources.plan, sources.finetuning
    how: dict[str, Any] = {}
    init: tuple[str, ...] = ()
    if arm.variant is None:
        before = plan.config(arm, seed)
        how["tokenizer"] = sources.tokenizer(before)
    else:
        name, how["tokenizer"], before, how["initialise"] = start_from(at.pretrained)
        init = (name,)
    config = finetune_config(
        before, len(clips.rows("train")), pairs_of(list(plan.pairs)), num_epochs=plan.epochs, batch_size=plan.batch_size
    )
    config = replace(config, train=replace(config.train, init=init))
    train(config, clips, at.fine_tuned, title="fine-tuning", **how)


def results_of(target: Target, arm: Arm, stage: str, num_seeds: int, out: Path) -> Sequence[Any]:
    """The results of an arm after a stage, one per seed. Raises ResultsError for a damaged file."""
    assert stage in stages_of(target, arm)
    return [_read(place(out, arm, seed).results(stage)) for seed in range(num_seeds)]


def _read(path: Path) -> Results:
    """Results with everything that a table shows. Raises ResultsError."""
    again = "Or delete it: the same command makes it again."
    try:
        found = read_results(path)
    except ResultsError as error:
        raise ResultsError(f"{error} {again}") from error
    for name, direction in found.directions().items():
        chance = direction.get("chance")
        if not (isinstance(chance, dict) and all(isinstance(chance.get(f"r{k}"), float | int) for k in RECALL_AT)):
            raise ResultsError(f"{path}: incomplete ({name} without chance); a table shows it. Evaluate again. {again}")
    return found
