"""Clip to tensors: which window, which frames, the crop, the sound and the words.

Paper: VLSA (arXiv 2405.07202), section 4.1. Pure functions of (clip, settings, random generator); `rng=None` means the
regular choice that evaluation uses. Picture and sound are always taken from the same window, so what is seen is heard.
Axes: F frames of the clip, V frames of the model, H W pixels, S samples, L words.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from vlsa.base.errors import StoreError
from vlsa.config import ModelConfig
from vlsa.data.clip import Clip, ClipTensors
from vlsa.data.loading.tokenizer import Tokenizer


@dataclass(frozen=True)
class Window:
    """The stretch of a clip that the model sees and hears, in seconds from the clip's start, and its frames."""

    start_seconds: float
    stop_seconds: float
    frame_indices: tuple[int, ...]

    def sample_range(self, sample_rate_hz: int) -> tuple[int, int]:
        """First and one-past-last sample of the window."""
        return round(self.start_seconds * sample_rate_hz), round(self.stop_seconds * sample_rate_hz)


def choose_window(
    frame_seconds: np.ndarray, duration_seconds: float, config: ModelConfig, rng: np.random.Generator | None
) -> Window:
    """A window of the model's length (the whole of a shorter clip), at a random place or in the middle."""
    spare_seconds = max(duration_seconds - config.audio.window_seconds, 0.0)
    start = spare_seconds * (rng.random() if rng else 0.5)
    stop = min(start + config.audio.window_seconds, duration_seconds)
    indices = choose_frames(frame_seconds, start, stop, config.video.num_frames, rng) if len(frame_seconds) else ()
    return Window(start, stop, indices)


def wanted_times(
    start_seconds: float, stop_seconds: float, num_frames: int, rng: np.random.Generator | None = None
) -> np.ndarray:
    """One time in each of `num_frames` equal stretches: a random one, or the middle."""
    place = rng.random(num_frames) if rng else np.full(num_frames, 0.5)
    return start_seconds + (np.arange(num_frames) + place) * (stop_seconds - start_seconds) / num_frames


def choose_frames(
    frame_seconds: np.ndarray,
    start_seconds: float,
    stop_seconds: float,
    num_frames: int,
    rng: np.random.Generator | None,
) -> tuple[int, ...]:
    """Indices (ascending, each once) of the frames on screen at the wanted times."""
    wanted = wanted_times(start_seconds, stop_seconds, num_frames, rng)
    shown = np.searchsorted(frame_seconds, wanted, side="right") - 1
    return tuple(int(index) for index in np.unique(shown.clip(min=0)))


def clip_tensors(
    clip: Clip, window: Window, config: ModelConfig, tokenizer: Tokenizer, rng: np.random.Generator | None = None
) -> ClipTensors:
    """Tensors of a clip that holds the window's frames and sound, no more. Raises StoreError for another rate."""
    video, frame_seconds, frame_padding = video_tensors(clip, window, config, rng)
    waveform, num_samples = sound_tensor(clip, config)
    token_ids, text_padding = text_tensors(clip.texts, config, tokenizer, rng)
    return ClipTensors(
        id=clip.id,
        video=video,
        frame_seconds=frame_seconds,
        frame_padding=frame_padding,
        waveform=waveform,
        num_samples=num_samples,
        token_ids=token_ids,
        text_padding=text_padding,
    )


def video_tensors(
    clip: Clip, window: Window, config: ModelConfig, rng: np.random.Generator | None
) -> tuple[UInt8[Tensor, "V 3 H W"], Float[Tensor, " V"], Bool[Tensor, " V"]]:
    """Frames cropped square and resized, their seconds from the window's start, and which are padding."""
    num_frames, size = config.video.num_frames, config.video.size_px
    video = torch.zeros(num_frames, 3, size, size, dtype=torch.uint8)
    seconds = torch.zeros(num_frames)
    if clip.frames is None or clip.frame_seconds is None:
        return video, seconds, torch.ones(num_frames, dtype=torch.bool)
    num_real = len(clip.frames)
    video[:num_real] = square(torch.from_numpy(clip.frames).permute(0, 3, 1, 2), size, rng)
    seconds[:num_real] = torch.from_numpy(clip.frame_seconds - window.start_seconds).float()
    return video, seconds, torch.arange(num_frames) >= num_real


def square(
    frames: UInt8[Tensor, "F 3 H W"], size_px: int, rng: np.random.Generator | None
) -> UInt8[Tensor, "F 3 {size_px} {size_px}"]:
    """The largest square, at a random place or in the middle, resized. Never mirrored: words say left."""
    height, width = frames.shape[-2:]
    side = min(height, width)
    place = rng.random() if rng else 0.5
    top, left = round((height - side) * place), round((width - side) * place)
    frames = frames[..., top : top + side, left : left + side]
    if side == size_px:
        return frames
    resized = F.interpolate(frames.float(), (size_px, size_px), mode="bilinear", antialias=True, align_corners=False)
    return resized.round().clamp(0, 255).to(torch.uint8)


def sound_tensor(clip: Clip, config: ModelConfig) -> tuple[Float[Tensor, " S"], Int[Tensor, ""]]:
    """Samples at the front of a row of the model's length, and how many are real (0 = no sound)."""
    sound = torch.zeros(config.audio.num_samples)
    if clip.sound is None:
        return sound, torch.tensor(0)
    if clip.sample_rate_hz != config.audio.sample_rate_hz:
        raise StoreError(
            f"{clip.id}: sound at {clip.sample_rate_hz} Hz, the model hears {config.audio.sample_rate_hz} Hz; "
            "pitch would shift. Prepare again with that rate, or set "
            f"model.audio.sample_rate_hz={clip.sample_rate_hz}."
        )
    num_samples = min(len(clip.sound), len(sound))
    sound[:num_samples] = torch.from_numpy(clip.sound[:num_samples])
    return sound, torch.tensor(num_samples)


def text_tensors(
    texts: Sequence[str], config: ModelConfig, tokenizer: Tokenizer, rng: np.random.Generator | None
) -> tuple[Int[Tensor, " L"], Bool[Tensor, " L"]]:
    """One of the clip's texts (a random one, or the first) as word pieces; all padding when there is none."""
    length = config.text.num_tokens
    if not texts:
        return torch.full((length,), tokenizer.padding_id), torch.ones(length, dtype=torch.bool)
    return tokenizer.encode(texts[int(rng.integers(len(texts))) if rng else 0], length)
