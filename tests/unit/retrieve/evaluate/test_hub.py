"""A run as a repository of the hub: written, read back by the library's own rules, uploaded."""

import json
import shutil
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch
from command_lines import call
from huggingface_hub import constants
from tiny import make_model, tiny_clips, tiny_store

import vlsa
from vlsa.base.errors import CheckpointError, ResultsError, VlsaError
from vlsa.config import Config
from vlsa.pretrain import checkpoint
from vlsa.pretrain.checkpoint import TrainingState
from vlsa.retrieve.evaluate.evaluate import evaluate_store
from vlsa.retrieve.evaluate.hub import push_to_hub, save_pretrained


@pytest.fixture(scope="module")
def run_path(config, tokenizer, batch, tmp_path_factory) -> Path:
    """A run of no training."""
    path = tmp_path_factory.mktemp("run")
    model = make_model(config, tokenizer)
    model.calibrate(batch)
    state = TrainingState(step=0, data="none", seconds=0.0)
    checkpoint.save(path, model, torch.optim.AdamW(model.parameters()), tokenizer, Config(model=config), state)
    return path


def test_a_written_repository_has_the_layout_of_the_hub_and_answers_as_the_run(run_path, tmp_path):
    result = call(f"vlsa export hub {run_path} --out {tmp_path}/hub")
    assert result.exit_code == 0, result.output
    assert f"Next: vlsa evaluate vlsa:{tmp_path}/hub --data STORE" in result.stdout
    names = {path.name for path in (tmp_path / "hub").iterdir()}
    assert names == {constants.CONFIG_NAME, constants.SAFETENSORS_SINGLE_FILE, "tokenizer.json", "README.md"}
    assert json.loads((tmp_path / "hub" / "config.json").read_text(encoding="utf-8"))["model_type"] == "vlsa"
    run, read_back = vlsa.load(run_path), vlsa.load(f"vlsa:{tmp_path}/hub")
    assert run.fingerprint == read_back.fingerprint
    clips = tiny_clips(2)
    np.testing.assert_array_equal(run.encode_video(clips), read_back.encode_video(clips))


def test_the_card_is_one_that_the_hub_reads_and_holds_the_results(run_path, tmp_path):
    store = tiny_store(tmp_path / "store", tiny_clips(4), tiny_clips(4, "test", seed=1))
    evaluation = evaluate_store(vlsa.load(run_path), store, num_resamples=0)
    evaluation.write(tmp_path / "results.json")
    save_pretrained(run_path, tmp_path / "hub", results=tmp_path / "results.json")
    card = huggingface_hub.ModelCard.load(tmp_path / "hub" / "README.md")
    assert card.data.library_name == "vlsa"
    assert "Retrieval on split `test`, 4 clips." in card.text
    recall = evaluation.directions["text_to_audio"].scores.recall
    assert f"| text → audio | {100 * recall[1]:.1f} | {100 * recall[5]:.1f} |" in card.text


def test_results_that_are_none_leave_nothing_behind(run_path, tmp_path):
    (tmp_path / "results.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ResultsError):
        save_pretrained(run_path, tmp_path / "hub", results=tmp_path / "results.json")
    assert not (tmp_path / "hub").exists()


def test_a_folder_of_other_things_is_not_written_to(run_path, tmp_path):
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"notes\.txt is in it"):
        save_pretrained(run_path, tmp_path)


def test_an_upload_holds_what_is_written_and_a_hub_id_reads_it_back(run_path, tmp_path, monkeypatch):
    asked = []

    class Hub:
        """Keeps an upload in a folder."""

        def create_repo(self, name: str, **options: object) -> str:
            asked.append((name, options))
            return f"https://huggingface.co/{name}"

        def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> None:
            shutil.copytree(folder_path, tmp_path / repo_id)

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    assert push_to_hub(run_path, "org/name", private=True) == "https://huggingface.co/org/name"
    assert asked == [("org/name", {"private": True, "exist_ok": True})]
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **_options: str(tmp_path / name))
    assert vlsa.load("vlsa:org/name").fingerprint == vlsa.load(run_path).fingerprint


def test_a_repository_without_a_name_is_refused_before_anything_is_sent(run_path):
    with pytest.raises(VlsaError, match="Give ORG/NAME"):
        push_to_hub(run_path, "not a name")


def test_without_a_place_nothing_is_written(run_path):
    result = call(f"vlsa export hub {run_path}")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
