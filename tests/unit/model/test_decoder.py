"""The shared decoder: it sees what is visible and where, keeps to real tokens, and each of its blocks counts."""

import dataclasses
from typing import Any

import pytest
import torch
from tiny import change, generator

from vlsa.model.decoder import Decoder, Masked, Reconstruction, Visible

NUM_CLIPS = 3


@pytest.fixture
def decoder(config) -> Decoder:
    torch.manual_seed(0)
    return Decoder(config)


@pytest.fixture
def given() -> dict[str, Any]:
    """Four visible and two decoded patches of picture and sound, and a text; clip 2 has no sound and no words."""

    def tokens(number: int) -> torch.Tensor:
        return torch.randn(NUM_CLIPS, number, 32, generator=generator(number))

    def indices(*values: int) -> torch.Tensor:
        return torch.tensor(values).expand(NUM_CLIPS, -1)

    absent = torch.tensor([False, False, True])[:, None]
    present = torch.zeros(NUM_CLIPS, 1, dtype=torch.bool)
    return {
        "visible": {
            "video": Visible(tokens(4), indices(0, 3, 17, 30), present.expand(-1, 4)),
            "audio": Visible(tokens(5), indices(1, 2, 8, 9, 31), absent.expand(-1, 5)),
            "text": Visible(tokens(6), indices(0, 1, 2, 3, 4, 5), absent.expand(-1, 6)),
        },
        "masked": {
            "video": Masked(indices(5, 20), present.expand(-1, 2)),
            "audio": Masked(indices(0, 30), absent.expand(-1, 2)),
            "text": Masked(indices(1, 4, 5), absent.expand(-1, 3)),
        },
        "frame_seconds": torch.tensor([[0.2, 1.5]]).expand(NUM_CLIPS, -1),
    }


def with_tokens(given: dict[str, Any], **tokens: torch.Tensor) -> dict[str, Any]:
    """The same, with other tokens of some modalities."""
    changed = {name: dataclasses.replace(given["visible"][name], tokens=value) for name, value in tokens.items()}
    return given | {"visible": given["visible"] | changed}


def parts(prediction: Reconstruction) -> list[torch.Tensor]:
    return [prediction.video, prediction.audio, prediction.text]


def test_it_predicts_pixels_spectrogram_values_and_token_logits(decoder, given):
    prediction = decoder(**given)
    assert prediction.video.shape == (NUM_CLIPS, 2, 48)
    assert prediction.audio.shape == (NUM_CLIPS, 2, 64)
    assert prediction.text.shape == (NUM_CLIPS, 3, 150)


@pytest.mark.parametrize("name", ["video", "audio", "text"])
def test_each_modality_helps_to_reconstruct_all(decoder, given, name):
    before = parts(decoder(**given))
    changed = torch.randn_like(given["visible"][name].tokens)
    for one, other in zip(before, parts(decoder(**with_tokens(given, **{name: changed}))), strict=True):
        assert (one - other)[:2].abs().amax(dim=-1).min() > 1e-4


def test_the_position_of_a_masked_patch_matters(decoder, given):
    before = decoder(**given)
    moved = dataclasses.replace(given["masked"]["video"], indices=given["masked"]["video"].indices + 1)
    after = decoder(**(given | {"masked": given["masked"] | {"video": moved}}))
    assert (before.video - after.video).abs().amax(dim=-1).min() > 1e-4


def test_when_a_frame_was_shown_matters(decoder, given):
    before = decoder(**given)
    later = given["frame_seconds"] + torch.tensor([[0.0, 1.0]])
    assert (before.video[:, 1] - decoder(**(given | {"frame_seconds": later})).video[:, 1]).abs().max() > 1e-4


def test_padding_does_not_reach_what_is_real(decoder, given):
    before = decoder(**given)
    audio, text = (given["visible"][name].tokens.clone() for name in ("audio", "text"))
    audio[2], text[2] = 100.0, -100.0
    after = decoder(**with_tokens(given, audio=audio, text=text))
    torch.testing.assert_close(before.video, after.video)
    torch.testing.assert_close(before.text[:2], after.text[:2])


@pytest.mark.parametrize("layer", [0, 1])
def test_each_block_has_an_effect_and_a_gradient(decoder, given, layer):
    before = [part.detach() for part in parts(decoder(**given))]
    sum(part.square().sum() for part in parts(decoder(**given))).backward()
    transformer = decoder.towers["video_audio_text"].transformer
    for name, parameter in transformer.blocks[layer].named_parameters():
        assert parameter.grad.abs().sum() > 0, name
    with torch.no_grad():
        for parameter in transformer.blocks[layer].parameters():
            parameter.zero_()
    for one, other in zip(before, parts(decoder(**given)), strict=True):
        assert (one - other).abs().max() > 0.01


@pytest.mark.parametrize("shared", ["video-text", "audio-text", "audio-video", "none"])
def test_a_decoder_of_its_own_sees_its_own_modality_only(config, given, shared):
    """Figure 4: what those outside a group show does not reach it, and what is inside does."""
    torch.manual_seed(0)
    decoder = Decoder(change(config, "decoder", shared=shared))
    before = dict(zip(("video", "audio", "text"), parts(decoder(**given)), strict=True))
    for name in before:
        other = with_tokens(given, **{name: torch.randn_like(given["visible"][name].tokens)})
        after = dict(zip(before, parts(decoder(**other)), strict=True))
        moved = {n for n in before if (before[n] - after[n])[:2].abs().max() > 1e-4}
        together = set(shared.split("-")) if name in shared.split("-") else {name}
        assert moved == together
