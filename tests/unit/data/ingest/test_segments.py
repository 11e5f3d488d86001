"""Where clips begin and end, on lengths and cues that can be checked in the head."""

import itertools
from dataclasses import replace

import pytest

from vlsa.base.errors import ManifestError
from vlsa.data.ingest.captions import CaptionRow
from vlsa.data.ingest.segments import Cut, Lengths, cut_cues, cut_rows, cut_windows, floor_ms, segment_seconds
from vlsa.data.media.subtitles import TimedText


def lengths(file_seconds: float) -> Lengths:
    return Lengths(file_seconds=float(file_seconds), window_seconds=6.0, shortest_seconds=0.5)


def row(start: float | None, stop: float | None, text: str = "x", split: str | None = None) -> CaptionRow:
    times = [None if time is None else float(time) for time in (start, stop)]
    return CaptionRow("a.mp4", *times, text=text, split=split, line_number=2)


def cue(start: float, stop: float, text: str = "x") -> TimedText:
    return TimedText(float(start), float(stop), text)


def spans(cuts: list[Cut]) -> list[tuple[float | None, float | None]]:
    return [(cut.start_seconds, cut.stop_seconds) for cut in cuts]


@pytest.mark.parametrize(
    ("file_seconds", "expected"),
    [
        (12.0, [(0, 6), (6, 12)]),
        (14.999, [(0, 6), (6, 14.999)]),  # a remainder below half a segment joins the last one
        (15.0, [(0, 6), (6, 12), (12, 15)]),
        (12.5, [(0, 6), (6, 12.5)]),
        (6.5, [(0, 6.5)]),
        (4.0, [(0, 4)]),
        (2.0, [(0, 2)]),
        (0.5, [(0, 0.5)]),
    ],
)
def test_windows_tile_the_file(file_seconds: float, expected: list[tuple[float, float]]) -> None:
    assert spans(cut_windows(lengths(file_seconds))) == expected


def test_segments_cover_any_file_without_gaps_and_none_is_under_half_a_window() -> None:
    for milliseconds in range(500, 30_000, 137):
        edges = spans(cut_windows(lengths(milliseconds / 1000)))
        assert (edges[0][0], edges[-1][1]) == (0, milliseconds / 1000)
        assert all(one[1] == other[0] for one, other in itertools.pairwise(edges))
        assert len(edges) == 1 or all(3 <= stop - start < 9 for start, stop in edges)


@pytest.mark.parametrize(("model_seconds", "expected"), [(2.972, 3.0), (5.944, 6.0), (3.0, 3.0), (0.2, 0.5)])
def test_a_segment_is_the_model_s_window_rounded_up_to_half_a_second(model_seconds: float, expected: float) -> None:
    assert segment_seconds(model_seconds) == expected


def test_a_file_shorter_than_the_shortest_clip_is_refused() -> None:
    (cut,) = cut_windows(lengths(0.3))
    assert cut.reason == "too_short" and "only 0.3 s long" in cut.message


def test_each_cue_becomes_a_clip_in_order_of_time() -> None:
    cuts = cut_cues([cue(5, 9, "later"), cue(1, 3.5, "first")], lengths(10))
    assert spans(cuts) == [(1, 3.5), (5, 9)]
    assert [cut.texts for cut in cuts] == [("first",), ("later",)]


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        (5.0, 5.2, (4.85, 5.35)),  # around the same middle
        (0.0, 0.1, (0.0, 0.5)),  # pushed in from the start
        (9.9, 10.0, (9.5, 10.0)),  # and from the end
        (9.0, 12.0, (9.0, 10.0)),  # what lies beyond the end is cut off
    ],
)
def test_short_cues_are_widened_inside_the_file(start: float, stop: float, expected: tuple[float, float]) -> None:
    assert spans(cut_cues([cue(start, stop)], lengths(10))) == [pytest.approx(expected)]


def test_a_cue_in_a_tiny_file_is_the_whole_file() -> None:
    assert spans(cut_cues([cue(0.1, 0.2)], lengths(0.3))) == [(0.0, 0.3)]


def test_a_cue_over_two_windows_is_parted_and_each_part_keeps_the_text() -> None:
    assert spans(cut_cues([cue(1, 13)], lengths(60))) == [(1, 13)]  # two windows stay one
    cuts = cut_cues([cue(1, 20)], lengths(60))
    assert spans(cuts) == [(1, 7.333), (7.333, 13.666), (13.666, 20)]
    assert {cut.texts for cut in cuts} == {("x",)}


def test_rows_with_times_are_clips_as_they_stand_however_long() -> None:
    assert spans(cut_rows([row(0, 50)], lengths(60))) == [(0, 50)]


def test_a_row_under_the_shortest_clip_is_widened_around_its_middle() -> None:
    assert spans(cut_rows([row(1.0, 1.2)], lengths(10))) == [(0.85, 1.35)]


def test_a_row_without_times_is_the_whole_file_parted_if_long() -> None:
    assert spans(cut_rows([row(None, None)], lengths(4))) == [(0, 4)]
    assert spans(cut_rows([row(None, None)], lengths(18))) == [(0, 6), (6, 12), (12, 18)]


def test_several_rows_of_one_stretch_are_several_texts_of_one_clip() -> None:
    (cut,) = cut_rows([row(0, 4, "b"), row(0, 4, "a"), row(None, None, "b"), row(0, 4, "c", "test")], lengths(4))
    assert cut.texts == ("b", "a", "c") and cut.split == "test"


def test_one_clip_cannot_be_in_two_splits() -> None:
    with pytest.raises(ManifestError, match="one row says split train, another test"):
        cut_rows([row(0, 4, "a", "train"), row(0, 4, "b", "test")], lengths(4))


@pytest.mark.parametrize(
    ("start", "stop", "reason"), [(2, 2, "zero_length"), (3, 2, "zero_length"), (10, 12, "outside"), (-1, 2, "outside")]
)
def test_impossible_times_are_refused_with_a_reason_beside_good_ones(start: float, stop: float, reason: str) -> None:
    good, faulty = cut_rows([row(start, stop), row(0, 5)], lengths(10))
    assert not good.reason and spans([good]) == [(0, 5)]
    assert faulty.reason == reason and faulty.message.endswith("Fix its times.")


def test_times_are_whole_milliseconds_inside_the_file() -> None:
    (cut,) = cut_rows([row(None, None)], lengths(3.0049999))
    assert cut.stop_seconds == 3.004
    assert spans(cut_rows([row(0.29, 1.16)], lengths(3))) == [(0.29, 1.16)]


@pytest.mark.parametrize("file_seconds", [0.7, 5.9, 6.0, 7.4, 7.5, 8.9, 9.0, 31.4159])
@pytest.mark.parametrize("step_seconds", [6.0, 3.0, 2.5, 0.4])
def test_windows_a_step_apart_leave_nothing_out_and_end_within_half_a_step_of_their_length(file_seconds, step_seconds):
    found = spans(cut_windows(replace(lengths(file_seconds), step_seconds=step_seconds)))
    assert found[0][0] == 0
    assert found[-1][1] == floor_ms(file_seconds)
    assert [start for start, _ in found] == pytest.approx([k * step_seconds for k in range(len(found))], abs=1e-3)
    assert all(later[0] <= earlier[1] for earlier, later in itertools.pairwise(found))
    assert all(stop - start == pytest.approx(6.0, abs=2e-3) for start, stop in found[:-1])
    if file_seconds >= 6:
        assert abs(found[-1][1] - found[-1][0] - 6.0) <= step_seconds / 2 + 2e-3


def test_windows_a_whole_window_apart_are_the_segments_of_a_store():
    for file_seconds in (4.0, 12.5, 14.999, 15.0, 100.0):
        assert cut_windows(replace(lengths(file_seconds), step_seconds=6.0)) == cut_windows(lengths(file_seconds))
