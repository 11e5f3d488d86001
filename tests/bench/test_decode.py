"""The films of the benches tell a right decoder from a wrong one, and only the right ones are compared with."""

import json
import sys
from pathlib import Path

import decode
import decoders
import memory
import numpy as np
import prepare
import pytest
from films import Film, noise, number_of, numbered, sound_lag_ms, write_film

from vlsa.config.recipes import recipe
from vlsa.data.media.decode import probe
from vlsa.data.store.prepare import store_settings

FILM = Film(160, 90, 7.5, key_interval=25)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    write_film(path, FILM)
    return path


@pytest.mark.parametrize("number", [0, 1, 299, 17_999, 2**16 - 1])
def test_a_picture_tells_its_number_when_it_is_made_smaller(number: int) -> None:
    picture = numbered(np.full((360, 640, 3), 128, np.uint8), number)
    assert number_of(picture) == number_of(picture[::2, ::2]) == number


@pytest.mark.parametrize("late_samples", [-3, 0, 11])
def test_the_lag_of_a_sound_is_found_to_the_sample(late_samples: int) -> None:
    start = 2 * 11_025 + 500
    sound = noise(start - late_samples, start - late_samples + 11_025)
    assert sound_lag_ms(sound, start / 11_025) == pytest.approx(1000 * late_samples / 11_025)


def test_a_sound_that_is_another_has_no_lag() -> None:
    assert np.isnan(sound_lag_ms(np.random.default_rng(99).normal(0, 0.1, 11_025), 2.0))


def test_this_library_gives_the_frames_and_the_sound_that_were_asked_for(path: Path) -> None:
    for asked in decode.clips_of(path, FILM, 2):
        wanted = decoders.Wanted(**{**asked, "frame_times_seconds": tuple(asked["frame_times_seconds"])})
        told = decoders.answer(decoders.vlsa(), wanted)
        assert told["exact"] == 1.0 and abs(told["sound_lag_ms"]) <= 0.1
        ours = decoders.vlsa()
        early = decoders.Decoder("", lambda wanted, ours=ours: np.roll(ours.picture(wanted), -1, axis=0), None)
        assert decoders.answer(early, wanted)["exact"] == 0.0


def test_a_decoder_that_cannot_be_loaded_says_why_and_one_that_fails_too(path: Path) -> None:
    asked = decode.Asked("decord", sys.executable)
    assert "missing" in asked.told
    asked.close()
    ours = decode.Asked("vlsa", sys.executable)
    told = ours.clip({**decode.clips_of(path, FILM, 1)[0], "path": "gone.mp4"})
    ours.close()
    assert told["failed"].startswith("MediaError: gone.mp4") and ours.told["version"].startswith("PyAV")
    assert decode.summary([told]) == {"failed": told["failed"]}


def test_only_what_is_as_exact_counts_as_a_rival() -> None:
    def found(rate: float, exact: float = 1.0, lag_ms: float | None = 0.0) -> dict:
        return {"exact_frames": exact, "pictures_per_second": rate, "clips_per_second": rate, "sound_lag_ms": lag_ms}

    mute = {"exact_frames": 1.0, "pictures_per_second": 3.0}
    rivals = {"vlsa": found(6), "wrong": found(99, exact=0.9), "late": found(4, lag_ms=20), "right": found(2)}
    assert decode.ratios(rivals) == {"pictures": 1.5, "clips": 3.0}
    assert decode.ratios({**rivals, "silent": found(5, lag_ms=None), "mute": mute}) == {"pictures": 1.2, "clips": 3.0}
    assert decode.ratios({"vlsa": found(6), "broken": {"failed": "no AV1"}}) == {}


def test_clips_are_prepared_by_no_one_and_by_one_worker_and_timed(path: Path) -> None:
    settings = store_settings(recipe("tiny"))
    rows = prepare.rows_of(path, FILM, settings.window_seconds, 3)
    assert [row.start_seconds for row in rows] == [0.0, 2.25, 4.5]
    assert 0 < prepare.clock_seconds(rows, settings, 0) < 60 and prepare.processor_seconds(rows, settings) > 0


def test_memory_is_that_of_clips_of_which_some_are_damaged(path: Path, tmp_path: Path, capsys) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 4 : len(data) * 3 // 4] = bytes(len(data) * 3 // 4 - len(data) // 4)
    (tmp_path / "damaged.mp4").write_bytes(data)
    found = memory.measure([probe(path), probe(tmp_path / "damaged.mp4")], 10)
    assert found["clips_that_are_damaged"] == 5 and found["at_the_end_mib"] > 10
    assert json.dumps(found)
