"""In AVI, frames that are decoded before others are still shown after them, each at its own time."""

import math
from fractions import Fraction

import av
import numpy as np
import pytest
from media_files import numbered, numbers, tone, write_media

from vlsa.data.media import decode
from vlsa.data.media.container import TimedFrame, open_media
from vlsa.data.media.display_order import with_times_in_order
from vlsa.retrieve.search.export.encode import encode_span

NUM_FRAMES = 150
FILMS = [
    "bframes=2:keyint=50",
    "bframes=8:b-pyramid=normal:keyint=50",
    "bframes=16:b-adapt=0:keyint=50",
    "bframes=2:keyint=12:open-gop=1",
    "bframes=5:b-pyramid=normal:b-adapt=0:keyint=25:open-gop=1",
]
"""Options of x264. In open groups of pictures, frames that are shown before a key frame need what is before it."""


@pytest.fixture(scope="module", params=FILMS)
def film(request, tmp_path_factory):
    """Six seconds of numbered frames at 25 a second, most of them made of later ones; a key frame every few of them."""
    return write_film(tmp_path_factory.mktemp("film") / "a.avi", f"{request.param}:scenecut=0")


def write_film(path, params):
    return write_media(
        path,
        pictures=numbered(NUM_FRAMES),
        sound=tone(6),
        audio_codec="mp2",
        video_options={"x264-params": params},
        set_up=lambda stream: setattr(stream.codec_context, "time_base", Fraction(1, 25)),
    )


def shown(path, start_seconds, stop_seconds, facts=None):
    times = decode.regular_times(stop_seconds - start_seconds, 25)
    clip = decode.decode(
        path,
        start_seconds,
        stop_seconds,
        frame_times_seconds=times,
        short_side_px=None,
        sample_rate_hz=None,
        facts=facts,
    )
    return np.round((clip.frame_seconds + start_seconds) * 25).astype(int).tolist(), numbers(clip.frames)


def test_every_frame_is_shown_once_and_in_order(film):
    _, found = shown(film, 0.0, decode.probe(film).duration_seconds)
    first = found.count(0)  # the first one is there a moment longer: decoding runs ahead
    assert found[first - 1 :] == list(range(NUM_FRAMES))


def test_a_stretch_from_the_middle_has_the_frames_of_the_whole(film):
    facts = decode.probe(film)
    whole = dict(zip(*shown(film, 0.0, facts.duration_seconds), strict=True))
    for start in (1.0, 1.4, 1.44, 2.04, 3.2, 4.96):
        for known in (facts, None):
            times, found = shown(film, start, start + 1, known)
            assert found == [whole[time] for time in times]


def test_frames_that_lie_far_apart_are_those_of_the_whole(film):
    """Between them, decoding goes on at a later key frame."""
    facts = decode.probe(film)
    whole = dict(zip(*shown(film, 0.0, facts.duration_seconds), strict=True))
    for first in range(4, 20, 4):
        frames = range(first, NUM_FRAMES, 47)
        times = [frame / 25 for frame in frames]
        clip = decode.decode(
            film, 0, 6, frame_times_seconds=times, short_side_px=None, sample_rate_hz=None, facts=facts
        )
        assert numbers(clip.frames) == [whole[frame] for frame in frames]


def test_an_exported_clip_has_every_frame(film, tmp_path):
    whole = dict(zip(*shown(film, 0.0, decode.probe(film).duration_seconds), strict=True))
    encode_span(film, 1.4, 2.4, tmp_path / "clip.mp4")
    with av.open(str(tmp_path / "clip.mp4")) as container:
        found = numbers(np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]))
    assert found == [whole[frame] for frame in range(35, 60)]


@pytest.mark.parametrize("params", ["bframes=3:keyint=25", "bframes=4:keyint=30:open-gop=1:b-pyramid=1", "bframes=0"])
def test_hevc_in_avi_has_every_frame_at_its_time(tmp_path, params):
    """FFmpeg takes each for shown one later; it does not write such files itself."""
    path = write_hevc(tmp_path, params)
    facts = decode.probe(path)
    assert facts.duration_seconds == pytest.approx(3) and facts.video_codec == "hevc"
    assert shown(path, 0, 3, facts) == (list(range(75)), list(range(75)))
    for known in (facts, None):
        assert shown(path, 1.4, 2.4, known) == (list(range(35, 60)), list(range(35, 60)))


def write_hevc(folder, params):
    """Three seconds of numbered frames at 25 a second, in an AVI whose packets have numbers and no times."""
    stream_path, path = folder / "a.hevc", folder / "a.avi"
    options = {"x265-params": f"log-level=none:{params}"}
    write_media(stream_path, pictures=numbered(75), video_codec="libx265", video_options=options)
    with av.open(str(stream_path)) as source, av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
        for number, packet in enumerate(packet for packet in source.demux() if packet.size):
            own = av.Packet(bytes(packet))
            own.stream, own.time_base, own.is_keyframe = stream, Fraction(1, 25), packet.is_keyframe
            own.pts = own.dts = number
            container.mux(own)
    path.write_bytes(path.read_bytes().replace(b"H264", b"HEVC"))
    return path


def test_only_what_may_be_reordered_is_held_back(tmp_path):
    for codec, is_held in (("mjpeg", False), ("mpeg4", True)):
        path = write_media(tmp_path / f"{codec}.avi", pictures=numbered(30), video_codec=codec)
        with open_media(path) as source:
            assert (source.uncertain_seconds > 0) == is_held
            assert next(source.frames("video")).seconds == 0


def test_times_go_to_frames_in_the_order_in_which_they_come():
    given = [TimedFrame(time, number) for number, time in enumerate([1, 4, 3, math.nan, 5, 2])]
    found = [(frame.seconds, frame.frame) for frame in with_times_in_order(iter(given))]
    assert found[:3] + found[4:] == [(1, 0), (2, 1), (3, 2), (4, 4), (5, 5)]
    assert math.isnan(found[3][0]) and found[3][1] == 3
