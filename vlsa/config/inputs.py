"""Settings of the inputs: frames, spectrograms, text (VLSA, section 4.1)."""

from dataclasses import dataclass

from vlsa.config.checks import check_least, check_share, require

MOST_TOKENS = 2**20
"""Of a vocabulary: four times the largest public ones."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoConfig:
    """From frames to patches (paper, section 4.1)."""

    num_frames: int = 8
    """Frames sampled from the clip's window; one random frame from each of as many equal parts."""
    size_px: int = 224
    """Side of the square crop."""
    patch_px: int = 16
    mask_share: float = 0.75
    """Share of the patches of each frame that is masked (section 3.2)."""

    def __post_init__(self) -> None:
        check_least("model.video", self, 1, "num_frames", "size_px", "patch_px")
        whole = max(self.size_px // self.patch_px, 1) * self.patch_px
        require(
            self.size_px % self.patch_px == 0,
            f"model.video.size_px={self.size_px} is not a multiple of model.video.patch_px={self.patch_px}: "
            f"the edge would be dropped. Try model.video.size_px={whole}.",
        )
        check_share("model.video.mask_share", self.mask_share)

    @property
    def patches_per_frame(self) -> int:
        return (self.size_px // self.patch_px) ** 2


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioConfig:
    """From waveform to spectrogram patches (paper, section 4.1; front end of The Sound of Pixels)."""

    sample_rate_hz: int = 11_025
    """Audio is resampled to this before anything else."""
    window_samples: int = 1022
    """Window of the STFT: 512 linear frequencies."""
    hop_samples: int = 256
    num_times: int = 256
    """Columns of the spectrogram; with the hop it fixes the length of the audio window."""
    num_frequencies: int = 256
    """Rows after the log-frequency warp."""
    patch_size: int = 16
    mask_share: float = 0.75
    """Share of the spectrogram patches that is masked (section 3.2)."""

    def __post_init__(self) -> None:
        check_least("model.audio", self, 1, "sample_rate_hz", "hop_samples", "num_times", "num_frequencies")
        check_least("model.audio", self, 2, "window_samples", "patch_size")  # one value has no deviation
        for name in ("num_times", "num_frequencies"):
            value = getattr(self, name)
            whole = max(value // self.patch_size, 1) * self.patch_size
            require(
                value % self.patch_size == 0,
                f"model.audio.{name}={value} is not a multiple of model.audio.patch_size={self.patch_size}: "
                f"the edge would be dropped. Try model.audio.{name}={whole}.",
            )
        require(
            self.window_samples // 2 < self.num_samples,
            f"model.audio.window_samples={self.window_samples} is too long for {self.num_samples} samples of audio "
            f"(model.audio.num_times x model.audio.hop_samples): its ends cannot be mirrored. "
            f"Try model.audio.window_samples={self.num_samples}.",
        )
        check_share("model.audio.mask_share", self.mask_share)

    @property
    def num_samples(self) -> int:
        """Samples of one window: 65,535 in the paper."""
        return self.num_times * self.hop_samples - 1

    @property
    def window_seconds(self) -> float:
        """Length of the window of video and audio: 5.94 in the paper."""
        return self.num_samples / self.sample_rate_hz

    @property
    def num_patches(self) -> int:
        return (self.num_times // self.patch_size) * (self.num_frequencies // self.patch_size)


@dataclass(frozen=True, kw_only=True, slots=True)
class TextConfig:
    """From text to tokens (paper, section 4.1)."""

    num_tokens: int = 40
    """Longest text in tokens, [CLS] and [SEP] included; the rest is cut."""
    vocabulary_size: int = 30_522
    """BERT's uncased WordPiece vocabulary; `tiny` learns a smaller one from the captions of the store."""
    mask_share: float = 0.15
    """Share of the tokens that becomes [MASK] (section 3.2)."""

    def __post_init__(self) -> None:
        check_least("model.text", self, 5, "vocabulary_size")  # the special tokens alone
        require(
            self.vocabulary_size <= MOST_TOKENS,
            f"model.text.vocabulary_size={self.vocabulary_size} is more than {MOST_TOKENS:,}: memory is taken for each "
            "token, and no captions have so many. Try 30522.",
        )
        require(
            self.num_tokens >= 3, f"model.text.num_tokens={self.num_tokens}: [CLS], a token and [SEP] need 3. Try 40."
        )
        check_share("model.text.mask_share", self.mask_share)
