"""Settings of a run that goes on: which may change, which are refused with a list, and what --allow-changes does."""

import dataclasses

import pytest
from safetensors.torch import load_file, save_file
from tiny import change, tiny_run, tiny_source

from vlsa.base.errors import CheckpointError, ConfigError
from vlsa.config import ComputeConfig, Config
from vlsa.pretrain import sharded_files
from vlsa.pretrain.checkpoint import TRAINING_FILE, checkpoints, load_model
from vlsa.pretrain.loop import pretrain


def with_model(config: Config, group: str, **values) -> Config:
    return dataclasses.replace(config, model=change(config.model, group, **values))


def test_a_resume_with_changed_settings_is_refused_with_the_list(begun):
    changed = with_model(tiny_run(num_steps=8, learning_rate=2e-3), "encoder", num_layers=3, fusion_layers=3)
    with pytest.raises(ConfigError) as caught:
        pretrain(changed, tiny_source(), begun)
    message = str(caught.value)
    for part in (
        "model.encoder.num_layers: 2 -> 3",
        "model.encoder.fusion_layers: 2 -> 3",
        "train.num_steps: 2 -> 8",
        "train.learning_rate: 0.001 -> 0.002",
        "Give the same settings, or another --out; --allow-changes resumes all the same.",
    ):
        assert part in message
    assert message.count("->") == 4
    assert "\n" not in message


def test_settings_that_do_not_touch_the_weights_may_change(begun):
    config = tiny_run(num_steps=2, checkpoint_every_steps=7, evaluate_every_steps=3)
    config = dataclasses.replace(config, compute=ComputeConfig(chunk_size=2, recompute=True))
    assert pretrain(config, tiny_source(), begun).finished
    precise = dataclasses.replace(config, compute=ComputeConfig(precision="bfloat16"))
    with pytest.raises(ConfigError, match=r"compute\.precision: auto -> bfloat16"):
        pretrain(precise, tiny_source(), begun)


def test_a_run_goes_on_with_other_settings_when_told_to_and_says_so(begun, caplog):
    changed = tiny_run(num_steps=4, learning_rate=2e-3)
    summary = pretrain(changed, tiny_source(), begun, allow_changes=True)
    assert (summary.resumed_from, summary.step) == (2, 4)
    assert load_model(begun)[2].train.learning_rate == 2e-3
    assert "resumes with other settings: train.num_steps: 2 -> 4, train.learning_rate: 0.001 -> 0.002" in caplog.text
    plain = with_model(changed, "objective", pairs=("audio-video",), matching_weight=0.0)
    wider = with_model(changed, "encoder", width=64)
    with pytest.raises(CheckpointError, match=r"matching\.layers\.\S+ among them"):
        pretrain(plain, tiny_source(), begun, allow_changes=True)
    with pytest.raises(CheckpointError, match="do not fit the model"):
        pretrain(wider, tiny_source(), begun, allow_changes=True)


@pytest.mark.parametrize("precision", ["bfloat16", "float32", None])
def test_a_run_that_goes_on_in_another_precision_says_so(begun, caplog, precision):
    """As a run that was begun on a GPU goes on without one: "auto" equals "auto", but means another precision."""
    folder = checkpoints(begun)[-1]
    assert sharded_files.header(folder / TRAINING_FILE)["precision"] == "float32"
    tensors, header = load_file(folder / TRAINING_FILE), sharded_files.header(folder / TRAINING_FILE)
    recorded = {} if precision is None else {"precision": precision}  # none: vlsa 0.10
    kept = {name: value for name, value in header.items() if name != "precision"}
    save_file(tensors, folder / TRAINING_FILE, kept | recorded)
    assert pretrain(tiny_run(num_steps=2), tiny_source(), begun).finished
    said = [message for message in caplog.messages if "so far, it goes on in" in message]
    assert len(said) == (precision == "bfloat16")
    assert all("trained in bfloat16 so far, it goes on in float32" in message for message in said)


def test_changes_that_would_not_be_carried_out_are_refused_even_when_told_to(begun):
    settings = (begun / "config.json").read_bytes()
    with pytest.raises(ConfigError, match=r"2 steps are done, more than train\.num_steps=1.*Set train\.num_steps=2"):
        pretrain(tiny_run(num_steps=1), tiny_source(), begun, allow_changes=True)
    with pytest.raises(
        ConfigError, match=r"initialised from no other weights, not \['public/model'\], which would not be"
    ):
        pretrain(tiny_run(num_steps=2, init=("public/model",)), tiny_source(), begun, allow_changes=True)
    assert (begun / "config.json").read_bytes() == settings
