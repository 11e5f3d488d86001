"""Made shots for tests of cuts: patterns that differ, joined by cuts, fades and dissolves at known times."""

import numpy as np

FRAMES_PER_SECOND = 10


def pattern(seed: int, height_px: int = 36, width_px: int = 64) -> np.ndarray:
    """A smooth picture of its own, float H W 3."""
    coarse = np.random.default_rng(seed).uniform(20, 235, (5, 8, 3))
    rows = np.linspace(0, 3.999, height_px)[:, None]
    columns = np.linspace(0, 6.999, width_px)[None, :]
    top, left = rows.astype(int), columns.astype(int)
    down, right = (rows - top)[..., None], (columns - left)[..., None]
    upper = coarse[top, left] * (1 - right) + coarse[top, left + 1] * right
    lower = coarse[top + 1, left] * (1 - right) + coarse[top + 1, left + 1] * right
    return upper * (1 - down) + lower * down


def still(seed: int, num_frames: int) -> np.ndarray:
    """A picture that stays, float N H W 3."""
    return np.repeat(pattern(seed)[None], num_frames, axis=0)


def pan(seed: int, num_frames: int, px_per_frame: float = 1.0) -> np.ndarray:
    """A camera that moves sideways over a wide picture."""
    wide = pattern(seed, width_px=64 + int(px_per_frame * num_frames) + 1)
    return np.stack([wide[:, int(k * px_per_frame) : int(k * px_per_frame) + 64] for k in range(num_frames)])


def dissolved(first: np.ndarray, second: np.ndarray, num_frames: int) -> np.ndarray:
    """The end of one shot mixed with the start of the next."""
    share = (np.arange(1, num_frames + 1) / (num_frames + 1))[:, None, None, None]
    mixed = first[-num_frames:] * (1 - share) + second[:num_frames] * share
    return np.concatenate([first[:-num_frames], mixed, second[num_frames:]])


def faded(first: np.ndarray, second: np.ndarray, num_frames: int) -> np.ndarray:
    """One shot to black, and the next out of it."""
    share = np.linspace(1, 0, num_frames)[:, None, None, None]
    down = np.concatenate([first[:-num_frames], first[-num_frames:] * share])
    return np.concatenate([down, second[:num_frames] * share[::-1], second[num_frames:]])


def pictures(frames: np.ndarray) -> list[np.ndarray]:
    """Frames as uint8."""
    return [*frames.clip(0, 255).round().astype(np.uint8)]
