"""Public checkpoints on disk and on the hub: what is read, and one clear line for each thing that is wrong."""

import json

import public_models as public
import pytest
import torch
from safetensors.torch import load_file, save_file

from vlsa.base.errors import CheckpointError, ConfigError, VlsaError
from vlsa.model.warm_start import read, same_sources
from vlsa.model.warm_start.families import offers


@pytest.fixture
def folder(tmp_path):
    public.written(public.vit(), tmp_path / "vit")
    return tmp_path / "vit"


def refused(kind: type[VlsaError], source, *words: str) -> str:
    """The one line of an error, which names all of this."""
    with pytest.raises(kind) as caught:
        for offer in offers(read(str(source))):
            for layer in range(offer.num_layers):
                offer.block(layer)
    line = str(caught.value)
    assert "\n" not in line
    assert [word for word in words if word not in line] == [], line
    return line


# --- what is read


def test_shards_are_read_like_one_file(tmp_path, folder):
    model = public.vit()
    public.written(model, tmp_path / "shards", max_shard_size="30KB")
    shards = sorted(path.name for path in (tmp_path / "shards").glob("*.safetensors"))
    assert len(shards) > 2
    one, other = offers(read(str(folder)))[0], offers(read(str(tmp_path / "shards")))[0]
    assert torch.equal(one.kernel, other.kernel)
    for layer in range(2):
        for name, value in one.block(layer).items():
            assert torch.equal(value, other.block(layer)[name]), name


@pytest.mark.parametrize("make", [public.vit, public.mae, public.videomae, public.ast])
def test_names_of_weights_as_newer_files_have_them_are_known_too(tmp_path, make):
    model = make()
    old = offers(read(public.written(model, tmp_path / "old")))[0]
    new = offers(read(public.written(model, tmp_path / "new", save_original_format=False)))[0]
    assert (
        load_file(tmp_path / "old" / "model.safetensors").keys()
        != load_file(tmp_path / "new" / "model.safetensors").keys()
    )
    for name, value in old.block(1).items():
        assert torch.equal(value, new.block(1)[name]), name


def test_a_head_or_a_decoder_next_to_the_encoder_changes_nothing(tmp_path, folder):
    model = public.hf.ViTForImageClassification(public.hf.ViTConfig(**public.PICTURE))
    model.vit.load_state_dict(public.vit().state_dict(), strict=False)
    one, other = offers(read(str(folder)))[0], offers(read(public.written(model, tmp_path / "classifier")))[0]
    assert torch.equal(one.kernel, other.kernel)
    assert all(torch.equal(value, other.block(0)[name]) for name, value in one.block(0).items())


def test_half_precision_is_read_as_single(tmp_path):
    model = public.vit().to(torch.bfloat16)
    kernel = offers(read(public.written(model, tmp_path)))[0].kernel
    assert kernel.dtype == torch.float32
    assert torch.equal(kernel, model.embeddings.patch_embeddings.projection.weight.float())


def test_what_config_json_leaves_unsaid_is_what_transformers_takes(folder):
    settings = json.loads((folder / "config.json").read_text())
    del settings["layer_norm_eps"], settings["hidden_act"], settings["qkv_bias"]
    (folder / "config.json").write_text(json.dumps(settings))
    needs = offers(read(str(folder)))[0].needs
    assert needs == {"width": 32, "num_heads": 4, "mlp_ratio": 4, "activation": "gelu", "norm_eps": 1e-12}


# --- digests


def test_a_digest_tells_other_weights_and_other_settings(folder):
    before = read(str(folder)).recorded
    assert before == read(str(folder)).recorded == read(before).recorded
    weights = load_file(folder / "model.safetensors")
    save_file({**weights, "layernorm.bias": weights["layernorm.bias"] + 1}, folder / "model.safetensors")
    assert read(str(folder)).recorded != before
    with pytest.raises(CheckpointError, match="its digest is"):
        read(before)


def test_a_resumed_run_may_leave_digests_out_but_not_change_them():
    digest = "#0123456789abcdef"
    assert same_sources(("a", "b" + digest), ("a" + digest, "b" + digest))
    assert not same_sources(("a",), ("a" + digest, "b" + digest))
    assert not same_sources(("b",), ("a" + digest,))
    assert not same_sources(("a#fedcba9876543210",), ("a" + digest,))
    assert not same_sources((), ("a" + digest,))


# --- bad input


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    refused(ConfigError, tmp_path / "nowhere", "nowhere: no such folder", "hub id")


def test_a_file_is_refused_with_its_folder(folder):
    refused(ConfigError, folder / "model.safetensors", f"Give the folder: {folder}")


def test_without_config_json_nobody_knows_what_it_is(folder):
    (folder / "config.json").unlink()
    refused(ConfigError, folder, "no config.json in it", "Hugging Face format")


@pytest.mark.parametrize("text", ["{", "[]", "\xff", '"vit"'])
def test_a_broken_config_json_is_refused(folder, text):
    (folder / "config.json").write_bytes(text.encode("latin-1"))
    refused(CheckpointError, folder, "config.json: damaged")


def test_a_pickle_is_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    refused(ConfigError, folder, "pytorch_model.bin", "pickle", "save_pretrained")


def test_a_folder_without_weights_is_refused(folder):
    (folder / "model.safetensors").unlink()
    refused(ConfigError, folder, "no model.safetensors", "save_pretrained")


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.999])
def test_a_file_cut_short_is_refused(folder, share):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    refused(CheckpointError, folder, "model.safetensors: damaged or cut short")


@pytest.mark.parametrize("name", [None, "resnet", 3])
def test_an_unknown_family_is_refused_with_the_known_ones(folder, name):
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"model_type": name}))
    refused(ConfigError, folder, "model_type", "vit_mae", "audio-spectrogram-transformer")


def test_a_missing_shard_is_refused(tmp_path):
    where = public.written(public.vit(), tmp_path, max_shard_size="30KB")
    gone = sorted(tmp_path.glob("model-*.safetensors"))[1]
    gone.unlink()
    refused(CheckpointError, where, gone.name, "not a file next to it")


@pytest.mark.parametrize("index", [{}, {"weight_map": []}, {"weight_map": {"a": 1}}, {"weight_map": {"a": "../x"}}])
def test_a_broken_index_of_shards_is_refused(folder, index):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(CheckpointError, folder, "model.safetensors.index.json")


@pytest.mark.parametrize("name", ["layernorm.weight", "encoder.layer.1.attention.attention.key.bias"])
def test_a_missing_weight_is_refused_by_name(folder, name):
    weights = load_file(folder / "model.safetensors")
    del weights[name]
    save_file(weights, folder / "model.safetensors")
    refused(CheckpointError, folder, f"no weight {name} in it")


def test_weights_that_are_not_finite_are_refused(folder):
    weights = load_file(folder / "model.safetensors")
    weights["encoder.layer.1.layernorm_after.weight"][3] = float("nan")
    save_file(weights, folder / "model.safetensors")
    refused(CheckpointError, folder, "encoder.layer.1.layernorm_after.weight", "not finite")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("hidden_size", "many", ("hidden_size='many'", "a count is needed")),
        ("num_hidden_layers", 0, ("num_hidden_layers=0",)),
        ("image_size", 32, ("position_embeddings has the shape [1, 17, 32] where [1, 65, 32] follows",)),
        ("intermediate_size", 120, ("has the shape [128, 32] where [120, 32] follows",)),
        ("hidden_act", "relu", ("activation is 'relu'",)),
    ],
)
def test_settings_that_cannot_be_are_refused(folder, name, value, words):
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {name: value}))
    refused(VlsaError, folder, *words)


def test_mlps_that_are_not_a_whole_multiple_of_the_width_are_refused(tmp_path):
    refused(ConfigError, public.written(public.vit(intermediate_size=120), tmp_path), "3.75 times")


def test_a_family_that_has_nothing_for_a_modality_is_refused(folder):
    refused(ConfigError, f"text={folder}", "family vit has nothing for text")


def test_the_hub_out_of_reach_gives_one_line(monkeypatch):
    import huggingface_hub

    def offline(name: str, **_options: object) -> str:
        raise huggingface_hub.errors.LocalEntryNotFoundError("Cannot find it on the disk. Traffic is disabled.\nSo.")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    line = refused(ConfigError, "google/vit-base-patch16-224", "hub does not give it (Cannot find it on the disk)")
    assert "give its folder" in line


def test_of_the_hub_only_what_is_read_is_downloaded(monkeypatch, folder):
    import huggingface_hub

    asked = {}

    def download(name: str, *, allow_patterns: list[str] | None = None, local_files_only: bool = False) -> str:
        if local_files_only:
            raise huggingface_hub.errors.LocalEntryNotFoundError("not in the cache")
        asked[name] = allow_patterns
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert read("some/vit").recorded.startswith("some/vit#")
    patterns = asked["some/vit"]
    assert "model.safetensors" in patterns
    assert "config.json" in patterns
    assert not any("bin" in pattern for pattern in patterns)


def test_a_repository_without_settings_is_refused(monkeypatch, tmp_path):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_names, **_options: str(tmp_path))
    refused(ConfigError, "some/vit", "has no config.json in it")


def test_a_run_of_ours_is_pointed_to_fine_tuning(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"a run of vlsa, not a public checkpoint.*vlsa finetune "):
        read(str(tmp_path))
