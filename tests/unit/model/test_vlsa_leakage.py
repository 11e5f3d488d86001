"""No leakage, proved: shuffle one modality inside the batch, and the globals of the others do not move."""

import dataclasses

import pytest
import torch
from tiny import change, make_model, masks_of, tiny_config

from vlsa.config import MODALITIES
from vlsa.config.recipes import SHARINGS
from vlsa.data.batch import Batch
from vlsa.model.types import Globals
from vlsa.model.vlsa import VLSA

FIELDS = {
    "video": ("video", "frame_seconds", "frame_padding"),
    "audio": ("waveform", "num_samples"),
    "text": ("token_ids", "text_padding"),
}


def with_shuffled(batch: Batch, modality: str) -> Batch:
    """The batch with one modality of each clip taken from the next clip."""
    return dataclasses.replace(batch, **{name: getattr(batch, name).roll(1, dims=0) for name in FIELDS[modality]})


def training_globals(model: VLSA, batch: Batch) -> Globals:
    """The globals that GAM sees, with the masks of seed 0. (Word masks depend on the words, so they move with them.)"""
    content = model.content(batch)
    masks = masks_of(model, content)
    return model.heads(model.encode(model.visible_tokens(content, masks))[0])


@pytest.mark.parametrize("shuffled", MODALITIES)
def test_shuffling_one_modality_leaves_the_other_answers_alone(model, batch, shuffled):
    before, after = model.globals(batch), model.globals(with_shuffled(batch, shuffled))
    for name in MODALITIES:
        if name == shuffled:
            expected = before.vectors[name].roll(1, dims=0)
            torch.testing.assert_close(after.vectors[name], expected, atol=1e-6, rtol=1e-5)
        else:
            assert torch.equal(after.vectors[name], before.vectors[name])


@pytest.mark.parametrize("fusion_layers", [1, 2])
@pytest.mark.parametrize("shuffled", MODALITIES)
def test_shuffling_one_modality_leaves_the_other_globals_of_training_alone(
    config, tokenizer, batch, shuffled, fusion_layers
):
    model = make_model(change(config, "encoder", fusion_layers=fusion_layers), tokenizer)
    before, after = training_globals(model, batch), training_globals(model, with_shuffled(batch, shuffled))
    for name in set(MODALITIES) - {shuffled}:
        assert torch.equal(after.vectors[name], before.vectors[name])
    assert not torch.allclose(after.vectors[shuffled], before.vectors[shuffled], atol=1e-3)


@pytest.mark.parametrize("fusion_layers", [1, 2])
@pytest.mark.parametrize("shared", SHARINGS)
@pytest.mark.parametrize(
    "objective",
    [
        {"pooling": "mean"},
        {"pooling": "token"},
        {"pooling": "attention", "heads": "pair", "head_width": 24},
        {"heads": "modality", "head_kind": "mlp"},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_no_option_lets_a_modality_into_the_globals_of_another(tokenizer, batch, objective, shared, fusion_layers):
    config = change(tiny_config(**objective), "encoder", shared=shared, fusion_layers=fusion_layers)
    model = make_model(config, tokenizer)
    before = training_globals(model, batch), model.globals(batch)
    for shuffled in MODALITIES:
        other = with_shuffled(batch, shuffled)
        after = training_globals(model, other), model.globals(other)
        for name in set(MODALITIES) - {shuffled}:
            assert all(
                torch.equal(one.vectors[name], two.vectors[name]) for one, two in zip(before, after, strict=True)
            )


@pytest.mark.parametrize("shuffled", MODALITIES)
def test_with_joint_matching_the_others_do_move(config, tokenizer, batch, shuffled):
    model = make_model(change(config, "objective", matching_attention="joint"), tokenizer)
    before, after = training_globals(model, batch), training_globals(model, with_shuffled(batch, shuffled))
    for name in set(MODALITIES) - {shuffled}:
        assert (after.vectors[name] - before.vectors[name]).abs().amax(dim=-1).min() > 1e-4


def test_no_gradient_flows_from_one_modality_to_the_globals_of_another(model, batch):
    content = model.content(batch)
    content = dataclasses.replace(content, audio=content.audio.requires_grad_())
    masks = masks_of(model, content)
    globals_ = model.heads(model.encode(model.visible_tokens(content, masks))[0])
    own, others = globals_.vectors["audio"], globals_.vectors["video"].sum() + globals_.vectors["text"].sum()
    (own_gradient,) = torch.autograd.grad(own.square().mul(torch.arange(32.0)).sum(), content.audio, retain_graph=True)
    (other_gradient,) = torch.autograd.grad(others, content.audio, allow_unused=True)
    assert own_gradient.abs().amax(dim=(1, 2)).min() > 0
    assert other_gradient is None or not other_gradient.any()
