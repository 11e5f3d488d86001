"""Windows of an index: they cover each file, and no setting leaves a part of one out."""

import dataclasses

import pytest
from fake_encoder import FakeEncoder, write_numbered_sound
from nearest import nearest

from vlsa.base.errors import ConfigError, SearchIndexError
from vlsa.data.ingest.scan import scan
from vlsa.retrieve.encode.sampling import Sampling
from vlsa.retrieve.index.build import build_index
from vlsa.retrieve.index.index import Index


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "footage"
    folder.mkdir()
    for number in range(1, 5):
        write_numbered_sound(folder / f"sound-{number}.wav", number, seconds=4.0)
    return folder


def index_folder(folder, out, **options):
    return build_index(FakeEncoder(), folder, out, **{"num_workers": 0, **options})


def test_windows_cover_the_whole_file_by_the_rule_of_stores_and_a_short_remainder_joins_the_last(folder, tmp_path):
    class Odd(FakeEncoder):
        window = dataclasses.replace(FakeEncoder.window, window_seconds=1.472)

    write_numbered_sound(folder / "sound-7.wav", 7, seconds=3.2)
    (folder / "sound-7.srt").write_text("1\n00:00:01,000 --> 00:00:01,200\nthe number 7\n")

    def times(path, **options) -> list[tuple[float, float]]:
        build_index(Odd(), folder, tmp_path / path, num_workers=0, **options)
        hits = nearest(Index.open(tmp_path / path, encoder=Odd()), "number 7", k=99)
        return sorted((hit.start_seconds, hit.stop_seconds) for hit in hits if hit.path.endswith("7.wav"))

    assert times("default") == [(0.0, 1.5), (0.75, 2.25), (1.5, 3.2)]
    assert times("tiles", step_seconds=1.5) == [(0.0, 1.5), (1.5, 3.2)]
    assert times("long", window_seconds=2.0, step_seconds=0.5) == [(0.0, 2.0), (0.5, 2.5), (1.0, 3.2)]
    (folder / "sound-7.srt").unlink()
    stored = [row for row in scan(folder, window_seconds=1.5, num_workers=0)[0] if row.path.endswith("7.wav")]
    assert [(row.start_seconds, row.stop_seconds) for row in stored] == times("tiles")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window_seconds": 0.1}, "window of 0.1 s"),
        ({"window_seconds": float("nan")}, "window of nan s"),
        ({"step_seconds": 3.0}, "step of 3 s: with windows of 2 s"),
        ({"step_seconds": 0.0}, "step of 0 s"),
    ],
)
def test_windows_that_would_leave_parts_out_are_refused(folder, tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        index_folder(folder, tmp_path / "index", **options)
    assert not (tmp_path / "index" / "index.json").exists()


def test_windows_of_another_kind_are_refused_until_restart(folder, tmp_path):
    index_folder(folder, tmp_path / "index", step_seconds=2.0)
    assert index_folder(folder, tmp_path / "index", step_seconds=2.0).num_rows == 8
    with pytest.raises(SearchIndexError, match="made with step_seconds=2.0, this asks for 1; windows of two kinds"):
        index_folder(folder, tmp_path / "index", step_seconds=1.0)
    assert index_folder(folder, tmp_path / "index", step_seconds=1.0, restart=True).num_rows == 12


def test_a_window_of_which_the_model_would_encode_a_part_only_is_refused_with_the_longest_that_is_whole(
    folder, tmp_path
):
    with pytest.raises(ConfigError, match="window of 600 s: the model encodes at most 8 windows of 2 s") as caught:
        index_folder(folder, tmp_path / "index", window_seconds=600.0)
    assert "\n" not in str(caught.value) and "Try --window 12.5," in str(caught.value)
    assert not (tmp_path / "index" / "index.json").exists()
    with pytest.raises(ConfigError, match="the last one of a file can have 17"):
        index_folder(folder, tmp_path / "index", window_seconds=16.0, step_seconds=2.0)
    assert index_folder(folder, tmp_path / "index", window_seconds=15.0, step_seconds=2.0).num_windows == 4
    one = FakeEncoder().with_sampling(Sampling(num_windows=1))
    assert build_index(one, folder, tmp_path / "one", num_workers=0).num_windows == 12  # what is made by default is not
