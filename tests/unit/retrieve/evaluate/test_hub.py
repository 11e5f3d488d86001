"""A run as a repository of the hub: written, read back by the library's own rules, uploaded."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch
from command_lines import ROOT, call
from huggingface_hub import constants
from local_hub import COMMIT, local_hub
from tiny import make_model, tiny_clips, tiny_store

import vlsa
from vlsa.base.errors import CheckpointError, ConfigError, ResultsError, VlsaError
from vlsa.config import Config
from vlsa.pretrain import checkpoint, sharded_files
from vlsa.pretrain.checkpoint import TrainingState
from vlsa.retrieve.evaluate.evaluate import evaluate_store
from vlsa.retrieve.evaluate.hub import OWN_FILES, HubEncoder


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
    sentence_transformers = {"modules.json", "config_sentence_transformers.json"}
    assert names - sentence_transformers == {
        constants.CONFIG_NAME,
        constants.SAFETENSORS_SINGLE_FILE,
        "tokenizer.json",
        constants.REPOCARD_NAME,
    }
    assert names == {*OWN_FILES}
    assert json.loads((tmp_path / "hub" / "config.json").read_text(encoding="utf-8"))["model_type"] == "vlsa"
    run, read_back = vlsa.load(run_path), vlsa.load(f"vlsa:{tmp_path}/hub")
    assert run.fingerprint == read_back.fingerprint
    clips = tiny_clips(2)
    np.testing.assert_array_equal(run.encode_video(clips), read_back.encode_video(clips))


@pytest.fixture(scope="module")
def results(run_path, tmp_path_factory) -> Path:
    """A file of `vlsa evaluate --out`."""
    folder = tmp_path_factory.mktemp("results")
    store = tiny_store(folder / "store", tiny_clips(4), tiny_clips(4, "test", seed=1))
    evaluate_store(vlsa.load(run_path), store, num_resamples=0).write(folder / "results.json")
    return folder / "results.json"


def test_a_model_written_by_the_mixin_is_read_back_with_the_vectors_and_the_files_of_the_command(run_path, tmp_path):
    encoder = vlsa.HubEncoder.from_pretrained(run_path)
    assert encoder.save_pretrained(tmp_path / "hub") is None
    call(f"vlsa export hub {run_path} --out {tmp_path}/command")
    for name in OWN_FILES[1:]:
        assert (tmp_path / "hub" / name).read_bytes() == (tmp_path / "command" / name).read_bytes(), name
    read_back = vlsa.HubEncoder.from_pretrained(tmp_path / "hub")
    assert read_back.settings == encoder.settings
    weights, _, header = sharded_files.read(tmp_path / "hub" / OWN_FILES[0])
    others, _, other_header = sharded_files.read(tmp_path / "command" / OWN_FILES[0])
    assert (header, weights.keys()) == (other_header, others.keys())
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    assert read_back.fingerprint == vlsa.load(run_path).fingerprint
    np.testing.assert_array_equal(read_back.encode_text(["a bell"]), vlsa.load(run_path).encode_text(["a bell"]))


def test_weights_that_were_changed_in_memory_are_those_that_are_written(run_path, tmp_path):
    encoder = vlsa.HubEncoder.from_pretrained(run_path)
    before = encoder.encode_text(["a bell"])
    with torch.no_grad():
        for parameter in encoder.model.encoder.parameters():
            parameter.mul_(-1.5)
    changed = encoder.encode_text(["a bell"])
    assert np.abs(changed - before).max() > 0.01
    encoder.save_pretrained(tmp_path / "hub")
    np.testing.assert_array_equal(vlsa.load(f"vlsa:{tmp_path}/hub").encode_text(["a bell"]), changed)
    assert vlsa.load(f"vlsa:{tmp_path}/hub").fingerprint != vlsa.load(run_path).fingerprint


def test_the_encoder_of_load_gets_the_methods_of_the_hub_and_stays_what_it_is(run_path, tmp_path):
    encoder = vlsa.load(run_path)
    hub_encoder = HubEncoder.of(encoder)
    assert isinstance(hub_encoder, huggingface_hub.ModelHubMixin)
    assert hub_encoder.about == encoder.about
    assert hub_encoder.with_sampling(encoder.sampling).fingerprint == encoder.fingerprint
    hub_encoder.save_pretrained(tmp_path / "hub")
    assert vlsa.load(f"vlsa:{tmp_path}/hub").fingerprint == encoder.fingerprint


def test_the_card_is_one_that_the_hub_reads_and_holds_the_results(run_path, results, tmp_path):
    HubEncoder.from_pretrained(run_path).save_pretrained(tmp_path / "hub", model_card_kwargs={"results": results})
    card = huggingface_hub.ModelCard.load(tmp_path / "hub" / "README.md")
    assert card.data.library_name == "vlsa"
    assert "Retrieval on split `test`, 4 clips." in card.text
    assert "It compares video, audio and text in one space: vectors of" in card.text
    scores = json.loads(results.read_text(encoding="utf-8"))["directions"]["text_to_audio"]
    assert f"| text → audio | {100 * scores['r1']:.1f} | {100 * scores['r5']:.1f} |" in card.text
    metrics = {metric.metric_name: metric for metric in card.data.eval_results}
    assert metrics["text → audio R@1 %"].metric_value == pytest.approx(100 * scores["r1"], abs=0.01)
    assert metrics["text → audio R@1 %"].dataset_name == "store"  # not where it lies on this machine


def test_a_card_that_somebody_edited_keeps_every_word_when_results_are_replaced_in_it(run_path, results, tmp_path):
    encoder, card = HubEncoder.from_pretrained(run_path), tmp_path / "hub" / "README.md"
    encoder.save_pretrained(tmp_path / "hub")
    text = (
        card.read_text(encoding="utf-8").replace("---\n", "---\nlicense: cc0-1.0\n", 1).replace("# VLSA", "# Birds", 1)
    )
    card.write_text(text + "Of *my* garden.\n\n## Results\n\nThe cat was loud.\n", encoding="utf-8")
    edited = card.read_text(encoding="utf-8")
    encoder.save_pretrained(tmp_path / "hub", model_card_kwargs={"results": None})
    assert card.read_text(encoding="utf-8") == edited
    for _ in range(2):
        encoder.save_pretrained(tmp_path / "hub", model_card_kwargs={"results": results})
        loaded = huggingface_hub.ModelCard.load(card)
        assert (loaded.data.license, len(loaded.data.eval_results) > 0) == ("cc0-1.0", True)
        before, _, after = loaded.text.partition("Retrieval on split `test`, 4 clips.")
        assert before == huggingface_hub.ModelCard(edited).text.partition("No results are recorded.")[0]
        assert after.partition("Of *my*")[2] == " garden.\n\n## Results\n\nThe cat was loud.\n"


def test_a_card_without_its_table_gets_one_and_one_that_cannot_be_read_is_left_alone(run_path, results, tmp_path):
    encoder, card = HubEncoder.from_pretrained(run_path), tmp_path / "hub" / "README.md"
    encoder.save_pretrained(tmp_path / "hub")
    card.write_text("# Mine\n", encoding="utf-8")
    encoder.save_pretrained(tmp_path / "hub", model_card_kwargs={"results": results})
    assert card.read_text(encoding="utf-8").partition("# Mine\n\n## Results\n\nRetrieval on split")[1]
    card.write_text("---\n: : [\n---\n# Mine\n", encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"README\.md: its metadata cannot be read"):
        encoder.save_pretrained(tmp_path / "hub", model_card_kwargs={"results": results})
    assert card.read_text(encoding="utf-8") == "---\n: : [\n---\n# Mine\n"


def test_results_that_are_none_leave_nothing_behind(run_path, tmp_path):
    (tmp_path / "results.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ResultsError):
        HubEncoder.from_pretrained(run_path).save_pretrained(
            tmp_path / "hub", model_card_kwargs={"results": tmp_path / "results.json"}
        )
    assert not (tmp_path / "hub").exists()


def test_results_of_another_model_are_not_put_on_a_card(run_path, results, config, tokenizer, tmp_path):
    other = make_model(config, tokenizer)
    with torch.no_grad():
        next(other.parameters()).add_(1)
    encoder = HubEncoder(other, tokenizer)
    own = HubEncoder.from_pretrained(run_path)
    told = rf"results\.json: of another model \(fingerprint {own.fingerprint}, not {encoder.fingerprint}\)"
    with pytest.raises(ResultsError, match=told):
        encoder.save_pretrained(tmp_path / "hub", model_card_kwargs={"results": results})
    assert not (tmp_path / "hub").exists()
    encoder.save_pretrained(tmp_path / "hub")
    before = {path: path.read_bytes() for path in (tmp_path / "hub").iterdir()}
    with pytest.raises(ResultsError, match=told):
        encoder.save_pretrained(tmp_path / "hub", model_card_kwargs={"results": results})
    with pytest.raises(ResultsError, match=told):
        encoder.generate_model_card(results=results)
    assert before == {path: path.read_bytes() for path in (tmp_path / "hub").iterdir()}


def test_a_folder_of_other_things_is_not_written_to(run_path, tmp_path):
    for name in ("notes.txt", "config.json"):
        (tmp_path / name).write_text("mine", encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"notes\.txt is in it"):
        HubEncoder.from_pretrained(run_path).save_pretrained(tmp_path)
    assert (tmp_path / "config.json").read_text(encoding="utf-8") == "mine"


def test_an_upload_holds_what_is_written_and_a_hub_id_reads_it_back(run_path, results, tmp_path, monkeypatch):
    with local_hub(monkeypatch, str(tmp_path / "cache")) as hub:
        result = call(f"vlsa export hub {run_path} --push org/name --private --results {results}")
        assert result.exit_code == 0, result.output
        assert result.stdout.strip() == f"{constants.ENDPOINT}/org/name/commit/{COMMIT}: uploaded."
        assert hub.created == {"name": "name", "organization": "org", "visibility": "private"}
        assert hub.tokens == {"Bearer a-token"}
        assert set(hub.files) == {*OWN_FILES}
        assert b'vlsa.load("vlsa:org/name")' in hub.files["README.md"]
        downloaded = vlsa.HubEncoder.from_pretrained("org/name")
        assert downloaded.fingerprint == vlsa.load(run_path).fingerprint
    offline = vlsa.HubEncoder.from_pretrained("vlsa:org/name", local_files_only=True)  # the cache of the library
    assert offline.fingerprint == downloaded.fingerprint
    with pytest.raises(ConfigError, match="org/name: no such folder, and the Hugging Face hub does not give it"):
        vlsa.HubEncoder.from_pretrained("org/name", revision="other", local_files_only=True)


def test_a_hub_that_does_not_answer_or_refuses_is_one_line(run_path, tmp_path, monkeypatch):
    encoder = HubEncoder.from_pretrained(run_path)
    with local_hub(monkeypatch, str(tmp_path)) as hub:
        with pytest.raises(VlsaError, match=r"org/other: the hub does not take it \(.*404") as refused:
            encoder.push_to_hub("org/other")
        assert hub.files == {}
    assert "\n" not in str(refused.value)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(VlsaError, match=r"org/name: the hub does not take it \(.*refused") as silent:
            encoder.push_to_hub("org/name")
    assert "\n" not in str(silent.value)


def test_a_repository_without_a_name_is_refused_before_anything_is_sent(run_path):
    with pytest.raises(VlsaError, match="not a name: the hub does not take it .*check the name"):
        HubEncoder.from_pretrained(run_path).push_to_hub("not a name")


def test_importing_the_package_or_loading_a_run_does_not_import_the_library_of_the_hub():
    code = "import sys, vlsa; vlsa.load, vlsa.VLSA, vlsa.Index; print('huggingface_hub' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_without_the_library_of_the_hub_one_line_says_how_to_get_it():
    code = """
import sys
sys.modules["huggingface_hub"] = None
import vlsa
try:
    vlsa.HubEncoder
except vlsa.VlsaError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        "huggingface_hub: not installed; no repository of the hub can be written. pip install '.[public]'"
    )


def test_without_a_place_nothing_is_written(run_path):
    result = call(f"vlsa export hub {run_path}")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
