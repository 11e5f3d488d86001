"""Clip to tensors: which window, which frames, the crop, the audio and the token ids.

Paper: VLSA (arXiv 2405.07202), section 4.1. Pure functions of (clip, settings, random generator); `rng=None` means the
regular choice that encoding uses. Video and audio always come from the same window.
Axes: F frames of the clip, V frames of the model, H W pixels, S samples, L tokens.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from vlsa.base.errors import StoreError
from vlsa.config import ModelConfig
from vlsa.data.batch import ClipTensors
from vlsa.data.clip import Clip
from vlsa.data.loading.tokenizer import Tokenizer

REST_SHARE = 0.05
"""A rest of so much of a window is left out at the ends: 6 s of media are one window of 5.94 s, not two."""
ROUNDING_SECONDS = 1e-4
"""Times of frames are rounded: one that is shown this little after a regular time counts as shown at it."""


@dataclass(frozen=True)
class Window:
    """A stretch of a clip that the model encodes, in seconds from the clip's start, and its frames."""

    start_seconds: float
    stop_seconds: float
    frame_indices: tuple[int, ...]

    def sample_range(self, sample_rate_hz: int) -> tuple[int, int]:
        """First and one-past-last sample of the window."""
        return round(self.start_seconds * sample_rate_hz), round(self.stop_seconds * sample_rate_hz)


@dataclass(frozen=True)
class Crop:
    """How a square is cut from a frame. The defaults are the largest square: in the middle, or at a random place."""

    place: float = 0.5
    """Along the long side, 0 to 1, where nothing is random."""
    least_area: float = 1.0
    """In training: smallest area of a random crop, as a share of the largest square's."""
    most_stretch: float = 1.0
    """In training: a random crop is up to so many times as wide as high, or as high as wide, before it is resized."""


LARGEST_SQUARE = Crop()


def covering_starts(length: float, window: float, most: int) -> list[float]:
    """Where up to `most` windows start that cover a length, evenly from end to end; one window lies in the middle."""
    num_windows = min(max(math.ceil(length / window - REST_SHARE), 1), most)
    spare = max(length - window, 0.0)
    return np.linspace(0, spare, num_windows).tolist() if num_windows > 1 else [spare * 0.5]


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
    wanted = wanted_times(start_seconds, stop_seconds, num_frames, rng) + (0.0 if rng else ROUNDING_SECONDS)
    shown = np.searchsorted(frame_seconds, wanted, side="right") - 1
    return tuple(int(index) for index in np.unique(shown.clip(min=0)))


def clip_tensors(
    clip: Clip,
    window: Window,
    config: ModelConfig,
    tokenizer: Tokenizer,
    rng: np.random.Generator | None = None,
    crop: Crop = LARGEST_SQUARE,
) -> ClipTensors:
    """Tensors of a clip that holds the window's frames and audio, no more. Raises StoreError for another rate."""
    video, frame_seconds, frame_padding = video_tensors(clip, window, config, rng, crop)
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
    clip: Clip, window: Window, config: ModelConfig, rng: np.random.Generator | None, crop: Crop = LARGEST_SQUARE
) -> tuple[UInt8[Tensor, "V 3 H W"], Float[Tensor, " V"], Bool[Tensor, " V"]]:
    """Frames cropped square and resized, their seconds from the window's start, and which are padding."""
    num_frames, size = config.video.num_frames, config.video.size_px
    video = torch.zeros(num_frames, 3, size, size, dtype=torch.uint8)
    seconds = torch.zeros(num_frames)
    if clip.frames is None or clip.frame_seconds is None:
        return video, seconds, torch.ones(num_frames, dtype=torch.bool)
    num_real = len(clip.frames)
    video[:num_real] = square(torch.from_numpy(clip.frames).permute(0, 3, 1, 2), size, rng, crop)
    seconds[:num_real] = torch.from_numpy(clip.frame_seconds - window.start_seconds).float()
    return video, seconds, torch.arange(num_frames) >= num_real


def square(
    frames: UInt8[Tensor, "F 3 H W"], size_px: int, rng: np.random.Generator | None, crop: Crop = LARGEST_SQUARE
) -> UInt8[Tensor, "F 3 {size_px} {size_px}"]:
    """A crop of the frames, all alike, resized. Never mirrored: captions say left and right."""
    height, width = frames.shape[-2:]
    place = rng.random() if rng else crop.place
    if rng and (crop.least_area, crop.most_stretch) != (1.0, 1.0):
        rows, columns = _random_size(height, width, rng, crop)
        down = rng.random()
    else:
        rows = columns = min(height, width)
        down = place
    top, left = round((height - rows) * down), round((width - columns) * place)
    frames = frames[..., top : top + rows, left : left + columns]
    if rows == columns == size_px:
        return frames
    # In bytes: 12 times as fast as in floating point, and within one level of it.
    return F.interpolate(frames, (size_px, size_px), mode="bilinear", antialias=True, align_corners=False)


def _random_size(height: int, width: int, rng: np.random.Generator, crop: Crop) -> tuple[int, int]:
    """Rows and columns of a random crop: its area and the logarithm of its aspect are drawn evenly."""
    side = min(height, width) * math.sqrt(rng.uniform(crop.least_area, 1.0))
    stretch = math.exp(rng.uniform(-0.5, 0.5) * math.log(crop.most_stretch))
    return min(max(round(side / stretch), 1), height), min(max(round(side * stretch), 1), width)


def sound_tensor(clip: Clip, config: ModelConfig) -> tuple[Float[Tensor, " S"], Int[Tensor, ""]]:
    """Samples at the front of a row of the model's length, and how many are real (0 = no audio)."""
    sound = torch.zeros(config.audio.num_samples)
    if clip.sound is None:
        return sound, torch.tensor(0)
    if clip.sample_rate_hz != config.audio.sample_rate_hz:
        raise StoreError(
            f"{clip.id}: audio at {clip.sample_rate_hz} Hz, the model takes {config.audio.sample_rate_hz} Hz; "
            "pitch would shift. Prepare again with that rate, or set "
            f"model.audio.sample_rate_hz={clip.sample_rate_hz}."
        )
    num_samples = min(len(clip.sound), len(sound))
    sound[:num_samples] = torch.tensor(clip.sound[:num_samples])  # a copy: cached samples are read-only
    return sound, torch.tensor(num_samples)


def text_tensors(
    texts: Sequence[str], config: ModelConfig, tokenizer: Tokenizer, rng: np.random.Generator | None
) -> tuple[Int[Tensor, " L"], Bool[Tensor, " L"]]:
    """One of the clip's texts (a random one, or the first) as token ids; all padding when there is none."""
    length = config.text.num_tokens
    if not texts:
        return torch.full((length,), tokenizer.padding_id), torch.ones(length, dtype=torch.bool)
    return tokenizer.encode(texts[int(rng.integers(len(texts))) if rng else 0], length)
