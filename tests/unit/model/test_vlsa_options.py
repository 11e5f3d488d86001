"""Each option of the objective changes what it says, and nothing else."""

import dataclasses
import math

import pytest
import torch
from tiny import change, generator, make_model, masks_of, tiny_config, with_same_weights, without

from vlsa.base.errors import ConfigError
from vlsa.config import MODALITIES
from vlsa.data.batch import Batch
from vlsa.model.losses import Globals, fused_globals
from vlsa.model.matching import MAX_SCALE
from vlsa.model.vlsa import VLSA

LOCAL = {"local_video", "local_audio", "local_text"}
CONTRAST = {"global_contrast_audio_video", "global_contrast_audio_text"}
MATCH = {"global_match_audio_video", "global_match_audio_text"}


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
        ("objective", {"matching_weight": 0.0}, MATCH),
        ("objective", {"matching_weight": 0.5}, set()),
        ("objective", {"hard_negatives": True}, MATCH),
        ("objective", {"contrast": "sigmoid"}, CONTRAST),
        ("objective", {"contrast": "sigmoid", "sigmoid_bias": -5.0}, CONTRAST),
        ("objective", {"pooling": "token"}, LOCAL | CONTRAST | MATCH),
        ("encoder", {"fusion_layers": 1}, LOCAL),
        ("encoder", {"shared": "video-text"}, LOCAL | CONTRAST | MATCH),
        ("encoder", {"shared": "none"}, LOCAL | CONTRAST | MATCH),
        ("decoder", {"shared": "audio-video"}, LOCAL),
        ("decoder", {"shared": "none"}, LOCAL),
        ("decoder", {"decoded_share": 0.5}, LOCAL),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_an_option_changes_its_own_terms_alone(model, tokenizer, config, batch, group, values, expected):
    other = with_same_weights(change(config, group, **values), model, tokenizer)
    assert changed_terms(model, other, batch) == expected


@pytest.mark.parametrize("fusion_layers", [1, 2])
def test_lpmm_alone_is_the_lpmm_of_the_whole_objective(config, tokenizer, batch, fusion_layers):
    """Table 5: an arm leaves a term out and changes nothing of the other."""
    whole = change(config, "encoder", fusion_layers=fusion_layers)
    model = make_model(whole, tokenizer)
    other = with_same_weights(change(whole, "objective", global_weight=0.0), model, tokenizer)
    assert changed_terms(model, other, batch) == CONTRAST | MATCH


def test_a_video_text_pair_adds_its_two_terms_and_moves_no_other(model, tokenizer, batch):
    pairs = ("audio-video", "audio-text", "video-text")
    other = with_same_weights(tiny_config(pairs=pairs), model, tokenizer)
    assert changed_terms(model, other, batch) == {"global_contrast_video_text", "global_match_video_text"}


def test_weights_weigh(model, tokenizer, batch):
    other = with_same_weights(tiny_config(local_weight=0.5, global_weight=2.0), model, tokenizer)
    losses = other(batch, generator())
    local, matched = (sum(t for n, t in losses.terms.items() if n.startswith(kind)) for kind in ("local", "global"))
    assert losses.total.item() == pytest.approx((0.5 * local + 2 * matched).item(), rel=1e-5)


def test_the_weight_of_matching_counts_within_gam(model, tokenizer, batch):
    other = with_same_weights(tiny_config(matching_weight=0.5), model, tokenizer)
    whole, half = model(batch, generator()), other(batch, generator())
    matched = sum(term for name, term in whole.terms.items() if name.startswith("global_match"))
    assert (whole.total - half.total).item() == pytest.approx((5 * 0.5 * matched).item(), rel=1e-4)


def test_the_weight_of_a_pair_counts_for_its_contrast_and_its_matching_and_for_no_other(model, tokenizer, batch):
    other = with_same_weights(tiny_config(audio_video_weight=3.0, video_text_weight=7.0), model, tokenizer)
    whole, weighted = model(batch, generator()), other(batch, generator())
    of_pair = sum(term for name, term in whole.terms.items() if name.endswith("audio_video"))
    assert (weighted.total - whole.total).item() == pytest.approx((5 * 2 * of_pair).item(), rel=1e-4)
    assert weighted.terms == whole.terms


def test_contrast_alone_has_no_matching_layer(tokenizer):
    assert len(make_model(tiny_config(matching_weight=0.0), tokenizer).matching.layers) == 0


def test_the_bias_of_the_sigmoid_contrast_starts_where_it_is_set_and_is_trained(tokenizer, batch):
    assert make_model(tiny_config(), tokenizer).matching.bias is None
    model = make_model(tiny_config(contrast="sigmoid", sigmoid_bias=-3.0), tokenizer)
    assert model.matching.bias.item() == -3.0
    model(batch, generator()).total.backward()
    assert model.matching.bias.grad.abs() > 0


@pytest.mark.parametrize("shared", ["video-text", "audio-text", "audio-video", "none"])
def test_an_encoder_of_its_own_has_weights_of_its_own(config, tokenizer, shared):
    """Figure 3: as many encoders as groups, each as large as the shared one."""
    count = lambda model: sum(p.numel() for p in model.encoder.parameters())  # noqa: E731
    whole = count(make_model(config, tokenizer))
    groups = 3 if shared == "none" else 2
    model = make_model(change(config, "encoder", shared=shared), tokenizer)
    assert count(model) == groups * whole
    assert len(model.encoder.towers) == groups


@pytest.mark.parametrize("shared", ["audio-video-text", "video-text", "audio-text", "audio-video", "none"])
def test_in_the_joint_pass_a_modality_reaches_those_that_share_its_encoder(config, tokenizer, batch, shared):
    model = make_model(change(config, "encoder", shared=shared), tokenizer)
    content = model.content(batch)
    seen = model.visible_tokens(content, masks_of(model, content))
    before = model.encode(seen)
    for name, part in seen.items():
        other = seen | {name: dataclasses.replace(part, tokens=part.tokens.flip(0))}
        isolated, joint = model.encode(other)
        moved = {n for n in seen if not torch.allclose(before[1][n].tokens, joint[n].tokens, atol=1e-6)}
        assert moved == (set(shared.split("-")) if name in shared.split("-") else {name})
        assert {n for n in seen if not torch.allclose(before[0][n].tokens, isolated[n].tokens, atol=1e-6)} == {name}


def test_a_global_token_is_pooled_and_never_decoded(tokenizer, batch):
    model = make_model(tiny_config(pooling="token"), tokenizer)
    content = model.content(batch)
    seen = model.visible_tokens(content, masks_of(model, content))
    isolated, joint = model.encode(seen)
    assert {name: part.tokens.shape[1] for name, part in joint.items()} == {
        n: p.tokens.shape[1] for n, p in seen.items()
    }
    vectors = model.heads(isolated).vectors
    for name, part in isolated.items():
        assert part.tokens.shape[1] == seen[name].tokens.shape[1] + 1
        torch.testing.assert_close(vectors[name], torch.nn.functional.normalize(part.tokens[:, 0].detach(), dim=-1))
    before = model.globals(batch).vectors["text"]
    with torch.no_grad():
        model.heads.tokens[2] += 1.0
    assert not torch.allclose(before, model.globals(batch).vectors["text"])


def test_an_absent_modality_has_no_global_token(tokenizer, batch):
    model = make_model(tiny_config(pooling="token"), tokenizer)
    globals_ = model.globals(without(batch, "audio", 2))
    assert globals_.present["audio"].tolist() == [True, True, False, True, True, True]
    assert globals_.vectors["audio"][2].abs().sum() == 0


def test_video_text_matching_alone_leaves_the_sound_out_of_the_contrast(tokenizer, batch):
    """VTM, which the paper sets against GAM."""
    model = make_model(tiny_config(pairs=("video-text",), local_weight=0.0), tokenizer)
    one, other = model(batch, generator()), model(without(batch, "audio", 0, 1, 2, 3, 4, 5), generator())
    assert one.total.item() == pytest.approx(other.total.item(), rel=1e-6)


def test_without_the_local_objective_there_is_no_decoder(tokenizer):
    assert make_model(tiny_config(local_weight=0.0), tokenizer).decoder is None


def test_decoding_a_part_decodes_that_part(config, tokenizer, batch):
    model = make_model(change(config, "decoder", decoded_share=0.25), tokenizer)
    masks = masks_of(model, model.content(batch))
    assert masks.masked_video.shape == (6, 6)  # a quarter of the 24 hidden of 32
    assert masks.masked_audio.shape == (6, 6)


@pytest.mark.parametrize("temperature", [0.02, 0.07, 1.0])
def test_the_scale_is_one_over_the_temperature(tokenizer, temperature):
    model = make_model(tiny_config(temperature=temperature), tokenizer)
    assert model.matching.scale().item() == pytest.approx(1 / temperature, rel=1e-5)


def test_a_learned_temperature_gets_a_gradient_and_has_a_ceiling(tokenizer, batch):
    model = make_model(tiny_config(learn_temperature=True), tokenizer)
    model(batch, generator()).total.backward()
    assert model.matching.log_scale.grad.abs() > 0
    with torch.no_grad():
        model.matching.log_scale.fill_(math.log(500))
    model.matching.limit_scale()
    assert model.matching.scale().item() == pytest.approx(MAX_SCALE)
    assert model(batch, generator()).total.isfinite()


def test_with_a_temperature_for_each_pair_each_has_its_own_gradient_and_changes_its_own_contrast(tokenizer, batch):
    pairs = ("audio-video", "audio-text", "video-text")
    model = make_model(tiny_config(pairs=pairs, learn_temperature=True, pair_temperatures=True), tokenizer)
    scales = model.matching.log_scales
    before = model(batch, generator())
    before.total.backward()
    assert list(scales) == [*pairs] and all(scale.grad.abs() > 0 for scale in scales.values())
    with torch.no_grad():
        scales["audio-text"].fill_(math.log(25))
    after = model(batch, generator())
    assert {name for name in after.terms if not torch.equal(after.terms[name], before.terms[name])} == {
        "global_contrast_audio_text"
    }
    logits = 25 * after.globals.vectors["audio"] @ after.globals.vectors["text"].T
    expected = -sum(logits.log_softmax(dim).diagonal().mean() for dim in (0, 1))
    assert after.terms["global_contrast_audio_text"].item() == pytest.approx(expected.item(), rel=1e-4)


def test_temperatures_of_pairs_have_a_ceiling_each_and_are_logged_by_their_pair(tokenizer):
    model = make_model(tiny_config(learn_temperature=True, pair_temperatures=True, temperature=0.1), tokenizer)
    with torch.no_grad():
        model.matching.log_scales["audio-text"].fill_(math.log(500))
    model.matching.limit_scale()
    logged = {name: value.item() for name, value in model.matching.temperatures().items()}
    assert logged == pytest.approx({"temperature_audio_video": 0.1, "temperature_audio_text": 1 / MAX_SCALE})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "pair_temperatures=true without learn_temperature"),
        ({"learn_temperature": True, "teacher_weight": 1.0}, "these contrast no pair"),
        ({"learn_temperature": True, "contrast": "volume"}, "these contrast no pair"),
    ],
)
def test_temperatures_of_pairs_that_would_change_nothing_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        tiny_config(pair_temperatures=True, **options)


def test_a_concatenation_cannot_tell_pairs_and_a_product_can(tokenizer):
    """Whatever the weights of the matching layer, a concatenation stays at ln 2 over all re-pairings."""
    one = torch.eye(32)[:8]
    losses = {}
    for features in ("product", "concatenation"):
        model = make_model(tiny_config(matching_features=features), tokenizer)
        layer = model.matching.layers["audio-video"]
        with torch.no_grad():
            layer.weight.normal_(generator=generator()).abs_()
            layer.bias.fill_(-3.0)
        true, false = (model.matching.match("audio-video", one, one.roll(shift, dims=0)) for shift in (0, 1))
        losses[features] = torch.nn.functional.softplus(torch.cat([-true, false])).mean().item()
    assert losses["product"] < 0.5 < math.log(2) - 1e-6 < losses["concatenation"]


def test_the_teacher_is_the_unit_mean_of_what_a_clip_has_and_gets_no_gradient():
    one, other, third = (torch.eye(3)[[n, n]].requires_grad_() for n in range(3))
    present = {"video": [True, True], "audio": [True, True], "text": [True, False]}
    given = Globals({"video": one, "audio": other, "text": third}, {n: torch.tensor(p) for n, p in present.items()})
    fused, is_fused = fused_globals(given, MODALITIES)
    expected = torch.tensor([[1, 1, 1], [1, 1, 0]]) / torch.tensor([[3**0.5], [2**0.5]])
    torch.testing.assert_close(fused, expected)
    assert is_fused.all() and not fused.requires_grad
    alone = {"video": torch.tensor([True]), "audio": torch.tensor([False]), "text": torch.tensor([False])}
    assert not fused_globals(Globals(dict.fromkeys(alone, torch.ones(1, 3)), alone), MODALITIES)[1].any()


def test_each_modality_is_contrasted_with_the_mean_of_its_clip_and_the_term_has_its_weight(model, tokenizer, batch):
    taught = with_same_weights(tiny_config(teacher_weight=0.5), model, tokenizer)
    losses, plain = taught(batch, generator()), model(batch, generator())
    teaching = {name: term for name, term in losses.terms.items() if name.startswith("global_teach")}
    assert set(teaching) == {"global_teach_video", "global_teach_audio", "global_teach_text"}
    assert (losses.total - plain.total).item() == pytest.approx(5 * 0.5 * sum(teaching.values()).item(), rel=1e-4)
    globals_ = losses.globals
    fused, _ = fused_globals(globals_, MODALITIES)
    for name in ("video", "audio", "text"):
        similarity = taught.matching.scale() * globals_.vectors[name] @ fused.T
        both = -sum(similarity.log_softmax(dim).diagonal().mean() for dim in (0, 1))
        assert teaching[f"global_teach_{name}"].item() == pytest.approx(both.item(), rel=1e-4)


def test_with_a_space_for_each_pair_the_teacher_is_the_mean_over_all_spaces_and_compared_in_those_of_a_modality(
    tokenizer, batch
):
    pairs = ("audio-video", "audio-text", "video-text")
    model = make_model(tiny_config(teacher_weight=1.0, heads="pair", head_width=8, pairs=pairs), tokenizer)
    losses = model(batch, generator())
    v, a, t = (losses.globals.vectors[name].reshape(-1, 3, 8) for name in ("video", "audio", "text"))
    pooled = torch.stack([a[:, 0] + v[:, 0], a[:, 1] + t[:, 1], v[:, 2] + t[:, 2]], dim=1)  # B spaces D
    teacher = pooled / pooled.square().sum(dim=(1, 2), keepdim=True).sqrt()
    for name, own, spaces in (("video", v, (0, 2)), ("audio", a, (0, 1)), ("text", t, (1, 2))):
        similarity = sum(own[:, space] @ teacher[:, space].T for space in spaces) / 2**0.5 / 0.07
        expected = -sum(similarity.log_softmax(dim).diagonal().mean() for dim in (0, 1))
        assert losses.terms[f"global_teach_{name}"].item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize("heads", ["modality", "pair"])
def test_a_modality_of_no_pair_is_no_part_of_the_teacher(tokenizer, batch, heads):
    model = make_model(tiny_config(teacher_weight=1.0, heads=heads, pairs=("video-text",)), tokenizer)
    names = ["global_teach_video", "global_teach_text"]
    whole = model(batch, generator()).terms
    silent = model(without(batch, "audio", *range(len(batch))), generator()).terms
    assert [silent[name].item() for name in names] == [whole[name].item() for name in names]
    untaught = model(without(batch, "text", *range(len(batch))), generator()).terms
    assert [untaught[name].item() for name in names] == [0, 0]


def test_with_a_space_for_each_pair_a_clip_without_text_is_taught_by_the_other_two(tokenizer, batch):
    model = make_model(tiny_config(teacher_weight=1.0, heads="pair"), tokenizer)
    whole, some = (model(part, generator()).terms for part in (batch, without(batch, "text", 0)))
    names = [f"global_teach_{name}" for name in ("video", "audio", "text")]
    assert all(whole[name] != some[name] and some[name] > 0 for name in names)
    every_clip = range(len(batch))
    alone = model(without(without(batch, "text", *every_clip), "audio", *every_clip), generator()).terms
    assert [alone[name].item() for name in names] == [0, 0, 0]
