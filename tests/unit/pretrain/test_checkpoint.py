"""Checkpoints: whole, atomic, strict; what is damaged or foreign is one line that says what to do."""

import dataclasses
import hashlib
import json
import os
import resource
import shutil
import signal

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny import generator, tiny_config, tiny_run, tiny_source

from vlsa.base.errors import CheckpointError
from vlsa.config import Config
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.model.vlsa import VLSA
from vlsa.pretrain import checkpoint, sharded_files
from vlsa.pretrain.checkpoint import (
    MODEL_FILE,
    MOMENTS,
    TRAINING_FILE,
    TrainingState,
    build_model,
    checkpoints,
    load_model,
)
from vlsa.pretrain.loop import build_optimizer, pretrain
from vlsa.pretrain.model_fingerprint import model_fingerprint, recorded_fingerprint, verify_fingerprint
from vlsa.retrieve.encode import encoders


@dataclasses.dataclass
class Run:
    """A model after one update, and where its checkpoint lies."""

    model: VLSA
    optimizer: torch.optim.AdamW
    tokenizer: Tokenizer
    config: Config
    path: object

    def save(self, step: int, **kwargs):
        state = TrainingState(step, "abc", 1.5)
        return checkpoint.save(self.path, self.model, self.optimizer, self.tokenizer, self.config, state, **kwargs)


@pytest.fixture
def run(tmp_path, batch, tokenizer) -> Run:
    config = dataclasses.replace(tiny_run(), model=tiny_config())
    model = build_model(config, tokenizer)
    model.calibrate(batch)
    optimizer = build_optimizer(model, config)
    model(batch, generator()).total.backward()
    optimizer.step()
    return Run(model, optimizer, tokenizer, config, tmp_path / "run")


def rewrite(path, change) -> None:
    """Write a safetensors file anew with its tensors and header changed."""
    with safe_open(path, "pt") as file:
        header = dict(file.metadata())
    tensors = load_file(path)
    change(tensors, header)
    save_file(tensors, path, header)


def message_of(action) -> str:
    with pytest.raises(CheckpointError) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- there and back


def reference_fingerprint(run: Run) -> str:
    """As version 0.3 computed it at each search."""
    settings = dataclasses.asdict(run.config.model)
    pair_weights = [f"{pair.replace('-', '_')}_weight" for pair in run.config.model.objective.pair_weights]
    for name in ("heads", "head_kind", "head_width", *pair_weights, "teacher_weight", "pair_temperatures"):  # since 0.5
        del settings["objective"][name]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    digest.update(run.tokenizer.to_json().encode())
    for name, weight in sorted(run.model.state_dict().items()):
        digest.update(name.encode() + weight.numpy().tobytes())
    return digest.hexdigest()[:16]


def test_the_fingerprint_of_a_model_of_version_0_4_stays_as_that_version_computed_it():
    tokenizer = Tokenizer.train(["a bell rings twice"], 60)
    weights = {"heads.tokens": torch.zeros(3, 4), "x": torch.ones(2)}  # there matching.tokens
    assert model_fingerprint(tiny_config(pooling="token"), tokenizer, weights) == "c4311556d3cc84a5"
    others = [tiny_config(pooling="token", heads=heads) for heads in ("modality", "pair")]
    assert len({model_fingerprint(one, tokenizer, weights) for one in others} | {"c4311556d3cc84a5"}) == 3


def test_a_run_of_version_0_4_with_global_tokens_resumes_and_answers_the_same(tmp_path):
    config = tiny_run(num_steps=4, checkpoint_every_steps=2)
    objective = dataclasses.replace(config.model.objective, pooling="token")
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, objective=objective))
    for name, num_steps in (("whole", 4), ("old", 2)):
        steps = dataclasses.replace(config, train=dataclasses.replace(config.train, num_steps=num_steps))
        pretrain(steps, tiny_source(), tmp_path / name)
    for file, kinds in ((MODEL_FILE, [""]), (TRAINING_FILE, [f"{kind}/" for kind in MOMENTS])):

        def as_before(tensors, _header, kinds=kinds):
            for kind in kinds:
                tensors[f"{kind}matching.tokens"] = tensors.pop(f"{kind}heads.tokens")

        rewrite(checkpoints(tmp_path / "old")[-1] / file, as_before)
    pretrain(config, tiny_source(), tmp_path / "old", allow_changes=True)
    one, other = (load_model(tmp_path / name)[0].state_dict() for name in ("whole", "old"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_checkpoint_records_the_fingerprint_of_its_weights_settings_and_vocabulary(run):
    path = run.save(1) / MODEL_FILE
    assert recorded_fingerprint(path) == encoders.load_run(run.path).fingerprint == reference_fingerprint(run)
    rewrite(path, lambda _, header: header.pop("fingerprint"))
    assert recorded_fingerprint(path) is None  # version 0.3
    assert encoders.load_run(run.path).fingerprint == reference_fingerprint(run)
    assert verify(path) == reference_fingerprint(run)


def test_weights_that_are_not_those_of_the_recorded_fingerprint_are_found_when_asked(run):
    path = run.save(1) / MODEL_FILE
    assert verify(path) == reference_fingerprint(run)
    rewrite(path, lambda tensors, _: tensors["matching.log_scale"].add_(1e-6))
    assert f"it records the fingerprint {reference_fingerprint(run)}, its" in message_of(lambda: verify(path))


def verify(path) -> str:
    model, tokenizer, config = load_model(path)
    return verify_fingerprint(path, config.model, tokenizer, model.state_dict())


def test_a_model_to_be_loaded_is_built_without_drawing_random_weights(run):
    before = torch.get_rng_state()
    with checkpoint._NothingDrawn():
        VLSA(run.config.model, run.model.special_tokens)
    assert torch.equal(before, torch.get_rng_state())


def test_model_tokenizer_and_settings_come_back(run, batch):
    run.save(7)
    model, tokenizer, config = load_model(run.path)
    assert config == run.config
    assert tokenizer.to_json() == run.tokenizer.to_json()
    assert model.state_dict().keys() == run.model.state_dict().keys()
    for name, value in run.model.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name
    assert torch.equal(model.encode_audio(batch), run.model.encode_audio(batch))


def test_a_run_a_checkpoint_and_a_model_file_all_load(run, tmp_path):
    folder = run.save(7)
    alone = tmp_path / "copied.safetensors"
    alone.write_bytes((folder / MODEL_FILE).read_bytes())
    for path in (run.path, str(run.path), folder, folder / MODEL_FILE, alone):
        assert torch.equal(load_model(path)[0].matching.log_scale, run.model.matching.log_scale)


def test_an_update_after_loading_equals_one_without(run, batch):
    folder = run.save(1)
    model, _, config = load_model(folder)
    optimizer = build_optimizer(model, config)
    state = checkpoint.load_training(folder, model, optimizer)
    assert state == TrainingState(1, "abc", 1.5)
    for one, stepped in ((run.model, run.optimizer), (model, optimizer)):
        stepped.zero_grad()
        one(batch, generator(2)).total.backward()
        stepped.step()
    assert all(torch.equal(run.model.state_dict()[name], value) for name, value in model.state_dict().items())


def test_a_fresh_model_follows_from_the_seed_and_leaves_the_global_state(run):
    before = torch.get_rng_state()
    first, again = build_model(run.config, run.tokenizer), build_model(run.config, run.tokenizer)
    other_seed = dataclasses.replace(run.config, train=dataclasses.replace(run.config.train, seed=1))
    other = build_model(other_seed, run.tokenizer)
    assert torch.equal(first.embedding.text.weight, again.embedding.text.weight)
    assert not torch.equal(first.embedding.text.weight, other.embedding.text.weight)
    assert torch.equal(before, torch.get_rng_state())


# --- retention and atomicity


def test_the_newest_two_are_kept_and_the_last_one_is_loaded(run):
    for step in (9, 10, 100):
        run.save(step)
    assert [path.name for path in checkpoints(run.path)] == ["step-00000010", "step-00000100"]
    run.save(101, num_kept=1)
    assert [path.name for path in checkpoints(run.path)] == ["step-00000101"]


@pytest.mark.parametrize("name", ["step-00000001 (copy)", "step-00000001-good", "step-9"])
def test_a_copy_of_a_checkpoint_by_another_name_is_neither_loaded_as_the_newest_nor_removed(run, name):
    copy = shutil.copytree(run.save(1), run.path / "checkpoints" / name)
    for step in (2, 3, 4):
        run.save(step)
    assert [path.name for path in checkpoints(run.path)] == ["step-00000003", "step-00000004"]
    assert checkpoint.model_file(run.path).parent.name == "step-00000004"
    assert load_model(copy)[2] == run.config


def test_what_a_kill_left_half_written_is_ignored_and_replaced(run):
    run.save(1)
    half = run.path / "checkpoints" / "step-00000002.partial"
    half.mkdir()
    (half / MODEL_FILE).write_bytes(b"half")
    assert [path.name for path in checkpoints(run.path)] == ["step-00000001"]
    run.save(2)
    assert not half.exists()
    assert load_model(run.path)[2] == run.config


def test_saving_a_step_again_replaces_it(run):
    run.save(3)
    with torch.no_grad():
        run.model.matching.log_scale.fill_(1.0)
    run.save(3)
    assert load_model(run.path)[0].matching.log_scale == 1.0


def test_a_full_disk_is_one_line_and_the_checkpoint_before_stays(run):
    run.save(1)
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        message = message_of(lambda: run.save(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert "step-00000002: could not be written" in message
    assert "Free some space" in message
    assert [path.name for path in checkpoints(run.path)] == ["step-00000001"]
    load_model(run.path)


def test_a_disk_that_gives_back_other_bytes_is_found(run, monkeypatch):
    def lying(tensors, path, header):
        wrong = {name: tensor + 1 for name, tensor in tensors.items()}
        save_file(wrong, path, header)

    monkeypatch.setattr(sharded_files, "save_file", lying)
    assert "the disk gave back other bytes" in message_of(lambda: run.save(1))
    assert checkpoints(run.path) == []


def test_a_disk_that_changes_a_tensor_is_found_even_where_that_is_no_number(run, monkeypatch):
    """A value that is not a number equals nothing, itself neither: the bits have to be compared."""

    def lying(tensors, path, header):
        save_file({name: t + 1 if t.isnan().any() else t for name, t in tensors.items()}, path, header)

    with torch.no_grad():
        next(run.model.parameters()).view(-1)[0] = torch.nan
    run.save(1)
    monkeypatch.setattr(sharded_files, "save_file", lying)
    assert "the disk gave back other bytes" in message_of(lambda: run.save(2))


# --- what is damaged or foreign


def test_a_path_that_is_not_utf_8_is_told_and_not_called_damaged(run, tmp_path):
    odd = tmp_path / os.fsdecode(b"\xff")
    run.save(7)
    shutil.copytree(run.path, odd)
    with pytest.raises(CheckpointError, match="its name is not UTF-8") as caught:
        load_model(odd)
    assert "Delete" not in str(caught.value)


def test_a_run_whose_newest_checkpoint_lacks_its_weights_is_damaged_and_not_missing(run):
    run.save(1)
    newest = run.save(2)
    (newest / "model.safetensors").unlink()
    told = message_of(lambda: load_model(run.path))
    assert told.startswith(f"{newest}: damaged or cut short (no model.safetensors in it)")
    assert f"Delete the folder {newest}" in told


@pytest.mark.parametrize(("name", "what"), [("store.json", "a store of clips"), ("index.json", "an index")])
def test_another_folder_given_for_a_run_is_called_what_it_is(tmp_path, name, what):
    (tmp_path / name).write_text("{}")
    told = message_of(lambda: load_model(tmp_path))
    assert told == f"{tmp_path}: is {what}, and no run; there is no model in it. Give the folder of a run."


def test_a_missing_run_says_how_to_make_one(tmp_path):
    assert "no such run" in message_of(lambda: load_model(tmp_path / "none"))
    assert "no checkpoint in it yet; " in message_of(lambda: load_model(tmp_path))
    assert "vlsa pretrain" in message_of(lambda: load_model(tmp_path))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.999])
def test_a_file_cut_short_is_told_with_the_way_back(run, share):
    path = run.save(1) / MODEL_FILE
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    message = message_of(lambda: load_model(run.path))
    assert f"{path}: damaged or cut short" in message
    assert f"Delete the folder {path.parent}" in message


@pytest.mark.parametrize("content", [b"hello", b"\x80\x04." * 100, bytes(1000)])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    message = message_of(lambda: load_model(path))
    assert "damaged or cut short" in message
    assert "Delete" not in message  # its folder is none of ours


def test_a_foreign_safetensors_file_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    for header in (None, {"format": "pt"}):
        save_file({"weight": torch.zeros(3)}, path, header)
        assert "no VLSA model in it" in message_of(lambda: load_model(path))


def test_another_version_is_refused(run):
    path = run.save(1) / MODEL_FILE
    rewrite(path, lambda tensors, header: header.update(version="99"))
    assert "version 99 of the format, this vlsa reads 2" in message_of(lambda: load_model(path))


def test_settings_that_this_version_does_not_have_are_named(run):
    path = run.save(1) / MODEL_FILE

    def add_setting(tensors, header):
        header["config"] = json.dumps(json.loads(header["config"]) | {"colour": "red"})

    rewrite(path, add_setting)
    assert "settings that this vlsa does not have (colour: no such setting." in message_of(lambda: load_model(path))


def test_a_damaged_tokenizer_is_told(run):
    path = run.save(1) / MODEL_FILE
    rewrite(path, lambda tensors, header: header.update(tokenizer="{}"))
    assert "not a tokenizer" in message_of(lambda: load_model(path))


@pytest.mark.parametrize("damage", ["missing", "extra", "reshaped"])
def test_loading_is_strict_and_names_a_weight(run, damage):
    path, name = run.save(1) / MODEL_FILE, "encoder.towers.video_audio_text.blocks.1.mlp.0.bias"

    def change(tensors, header):
        if damage == "missing":
            del tensors[name]
        elif damage == "extra":
            tensors["surplus"] = torch.zeros(3)
        else:
            tensors[name] = torch.zeros(5)

    rewrite(path, change)
    message = message_of(lambda: load_model(path))
    assert "1 weights do not fit the model" in message
    assert ("surplus" if damage == "extra" else name) in message


def test_moments_that_are_missing_cut_or_of_another_model_are_refused(run):
    folder = run.save(1)
    path = folder / TRAINING_FILE
    load = lambda: checkpoint.load_training(folder, run.model, run.optimizer)  # noqa: E731
    rewrite(path, lambda tensors, header: tensors.pop("exp_avg/encoder.towers.video_audio_text.norm.weight"))
    assert "moments of another model" in message_of(load)
    path.write_bytes(path.read_bytes()[:1000])
    assert "damaged or cut short" in message_of(load)
    path.unlink()
    assert "damaged or cut short" in message_of(load)


@pytest.mark.parametrize("text", [None, "{", "[]", "null"])
def test_a_header_without_settings_is_told(run, text):
    path = run.save(1) / MODEL_FILE
    rewrite(path, lambda tensors, header: header.pop("config") if text is None else header.update(config=text))
    assert "no settings in its header" in message_of(lambda: load_model(path))


@pytest.mark.parametrize(("name", "says"), [("version", "version None"), ("tokenizer", "not a tokenizer")])
def test_a_header_that_lacks_something_is_told(run, name, says):
    path = run.save(1) / MODEL_FILE
    rewrite(path, lambda tensors, header: header.pop(name))
    assert says in message_of(lambda: load_model(path))


@pytest.mark.parametrize(
    "damage",
    [
        {"step": "x"},
        {"step": "-1"},
        {"step": "9" * 400},
        {"seconds": "x"},
        {"seconds": "inf"},
        {"first_loss": "nan"},
    ],
)
def test_a_training_header_that_cannot_be_is_told(run, damage):
    folder = run.save(1)
    rewrite(folder / TRAINING_FILE, lambda tensors, header: header.update(damage))
    told = message_of(lambda: checkpoint.load_training(folder, run.model, run.optimizer))
    assert "damaged" in told and str(folder) in told


def test_moments_of_another_shape_are_refused(run):
    folder = run.save(1)
    name = "exp_avg/encoder.towers.video_audio_text.norm.weight"
    rewrite(folder / TRAINING_FILE, lambda tensors, header: tensors.update({name: torch.zeros(1)}))
    told = message_of(lambda: checkpoint.load_training(folder, run.model, run.optimizer))
    assert "moments of another model" in told


def test_a_checkpoint_without_its_model_shows_the_way_back(run):
    folder = run.save(1)
    (folder / MODEL_FILE).unlink()
    assert f"Delete the folder {folder}" in message_of(lambda: load_model(folder))


def test_weights_and_moments_of_two_saves_are_told(run):
    first, second = run.save(1), run.save(2)
    shutil.copy(first / MODEL_FILE, second)
    told = message_of(lambda: checkpoint.load_training(second, run.model, run.optimizer))
    assert "weights of step 1, moments of step 2" in told and f"Delete the folder {second}" in told


def test_a_checkpoint_whose_folder_was_renamed_is_told(run):
    folder = run.save(1)
    renamed = folder.rename(folder.with_name("step-00000009"))
    told = message_of(lambda: checkpoint.load_training(renamed, run.model, run.optimizer))
    assert "moments of step 1, folder step-00000009" in told


def test_weights_saved_before_their_header_had_a_step_go_on(run):
    folder = run.save(1)
    rewrite(folder / MODEL_FILE, lambda tensors, header: header.pop("step"))
    assert checkpoint.load_training(folder, run.model, run.optimizer).step == 1


def test_drawing_fresh_weights_touches_no_gpu(monkeypatch, tokenizer):
    """Weights are drawn on the CPU: the generators of two GPUs are neither copied (slow, with a warning) nor seeded."""

    def touched(*_args, **_kwargs):
        raise AssertionError("a generator of a GPU")

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name in ("get_rng_state", "set_rng_state", "manual_seed_all"):
        monkeypatch.setattr(torch.cuda, name, touched)
    before = torch.get_rng_state()
    first, second = (build_model(tiny_run(), tokenizer).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(torch.get_rng_state(), before)
