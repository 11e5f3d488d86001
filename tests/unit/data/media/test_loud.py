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


@pytest.mark.parametrize("container", ["RIFF", "RF64", "Wave64"])
@pytest.mark.parametrize(("valid", "bits"), [(24, 32), (20, 32), (16, 32), (16, 24), (8, 16), (20, 24), (24, 24)])
def test_samples_of_fewer_bits_than_their_words_sound_as_they_were_recorded(
    tmp_path: Path, valid: int, bits: int, container: str
):
    samples = np.linspace(0.2, 1, 2 * RATE_HZ) * tone(2, rate_hz=RATE_HZ, hz=440)
    words = np.round(samples * 2 ** (valid - 1)).astype("<i4") << (bits - valid)
    data = np.ascontiguousarray(words[:, None].view(np.uint8)[:, : bits // 8]).tobytes()
    extra = struct.pack("<HHIHH", 22, valid, 4, 1, 0) + PCM
    path = IN[container](wave(tmp_path / "a.wav", 0xFFFE, bits, data, extra))
    facts = probe(path)
    assert facts.duration_seconds == pytest.approx(2, abs=1e-4) and facts.choices == ()
    for start in (0.0, 0.5, 1.25):
        clip = decode(
            path, start, start + 0.5,
            frame_times_seconds=None, short_side_px=None, sample_rate_hz=RATE_HZ, facts=facts,
        )  # fmt: skip
        first = round(start * RATE_HZ)
        np.testing.assert_allclose(clip.sound, samples[first : first + RATE_HZ // 2], atol=2.0 ** (1 - valid))


def as_rf64(path: Path) -> Path:
    data = path.read_bytes()
    ds64 = b"ds64" + struct.pack("<IQQQI", 28, len(data) + 28, len(data) - 12, 0, 0)
    note = b"bext" + struct.pack("<I", 602) + bytes(602)
    path.write_bytes(b"RF64" + b"\xff" * 4 + b"WAVE" + ds64 + note + data[12:])
    return path


def as_wave64(path: Path) -> Path:
    data = path.read_bytes()
    tail = bytes.fromhex("f3acd3118cd100c04f8edb8a")
    size = int.from_bytes(data[16:20], "little")
    form, sound = data[20 : 20 + size], data[28 + size :]
    form_chunk = b"fmt " + tail + struct.pack("<Q", 24 + len(form)) + form
    body = b"wave" + tail + form_chunk + b"data" + tail + struct.pack("<Q", 24 + len(sound)) + sound
    riff = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
    to = path.with_suffix(".w64")
    to.write_bytes(riff + struct.pack("<Q", 24 + len(body)) + body)
    return to


IN = {"RIFF": lambda path: path, "RF64": as_rf64, "Wave64": as_wave64}


def test_24_bits_in_words_of_32_by_an_old_header_are_refused_since_they_would_be_noise(tmp_path: Path):
    words = np.round(tone(2, rate_hz=RATE_HZ, hz=440) * 2**23).astype("<i4") << 8
    head = struct.pack("<HHIIHH", 1, 1, RATE_HZ, RATE_HZ * 4, 4, 24)
    body = b"WAVEfmt " + struct.pack("<I", 16) + head + b"data" + struct.pack("<I", 4 * len(words)) + words.tobytes()
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    with pytest.raises(MediaError, match="Save it with 24 or with 32 bits") as refused:
        probe(path)
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
