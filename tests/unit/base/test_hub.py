"""Checkpoints of the hub: what the cache has in full is used, what it has in part is fetched, offline is one line."""

import json
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from vlsa.base.errors import ConfigError
from vlsa.base.hub import SETTINGS_AND_WEIGHTS, checkpoint_folder, on_this_disk

NEEDED = (*SETTINGS_AND_WEIGHTS, ("tokenizer.json", "vocab.txt"))
COMMIT = "a" * 40


@pytest.fixture
def cached(tmp_path, monkeypatch) -> Path:
    """The folder of a snapshot in a cache of the library's own layout; the network is out of reach."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--org--name"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    (snapshot / "config.json").write_text("{}")
    (snapshot / "model.safetensors").write_bytes(b"weights")
    return snapshot


def test_a_cache_that_has_all_that_is_needed_is_used(cached):
    assert on_this_disk("org/name") == cached
    assert on_this_disk("org/name", NEEDED) is None
    (cached / "vocab.txt").write_text("a\n")
    assert on_this_disk("org/name", NEEDED) == cached
    assert on_this_disk("org/other") is None
    assert on_this_disk("no name of a repository!") is None
    assert on_this_disk(str(cached)) == cached


def test_a_missing_shard_of_the_weights_or_a_list_that_is_damaged_is_not_all(cached):
    (cached / "model.safetensors").rename(cached / "model-1.safetensors")
    shards = cached / "model.safetensors.index.json"
    shards.write_text(json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}))
    assert on_this_disk("org/name") is None
    (cached / "model-2.safetensors").write_bytes(b"weights")
    assert on_this_disk("org/name") == cached
    for content in ("[]", "{", '{"weight_map": 3}'):
        shards.write_text(content)
        assert on_this_disk("org/name") is None


def test_a_part_that_the_cache_lacks_is_downloaded(cached, monkeypatch):
    offline = huggingface_hub.snapshot_download

    def download(name: str, *, allow_patterns: list[str] | None = None, local_files_only: bool = False) -> str:
        if local_files_only:
            return offline(name, local_files_only=True)
        (cached / "tokenizer.json").write_text("{}")
        return str(cached)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert not (cached / "tokenizer.json").exists()
    assert checkpoint_folder("org/name", ("*.json",), NEEDED) == cached
    assert (cached / "tokenizer.json").exists()


def test_what_is_neither_here_nor_to_be_had_is_one_line(tmp_path, monkeypatch):
    def offline(*_names: object, **_options: object) -> str:
        raise LocalEntryNotFoundError("Cannot find it on the disk. Traffic is disabled.\nSo.")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    (tmp_path / "file").write_text("x")
    for name, words in (
        ("org/name", "the Hugging Face hub does not give it .Cannot find it on the disk"),
        ("./nowhere", "no such folder; there is nothing to start from"),
        (str(tmp_path / "file"), "a file; its settings lie next to it"),
    ):
        with pytest.raises(ConfigError, match=words) as caught:
            checkpoint_folder(name, ("*.json",))
        assert "\n" not in str(caught.value)
