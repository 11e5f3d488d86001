"""What each table needs: known variants, known arms, the paper's numbers."""

import pytest

from vlsa.base.errors import ConfigError
from vlsa.config.recipes import recipe
from vlsa.reproduce.targets import STAGES, TARGETS, target
from vlsa.retrieve.evaluate.results import DIRECTIONS


@pytest.mark.parametrize("wanted", TARGETS.values(), ids=TARGETS)
def test_a_target_is_made_of_what_there_is(wanted):
    names = [arm.name for arm in wanted.arms]
    assert len(set(names)) == len(names)
    assert set(wanted.claim) <= set(names)
    assert set(wanted.directions) <= set(DIRECTIONS)
    assert set(wanted.stages) <= set(STAGES)
    for arm in wanted.arms:
        if arm.variant is not None:
            recipe(f"tiny/{arm.variant}" if arm.variant else "tiny")


def test_arms_of_one_name_are_one_variant_in_every_table():
    variants = {(arm.name, arm.variant) for wanted in TARGETS.values() for arm in wanted.arms}
    assert len({name for name, _ in variants}) == len(variants)


def test_table_5_has_the_numbers_of_the_paper():
    rows = {arm.name: arm.paper for arm in TARGETS["table5"].arms}
    assert [rows[name]["text_to_video"][0] for name in TARGETS["table5"].claim] == [27.1, 25.3, 22.6, 20.1]
    assert [rows[name]["text_to_audio"][2] for name in TARGETS["table5"].claim] == [75.1, 69.7, 66.3, 61.5]


def test_the_figures_compare_the_five_sharings():
    for name in ("figure3", "figure4"):
        assert [arm.label for arm in TARGETS[name].arms] == ["A+V+T", "V+T", "A+T", "A+V", "none"]


def test_an_unknown_table_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean table5"):
        target("table 5")
