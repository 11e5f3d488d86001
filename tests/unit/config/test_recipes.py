"""Named settings: the paper's numbers, and an unknown name answered with the nearest."""

import pytest
from command_lines import ROOT

from vlsa.base.errors import ConfigError
from vlsa.config.overrides import to_dict
from vlsa.config.recipes import RECIPES, SHARINGS, VARIANTS, recipe, settings_of
from vlsa.config.recipes.sizes import paper, tiny
from vlsa.model.flops import step_flops


def test_the_paper_recipe_has_the_numbers_of_the_paper():
    config = paper()
    model = config.model
    assert (model.video.num_frames, model.video.size_px, model.video.patch_px) == (8, 224, 16)
    assert model.video.num_frames * model.video.patches_per_frame == 1568
    assert (model.audio.sample_rate_hz, model.audio.window_samples, model.audio.hop_samples) == (11_025, 1022, 256)
    assert (model.audio.num_times, model.audio.num_frequencies, model.audio.num_patches) == (256, 256, 256)
    assert (model.text.num_tokens, model.text.vocabulary_size) == (40, 30_522)
    assert (model.video.mask_share, model.audio.mask_share, model.text.mask_share) == (0.75, 0.75, 0.15)
    assert (model.encoder.num_layers, model.encoder.width, model.encoder.num_heads) == (12, 768, 12)
    assert (model.decoder.num_layers, model.decoder.width, model.decoder.decoded_share) == (8, 512, 1.0)
    assert model.encoder.fusion_layers == 12
    objective = model.objective
    assert (objective.local_weight, objective.global_weight) == (1, 5)
    assert objective.pairs == ("audio-video", "audio-text")
    assert objective.matching_attention == "isolated"
    train = config.train
    assert (train.batch_size, train.num_steps, train.learning_rate, train.weight_decay) == (2048, 200_000, 1e-4, 0.01)
    assert train.batch_size * train.num_steps == 409_600_000


def test_tiny_trains_both_objectives_without_a_leak():
    objective = tiny().model.objective
    assert objective.local_weight > 0
    assert objective.global_weight > 0
    assert objective.matching_attention == "isolated"


@pytest.mark.parametrize("name", RECIPES)
def test_the_readme_tells_the_settings_of_a_recipe(name):
    model, train = RECIPES[name]().model, RECIPES[name]().train
    video, audio, encoder = model.video, model.audio, model.encoder
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for fact in (
        f"{video.num_frames} frames of {video.size_px} px, patches of {video.patch_px} px",
        f"{audio.window_seconds:.2f} s",
        f"{audio.num_times} x {audio.num_frequencies}",
        f"{model.text.num_tokens} tokens",
        f"{encoder.num_layers} layers x {encoder.width}",
        f"{train.num_steps:,} steps of {train.batch_size:,} clips",
    ):
        assert fact in text


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_found_by_its_name_and_carries_it(name):
    assert recipe(name).recipe == name
    assert RECIPES[name].__doc__


@pytest.mark.parametrize(
    ("name", "hint"), [("tinny", "Did you mean tiny?"), ("xyz", "Known: paper, huge, large, base, small, tiny")]
)
def test_an_unknown_recipe_is_answered_with_what_there_is(name, hint):
    with pytest.raises(ConfigError, match=rf"^--recipe {name}: no such recipe") as caught:
        recipe(name)
    assert hint.rstrip("?") in str(caught.value)


def test_a_run_is_not_called_after_another_recipe():
    with pytest.raises(ConfigError, match=r"^--set recipe=paper: .*a run of tiny.* Give --recipe paper\.$"):
        settings_of("tiny", ["recipe=paper"])
    assert settings_of("tiny", ["recipe=mine"]).recipe == "mine"
    assert settings_of("tiny", ["recipe=tiny"]) == recipe("tiny")


def flat(values: dict, prefix: str = "") -> dict:
    parts = (flat(v, f"{prefix}{k}.") if isinstance(v, dict) else {prefix + k: v} for k, v in values.items())
    return {name: value for part in parts for name, value in part.items()}


CHANGES = {
    "lpmm-only": {"objective.global_weight"},
    "gam-only": {"objective.local_weight"},
    "vtm": {"objective.pairs"},
    "joint-matching": {"objective.matching_attention"},
    "shifted-sound": {"sound_shift_seconds"},
    "video-text-pair": {"objective.pairs"},
    "hard-negatives": {"objective.hard_negatives"},
    "sigmoid": {"objective.contrast", "objective.learn_temperature", "objective.temperature"},
    "global-tokens": {"objective.pooling"},
    "learned-temperature": {"objective.learn_temperature"},
    "partial-decoding": {"decoder.decoded_share"},
    "late-fusion": {"encoder.fusion_layers"},
    "exact": set(),  # which the paper is
    "fast": {"decoder.decoded_share", "encoder.fusion_layers"},
    "fastest": {"decoder.decoded_share", "encoder.fusion_layers", "decoder.num_layers"},
    "best": {
        *("objective.pairs", "objective.learn_temperature", "objective.heads", "objective.pooling"),
        *("objective.matching_weight", "objective.audio_text_weight", "objective.video_text_weight"),
    },
    "heads-attention": {"objective.pairs", "objective.learn_temperature", "objective.heads", "objective.pooling"},
    "paper-objective": set(),
    "heads-modality": {"objective.pairs", "objective.learn_temperature", "objective.heads"},
    "heads-linear": {"objective.pairs", "objective.learn_temperature", "objective.heads"},
    "heads-mlp": {"objective.pairs", "objective.learn_temperature", "objective.heads", "objective.head_kind"},
    "heads-tokens": {"objective.pairs", "objective.learn_temperature", "objective.heads", "objective.pooling"},
    "heads-temperatures": {
        *("objective.pairs", "objective.learn_temperature", "objective.heads", "objective.pooling"),
        "objective.pair_temperatures",
    },
    "heads-hard": {
        *("objective.pairs", "objective.learn_temperature", "objective.heads", "objective.pooling"),
        "objective.hard_negatives",
    },
    "heads-sigmoid": {
        *("objective.pairs", "objective.learn_temperature", "objective.heads", "objective.pooling"),
        *("objective.contrast", "objective.temperature"),
    },
    "heads-teacher": {
        *("objective.pairs", "objective.learn_temperature", "objective.heads", "objective.pooling"),
        "objective.teacher_weight",
    },
    "fused-teacher": {
        *("objective.pairs", "objective.learn_temperature", "objective.heads"),
        "objective.teacher_weight",
    },
    **{
        name: {"objective.pairs", "objective.learn_temperature", "objective.heads", "objective.contrast"}
        for name in ("volume", "area", "product")
    },
    **{f"encoder-{shared}": {"encoder.shared"} for shared in SHARINGS[1:]},
    **{f"decoder-{shared}": {"decoder.shared"} for shared in SHARINGS[1:]},
    "encoder-audio-video-text": set(),
    "decoder-audio-video-text": set(),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_changes_the_settings_that_it_says_and_no_other(name):
    before, after = (flat(to_dict(recipe(full))) for full in ("paper", f"paper/{name}"))
    changed = {field for field in before if before[field] != after[field]} - {"recipe"}
    assert changed == {f"train.{n}" if n == "sound_shift_seconds" else f"model.{n}" for n in CHANGES[name]}
    assert recipe(f"tiny/{name}").recipe == f"tiny/{name}"


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_tells_its_command_and_what_to_expect(name):
    function = getattr(VARIANTS[name], "func", VARIANTS[name])
    assert "--recipe " in function.__doc__
    assert "Expected:" in function.__doc__


def test_an_unknown_variant_is_answered_with_the_nearest():
    with pytest.raises(
        ConfigError, match=r"^--recipe tiny/gam_only: tiny has no such variant. Did you mean gam-only\?"
    ):
        recipe("tiny/gam_only")


def test_the_ladder_of_sizes_is_that_of_the_vision_transformers():
    sizes = [RECIPES[name]().model.encoder for name in ("base", "large", "huge")]
    assert [(one.num_layers, one.width, one.num_heads) for one in sizes] == [
        (12, 768, 12),
        (24, 1024, 16),
        (32, 1280, 16),
    ]


@pytest.mark.parametrize(("name", "teraflops"), [("large", 1.43), ("huge", 2.61)])
def test_the_cost_that_a_large_recipe_states_is_its_count_of_flops(name, teraflops):
    assert step_flops(RECIPES[name]().model).total / 1e12 == pytest.approx(teraflops, abs=0.005)
    hours = teraflops * 1e12 * 102.4e6 / 283e12 / 3600  # what a step of `paper` reaches on an H200 (docs/results.md)
    assert f"{teraflops} TFLOPs" in RECIPES[name].__doc__ and f"{hours:.0f} GPU-hours" in RECIPES[name].__doc__
