"""Clips that are cut show the frames of the moment, and sound and video are in step."""

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from media_files import (
    RATE_HZ,
    flashes,
    numbered,
    numbers,
    onsets,
    tone,
    write_flash_and_beep,
    write_joined,
    write_media,
)

from vlsa.base.errors import MediaError, VlsaError
from vlsa.data.media.decode import probe
from vlsa.retrieve.search.export.cut import clip_name, cut_clip, cut_moments
from vlsa.retrieve.search.moments import Moment


def frames_of(path):
    """All frames, and when each is shown, as any player does it."""
    with av.open(str(path)) as container:
        pairs = [
            (float(frame.pts * frame.time_base), frame.to_ndarray(format="rgb24"))
            for frame in container.decode(video=0)
        ]
    return np.array([seconds for seconds, _ in pairs]), np.stack([frame for _, frame in pairs])


def sound_of(path):
    """All samples of the first channel from time 0 on, and their rate."""
    with av.open(str(path)) as container:
        frames = [(float(frame.pts * frame.time_base), frame.to_ndarray()[0]) for frame in container.decode(audio=0)]
        rate = container.streams.audio[0].rate
    samples = np.zeros(max(round(seconds * rate) + len(part) for seconds, part in frames), np.float32)
    for seconds, part in frames:
        place = round(seconds * rate)
        samples[max(place, 0) : max(place + len(part), 0)] = part[max(-place, 0) :]
    return samples, rate


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """200 numbered frames at 25 a second, a key frame every 50, frames predicted from both sides; a steady tone."""
    return write_media(
        tmp_path_factory.mktemp("film") / "film.mp4",
        pictures=numbered(200),
        sound=np.stack([tone(8), tone(8, hz=500)]),
        video_options={"g": "50", "keyint_min": "50", "bf": "2", "sc_threshold": "0"},
    )


@pytest.mark.parametrize(("start", "stop", "shown"), [(2.0, 3.0, range(50, 75)), (2.52, 4.08, range(63, 102))])
def test_an_exact_clip_has_the_frames_of_its_stretch_and_no_others(film, tmp_path, start, stop, shown):
    cut = cut_clip(film, start, stop, tmp_path / "cut.mp4")
    seconds, frames = frames_of(cut.path)
    assert numbers(frames) == [*shown]
    np.testing.assert_allclose(seconds, np.arange(len(shown)) / 25, atol=1e-3)
    facts = probe(cut.path)
    assert facts.audio_end_seconds == pytest.approx(stop - start, abs=0.03) and (
        cut.start_seconds,
        cut.stop_seconds,
    ) == (start, stop)
    assert [path.name for path in tmp_path.iterdir()] == ["cut.mp4"]


def test_an_exact_clip_starts_with_the_frame_that_is_shown_then(film, tmp_path):
    seconds, frames = frames_of(cut_clip(film, 1.01, 1.1, tmp_path / "cut.mp4").path)
    assert numbers(frames) == [25, 26, 27] and seconds == pytest.approx([0, 0.03, 0.07], abs=1e-3)


def test_a_copy_starts_at_the_key_frame_before_and_has_every_frame_of_the_stretch(film, tmp_path):
    cut = cut_clip(film, 2.52, 4.08, tmp_path / "cut.mp4", exact=False)
    seconds, frames = frames_of(cut.path)
    shown = numbers(frames)
    assert cut.start_seconds == pytest.approx(2.0) and shown[:52] == [*range(50, 102)] and len(shown) <= 55
    np.testing.assert_allclose(seconds[:52], np.arange(52) / 25, atol=1e-3)


def test_a_copy_holds_the_very_packets_of_its_source(film, tmp_path):
    def sizes(path):
        with av.open(str(path)) as container:
            return [packet.size for packet in container.demux(video=0) if packet.size]

    cut = cut_clip(film, 2.0, 4.0, tmp_path / "cut.mp4", exact=False)
    assert sizes(cut.path) == sizes(film)[50:100]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("exact", [True, False])
def test_sound_and_video_stay_in_step(tmp_path, suffix, exact):
    options = {"g": "10", "keyint_min": "10"}
    source = write_flash_and_beep(
        tmp_path / f"source{suffix}", duration_seconds=4, flash_seconds=(0.8, 2.2, 3.0), video_options=options
    )
    cut = cut_clip(source, 1.5, 3.5, tmp_path / f"cut{'.mp4' if exact else suffix}", exact=exact)
    seconds, frames = frames_of(cut.path)
    samples, rate = sound_of(cut.path)
    seen, heard = flashes(frames, seconds - seconds[0]), np.array(onsets(samples, rate)) - seconds[0]
    assert len(seen) == 2 and seen == pytest.approx([2.2 - cut.start_seconds, 3.0 - cut.start_seconds], abs=0.045)
    assert heard[-2:] == pytest.approx(seen, abs=0.04)


def test_sound_alone_and_video_alone_are_cut_too(tmp_path):
    sound = write_media(tmp_path / "a.wav", sound=tone(3, on_seconds=[(1.5, 2)]), audio_codec="pcm_s16le")
    samples, rate = sound_of(cut_clip(sound, 1.0, 2.5, tmp_path / "a.m4a").path)
    assert onsets(samples, rate) == pytest.approx([0.5], abs=0.01) and len(samples) / rate == pytest.approx(
        1.5, abs=0.05
    )
    copied, rate = sound_of(cut_clip(sound, 1.0, 2.5, tmp_path / "b.wav", exact=False).path)
    assert rate == RATE_HZ and onsets(copied, rate) == pytest.approx([0.5], abs=0.05)
    film = write_media(tmp_path / "v.mp4", pictures=numbered(50))
    assert numbers(frames_of(cut_clip(film, 1.0, 1.2, tmp_path / "w.mp4").path)[1]) == [25, 26, 27, 28, 29]


def test_sound_of_eight_channels_is_cut_as_5_1(tmp_path):
    seconds = np.arange(96_000, dtype=np.float32) / 48_000
    channels = np.stack([0.1 * np.sin(2 * np.pi * 200 * (k + 1) * seconds) for k in range(8)])
    frame = av.AudioFrame.from_ndarray(channels.T.reshape(1, -1).copy(), format="flt", layout="7.1")
    frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
    with av.open(str(tmp_path / "eight.flac"), "w") as container:
        stream = container.add_stream("flac", rate=48_000)
        stream.codec_context.layout = "7.1"
        for part in (frame, None):
            container.mux(stream.encode(part))
    cut_clip(tmp_path / "eight.flac", 0.5, 1.5, tmp_path / "cut.m4a")
    with av.open(str(tmp_path / "cut.m4a")) as container:
        assert container.streams.audio[0].layout.name == "5.1"
    facts = probe(tmp_path / "cut.m4a")
    assert facts.duration_seconds == pytest.approx(1.0, abs=0.05) and facts.audio_codec == "aac"
    left = channels[0, 24_000:72_000]
    sound, _ = sound_of(tmp_path / "cut.m4a")
    assert np.corrcoef(sound[2_000:46_000], left[2_000:46_000])[0, 1] > 0.95


def test_a_turned_and_odd_sized_video_is_upright_in_the_clip(tmp_path):
    film = write_media(tmp_path / "v.mkv", pictures=numbered(25, 64, 47), video_codec="ffv1")
    frames = frames_of(cut_clip(film, 0.2, 0.4, tmp_path / "w.mp4").path)[1]
    assert frames.shape[1:3] == (48, 64) and numbers(frames) == [5, 6, 7, 8, 9]


def test_what_cannot_be_cut_is_one_line_and_leaves_nothing(film, tmp_path):
    for start, stop in ((9, 10), (2, 2), (-1, 1)):
        with pytest.raises(MediaError, match=r"ends at 0:00:08\.?\d*; between .* there is nothing"):
            cut_clip(film, start, stop, tmp_path / "cut.mp4")
    with pytest.raises(MediaError, match="no such file"):
        cut_clip(tmp_path / "none.mp4", 0, 1, tmp_path / "cut.mp4")
    with pytest.raises(VlsaError, match="the file that is cut"):
        cut_clip(film, 0, 1, film)
    with pytest.raises(MediaError, match=r"cannot be cut into \.webm"):
        cut_clip(film, 0, 1, tmp_path / "cut.webm", exact=False)
    assert [*tmp_path.iterdir()] == []


def test_clips_are_named_by_rank_file_and_time(film, tmp_path):
    moment = Moment(
        rank=2,
        path="film.mp4",
        start_seconds=1.5,
        stop_seconds=2.0,
        best_start_seconds=1.5,
        best_stop_seconds=2.0,
        score=1.0,
        stand_out=1.0,
    )
    (cut,) = cut_moments([moment], film.parent, tmp_path / "cuts")
    assert cut.path == tmp_path / "cuts" / "002_film_0-00-01.5.mp4" and cut.path.exists()
    gone, missing = replace(moment, rank=1, path="gone.mp4"), []
    cuts = cut_moments(
        [gone, moment], film.parent, tmp_path / "some", left_out=lambda one, error: missing.append((one.rank, error))
    )
    assert [one.path.name for one in cuts] == [cut.path.name]
    ((rank, error),) = missing
    assert rank == 1 and "no such file" in str(error)
    cut.path.write_bytes(b"edited")
    for moments in ([moment], [gone, moment]):
        with pytest.raises(
            VlsaError, match=r"002_film_0-00-01.5.mp4: is there already, .* nothing was cut. .* add --force"
        ):
            cut_moments(moments, film.parent, tmp_path / "cuts", left_out=lambda one, error: None)
    assert cut.path.read_bytes() == b"edited"
    cut_moments([moment], film.parent, tmp_path / "cuts", replace=True)
    assert cut.path.stat().st_size > 100
    name = clip_name(moment, tmp_path / f"{'渡' * 84}.mp4", exact=True)
    assert name == f"002_{'渡' * 40}_0-00-01.5.mp4"
    assert clip_name(moment, tmp_path / "a b.avi", exact=False) == "002_a_b_0-00-01.5.mkv"


@pytest.mark.parametrize("exact", [True, False])
def test_a_clip_of_a_joined_recording_is_of_the_part_that_plays_then(tmp_path, exact):
    source = write_joined(tmp_path / "tape.ts")
    start = probe(source).shifts_seconds[1] + 0.86  # within frame 70: video starts a little after sound
    cut = cut_clip(source, start, start + 0.8, tmp_path / f"cut{'.mp4' if exact else '.ts'}", exact=exact)
    assert numbers(frames_of(cut.path)[1])[:15] == [*range(70, 85)]
    assert cut.start_seconds == pytest.approx(start, abs=1e-6 if exact else 0.08)
    samples, rate = sound_of(cut.path)
    heard = samples[round(0.3 * rate) : round(0.6 * rate)]
    assert np.argmax(np.abs(np.fft.rfft(heard))) / 0.3 == pytest.approx(2000, abs=20)
