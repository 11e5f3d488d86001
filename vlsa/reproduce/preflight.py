"""Checks of a table before its first training.

Reads targets.py; used by runs.py.
"""

import itertools
from dataclasses import replace
from pathlib import Path

from vlsa.base.errors import ConfigError
from vlsa.config import Config
from vlsa.config.overrides import names_of
from vlsa.data.loading.tokenizer import public_tokenizer
from vlsa.data.world.rendered import PREFIX, WorldSpec
from vlsa.pretrain.finetune import finetune_config, pairs_of
from vlsa.pretrain.preflight import require_pairs
from vlsa.reproduce.plan import Plan
from vlsa.reproduce.sources import Sources
from vlsa.reproduce.targets import FINE_TUNED, Target


def check(target: Target, plan: Plan, sources: Sources) -> None:
    """Check a plan and its data before the first training. Raises VlsaError."""
    pairs = pairs_of(list(plan.pairs))
    _check_apart(plan)
    _check_arms(target, plan)
    configs = [plan.config(arm, seed=0) for arm in target.arms]
    for config in configs:
        require_pairs(sources.pretraining, config, all_of_them=True)
    if plan.vocabulary:
        public_tokenizer(configs[0], Path(plan.vocabulary))
    if len(sources.evaluation.rows(plan.split)) < 2:
        raise ConfigError(
            f"{plan.measured_on}: split {plan.split} holds fewer than two clips; nothing could be ranked. Choose "
            "another --split, or name a store that has it with --evaluate-data."
        )
    clips = sources.finetuning
    if FINE_TUNED in target.stages:
        num_clips = len(clips.rows("train"))
        config = finetune_config(configs[0], num_clips, pairs, num_epochs=plan.epochs, batch_size=plan.batch_size)
        require_pairs(clips, config, all_of_them=True)


def _check_apart(plan: Plan) -> None:
    """Raises ConfigError for settings and data that would make an arm, or a split, differ from its name."""
    asked = names_of(Config(), plan.assignments)
    if "train.seed" in asked:
        raise ConfigError(
            "reproduce --set train.seed: each run has its own seed, from 0 on, and this one would be ignored. "
            "Give their number with --seeds."
        )
    if "train.init" in asked:
        raise ConfigError(
            "reproduce --set train.init: each arm is initialised from its seed; the one without "
            "pre-training would be pre-trained. Leave it out."
        )
    if plan.budget_steps and "train.num_steps" in asked:
        raise ConfigError(
            "reproduce --budget-steps and --set train.num_steps: both say how long a pre-training is, and one would be "
            "ignored. Leave one out."
        )
    worlds = [data for data in (plan.data, plan.finetune_data, plan.evaluate_data) if data.startswith(PREFIX)]
    if len({WorldSpec.parse(data).seed for data in worlds}) > 1:
        raise ConfigError(
            f"reproduce: {' and '.join(worlds)} have different seeds; one trains on combinations that the other holds "
            "out. Give them the same seed, and different clips with first=."
        )


def _check_arms(target: Target, plan: Plan) -> None:
    """Raises ConfigError when --set makes two rows of a table the same experiment."""

    def settings(plan: Plan) -> list[Config]:
        return [replace(plan.config(arm, seed=0), recipe="") for arm in trained]

    trained = [arm for arm in target.arms if arm.variant is not None]
    apart, asked = settings(replace(plan, assignments=())), settings(plan)
    for one, other in itertools.combinations(range(len(trained)), 2):
        if asked[one] == asked[other] and apart[one] != apart[other]:
            raise ConfigError(
                f"reproduce {target.name}: with --set {' --set '.join(plan.assignments)}, {trained[one].label} and "
                f"{trained[other].label} have the same settings; the table would compare a run with itself. Leave out "
                "what the table varies."
            )
