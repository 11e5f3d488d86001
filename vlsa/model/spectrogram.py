"""From waveform to log-frequency, log-magnitude spectrogram.

Paper: VLSA (arXiv 2405.07202), section 4.1, after The Sound of Pixels (Zhao et al. 2018): STFT with a Hann window,
frequencies warped to a logarithmic scale, logarithm of the magnitude. Reads `Batch.waveform`; feeds model/patches.py.
Axes: B clips, S samples, T times, R linear frequencies, F warped frequencies.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from vlsa.config import AudioConfig
from vlsa.model.precision import in_float32

WARP_BASE = 21.0
"""Row u in [0, 1] reads the linear frequency (21^u - 1) / 20 of the range, as The Sound of Pixels does."""
MAGNITUDE_FLOOR = 0.1
"""Added to the magnitude before the logarithm: 60 dB below a loud tone, so that noise of the recording stays flat."""


def log_frequency_warp(num_linear: int, num_warped: int) -> Float[Tensor, "F R"]:
    """Matrix that interpolates linear frequencies at logarithmically spaced ones; each row sums to 1."""
    rows = torch.linspace(0, 1, num_warped, dtype=torch.float64)
    place = (WARP_BASE**rows - 1) / (WARP_BASE - 1) * (num_linear - 1)
    columns = torch.arange(num_linear, dtype=torch.float64)
    return (1 - (place[:, None] - columns).abs()).clamp(min=0).float()


class LogSpectrogram(nn.Module):
    """Waveforms to spectrograms of the model's shape; no parameters."""

    def __init__(self, config: AudioConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("window", torch.hann_window(config.window_samples), persistent=False)
        warp = log_frequency_warp(config.window_samples // 2 + 1, config.num_frequencies)
        self.register_buffer("warp", warp, persistent=False)

    def magnitude(self, waveform: Float[Tensor, "B S"]) -> Float[Tensor, "B T R"]:
        """Magnitude of the centred STFT (ends mirrored); column t is centred on sample t * hop."""
        size, hop = self.config.window_samples, self.config.hop_samples
        return torch.stft(waveform, size, hop, window=self.window, return_complex=True).abs().transpose(1, 2)

    def forward(self, waveform: Float[Tensor, "B S"]) -> Float[Tensor, "B T F"]:
        """(ln(magnitude + 0.1) + 2) / 3: silence is -0.1, a tone of full scale about 2.5."""
        with in_float32(waveform):
            warped = self.magnitude(waveform) @ self.warp.T
        return ((warped + MAGNITUDE_FLOOR).log() + 2) / 3

    def padding(self, num_samples: Int[Tensor, " B"]) -> Bool[Tensor, "B N"]:
        """True for the patches (time by time, then frequency) whose centre lies beyond the real samples."""
        size = self.config.patch_size
        num_times, num_bands = self.config.num_times // size, self.config.num_frequencies // size
        centres = (torch.arange(num_times, device=num_samples.device) + 0.5) * size * self.config.hop_samples
        return (centres[None] >= num_samples[:, None]).repeat_interleave(num_bands, dim=1)
