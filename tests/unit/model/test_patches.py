"""Patches go there and back; positions are sinusoids on one clock for picture and sound."""

import math

import pytest
import torch
from tiny import change

from vlsa.model import patches
from vlsa.model.masking import gather_tokens
from vlsa.model.patches import Embedding, LearnedPositions, Positions, normalise_patches, sinusoids


def numbered(*shape: int) -> torch.Tensor:
    return torch.arange(math.prod(shape), dtype=torch.float32).reshape(shape)


def test_frames_come_back_from_their_patches():
    video = numbered(2, 3, 3, 12, 12)
    cut = patches.patchify_video(video, 4)
    assert cut.shape == (2, 3 * 9, 4 * 4 * 3)
    assert torch.equal(patches.unpatchify_video(cut, 4, 12), video)


def test_a_video_patch_is_a_square_of_one_frame_by_row_column_colour():
    video = numbered(1, 2, 3, 8, 8)
    patch = patches.patchify_video(video, 4)[0, 4 + 2]  # second frame, lower left
    assert torch.equal(patch.reshape(4, 4, 3), video[0, 1, :, 4:, :4].permute(1, 2, 0))


def test_spectrograms_come_back_from_their_patches():
    spectrogram = numbered(2, 12, 8)
    cut = patches.patchify_audio(spectrogram, 4)
    assert cut.shape == (2, 6, 16)
    assert torch.equal(patches.unpatchify_audio(cut, 4, 12), spectrogram)


def test_audio_patches_run_from_low_to_high_frequency_then_on_in_time():
    spectrogram = numbered(1, 12, 8)
    cut = patches.patchify_audio(spectrogram, 4)
    assert torch.equal(cut[0, 1].reshape(4, 4), spectrogram[0, :4, 4:])
    assert torch.equal(cut[0, 2].reshape(4, 4), spectrogram[0, 4:8, :4])


def test_normalised_patches_have_mean_0_and_deviation_1_and_a_flat_one_stays_finite():
    given = torch.randn(2, 3, 16) * 7 + 5
    given[0, 0] = 3.0
    normal = normalise_patches(given)
    assert torch.equal(normal[0, 0], torch.zeros(16))
    torch.testing.assert_close(normal[1].mean(dim=-1), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(normal[1].std(dim=-1), torch.ones(3), atol=1e-4, rtol=0)


def test_sinusoids_are_sines_then_cosines_at_geometric_rates():
    values = sinusoids(torch.tensor([0.0, 2.5]), 8)
    rates = [1, 10**-1, 10**-2, 10**-3]
    assert values[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    expected = [math.sin(2.5 * r) for r in rates] + [math.cos(2.5 * r) for r in rates]
    assert values[1].tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("width", [8, 16, 24, 40])
def test_every_position_of_a_clip_differs(config, width):
    positions = Positions(config, width)
    video = positions.video(torch.tensor([[0.4, 1.9]]))[0]
    assert video.shape == (2 * 16, width)
    assert positions.audio.shape == (32, width)
    assert positions.text.shape == (12, width)
    for one in (video, positions.audio, positions.text):
        distances = torch.cdist(one, one) + 10 * torch.eye(len(one))
        assert distances.min() > 1e-3


def test_a_frame_and_a_sound_at_one_moment_have_the_same_time_position(config):
    positions = Positions(config, 32)
    seconds = (3 + 0.5) * 8 * 192 / 4000  # the middle of the fourth column of patches
    frame = positions.video(torch.tensor([[seconds, 0.0]]))[0, 0]
    sound = positions.audio.reshape(8, 4, 32)[3, 0]
    torch.testing.assert_close(frame[:16], sound[:16])


def test_positions_are_not_trained_and_not_saved(config):
    positions = Positions(config, 32)
    assert not list(positions.parameters())
    assert not positions.state_dict()


def test_learned_positions_begin_at_the_fixed_ones(config):
    fixed, learned = Positions(config, 32), LearnedPositions(config, 32)
    seconds = config.audio.window_seconds
    middles = torch.tensor([[0.25, 0.75]]) * seconds  # of two frames
    torch.testing.assert_close(learned.video(middles), fixed.video(middles), atol=1e-5, rtol=1e-5)
    assert torch.equal(learned.audio, fixed.audio)
    assert torch.equal(learned.text, fixed.text)
    assert {name for name, _ in learned.named_parameters()} == {"frames", "audio", "text"}


def test_half_precision_round_about_does_not_blur_learned_positions(config):
    learned, seconds = LearnedPositions(config, 32), torch.tensor([[0.1, 0.7, 1.3]])
    plain = learned.video(seconds)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(learned.video(seconds), plain)


def test_learned_positions_of_a_frame_lie_between_those_of_the_nearest_moments(config):
    learned, seconds = LearnedPositions(config, 32), config.audio.window_seconds
    with torch.no_grad():
        learned.frames.normal_()
    found = learned.video(torch.tensor([[0.0, 0.35 * seconds], [0.5 * seconds, 2 * seconds]])).unflatten(1, (2, 16))
    first, last = learned.frames
    for (clip, frame), share in {(0, 0): 0.0, (0, 1): 0.2, (1, 0): 0.5, (1, 1): 1.0}.items():
        torch.testing.assert_close(found[clip, frame], (1 - share) * first + share * last, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("modality", ["video", "audio", "text"])
def test_an_input_norm_norms_the_tokens_of_its_modality_alone(config, modality):
    plain = Embedding(config)
    normed = Embedding(change(config, "encoder", input_norms=(modality,)))
    normed.load_state_dict(plain.state_dict(), strict=False)
    tokens = {
        "video": lambda embedding: embedding.embed_video(numbered(1, 32, 48), torch.tensor([[0.1, 2.0]])),
        "audio": lambda embedding: embedding.embed_audio(numbered(1, 32, 64)),
        "text": lambda embedding: embedding.embed_text(torch.tensor([[4, 9, 4]])),
    }
    for name, embed in tokens.items():
        expected = torch.nn.functional.layer_norm(embed(plain), (32,)) if name == modality else embed(plain)
        torch.testing.assert_close(embed(normed), expected)


def test_tokens_are_patch_plus_position_plus_modality(config):
    embedding = Embedding(config)
    given, seconds = torch.randn(2, 32, 48), torch.tensor([[0.1, 0.2], [0.3, 0.4]])
    expected = embedding.video(given) + embedding.positions.video(seconds) + embedding.modality[0]
    torch.testing.assert_close(embedding.embed_video(given, seconds), expected)
    visible = torch.tensor([[0, 5, 31], [2, 3, 4]])
    some = embedding.embed_video(gather_tokens(given, visible), seconds, visible)
    torch.testing.assert_close(some[1], expected[1, [2, 3, 4]])


def test_audio_and_text_are_embedded_at_their_positions(config):
    embedding = Embedding(config)
    given = torch.randn(2, 32, 64)
    expected = embedding.audio(given) + embedding.positions.audio + embedding.modality[1]
    torch.testing.assert_close(embedding.embed_audio(given), expected)
    one = torch.tensor([[7], [9]])
    torch.testing.assert_close(embedding.embed_audio(gather_tokens(given, one), one)[:, 0], expected[[0, 1], [7, 9]])
    words = torch.tensor([[4, 9, 4]])
    tokens = embedding.embed_text(words)
    torch.testing.assert_close(tokens[0, 0] - tokens[0, 2], embedding.positions.text[0] - embedding.positions.text[2])


def test_positions_follow_the_settings(config):
    other = change(config, "audio", hop_samples=96)
    torch.testing.assert_close(Positions(other, 32).audio[4, :16], sinusoids(torch.tensor(12 * 96 / 4000 * 16), 16))
