"""Checkpoints that anybody may have put on the hub: one line, before much is read or computed, whatever they hold."""

import json
import os
import re
from pathlib import Path

import public_models as public
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import change, make_model

from vlsa.base.errors import VlsaError
from vlsa.model.warm_start import apply, read
from vlsa.model.warm_start.families import offers
from vlsa.model.warm_start.files import Checkpoint


@pytest.fixture
def folder(tmp_path) -> Path:
    return Path(public.written(public.vit(), tmp_path / "vit"))


def one_line(source: object) -> str:
    """The error about a checkpoint."""
    with pytest.raises(VlsaError) as caught:
        offers(read(str(source)))
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 600
    return line


def lie(folder: Path, **settings: object) -> Path:
    """Change its config.json."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | settings), encoding="utf-8")
    return folder


@pytest.fixture
def _reads_headers_alone(monkeypatch):
    def no_tensor(_checkpoint: Checkpoint, name: str) -> torch.Tensor:
        raise AssertionError(f"{name} was read before it was compared with config.json")

    monkeypatch.setattr(Checkpoint, "tensor", no_tensor)


MORE_LAYERS = (("num_hidden_layers", 10**5), ("num_hidden_layers", 10**9))


@pytest.mark.usefixtures("_reads_headers_alone")
@pytest.mark.parametrize("value", [10**5, 10**9, 10**400, -1, 0.5, float("inf"), True, "12", [], {"a": []}])
@pytest.mark.parametrize("name", ["num_hidden_layers", "hidden_size", "intermediate_size", "image_size", "patch_size"])
def test_a_size_that_the_weights_do_not_have_is_refused_from_the_headers(folder, name, value):
    expected = (
        "no weight encoder.layer.2." if (name, value) in MORE_LAYERS else "in its config.json|from its config.json"
    )
    assert re.search(expected, one_line(lie(folder, **{name: value})))


@pytest.mark.usefixtures("_reads_headers_alone")
@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("videomae", {"num_frames": 10**9}),
        ("videomae", {"num_frames": 1}),
        ("videomae", {"tubelet_size": 4}),
        ("videomae", {"image_size": 10**7}),
        ("ast", {"max_length": 10**9}),
        ("ast", {"max_length": 4}),
        ("ast", {"frequency_stride": 10**9, "time_stride": 10**9}),
        ("bert", {"num_attention_heads": 10**9}),
        ("vit", {"num_attention_heads": 5}),
        ("bert", {"vocab_size": 10**9}),
        ("bert", {"max_position_embeddings": 10**9}),
        ("clip_text", {"max_position_embeddings": 10**4}),
        ("clip", {"vision_config": [1]}),
        ("clip", {"text_config": "large"}),
        ("clip", {"vision_config": {"hidden_size": 10**9}}),
    ],
)
def test_each_family_compares_its_own_sizes(tmp_path, family, settings):
    one_line(lie(Path(public.written(getattr(public, family)(), tmp_path)), **settings))


@pytest.mark.usefixtures("_reads_headers_alone")
@pytest.mark.parametrize("family", ["vit", "clip_vision", "bert", "ast", "videomae"])
def test_each_weight_is_compared_with_the_shape_that_follows_from_the_settings(tmp_path, family):
    public.written(getattr(public, family)(), tmp_path)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    for name in offers(read(str(tmp_path)))[0].found.values():
        save_file(weights | {name: weights[name][None]}, path, {"format": "pt"})
        assert f"{name} has the shape [1, " in one_line(tmp_path)


def test_settings_of_another_family_change_nothing(folder):
    before = offers(read(str(folder)))[0]
    after = offers(read(str(lie(folder, num_frames=8, tubelet_size=2, vocab_size="none"))))[0]
    assert torch.equal(after.positions, before.positions)


@pytest.mark.parametrize("depth", [900, 985, 10**5])
def test_nested_settings_are_one_line_or_do_no_harm(folder, depth):
    path = folder / "config.json"
    text = path.read_text(encoding="utf-8").rstrip().removesuffix("}")
    path.write_text(f'{text}, "extra": {"[" * depth}{"]" * depth}}}', encoding="utf-8")
    try:
        assert "#" in read(str(folder)).recorded
    except VlsaError as error:
        assert "nested too deeply" in str(error)


def test_a_long_name_is_cut_in_the_message(folder):
    one_line(lie(folder, model_type="vit\n" * 10**5))
    weights = {"a\nb" * 10**4: torch.zeros(1)}
    lie(folder, model_type="vit")
    save_file(weights, folder / "model.safetensors")
    one_line(folder)


def pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def device(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("put", [pipe, device])
@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "preprocessor_config.json"])
def test_a_pipe_or_a_device_in_place_of_a_file_is_not_read(folder, put, name):
    put(folder / name)
    one_line(folder)


@pytest.mark.parametrize("put", [pipe, device])
def test_a_pipe_or_a_device_in_place_of_the_folder_is_not_taken_for_a_name_on_the_hub(tmp_path, monkeypatch, put):
    monkeypatch.chdir(tmp_path)
    put(Path("vit"))
    assert one_line("vit").startswith("vit: a file; ")


@pytest.mark.parametrize("shard", ["a\0b", "..", "", "/dev/zero", "x\ny"])
def test_an_index_may_name_files_next_to_it_only(folder, shard):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": shard}}), encoding="utf-8")
    assert "which is not a file next to it" in one_line(folder)


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int64, torch.bool, torch.float8_e4m3fn])
def test_weights_that_were_quantised_are_refused(folder, dtype):
    path, name = folder / "model.safetensors", "encoder.layer.1.output.dense.weight"
    weights = load_file(path)
    save_file(weights | {name: weights[name].to(dtype)}, path, {"format": "pt"})
    assert f"{name} is stored as " in one_line(folder)


@pytest.mark.parametrize("eps", ["x", [], 0, -1e-5, float("nan"), 10**400, True])
def test_an_epsilon_that_no_norm_has_is_refused(folder, eps):
    assert "layer_norm_eps=" in one_line(lie(folder, layer_norm_eps=eps))


@pytest.mark.parametrize(
    "inputs",
    [
        {"image_mean": [0.5] * 3},
        {"image_mean": "x", "image_std": "y"},
        {"image_mean": [0.5] * 3, "image_std": [0.5, 0.5, 0]},
        {"image_mean": [0.5] * 3, "image_std": [0.5, 0.5, 1e-300]},
        {"image_mean": [10**400, 0.5, 0.5], "image_std": [0.5] * 3},
        {"image_mean": [0.5, float("nan"), 0.5], "image_std": [0.5] * 3},
        {"image_mean": [0.5] * 3, "image_std": [0.5, 0.5, float("nan")]},
        {"image_mean": [0.5] * 4, "image_std": [0.5] * 2},
    ],
)
def test_a_scale_of_pixels_that_is_not_valid_is_refused_and_not_replaced_by_the_usual_one(
    config, tokenizer, folder, inputs
):
    (folder / "preprocessor_config.json").write_text(json.dumps(inputs), encoding="utf-8")
    model = make_model(change(config, "encoder", norm_eps=1e-12), tokenizer)
    with pytest.raises(VlsaError, match=r"image_mean=.*three numbers each are needed"):
        apply(model, [read(str(folder))])
