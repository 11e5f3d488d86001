"""Clip to tensors: which window, which frames, the crop, the audio and the token ids.

Paper: VLSA (arXiv 2405.07202), section 4.1. Pure functions of (clip, settings, random generator); `rng=None` means the
regular choice that encoding uses. Video and audio always come from the same window.
Axes: F frames of the clip, V frames of the model, H W pixels, S samples, L tokens.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from torch import Tensor

from vlsa.base.errors import StoreError
from vlsa.config import ModelConfig
from vlsa.data.batch import ClipTensors
from vlsa.data.clip import Clip
from vlsa.data.loading.tokenizer import Tokenizer

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
    return tuple(dict.fromkeys(max(index, 0) for index in shown.tolist()))


def clip_tensors(
    clip: Clip,
    window: Window,
    config: ModelConfig,
    tokenizer: Tokenizer,
    rng: np.random.Generator | None = None,
    crop: Crop = LARGEST_SQUARE,
) -> ClipTensors:
    """Tensors of a clip that holds the window's frames and audio, no more. Raises StoreError for another rate."""
    room = {name: np.empty(shape, dtype) for name, (dtype, shape) in clip_shapes(config).items()}
    write_clip(room, clip, window, config, tokenizer, rng, crop, text_rng=rng)
    return ClipTensors(id=clip.id, **{name: torch.from_numpy(array) for name, array in room.items()})


def clip_shapes(config: ModelConfig) -> dict[str, tuple[str, tuple[int, ...]]]:
    """NumPy's type and the shape of each tensor of a clip (`ClipTensors`), by its name."""
    num_frames, size, num_tokens = config.video.num_frames, config.video.size_px, config.text.num_tokens
    return {
        "video": ("uint8", (num_frames, 3, size, size)),
        "frame_seconds": ("float32", (num_frames,)),
        "frame_padding": ("bool", (num_frames,)),
        "waveform": ("float32", (config.audio.num_samples,)),
        "num_samples": ("int64", ()),
        "token_ids": ("int64", (num_tokens,)),
        "text_padding": ("bool", (num_tokens,)),
    }


def write_clip(
    room: Mapping[str, np.ndarray],
    clip: Clip,
    window: Window,
    config: ModelConfig,
    tokenizer: Tokenizer,
    rng: np.random.Generator | None = None,
    crop: Crop = LARGEST_SQUARE,
    text_rng: np.random.Generator | None = None,
) -> None:
    """Write the tensors of a clip to where they are to be: arrays of `clip_shapes`, whatever they hold before.

    `text_rng` chooses among its texts (None = the first). NumPy, since each of these steps is small and a call of it
    costs less. Raises StoreError for another rate.
    """
    _write_video(room, clip, window, config.video.size_px, rng, crop)
    _write_sound(room, clip, config)
    _write_text(room, clip.texts, tokenizer, text_rng)


def _write_video(
    room: Mapping[str, np.ndarray],
    clip: Clip,
    window: Window,
    size_px: int,
    rng: np.random.Generator | None,
    crop: Crop,
) -> None:
    """Frames cropped square and resized, their seconds from the window's start, and which are padding."""
    video, seconds, padding = room["video"], room["frame_seconds"], room["frame_padding"]
    num_real = 0
    if clip.frames is not None and clip.frame_seconds is not None:
        num_real = len(clip.frames)
        video[:num_real] = square(torch.from_numpy(clip.frames).permute(0, 3, 1, 2), size_px, rng, crop).numpy()
        seconds[:num_real] = clip.frame_seconds - window.start_seconds
    video[num_real:], seconds[num_real:] = 0, 0
    padding[:num_real], padding[num_real:] = False, True


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


def _write_sound(room: Mapping[str, np.ndarray], clip: Clip, config: ModelConfig) -> None:
    """Samples at the front of a row of the model's length, and how many are real (0 = no audio)."""
    waveform, num_samples = room["waveform"], 0
    if clip.sound is not None:
        if clip.sample_rate_hz != config.audio.sample_rate_hz:
            raise StoreError(
                f"{clip.id}: audio at {clip.sample_rate_hz} Hz, the model takes {config.audio.sample_rate_hz} Hz; "
                "pitch would shift. Prepare again with that rate, or set "
                f"model.audio.sample_rate_hz={clip.sample_rate_hz}."
            )
        num_samples = min(len(clip.sound), len(waveform))
        waveform[:num_samples] = clip.sound[:num_samples]
    waveform[num_samples:] = 0
    room["num_samples"][...] = num_samples


def _write_text(
    room: Mapping[str, np.ndarray], texts: Sequence[str], tokenizer: Tokenizer, rng: np.random.Generator | None
) -> None:
    """One of the clip's texts (a random one, or the first) as token ids; all padding when there is none."""
    words, padding = room["token_ids"], room["text_padding"]
    ids = tokenizer.ids(texts[int(rng.integers(len(texts))) if rng else 0], len(words)) if texts else ()
    words[: len(ids)], words[len(ids) :] = ids, tokenizer.padding_id
    padding[: len(ids)], padding[len(ids) :] = False, True
