"""The runs behind a table: each arm with each seed is pre-trained, fine-tuned and evaluated; finished runs are kept.

    OUT/plan.json                                   what the runs are of: one folder holds one experiment
    OUT/runs/ARM/seed-0/pretrained/                 a run of vlsa pretrain
    OUT/runs/ARM/seed-0/fine-tuned/                 a run of vlsa finetune
    OUT/runs/ARM/seed-0/zero-shot.json  ...         results of vlsa evaluate

Tables that share an arm share its runs. Reads targets.py; feeds tables.py.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlsa.base.console import Bar, say
from vlsa.base.errors import ResultsError
from vlsa.data.loading.sound_controls import SwappedSound
from vlsa.pretrain.checkpoint import checkpoints, load_model, step_of
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

    `sources`: of the plan, where its data sets are open already.
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
                f"{path}: results of other clips ({one}) than {first.path} ({other}); a table of both would mean "
                "nothing. Delete the one that does not belong here: the same command makes it again."
            )
        sampling = sampling or found.sampling
        if found.sampling != sampling:
            raise ResultsError(
                f"{path}: encoded {found.sampling.label()}, other results of the table {sampling.label()}; they cannot "
                f"be compared. Delete the results ({out / 'runs'}/*/*/*.json): the same command evaluates the runs "
                "again, without training."
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


def _pretrain(sources: Sources, arm: Arm, seed: int, at: Place) -> None:
    """An arm's pre-training, unless it has none or is finished: to start its reading processes takes seconds."""
    config, saved = sources.plan.config(arm, seed), checkpoints(at.pretrained)
    if arm.variant is None or (saved and step_of(saved[-1]) == config.train.num_steps):
        return
    tokenizer = None if saved else sources.tokenizer(config)
    train(config, sources.pretraining, at.pretrained, tokenizer=tokenizer)


def _measure(sources: Sources, arm: Arm, seed: int, stage: str, at: Place) -> None:
    """One file of results of a pre-trained arm, after the fine-tuning that it needs."""
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
        _, how["tokenizer"], before = load_model(at.pretrained)
        name, how["initialise"] = start_from(at.pretrained)
        init = (name,)
    config = finetune_config(
        before, len(clips.rows("train")), pairs_of(list(plan.pairs)), num_epochs=plan.epochs, batch_size=plan.batch_size
    )
    config = replace(config, train=replace(config.train, init=init))
    train(config, clips, at.fine_tuned, title="fine-tuning", **how)


def results_of(target: Target, arm: Arm, stage: str, num_seeds: int, out: Path) -> Sequence[Any]:
    """The results of an arm after a stage, one a seed. Raises ResultsError for a broken file."""
    assert stage in stages_of(target, arm)
    return [_read(place(out, arm, seed).results(stage)) for seed in range(num_seeds)]


def _read(path: Path) -> Results:
    """Results with all that a table shows. Raises ResultsError."""
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
