"""Public encoders through the command line, from files to answers; weights are random, formats are true."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import public_encoders as public
import pytest
from command_lines import call
from media_files import tone, write_media

import vlsa
from vlsa.retrieve.search.moments import Moment

SECONDS = 2


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Six files of footage with words, one of them silent, and their store."""
    place = tmp_path_factory.mktemp("place")
    (place / "footage").mkdir()
    lines = ["path,start_seconds,stop_seconds,text,split"]
    for number in range(6):
        sound = None if number == 5 else tone(SECONDS, hz=300 + 150 * number, rate_hz=public.RATE_HZ)
        blocks = np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8)
        pictures = [blocks.repeat(8, axis=0).repeat(8, axis=1)] * (8 * SECONDS)
        options = {"pictures": pictures, "frames_per_second": 8, "sound": sound, "rate_hz": public.RATE_HZ}
        write_media(place / "footage" / f"{number}.mp4", **options)
        lines.append(f"{number}.mp4,0,{SECONDS},a dog barks {number} times,test")
    (place / "footage" / "captions.csv").write_text("\n".join(lines), encoding="utf-8")
    done(f"vlsa prepare {place}/footage {place}/store --recipe tiny --sample-rate {public.RATE_HZ} --workers 0")
    for name in ("clip", "clap", "pe_av"):
        getattr(public, name)(place / name)
    return place


def done(line: str) -> str:
    result = call(line)
    assert result.exit_code == 0, (line, result.output)
    return result.stdout


def refused(line: str) -> str:
    result = call(line)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1), (line, result.output)
    return result.stderr


def names(hits: Sequence[Moment]) -> list[str]:
    return [Path(hit.path).name for hit in hits]


def directions(line: str) -> list[str]:
    return [json.loads(answer)["direction"] for answer in done(f"{line} --json").splitlines()]


def test_a_sum_of_two_spaces_is_evaluated_indexed_and_searched(place):
    name = f"clip:{place}/clip+clap:{place}/clap"
    assert set(directions(f"vlsa evaluate {name} --data {place}/store")) == {
        "text_to_video", "video_to_text", "text_to_audio", "audio_to_text", "text_to_media", "media_to_text",
    }  # fmt: skip
    done(f"vlsa index {name} {place}/footage --out {place}/sum --workers 0")
    index = vlsa.Index.open(place / "sum")
    line = f"vlsa search {place}/sum 'a dog barks loudly' -k 99 --json"  # not said so anywhere
    found = [json.loads(answer) for answer in done(line).splitlines()]
    for moment in found:
        ranks = {reason["modality"]: reason["rank"] for reason in moment["why"]}
        assert moment["score"] == pytest.approx(sum(61 / (60 + rank) for rank in ranks.values()) / 2, rel=0.01)  # ties
    assert sorted({len(moment["why"]) for moment in found}) == [1, 2]  # one file is silent
    assert [moment["score"] for moment in found] == sorted((moment["score"] for moment in found), reverse=True)
    assert names(index.search(like_sound=[str(place / "footage" / "1.mp4")], k=1)) == ["1.mp4"]
    assert names(index.search(like_video=[str(place / "footage" / "2.mp4")], k=1)) == ["2.mp4"]
    assert "compares video-text, audio-text, not audio with video" in refused(
        f"vlsa search {place}/sum --like-sound {place}/footage/1.mp4 --in video"
    )
    assert "vectors of two models cannot be compared" in refused(
        f"vlsa search {place}/sum 'a dog' --run clip:{place}/clip"
    )


def test_pe_av_is_evaluated_indexed_and_searched_in_all_pairs(place):
    name = f"pe-av:{place}/pe_av"
    assert len(directions(f"vlsa evaluate {name} --data {place}/store")) == 12
    done(f"vlsa index {name} {place}/footage --out {place}/all --workers 0")
    index, file = vlsa.Index.open(place / "all"), str(place / "footage" / "1.mp4")
    assert len({*names(index.search(like_sound=[file], target="video"))}) == 6
    assert names(index.search(like_sound=[str(place / "footage" / "3.mp4")], k=1)) == ["3.mp4"]
    assert len(done(f"vlsa search {place}/all 'a dog barks' --json").splitlines()) >= 6


def test_one_encoder_answers_what_its_space_holds_and_refuses_the_rest_in_one_line(place):
    done(f"vlsa index clap:{place}/clap {place}/footage --out {place}/heard --workers 0")
    files = set(names(vlsa.Index.open(place / "heard").search("a dog barks loudly")))
    assert files == {f"{number}.mp4" for number in range(5)}
    assert "compares audio-text, not video with video" in refused(
        f"vlsa search {place}/heard --like-video {place}/footage/1.mp4"
    )


def test_a_sum_holds_the_vectors_of_its_encoders_in_columns_of_their_own(place):
    encoder = vlsa.load(f"clip:{place}/clip+clap:{place}/clap")
    window = encoder.window
    assert (window.window_seconds, window.sample_rate_hz, window.num_frames) == (1.0, public.RATE_HZ, 8)
    sees, hears = vlsa.load(f"clip:{place}/clip").with_window_seconds(1.0), vlsa.load(f"clap:{place}/clap")
    path, none = place / "footage" / "1.mp4", np.zeros((1, 24), np.float32)
    narrow = np.pad(hears.encode_audio([path]), ((0, 0), (0, 8)))
    np.testing.assert_array_equal(encoder.encode_video([path]), np.hstack([sees.encode_video([path]), none]))
    np.testing.assert_array_equal(encoder.encode_audio([path]), np.hstack([none, narrow]))
    texts = np.hstack([sees.encode_text(["a dog"]), np.pad(hears.encode_text(["a dog"]), ((0, 0), (0, 8)))])
    np.testing.assert_array_equal(encoder.encode_text(["a dog"]), texts)
