"""Reconstructions: a perfect decoder gives the original back, and numbers have their closed forms."""

import numpy as np
import pytest
import torch
from tiny import change, generator, make_batch, make_model, plain_clip, tiny_clips, tiny_config

from vlsa.base.errors import CheckpointError
from vlsa.data.loading.loader import MemoryClips
from vlsa.model import masking
from vlsa.model.decoder import Reconstruction
from vlsa.model.patches import normalise_patches
from vlsa.show.compute.reconstruction import denormalise, reconstruct_batch, reconstruct_clips, reconstruction_numbers


def perfect(model):
    """Stands for `VLSA.reconstruct`: knows everything."""

    def reconstruct(content, masks, joint) -> Reconstruction:
        token_ids = content.token_ids.gather(1, masks.masked_text)
        words = torch.nn.functional.one_hot(token_ids, model.config.text.vocabulary_size).float()
        video = model.target(model.pixels(content.video, masks.masked_video))
        return Reconstruction(video, model.target(masking.gather_tokens(content.audio, masks.masked_audio)), words)

    return reconstruct


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("share", [1.0, 0.3])
def test_a_perfect_decoder_gives_the_original_back(tokenizer, batch, monkeypatch, normalise, share):
    config = change(tiny_config(normalise_targets=normalise), "decoder", decoded_share=share)
    model = make_model(config, tokenizer)
    model.calibrate(batch)
    monkeypatch.setattr(model, "reconstruct", perfect(model))
    clips = reconstruct_batch(model, tokenizer, batch, generator())
    for clip in clips:
        np.testing.assert_array_equal(clip.frames.reconstructed, clip.frames.original)
        np.testing.assert_allclose(clip.spectrogram.reconstructed, clip.spectrogram.original, atol=1e-4)
        assert [token.piece for token in clip.tokens if token.prediction] == [
            token.prediction for token in clip.tokens if token.prediction
        ]
        assert clip.errors["video"] == clip.errors["audio"] == 0
    assert reconstruction_numbers(clips)[-1].value == 1.0


def test_the_frames_are_those_of_the_batch_and_as_much_is_masked_as_in_training(model, tokenizer, batch):
    clip = reconstruct_batch(model, tokenizer, batch, generator())[2]
    np.testing.assert_array_equal(clip.frames.original, batch.video[2].permute(0, 2, 3, 1).numpy())
    assert clip.frames.mask.mean(axis=(1, 2, 3)).tolist() == [0.75, 0.75]
    assert clip.spectrogram.mask.mean() == pytest.approx(0.75)
    visible = ~clip.frames.mask
    np.testing.assert_array_equal(clip.frames.reconstructed[visible], clip.frames.original[visible])
    assert (clip.frames.reconstructed != clip.frames.original)[
        clip.frames.mask
    ].mean() > 0.5  # the fresh decoder knows nothing


def test_every_masked_patch_is_decoded_once_whatever_share_is_decoded_in_training(tokenizer, batch, monkeypatch):
    model = make_model(change(tiny_config(), "decoder", decoded_share=0.3), tokenizer)
    asked, whole = [], model.reconstruct

    def watch(content, masks, joint):
        asked.append(masks.masked_video[0])
        return whole(content, masks, joint)

    monkeypatch.setattr(model, "reconstruct", watch)
    reconstruct_batch(model, tokenizer, batch, generator())
    assert len(asked) == 3
    assert len(torch.cat(asked).unique()) == 24  # of 32 patches


def test_denormalising_undoes_normalising():
    patches = torch.randn(2, 3, 12, generator=generator()) * 4 + 7
    torch.testing.assert_close(denormalise(normalise_patches(patches), patches), patches)


def test_a_flat_guess_has_the_closed_form_error(model, tokenizer, batch):
    """Normalised patches have mean 0 and, of P values, a mean square of (P - 1) / P (less what the floor takes)."""
    clips = reconstruct_batch(model, tokenizer, batch, generator())
    flat = np.mean([clip.errors["video_flat"] for clip in clips])
    assert flat == pytest.approx(47 / 48, abs=0.02)


def test_absent_modalities_are_empty_and_not_counted(model, tokenizer, config):
    silent, textless = plain_clip(rate_hz=None, id="silent"), plain_clip(texts=(), id="textless")
    blind = plain_clip(num_frames=0, id="blind")
    clips = reconstruct_batch(model, tokenizer, make_batch([silent, textless, blind], config, tokenizer), generator())
    assert [len(clip.frames.original) for clip in clips] == [2, 2, 0]
    assert [len(clip.spectrogram.original) > 0 for clip in clips] == [False, True, True]
    assert [len(clip.tokens) > 0 for clip in clips] == [True, False, True]
    assert [sorted(clip.errors) for clip in clips] == [
        ["video", "video_flat"], ["audio", "audio_flat", "video", "video_flat"], ["audio", "audio_flat"]
    ]  # fmt: skip
    assert [number.over for number in reconstruction_numbers(clips)] == ["2 clips"] * 3


def test_a_short_sound_ends_where_it_ends(model, tokenizer, config):
    short = plain_clip(sound=np.zeros(6000, np.float32))
    (clip,) = reconstruct_batch(model, tokenizer, make_batch([short], config, tokenizer), generator())
    assert len(clip.spectrogram.original) == 32  # half of the 64 columns


def test_a_run_without_a_decoder_is_refused_in_one_line(tokenizer):
    model = make_model(tiny_config(local_weight=0.0), tokenizer)
    source = MemoryClips({"test": tiny_clips(1)})
    with pytest.raises(CheckpointError, match="no decoder") as caught:
        next(iter(reconstruct_clips(model, tokenizer, source, source.rows())))
    assert "\n" not in str(caught.value)


def test_the_same_seed_draws_the_same_masks(model, tokenizer):
    source = MemoryClips({"test": tiny_clips(3)})
    one, two = (list(reconstruct_clips(model, tokenizer, source, source.rows(), seed=3)) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.frames.mask, b.frames.mask)
        assert a.tokens == b.tokens
