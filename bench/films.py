"""Films for the benches whose every frame carries its number, and whose every moment sounds like no other.

So that a decoder can be asked not only how fast it is, but whether it gave the frames and the sound that it was asked
for. Needs PyAV and NumPy, no more. Used by decode.py, decoders.py, prepare.py, memory.py and loader.py.
Axes: H W pixels, S samples.
"""

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("SVT_LOG", "1")  # or the encoder of AV1 tells its settings
FRAMES_PER_SECOND = 25
SOUND_RATE_HZ = 48_000
NOISE_RATE_HZ = 11_025
"""The sound is noise of this rate, made finer: nothing in it is above what a model hears."""
NUMBER_BITS = 16
NUMBER_SHARE = 1 / 8
"""Of the height: a strip at the top with the number of the frame, a block for each bit."""
ENCODERS = {
    "h264": ("libx264", {"preset": "veryfast", "bf": "2"}),
    "hevc": ("libx265", {"preset": "ultrafast", "x265-params": "log-level=none:bframes=2:pools=none"}),
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "b": "3M"}),
    "av1": ("libsvtav1", {"preset": "8", "crf": "30", "svtav1-params": "lp=2"}),
}
"""Name of a codec: that of its encoder, and its options."""


@dataclass(frozen=True)
class Film:
    """What to make."""

    width_px: int
    height_px: int
    duration_seconds: float
    codec: str = "h264"
    key_interval: int = 125
    """Frames from one key frame to the next: 5 s, as of video sites; phones write one a second."""


def write_film(path: Path, film: Film) -> None:
    """A texture that moves, numbered, at 25 frames a second with B-frames, and noise as stereo AAC."""
    import av

    texture = _texture(film)
    encoder, options = ENCODERS[film.codec]
    options = options | {"g": str(film.key_interval)}
    with av.open(str(path), "w") as container:
        video = container.add_stream(encoder, rate=FRAMES_PER_SECOND, options=options)
        video.width, video.height, video.pix_fmt = film.width_px, film.height_px, "yuv420p"
        audio = container.add_stream("aac", rate=SOUND_RATE_HZ)
        audio.codec_context.layout = "stereo"
        for number in range(round(film.duration_seconds * FRAMES_PER_SECOND)):
            picture = numbered(_moved(texture, film, number), number)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(audio.encode(_sound_frame(number)))
        container.mux([*video.encode(None), *audio.encode(None)])
    if hasattr(os, "sched_setscheduler"):  # SVT-AV1, run by root, makes this thread a real-time one
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def numbered(picture: np.ndarray, number: int) -> np.ndarray:
    """The picture (uint8, H W 3) with a number in its upper strip, written into it."""
    height, width = picture.shape[:2]
    bits = (number >> np.arange(NUMBER_BITS)) & 1
    columns = np.arange(width) * NUMBER_BITS // width
    picture[: round(height * NUMBER_SHARE)] = (16 + 220 * bits[columns])[None, :, None]
    return picture


def number_of(picture: np.ndarray) -> int:
    """The number in a picture of any size (uint8, H W 3), read in the middle of each block."""
    height, width = picture.shape[:2]
    columns = ((np.arange(NUMBER_BITS) + 0.5) * width / NUMBER_BITS).astype(int)
    bits = picture[round(height * NUMBER_SHARE / 2), columns].mean(axis=-1) > 128
    return int((bits << np.arange(NUMBER_BITS)).sum())


def noise(first: int, last: int) -> np.ndarray:
    """Samples `first` to `last` (exclusive) of the sound at 11,025 Hz, float64: a second's noise has its own seed."""
    seconds = range(first // NOISE_RATE_HZ, last // NOISE_RATE_HZ + 1)
    whole = np.concatenate([np.random.default_rng(second).normal(0, 0.1, NOISE_RATE_HZ) for second in seconds])
    begin = first - seconds[0] * NOISE_RATE_HZ
    return whole[begin : begin + last - first]


def sound_lag_ms(sound: np.ndarray, start_seconds: float) -> float:
    """How much later (or, below 0, earlier) a sound at 11,025 Hz is than what a film has from a time on.

    By the peak of the correlation, within half a second; nan where nothing matches.
    """
    reach = NOISE_RATE_HZ // 2
    first = round(start_seconds * NOISE_RATE_HZ) - reach
    skipped = max(-first, 0)
    known = np.concatenate([np.zeros(skipped), noise(first + skipped, first + len(sound) + 2 * reach)])
    size = 1 << (len(known) + len(sound)).bit_length()
    product = np.fft.irfft(np.fft.rfft(known, size).conj() * np.fft.rfft(sound, size), size)
    lags = np.arange(-reach, reach + 1)
    strength = product[lags - reach]
    best = int(strength.argmax())
    is_found = strength[best] > 0.3 * np.linalg.norm(sound) * np.linalg.norm(known[reach:-reach])
    return float(lags[best] * 1000 / NOISE_RATE_HZ) if is_found else float("nan")


def _texture(film: Film) -> np.ndarray:
    blocks = np.random.default_rng(0).integers(0, 255, (film.height_px // 8, film.width_px // 8, 3), np.uint8)
    return blocks.repeat(16, axis=0).repeat(16, axis=1)


def _moved(texture: np.ndarray, film: Film, number: int) -> np.ndarray:
    top, left = number % film.height_px, 2 * number % film.width_px
    return np.ascontiguousarray(texture[top : top + film.height_px, left : left + film.width_px])


def _sound_frame(number: int) -> Any:
    """Samples of one frame of video: noise between the samples of which straight lines are drawn."""
    import av

    num_samples = SOUND_RATE_HZ // FRAMES_PER_SECOND
    times = (number * num_samples + np.arange(num_samples)) * NOISE_RATE_HZ / SOUND_RATE_HZ
    first = int(times[0])
    samples = noise(first, int(times[-1]) + 2)
    wave = np.interp(times - first, np.arange(len(samples)), samples).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
    frame.sample_rate, frame.time_base, frame.pts = SOUND_RATE_HZ, Fraction(1, SOUND_RATE_HZ), number * num_samples
    return frame
