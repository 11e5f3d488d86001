"""Tones land on the rows and columns where they belong, and padding begins where sound ends."""

import math

import numpy as np
import pytest
import torch

from vlsa.config import AudioConfig
from vlsa.model.spectrogram import MAGNITUDE_FLOOR, LogSpectrogram, log_frequency_warp

PAPER = AudioConfig()
SMALL = AudioConfig(sample_rate_hz=4000, window_samples=254, hop_samples=192, num_times=64, num_frequencies=32)


def tone(frequency_hz: float, config: AudioConfig, amplitude: float = 0.5) -> torch.Tensor:
    seconds = np.arange(config.num_samples) / config.sample_rate_hz
    return torch.from_numpy(amplitude * np.sin(2 * np.pi * frequency_hz * seconds)).float()[None]


def row_of(frequency_hz: float, config: AudioConfig) -> float:
    """The row that a frequency belongs to: the inverse of (21^u - 1) / 20."""
    share = frequency_hz / (config.sample_rate_hz / 2)
    return math.log(20 * share + 1) / math.log(21) * (config.num_frequencies - 1)


@pytest.mark.parametrize(("num_linear", "num_warped"), [(512, 256), (128, 32), (64, 128)])
def test_each_row_of_the_warp_is_an_average(num_linear, num_warped):
    warp = log_frequency_warp(num_linear, num_warped)
    assert warp.shape == (num_warped, num_linear)
    torch.testing.assert_close(warp.sum(dim=1), torch.ones(num_warped))
    assert (warp >= 0).all()
    assert (warp > 0).sum(dim=1).max() <= 2


def test_the_warp_interpolates_linearly():
    warp = log_frequency_warp(512, 256)
    place = (21 ** (np.arange(256) / 255) - 1) / 20 * 511
    np.testing.assert_allclose(warp.numpy() @ np.arange(512.0), place, rtol=1e-4, atol=1e-4)
    assert warp[0, 0] == 1
    assert warp[-1, -1] == pytest.approx(1)


@pytest.mark.parametrize("config", [PAPER, SMALL], ids=["paper", "small"])
def test_a_spectrogram_has_the_shape_that_the_settings_say(config):
    assert LogSpectrogram(config)(tone(500, config)).shape == (1, config.num_times, config.num_frequencies)


def test_the_paper_hears_almost_six_seconds():
    assert PAPER.num_samples == 65_535
    assert PAPER.window_seconds == pytest.approx(5.94, abs=0.005)


@pytest.mark.parametrize("frequency_hz", [110, 440, 1000, 2500, 5000])
def test_a_pure_tone_lands_on_its_row(frequency_hz):
    spectrogram = LogSpectrogram(PAPER)(tone(frequency_hz, PAPER))[0, 100]
    spread = 0.6 * PAPER.sample_rate_hz / PAPER.window_samples  # half a linear frequency, as rows
    low, high = (row_of(frequency_hz + sign * spread, PAPER) for sign in (-1, 1))
    assert low - 1 <= spectrogram.argmax().item() <= high + 1


def test_an_octave_is_about_as_many_rows_in_the_middle_of_the_scale():
    rows = [row_of(frequency, PAPER) for frequency in (1000, 2000, 4000)]
    assert rows[2] - rows[1] == pytest.approx(rows[1] - rows[0], rel=0.15)


def test_a_click_lands_on_its_column():
    sound = torch.zeros(1, SMALL.num_samples)
    sound[0, 20 * 192] = 1.0
    energy = LogSpectrogram(SMALL)(sound)[0].mean(dim=-1)
    assert energy.argmax() == 20


def test_silence_and_a_full_scale_tone_have_the_closed_form_values():
    transform = LogSpectrogram(PAPER)
    silence = (math.log(MAGNITUDE_FLOOR) + 2) / 3
    torch.testing.assert_close(transform(torch.zeros(1, 65_535)), torch.full((1, 256, 256), silence))
    on_a_line = 100 * 11_025 / 1022
    loudest = transform.magnitude(tone(on_a_line, PAPER, amplitude=1.0))[0, 100].max().item()
    assert loudest == pytest.approx(1022 / 4, rel=0.01)  # half of the window's sum, which is half of its length


def test_twice_as_loud_is_ln_2_thirds_more():
    transform = LogSpectrogram(PAPER)
    soft, loud = (transform(tone(1000, PAPER, amplitude))[0, 100].max() for amplitude in (0.4, 0.8))
    assert (loud - soft).item() == pytest.approx(math.log(2) / 3, abs=0.002)


def test_patches_whose_middle_lies_past_the_sound_are_padding():
    transform = LogSpectrogram(
        AudioConfig(num_times=64, num_frequencies=32)
    )  # 4 x 2 patches, middles at 2,048 + 4,096 n
    padding = transform.padding(torch.tensor([0, 2048, 2049, 6145, 16_383]))
    assert padding.shape == (5, 8)
    assert padding.reshape(5, 4, 2).all(dim=-1).sum(dim=1).tolist() == [4, 4, 3, 2, 0]
    assert padding[2].tolist() == [False, False, True, True, True, True, True, True]


def test_the_front_end_has_nothing_to_train_or_save():
    transform = LogSpectrogram(SMALL)
    assert not list(transform.parameters())
    assert not transform.state_dict()


def test_half_precision_round_about_does_not_blur_it():
    spectrogram = LogSpectrogram(SMALL)
    plain = spectrogram(tone(440.0, SMALL))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(spectrogram(tone(440.0, SMALL)), plain)
