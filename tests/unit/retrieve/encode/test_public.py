"""Names, folders and errors of public encoders; their numbers are in tests/parity/test_public_encoders.py."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import public_encoders as public
import pytest
from command_lines import call

import vlsa
from vlsa.base.errors import CheckpointError, ConfigError, StoreError, VlsaError
from vlsa.data.clip import Clip
from vlsa.retrieve.encode.public import files, known
from vlsa.retrieve.encode.public.names import EncoderName, absolute, parse
from vlsa.retrieve.encode.sampling import Sampling
from vlsa.retrieve.index.query import text_vector


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("public")
    for name in ("clip", "clap"):
        getattr(public, name)(place / name)
    return place


@pytest.fixture
def folder(written, tmp_path, monkeypatch) -> Path:
    """A copy of the two, with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(written, tmp_path / "public")
    return tmp_path / "public"


def refused(error: type[VlsaError], name: str) -> str:
    with pytest.raises(error) as caught:
        vlsa.load(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_name_is_a_family_and_a_place_and_a_sum_of_them_may_hold_a_plus():
    assert parse("clip:openai/x") == (EncoderName("clip", "openai/x"),)
    assert parse("clip:a+b+clap:c") == (EncoderName("clip", "a+b"), EncoderName("clap", "c"))
    assert parse("run") == parse("runs/a") == ()


def test_a_run_whose_name_looks_like_a_family_stays_a_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip:run").mkdir()
    assert parse("clip:run") == ()


def test_an_unknown_family_names_the_nearest_one():
    assert "Did you mean clip?" in refused(ConfigError, "clipp:folder")


def test_a_name_is_read_alike_from_every_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    assert absolute("clip:a+clap:org/name") == f"clip:{tmp_path}/a+clap:org/name"
    assert absolute("run") == str(tmp_path / "run")


def test_a_checkpoint_of_another_family_is_refused_with_its_own(folder):
    assert f"Use clip:{folder}/clip." in refused(ConfigError, f"clap:{folder}/clip")


def test_two_encoders_of_one_medium_are_refused(folder):
    assert "both encode video" in refused(ConfigError, f"clip:{folder}/clip+clip:{folder}/clip")


def test_pickled_weights_are_refused(folder):
    (folder / "clip" / "model.safetensors").rename(folder / "clip" / "pytorch_model.bin")
    assert "is a pickle" in refused(ConfigError, f"clip:{folder}/clip")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "preprocessor_config.json", "tokenizer.json"])
def test_a_file_that_is_cut_is_one_line(folder, name):
    path = folder / "clip" / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(CheckpointError, f"clip:{folder}/clip")


def test_a_missing_weight_is_not_made_up(folder):
    from safetensors.torch import load_file, save_file

    path = folder / "clip" / "model.safetensors"
    weights = load_file(path)
    del weights["visual_projection.weight"]
    save_file(weights, path, metadata={"format": "pt"})
    assert "visual_projection.weight" in refused(CheckpointError, f"clip:{folder}/clip")


def test_a_hub_id_that_is_not_on_this_disk_is_one_line_that_says_how_to_get_it(monkeypatch):
    import huggingface_hub

    def offline(*_names: object, **_options: object) -> str:
        raise huggingface_hub.errors.LocalEntryNotFoundError("Cannot find it on the disk. Traffic is disabled.")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    assert "`hf download openai/nothing`" in refused(ConfigError, "clip:openai/nothing")


def test_fingerprints_follow_content_and_not_the_place(folder, tmp_path):
    shutil.copytree(folder / "clip", tmp_path / "moved")
    first, moved = (vlsa.load(f"clip:{place}").fingerprint for place in (folder / "clip", tmp_path / "moved"))
    assert first == moved
    settings = json.loads((tmp_path / "moved" / "preprocessor_config.json").read_text(encoding="utf-8"))
    settings["image_mean"] = [0.4, 0.4, 0.4]
    (tmp_path / "moved" / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    assert vlsa.load(f"clip:{tmp_path}/moved").fingerprint != first


def test_the_digest_of_a_large_file_is_computed_once_and_again_when_it_changes(folder, monkeypatch):
    monkeypatch.setattr(files, "SMALL_BYTES", 0)
    checkpoint, read = files.find(EncoderName("clip", str(folder / "clip"))), []
    sha256 = files._sha256
    monkeypatch.setattr(files, "_sha256", lambda path: read.append(path.name) or sha256(path))
    first = checkpoint.digest()
    assert "model.safetensors" in read
    read.clear()
    assert (checkpoint.digest(), read) == (first, [])
    os.utime(folder / "clip" / "model.safetensors", (1, 1))
    assert (checkpoint.digest(), read) == (first, ["model.safetensors"])


def test_sound_of_another_rate_is_refused_with_the_rate_that_is_needed(folder):
    clip = Clip(id="c", source="", start_seconds=0, stop_seconds=1, sound=np.ones(100, np.float32), sample_rate_hz=100)
    with pytest.raises(StoreError, match="--sample-rate 8000"):
        vlsa.load(f"clap:{folder}/clap").encode_audio([clip])


def test_a_medium_without_a_space_is_refused(folder):
    with pytest.raises(VlsaError, match="compares video-text alone; audio has no vector"):
        vlsa.load(f"clip:{folder}/clip").encode_audio([])


def test_words_are_counted_as_far_as_they_fit(folder):
    encoder = vlsa.load(f"clip:{folder}/clip")
    assert encoder.coverage("A dog, twice!").known == ("A", "dog", "twice")
    long = encoder.coverage("dog " * 100)
    assert (long.num_words, long.num_used) == (100, 38)  # 40 tokens, of which two are special


def test_text_without_spaces_is_cut_with_a_note_and_emoji_are_words(folder, caplog):
    encoder = vlsa.load(f"clip:{folder}/clip")
    han = encoder.coverage("一" * 200)
    assert (han.num_words, han.num_used, han.unknown) == (200, 12, ())  # of 38 tokens three bytes each
    one = encoder.coverage("a" * 300 + " dog")
    assert (one.known, one.num_words) == (("a" * 38,), 3)
    assert encoder.coverage("🐶 🎉").known == ("🐶", "🎉") and encoder.coverage("?! ...").known == ()
    assert text_vector("一" * 200, encoder).any()
    assert "the question has 200 words; only the first 12 fit" in caplog.text


def test_a_word_of_which_every_piece_is_unknown_is_unknown(tmp_path):
    public.siglip(tmp_path / "siglip")
    encoder = vlsa.load(f"siglip:{tmp_path}/siglip")
    assert (encoder.coverage("dog 一 ☃").known, encoder.coverage("dog 一 ☃").unknown) == (("dog",), ("一", "☃"))


def test_sampling_is_part_of_what_an_encoder_says_of_itself(folder):
    encoder = vlsa.load(f"clip:{folder}/clip+clap:{folder}/clap").with_sampling(Sampling(num_windows=2))
    assert encoder.about["sampling"]["num_windows"] == encoder.window.sampling.num_windows == 2
    assert encoder.about["run"] == f"clip:{folder}/clip+clap:{folder}/clap"


def test_the_list_has_what_is_known_and_what_lies_on_this_disk(folder, tmp_path, monkeypatch):
    import huggingface_hub

    cache, commit = tmp_path / "hub" / "models--some--clap", "a" * 40
    shutil.copytree(folder / "clap", cache / "snapshots" / commit)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(commit, encoding="utf-8")
    scan = huggingface_hub.scan_cache_dir
    monkeypatch.setattr(huggingface_hub, "scan_cache_dir", lambda: scan(tmp_path / "hub"))
    lines = [json.loads(line) for line in call("vlsa encoders --json").stdout.splitlines()]
    assert [line["name"] for line in lines] == [*(one.name for one in known.KNOWN), "clap:some/clap"]
    assert lines[-1]["bytes_on_disk"] > 0 and lines[-1]["spaces"] == ["audio-text"]
    assert lines[-1]["licence"] is None
    assert "clap:some/clap" in call("vlsa encoders").stdout


def test_without_a_cache_the_list_is_that_of_known_encoders(tmp_path, monkeypatch):
    import huggingface_hub

    scan = huggingface_hub.scan_cache_dir
    monkeypatch.setattr(huggingface_hub, "scan_cache_dir", lambda: scan(tmp_path / "none"))
    assert known.listed() == list(known.KNOWN)
