"""Each option of the objective changes what it says, and nothing else."""

import math

import pytest
import torch
from tiny import change, generator, make_model, tiny_config

from vlsa.data.clip import Batch
from vlsa.data.tokenizer import Tokenizer
from vlsa.model.vlsa import MAX_SCALE, VLSA

LOCAL = {"local_video", "local_audio", "local_text"}
CONTRAST = {"global_contrast_audio_video", "global_contrast_audio_text"}
MATCH = {"global_match_audio_video", "global_match_audio_text"}


def with_same_weights(config: object, model: VLSA, tokenizer: Tokenizer) -> VLSA:
    other = make_model(config, tokenizer)
    own = other.state_dict()
    shared = {name: value for name, value in model.state_dict().items() if name in own}
    shared.pop("log_scale")
    other.load_state_dict(own | {name: value for name, value in shared.items() if value.shape == own[name].shape})
    return other


def changed_terms(one: VLSA, other: VLSA, batch: Batch) -> set[str]:
    """Names of the terms that differ between two models on one batch, or that only one of them has."""
    first, second = one(batch, generator()).terms, other(batch, generator()).terms
    shared = first.keys() & second.keys()
    moved = {name for name in shared if first[name].item() != pytest.approx(second[name].item(), rel=1e-5)}
    return moved | (first.keys() ^ second.keys())


@pytest.mark.parametrize(
    ("group", "values", "expected"),
    [
        ("objective", {"normalise_targets": False}, {"local_video", "local_audio"}),
        ("objective", {"temperature": 0.2}, CONTRAST),
        ("objective", {"matching_attention": "joint"}, CONTRAST | MATCH),
        ("objective", {"matching_features": "concatenation"}, MATCH),
        ("objective", {"local_weight": 0.0}, LOCAL),
        ("objective", {"global_weight": 0.0}, CONTRAST | MATCH),
        ("objective", {"pairs": ("audio-video",)}, {n for n in CONTRAST | MATCH if "text" in n}),
        ("objective", {"learn_temperature": True}, set()),
        ("encoder", {"fusion_layers": 1}, LOCAL),
        ("decoder", {"decoded_share": 0.5}, LOCAL),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_an_option_changes_its_own_terms_alone(model, tokenizer, config, batch, group, values, expected):
    other = with_same_weights(change(config, group, **values), model, tokenizer)
    assert changed_terms(model, other, batch) == expected


def test_a_video_text_pair_adds_its_two_terms_and_moves_no_other(model, tokenizer, batch):
    pairs = ("audio-video", "audio-text", "video-text")
    other = with_same_weights(tiny_config(pairs=pairs), model, tokenizer)
    assert changed_terms(model, other, batch) == {"global_contrast_video_text", "global_match_video_text"}


def test_weights_weigh(model, tokenizer, batch):
    other = with_same_weights(tiny_config(local_weight=0.5, global_weight=2.0), model, tokenizer)
    losses = other(batch, generator())
    local, matched = (sum(t for n, t in losses.terms.items() if n.startswith(kind)) for kind in ("local", "global"))
    assert losses.total.item() == pytest.approx((0.5 * local + 2 * matched).item(), rel=1e-5)


def test_without_the_local_objective_there_is_no_decoder(tokenizer):
    assert make_model(tiny_config(local_weight=0.0), tokenizer).decoder is None


def test_decoding_a_part_decodes_that_part(config, tokenizer, batch):
    model = make_model(change(config, "decoder", decoded_share=0.25), tokenizer)
    masks = model.draw_masks(model.content(batch), generator())
    assert masks.hidden_video.shape == (6, 6)  # a quarter of the 24 hidden of 32
    assert masks.hidden_audio.shape == (6, 6)


@pytest.mark.parametrize("temperature", [0.02, 0.07, 1.0])
def test_the_scale_is_one_over_the_temperature(tokenizer, temperature):
    model = make_model(tiny_config(temperature=temperature), tokenizer)
    assert model.scale.item() == pytest.approx(1 / temperature, rel=1e-5)


def test_a_learned_temperature_gets_a_gradient_and_has_a_ceiling(tokenizer, batch):
    model = make_model(tiny_config(learn_temperature=True), tokenizer)
    model(batch, generator()).total.backward()
    assert model.log_scale.grad.abs() > 0
    with torch.no_grad():
        model.log_scale.fill_(math.log(500))
    model.limit_scale()
    assert model.scale.item() == pytest.approx(MAX_SCALE)
    assert model(batch, generator()).total.isfinite()


def test_a_concatenation_cannot_tell_pairs_and_a_product_can(tokenizer):
    """Whatever the weights of the matching layer, a concatenation stays at ln 2 over all re-pairings."""
    one = torch.eye(32)[:8]
    losses = {}
    for features in ("product", "concatenation"):
        model = make_model(tiny_config(matching_features=features), tokenizer)
        layer = model.matching["audio-video"]
        with torch.no_grad():
            layer.weight.normal_(generator=generator()).abs_()
            layer.bias.fill_(-3.0)
        true, false = (model.match("audio-video", one, one.roll(shift, dims=0)) for shift in (0, 1))
        losses[features] = torch.nn.functional.softplus(torch.cat([-true, false])).mean().item()
    assert losses["product"] < 0.5 < math.log(2) - 1e-6 < losses["concatenation"]
