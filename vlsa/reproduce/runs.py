"""The runs behind a table: each arm with each seed is pre-trained, fine-tuned and evaluated; what is there is kept.

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
from vlsa.config import Config
from vlsa.data.loading.dataset import open_dataset
from vlsa.data.loading.sound_controls import SwappedSound
from vlsa.data.loading.tokenizer import Tokenizer, public_tokenizer
from vlsa.pretrain.checkpoint import load_model
from vlsa.pretrain.finetune import finetune_config, pairs_of, start_from
from vlsa.pretrain.loop import learn_tokenizer
from vlsa.pretrain.start import pretrain, train
from vlsa.reproduce.plan import Place, Plan, keep_plan, place, stages_of
from vlsa.reproduce.preflight import check
from vlsa.reproduce.targets import FINE_TUNED, WRONG_SOUND, Arm, Target
from vlsa.retrieve.encode.encoders import load
from vlsa.retrieve.evaluate.evaluate import evaluate_store
from vlsa.retrieve.evaluate.metrics import RECALL_AT
from vlsa.retrieve.evaluate.results_file import Results, read_results


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
    run = at.pretrained
    if arm.variant is not None:
        vocabulary = Path(plan.vocabulary) if plan.vocabulary else None
        pretrain(plan.config(arm, seed), plan.data, run, vocabulary)
    if stage == FINE_TUNED:
        _finetune(plan, arm, seed, at)
        run = at.fine_tuned
    clips = open_dataset(plan.measured_on)
    source = SwappedSound(clips) if stage == WRONG_SOUND else clips
    with Bar("encoding clips") as bar:
        evaluation = evaluate_store(load(run), source, plan.split, progress=bar.update)
    evaluation.write(at.results(stage))


def _finetune(plan: Plan, arm: Arm, seed: int, at: Place) -> None:
    clips = open_dataset(plan.finetune_data or plan.data)
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
    train(config, clips, at.fine_tuned, title="fine-tuning", **how)


def _tokenizer(plan: Plan, config: Config) -> Tokenizer:
    """The vocabulary that the pre-trained arms have, so that the arms differ in their pre-training alone."""
    given = public_tokenizer(config, Path(plan.vocabulary) if plan.vocabulary else None)
    return given or learn_tokenizer(config, open_dataset(plan.data))


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
