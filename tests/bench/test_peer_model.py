"""The peer is no straw man: the same operations, parameters and losses as ours, in the library's layers."""

import math

import pytest
import torch
from peer_model import Peer
from step_cost import num_weights
from tiny import tiny_config
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from vlsa.config import ModelConfig
from vlsa.config.recipes import recipe
from vlsa.model.flops import step_flops


def inputs(config: ModelConfig, num_clips: int) -> list[torch.Tensor]:
    """Noise in the shapes of a batch; the last two words of each text are padding."""
    video, audio, text = config.video, config.audio, config.text
    padding = torch.zeros(num_clips, text.num_tokens, dtype=torch.bool)
    padding[:, -2:] = True
    return [
        torch.randint(0, 256, (num_clips, video.num_frames, 3, video.size_px, video.size_px), dtype=torch.uint8),
        torch.randn(num_clips, audio.num_times, audio.num_frequencies),
        torch.randint(5, text.vocabulary_size, padding.shape),
        padding,
    ]


@pytest.mark.parametrize("masked", [True, False], ids=["masked", "unmasked"])
@pytest.mark.parametrize("config", [tiny_config(), recipe("paper").model], ids=["tiny", "paper"])
def test_a_step_computes_what_ours_does(config, masked):
    num_clips = 2
    with FakeTensorMode():
        peer = Peer(config, masked)
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            loss = peer(*inputs(config, num_clips))
            forward = counter.get_total_flops()
            loss.backward()
    ours = step_flops(config)
    assert forward / num_clips == pytest.approx(ours.forward, rel=0.01)
    assert counter.get_total_flops() / num_clips == pytest.approx(ours.total, rel=0.01)


def test_it_has_as_many_parameters_as_ours():
    for config in (tiny_config(), recipe("paper").model):
        assert sum(weight.numel() for weight in Peer(config).parameters()) == num_weights(config)


def test_every_parameter_learns():
    peer = Peer(tiny_config())
    peer(*inputs(peer.config, 4)).backward()
    assert [name for name, weight in peer.named_parameters() if not weight.grad.abs().sum()] == []


@pytest.mark.parametrize("masked", [True, False], ids=["masked", "unmasked"])
def test_only_the_unmasked_peer_sees_padded_words(masked):
    peer, losses = Peer(tiny_config(), masked), []
    batch = inputs(peer.config, 3)
    for word in (7, 8):
        batch[2][:, -2:] = word
        torch.manual_seed(1)
        losses.append(peer(*batch).item())
    assert (losses[0] == pytest.approx(losses[1], rel=1e-6)) == masked


def test_a_collapsed_peer_has_the_loss_of_chance():
    """All globals equal: both ways ln B, and ln 2 for matching by a layer of zeros; two pairs."""
    config = tiny_config(local_weight=1e-9, global_weight=1.0)
    peer, num_clips = Peer(config), 5
    for layer in peer.match.values():
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    torch.nn.init.zeros_(peer.encoder.stack.norm.weight)
    torch.nn.init.ones_(peer.encoder.stack.norm.bias)
    loss = peer(*inputs(config, num_clips)).item()
    assert loss == pytest.approx(2 * (2 * math.log(num_clips) + math.log(2)), rel=1e-4)
