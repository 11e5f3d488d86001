"""Encoding on a GPU: bfloat16 and flash attention give nearly the vectors of the exact path."""

import pytest
import torch
from tiny import change, make_model, plain_clip, tiny_clips, tiny_config

from vlsa.config import ComputeConfig
from vlsa.pretrain.acceleration import set_up_encoding
from vlsa.retrieve.encode.encoders import VlsaEncoder

pytestmark = pytest.mark.gpu


def test_fast_vectors_have_a_cosine_of_0_999_with_exact_ones(tokenizer, batch):
    config = change(tiny_config(), "encoder", num_heads=2)
    model = make_model(config, tokenizer)
    model.calibrate(batch)
    encoder = VlsaEncoder(model.cuda(), tokenizer)
    clips = [*tiny_clips(6), plain_clip(seconds=1.0, num_frames=1), plain_clip(seconds=9.0, num_frames=80)]
    texts = [text for clip in clips for text in clip.texts]
    exact = [encoder.encode_video(clips), encoder.encode_audio(clips), encoder.encode_text(texts)]
    set_up_encoding(model, ComputeConfig(), torch.device("cuda"))
    fast = [encoder.encode_video(clips), encoder.encode_audio(clips), encoder.encode_text(texts)]
    for one, other in zip(exact, fast, strict=True):
        assert (one * other).sum(axis=1).min() >= 0.999
