"""Recordings joined byte by byte: each part plays after the one before, whatever its time stamps say."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from media_files import RATE_HZ, numbered, numbers, onsets, tone, write_media

from vlsa.data.clip import Clip
from vlsa.data.media.decode import MediaFacts, decode, probe
from vlsa.data.media.flac_frames import num_samples
from vlsa.data.media.parts import Parts


def read(path: Path, start_seconds: float, stop_seconds: float, facts: MediaFacts) -> Clip:
    times = [(k + 0.5) / 50 for k in range(round(50 * (stop_seconds - start_seconds)))]
    return decode(
        path,
        start_seconds,
        stop_seconds,
        frame_times_seconds=times,
        short_side_px=None,
        sample_rate_hz=RATE_HZ,
        facts=facts,
    )


def played(parts: Parts, seconds: Sequence[float], stream: int = 0) -> list[float]:
    return [second + parts.shift(stream, second, 0.5) for second in map(float, seconds)]


def test_a_broadcast_goes_on_where_it_steps_back_or_leaps_to_any_time():
    for start in (1.5, 102.0):
        parts = Parts(format_name="mpegts")
        parts.streams_to_read([], [])
        assert played(parts, [*np.arange(0, 4, 0.5), *np.arange(start, start + 4, 0.5)]) == list(np.arange(0, 8, 0.5))


@pytest.mark.parametrize("gap_seconds", [0.4, 0.024])
def test_a_stream_that_does_not_step_back_follows_the_others_into_their_part(gap_seconds: float):
    """The first piece has less sound than images, and the second overlaps it by 0.3 s."""
    parts = Parts(format_name="mpegts")
    parts.streams_to_read([], [])
    first = [(0, n * 0.04) for n in range(500)] + [(1, n * 0.024) for n in range(round((19.7 - gap_seconds) / 0.024))]
    second = [(0, 19.7 + n * 0.04) for n in range(500)] + [(1, 19.7 + n * 0.024) for n in range(800)]
    ends = {}
    for piece in (first, second):
        for stream, seconds in sorted(piece, key=lambda packet: packet[1]):
            ends[stream] = (seconds, seconds + parts.shift(stream, seconds, 0.024))
    late = [after - before for before, after in ends.values()]
    assert late == pytest.approx([0.27, 0.27], abs=0.05)


def test_a_gap_of_one_stream_and_a_slide_show_are_no_parts_of_a_broadcast():
    parts = Parts(format_name="mpegts")
    parts.streams_to_read([], [])
    assert played(parts, np.arange(0, 60, 0.5), stream=0) == list(np.arange(0, 60, 0.5))
    gap = [0.0, 0.5, 1.0, 40.0, 40.5]
    assert played(parts, gap, stream=1) == gap
    slides = Parts(format_name="mpegts")
    slides.streams_to_read([], [])
    assert played(slides, [0.0, 30.0, 60.0]) == [0.0, 30.0, 60.0]


def test_all_streams_are_moved_alike_where_one_steps_back_by_less():
    parts = Parts(format_name="mpeg")
    parts.streams_to_read([], [])
    assert played(parts, np.arange(0, 4, 0.5), stream=0) == played(parts, np.arange(0, 4, 0.5), stream=1)
    assert parts.shift(0, 3.0, 0.5) == parts.shift(1, 3.4, 0.5) == pytest.approx(1.0)


@pytest.mark.parametrize(("name", "codecs"), [("a.ts", ("libx264", "aac")), ("a.mpg", ("mpeg2video", "mp2"))])
@pytest.mark.parametrize("start_seconds", [1.0, 100.0])
def test_no_frame_is_lost_where_recordings_of_any_time_are_joined(
    tmp_path: Path, name: str, codecs: tuple[str, str], start_seconds: float
):
    path = tmp_path / name
    with path.open("wb") as file:
        for k, start in enumerate((0.0, start_seconds)):
            part = write_media(
                tmp_path / f"part-{name}",
                pictures=numbered(100)[50 * k : 50 * k + 50],
                sound=tone(2),
                video_codec=codecs[0],
                audio_codec=codecs[1],
                start_seconds=start,
            )
            file.write(part.read_bytes())
    facts = probe(path)
    assert facts.duration_seconds == pytest.approx(4, abs=0.15)
    clip = read(path, 0.0, 4.2, facts)
    assert set(numbers(clip.frames)) >= set(range(100)) - {49}  # the last of a part may be cut off
    seam = read(path, 1.5, 2.5, facts)
    assert numbers(seam.frames)[0] < 50 < numbers(seam.frames)[-1]
    assert min(np.abs(seam.sound[:RATE_HZ]).max(), np.abs(seam.sound[-RATE_HZ // 4 :]).max()) > 0.3


@pytest.mark.parametrize("rates_hz", [(44_100, 22_050), (22_050, 48_000)])
def test_aac_that_was_joined_at_other_rates_has_its_own_times(tmp_path: Path, rates_hz: tuple[int, int]):
    """The second part begins after the first, and sounds when it does; there FFmpeg counts by the rate of the first."""
    data = b""
    for number, rate_hz in enumerate(rates_hz):
        one = tmp_path / f"{number}.aac"
        write_media(one, sound=tone(2, rate_hz=rate_hz, on_seconds=[(1.0, 1.5)]), rate_hz=rate_hz)
        data += one.read_bytes()
    path = tmp_path / "joined.aac"
    path.write_bytes(data)
    facts = probe(path)
    first_seconds = probe(tmp_path / "0.aac").duration_seconds
    assert facts.duration_seconds == pytest.approx(first_seconds + probe(tmp_path / "1.aac").duration_seconds, abs=0.1)
    clip = decode(path, 2, 4, frame_times_seconds=None, short_side_px=None, sample_rate_hz=RATE_HZ, facts=facts)
    (onset,) = onsets(clip.sound, RATE_HZ)
    assert 2 + onset == pytest.approx(
        first_seconds + 1.0 + 1024 / rates_hz[1], abs=0.05
    )  # an encoder begins a frame early


@pytest.mark.parametrize("page_seconds", [0.25, 1.0])
@pytest.mark.parametrize(("codec", "suffix"), [("flac", "oga"), ("libopus", "opus")])
def test_chained_ogg_plays_one_part_after_the_other(tmp_path: Path, codec: str, suffix: str, page_seconds: float):
    """The first page of a part goes on where the last one ended, and the others step back."""
    data = b""
    for number, on_seconds in enumerate((1.0, 3.0, 2.0)):
        one, pages = tmp_path / f"{number}.{suffix}", {"page_duration": str(round(page_seconds * 1e6))}
        sound = tone(4, on_seconds=[(on_seconds, on_seconds + 0.5)])
        data += write_media(one, sound=sound, audio_codec=codec, container_options=pages).read_bytes()
    path = tmp_path / f"joined.{suffix}"
    path.write_bytes(data)
    facts = probe(path)
    assert facts.duration_seconds == pytest.approx(12, abs=0.1)
    for start, expected in ((0, [1, 7, 10]), (6.5, [7, 10])):
        clip = decode(
            path, start, 12, frame_times_seconds=None, short_side_px=None, sample_rate_hz=RATE_HZ, facts=facts
        )
        assert [start + onset for onset in onsets(clip.sound, RATE_HZ)] == pytest.approx(expected, abs=0.06)


def joined_flac(folder: Path, *tones: tuple[float, float], rates_hz: Sequence[int] = ()) -> Path:
    """FLAC files without a container, each a tone of so many seconds and Hz, one after the other."""
    rates = list(rates_hz) or [RATE_HZ] * len(tones)
    files = [
        write_media(folder / f"{hz:g}.flac", sound=tone(seconds, hz=hz, rate_hz=rate), audio_codec="flac", rate_hz=rate)
        for (seconds, hz), rate in zip(tones, rates, strict=True)
    ]
    path = folder / "joined.flac"
    path.write_bytes(b"".join(file.read_bytes() for file in files))
    return path


def test_flac_files_joined_byte_by_byte_lose_nothing_at_the_joins(tmp_path: Path) -> None:
    """FFmpeg gives out the last frames before a join together, and without a time."""
    path = joined_flac(tmp_path, (3.0, 480), (2.5, 2000), (2.2, 1000))
    facts = probe(path)
    assert facts.duration_seconds == pytest.approx(7.7, abs=1e-6)
    assert facts.shifts_seconds == pytest.approx((0, 3, 5.5))
    for start, hz in [(2.5, 480), (2.75, 480), (3.0, 2000), (5.25, 2000), (5.5, 1000), (7.25, 1000)]:
        clip = decode(
            path, start, start + 0.25, frame_times_seconds=None, short_side_px=None, sample_rate_hz=16_000, facts=facts
        )
        assert clip.sound is not None
        quarters = clip.sound.reshape(10, 400)[:, :400]
        loudest = [40 * int(np.abs(np.fft.rfft(quarter * np.hanning(400))).argmax()) for quarter in quarters]
        assert loudest == [hz] * 10, (start, loudest)


@pytest.mark.parametrize(
    "rates_hz", [(48_000, 44_100, 8_000), (8_000, 48_000, 48_000), (11_025, 44_100, 11_025), (48_000, 48_000, 11_025)]
)
def test_flac_files_of_several_rates_that_were_joined_play_as_long_as_they_do(tmp_path: Path, rates_hz) -> None:
    """FFmpeg counts samples of later ones as if they were of the first."""
    path = joined_flac(tmp_path, (3.0, 480), (2.5, 2000), (2.2, 1000), rates_hz=rates_hz)
    facts = probe(path)
    assert facts.duration_seconds == pytest.approx(7.7, abs=1e-3)
    for start, hz in [(2.5, 480), (2.75, 480), (3.0, 2000), (5.25, 2000), (5.5, 1000), (7.45, 1000)]:
        clip = decode(
            path, start, start + 0.25, frame_times_seconds=None, short_side_px=None, sample_rate_hz=16_000, facts=facts
        )
        assert clip.sound is not None
        windows = clip.sound.reshape(10, 400)[1:-1]
        loudest = [40 * int(np.abs(np.fft.rfft(window * np.hanning(400))).argmax()) for window in windows]
        assert loudest == [hz] * 8, (start, loudest)


def test_samples_of_flac_frames_are_counted_by_their_headers(tmp_path: Path) -> None:
    path = joined_flac(tmp_path, (3.0, 500))
    data = path.read_bytes()
    assert num_samples(data) == 144_000
    assert num_samples(data + bytes(128)) == num_samples(data + data) == 144_000  # a tag, and a file that starts again
    assert num_samples(data[: len(data) // 2]) % 4608 == 0 < num_samples(data[: len(data) // 2]) < 144_000
    assert num_samples(b"") == num_samples(b"\xff\xf8" * 1000) == num_samples(bytes(1000)) == 0
