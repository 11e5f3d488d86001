"""The spectrogram's short-time Fourier transform against scipy's, and against numpy's definition."""

import numpy as np
import pytest
import scipy.signal
import torch

from vlsa.config import AudioConfig
from vlsa.model.spectrogram import LogSpectrogram


@pytest.mark.parametrize(
    "config",
    [
        AudioConfig(),
        AudioConfig(sample_rate_hz=4000, window_samples=254, hop_samples=192, num_times=64, num_frequencies=32),
    ],
    ids=["paper", "small"],
)
def test_magnitudes_are_those_of_scipy(config):
    rng = np.random.default_rng(0)
    sound = rng.standard_normal((2, config.num_samples)).astype(np.float32)
    size, hop = config.window_samples, config.hop_samples
    mirrored = np.pad(sound.astype(np.float64), ((0, 0), (size // 2, size // 2)), mode="reflect")
    window = scipy.signal.get_window("hann", size, fftbins=True)
    _, _, theirs = scipy.signal.stft(
        mirrored, window=window, nperseg=size, noverlap=size - hop, boundary=None, padded=False, scaling="spectrum"
    )
    theirs = np.abs(theirs) * window.sum()  # scipy divides by the sum of the window
    mine = LogSpectrogram(config).magnitude(torch.from_numpy(sound)).numpy()
    assert mine.shape == (2, config.num_times, size // 2 + 1)
    np.testing.assert_allclose(mine, theirs.transpose(0, 2, 1), rtol=1e-3, atol=1e-3)


def test_a_column_is_the_transform_of_the_windowed_samples_around_it():
    config = AudioConfig(window_samples=254, hop_samples=192, num_times=64, num_frequencies=32)
    sound = np.random.default_rng(1).standard_normal(config.num_samples).astype(np.float32)
    first = 10 * config.hop_samples - 127
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(254) / 254)
    expected = np.abs(np.fft.rfft(sound[first : first + 254] * window))
    mine = LogSpectrogram(config).magnitude(torch.from_numpy(sound)[None])[0, 10].numpy()
    np.testing.assert_allclose(mine, expected, rtol=1e-3, atol=1e-3)
