"""Frames and sound to bytes and back: within the error that their formats allow, and readable by anyone."""

import io
import sys
import wave
from functools import cache

import numpy as np
import pytest
from PIL import Image

from vlsa.data.clip import Clip
from vlsa.data.store import codecs
from vlsa.data.store.codecs import (
    WAV_HEADER_BYTES,
    decode_jpeg,
    decode_jpegs,
    decode_pcm,
    encode,
    encode_jpeg,
    encode_wav,
)

RATE_HZ = 11_025


def waves(height_px: int = 48, width_px: int = 64) -> np.ndarray:
    """A smooth picture in which every channel differs, uint8 H W 3."""
    rows, columns = np.mgrid[:height_px, :width_px]
    channels = [128 + 100 * np.sin(rows / 7 + k) * np.cos(columns / 9 - k) for k in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)


def test_sound_of_sixteen_bits_is_kept_exactly() -> None:
    samples = np.arange(-(2**15), 2**15)
    data = encode_wav((samples / 2**15).astype(np.float32), RATE_HZ)
    np.testing.assert_array_equal(decode_pcm(data[WAV_HEADER_BYTES:]) * 2**15, samples)


def test_the_loudest_samples_do_not_wrap_around() -> None:
    sound = np.array([1.0, -1.0, 1.5, -1.5, 0.0], np.float32)
    got = decode_pcm(encode_wav(sound, RATE_HZ)[WAV_HEADER_BYTES:])
    np.testing.assert_allclose(got, [1, -1, 1, -1, 0], atol=2**-15)


def test_the_sound_is_a_plain_wav_file() -> None:
    sound = (np.arange(100) / 2**15).astype(np.float32)
    with wave.open(io.BytesIO(encode_wav(sound, RATE_HZ))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE_HZ)
        np.testing.assert_array_equal(np.frombuffer(file.readframes(100), "<i2"), np.arange(100))


@pytest.mark.parametrize("shape_px", [(48, 64), (64, 48), (17, 31)])
def test_a_frame_comes_back_near_and_as_any_reader_sees_it(shape_px: tuple[int, int]) -> None:
    frame = waves(*shape_px)
    data = encode_jpeg(frame, quality=90)
    got = decode_jpeg(data, *shape_px)
    assert np.abs(got.astype(float) - frame).mean() < 2
    np.testing.assert_array_equal(got, np.asarray(Image.open(io.BytesIO(data))))


def test_colour_is_kept_at_full_size() -> None:
    """A red stripe one pixel wide stays red; with colour at half size it would blur into its neighbours."""
    frame = np.full((16, 16, 3), 128, np.uint8)
    frame[:, 8] = (255, 0, 0)
    got = decode_jpeg(encode_jpeg(frame, quality=95), 16, 16).astype(int)
    assert (got[:, 8, 0] - got[:, 8, 1]).min() > 200
    assert np.abs(got[:, 5, 0] - got[:, 5, 1]).max() < 20


@pytest.mark.parametrize("damage", ["cut", "zeros", "size"])
def test_damaged_frames_are_errors(damage: str) -> None:
    data = encode_jpeg(waves(), quality=90)
    broken = {"cut": data[: len(data) // 2], "zeros": bytes(len(data)), "size": encode_jpeg(waves(50, 70), 90)}[damage]
    with pytest.raises(ValueError, match="image data"):
        decode_jpeg(broken, 48, 64)


def test_members_are_named_in_order_and_absent_ones_are_absent() -> None:
    clip = Clip(
        id="x",
        source="x",
        start_seconds=0.0,
        stop_seconds=1.0,
        frames=np.stack([waves()] * 2),
        frame_seconds=np.arange(2) / 2,
        sound=np.ones(5, np.float32),
        sample_rate_hz=RATE_HZ,
    )
    assert [name for name, _ in encode(clip, 90)] == ["f000.jpg", "f001.jpg", "wav"]
    silent = Clip(
        id="x", source="x", start_seconds=0.0, stop_seconds=1.0, frames=clip.frames, frame_seconds=np.zeros(2)
    )
    assert [name for name, _ in encode(silent, 90)] == ["f000.jpg", "f001.jpg"]


class Decoder:
    """Stands where simplejpeg is looked for."""

    def __init__(self, change: int) -> None:
        self.change, self.num_calls = change, 0

    def decode_jpeg(self, data: bytes, _colours: str, buffer: np.ndarray) -> np.ndarray:
        self.num_calls += 1
        buffer[:] = np.asarray(Image.open(io.BytesIO(data)))
        buffer[0, 0, 0] ^= self.change
        return buffer


@pytest.mark.parametrize("change", [0, 1])
def test_another_decoder_is_used_only_if_it_gives_the_same_bits(change: int, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = Decoder(change)
    monkeypatch.setitem(sys.modules, "simplejpeg", decoder)
    monkeypatch.setattr(codecs, "_quick_decoder", cache(codecs._quick_decoder.__wrapped__))
    data = encode_jpeg(waves(), 90)
    np.testing.assert_array_equal(decode_jpegs([data] * 3, 48, 64), [np.asarray(Image.open(io.BytesIO(data)))] * 3)
    assert decoder.num_calls == (1 if change else 4)


@pytest.mark.parametrize("shape_px", [(64, 64), (17, 31), (256, 455)])
@pytest.mark.parametrize("quality", [60, 90, 100])
def test_simplejpeg_and_pillow_give_the_same_bits(shape_px: tuple[int, int], quality: int) -> None:
    simplejpeg = pytest.importorskip("simplejpeg")
    rng = np.random.default_rng(0)
    for frame in (waves(*shape_px), rng.integers(0, 256, (*shape_px, 3), np.uint8)):
        data = encode_jpeg(frame, quality)
        np.testing.assert_array_equal(simplejpeg.decode_jpeg(data, "RGB"), np.asarray(Image.open(io.BytesIO(data))))
    assert codecs._quick_decoder() is simplejpeg.decode_jpeg
