"""A run initialised from public weights: what it records, how it is resumed, and that it is reported once."""

import dataclasses
import shutil

import public_models as public
import pytest
import torch
from tiny import tiny_run, tiny_source

from vlsa.base.errors import ConfigError
from vlsa.config import Config
from vlsa.model.warm_start import initialiser
from vlsa.pretrain.checkpoint import checkpoints, load_model
from vlsa.pretrain.loop import pretrain


@pytest.fixture
def vit(tmp_path):
    public.written(public.vit(), tmp_path / "vit")
    return tmp_path / "vit"


def run_of(*sources: object, **train) -> Config:
    config = tiny_run(init=tuple(map(str, sources)), **train)
    encoder = dataclasses.replace(config.model.encoder, norm_eps=1e-12, positions="learned")
    return dataclasses.replace(config, model=dataclasses.replace(config.model, encoder=encoder))


def weights(path) -> dict[str, torch.Tensor]:
    return load_model(path)[0].state_dict()


def test_a_run_starts_from_public_weights_and_records_them_with_a_digest(tmp_path, vit):
    reports = []
    pretrain(
        run_of(vit, num_steps=1, learning_rate=1e-12),
        tiny_source(),
        tmp_path / "run",
        initialise=initialiser([str(vit)], reports.append),
    )
    (source,) = load_model(tmp_path / "run")[2].train.init
    assert source.startswith(f"{vit}#")
    assert len(source) == len(f"{vit}#") + 16
    assert [report.sources for report in reports] == [(source,)]
    norm = weights(tmp_path / "run")["encoder.towers.video_audio_text.blocks.1.norm_mlp.weight"]
    torch.testing.assert_close(norm, public.vit().layers[1].layernorm_after.weight, atol=1e-6, rtol=0)


def test_a_warm_run_that_was_stopped_ends_with_the_weights_of_an_unbroken_one_and_needs_no_source(tmp_path, vit):
    pretrain(run_of(vit), tiny_source(), tmp_path / "whole", initialise=initialiser([str(vit)]))
    pretrain(run_of(vit), tiny_source(), tmp_path / "broken", initialise=initialiser([str(vit)]))
    shutil.rmtree(checkpoints(tmp_path / "broken")[-1])
    shutil.rmtree(vit)
    reports = []
    summary = pretrain(
        run_of(vit), tiny_source(), tmp_path / "broken", initialise=initialiser([str(vit)], reports.append)
    )
    assert (summary.resumed_from, summary.step, reports) == (4, 6, [])
    whole, broken = weights(tmp_path / "whole"), weights(tmp_path / "broken")
    assert all(torch.equal(value, broken[name]) for name, value in whole.items())
    assert load_model(tmp_path / "whole")[2] == load_model(tmp_path / "broken")[2]


def test_a_run_may_not_resume_with_other_sources_than_it_was_initialised_from(tmp_path, vit):
    pretrain(run_of(vit, num_steps=2), tiny_source(), tmp_path / "run", initialise=initialiser([str(vit)]))
    recorded = load_model(tmp_path / "run")[2].train.init[0]
    assert pretrain(run_of(recorded, num_steps=2), tiny_source(), tmp_path / "run").finished
    for other in ((), (vit, vit), (f"audio={vit}",), (f"{vit}#{'0' * 16}",)):
        with pytest.raises(ConfigError, match=r"started with other settings \(train\.init: "):
            pretrain(run_of(*other, num_steps=2), tiny_source(), tmp_path / "run")


def test_a_source_that_does_not_fit_leaves_no_run_behind(tmp_path, vit):
    with pytest.raises(ConfigError, match=r"--set model\.encoder\.norm_eps=1e-12"):
        pretrain(tiny_run(init=(str(vit),)), tiny_source(), tmp_path / "run", initialise=initialiser([str(vit)]))
    assert not (tmp_path / "run").exists()
