"""What a warm start does to a model, and whether its report is true."""

import json

import public_models as public
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import change, make_model
from torch import nn

from vlsa.base.errors import CheckpointError, VlsaError
from vlsa.model.warm_start import apply, read

FITS = {"norm_eps": 1e-12, "positions": "learned"}


@pytest.fixture
def vit(tmp_path) -> str:
    return public.written(public.vit(), tmp_path / "vit")


def begun(config, tokenizer, *sources: str, **encoder):
    """A fresh model's weights, the same model after a warm start, and the report."""
    model = make_model(change(config, "encoder", **encoder), tokenizer)
    fresh = {name: value.clone() for name, value in model.state_dict().items()}
    return fresh, model, apply(model, [read(source) for source in sources], tokenizer)


def changed(fresh: dict[str, torch.Tensor], model: nn.Module) -> set[str]:
    return {name for name, value in model.state_dict().items() if not torch.equal(value, fresh[name])}


def actions(report) -> dict[str, tuple[str, str]]:
    return {row.weight: (row.action, row.note) for row in report.rows}


def test_only_what_the_report_calls_taken_or_resized_has_changed(config, tokenizer, vit):
    fresh, model, report = begun(config, tokenizer, vit, **FITS)
    touched = changed(fresh, model)
    assert all(name.startswith(("embedding.", "encoder.")) for name in touched)
    expected = {name for name in fresh if name.startswith("encoder.")}
    expected |= {f"embedding.{part}.{kind}" for part in ("video", "audio") for kind in ("weight", "bias")}
    expected |= {"embedding.positions.frames", "embedding.positions.audio", "embedding.modality"}
    assert touched == expected
    assert actions(report)["text: token embeddings"] == ("fresh", "")
    assert actions(report)["text: positions"] == ("fresh", "")
    assert actions(report)["decoder, heads, matching, temperature"] == ("fresh", "")
    assert torch.equal(model.embedding.modality[2], fresh["embedding.modality"][2])


def test_fixed_positions_are_not_taken_and_the_table_says_what_would_take_them(config, tokenizer, vit):
    fresh, model, report = begun(config, tokenizer, vit, norm_eps=1e-12)
    assert not any("positions" in name for name in changed(fresh, model))
    action, note = actions(report)["video: positions"]
    assert action == "fresh"
    assert "--set model.encoder.positions=learned" in note


def test_of_a_deeper_model_the_first_layers_are_taken_and_the_last_norm_is_not(config, tokenizer, tmp_path):
    theirs = public.vit(num_hidden_layers=5)
    fresh, model, report = begun(config, tokenizer, public.written(theirs, tmp_path), **FITS)
    label = "encoder of video, audio, text"
    assert actions(report)[f"{label}: blocks 1-2"] == ("resized", "the first 2 of its 5")
    assert actions(report)[f"{label}: norm"][0] == "fresh"
    assert torch.equal(
        model.encoder.towers["video_audio_text"].norm.weight, fresh["encoder.towers.video_audio_text.norm.weight"]
    )
    assert torch.equal(
        model.encoder.towers["video_audio_text"].blocks[1].mlp[0].weight, theirs.layers[1].mlp.fc1.weight
    )


def test_of_a_shallower_model_all_layers_are_taken_and_the_rest_stays_fresh(config, tokenizer, tmp_path):
    where = public.written(public.vit(num_hidden_layers=1), tmp_path)
    fresh, model, report = begun(config, tokenizer, where, **FITS)
    label = "encoder of video, audio, text"
    assert actions(report)[f"{label}: blocks 1-1"][0] == "taken"
    assert actions(report)[f"{label}: blocks 2-2"] == ("fresh", "")
    assert not any(
        name.startswith(("encoder.towers.video_audio_text.blocks.1", "encoder.towers.video_audio_text.norm"))
        for name in changed(fresh, model)
    )


def test_patches_and_positions_of_other_sizes_are_resized(config, tokenizer, tmp_path):
    where = public.written(public.vit(patch_size=8, image_size=48), tmp_path)
    _, model, report = begun(config, tokenizer, where, **FITS)
    action, note = actions(report)["video: patches"]
    assert action == "resized"
    assert note.startswith("8 x 8 to 4 x 4")
    assert actions(report)["video: positions"] == ("resized", "6 x 6 to 4 x 4; the same for each frame")
    assert torch.equal(model.embedding.positions.frames[0], model.embedding.positions.frames[1])


def test_moments_of_videomae_are_resized_to_the_frames(config, tokenizer, tmp_path):
    _, model, report = begun(config, tokenizer, public.written(public.videomae(num_frames=8), tmp_path), **FITS)
    assert actions(report)["video: positions"] == ("resized", "4 moments to 2")
    assert (model.embedding.positions.frames[0] - model.embedding.positions.frames[1]).abs().max() > 0.1
    assert "summed" in actions(report)["video: patches"][1]
    assert actions(report)["encoder of video, audio, text: norm"] == ("fresh", "this checkpoint ends without one")


def test_a_text_longer_than_the_positions_keeps_fresh_ones_at_its_end(config, tokenizer, tmp_path):
    theirs = public.bert(vocab_size=tokenizer.vocabulary_size, max_position_embeddings=10)
    sized = change(config, "text", vocabulary_size=tokenizer.vocabulary_size)
    fresh, model, report = begun(sized, tokenizer, public.written(theirs, tmp_path), **FITS)
    assert actions(report)["text: positions"] == ("resized", "it has 10; the last 2 stay fresh")
    positions = model.embedding.positions.text
    assert torch.equal(positions[:10], theirs.embeddings.position_embeddings.weight)
    assert torch.equal(positions[10:], fresh["embedding.positions.text"][10:])


def test_everything_can_be_trained_afterwards(config, tokenizer, vit, batch):
    _, model, _ = begun(config, tokenizer, vit, norm_eps=1e-12, positions="learned", input_norms=("audio", "text"))
    model(batch, torch.Generator().manual_seed(0)).total.backward()
    without = [name for name, weight in model.named_parameters() if weight.requires_grad and weight.grad is None]
    assert without == []
    for name in ("frames", "audio", "text"):
        assert model.embedding.positions.get_parameter(name).grad.abs().sum() > 0, name


def test_weights_of_another_shape_than_their_settings_say_are_refused(config, tokenizer, vit, tmp_path):
    other = public.vit(hidden_size=64)
    other.config.hidden_size = 32
    where = public.written(other, tmp_path / "mixed")
    with pytest.raises(CheckpointError, match=r"has the shape \[64, 3, 4, 4\] where \[32, 3, 4, 4\] follows"):
        begun(config, tokenizer, where, **FITS)


@pytest.mark.parametrize(
    "lie", [{"layer_norm_eps": "x"}, {"layer_norm_eps": []}, {"image_size": 8, "patch_size": 3}, {"hidden_size": 8}]
)
def test_a_config_that_lies_about_the_weights_is_one_line(tmp_path, config, tokenizer, lie):
    public.written(public.vit(), tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | lie), encoding="utf-8")
    with pytest.raises(VlsaError) as caught:
        apply(make_model(config, tokenizer), [read(str(tmp_path))])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["embeddings.patch_embeddings.projection.weight", "embeddings.position_embeddings"])
def test_weights_of_another_rank_are_one_line(tmp_path, config, tokenizer, name):
    public.written(public.vit(), tmp_path)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    full = next(key for key in weights if key.endswith(name))
    save_file(weights | {full: weights[full].flatten()}, path, {"format": "pt"})
    model = make_model(change(config, "encoder", **FITS), tokenizer)
    with pytest.raises(VlsaError) as caught:
        apply(model, [read(str(tmp_path))])
    assert "\n" not in str(caught.value)
