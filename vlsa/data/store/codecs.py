"""The files inside a shard: frames as JPEG and audio as PCM16 WAV, to bytes and back.

shards.py writes with it, reader.py reads with it.
Axes: H W pixels, S samples of audio.
"""

import io
import wave
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np

from vlsa.data.clip import Clip

WAV_HEADER_BYTES = 44
PCM_SCALE = 32_768


def encode(clip: Clip, jpeg_quality: int) -> Iterator[tuple[str, bytes]]:
    """Name (without the clip's id) and bytes of each frame, then of the audio, as far as they exist."""
    for number, frame in enumerate(clip.frames if clip.frames is not None else ()):
        yield frame_name(number), encode_jpeg(frame, jpeg_quality)
    if clip.sound is not None:
        assert clip.sample_rate_hz is not None
        yield "wav", encode_wav(clip.sound, clip.sample_rate_hz)


def frame_name(number: int) -> str:
    """f000.jpg, f001.jpg, ..."""
    return f"f{number:03d}.jpg"


def encode_jpeg(frame: np.ndarray, quality: int) -> bytes:
    """A frame (uint8 H W 3) as JPEG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=quality, subsampling=0)  # colour at full size: frames are small
    return buffer.getvalue()


def decode_jpeg(data: bytes, height_px: int, width_px: int) -> np.ndarray:
    """A frame, uint8 H W 3. Raises ValueError when the bytes are damaged or of another size."""
    return decode_jpegs([data], height_px, width_px)[0]


def decode_jpegs(members: Sequence[bytes], height_px: int, width_px: int) -> np.ndarray:
    """Frames of one size, uint8 F H W 3. Raises ValueError when the bytes of one are damaged or of another size."""
    frames = np.empty((len(members), height_px, width_px, 3), np.uint8)
    decode_into = _quick_decoder()
    for frame, data in zip(frames, members, strict=True):
        if not (decode_into and _is_decoded(decode_into, data, frame)):
            frame[:] = _pillow_decoded(data, height_px, width_px)
    return frames


def _is_decoded(decode_into: Callable[..., np.ndarray], data: bytes, frame: np.ndarray) -> bool:
    """Whether a frame could be decoded to its place; of what could not, Pillow says what is wrong with it."""
    try:
        return decode_into(data, "RGB", buffer=frame).shape == frame.shape
    except ValueError:
        return False


def _pillow_decoded(data: bytes, height_px: int, width_px: int) -> np.ndarray:
    from PIL import Image

    # Naming decoder and size skips Pillow's search for the format: 0.10 ms instead of 0.17 for 64 x 64 px.
    image = Image.frombytes("RGB", (width_px, height_px), data, "jpeg", "RGB", "")
    return np.frombuffer(image.tobytes(), np.uint8).reshape(height_px, width_px, 3)


@cache
def _quick_decoder() -> Callable[..., np.ndarray] | None:
    """simplejpeg's (extra `jpeg`), which takes a third to a half less time; None without it.

    Both are libjpeg-turbo. Another version could round otherwise, and a run would not be the same with and without
    the package: it is used only if it decodes a frame of noise to the very bits that Pillow does.
    """
    try:
        from simplejpeg import decode_jpeg as decode_into
    except ImportError:
        return None
    noise = np.random.default_rng(0).integers(0, 256, (37, 51, 3), np.uint8)
    data, frame = encode_jpeg(noise, 90), np.empty_like(noise)
    is_same = _is_decoded(decode_into, data, frame) and np.array_equal(frame, _pillow_decoded(data, 37, 51))
    return decode_into if is_same else None


def encode_wav(sound: np.ndarray, sample_rate_hz: int) -> bytes:
    """Audio (float32 S, in [-1, 1]) as mono PCM16, which is what most media hold; rounding adds noise at -98 dB."""
    samples = np.clip(np.round(sound * PCM_SCALE), -PCM_SCALE, PCM_SCALE - 1).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate_hz)
        file.writeframes(samples.tobytes())
    return buffer.getvalue()


def decode_pcm(data: bytes | memoryview) -> np.ndarray:
    """Audio, float32 S, from the samples behind a WAV's header."""
    return np.frombuffer(data, dtype="<i2").astype(np.float32) * np.float32(1 / PCM_SCALE)
