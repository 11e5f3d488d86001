"""A training step as a whole: its terms, gradients, masks and randomness; and the vectors for retrieval."""

import dataclasses
import math
import re

import pytest
import torch
from tiny import change, generator, make_model, mask_of, masks_of, some_rows, without

from vlsa.model import masking
from vlsa.model.decoder import Reconstruction
from vlsa.model.patches import normalise_patches, unpatchify_audio
from vlsa.model.types import Tokens

TERMS = {
    "local_video",
    "local_audio",
    "local_text",
    "global_contrast_audio_video",
    "global_match_audio_video",
    "global_contrast_audio_text",
    "global_match_audio_text",
}


def test_the_loss_is_the_weighed_sum_of_its_terms(model, batch):
    losses = model(batch, generator())
    assert losses.terms.keys() == TERMS
    local = sum(term for name, term in losses.terms.items() if name.startswith("local"))
    matched = sum(term for name, term in losses.terms.items() if name.startswith("global"))
    assert losses.total.item() == pytest.approx((local + 5 * matched).item(), rel=1e-5)
    assert "local_video=" in repr(losses)


def test_an_untrained_model_scores_near_chance(model, batch):
    terms = model(batch, generator()).terms
    assert terms["local_video"].item() == pytest.approx(1, abs=0.8)
    assert terms["local_text"].item() == pytest.approx(math.log(150), abs=1.5)
    assert terms["global_match_audio_text"].item() == pytest.approx(math.log(2), abs=0.3)


def test_every_parameter_gets_a_finite_gradient_except_the_fixed_temperature(model, batch):
    model(batch, generator()).total.backward()
    for name, parameter in model.named_parameters():
        if name == "matching.log_scale":
            assert parameter.grad is None
        else:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().sum() > 0, name


def test_every_parameter_gets_a_gradient_with_fewer_fusion_layers_and_a_learned_temperature(config, tokenizer, batch):
    config = change(change(config, "encoder", fusion_layers=1), "objective", learn_temperature=True)
    model = make_model(config, tokenizer)
    model(batch, generator()).total.backward()
    assert not [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


@pytest.mark.parametrize("body", ["encoder.towers.video_audio_text", "decoder.towers.video_audio_text.transformer"])
@pytest.mark.parametrize("layer", [0, 1])
def test_each_block_changes_the_loss(model, batch, body, layer):
    before = model(batch, generator()).total.item()
    with torch.no_grad():
        for parameter in model.get_submodule(f"{body}.blocks.{layer}").parameters():
            parameter.zero_()
    assert abs(model(batch, generator()).total.item() - before) > 1e-3


# --- randomness


def test_a_step_follows_from_the_generator_alone(model, batch):
    torch.manual_seed(1)
    first = model(batch, generator(3))
    torch.manual_seed(2)
    again, other = model(batch, generator(3)), model(batch, generator(4))
    assert {name: term.item() for name, term in first.terms.items()} == {n: t.item() for n, t in again.terms.items()}
    assert first.total.item() != other.total.item()


def test_a_step_leaves_the_global_random_state_alone(model, batch):
    before = torch.get_rng_state()
    model(batch, generator())
    assert torch.equal(before, torch.get_rng_state())


def test_the_weights_follow_from_the_seed(config, tokenizer):
    first, again, other = (make_model(config, tokenizer, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    name = "encoder.towers.video_audio_text.blocks.1.mlp.0.weight"
    assert not torch.equal(first[name], other[name])


# --- masks of a batch


def test_masks_have_the_shares_of_the_paper(model, batch):
    content = model.content(batch)
    masks = masks_of(model, content)
    video = mask_of(masks.visible_video, 32).reshape(6, 2, 16)
    assert video.sum(dim=-1).eq(12).all()
    assert len({tuple(frame.tolist()) for frame in video.reshape(12, 16)}) > 9  # each frame of each clip by itself
    assert mask_of(masks.visible_audio, 32).sum(dim=-1).eq(24).all()
    words = (~batch.text_padding).sum(dim=1) - 2
    assert masks.text_mask.sum(dim=1).tolist() == [max(round(0.15 * count), 1) for count in words.tolist()]


def test_start_stop_and_padding_are_never_hidden(model, batch, tokenizer):
    content = model.content(batch)
    for seed in range(20):
        hidden = batch.token_ids[masks_of(model, content, seed).text_mask]
        assert not torch.isin(hidden, torch.tensor([tokenizer.start_id, tokenizer.stop_id, tokenizer.padding_id])).any()


def test_what_is_masked_does_not_reach_the_encoder(model, batch):
    content = model.content(batch)
    masks = masks_of(model, content)
    before = model.visible_tokens(content, masks)
    video = content.video.masked_fill(mask_of(masks.visible_video, 32)[..., None], 77)
    audio = content.audio.masked_fill(mask_of(masks.visible_audio, 32)[..., None], 77.0)
    token_ids = content.token_ids.masked_fill(masks.text_mask, 7)
    after = model.visible_tokens(dataclasses.replace(content, video=video, audio=audio, token_ids=token_ids), masks)
    for name in ("video", "audio", "text"):
        assert torch.equal(before[name].tokens, after[name].tokens)


def test_masked_tokens_enter_as_the_mask_token(model, batch, tokenizer):
    content = model.content(batch)
    masks = masks_of(model, content)
    words = content.token_ids.where(~masks.text_mask, tokenizer.mask_id)
    expected = model.embedding.embed_text(words)
    assert torch.equal(model.visible_tokens(content, masks)["text"].tokens, expected)
    assert torch.equal(content.token_ids, batch.token_ids)  # the target stays whole


def test_a_perfect_decoder_has_no_loss(model, batch, monkeypatch):
    """The target of a decoded patch is that patch, and nothing else is scored."""
    content = model.content(batch)
    masks = masks_of(model, content)
    joint = model.encode(model.visible_tokens(content, masks))[1]
    pixels = masking.gather_tokens(model.pixels(content.video), masks.masked_video)
    sound = masking.gather_tokens(content.audio, masks.masked_audio)
    logits = 50 * torch.nn.functional.one_hot(batch.token_ids.gather(1, masks.masked_text), 150).float()
    prediction = Reconstruction(normalise_patches(pixels), normalise_patches(sound), logits)
    monkeypatch.setattr(model.decoder, "forward", lambda *_: prediction)
    assert all(
        term.item() < 1e-6
        for term in model.local_losses(content, masks, model.reconstruct(content, masks, joint)).values()
    )


# --- scales


def test_calibration_gives_pixels_and_spectrograms_unit_scale(model, batch):
    content = model.content(batch)
    sound = unpatchify_audio(content.audio, patch_size=8, num_times=64)[:, :63]  # the last column is past the sound
    for values in (model.pixels(content.video), sound):
        assert values.mean().item() == pytest.approx(0, abs=1e-3)
        assert values.std().item() == pytest.approx(1, abs=1e-3)


def test_calibration_leaves_absent_modalities_out(model, batch):
    scales = model.pixel_scale.clone(), model.sound_scale.clone()
    model.calibrate(some_rows(batch, [0, 1, 2]))
    expected = model.pixel_scale.clone(), model.sound_scale.clone()
    junk = without(without(batch, "video", 3, 4, 5, junk=True), "audio", 3, 4, 5, junk=True)
    model.calibrate(junk)
    torch.testing.assert_close((model.pixel_scale, model.sound_scale), expected)
    model.calibrate(without(without(batch, "video", *range(6)), "audio", *range(6)))
    torch.testing.assert_close((model.pixel_scale, model.sound_scale), expected)
    assert not torch.equal(scales[0], expected[0])


# --- answers


def test_globals_are_unit_vectors_and_equal_the_encode_methods(model, batch):
    globals_ = model.globals(batch)
    encoded = {
        "video": model.encode_video(batch),
        "audio": model.encode_audio(batch),
        "text": model.encode_text(batch),
    }
    for name, vectors in globals_.vectors.items():
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(6))
        torch.testing.assert_close(vectors, encoded[name])
        assert globals_.present[name].all()


def test_different_clips_have_different_globals(model, batch):
    for vectors in model.globals(batch).vectors.values():
        assert torch.cdist(vectors, vectors).add(torch.eye(6)).min() > 1e-3


def test_answers_have_no_randomness(model, batch):
    assert torch.equal(model.encode_video(batch), model.encode_video(batch))


def test_a_clip_has_the_same_vector_alone_and_in_a_batch(model, batch):
    alone = some_rows(batch, [4])
    for name, vectors in model.globals(batch).vectors.items():
        torch.testing.assert_close(vectors[4:5], model.globals(alone).vectors[name], atol=1e-5, rtol=1e-4)


def test_logits_of_the_masked_tokens_alone_give_the_loss_and_gradient_of_all_logits(model, batch):
    """The full form: logits of every token of every text, of which the loss takes the masked ones. In float64."""
    content = model.content(without(batch, "text", 2))
    masks = masks_of(model, content)
    encoded = model.encode(model.visible_tokens(content, masks))[1]
    content = dataclasses.replace(content, frame_seconds=content.frame_seconds.double())
    model.decoder.double()
    every = torch.arange(content.token_ids.shape[1]).expand_as(content.token_ids)
    results = []
    for some in (masks, dataclasses.replace(masks, masked_text=every)):
        model.zero_grad()
        joint = {name: Tokens(part.tokens.detach().double(), part.padding) for name, part in encoded.items()}
        prediction = model.reconstruct(content, some, joint)
        loss = model.local_losses(content, some, prediction)["local_text"]
        loss.backward()
        results.append((prediction.text, loss, {name: part.grad for name, part in model.decoder.named_parameters()}))
    (logits, loss, gradients), (all_logits, full_loss, full_gradients) = results
    assert logits.shape[1] == 2 and all_logits.shape[1] == 12
    expected = torch.nn.functional.cross_entropy(all_logits[masks.text_mask], content.token_ids[masks.text_mask])
    torch.testing.assert_close(loss.double(), expected, rtol=1e-6, atol=0)  # the loss itself is float32
    torch.testing.assert_close(loss, full_loss, rtol=1e-6, atol=0)
    assert gradients["towers.video_audio_text.heads.text.weight"].abs().sum() > 0
    for name, gradient in gradients.items():
        if gradient is not None:
            torch.testing.assert_close(gradient, full_gradients[name], rtol=1e-5, atol=1e-9, msg=name)


def test_the_weights_keep_the_names_that_checkpoints_have(model):
    """Those of version 0.3.0; the number of a layer is written *."""
    names = {re.sub(r"\.\d+\.", ".*.", name) for name in model.state_dict()}
    block = {
        f"blocks.*.{part}.{kind}"
        for part in ("norm_attention", "attention.query_key_value", "attention.output", "norm_mlp", "mlp.*")
        for kind in ("weight", "bias")
    } | {"norm.weight", "norm.bias"}
    heads = {f"heads.{name}.{kind}" for name in ("video", "audio", "text") for kind in ("weight", "bias")}
    decoder = {
        "input.weight",
        "input.bias",
        "mask_token",
        "modality",
        *heads,
        *(f"transformer.{name}" for name in block),
    }
    embedding = {"video.weight", "video.bias", "audio.weight", "audio.bias", "text.weight", "modality"}
    pairs = {f"layers.audio-{name}.{kind}" for name in ("video", "text") for kind in ("weight", "bias")}
    assert names == (
        {"pixel_scale", "sound_scale", "matching.log_scale"}
        | {f"embedding.{name}" for name in embedding}
        | {f"encoder.towers.video_audio_text.{name}" for name in block}
        | {f"decoder.towers.video_audio_text.{name}" for name in decoder}
        | {f"matching.{name}" for name in pairs}
    )
