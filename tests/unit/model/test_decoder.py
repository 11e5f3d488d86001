"""The shared decoder: it sees what is visible and where, keeps to real tokens, and each of its blocks counts."""

import dataclasses
from typing import Any

import pytest
import torch
from tiny import generator

from vlsa.model.decoder import Decoder, Hidden, Rebuilt, Visible

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
        "video": Visible(tokens(4), indices(0, 3, 17, 30), present.expand(-1, 4)),
        "audio": Visible(tokens(5), indices(1, 2, 8, 9, 31), absent.expand(-1, 5)),
        "text": tokens(6),
        "text_padding": absent.expand(-1, 6),
        "hidden_video": Hidden(indices(5, 20), present.expand(-1, 2)),
        "hidden_audio": Hidden(indices(0, 30), absent.expand(-1, 2)),
        "frame_seconds": torch.tensor([[0.2, 1.5]]).expand(NUM_CLIPS, -1),
    }


def parts(rebuilt: Rebuilt) -> list[torch.Tensor]:
    return [rebuilt.video, rebuilt.audio, rebuilt.words]


def test_it_rebuilds_pixels_spectrogram_values_and_word_logits(decoder, given):
    rebuilt = decoder(**given)
    assert rebuilt.video.shape == (NUM_CLIPS, 2, 48)
    assert rebuilt.audio.shape == (NUM_CLIPS, 2, 64)
    assert rebuilt.words.shape == (NUM_CLIPS, 6, 150)


@pytest.mark.parametrize("name", ["video", "audio", "text"])
def test_each_modality_helps_to_rebuild_all(decoder, given, name):
    before = parts(decoder(**given))
    changed = torch.randn_like(given["text"] if name == "text" else given[name].tokens)
    given[name] = changed if name == "text" else dataclasses.replace(given[name], tokens=changed)
    for one, other in zip(before, parts(decoder(**given)), strict=True):
        assert (one - other)[:2].abs().amax(dim=-1).min() > 1e-4


def test_where_a_hidden_patch_stands_matters(decoder, given):
    before = decoder(**given)
    moved = dataclasses.replace(given["hidden_video"], indices=given["hidden_video"].indices + 1)
    after = decoder(**(given | {"hidden_video": moved}))
    assert (before.video - after.video).abs().amax(dim=-1).min() > 1e-4


def test_when_a_frame_was_shown_matters(decoder, given):
    before = decoder(**given)
    later = given["frame_seconds"] + torch.tensor([[0.0, 1.0]])
    assert (before.video[:, 1] - decoder(**(given | {"frame_seconds": later})).video[:, 1]).abs().max() > 1e-4


def test_padding_does_not_reach_what_is_real(decoder, given):
    before = decoder(**given)
    audio, text = given["audio"].tokens.clone(), given["text"].clone()
    audio[2], text[2] = 100.0, -100.0
    after = decoder(**(given | {"audio": dataclasses.replace(given["audio"], tokens=audio), "text": text}))
    torch.testing.assert_close(before.video, after.video)
    torch.testing.assert_close(before.words[:2], after.words[:2])


@pytest.mark.parametrize("layer", [0, 1])
def test_each_block_has_an_effect_and_a_gradient(decoder, given, layer):
    before = [part.detach() for part in parts(decoder(**given))]
    sum(part.square().sum() for part in parts(decoder(**given))).backward()
    for name, parameter in decoder.transformer.blocks[layer].named_parameters():
        assert parameter.grad.abs().sum() > 0, name
    with torch.no_grad():
        for parameter in decoder.transformer.blocks[layer].parameters():
            parameter.zero_()
    for one, other in zip(before, parts(decoder(**given)), strict=True):
        assert (one - other).abs().max() > 0.01
