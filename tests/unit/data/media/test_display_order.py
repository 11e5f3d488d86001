"""In AVI, frames that are decoded before others are still shown after them, each at its own time."""

import math
from fractions import Fraction

import numpy as np
import pytest
from media_files import numbered, numbers, tone, write_media

from vlsa.data.media import decode
from vlsa.data.media.container import TimedFrame
from vlsa.data.media.display_order import with_times_in_order

NUM_FRAMES = 150


@pytest.fixture(scope="module", params=["bf=2", "bf=8:b-pyramid=normal", "bf=16:b-adapt=0"])
def film(request, tmp_path_factory):
    """Six seconds of numbered frames at 25 a second, most of them made of later ones; a key frame every two seconds."""
    bframes, *others = request.param.split(":")
    params = ":".join([f"bframes={bframes.removeprefix('bf=')}", "keyint=50", "scenecut=0", *others])
    return write_media(
        tmp_path_factory.mktemp("film") / "a.avi",
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
    for start in (1.0, 2.04, 3.2, 4.96):
        for known in (facts, None):
            times, found = shown(film, start, start + 1, known)
            assert found == [whole[time] for time in times]


def test_times_go_to_frames_in_the_order_in_which_they_come():
    given = [TimedFrame(time, number) for number, time in enumerate([1, 4, 3, math.nan, 5, 2])]
    found = [(frame.seconds, frame.frame) for frame in with_times_in_order(iter(given))]
    assert found[:3] + found[4:] == [(1, 0), (2, 1), (3, 2), (4, 4), (5, 5)]
    assert math.isnan(found[3][0]) and found[3][1] == 3
