"""Checkpoints that were tampered with: one line says what is wrong, before memory is taken or a pipe is waited for."""

import json
import os
import random
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny import change, tiny_config, tiny_run, tiny_source

from vlsa.base.errors import CheckpointError, VlsaError
from vlsa.config.overrides import flat, to_dict
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.pretrain import checkpoint
from vlsa.pretrain.checkpoint import MODEL_FILE, TRAINING_FILE, checkpoints, load_model
from vlsa.pretrain.finetune import start_from
from vlsa.pretrain.loop import build_optimizer, pretrain
from vlsa.pretrain.metrics_log import read_metrics
from vlsa.pretrain.stored_sizes import require_stored_sizes

ROOM_BYTES = 2**31
"""Of address space that a refusal may take in addition to what the process has."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("run")
    pretrain(tiny_run(num_steps=1), tiny_source(), path)
    return path


@pytest.fixture
def saved(finished, tmp_path) -> Path:
    """A copy of the run's checkpoint, to be tampered with."""
    folder = tmp_path / "checkpoints" / "step-00000001"
    folder.mkdir(parents=True)
    for path in checkpoints(finished)[-1].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def rewrite(path: Path, change_header: Callable[[dict[str, str]], Any]) -> None:
    with safe_open(path, "pt") as file:
        header = dict(file.metadata())
    change_header(header)
    save_file(load_file(path), path, header)


def set_in(header: dict[str, str], key: str, dotted: str, value: Any) -> None:
    """Change one value of the JSON in a header's entry."""
    values = json.loads(header[key])
    *groups, name = dotted.split(".")
    inner = values
    for group in groups:
        inner = inner[int(group)] if isinstance(inner, list) else inner[group]
    inner[name] = value
    header[key] = json.dumps(values)


def refusal(action: Callable[[], object]) -> str:
    """The one line; the action may take little memory."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM_BYTES, before[1]))
    try:
        with pytest.raises(VlsaError) as caught:
            action()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 1000
    return message


# --- settings


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model.encoder.num_layers": 10**5, "model.encoder.fusion_layers": 1}, "encoder.num_layers is 100000 in"),
        ({"model.encoder.width": 10**9}, "encoder.width is 1000000000 in its settings, 32 in its weights"),
        ({"model.encoder.mlp_ratio": 10**8}, "encoder.mlp_ratio x width is 3200000000 in its settings, 128"),
        ({"model.decoder.num_layers": 10**5}, "decoder.num_layers is 100000 in its settings, 2 in its weights"),
        ({"model.decoder.width": 16 * 10**6}, "decoder.width is 16000000 in its settings, 16 in its weights"),
        ({"model.decoder.mlp_ratio": 10**8}, "decoder.mlp_ratio x width"),
        ({"model.text.vocabulary_size": 10**6}, "text.vocabulary_size is 1000000 in its settings, 150"),
        ({"model.text.num_tokens": 10**9}, "positions in its settings"),
        ({"model.video.num_frames": 10**9}, "pixel values of a clip in its settings"),
        ({"model.video.size_px": 4 * 10**6}, "pixel values of a clip in its settings"),
        ({"model.video.patch_px": 8}, "video.patch_px squared is 192 in its settings, 48 in its weights"),
        ({"model.audio.hop_samples": 10**9}, "samples of a clip in its settings"),
        ({"model.audio.num_times": 8 * 10**8}, "samples of a clip in its settings"),
        ({"model.audio.num_frequencies": 8 * 10**8}, "values of a filter bank in its settings"),
        ({"model.audio.patch_size": 16}, "audio.patch_size squared is 256 in its settings, 64 in its weights"),
        ({"model.audio.sample_rate_hz": 10**9}, "audio.sample_rate_hz is 1000000000"),
        ({"model.encoder.positions": "learned"}, "video.num_frames is 2 in its settings, 0 in its weights"),
        ({"model.video.num_frames": 10**400}, "a number of 40"),
        (
            {"model.objective.heads": "pair", "model.objective.head_width": 10**9},
            "objective.head_width is 1000000000 in its settings, 0 in its weights",
        ),
    ],
)
def test_sizes_that_are_not_those_of_the_weights_are_refused_before_a_model_is_built(saved, changes, says):
    def tamper(header: dict[str, str]) -> None:
        for name, value in changes.items():
            set_in(header, "config", name, value)

    rewrite(saved / MODEL_FILE, tamper)
    message = refusal(lambda: load_model(saved))
    assert says in message
    assert "damaged" in message


def test_a_layer_of_a_high_number_does_not_stand_for_all_before_it(saved):
    path = saved / MODEL_FILE
    tensors = {name.replace("blocks.1.", "blocks.99999."): tensor for name, tensor in load_file(path).items()}
    with safe_open(path, "pt") as file:
        header = dict(file.metadata())
    set_in(header, "config", "model.encoder.num_layers", 10**5)
    save_file(tensors, path, header)
    assert "encoder.num_layers is 100000 in its settings, 2 in its weights" in refusal(lambda: load_model(saved))


@pytest.mark.parametrize(
    "objective",
    [
        {},
        {"pooling": "token", "contrast": "sigmoid"},
        {"local_weight": 0.0},
        {"pairs": ("video-text",)},
        {"heads": "pair", "head_width": 24, "pooling": "attention"},
        {"heads": "modality", "head_kind": "mlp"},
    ],
    ids=["paper", "options", "contrast", "one pair", "heads", "mlp"],
)
@pytest.mark.parametrize("encoder", [{}, {"positions": "learned"}, {"shared": "none"}, {"shared": "audio-video"}])
def test_every_model_that_can_be_built_has_the_sizes_of_its_weights(tokenizer, tmp_path, objective, encoder):
    text = {"vocabulary_size": tokenizer.vocabulary_size}
    config = change(change(tiny_config(**objective), "encoder", **encoder), "text", **text)
    model = checkpoint.build_model(type(tiny_run())(model=config), tokenizer)
    require_stored_sizes(config, model.state_dict(), tokenizer.vocabulary_size, tmp_path)


@pytest.mark.parametrize("dtype", [torch.int64, torch.complex64, torch.bool])
def test_weights_that_are_no_floating_point_numbers_are_refused(saved, dtype):
    path = saved / MODEL_FILE
    with safe_open(path, "pt") as file:
        header = dict(file.metadata())
    save_file(load_file(path) | {"pixel_scale": torch.ones(2).to(dtype)}, path, header)
    assert "pixel_scale holds no floating-point numbers" in refusal(lambda: load_model(saved))


HOSTILE_VALUES = [
    None, True, -1, 0, 3, 10**9, 10**400, -(10**9), 0.5, float("nan"), float("inf"), 1e308, "", "a" * 10**5, [], [[]],
    {}, {"a": {"b": 1}}, [0.9], [10**9, 10**9], eval("[" * 80 + "]" * 80),
]  # fmt: skip


def test_whatever_a_field_of_the_settings_holds_it_loads_or_is_one_line(saved):
    """Every field with a few of the values; the first 12 also catch a group of settings in place of a value."""
    path = saved / MODEL_FILE
    original = path.read_bytes()
    draw = random.Random(0)
    names = [*flat(to_dict(tiny_run())), "model", "model.encoder", "train", "compute"]
    for name in names:
        for value in draw.sample(HOSTILE_VALUES, 3):
            path.write_bytes(original)
            rewrite(path, lambda header, name=name, value=value: set_in(header, "config", name, value))
            try:
                load_model(saved)
            except CheckpointError as error:
                assert "\n" not in str(error) and len(str(error)) < 1000, name


@pytest.mark.parametrize(
    "text", ["[" * 10**5, '{"model":' * 10**5, '{"recipe":' + "[" * 900 + "]" * 900 + "}", "1" * 5000]
)
def test_nested_settings_are_one_line(saved, text):
    rewrite(saved / MODEL_FILE, lambda header: header.update(config=text))
    refusal(lambda: load_model(saved))


@pytest.mark.parametrize("name", ["format", "version", "tokenizer", "config", "step", "rows"])
@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "[[1]]", '{"a": 1}', "9" * 5000, "\x1b[2J\n", "[" * 10**5])
def test_whatever_an_entry_of_the_header_holds_it_loads_or_is_one_line(saved, name, text):
    rewrite(saved / MODEL_FILE, lambda header: header.update({name: text}))
    try:
        load_model(saved)
    except CheckpointError as error:
        assert len(str(error)) < 1000


@pytest.mark.parametrize(
    "place", ["ab", [0], [0, 1, 2], [-5, 100], [0, 10**12], ["0", "1"], [0.0, 1.0], [True, 3], 7, None, [3, 2]]
)
@pytest.mark.parametrize("file", [MODEL_FILE, TRAINING_FILE])
def test_rows_that_no_part_has_are_refused(saved, file, place):
    name = next(name for name in load_file(saved / file) if name.endswith("embedding.text.weight"))
    rewrite(saved / file, lambda header: header.update(rows=json.dumps({name: place})))
    model, optimizer = None, None
    if file == TRAINING_FILE:
        model, _, config = load_model(saved)
        optimizer = build_optimizer(model, config)
    action = (lambda: load_model(saved)) if model is None else lambda: checkpoint.load_training(saved, model, optimizer)
    assert "damaged" in refusal(action)


# --- the tokenizer


def grow(times: int) -> dict[str, Any]:
    replaces = [{"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaa"} for _ in range(times)]
    return {"type": "Sequence", "normalizers": replaces}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("normalizer", grow(30)),
        ("normalizer", None),
        ("pre_tokenizer", {"type": "Whitespace"}),
        ("decoder", {"type": "Sequence", "decoders": []}),
        (
            "padding",
            {"strategy": {"Fixed": 10**9}, "direction": "Right", "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
        ),
        ("post_processor", None),
        ("post_processor.special_tokens.[CLS].ids", [10**9]),
        ("post_processor.special_tokens.[CLS].ids", [2] * 1000),
        ("post_processor.single", [{"Sequence": {"id": "A", "type_id": 0}}] * 1000),
        ("model.vocab.a", 10**9),
        ("model.unk_token", "no such token"),
        ("model", {"type": "WordLevel", "vocab": {}, "unk_token": "[UNK]"}),
        ("added_tokens.0.id", 10**9),
        ("added_tokens", None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_tokenizer_of_other_parts_than_bert_s_or_with_ids_beyond_its_size_is_refused(saved, place, value):
    rewrite(saved / MODEL_FILE, lambda header: set_in(header, "tokenizer", place, value))
    assert "not a tokenizer" in refusal(lambda: load_model(saved))


def test_a_vocabulary_with_a_token_twice_is_refused(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cat", "dog", "cat"]))
    assert "7 different tokens with ids up to 7" in refusal(lambda: Tokenizer.from_vocabulary(path))


def test_a_tokenizer_comes_back_as_it_was(tokenizer):
    for one in (tokenizer, Tokenizer.of_size(20)):
        assert Tokenizer.from_json(one.to_json(), "here").to_json() == one.to_json()


# --- pipes and devices


@pytest.mark.parametrize("name", [MODEL_FILE, TRAINING_FILE])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_only_regular_files_are_read(saved, name, kind):
    model, _, config = load_model(saved)
    path = saved / name
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    run = saved.parents[1]
    if name == TRAINING_FILE:
        optimizer = build_optimizer(model, config)
        refusal(lambda: checkpoint.load_training(saved, model, optimizer))
    else:
        for path in (run, saved, saved / name):
            refusal(lambda path=path: load_model(path))
            refusal(lambda path=path: start_from(path))
    with pytest.raises(CheckpointError):
        pretrain(tiny_run(num_steps=1), tiny_source(), run)


def test_pipes_in_the_folder_of_a_run_are_not_waited_for(saved):
    run = saved.parents[1]
    for name in ("config.json", "trackers.json"):
        os.mkfifo(run / name)
    assert pretrain(tiny_run(num_steps=1), tiny_source(), run).finished
    (run / "metrics.jsonl").unlink()
    os.mkfifo(run / "metrics.jsonl")
    with pytest.raises(OSError, match="not a regular file"):
        read_metrics(run)
