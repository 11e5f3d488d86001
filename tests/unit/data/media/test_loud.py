"""Audio above full scale, of which recorders in floating point keep the waveform; and bits that FFmpeg misreads."""

import struct
from pathlib import Path

import numpy as np
import pytest

from tests.media_files import tone
from vlsa.base.errors import MediaError
from vlsa.data.media.decode import decode, probe
from vlsa.data.media.overlapping import Stretch, decode_stretches

RATE_HZ = 16_000
PCM = b"\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"


def wave(path: Path, tag: int, bits: int, data: bytes, extra: bytes = b"") -> Path:
    size = bits // 8
    head = struct.pack("<HHIIHH", tag, 1, RATE_HZ, RATE_HZ * size, size, bits) + extra
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


def floats(path: Path, samples: np.ndarray) -> Path:
    return wave(path, 3, 32, samples.astype("<f4").tobytes())


@pytest.mark.parametrize("peak", [2.5, 8.0, 300.0])
def test_a_recording_in_floating_point_far_above_full_scale_keeps_its_waveform(tmp_path: Path, peak: float):
    whole = np.linspace(0.2, 1, 2 * RATE_HZ) * tone(2, rate_hz=RATE_HZ, hz=440, amplitude=1)
    clip = decode(
        floats(tmp_path / "a.wav", peak * whole),
        0,
        2,
        frame_times_seconds=None,
        short_side_px=None,
        sample_rate_hz=RATE_HZ,
    )
    np.testing.assert_allclose(clip.sound, whole / np.abs(whole).max(), atol=1e-5)
    assert clip.choices == ("scaled-down",)


@pytest.mark.parametrize("peak", [0.5, 1.0, 1.9])
def test_what_decoders_add_to_loud_audio_is_cut_off_at_full_scale(tmp_path: Path, peak: float):
    samples = tone(2, rate_hz=RATE_HZ, hz=440, amplitude=peak)
    path = floats(tmp_path / "a.wav", samples)
    clip = decode(path, 0, 2, frame_times_seconds=None, short_side_px=None, sample_rate_hz=RATE_HZ)
    np.testing.assert_allclose(clip.sound, np.clip(samples, -1, 1), atol=1e-6)
    assert clip.choices == ()


def test_24_bits_in_words_of_32_are_refused_since_they_would_be_noise(tmp_path: Path):
    words = np.round(tone(2, rate_hz=RATE_HZ, hz=440) * 2**23).astype("<i4") << 8
    extra = struct.pack("<HHIHH", 22, 24, 4, 1, 0) + PCM
    with pytest.raises(MediaError, match="Save it with 24 or with 32 bits") as refused:
        probe(wave(tmp_path / "a.wav", 0xFFFE, 32, words.tobytes(), extra))
    assert refused.value.reason == "unreadable"


def test_stretches_that_are_read_together_are_scaled_as_each_by_itself(tmp_path: Path):
    samples = np.linspace(0.1, 6, 4 * RATE_HZ) * tone(4, rate_hz=RATE_HZ, hz=440, amplitude=1)
    path = floats(tmp_path / "a.wav", samples)
    stretches = [Stretch(start, start + 2) for start in (0.0, 1.0, 2.0)]
    together = decode_stretches(path, stretches, short_side_px=None, sample_rate_hz=RATE_HZ)
    for stretch, clip in zip(stretches, together, strict=True):
        alone = decode(
            path, stretch.start_seconds, stretch.stop_seconds,
            frame_times_seconds=None, short_side_px=None, sample_rate_hz=RATE_HZ,
        )  # fmt: skip
        assert (clip.sound == alone.sound).all() and clip.choices == alone.choices == ("scaled-down",)
