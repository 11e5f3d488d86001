"""Heads: where they are the paper's mean, the spaces that they make, and what a dot product in all spaces is."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny import generator, make_model, tiny_config, without

from vlsa.base.errors import ConfigError
from vlsa.config import MODALITIES
from vlsa.model.losses import attention_pool, mean_pool

PAIRS = ("audio-video", "audio-text", "video-text")
SETTINGS = [
    {"heads": "modality"},
    {"heads": "pair"},
    {"heads": "pair", "head_width": 24},
    {"heads": "pair", "head_kind": "mlp", "pooling": "token"},
    {"heads": "pair", "pooling": "attention"},
    {"heads": "pair", "pooling": "attention", "pairs": ("audio-video", "video-text")},
]


def test_attention_with_a_query_of_zeros_is_the_mean_of_the_real_tokens():
    tokens, padding = torch.randn(3, 5, 8, generator=generator()), torch.zeros(3, 5, dtype=torch.bool)
    padding[1, 3:] = True
    pooled = attention_pool(tokens, padding, torch.zeros(2, 8))
    assert pooled.shape == (3, 2, 8)
    for head in range(2):
        torch.testing.assert_close(pooled[:, head], mean_pool(tokens, padding))


def test_attention_weighs_by_the_softmax_of_query_and_token():
    tokens = torch.tensor([[[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [9.0, 9.0, 9.0, 9.0]]])
    padding = torch.tensor([[False, False, True]])
    (pooled,) = attention_pool(tokens, padding, torch.tensor([[2 * np.log(3.0), 0.0, 0.0, 0.0]])).float()
    torch.testing.assert_close(pooled, torch.tensor([[0.75, 0.25, 0.0, 0.0]]))  # scores log 3 and 0


def test_a_query_of_zeros_without_a_head_is_the_paper(tokenizer, batch):
    plain, pooled = (make_model(tiny_config(pooling=pooling), tokenizer) for pooling in ("mean", "attention"))
    pooled.load_state_dict(plain.state_dict(), strict=False)
    for name in MODALITIES:
        torch.testing.assert_close(plain.globals(batch).vectors[name], pooled.globals(batch).vectors[name])


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: "-".join(map(str, settings.values())))
def test_a_global_is_a_unit_vector_in_each_space_of_its_modality_and_zeros_elsewhere(tokenizer, batch, settings):
    config = tiny_config(**{"pairs": PAIRS, **settings})
    model = make_model(config, tokenizer)
    found = model.globals(without(batch, "audio", 2))
    for name in MODALITIES:
        assert found.vectors[name].shape == (6, config.vector_width)
        for space in config.objective.spaces:
            length = found.vectors[name][:, config.columns(space)].norm(dim=1)
            inside = space == "all" or name in space
            expected = found.present[name].float() if inside else torch.zeros(6)
            torch.testing.assert_close(length, expected, atol=1e-5, rtol=1e-5)


def test_the_dot_product_of_two_modalities_is_the_cosine_in_the_space_of_their_pair(tokenizer, batch):
    model = make_model(tiny_config(heads="pair", pairs=PAIRS, pooling="attention"), tokenizer)
    found = model.globals(batch)
    for pair in PAIRS:
        one, other = pair.split("-")
        encoded = {name: model.encoder.isolated({name: model.all_tokens(batch, name)})[name] for name in (one, other)}
        own = {
            name: F.normalize(model.heads.projections[name][pair](mean_pool(part.tokens, part.padding)), dim=-1)
            for name, part in encoded.items()
        }
        dots = found.vectors[one] @ found.vectors[other].T
        torch.testing.assert_close(dots, own[one] @ own[other].T, atol=1e-5, rtol=1e-5)


def test_a_head_of_a_pair_is_trained_by_its_pair_alone(tokenizer, batch):
    model = make_model(tiny_config(heads="pair", pairs=PAIRS, pooling="attention", local_weight=0.0), tokenizer)
    terms = model(batch, generator()).terms
    for pair in PAIRS:
        name = pair.replace("-", "_")
        model.zero_grad()
        (terms[f"global_contrast_{name}"] + terms[f"global_match_{name}"]).backward(retain_graph=True)
        for modality, spaces in model.heads.spaces_of.items():
            for space in spaces:
                projection = model.heads.projections[modality][space].weight.grad
                moved = projection is not None and bool(projection.any())
                assert moved == (space == pair), (pair, modality, space)
                if moved:
                    assert model.heads.queries[modality][space].grad.any()


def test_a_modality_without_a_pair_is_in_no_space(tokenizer, batch):
    model = make_model(tiny_config(heads="pair", pairs=("audio-video",)), tokenizer)
    assert model.globals(batch).vectors["text"].abs().sum() == 0
    assert model(batch, generator()).total.isfinite()


def test_heads_compute_in_float32_where_the_encoder_is_in_bfloat16(tokenizer, batch):
    model = make_model(tiny_config(heads="pair", pairs=PAIRS, pooling="attention"), tokenizer)
    with torch.autocast("cpu", torch.bfloat16):
        vectors = model.globals(batch).vectors
    for name, found in vectors.items():
        assert found.dtype == torch.float32
        lengths = found.unflatten(1, (3, 32)).norm(dim=2)
        torch.testing.assert_close(lengths.sum(dim=1), torch.full((6,), 2.0), atol=1e-5, rtol=0, msg=name)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"head_width": 64},
            r"^model\.objective\.head_width=64 without heads: .* Set model\.objective\.heads=pair, or",
        ),
        (
            {"heads": "pair", "matching_attention": "joint"},
            r"heads=pair with matching_attention=joint: .*=isolated, or",
        ),
        (
            {"heads": "modality", "global_weight": 0.0},
            r"global_weight=0 with heads=modality .* as RECIPE/lpmm-only does",
        ),
        (
            {"pooling": "attention", "global_weight": 0.0},
            r"global_weight=0 with heads=none and pooling=attention: noth",
        ),
        (
            {"head_kind": "mlp"},
            r"head_kind=mlp without heads: it would change nothing. Set model\.objective\.heads=pair",
        ),
        ({"heads": "pair", "head_width": -1}, r"head_width=-1 must be at least 0"),
    ],
)
def test_heads_that_cannot_work_are_one_line(settings, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(tiny_config().objective, **settings)
