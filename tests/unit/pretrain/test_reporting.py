"""What a logged step says: each term of the loss, and nothing in place of a term that does not exist."""

import math

import pytest
import torch
from tiny import change, generator, make_model, tiny_config, without

from vlsa.pretrain.reporting import values_of
from vlsa.pretrain.step import Objective, backward


def logged(batch, tokenizer, config, chunk_size=0):
    """The values of a step, those that are missing, and the gradient."""
    model = make_model(config, tokenizer)
    noise = model.draw_noise(len(batch), generator(3))
    losses = backward(Objective(model), batch, noise, chunk_size)
    values = {name: value.item() for name, value in values_of(losses).items()}
    weighted = sum(model.weight(name) * term.item() for name, term in losses.terms.items())
    assert values["loss"] == pytest.approx(weighted, rel=1e-5)  # a term that is missing counts as 0
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    return values, {name for name, value in values.items() if math.isnan(value)}


@pytest.mark.parametrize("chunk_size", [0, 2])
@pytest.mark.parametrize(
    ("modality", "missing"),
    [
        ("video", {"local_video", "global_contrast_audio_video", "global_match_audio_video"}),
        ("text", {"local_text", "global_contrast_audio_text", "global_match_audio_text"}),
    ],
)
def test_a_batch_without_a_modality_has_none_of_its_terms(batch, tokenizer, modality, missing, chunk_size):
    some = without(batch, modality, *range(len(batch)))
    values, absent = logged(some, tokenizer, tiny_config(), chunk_size)
    assert absent == missing
    assert all(values[name] > 0 for name in values.keys() - missing)


def test_a_batch_without_sound_has_no_global_term_and_no_local_one_of_it(batch, tokenizer):
    _, absent = logged(without(batch, "audio", *range(len(batch))), tokenizer, tiny_config())
    kinds, pairs = ("contrast", "match"), ("audio_video", "audio_text")
    assert absent == {"local_audio", *(f"global_{kind}_{pair}" for kind in kinds for pair in pairs)}


def test_a_whole_batch_has_every_term(batch, tokenizer):
    for options in ({}, {"contrast": "sigmoid"}, {"contrast": "volume"}, {"teacher_weight": 0.5}):
        assert not logged(batch, tokenizer, tiny_config(**options))[1]


def test_one_clip_has_nothing_to_be_contrasted_with_but_is_decided_on(batch, tokenizer):
    """InfoNCE of one clip is exactly 0; the sigmoid loss, and matching, score its positive pair all the same."""
    alone = without(batch, "video", *range(1, len(batch)))
    assert logged(alone, tokenizer, tiny_config())[1] == {"global_contrast_audio_video"}
    assert logged(alone, tokenizer, tiny_config(contrast="sigmoid"))[1] == set()
    assert logged(alone, tokenizer, tiny_config(contrast="volume", matching_weight=0.0))[1] == {"global_contrast"}


def test_the_teacher_of_a_modality_that_no_clip_has_is_missing(batch, tokenizer):
    silent = without(batch, "audio", *range(len(batch)))
    absent = logged(silent, tokenizer, tiny_config(teacher_weight=0.5))[1]
    assert {name for name in absent if "teach" in name} == {"global_teach_audio"}


def test_a_modality_that_is_not_matched_teaches_nobody(batch, tokenizer):
    wordless = without(batch, "text", *range(len(batch)))
    absent = logged(wordless, tokenizer, tiny_config(teacher_weight=0.5, pairs=("video-text",)))[1]
    assert {name for name in absent if "teach" in name} == {"global_teach_video", "global_teach_text"}


def test_a_share_of_no_patch_reconstructs_nothing(batch, tokenizer):
    assert logged(batch, tokenizer, change(tiny_config(normalise_targets=False), "video", mask_share=0.0))[1] == {
        "local_video"
    }
