"""Decoding against files whose pictures and sounds are known: times, shapes, absences and damage."""

import os
import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media_files import (
    flashes,
    grey,
    numbered,
    numbers,
    onsets,
    scramble,
    tone,
    truncate,
    write_flash_and_beep,
    write_media,
)

from vlsa.base.errors import MediaError
from vlsa.data.clip import Clip
from vlsa.data.media import container as source_module
from vlsa.data.media.decode import decode, decode_image, is_image, iter_subtitles, probe, regular_times

SAMPLE_RATE_HZ = 11_025
B_FRAMES = {"bf": "3", "g": "20", "sc_threshold": "0", "b_strategy": "0"}
VARIABLE_SECONDS = [
    0.0,
    0.01,
    0.15,
    0.2,
    0.5,
    0.8,
    0.84,
    1.1,
    1.15,
    1.16,
    1.6,
    1.9,
    1.99,
    2.0,
    2.1,
    2.25,
    2.4,
    2.8,
    2.95,
]
FLASH_FILES = {
    "h264 with B-frames": ("a.mp4", {"video_options": B_FRAMES}),
    "mpeg4 with B-frames": ("a.mp4", {"video_codec": "mpeg4", "video_options": {"bf": "2"}}),
    "transport stream from 7 s on": ("a.ts", {"video_options": B_FRAMES, "start_seconds": 7.0}),
    "matroska from 7 s on": ("a.mkv", {"video_options": B_FRAMES, "start_seconds": 7.0}),
    "program stream": ("a.mpg", {"video_codec": "mpeg2video", "audio_codec": "mp2", "video_options": {"bf": "2"}}),
    "variable rate, mp4": ("a.mp4", {"picture_seconds": VARIABLE_SECONDS, "video_options": B_FRAMES}),
    "variable rate, mkv": ("a.mkv", {"picture_seconds": VARIABLE_SECONDS, "video_options": B_FRAMES}),
    "sound half a second late": ("a.mp4", {"sound_offset_seconds": 0.5, "video_options": B_FRAMES}),
    "sound half a second late, ts": ("a.ts", {"sound_offset_seconds": 0.5, "video_options": B_FRAMES}),
    "avi, mp3": ("a.avi", {"video_codec": "mpeg4", "audio_codec": "libmp3lame"}),
}


def decode_all(path: Path, start_seconds: float = 0.0, stop_seconds: float = 3.0, **changes: object) -> Clip:
    """Eight frames a second and sound of a stretch."""
    settings = {
        "frame_times_seconds": regular_times(stop_seconds - start_seconds, 8),
        "short_side_px": 32,
        "sample_rate_hz": SAMPLE_RATE_HZ,
    } | changes
    return decode(path, start_seconds, stop_seconds, **settings)


def reason_of(call: object, *arguments: object, **settings: object) -> str:
    """The reason of the MediaError that a call raises; its message must be one line that names the file."""
    with pytest.raises(MediaError) as caught:
        call(*arguments, **settings)
    assert "\n" not in str(caught.value) and str(arguments[0]) in str(caught.value)
    return caught.value.reason


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="module")
def flash_file(folder: Path) -> Path:
    return write_flash_and_beep(folder / "flash.mp4", video_options=B_FRAMES)


@pytest.fixture(scope="module", params=FLASH_FILES)
def any_flash_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    name, options = FLASH_FILES[request.param]
    return write_flash_and_beep(tmp_path_factory.mktemp("flash") / name, **options)


def test_the_made_file_really_has_b_frames(flash_file: Path):
    with av.open(str(flash_file)) as container:
        assert any(frame.pict_type == av.video.frame.PictureType.B for frame in container.decode(video=0))


def test_the_transport_stream_does_not_start_at_zero(tmp_path: Path):
    path = write_flash_and_beep(tmp_path / "a.ts", start_seconds=7.0)
    with av.open(str(path)) as container:
        assert container.start_time > 6_900_000


def test_flash_and_beep_are_seen_and_heard_together(any_flash_file: Path):
    """At most one frame period apart in the picture and 10 ms in the sound, both as made."""
    facts = probe(any_flash_file)
    period = 0.04
    clip = decode_all(any_flash_file, stop_seconds=2.9, frame_times_seconds=regular_times(2.9, 250), facts=facts)
    seen, heard = flashes(clip.frames, clip.frame_seconds), onsets(clip.sound, SAMPLE_RATE_HZ)
    assert len(seen) == len(heard) == 2
    assert np.abs(np.subtract(seen, heard)).max() <= (period if any_flash_file.suffix == ".avi" else 0.010)
    assert np.abs(np.subtract(seen, [0.8, 2.0])).max() <= period + 1e-6
    sound_is_late = 0.025 if any_flash_file.suffix in (".ts", ".mpg", ".avi") else 0  # the muxer's own offset
    assert np.abs(np.subtract(heard, [0.8, 2.0])).max() <= 0.010 + sound_is_late


def test_a_stretch_from_the_middle_has_the_same_times_as_the_whole(any_flash_file: Path):
    whole = decode_all(any_flash_file, stop_seconds=2.9, frame_times_seconds=regular_times(2.9, 100))
    part = decode_all(
        any_flash_file, 1.53, 2.53, frame_times_seconds=regular_times(1, 100), facts=probe(any_flash_file)
    )
    onset = onsets(whole.sound, SAMPLE_RATE_HZ)[1]
    assert onsets(part.sound, SAMPLE_RATE_HZ) == [pytest.approx(onset - 1.53, abs=0.002)]
    flash = flashes(whole.frames, whole.frame_seconds)[1]
    assert flashes(part.frames, part.frame_seconds) == [pytest.approx(flash - 1.53, abs=1e-3)]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {"video_options": B_FRAMES}),
        ("a.mp4", {"video_codec": "mpeg4", "video_options": {"bf": "2", "g": "20"}}),
        ("open_gop.mp4", {"video_options": B_FRAMES | {"x264-params": "open-gop=1"}}),
        ("a.mkv", {"video_options": B_FRAMES}),
        ("a.ts", {"video_options": B_FRAMES}),
        ("a.mpg", {"video_codec": "mpeg2video", "video_options": {"bf": "2", "g": "20"}}),
        ("variable.mp4", {"video_options": B_FRAMES, "picture_seconds": np.cumsum([0.02, 0.04, 0.3, 0.04] * 32)}),
    ],
)
def test_every_kept_frame_is_the_one_shown_at_its_time(tmp_path: Path, name: str, options: dict):
    path = write_media(tmp_path / name, pictures=numbered(128), **options)
    shown_seconds = np.asarray(options.get("picture_seconds", np.arange(128) / 25))
    shown_seconds = shown_seconds - shown_seconds[0]
    facts = probe(path)
    generator = np.random.default_rng(0)
    for known_facts in (None, facts) * 4:
        start = float(generator.uniform(0, shown_seconds[-1] - 1.2))
        times = np.sort(generator.uniform(0, 1.2, 5)).round(3) + 5e-4  # off the frame edges
        clip = decode(
            path,
            start,
            start + 1.2,
            frame_times_seconds=times.tolist(),
            short_side_px=None,
            sample_rate_hz=None,
            facts=known_facts,
        )
        expected = np.searchsorted(shown_seconds, start + times, side="right") - 1
        assert numbers(clip.frames) == expected.tolist()
        np.testing.assert_allclose(clip.frame_seconds + start, shown_seconds[expected], atol=1e-3)


def test_facts_leave_out_frames_that_nobody_needs(folder: Path, monkeypatch: pytest.MonkeyPatch):
    path = write_media(folder / "long.mp4", pictures=numbered(100), video_options=B_FRAMES | {"g": "100"})
    decode_packet = source_module.Source.decode_packet
    counts = {}
    for facts in (None, probe(path)):

        def count(self: source_module.Source, packet: av.Packet, key: bool = facts is None) -> list:
            frames = decode_packet(self, packet)
            counts[key] = counts.get(key, 0) + len(frames)
            return frames

        monkeypatch.setattr(source_module.Source, "decode_packet", count)
        clip = decode(path, 0, 4, frame_times_seconds=[3.81], short_side_px=None, sample_rate_hz=None, facts=facts)
        assert numbers(clip.frames) == [95]
    assert counts[False] < 0.7 * counts[True]


def test_sound_has_exactly_the_samples_of_its_duration(flash_file: Path):
    for stop_seconds in (0.9, 1.0, 1.2345, 2.7):
        clip = decode_all(flash_file, 0.1, stop_seconds)
        assert clip.sound.shape == (round((stop_seconds - 0.1) * SAMPLE_RATE_HZ),)


def test_audio_decoded_with_the_video_is_that_decoded_alone(tmp_path: Path):
    """AAC in MP4 needs the packet before time 0; a seek to the start would drop it."""
    path = write_media(tmp_path / "film.mp4", pictures=numbered(50), sound=tone(2))
    times = {"short_side_px": 32, "sample_rate_hz": 11_025}
    both = decode(path, 0.0, 2.0, frame_times_seconds=[0.5, 1.5], **times)
    alone = decode(path, 0.0, 2.0, frame_times_seconds=None, **times)
    np.testing.assert_array_equal(both.sound, alone.sound)


def test_resampled_sine_is_the_sine_at_the_new_rate(tmp_path: Path):
    path = write_media(tmp_path / "a.wav", sound=tone(2, hz=100), audio_codec="pcm_s16le")
    clip = decode_all(path, 0.5, 1.5)
    seconds = 0.5 + np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    np.testing.assert_allclose(clip.sound, 0.5 * np.sin(2 * np.pi * 100 * seconds), atol=2e-3)


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s16le", "pcm_s32le", "pcm_f32le"])
def test_stereo_becomes_the_average_of_its_channels_in_every_sample_format(tmp_path: Path, codec: str):
    wave = tone(1, hz=100, rate_hz=SAMPLE_RATE_HZ)
    path = write_media(
        tmp_path / "a.wav", sound=np.stack([wave, 0.5 * wave]), audio_codec=codec, rate_hz=SAMPLE_RATE_HZ
    )
    np.testing.assert_allclose(decode_all(path, 0, 1).sound, 0.75 * wave, atol=0.012)


def test_sound_too_loud_for_its_range_is_clipped(tmp_path: Path):
    path = write_media(tmp_path / "a.wav", sound=tone(1, amplitude=3.0), audio_codec="pcm_f32le")
    assert np.abs(decode_all(path, 0, 1).sound).max() == 1.0


def test_facts_of_a_file_come_from_its_packets(flash_file: Path):
    facts = probe(flash_file)
    assert facts.has_video and facts.has_sound and not facts.has_subtitles
    assert (facts.width_px, facts.height_px, facts.rotation_degrees) == (64, 48, 0)
    assert facts.frames_per_second == pytest.approx(25)
    assert (facts.video_codec, facts.audio_codec, facts.sample_rate_hz) == ("h264", "aac", 48_000)
    assert facts.duration_seconds == pytest.approx(3.0, abs=0.03)


@pytest.mark.parametrize(("num_pictures", "sound_seconds"), [(100, 2.5), (25, 4.0)])
def test_a_file_lasts_as_long_as_something_of_it_plays(tmp_path: Path, num_pictures: int, sound_seconds: float):
    path = write_media(tmp_path / "a.mp4", pictures=numbered(num_pictures), sound=tone(sound_seconds))
    facts = probe(path)
    assert facts.video_end_seconds == pytest.approx(num_pictures / 25, abs=0.05)
    assert facts.audio_end_seconds == pytest.approx(sound_seconds, abs=0.05)
    assert facts.duration_seconds == max(facts.video_end_seconds, facts.audio_end_seconds)


def test_a_variable_rate_shows_in_the_longest_frame(tmp_path: Path):
    path = write_media(tmp_path / "a.mp4", pictures=numbered(4), picture_seconds=[0, 0.04, 0.5, 0.54])
    facts = probe(path)
    assert facts.longest_frame_seconds == pytest.approx(0.46, abs=1e-3)
    assert facts.frames_per_second == pytest.approx(3 / 0.54, rel=1e-3)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_picture_is_shown_upright(tmp_path: Path, degrees: int):
    """The bright top of the stored picture comes to the left, bottom, right: FFmpeg counts counter-clockwise."""
    picture = grey(16)
    picture[:12] = 235
    path = write_media(
        tmp_path / "a.mp4", pictures=[picture] * 5, set_up=lambda stream: stream.set_display_rotation(degrees)
    )
    facts = probe(path)
    frame = decode_all(path, 0, 0.2, short_side_px=None, frame_times_seconds=[0.1]).frames[0].mean(axis=2)
    assert facts.rotation_degrees == degrees
    assert frame.shape == (facts.height_px, facts.width_px) == ((48, 64) if degrees == 180 else (64, 48))
    sides = {90: frame[:, :8], 180: frame[-8:], 270: frame[:, -8:]}
    assert sides[degrees].mean() > 200 and frame.mean() < 128


def test_oblong_pixels_are_made_square(tmp_path: Path):
    def set_up(stream: object) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)

    path = write_media(tmp_path / "a.mp4", pictures=[grey(100)] * 5, set_up=set_up)
    assert (probe(path).width_px, probe(path).height_px) == (128, 48)
    assert decode_all(path, 0, 0.2, short_side_px=24).frames.shape[1:] == (24, 64, 3)


def test_colours_survive(tmp_path: Path):
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:] = (200, 40, 90)
    path = write_media(tmp_path / "a.mp4", pictures=[picture] * 3, video_options={"crf": "10"})
    frames = decode_all(path, 0, 0.12, frame_times_seconds=[0.05]).frames
    np.testing.assert_allclose(frames.reshape(-1, 3).mean(axis=0), (200, 40, 90), atol=4)


def test_cover_art_is_not_the_picture(tmp_path: Path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        audio = container.add_stream("aac", rate=48_000)
        audio.codec_context.layout = "mono"
        container.mux(cover.encode(av.VideoFrame.from_ndarray(grey(200), format="rgb24")) + cover.encode(None))
        frame = av.AudioFrame.from_ndarray(tone(1)[None], format="fltp", layout="mono")
        frame.sample_rate = 48_000
        container.mux(audio.encode(frame) + audio.encode(None))
    with av.open(str(path)) as container:
        assert any(stream.disposition & av.stream.Disposition.attached_pic for stream in container.streams.video)
    assert not probe(path).has_video
    clip = decode_all(path, 0, 0.9)
    assert clip.frames is None and clip.sound is not None


@pytest.mark.parametrize(("name", "codec"), [("a.wav", "pcm_s16le"), ("a.mp3", "libmp3lame"), ("a.flac", "flac")])
def test_a_sound_file_gives_sound_alone(tmp_path: Path, name: str, codec: str):
    path = write_media(tmp_path / name, sound=tone(2, on_seconds=[(1.0, 1.2)]), audio_codec=codec)
    facts = probe(path)
    assert not facts.has_video and facts.duration_seconds == pytest.approx(2.0, abs=0.06)
    clip = decode_all(path, 0.3, 1.7)
    assert clip.frames is None and clip.frame_seconds is None
    assert onsets(clip.sound, SAMPLE_RATE_HZ) == [pytest.approx(0.7, abs=0.030 if name == "a.mp3" else 0.001)]


def test_a_silent_film_gives_pictures_alone(tmp_path: Path):
    path = write_media(tmp_path / "a.mp4", pictures=numbered(50))
    clip = decode_all(path, 0, 2)
    assert len(clip.frames) == 16 and clip.sound is None and clip.sample_rate_hz is None


def test_exactly_silent_sound_counts_as_none(tmp_path: Path):
    path = write_media(
        tmp_path / "a.mkv", pictures=numbered(50), sound=tone(2, on_seconds=[(1.5, 2)]), audio_codec="flac"
    )
    assert decode_all(path, 0, 1).sound is None
    assert decode_all(path, 1, 2).sound is not None


def test_sound_for_less_than_half_of_the_clip_counts_as_none(tmp_path: Path):
    path = write_media(tmp_path / "a.mp4", pictures=numbered(100), sound=tone(1.0))
    assert decode_all(path, 0.6, 2.0).sound is None
    assert decode_all(path, 0.0, 1.5).sound is not None


def test_sound_is_kept_where_it_is_and_the_rest_of_the_clip_is_silent(tmp_path: Path):
    path = write_media(
        tmp_path / "a.mkv", pictures=numbered(100), sound=tone(1.2), sound_offset_seconds=2.4, audio_codec="flac"
    )
    clip = decode_all(path, 0, 4)
    second = SAMPLE_RATE_HZ
    assert clip.choices == ("sound-in-part",) and len(clip.sound) == 4 * second
    assert not clip.sound[: round(2.3 * second)].any() and not clip.sound[round(3.7 * second) :].any()
    assert np.abs(clip.sound[round(2.5 * second) : round(3.5 * second)]).max() == pytest.approx(0.5, abs=0.01)
    assert decode_all(path, 2.5, 3.5).choices == ()


def test_what_was_not_asked_for_is_not_decoded(flash_file: Path):
    assert decode_all(flash_file, frame_times_seconds=None).frames is None
    assert decode_all(flash_file, sample_rate_hz=None).sound is None


def test_texts_and_names_travel_with_the_clip(flash_file: Path):
    clip = decode_all(flash_file, 0.5, 1.5, id="seven", texts=["a flash"])
    assert (clip.id, clip.texts, clip.source) == ("seven", ("a flash",), str(flash_file))
    assert clip.duration_seconds == 1.0


def test_a_picture_that_sets_in_late_leaves_out_the_times_before(tmp_path: Path):
    path = write_media(tmp_path / "a.mkv", pictures=numbered(75), video_offset_seconds=0.6, sound=tone(3))
    clip = decode_all(path, 0, 2, frame_times_seconds=[0.1, 0.5, 0.61, 1.0, 1.5])
    assert numbers(clip.frames) == [0, 0, 10, 22]  # 0.5 s is a moment before the first picture
    np.testing.assert_allclose(clip.frame_seconds, [0.6, 0.6, 1.0, 1.48], atol=2e-3)


def test_a_clip_outside_the_media_is_refused(flash_file: Path):
    assert reason_of(decode_all, flash_file, 10.0, 11.0) == "nothing"


@pytest.mark.parametrize(("start", "stop"), [(1.0, 1.0), (2.0, 1.0), (-1.0, 1.0), (0.0, float("nan"))])
def test_a_clip_without_length_is_refused(flash_file: Path, start: float, stop: float):
    assert reason_of(
        decode, flash_file, start, stop, frame_times_seconds=[0], short_side_px=8, sample_rate_hz=None
    ) == ("zero_length")


def test_files_that_are_no_media_are_refused_with_their_reason(tmp_path: Path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a film\n" * 100)
    (tmp_path / "words.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nhello\n")
    assert reason_of(probe, tmp_path / "missing.mp4") == "missing"
    assert reason_of(probe, tmp_path) == "not_a_file"
    assert reason_of(probe, tmp_path / "empty.mp4") == "empty"
    assert reason_of(probe, tmp_path / "text.mp4") == "unreadable"
    assert reason_of(probe, tmp_path / "words.srt") == "no_streams"


def test_a_file_without_permission_is_refused(flash_file: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # chmod does not stop the superuser
    assert reason_of(probe, flash_file) == "permission"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_film_without_its_index_is_truncated(flash_file: Path, tmp_path: Path, share: float):
    assert reason_of(probe, truncate(flash_file, tmp_path / "cut.mp4", share)) == "truncated"


@pytest.mark.parametrize("name", ["a.mp4", "a.ts", "a.mkv"])
def test_a_film_cut_short_ends_where_its_packets_end(tmp_path: Path, name: str):
    options = {"movflags": "faststart"} if name == "a.mp4" else {}
    whole = write_flash_and_beep(tmp_path / name, container_options=options, video_options=B_FRAMES)
    cut = truncate(whole, tmp_path / f"cut_{name}", 0.6)
    end = probe(cut).duration_seconds
    assert 0.5 < end < 2.5
    assert len(decode_all(cut, 0, end - 0.3).frames) >= 1
    try:
        clip = decode_all(cut, 0, 3)
    except MediaError as error:
        assert error.reason == "damaged"
    else:  # nothing stands for what is lost
        assert clip.frames is None or clip.frame_seconds.max() <= end + 0.3


def test_an_encrypted_film_is_refused(tmp_path: Path):
    encryption = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb"}
    path = write_flash_and_beep(
        tmp_path / "a.mp4", container_options=encryption | {"encryption_kid": "a7e61c373e219033c21091fa607bf3b8"}
    )
    assert reason_of(probe, path) == "encrypted"
    assert reason_of(decode_all, path) == "encrypted"


def test_a_sound_file_without_samples_is_zero_length(tmp_path: Path):
    whole = write_media(tmp_path / "a.wav", sound=tone(0.1), audio_codec="pcm_s16le").read_bytes()
    header = whole[: whole.index(b"data")] + b"data" + bytes(4)
    (tmp_path / "none.wav").write_bytes(header)
    assert reason_of(probe, tmp_path / "none.wav") == "zero_length"


def test_a_lost_stretch_is_damage_and_not_a_frozen_picture(tmp_path: Path):
    whole = write_media(
        tmp_path / "a.mp4",
        pictures=numbered(100),
        video_options=B_FRAMES | {"g": "5", "bf": "0"},
        container_options={"movflags": "faststart"},
    )
    data = bytearray(whole.read_bytes())
    start = data.index(b"mdat") + 4
    size = len(data) - start
    data[start + size // 4 : start + size // 2] = bytes(size // 2 - size // 4)  # as a failed disk leaves it
    (tmp_path / "holed.mp4").write_bytes(data)
    assert reason_of(decode_all, tmp_path / "holed.mp4", 0.0, 4.0) == "damaged"
    clip = decode_all(tmp_path / "holed.mp4", 3.0, 4.0)
    expected = np.floor((3.0 + np.array(regular_times(1, 8))) * 25 + 1e-6).astype(int)
    assert numbers(clip.frames) == expected.tolist()  # behind the damage all is well


@pytest.mark.parametrize("name", ["a.mp4", "a.ts", "a.mkv", "a.avi"])
def test_noise_in_a_file_ends_in_a_clip_or_in_one_line(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]):
    codec = {"video_codec": "mpeg4", "audio_codec": "libmp3lame"} if name == "a.avi" else {}
    whole = write_flash_and_beep(tmp_path / name, duration_seconds=1.0, flash_seconds=[0.4], **codec)
    for seed in range(12):
        noisy = scramble(whole, tmp_path / f"noisy_{name}", 0.08 * seed, 0.08 * seed + 0.04, seed=seed)
        for call in (probe, lambda path: decode_all(path, 0.0, 1.0)):
            try:
                call(noisy)
            except MediaError as error:
                assert "\n" not in str(error)
    assert capfd.readouterr().err == ""


def test_a_colon_in_the_name_is_no_protocol(flash_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copy(flash_file, tmp_path / "data:take 2.mp4")
    monkeypatch.chdir(tmp_path)
    assert probe("data:take 2.mp4").has_video


def test_a_list_of_other_files_is_no_media_whatever_its_name(flash_file: Path, tmp_path: Path):
    """FFmpeg would open what the list names: of an upload, any media file of this machine."""
    (tmp_path / "a.mp4").write_bytes(flash_file.read_bytes())
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile a.mp4\n")
    assert probe(tmp_path / "a.mp4").has_video
    with pytest.raises(MediaError) as caught:
        probe(tmp_path / "list.mp4")
    assert caught.value.reason == "unreadable"


def test_no_file_stays_open(flash_file: Path):
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    for _ in range(3):
        decode_all(flash_file, 1.0, 2.0)
        reason_of(decode_all, flash_file, 10.0, 11.0)
    after = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    assert after == before


def test_regular_times_are_centres_of_equal_stretches():
    assert regular_times(2.0, 2) == [0.25, 0.75, 1.25, 1.75]
    assert regular_times(0.1, 2) == [0.05]
    assert all(time < 3.3 for time in regular_times(3.3, 7))


def test_a_picture_file_is_a_clip_of_one_frame(tmp_path: Path):
    from PIL import Image

    Image.fromarray(grey(100, 64, 48)).save(tmp_path / "a.png")
    clip = decode_image(tmp_path / "a.png", short_side_px=24)
    assert clip.frames.shape == (1, 24, 32, 3) and (clip.frames == 100).all()
    assert clip.frame_seconds.tolist() == [0.0] and clip.sound is None
    assert is_image("A.JPG") and is_image(Path("b.png")) and not is_image("c.mp4")


def test_a_turned_photograph_is_shown_upright(tmp_path: Path):
    from PIL import Image

    picture = grey(16)
    picture[:, :16] = 235  # bright left
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to show
    Image.fromarray(picture).save(tmp_path / "a.jpg", exif=exif, quality=95)
    frame = decode_image(tmp_path / "a.jpg").frames[0].mean(axis=2)
    assert frame.shape == (64, 48) and frame[:12].mean() > 200 and frame[20:].mean() < 60


def test_a_broken_picture_is_refused(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    assert reason_of(decode_image, tmp_path / "a.png") == "unreadable"
    assert reason_of(decode_image, tmp_path / "b.png") == "missing"


def test_embedded_subtitles_are_read_without_markup(tmp_path: Path):
    cues = [(0.5, 1.0, "{\\i1}a bell{\\i0} <i>rings</i>"), (1.2, 1.9, "two\nlines"), (2.0, 2.2, " ")]
    path = write_media(tmp_path / "a.mp4", pictures=numbered(75), cues=cues)
    assert probe(path).has_subtitles
    read = iter_subtitles(path)
    assert [cue.text for cue in read] == ["a bell rings", "two lines"]
    assert [(cue.start_seconds, cue.stop_seconds) for cue in read] == [(0.5, 1.0), (1.2, 1.9)]


def test_a_film_without_subtitles_has_none(flash_file: Path):
    assert iter_subtitles(flash_file) == []


@pytest.mark.parametrize("last_seconds", [3e6, 5e8])
def test_a_time_stamp_that_leaps_by_weeks_is_damage_and_not_a_million_windows(tmp_path: Path, last_seconds: float):
    times = [*(k / 10 for k in range(19)), last_seconds]
    path = write_media(tmp_path / "a.mkv", pictures=numbered(20), picture_seconds=times)
    assert reason_of(probe, path) == "damaged"


@pytest.mark.parametrize(
    ("name", "encoder", "codec"), [("a.mp3", "libmp3lame", "mp3"), ("a.wav", "pcm_s16le", "pcm_s16le")]
)
def test_a_codec_is_named_and_not_its_decoder(tmp_path, name, encoder, codec):
    assert probe(write_media(tmp_path / name, sound=tone(2), audio_codec=encoder)).audio_codec == codec
