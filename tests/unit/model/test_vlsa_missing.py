"""Missing modalities are first-class: each term counts who has it, nothing leaks out of padding, all stays finite."""

import pytest
import torch
from tiny import generator, make_batch, masks_of, plain_clip, some_rows, without

from vlsa.config import MODALITIES
from vlsa.data.batch import Batch
from vlsa.model.types import Losses
from vlsa.model.vlsa import VLSA

OF_AUDIO = ("local_audio", "global_contrast_audio_video", "global_contrast_audio_text")


def assert_finite_gradients(model: VLSA, losses: Losses) -> None:
    model.zero_grad()
    losses.total.backward()
    assert losses.total.isfinite()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters() if parameter.grad is not None)


def values(losses: Losses) -> dict[str, float]:
    return {name: term.item() for name, term in losses.terms.items()}


def match(model, globals_, seed=0):
    """GAM of some globals."""
    num_clips = len(globals_.vectors["audio"])
    return model.matching(globals_, model.draw_noise(num_clips, generator(seed)).pairs)


def terms_of(model: VLSA, batch: Batch, rows: list[int]) -> dict[str, float]:
    """Terms of some clips, with the masks that they have in the whole batch."""
    content = model.content(batch)
    masks = some_rows(masks_of(model, content), rows)
    content = some_rows(content, rows)
    isolated, joint = model.encode(model.visible_tokens(content, masks))
    terms = model.local_losses(content, masks, model.reconstruct(content, masks, joint))
    terms |= match(model, model.heads(isolated), seed=1)
    return {name: term.item() for name, term in terms.items()}


@pytest.mark.parametrize("modality", MODALITIES)
def test_what_lies_in_the_place_of_an_absent_modality_changes_nothing(model, batch, modality):
    plain, junk = without(batch, modality, 1, 4), without(batch, modality, 1, 4, junk=True)
    assert not all(torch.equal(getattr(plain, n), getattr(junk, n)) for n in ("video", "waveform", "token_ids"))
    assert values(model(junk, generator())) == pytest.approx(values(model(plain, generator())), rel=1e-5)
    before, after = model.globals(plain), model.globals(junk)
    for name in MODALITIES:
        assert torch.equal(before.present[name], after.present[name])
        present = before.present[name]
        torch.testing.assert_close(before.vectors[name][present], after.vectors[name][present])


def test_terms_with_sound_are_those_of_the_batch_without_the_silent_clip(model, batch):
    silent = without(batch, "audio", 2)
    whole, fewer = terms_of(model, silent, [0, 1, 2, 3, 4, 5]), terms_of(model, silent, [0, 1, 3, 4, 5])
    for name in OF_AUDIO:
        assert whole[name] == pytest.approx(fewer[name], rel=1e-5), name
    for name in ("local_video", "local_text"):  # these have a sixth clip to count
        assert whole[name] != pytest.approx(fewer[name], rel=1e-5), name


def test_local_terms_are_means_over_the_clips_that_have_the_modality(model, batch):
    blind = without(batch, "video", 0)
    alone = [terms_of(model, blind, [row])["local_video"] for row in range(6)]
    assert alone[0] == 0
    assert terms_of(model, blind, list(range(6)))["local_video"] == pytest.approx(sum(alone) / 5, rel=1e-5)


def test_a_silent_clip_still_trains_its_picture_and_words(model, batch):
    silent = without(batch, "audio", 2)
    content = model.content(silent)
    masks = masks_of(model, content)
    joint = model.encode(model.visible_tokens(content, masks))[1]
    joint["video"].tokens.retain_grad()
    joint["text"].tokens.retain_grad()
    terms = model.local_losses(content, masks, model.reconstruct(content, masks, joint))
    (terms["local_video"] + terms["local_text"]).backward()
    assert joint["video"].tokens.grad[2].abs().sum() > 0
    assert joint["text"].tokens.grad[2].abs().sum() > 0


@pytest.mark.parametrize("modality", MODALITIES)
def test_presence_is_told_per_clip(model, batch, modality):
    present = model.globals(without(batch, modality, 0, 3)).present
    for name in MODALITIES:
        expected = [row not in (0, 3) if name == modality else True for row in range(6)]
        assert present[name].tolist() == expected


@pytest.mark.parametrize("modality", MODALITIES)
def test_one_clip_without_a_modality_keeps_all_finite(model, batch, modality):
    losses = model(without(batch, modality, 0), generator())
    assert all(value > 0 for value in values(losses).values())
    assert_finite_gradients(model, losses)


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_batch_in_which_nobody_has_a_modality_trains_the_rest(model, batch, modality):
    losses = model(without(batch, modality, *range(6)), generator())
    terms = values(losses)
    named = {"local_" + modality} | {name for name in terms if name.startswith("global") and modality in name}
    assert {name for name, value in terms.items() if value == 0} == named
    assert_finite_gradients(model, losses)


def test_an_empty_batch_of_clips_with_nothing_is_finite(model, batch):
    empty = without(without(without(batch, "video", *range(6)), "audio", *range(6)), "text", *range(6))
    losses = model(empty, generator())
    assert losses.total.item() == 0
    assert_finite_gradients(model, losses)


def test_a_batch_of_one_is_finite_and_has_no_negatives(model, batch):
    losses = model(some_rows(batch, [0]), generator())
    terms = values(losses)
    assert terms["global_contrast_audio_video"] == pytest.approx(0, abs=1e-6)
    assert_finite_gradients(model, losses)


def test_two_clips_of_which_one_is_silent_are_finite(model, batch):
    losses = model(without(some_rows(batch, [0, 1]), "audio", 0), generator())
    assert_finite_gradients(model, losses)


def test_repairing_takes_no_absent_sound_for_a_negative(model, batch):
    """With two sounds of two clips the false pairs are known: each with the other's."""
    two = some_rows(batch, [0, 1])
    globals_ = model.globals(two)
    audio, video = globals_.vectors["audio"], globals_.vectors["video"]
    true, false = (model.matching.match("audio-video", audio, video.roll(shift, dims=0)) for shift in (0, 1))
    expected = 0.5 * (torch.nn.functional.softplus(-true).mean() + torch.nn.functional.softplus(false).mean())
    loss = match(model, globals_)["global_match_audio_video"]
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    one_silent = model.globals(without(two, "audio", 0))
    loss = match(model, one_silent)["global_match_audio_video"]
    expected = 0.5 * (torch.nn.functional.softplus(-true[1]) + torch.nn.functional.softplus(false[1]))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_repairing_takes_no_absent_picture_for_a_negative(model, batch):
    """Only the first clip's sound can be re-paired: the second's would meet the picture that is not there."""
    blind = model.globals(without(some_rows(batch, [0, 1]), "video", 0))
    audio, video = blind.vectors["audio"], blind.vectors["video"]
    true, false = (
        model.matching.match("audio-video", audio, video)[1],
        model.matching.match("audio-video", audio, video.roll(1, dims=0))[0],
    )
    expected = 0.5 * (torch.nn.functional.softplus(-true) + torch.nn.functional.softplus(false))
    loss = match(model, blind)["global_match_audio_video"]
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_silence_after_a_short_sound_is_padding(model, config, tokenizer):
    """1.2 s of sound fill the first four of eight columns of patches (their middles lie before 1.2 s)."""
    clip = plain_clip(num_frames=3, seconds=1.2)
    batch = make_batch([clip], config, tokenizer)
    assert batch.num_samples.tolist() == [4800]
    padding = model.content(batch).audio_padding.reshape(8, 4)
    middles = (torch.arange(8) + 0.5) * 8 * 192
    assert padding.all(dim=1).tolist() == (middles >= 4800).tolist()
    assert padding.any(dim=1).tolist() == padding.all(dim=1).tolist()
    assert_finite_gradients(model, model(batch, generator()))


def test_a_picture_of_one_frame_trains_with_the_other_frames_as_padding(model, config, tokenizer):
    batch = make_batch([plain_clip(num_frames=1)], config, tokenizer)
    content = model.content(batch)
    assert content.video_padding.reshape(2, 16).all(dim=1).tolist() == [False, True]
    assert values(model(batch, generator()))["local_video"] > 0
