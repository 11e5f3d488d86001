"""Settings: wrong ones say what to type, they travel as JSON, and each is read by the source."""

import ast
import dataclasses
import functools
import re
import typing
from pathlib import Path

import pytest

import vlsa.config
from vlsa.base.errors import ConfigError
from vlsa.config import (
    AudioConfig,
    ComputeConfig,
    Config,
    DecoderConfig,
    EncoderConfig,
    ModelConfig,
    ObjectiveConfig,
    TextConfig,
    TrainConfig,
    VideoConfig,
)
from vlsa.config.overrides import from_dict, override, to_dict
from vlsa.config.recipes import RECIPES

GROUPS = {
    "video": VideoConfig,
    "audio": AudioConfig,
    "text": TextConfig,
    "encoder": EncoderConfig,
    "decoder": DecoderConfig,
    "objective": ObjectiveConfig,
    "compute": ComputeConfig,
    "train": TrainConfig,
}

WRONG = [
    ("text", {"vocabulary_size": 10**9}, "model.text.vocabulary_size=1000000000 is more than 1,048,576"),
    ("objective", {"temperature": 101.0}, "model.objective.temperature=101.0 is above 100"),
    ("video", {"num_frames": 0}, "model.video.num_frames=0 must be at least 1"),
    ("video", {"patch_px": 0}, "model.video.patch_px=0 must be at least 1"),
    ("video", {"size_px": 100}, "Try model.video.size_px=96."),
    ("video", {"size_px": 8}, "Try model.video.size_px=16."),
    ("video", {"mask_share": 1.0}, "model.video.mask_share=1.0 must lie in [0, 1)"),
    ("video", {"mask_share": float("nan")}, "model.video.mask_share=nan must lie"),
    ("audio", {"num_times": 100}, "Try model.audio.num_times=96."),
    ("audio", {"num_frequencies": 250}, "Try model.audio.num_frequencies=240."),
    ("audio", {"hop_samples": 0}, "model.audio.hop_samples=0 must be at least 1"),
    ("audio", {"window_samples": 1}, "model.audio.window_samples=1 must be at least 2"),
    ("audio", {"window_samples": 200_000}, "Try model.audio.window_samples=65535."),
    ("audio", {"sample_rate_hz": 0}, "model.audio.sample_rate_hz=0 must be at least 1"),
    ("audio", {"mask_share": -0.1}, "model.audio.mask_share=-0.1 must lie in [0, 1)"),
    ("text", {"num_tokens": 2}, "model.text.num_tokens=2"),
    ("text", {"mask_share": 1.5}, "model.text.mask_share=1.5"),
    ("text", {"vocabulary_size": 0}, "model.text.vocabulary_size=0 must be at least 5"),
    ("encoder", {"width": 770}, "Try model.encoder.width=768."),
    ("encoder", {"width": 36, "num_heads": 3}, "and of 8 (sine-cosine positions). Try model.encoder.width=24."),
    ("encoder", {"width": 4, "num_heads": 3}, "Try model.encoder.width=24."),
    ("encoder", {"num_heads": 0}, "model.encoder.num_heads=0 must be at least 1"),
    ("encoder", {"fusion_layers": 13}, "Try model.encoder.fusion_layers=12."),
    ("encoder", {"fusion_layers": 0}, "must lie in 1..12"),
    ("decoder", {"width": 100}, "Try model.decoder.width=96."),
    ("decoder", {"num_layers": 0}, "model.decoder.num_layers=0 must be at least 1"),
    ("decoder", {"decoded_share": 0.0}, "Try 1.0."),
    ("objective", {"local_weight": 0.0, "global_weight": 0.0}, "Set one above 0."),
    ("objective", {"local_weight": -1.0}, "model.objective.local_weight=-1.0 must be at least 0"),
    ("objective", {"pairs": ()}, "Name a pair, or set model.objective.global_weight=0."),
    ("objective", {"pairs": ("audio-text", "audio-text")}, "Try model.objective.pairs=audio-text."),
    ("objective", {"temperature": 0.0}, "Try 0.07."),
    ("objective", {"temperature": 0.005}, "would exceed the maximum of 100"),
    ("train", {"batch_size": 0}, "train.batch_size=0 must be at least 1"),
    ("train", {"num_steps": 0}, "train.num_steps=0"),
    ("train", {"checkpoint_every_steps": 0}, "train.checkpoint_every_steps=0"),
    ("train", {"learning_rate": 0.0}, "Try 1e-4."),
    ("train", {"seed": 2**63}, "Try train.seed=0."),
    ("train", {"seed": -1}, "train.seed=-1 must be at least 0"),
    ("train", {"num_workers": 1000}, "train.num_workers=1000 is more than 512; each is a process of its own"),
    ("train", {"warmup_steps": -1}, "train.warmup_steps=-1"),
    ("train", {"betas": (0.9, 1.0)}, "Try [0.9, 0.95]."),
]


@pytest.mark.parametrize(("group", "values", "expected"), WRONG)
def test_a_value_that_cannot_work_is_one_line_with_a_way_out(group, values, expected):
    with pytest.raises(ConfigError) as caught:
        GROUPS[group](**values)
    message = str(caught.value)
    assert expected in message
    full = f"{group}.{next(iter(values))}" if group in ("train", "compute") else f"model.{group}.{next(iter(values))}"
    assert f"{full}" in message
    assert "\n" not in message
    assert any(word in message for word in ("Try ", "Set ", "set "))


@pytest.mark.parametrize(
    ("group", "values"),
    [(group, values) for group, values, expected in WRONG if "Try " in expected and "." in expected.split("Try ")[1]],
)
def test_the_value_that_is_advised_works(group, values):
    with pytest.raises(ConfigError) as caught:
        GROUPS[group](**values)
    name, _, text = str(caught.value).rsplit("Try ", 1)[1].removesuffix(".").partition("=")
    if text:
        value = int(text) if text.isdecimal() else (text,)
        GROUPS[group](**(values | {name.split(".")[-1]: value}))


def test_derived_sizes_are_the_paper_s():
    assert VideoConfig().patches_per_frame == 196
    assert AudioConfig().num_patches == 256


# --- there and back as JSON


@pytest.mark.parametrize("name", RECIPES)
def test_settings_survive_the_way_through_json(name):
    config = RECIPES[name]()
    assert from_dict(Config, to_dict(config)) == config


def test_plain_types_only():
    values = to_dict(Config())
    assert values["train"]["betas"] == [0.9, 0.95]
    assert values["model"]["objective"]["pairs"] == ["audio-video", "audio-text"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"train": {"batch_sise": 3}}, "train.batch_sise: no such setting. Did you mean train.batch_size?"),
        ({"trian": {}}, "trian: no such setting. Did you mean train?"),
        ({"zzz": 1}, "zzz: no such setting. Known: recipe, model, train, compute."),
        ({"train": 3}, "train=3: a group of settings is needed here."),
        ({"train": {"batch_size": "many"}}, "train.batch_size='many': a whole number is needed."),
        ({"train": {"batch_size": 1.5}}, "train.batch_size=1.5: a whole number is needed."),
        ({"train": {"batch_size": True}}, "train.batch_size=True: a whole number is needed."),
        ({"train": {"learning_rate": float("inf")}}, "train.learning_rate=inf: not a finite number"),
        ({"train": {"learning_rate": float("nan")}}, "train.learning_rate=nan: not a finite number"),
        ({"train": {"diverged_at": 0.5}}, "Set train.diverged_at=10, or 0 for never"),
        ({"train": {"learning_rate": 10**400}}, "not a finite number"),
        ({"train": {"augment": 1}}, "train.augment=1: true or false is needed."),
        ({"train": {"betas": 0.9}}, "train.betas=0.9: a list is needed, as in [0.9, 0.95]."),
        ({"train": {"betas": [0.9]}}, "train.betas=[0.9]: 2 values are needed."),
        (
            {"model": {"objective": {"pairs": ["text-video"]}}},
            "is not one of 'audio-video', 'audio-text', 'video-text'.",
        ),
        ({"model": {"objective": {"matching_attention": "both"}}}, "is not one of 'isolated', 'joint'."),
    ],
)
def test_a_wrong_name_or_type_is_told_with_what_is_known(values, message):
    with pytest.raises(ConfigError) as caught:
        from_dict(Config, values)
    assert message in str(caught.value)


# --- --set


@pytest.mark.parametrize(
    ("assignment", "path", "value"),
    [
        ("train.batch_size=16", "train.batch_size", 16),
        ("train.learning_rate=1e-3", "train.learning_rate", 1e-3),
        ("train.learning_rate=1", "train.learning_rate", 1.0),
        ("train.augment=false", "train.augment", False),
        ("train.augment=True", "train.augment", True),
        ("train.betas=[0.8, 0.9]", "train.betas", (0.8, 0.9)),
        ("train.betas=0.8,0.9", "train.betas", (0.8, 0.9)),
        ("model.objective.pairs=audio-video", "model.objective.pairs", ("audio-video",)),
        ("model.objective.pairs=audio-video, video-text", "model.objective.pairs", ("audio-video", "video-text")),
        ("model.objective.matching_attention=joint", "model.objective.matching_attention", "joint"),
        ("model.encoder.width = 384", "model.encoder.width", 384),
        ("recipe=mine", "recipe", "mine"),
        ("objective.learn_temperature=true", "model.objective.learn_temperature", True),
        ("learn_temperature=true", "model.objective.learn_temperature", True),
        ("batch_size=16", "train.batch_size", 16),
    ],
)
def test_one_setting_is_changed_and_no_other(assignment, path, value):
    before = Config()
    after = override(before, [assignment])
    found = after
    for name in path.split("."):
        found = getattr(found, name)
    assert found == value
    assert type(found) is type(value)
    assert override(after, [f"{path}={_text(before, path)}"]) == before


def _text(config: Config, path: str) -> str:
    value: object = to_dict(config)
    for name in path.split("."):
        value = value[name]
    return str(value).replace("'", '"')


def test_names_in_messages_are_those_that_set_takes():
    for group, values, _ in WRONG:
        if group in ("train", "compute"):
            continue
        with pytest.raises(ConfigError) as caught:
            GROUPS[group](**values)
        for name in re.findall(r"[a-z_]+(?:\.[a-z_]+)+(?=[= ,)])", str(caught.value)):
            value: object = Config()
            for part in name.split("."):
                value = getattr(value, part)


def test_several_settings_are_changed_together_so_that_they_may_depend_on_each_other():
    config = override(Config(), ["model.encoder.num_layers=4", "model.encoder.fusion_layers=2"])
    assert (config.model.encoder.num_layers, config.model.encoder.fusion_layers) == (4, 2)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("train.batch_size", "--set train.batch_size: no '='. Write --set model.encoder.width=256."),
        ("train.batch=3", "--set train.batch=3: no such setting. Did you mean train.batch_size?"),
        ("trian.batch_size=3", "no such setting. Did you mean train.batch_size?"),
        ("objectiv.temperature=3", "no such setting. Did you mean model.objective.temperature?"),
        ("learn_temprature=true", "no such setting. Did you mean model.objective.learn_temperature?"),
        ("train.batch_size.x=3", "no such setting. Did you mean train.batch_size?"),
        ("size_px.=3", "no such setting. Did you mean model.video.size_px?"),
        ("=3", "--set =3: no name before '='. Write --set model.encoder.width=256."),
        ("xyzxyz=3", "no such setting. Known: recipe, model.video.num_frames"),
        ("rate=3", "Did you mean model.audio.sample_rate_hz or train.learning_rate?"),
        ("width=8", "several settings have this name. Use one of model.encoder.width, model.decoder.width."),
        ("model.video=3", "this is a group; set one of model.video.num_frames, model.video.size_px,"),
        ("video=3", "this is a group; set one of model.video.num_frames,"),
        ("train.batch_size=lots", "train.batch_size='lots': a whole number is needed."),
        ("audio_text_weight=0", "model.objective.audio_text_weight=0.0 must be above 0: the pair would be matched"),
        ("audio.patch_size=1", "model.audio.patch_size=1 must be at least 2"),
        ("train.batch_size=0", "train.batch_size=0 must be at least 1"),
        ("train.batch_size=", "train.batch_size='': a whole number is needed."),
        pytest.param("train.batch_size=" + "9" * 5000, "a whole number is needed.", id="5,000 digits"),
    ],
)
def test_a_wrong_assignment_is_one_line(assignment, message):
    with pytest.raises(ConfigError) as caught:
        override(Config(), [assignment])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# --- nothing that is not used, nothing without a note


def fields_of(kind: type, prefix: str = "") -> list[tuple[str, str]]:
    """(group, field) of every setting."""
    found = []
    for name, hint in typing.get_type_hints(kind).items():
        found += fields_of(hint, name) if dataclasses.is_dataclass(hint) else [(prefix, name)]
    return found


@functools.cache
def attributes_read() -> set[tuple[str, str]]:
    """(owner, name) of every `owner.name` and `x.owner.name` in the source; ("property", name) within config/."""
    found = set()
    for path in Path(vlsa.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if path.parent.name == "config":
            found |= {
                ("property", node.attr) for part in _properties(tree) for node in ast.walk(part) if _is_read(node)
            }
            continue
        for node in ast.walk(tree):
            if _is_read(node) and isinstance(node.value, ast.Attribute | ast.Name):
                owner = node.value.attr if isinstance(node.value, ast.Attribute) else node.value.id
                found.add((owner, node.attr))
    return found


def _is_read(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)


def _properties(tree: ast.AST) -> list[ast.FunctionDef]:
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return [f for f in functions if any(isinstance(d, ast.Name) and d.id == "property" for d in f.decorator_list)]


@pytest.mark.parametrize(("group", "name"), [pair for pair in fields_of(Config) if pair != ("", "recipe")])
def test_each_setting_is_read_by_the_source(group, name):
    owners = {group, "property"} | ({"config"} if group == "audio" else set())  # LogSpectrogram's config is the audio's
    assert any((owner, name) in attributes_read() for owner in owners), f"{group}.{name} is never read"


def test_a_setting_that_nobody_reads_would_be_found():
    assert not any(name == "colour_of_the_moon" for _, name in attributes_read())
    assert ("objective", "temperature") in attributes_read()
    assert ("video", "temperature") not in attributes_read()


def test_settings_are_frozen_and_keyword_only():
    with pytest.raises(dataclasses.FrozenInstanceError):
        VideoConfig().num_frames = 3
    with pytest.raises(TypeError):
        VideoConfig(3)
    assert ModelConfig() == ModelConfig()
