"""Footage as people have it: several tracks, HDR, odd pictures, channels that cancel, time stamps that start again."""

import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from media_files import (
    grey,
    join_programmes,
    numbered,
    numbers,
    onsets,
    plain_planes,
    programme_options,
    tone,
    write_flash_and_beep,
    write_media,
    write_plain_frames,
    write_tracks,
    write_videos,
)

from vlsa.base.errors import MediaError
from vlsa.data.clip import Clip
from vlsa.data.media.colour import tone_mapped
from vlsa.data.media.container import Source, open_media
from vlsa.data.media.decode import decode, iter_subtitles, probe

RATE_HZ = 16_000
PQ, HLG = 16, 18


def read(path: Path, start_seconds: float = 0.0, stop_seconds: float = 1.0, **changes: object) -> Clip:
    """Two frames of a stretch at their own size, and its sound, as `prepare` decodes them."""
    length = stop_seconds - start_seconds
    settings = {
        "frame_times_seconds": [0.3 * length, 0.7 * length],
        "short_side_px": None,
        "sample_rate_hz": RATE_HZ,
        "facts": probe(path),
    }
    return decode(path, start_seconds, stop_seconds, **settings | changes)


def pitch_hz(sound: np.ndarray) -> float:
    """The strongest frequency."""
    return float(np.abs(np.fft.rfft(sound)).argmax() * RATE_HZ / len(sound))


def mean_colour(frames: np.ndarray) -> np.ndarray:
    return frames.reshape(-1, 3).mean(axis=0)


def test_a_late_caption_of_a_film_with_little_sound_has_pictures_alone(tmp_path: Path):
    path = write_media(tmp_path / "x.mp4", pictures=numbered(250), sound=tone(2))
    assert probe(path).duration_seconds == pytest.approx(10, abs=0.05)
    clip = read(path, 6.0, 8.0)
    assert numbers(clip.frames) == [165, 185] and clip.sound is None
    assert read(path, 0.0, 2.0).sound is not None


def test_behind_the_end_of_the_pictures_or_of_the_sound_nothing_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A transport stream has no index: nothing would be found, from its start to its end."""
    own, kinds = Source.frames, []
    monkeypatch.setattr(Source, "frames", lambda source, kind, *more: kinds.append(kind) or own(source, kind, *more))
    for kind, num_pictures, sound_seconds in (("video", 100, 1), ("audio", 25, 4)):
        path = write_media(tmp_path / "x.ts", pictures=[grey(99)] * num_pictures, sound=tone(sound_seconds))
        facts = probe(path)
        kinds.clear()
        clip = read(path, 2.0, 3.0, facts=facts)
        assert set(kinds) == {kind}
        assert (clip.frames is None, clip.sound is None) == (kind == "audio", kind == "video")


def test_a_song_with_a_single_picture_lasts_as_long_as_the_song_and_shows_it(tmp_path: Path):
    path = write_media(tmp_path / "x.mp4", pictures=numbered(1), sound=tone(12))
    assert probe(path).duration_seconds == pytest.approx(12, abs=0.05)
    clip = read(path, 6.0, 9.0)
    assert set(numbers(clip.frames)) == {0} and len(clip.sound) == 3 * RATE_HZ


@pytest.mark.parametrize(("transfer", "name", "luma"), [(PQ, "smpte2084", 573), (HLG, "arib-std-b67", 721)])
def test_white_of_hdr_is_nearly_white(tmp_path: Path, transfer: int, name: str, luma: int):
    """The codes of diffuse white (203 nits) by ITU-R BT.2408: 58% of the range of PQ, 75% of that of HLG."""
    tags = f"colorprim=bt2020:transfer={name}:colormatrix=bt2020nc:log-level=none"
    frame = plain_planes("yuv420p10le", (luma, 512, 512))
    path = write_plain_frames(tmp_path / "hdr.mp4", "libx265", frame, options={"x265-params": tags})
    clip = read(path, 0.0, 0.4)
    assert (clip.frames > 238).all() and np.ptp(clip.frames) <= 2
    assert "tone-mapped" in clip.choices


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_greys_of_hdr_below_white_have_the_light_that_they_are_coded_for(transfer: int):
    """ITU-R BT.2100 makes codes of light; a display of BT.1886 shows (light / white) ** (1 / 2.4), white = 203 nits."""
    for nits in (1.0, 10.0, 50.0, 100.0, 150.0):
        if transfer == PQ:
            power = (nits / 10_000) ** 0.1593017578125
            code = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
        else:
            scene = (nits / 1000) ** (1 / 1.2)
            code = (
                math.sqrt(3 * scene) if scene <= 1 / 12 else 0.17883277 * math.log(12 * scene - 0.28466892) + 0.55991073
            )
        image = np.full((2, 2, 3), round(code * 65_535), np.uint16)
        np.testing.assert_allclose(tone_mapped(image, transfer), 255 * (nits / 203) ** (1 / 2.4), atol=1)


def test_light_above_white_keeps_its_order():
    codes = np.linspace(30_000, 65_535, 50).astype(np.uint16)
    shown = tone_mapped(np.repeat(codes, 3).reshape(1, 50, 3), PQ)[0, :, 0].astype(int)
    assert (np.diff(shown) >= 0).all() and shown[-1] == 255


@pytest.mark.parametrize(
    ("width", "height", "matrix"),
    [(64, 720, "ITU709"), (64, 480, "ITU601"), (64, 576, "ITU601"), (64, 578, "ITU709"), (1280, 64, "ITU709")],
)
def test_colour_without_a_tag_is_that_of_television_of_its_size(tmp_path: Path, width: int, height: int, matrix: str):
    picture = np.full((height, width, 3), (200, 40, 90), np.uint8)
    coded = VideoReformatter().reformat(
        av.VideoFrame.from_ndarray(picture, format="rgb24"), format="yuv420p", dst_colorspace=matrix
    )
    coded.colorspace = coded.color_trc = coded.color_primaries = 2
    path = write_plain_frames(tmp_path / "hd.mkv", "ffv1", coded)
    np.testing.assert_allclose(mean_colour(read(path, 0.0, 0.4).frames), (200, 40, 90), atol=3)


@pytest.mark.parametrize(
    ("pitches", "dispositions", "expected"),
    [
        ((200, 1000), (Disposition.comment, Disposition.default), 1000),
        ((200, 1000), (Disposition.visual_impaired, 0), 1000),
        ((200, 1000), (Disposition.dub, 0), 1000),
        ((200, 1000), (0, Disposition.default), 1000),
        ((200, 1000), (0, 0), 200),
        ((None, 1000), (0, 0), 1000),
        ((200,), (Disposition.comment,), 200),
    ],
)
def test_the_main_audio_that_sounds_is_the_one_that_is_heard(
    tmp_path: Path, pitches: tuple, dispositions: tuple, expected: int
):
    sounds = [tone(1.0, hz=hz or 1, amplitude=0.5 if hz else 0.0) for hz in pitches]
    path = write_tracks(tmp_path / "a.mkv", sounds, dispositions)
    for facts in (None, probe(path)):
        clip = read(path, frame_times_seconds=None, facts=facts)
        assert pitch_hz(clip.sound) == pytest.approx(expected, abs=2)
        number = pitches.index(expected) + 1
        assert clip.choices == ((f"audio-{number}-of-2",) if len(pitches) > 1 else ())


def test_the_audio_of_a_transport_stream_is_that_of_the_programme_of_its_video(tmp_path: Path):
    """A radio programme comes first."""
    radio = write_media(tmp_path / "0.ts", sound=tone(1.5, hz=200), container_options=programme_options(0))
    film = write_media(
        tmp_path / "1.ts", pictures=numbered(38), sound=tone(1.5), container_options=programme_options(1)
    )
    path = join_programmes([radio, film], tmp_path / "both.ts")
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams].count("audio") == 2
    clip = read(path)
    assert clip.frames is not None and pitch_hz(clip.sound) == pytest.approx(1000, abs=2)
    assert [word for word in clip.choices if word.startswith("audio-")] != []


@pytest.mark.parametrize("num_radios", [1, 2])
@pytest.mark.parametrize("film_is_first", [False, True])
def test_a_programme_without_audio_has_not_that_of_another(tmp_path: Path, num_radios: int, film_is_first: bool):
    sounds = [{"sound": tone(1.2, hz=200)}] * num_radios
    programmes = [{"pictures": numbered(30)}, *sounds] if film_is_first else [*sounds, {"pictures": numbered(30)}]
    paths = [
        write_media(tmp_path / f"{k}.ts", **media, container_options=programme_options(k))
        for k, media in enumerate(programmes)
    ]
    path = join_programmes(paths, tmp_path / "all.ts")
    with av.open(str(path)) as container:
        assert len(container.streams.audio) == num_radios
    clip = read(path)
    assert clip.frames is not None and clip.sound is None and not probe(path).has_sound


@pytest.mark.parametrize(
    ("widths", "dispositions", "number"),
    [
        ((32, 64), (0, Disposition.default), 2),
        ((64, 32), (0, Disposition.default), 2),
        ((32, 64), (0, 0), 2),
        ((64, 64), (0, 0), 1),
    ],
)
def test_the_default_or_largest_of_several_videos_is_shown(
    tmp_path: Path, widths: tuple, dispositions: tuple, number: int
):
    films = [[grey(50 + 50 * k, width, 32)] * 5 for k, width in enumerate(widths)]
    path = write_videos(tmp_path / "a.mkv", films, dispositions)
    clip = read(path, 0.0, 0.2)
    assert clip.frames.mean() == pytest.approx(50 * number, abs=3)
    assert clip.choices == probe(path).choices == (f"video-{number}-of-2",)


def test_channels_that_cancel_out_are_heard_by_one_of_them(tmp_path: Path):
    wave = tone(2)
    path = write_media(tmp_path / "i.mkv", sound=np.stack([wave, -wave]), audio_codec="flac")
    clip = read(path)
    assert np.sqrt(np.mean(clip.sound**2)) == pytest.approx(0.5 / math.sqrt(2), rel=0.01)
    assert clip.choices == ("one-channel",)


def test_channels_that_cancel_out_in_a_part_are_heard_there_too(tmp_path: Path):
    wave = tone(2)
    other = np.where(np.arange(len(wave)) < len(wave) // 2, wave, -wave)
    clip = read(write_media(tmp_path / "i.mkv", sound=np.stack([wave, other]), audio_codec="flac"), 0.0, 2.0)
    loudness = np.abs(clip.sound).reshape(8, -1).max(axis=1)
    np.testing.assert_allclose(loudness, 0.5, rtol=0.02)
    assert clip.choices == ("one-channel",)


def test_sound_on_one_side_alone_stays_half_as_loud(tmp_path: Path):
    path = write_media(tmp_path / "i.mkv", sound=np.stack([tone(2), 0 * tone(2)]), audio_codec="flac")
    clip = read(path)
    assert np.abs(clip.sound).max() == pytest.approx(0.25, rel=0.01) and clip.choices == ()


def test_a_later_shape_is_fitted_into_the_first_and_not_squeezed(tmp_path: Path):
    """A white square in the middle of 64 x 48 px, then of 48 x 96 px: it stays a square, half as large."""
    first, second = grey(16, 64, 48), grey(16, 48, 96)
    first[16:32, 24:40] = second[40:56, 16:32] = 235
    path = tmp_path / "a.ts"
    parts = [write_media(tmp_path / f"{k}.ts", pictures=[p] * 50) for k, p in enumerate((first, second))]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    clip = read(path, 0.0, 4.0, frame_times_seconds=[1.0, 3.0])
    assert clip.frames.shape == (2, 48, 64, 3) and "letterboxed" in clip.choices
    for frame, side in zip(clip.frames.mean(axis=3), (16, 8), strict=True):
        rows, columns = (np.flatnonzero(frame.max(axis=axis) > 128) for axis in (1, 0))
        assert len(rows) == pytest.approx(side, abs=2) and len(columns) == pytest.approx(side, abs=2)


def test_a_broadcast_that_becomes_wide_is_shown_wide(tmp_path: Path):
    """Of the same 90 x 72 px, pixels are first square, then 64 : 45."""
    path = tmp_path / "a.ts"
    with path.open("wb") as file:
        for aspect in (Fraction(1), Fraction(64, 45)):
            part = write_media(
                tmp_path / "part.ts",
                pictures=[grey(99, 90, 72)] * 25,
                set_up=lambda stream, aspect=aspect: setattr(stream.codec_context, "sample_aspect_ratio", aspect),
            )
            file.write(part.read_bytes())
    assert [read(path, start, start + 0.6).frames.shape[1:3] for start in (0.1, 1.3)] == [(72, 90), (72, 128)]
    both = read(path, 0.0, 2.0)
    assert "letterboxed" in both.choices and both.frames[1, 2].max() < 10 < 80 < both.frames[1, 36].min()


def test_time_goes_on_where_time_stamps_start_again(tmp_path: Path):
    """Three recordings joined byte by byte, as cameras and `cat` do; flashes and beeps stay together in each."""
    part = write_flash_and_beep(
        tmp_path / "part.ts", duration_seconds=2.0, flash_seconds=[0.8], video_options={"g": "12"}
    )
    path = tmp_path / "joined.ts"
    path.write_bytes(3 * part.read_bytes())
    facts, one = probe(path), probe(part)
    assert facts.duration_seconds == pytest.approx(3 * one.duration_seconds, abs=0.1)
    times = [k / 50 for k in range(300)]
    whole = decode(path, 0.0, 6.0, frame_times_seconds=times, short_side_px=16, sample_rate_hz=RATE_HZ, facts=facts)
    bright = whole.frames.mean(axis=(1, 2, 3)) > 128
    seen = whole.frame_seconds[1:][bright[1:] & ~bright[:-1]]
    heard = onsets(whole.sound, RATE_HZ)
    expected = [0.8 + k * one.duration_seconds for k in range(3)]
    np.testing.assert_allclose(seen, expected, atol=0.1)
    np.testing.assert_allclose(heard, seen, atol=0.05)
    part_of_it = decode(
        path, 4.2, 5.4, frame_times_seconds=[0.1], short_side_px=16, sample_rate_hz=RATE_HZ, facts=facts
    )
    assert onsets(part_of_it.sound, RATE_HZ) == [pytest.approx(heard[2] - 4.2, abs=0.002)]


MATRICES = {
    "mirrored": (-1, 0, 0, 1),
    "upside down and mirrored": (1, 0, 0, -1),
    "quarter turn": (0, 1, -1, 0),
    "quarter turn and mirrored": (0, 1, 1, 0),
}


@pytest.mark.parametrize("name", MATRICES)
def test_a_display_matrix_moves_each_corner_where_it_says(tmp_path: Path, name: str):
    """x' = a x + c y, y' = b x + d y, then moved so that all is visible."""
    a, b, c, d = MATRICES[name]
    picture = grey(16)
    picture[:24, :32] = 235  # the upper left quarter
    path = write_media(
        tmp_path / "a.mp4", pictures=[picture] * 5, set_up=lambda s: s.set_display_matrix(matrix(a, b, c, d))
    )
    frame = read(path, 0.0, 0.2).frames[0].mean(axis=2)
    height, width = (48, 64) if a else (64, 48)
    assert frame.shape == (height, width) == (probe(path).height_px, probe(path).width_px)
    right = (a * -0.25 + c * -0.25) > 0
    low = (b * -0.25 + d * -0.25) > 0
    quarters = {(y, x): frame[y * height // 2 :, x * width // 2 :][4:20, 4:20].mean() for y in (0, 1) for x in (0, 1)}
    assert [place for place, level in quarters.items() if level > 200] == [(int(low), int(right))]


def matrix(a: float, b: float, c: float, d: float) -> list[int]:
    """In the numbers of a container: 16.16, and 2.30 for the last."""
    return [round(a * 65_536), round(b * 65_536), 0, round(c * 65_536), round(d * 65_536), 0, 0, 0, 1 << 30]


def test_a_slanted_picture_keeps_the_shape_of_what_it_shows(tmp_path: Path):
    """By 45 degrees a square becomes a diamond that is as wide as it is high."""
    half = math.sqrt(0.5)
    picture = grey(16, 64, 64)
    picture[20:44, 20:44] = 235
    path = write_media(
        tmp_path / "a.mp4",
        pictures=[picture] * 5,
        set_up=lambda stream: stream.set_display_matrix(matrix(half, half, -half, half)),
    )
    frame = read(path, 0.0, 0.2, short_side_px=90).frames[0].mean(axis=2)
    assert frame.shape == (90, 90)
    rows, columns = (np.flatnonzero(frame.max(axis=axis) > 128) for axis in (1, 0))
    assert len(rows) == pytest.approx(24 * math.sqrt(2) * 90 / 128 * math.sqrt(2), abs=4)
    assert len(columns) == pytest.approx(len(rows), abs=2)
    assert frame[5, 5] < 30 and frame[45, 45] > 200


def test_interlaced_pictures_are_deinterlaced_where_they_are_flagged(tmp_path: Path):
    """Even rows bright, odd rows dark: two fields of different times. Shown is one of them, without a comb."""
    picture = np.full((64, 64, 3), 16, np.uint8)
    picture[::2] = 200

    frame = VideoReformatter().reformat(av.VideoFrame.from_ndarray(picture, format="rgb24"), format="yuv420p")
    options = {"x264-params": "tff=1", "crf": "5"}
    path = write_plain_frames(tmp_path / "a.mp4", "libx264", frame, options=options)
    clip = read(path, 0.0, 0.4)
    assert "deinterlaced" in clip.choices
    assert np.ptp(clip.frames[0].mean(axis=(1, 2))) < 10
    progressive = write_plain_frames(tmp_path / "b.mp4", "libx264", frame, options={"crf": "5"})
    assert read(progressive, 0.0, 0.4).choices == () and np.ptp(read(progressive, 0.0, 0.4).frames) > 100


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("a.mov", "prores_ks", "yuv422p10le"),
        ("a.mov", "prores_ks", "yuv444p10le"),
        ("a.mp4", "libx265", "yuv420p12le"),
        ("a.mp4", "libx264", "yuv422p"),
        ("a.mkv", "ffv1", "yuv420p16le"),
        ("a.webm", "libvpx-vp9", "yuv444p"),
        ("a.mkv", "ffv1", "bgr0"),
        ("a.mov", "qtrle", "rgb24"),
    ],
)
def test_colours_survive_every_depth_and_sampling(tmp_path: Path, name: str, codec: str, pixel_format: str):
    picture = np.full((64, 64, 3), (200, 40, 90), np.uint8)
    frame = VideoReformatter().reformat(av.VideoFrame.from_ndarray(picture, format="rgb24"), format=pixel_format)
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    path = write_plain_frames(tmp_path / name, codec, frame, options=options)
    np.testing.assert_allclose(mean_colour(read(path, 0.0, 0.4).frames), (200, 40, 90), atol=6)


@pytest.mark.parametrize("size", [(63, 47), (65, 33), (17, 64)])
def test_odd_sizes_are_shown_whole(tmp_path: Path, size: tuple[int, int]):
    frame = VideoReformatter().reformat(av.VideoFrame.from_ndarray(grey(120, *size), format="rgb24"), format="yuv444p")
    path = write_plain_frames(tmp_path / "a.mkv", "ffv1", frame)
    clip = read(path, 0.0, 0.4)
    assert clip.frames.shape[1:] == (size[1], size[0], 3) and np.abs(clip.frames.astype(int) - 120).max() <= 3


@pytest.mark.parametrize(("name", "codec"), [("a.mov", "qtrle"), ("a.mov", "png"), ("a.mkv", "ffv1")])
def test_transparent_pictures_are_laid_on_white(tmp_path: Path, name: str, codec: str):
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[:, :32] = (200, 0, 0, 255)  # the left half opaque red, the right half nothing
    kind = {"qtrle": "argb", "png": "rgba", "ffv1": "bgra"}[codec]
    frame = VideoReformatter().reformat(av.VideoFrame.from_ndarray(picture, format="rgba"), format=kind)
    clip = read(write_plain_frames(tmp_path / name, codec, frame), 0.0, 0.4)
    assert clip.choices == ("on-white",)
    np.testing.assert_allclose(clip.frames[0, 32, [8, 56]], [(200, 0, 0), (255, 255, 255)], atol=3)


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_transparent_parts_of_webm_are_laid_on_white_wherever_decoding_begins(tmp_path: Path, codec: str):
    """Under the transparent right half lies green."""
    picture = np.full((64, 64, 4), (0, 200, 0, 0), np.uint8)
    picture[:, :32] = (200, 0, 0, 255)
    frame = VideoReformatter().reformat(av.VideoFrame.from_ndarray(picture, format="rgba"), format="yuva420p")
    path = write_plain_frames(tmp_path / "a.webm", codec, frame, options={"g": "5", "auto-alt-ref": "0"})
    with open_media(path) as source:
        starts = [round(timed.seconds, 2) for timed in source.frames("video")]
    assert starts == [round(k / 25, 2) for k in range(10)]
    for start, stop in ((0.0, 0.4), (0.2, 0.4)):
        clip = read(path, start, stop)
        assert clip.choices == ("on-white",)
        np.testing.assert_allclose(clip.frames[:, 32, [8, 56]], [[(200, 0, 0), (255, 255, 255)]] * 2, atol=5)


def test_frames_are_made_small_when_they_are_picked(tmp_path: Path):
    """Not kept at full size until the end, which for a minute of 1080p takes gigabytes."""
    import tracemalloc

    pictures = [grey(level, 960, 720) for level in range(0, 200, 4)]
    path = write_media(tmp_path / "a.mp4", pictures=pictures, video_options={"preset": "ultrafast"})
    times = [k / 25 + 0.01 for k in range(50)]
    tracemalloc.start()
    clip = read(path, 0.0, 2.0, frame_times_seconds=times, short_side_px=32, sample_rate_hz=None)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(clip.frames) == 50 and peak_bytes < 10 * clip.frames.nbytes + 2**20


def test_lack_of_memory_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from vlsa.data.media import render

    def too_much(*_: object) -> None:
        raise MemoryError

    path = write_media(tmp_path / "a.mp4", pictures=numbered(10))
    monkeypatch.setattr(render, "rgb", too_much)
    with pytest.raises(MediaError, match="not enough memory") as caught:
        read(path, 0.0, 0.4)
    assert caught.value.reason == "memory"


def test_oblong_pixels_of_a_turned_film_are_made_square(tmp_path: Path):
    def set_up(stream: object) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)
        stream.set_display_rotation(90)

    path = write_media(tmp_path / "a.mp4", pictures=[grey(100)] * 5, set_up=set_up)
    assert read(path, 0.0, 0.2).frames.shape[1:] == (128, 48, 3)


def test_subtitles_are_those_of_the_whole_film_and_not_its_signs(tmp_path: Path):
    path = tmp_path / "a.mkv"
    signs, speech = Disposition.forced, Disposition.default
    write_subtitles(path, [("exit", signs), ("a bell rings", speech)])
    assert [cue.text for cue in iter_subtitles(path)] == ["a bell rings"]
    assert probe(path).choices == ("subtitles-2-of-2",)
    write_subtitles(path, [("exit", signs)])
    assert [cue.text for cue in iter_subtitles(path)] == ["exit"]


ROLLING = [(0.1, 1, "a bell"), (1, 1.01, "a bell"), (1.01, 2, "a bell\nrings"), (2, 3, "rings\ntwice"), (4, 5, "twice")]


@pytest.mark.parametrize(("suffix", "codec"), [("mkv", "subrip"), ("mkv", "webvtt"), ("mp4", "mov_text")])
def test_lines_of_automatic_captions_inside_of_a_film_come_once(tmp_path: Path, suffix: str, codec: str):
    """As downloaders of video sites put them into the file."""
    path = tmp_path / f"a.{suffix}"
    write_cues(path, codec, [(start, stop, text) for start, stop, text in ROLLING])
    assert [(cue.start_seconds, cue.stop_seconds, cue.text) for cue in iter_subtitles(path)] == [
        (0.1, 1, "a bell"), (1.01, 2, "rings"), (2, 3, "twice"), (4, 5, "twice")
    ]  # fmt: skip


def test_embedded_cues_of_which_the_end_is_not_known_are_shown_until_the_next(tmp_path: Path):
    path = tmp_path / "a.mkv"
    write_cues(path, "subrip", [(0.5, None, "a bell"), (0.5, None, "rings"), (2, 3, "twice"), (4, None, "end")])
    assert [(cue.start_seconds, cue.stop_seconds, cue.text) for cue in iter_subtitles(path)] == [
        (0.5, 2, "a bell"), (0.5, 2, "rings"), (2, 3, "twice"), (4, 14, "end")
    ]  # fmt: skip


def write_cues(path: Path, codec: str, cues: list[tuple[float, float | None, str]]) -> None:
    """A silent film of a second with one stream of subtitles; a cue that stops at None has no length."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        stream = container.add_mux_stream(codec)
        container.start_encoding()
        for start, stop, text in cues:
            data = text.encode()
            packet = av.Packet(len(data).to_bytes(2, "big") + data if codec == "mov_text" else data)
            packet.stream, packet.time_base = stream, Fraction(1, 1000)
            packet.pts = packet.dts = round(start * 1000)
            packet.duration = 0 if stop is None else round((stop - start) * 1000)
            container.mux(packet)
        for picture in numbered(25):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))


def write_subtitles(path: Path, streams: list[tuple[str, int]]) -> None:
    """A silent film of a second with SubRip streams of one cue each."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        texts = []
        for text, disposition in streams:
            stream = container.add_mux_stream("subrip")
            stream.disposition = Disposition(disposition)
            texts.append((stream, text))
        container.start_encoding()
        for stream, text in texts:
            packet = av.Packet(text.encode())
            packet.stream, packet.time_base = stream, Fraction(1, 1000)
            packet.pts = packet.dts = 100
            packet.duration = 500
            container.mux(packet)
        for picture in numbered(25):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_a_file_with_chapters_is_read_as_without_and_their_titles_are_no_words(tmp_path: Path, suffix: str):
    """MP4 and QuickTime keep the titles in a track of their own, which looks like subtitles."""
    plain = write_media(tmp_path / f"plain.{suffix}", pictures=numbered(50), sound=tone(2))
    divided = tmp_path / f"divided.{suffix}"
    chapter = {"time_base": Fraction(1, 1000), "metadata": {"title": "The foxes"}}
    with av.open(str(plain)) as source, av.open(str(divided), "w") as container:
        container.set_chapters([{"id": n, "start": n * 900, "end": n * 900 + 900, **chapter} for n in range(2)])
        streams = {stream.index: container.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.size:
                packet.stream = streams[packet.stream_index]
                container.mux(packet)
    with av.open(str(divided)) as container:
        assert len(container.chapters()) == 2
    assert probe(divided).duration_seconds == pytest.approx(probe(plain).duration_seconds, abs=0.001)
    assert list(iter_subtitles(divided)) == []
    one, other = (read(path, 0.5, 1.5) for path in (plain, divided))
    assert np.array_equal(one.frames, other.frames)
    assert np.array_equal(one.sound, other.sound)
