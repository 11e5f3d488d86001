"""ViT, MAE, CLIP's vision and VideoMAE in our encoder, against transformers: the same pixels, tokens, hidden states."""

import dataclasses

import public_models as public
import pytest
import torch
from tiny import change, generator, make_model, tower
from torch import nn
from torch.nn import functional as F

from vlsa.config import ModelConfig
from vlsa.model.attention import Masked
from vlsa.model.encoder import Transformer
from vlsa.model.patches import patchify_audio, patchify_video
from vlsa.model.vlsa import VLSA
from vlsa.model.warm_start import apply, read

HF_SETTINGS = {
    "vit": {"norm_eps": 1e-12},
    "mae": {"norm_eps": 1e-12},
    "clip": {"activation": "quick_gelu", "input_norms": ("video",)},
    "clip_vision": {"activation": "quick_gelu", "input_norms": ("video",)},
    "videomae": {"norm_eps": 1e-12},
}
PIXELS = {
    "vit": ((0.5,) * 3, (0.5,) * 3),
    "mae": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "videomae": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def begun(config: ModelConfig, tokenizer, where: str, **encoder) -> VLSA:
    """A model at an odd scale of pixels that began from a checkpoint."""
    model = make_model(change(config, "encoder", positions="learned", **encoder), tokenizer)
    model.pixel_scale.copy_(torch.tensor([0.31, 0.17]))
    apply(model, [read(where)])
    return model.eval()


def hidden(encoder: Transformer, tokens: torch.Tensor) -> torch.Tensor:
    """Outputs of the last block, before the norm."""
    for block in encoder.blocks:
        tokens = block(tokens, Masked.of([torch.zeros(tokens.shape[:2], dtype=torch.bool)]))
    return tokens


def some_frames(num_frames: int = 2) -> torch.Tensor:
    return torch.randint(0, 256, (3, num_frames, 3, 16, 16), dtype=torch.uint8, generator=generator())


def as_seen_by(family: str, frames: torch.Tensor) -> torch.Tensor:
    """Pixels as the public preprocessing gives them."""
    mean, deviation = (torch.tensor(values)[:, None, None] for values in PIXELS[family])
    return (frames.float() / 255 - mean) / deviation


def tokens_of(model: VLSA, frames: torch.Tensor) -> torch.Tensor:
    """Our tokens of frames at evenly spread moments, frame by frame."""
    num_frames = frames.shape[1]
    seconds = (torch.arange(num_frames) + 0.5) / num_frames * model.config.audio.window_seconds
    patches = patchify_video(frames, model.config.video.patch_px)
    return model.embedding.embed_video(model.pixels(patches), seconds.expand(len(frames), -1))


@pytest.mark.parametrize("family", ["vit", "mae"])
def test_vit_and_mae_give_the_hidden_states_of_transformers(config, tokenizer, tmp_path, family):
    theirs = getattr(public, family)()
    model = begun(config, tokenizer, public.written(theirs, tmp_path), **HF_SETTINGS[family])
    base = theirs.vit if family == "mae" else theirs
    pixels = as_seen_by(family, some_frames(1))[:, 0]
    given = {"noise": torch.arange(16.0).expand(3, -1)} if family == "mae" else {}  # 0 is hidden: the order stays
    tokens = base.embeddings(pixels, **given)
    tokens = tokens[0] if family == "mae" else tokens
    with torch.no_grad():
        expected = base(pixels, **given).last_hidden_state
        ours = tower(model)(tokens, [torch.zeros(tokens.shape[:2], dtype=torch.bool)])
    assert expected.std() > 0.1
    assert (ours - expected).abs().max() < 1e-5


@pytest.mark.parametrize("family", ["clip", "clip_vision"])
def test_clip_gives_the_hidden_states_of_transformers(config, tokenizer, tmp_path, family):
    theirs = getattr(public, family)()
    model = begun(config, tokenizer, public.written(theirs, tmp_path), **HF_SETTINGS[family])
    vision = theirs.vision_model if family == "clip" else theirs
    pixels = as_seen_by("clip", some_frames(1))[:, 0]
    with torch.no_grad():
        tokens = model.embedding.input_norms["video"](vision.embeddings(pixels))
        expected = vision(pixels)
        ours = hidden(tower(model), tokens)
        class_token = tower(model).norm(ours)[:, 0]
    assert (ours - expected.last_hidden_state).abs().max() < 1e-5
    assert (class_token - expected.pooler_output).abs().max() < 1e-5


@pytest.mark.parametrize("pooled", [True, False])
def test_videomae_gives_the_hidden_states_of_transformers(config, tokenizer, tmp_path, pooled):
    theirs = public.videomae(use_mean_pooling=pooled)
    model = begun(config, tokenizer, public.written(theirs, tmp_path), norm_eps=1e-12)
    pixels = as_seen_by("videomae", some_frames(4))
    with torch.no_grad():
        expected = theirs(pixels).last_hidden_state
        ours = hidden(tower(model), theirs.embeddings(pixels, None))
        ours = ours if pooled else tower(model).norm(ours)
    assert (ours - expected).abs().max() < 1e-5


@pytest.mark.parametrize("family", ["vit", "mae", "clip"])
def test_a_frame_becomes_the_tokens_of_transformers(config, tokenizer, tmp_path, family):
    theirs = getattr(public, family)()
    model = begun(config, tokenizer, public.written(theirs, tmp_path), **HF_SETTINGS[family])
    frames = some_frames()
    ours = tokens_of(model, frames).unflatten(1, (2, 16))
    with torch.no_grad():
        for number in range(2):
            pixels = as_seen_by(family, frames)[:, number]
            if family == "clip":
                expected = theirs.vision_model.pre_layrnorm(theirs.vision_model.embeddings(pixels))
            elif family == "mae":
                expected = theirs.vit.embeddings(pixels, noise=torch.arange(16.0).expand(3, -1))[0]
            else:
                expected = theirs.embeddings(pixels)
            assert (ours[:, number] - expected[:, 1:]).abs().max() < 1e-5


def test_a_still_video_becomes_the_tokens_of_videomae_and_gives_its_hidden_states(config, tokenizer, tmp_path):
    theirs = public.videomae()
    model = begun(config, tokenizer, public.written(theirs, tmp_path), norm_eps=1e-12)
    frames = some_frames(2)  # each stands for a tubelet of two
    pixels = as_seen_by("videomae", frames.repeat_interleave(2, dim=1))
    with torch.no_grad():
        tokens = tokens_of(model, frames)
        assert (tokens - theirs.embeddings(pixels, None)).abs().max() < 1e-5
        assert (hidden(tower(model), tokens) - theirs(pixels).last_hidden_state).abs().max() < 1e-5


def test_a_checkpoints_own_scale_of_pixels_is_folded_in(config, tokenizer, tmp_path):
    theirs = public.vit()
    where = public.written(theirs, tmp_path)
    (tmp_path / "preprocessor_config.json").write_text('{"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}')
    model = begun(config, tokenizer, where, norm_eps=1e-12)
    frames = some_frames()
    mean, deviation = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.4, 0.5, 0.6])
    pixels = (frames[:, 1].float() / 255 - mean[:, None, None]) / deviation[:, None, None]
    with torch.no_grad():
        expected = theirs.embeddings(pixels)[:, 1:]
    assert (tokens_of(model, frames)[:, 16:] - expected).abs().max() < 1e-5


def test_positions_are_resized_as_transformers_does_for_larger_pictures(config, tokenizer, tmp_path):
    theirs = public.vit()
    large = dataclasses.replace(config, video=dataclasses.replace(config.video, size_px=24))
    model = begun(large, tokenizer, public.written(theirs, tmp_path), norm_eps=1e-12)
    frames = torch.randint(0, 256, (3, 2, 3, 24, 24), dtype=torch.uint8, generator=generator())
    with torch.no_grad():
        expected = theirs.embeddings(as_seen_by("vit", frames)[:, 0], interpolate_pos_encoding=True)[:, 1:]
    assert (tokens_of(model, frames)[:, :36] - expected).abs().max() < 1e-5


def test_a_spectrogram_is_answered_as_a_grey_picture(config, tokenizer, tmp_path):
    theirs = public.vit(patch_size=8, image_size=32)
    same = dataclasses.replace(config, video=dataclasses.replace(config.video, size_px=32, patch_px=8))
    model = begun(same, tokenizer, public.written(theirs, tmp_path), norm_eps=1e-12)
    spectrogram = torch.randn(2, 64, 32, generator=generator())  # times, frequencies
    grey = spectrogram.transpose(1, 2)[:, None].expand(-1, 3, -1, -1)  # rows are frequencies
    conv: nn.Conv2d = theirs.embeddings.patch_embeddings.projection
    expected = F.conv2d(grey, conv.weight, conv.bias, stride=8)  # D, frequency, time
    ours = model.embedding.audio(patchify_audio(spectrogram, 8))
    assert (ours - expected.permute(0, 3, 2, 1).flatten(1, 2)).abs().max() < 1e-5
