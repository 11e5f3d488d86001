"""The count of operations is the one that torch counts while it computes."""

import pytest
import torch
from tiny import change, generator, make_batch, make_model, tiny_config
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from vlsa.config import ModelConfig
from vlsa.config.recipes import recipe
from vlsa.model.flops import encode_flops, encoder_tokens, layer_flops, step_flops


def counted(call) -> int:
    """What torch counts; attention as plain products, which it counts on every device."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        call()
    return counter.get_total_flops()


CASES = {
    "paper's objective": tiny_config(),
    "lpmm only": tiny_config(global_weight=0.0),
    "gam only": tiny_config(local_weight=0.0),
    "joint": tiny_config(matching_attention="joint"),
    "lpmm only, late fusion": change(tiny_config(global_weight=0.0), "encoder", fusion_layers=1),
    "joint, late fusion, own encoders": change(
        tiny_config(matching_attention="joint"), "encoder", fusion_layers=1, shared="audio-text"
    ),
    "late fusion": change(tiny_config(), "encoder", fusion_layers=1),
    "partial decoding": change(tiny_config(), "decoder", decoded_share=0.25),
    "own encoders": change(tiny_config(), "encoder", shared="none"),
    "video-text encoder": change(tiny_config(), "encoder", shared="video-text"),
    "own decoders": change(tiny_config(), "decoder", shared="audio-text"),
    "global tokens": tiny_config(pooling="token"),
    "heads": tiny_config(heads="pair", pooling="attention", pairs=("audio-video", "audio-text", "video-text")),
    "other heads": tiny_config(heads="modality", head_kind="mlp", head_width=24, local_weight=0.0),
}


@pytest.mark.parametrize("config", CASES.values(), ids=CASES)
def test_a_step_costs_what_torch_counts(config: ModelConfig, tokenizer, clips):
    """Per clip, less the products of the contrast (B x B) and of matching, which are no part of it."""
    model, batch = make_model(config, tokenizer), make_batch(clips, config, tokenizer)
    spectrogram = counted(lambda: model.spectrogram(batch.waveform))
    whole = counted(lambda: model(batch, generator())) - spectrogram
    num_clips, width, pairs = len(batch), config.space_width, len(config.objective.pairs)
    contrast = pairs * 2 * 2 * width * (num_clips**2 + num_clips) if config.objective.global_weight else 0
    assert whole - contrast == num_clips * step_flops(config).forward


def test_a_backward_pass_costs_twice_the_forward_pass_less_what_needs_no_gradient(tokenizer, clips):
    config = tiny_config(global_weight=0.0)
    model, batch = make_model(config, tokenizer), make_batch(clips, config, tokenizer)
    spectrogram = counted(lambda: model.spectrogram(batch.waveform))
    whole = counted(lambda: model(batch, generator()).total.backward()) - spectrogram
    assert whole == len(batch) * step_flops(config).total


@pytest.mark.parametrize("name", ["video", "audio", "text"])
@pytest.mark.parametrize("case", ["paper's objective", "heads", "global tokens"])
def test_encoding_costs_what_torch_counts(tokenizer, batch, name, case):
    config = CASES[case]
    model = make_model(config, tokenizer)
    spectrogram = counted(lambda: model.spectrogram(batch.waveform)) if name == "audio" else 0
    with torch.no_grad():
        whole = counted(lambda: getattr(model, f"encode_{name}")(batch))
    assert whole - spectrogram == len(batch) * encode_flops(config)[name]


@pytest.mark.parametrize("config", CASES.values(), ids=CASES)
def test_the_tokens_that_enter_the_encoder_are_those_its_layers_are_given(config: ModelConfig, tokenizer, clips):
    """Each layer's MLP is called with all tokens of its passes; their mean over the layers is counted."""
    model, batch = make_model(config, tokenizer), make_batch(clips, config, tokenizer)
    rows = []
    for tower in model.encoder.towers.values():
        for block in tower.blocks:
            block.mlp.register_forward_hook(lambda _mlp, inputs, _output: rows.append(inputs[0][..., 0].numel()))
    model(batch, generator())
    assert encoder_tokens(config) == round(sum(rows) / len(batch) / config.encoder.num_layers)


def test_the_tokens_of_the_paper_go_through_the_encoder_twice():
    """By hand: a quarter of 8 x 196 patches of picture and of 256 of sound, and 40 words; apart and together."""
    assert encoder_tokens(recipe("paper").model) == 2 * (8 * 49 + 64 + 40)


def test_a_layer_has_the_closed_form():
    assert layer_flops(10, [4, 6], 8, 4) == 2 * 10 * 8 * 8 * 12 + 4 * 8 * (16 + 36)


def test_a_step_of_the_paper_costs_about_a_teraflop_a_clip():
    """By hand: 496 visible tokens twice through the encoder's 85 M weights are 169 G, its attention 14 G."""
    flops = step_flops(recipe("paper").model)
    assert flops.encoder == pytest.approx(183e9, rel=0.01)
    assert flops.total == pytest.approx(1.01e12, rel=0.01)
