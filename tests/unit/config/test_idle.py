"""Settings that change nothing beside another one: told by name and reason, and only where they were asked for."""

import pytest

from vlsa.config.idle import idle_settings
from vlsa.config.overrides import names_of, override
from vlsa.config.recipes import RECIPES, VARIANTS, recipe

OBJECTIVE = "model.objective."


def idle(recipe_name: str, *assignments: str) -> dict[str, str]:
    before = recipe(recipe_name)
    return idle_settings(override(before, list(assignments)), names_of(before, assignments))


@pytest.mark.parametrize(
    ("recipe_name", "assignments", "name", "reason"),
    [
        ("tiny", ["matching_weight=0", "hard_negatives=true"], "hard_negatives", "matching_weight=0"),
        ("tiny", ["matching_weight=0", "matching_features=concatenation"], "matching_features", "matching_weight=0"),
        ("tiny", ["sigmoid_bias=-5"], "sigmoid_bias", "contrast=softmax"),
        ("paper", ["video_text_weight=2"], "video_text_weight", "pairs=audio-video,audio-text"),
        ("tiny/volume", ["audio_text_weight=2", "matching_weight=0"], "audio_text_weight", "contrast=volume"),
        ("tiny/lpmm-only", ["temperature=0.05"], "temperature", "global_weight=0"),
        ("tiny/lpmm-only", ["hard_negatives=true"], "hard_negatives", "global_weight=0"),
        ("tiny/gam-only", ["normalise_targets=false"], "normalise_targets", "local_weight=0"),
    ],
)
def test_a_setting_of_what_another_leaves_out_is_named_with_the_reason(recipe_name, assignments, name, reason):
    found = idle(recipe_name, *assignments)
    assert list(found) == [OBJECTIVE + name]
    assert found[OBJECTIVE + name].startswith(OBJECTIVE + reason)


def test_all_of_a_decoder_that_nothing_trains_is_named():
    found = idle("tiny/gam-only", "decoder.width=32", "decoder.num_layers=2", "encoder.fusion_layers=2")
    assert sorted(found) == ["model.decoder.num_layers", "model.decoder.width", "model.encoder.fusion_layers"]


def test_crops_without_augmentation_are_named():
    assert idle("tiny", "augment=false", "crop_area=0.5") == {"train.crop_area": "train.augment=false"}


@pytest.mark.parametrize(
    "assignments",
    [
        ["contrast=sigmoid", "sigmoid_bias=-5"],
        ["matching_weight=1", "hard_negatives=true"],
        ["matching_weight=0"],
        ["matching_weight=0.5", "matching_features=concatenation"],
        ["decoder.width=32", "fusion_layers=2", "crop_area=0.5", "crop_stretch=1.5", "video_text_weight=2"],
    ],
)
def test_a_setting_that_changes_something_is_not_named(assignments):
    assert idle("tiny", *assignments) == {}


@pytest.mark.parametrize("name", [*RECIPES, *(f"tiny/{variant}" for variant in VARIANTS)])
def test_a_recipe_itself_is_not_warned_of(name):
    assert idle(name, "train.seed=1", "batch_size=8") == {}
