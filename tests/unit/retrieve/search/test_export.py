"""What is exported is read back by the libraries of others: OpenTimelineIO, its reader of edit lists, and pysubs2."""

import csv
import io
import json
import sys
import unicodedata
from fractions import Fraction
from pathlib import Path

import numpy as np
import opentimelineio
import pysubs2
import pytest
from media_files import numbered, tone, write_media

from vlsa.base.errors import MediaError, VlsaError
from vlsa.retrieve.search.export.clips import EditedFile, Event, events, read_edited_file
from vlsa.retrieve.search.export.edl import edit_lists, reel_names
from vlsa.retrieve.search.export.names import plain_end, plain_start
from vlsa.retrieve.search.export.tables import csv_text, json_lines, subtitles
from vlsa.retrieve.search.export.timecode import (
    DROPPING,
    RATES,
    frame_at,
    nearest_rate,
    parse_timecode,
    says_drop_frame,
    timecode,
)
from vlsa.retrieve.search.export.timeline import timeline_json
from vlsa.retrieve.search.export.write import write_moments
from vlsa.retrieve.search.moments import Moment, Reason

NTSC = Fraction(30000, 1001)
FRAMES = [*range(0, 4000), *range(17_900, 18_100), *range(53_000, 54_100), *range(107_800, 108_000), 1_000_000]


def moment(rank, path, start, stop, **changed):
    best = {"best_start_seconds": start, "best_stop_seconds": stop, "score": 4.0, "stand_out": 4.0}
    return Moment(rank=rank, path=path, start_seconds=start, stop_seconds=stop, **(best | changed))


@pytest.mark.parametrize("rate", RATES, ids=float)
def test_timecodes_are_those_of_opentimelineio(rate):
    for drop_frame in {False, rate in DROPPING}:
        for frame in FRAMES:
            written = timecode(frame, rate, drop_frame=drop_frame)
            exact = opentimelineio.opentime.RationalTime(frame, float(rate))
            assert written == exact.to_timecode(float(rate), drop_frame), frame
            assert parse_timecode(written, rate) == frame and says_drop_frame(written, rate) == drop_frame


def test_drop_frame_leaves_out_two_names_a_minute_but_every_tenth_and_follows_the_clock():
    assert [timecode(frame, NTSC, drop_frame=True) for frame in (1799, 1800, 17_981, 17_982)] == [
        "00:00:59;29",
        "00:01:00;02",
        "00:09:59;29",
        "00:10:00;00",
    ]
    assert timecode(frame_at(3600, NTSC), NTSC, drop_frame=True) == "01:00:00;00"
    assert timecode(frame_at(3600, Fraction(30)), Fraction(30), drop_frame=False) == "01:00:00:00"
    assert timecode(frame_at(3600, NTSC), NTSC, drop_frame=False) == "00:59:56:12"  # 3.6 s behind the clock
    assert timecode(24 * 3600 * 25 + 1, Fraction(25), drop_frame=False) == "00:00:00:01"


def test_rates_are_those_of_editors():
    assert [nearest_rate(rate) for rate in (29.97, 30, 23.98, 25.01, 12)] == [
        NTSC,
        30,
        Fraction(24000, 1001),
        25,
        RATES[0],
    ]
    with pytest.raises(VlsaError, match="no frame has this timecode at 25"):
        parse_timecode("00:00:00:25", Fraction(25))


def test_a_name_that_drop_frame_leaves_out_is_no_frame():
    assert parse_timecode("00:01:00:00", NTSC) == 1800  # without drop-frame
    assert parse_timecode("00:01:00;02", NTSC) == parse_timecode("00:01:00.02", NTSC) == 1800
    assert parse_timecode("00:10:00;00", NTSC) == 17_982
    for name, rate in (("00:01:00;00", NTSC), ("00:01:00;01", NTSC), ("00:59:00;03", 2 * NTSC), ("1:2:3", NTSC)):
        with pytest.raises(VlsaError, match="no frame has this timecode"):
            parse_timecode(name, rate)


def edited(name, rate, first_frame=0, **changed):
    facts = {"num_frames": 100_000, "has_video": True, "has_sound": True, "drop_frame": rate in DROPPING} | changed
    return EditedFile(Path("/footage") / name, Fraction(rate), first_frame, **facts)


def event(rank, file, start_frame, stop_frame, **changed):
    return Event(moment(rank, file.path.name, 0.0, 1.0, **changed), file, start_frame, stop_frame)


def test_an_edit_list_is_what_the_standard_says():
    file = edited("Ferry 1.mp4", 25, 90_000)
    text = edit_lists([event(1, file, 90_300, 90_375, texts=("a\nhorn",)), event(2, file, 90_000, 90_001)], "found")
    assert text[Fraction(25)][0].split("\r\n") == [
        "TITLE: found",
        "FCM: NON-DROP FRAME",
        "",
        "001  FERRY1   B     C        01:00:12:00 01:00:15:00 01:00:00:00 01:00:03:00",
        "* FROM CLIP NAME: Ferry 1.mp4",
        "* SOURCE FILE: Ferry 1.mp4",
        "* COMMENT: RANK 1, STAND-OUT 4.00, a horn",
        "002  FERRY1   B     C        01:00:00:00 01:00:00:01 01:00:03:00 01:00:03:01",
        "* FROM CLIP NAME: Ferry 1.mp4",
        "* SOURCE FILE: Ferry 1.mp4",
        "* COMMENT: RANK 2, STAND-OUT 4.00",
        "",
    ]


@pytest.mark.parametrize("rate", [Fraction(25), NTSC, Fraction(24000, 1001), Fraction(60)], ids=float)
def test_another_reader_finds_the_same_cuts_in_an_edit_list(rate):
    files = [edited(f"clip {n}.mp4", rate, has_sound=n != 1) for n in range(3)]
    spans = [(300, 375), (1790, 1810), (17_980, 17_990), (107_890, 107_893)]
    cuts = [event(n + 1, files[n % 3], *span) for n, span in enumerate(spans)]
    (text,) = edit_lists(cuts, "found")[rate]
    timeline = opentimelineio.adapters.read_from_string(text, "cmx_3600", rate=float(rate))
    clips = list(next(track for track in timeline.tracks if track.kind == "Video"))
    found = [(clip.source_range.start_time.value, clip.source_range.duration.value) for clip in clips]
    assert [(round(start), round(start + count)) for start, count in found] == spans
    assert [clip.name for clip in clips] == ["clip 0.mp4", "clip 1.mp4", "clip 2.mp4", "clip 0.mp4"]
    assert timeline.name == "found"


def test_a_source_keeps_its_kind_of_timecode_and_a_line_says_where_it_changes():
    plain, dropping = edited("plain.mov", NTSC, drop_frame=False), edited("dropping.mov", NTSC)
    hour = 3600 * 30
    cuts = [event(1, plain, hour, hour + 30), event(2, dropping, 1800, 1830), event(3, dropping, 1798, 1800)]
    (text,) = edit_lists([*cuts, event(4, plain, 1800, 1801)], "found")[NTSC]
    assert [line for line in text.split("\r\n") if line[:3] == "FCM" or line[:3].isdigit()] == [
        "FCM: NON-DROP FRAME",
        "001  PLAIN    B     C        01:00:00:00 01:00:01:00 01:00:00:00 01:00:01:00",
        "FCM: DROP FRAME",
        "002  DROPPING B     C        00:01:00;02 00:01:01;02 01:00:01:00 01:00:02:00",
        "003  DROPPING B     C        00:00:59;28 00:01:00;02 01:00:02:00 01:00:02:02",
        "FCM: NON-DROP FRAME",
        "004  PLAIN    B     C        00:01:00:00 00:01:00:01 01:00:02:02 01:00:02:03",
    ]
    timeline = opentimelineio.adapters.read_from_string(text, "cmx_3600", rate=float(NTSC))
    clips = list(next(track for track in timeline.tracks if track.kind == "Video"))
    assert [round(clip.source_range.start_time.value) for clip in clips] == [hour, 1800, 1798, 1800]


def test_every_rate_has_a_list_and_more_than_999_cuts_have_several():
    cuts = [event(n, edited("a.mp4", 25), n, n + 1) for n in range(1, 1003)] + [event(1, edited("b.mp4", 30), 0, 5)]
    lists = edit_lists(cuts, "x")
    assert [*lists] == [25, 30]
    assert [text.count("FROM CLIP NAME") for text in lists[Fraction(25)]] == [999, 3]
    assert [text.split("\r\n")[0] for text in lists[Fraction(25)]] == ["TITLE: 1 of 2: x", "TITLE: 2 of 2: x"]
    second = lists[Fraction(25)][1].split("\r\n")
    assert second[3] == "001  A        B     C        00:00:40:00 00:00:40:01 01:00:00:00 01:00:00:01"


def test_reel_names_are_short_and_differ():
    names = reel_names(
        ["a/interview one.mp4", "b/interview two.mp4", "c/INTERVIE.mov", "d/é.mp4", "a/interview one.mp4"]
    )
    assert [*names.values()] == ["INTERVIE", "INTERVI2", "INTERVI3", "REEL"]


def test_files_called_as_special_sources_are_cut_as_any_file():
    files = [edited(f"{name}.mp4", 25) for name in ("bl", "Black", "bars", "ax", "ferry")]
    (text,) = edit_lists([event(n, file, 0, 10) for n, file in enumerate(files, 1)], "found")[Fraction(25)]
    reels = [line.split()[1] for line in text.split("\r\n") if line[:3].isdigit()]
    assert reels == ["BL2", "BLACK2", "BARS2", "AX2", "FERRY"]
    timeline = opentimelineio.adapters.read_from_string(text, "cmx_3600", rate=25)
    clips = list(next(track for track in timeline.tracks if track.kind == "Video"))
    assert [clip.name for clip in clips] == [file.path.name for file in files]
    assert all(isinstance(clip.media_reference, opentimelineio.schema.MissingReference) for clip in clips)


@pytest.mark.parametrize("rate", [Fraction(25), NTSC], ids=float)
def test_a_cut_across_midnight_ends_after_it_starts_and_one_after_midnight_is_of_the_new_day(rate):
    day = parse_timecode("24:00:00;00" if rate == NTSC else "24:00:00:00", rate)
    file = edited("night.mp4", rate, day - 100)
    (text,) = edit_lists([event(1, file, day - 10, day + 15), event(2, file, day, day + 5)], "found")[rate]
    assert [line.split()[4:6] for line in text.replace(";", ":").split("\r\n") if line[:3].isdigit()] == [
        [f"23:59:59:{round(rate) - 10}", "24:00:00:15"],
        ["00:00:00:00", "00:00:00:05"],
    ]
    timeline = opentimelineio.adapters.read_from_string(text, "cmx_3600", rate=float(rate))
    clips = list(next(track for track in timeline.tracks if track.kind == "Video"))
    assert [round(clip.source_range.duration.value) for clip in clips] == [25, 5]


def test_a_timeline_is_read_back_with_every_cut_and_why_it_is_there():
    why = (Reason("audio", 1, 0.5),)
    film, sound = edited("a b.mp4", 25, 100), edited("c.wav", 25, has_video=False)
    cuts = [event(1, film, 400, 450, best_start_seconds=12.4, best_stop_seconds=13.0, why=why), event(2, sound, 0, 25)]
    timeline = opentimelineio.adapters.read_from_string(timeline_json(cuts, "found"), "otio_json")
    video, audio = timeline.tracks
    assert (video.kind, audio.kind) == ("Video", "Audio") and [len(video), len(audio)] == [2, 2]
    clip = video[0]
    assert clip.media_reference.target_url == "file:///footage/a%20b.mp4"
    assert (clip.source_range.start_time.value, clip.source_range.duration.value, clip.source_range.duration.rate) == (
        400,
        50,
        25,
    )
    assert clip.media_reference.available_range.start_time.value == 100
    assert clip.metadata["vlsa"]["why"][0]["modality"] == "audio"
    assert (clip.markers[0].marked_range.start_time.value, clip.markers[0].marked_range.duration.value) == (410, 15)
    assert isinstance(video[1], opentimelineio.schema.Gap) and audio[1].name == "c.wav"
    assert audio.range_of_child_at_index(1).start_time.value == 50


def test_without_the_library_a_timeline_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentimelineio", None)
    with pytest.raises(VlsaError, match=r"pip install 'vlsa\[editors\]'"):
        timeline_json([], "found")


def test_subtitles_are_read_back_with_their_times_and_words():
    found = [moment(1, "a.mp4", 3661.5, 3663.25, texts=("a dog\n\nbarks --> here", "")), moment(2, "a.mp4", 0.0, 1.0)]
    lines = pysubs2.SSAFile.from_string(subtitles(found), format_="srt")
    assert [(line.start, line.end) for line in lines] == [(0, 1000), (3_661_500, 3_663_250)]
    assert [line.plaintext for line in lines] == ["#2 (stand-out 4.0)", "#1 (stand-out 4.0)\na dog barks → here"]


def test_rows_survive_csv_and_json_lines():
    odd = moment(1, '=cmd,"x"\n.mp4', 61.5, 63.0, texts=("one", "two"), why=(Reason("video", 3, 0.25),))
    (row,) = csv.DictReader(io.StringIO(csv_text([odd])))
    assert row["path"] == '\'=cmd,"x"\n.mp4' and row["start"] == "0:01:01.5" and float(row["stop_seconds"]) == 63
    assert row["why"] == "video rank 3 (0.250)" and row["text"] == "one / two" and row["stand_out"] == "4.0000"
    assert [json.loads(line) for line in json_lines([odd, odd]).splitlines()] == [odd.as_dict()] * 2


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("footage")
    write_media(folder / "a.mov", pictures=numbered(60), frames_per_second=30000 / 1001, sound=tone(2))
    write_media(
        folder / "b.mov",
        pictures=numbered(50),
        sound=tone(2),
        set_up=lambda stream: stream.metadata.update(timecode="10:00:00:00"),
    )
    write_media(
        folder / "d.mov",
        pictures=numbered(60),
        frames_per_second=30000 / 1001,
        set_up=lambda stream: stream.metadata.update(timecode="01:00:00:00"),
    )
    write_media(folder / "c.wav", sound=tone(3), audio_codec="pcm_s16le")
    return folder


def test_files_are_counted_in_their_own_frames_from_their_own_timecode(footage):
    ntsc, labelled, sound = (read_edited_file(footage / name) for name in ("a.mov", "b.mov", "c.wav"))
    assert (ntsc.rate, ntsc.first_frame, ntsc.num_frames) == (NTSC, 0, 60)
    assert (labelled.rate, labelled.first_frame, labelled.drop_frame) == (25, 900_000, False)
    not_dropping = read_edited_file(footage / "d.mov")
    assert ntsc.drop_frame and (not_dropping.first_frame, not_dropping.drop_frame) == (108_000, False)
    assert (sound.rate, sound.num_frames, sound.has_video, sound.has_sound) == (25, 75, False, True)
    found = events(
        [moment(1, "b.mov", 0.5, 1.0), moment(2, "a.mov", 1.0, 99.0), moment(3, "b.mov", 99.0, 99.5)], footage
    )
    assert [(one.start_frame, one.stop_frame) for one in found] == [(900_012, 900_025), (30, 60), (900_049, 900_050)]


def test_the_name_of_the_file_says_the_form_and_what_needs_several_files_has_them(footage, tmp_path):
    found = [moment(1, "a.mov", 0.5, 1.0), moment(2, "b.mov", 0.0, 1.0), moment(3, "a.mov", 1.5, 2.0)]
    written = {
        form: write_moments(found, tmp_path / f"out.{form}", footage) for form in ("csv", "jsonl", "srt", "edl", "otio")
    }
    names = {form: [path.name for path in paths] for form, paths in written.items()}
    assert names["csv"] == ["out.csv"] and names["otio"] == ["out.otio"] and names["jsonl"] == ["out.jsonl"]
    assert names["srt"] == ["out.a.mov.srt", "out.b.mov.srt"] and names["edl"] == ["out.29.97fps.edl", "out.25fps.edl"]
    assert write_moments(found[:1], tmp_path / "one.EDL", footage) == [tmp_path / "one.EDL"]
    timeline = opentimelineio.adapters.read_from_file(str(written["otio"][0]))
    assert [clip.name for clip in timeline.find_clips()] == ["a.mov", "b.mov", "a.mov"] * 2
    assert "DROP FRAME" in written["edl"][0].read_text() and len(pysubs2.load(str(written["srt"][0]))) == 2


def test_moments_that_do_not_fit_into_one_edit_list_have_a_second_file(footage, tmp_path):
    found = [moment(number, "b.mov", 0.0, 1.0) for number in range(1, 1002)]
    paths = write_moments(found, tmp_path / "out.edl", footage)
    assert [path.name for path in paths] == ["out.25fps.1.edl", "out.25fps.2.edl"]
    assert "RANK 1001," in paths[1].read_text() and "RANK 999," in paths[0].read_text()


def test_nothing_found_is_an_empty_file_of_each_form(tmp_path):
    for form in ("csv", "jsonl", "srt", "edl", "otio"):
        assert write_moments([], tmp_path / f"none.{form}", tmp_path) == [tmp_path / f"none.{form}"]
    assert (tmp_path / "none.jsonl").read_text() == "" and (tmp_path / "none.csv").read_text().count("\n") == 1


def test_files_of_one_name_in_two_folders_have_subtitles_each(tmp_path):
    found = [moment(1, "a/b.mp4", 0.0, 1.0), moment(2, "a_b.mp4", 0.0, 1.0)]
    paths = write_moments(found, tmp_path / "out.srt", tmp_path)
    assert [path.name for path in paths] == ["out.1_a_b.mp4.srt", "out.2_a_b.mp4.srt"]


def test_names_of_any_script_keep_their_letters_whole():
    assert plain_start("नदी किनारे") == "नदी_किनारे" and plain_start("ภาษาไทย(1)") == "ภาษาไทย_1_"
    assert plain_start(unicodedata.normalize("NFD", "café/é")) == "café_é"
    assert plain_end("a/\udcffb.mp4") == "a__b.mp4"


def test_files_that_differ_in_capitals_alone_have_subtitles_each_on_any_disk(tmp_path):
    found = [moment(1, path, 0.0, 1.0) for path in ("Ferry.mp4", "ferry.mp4")]
    paths = write_moments(found, tmp_path / "found.srt", "nowhere")
    assert [path.name for path in paths] == ["found.1_Ferry.mp4.srt", "found.2_ferry.mp4.srt"]


def test_long_names_of_letters_of_several_bytes_fit_into_a_file_name(tmp_path):
    paths = ["渡" * 80 + "/" + "船" * 70 + end for end in ("一.mp4", "二.mp4")]
    written = write_moments([moment(1, path, 0.0, 1.0) for path in paths], tmp_path / "out.srt", tmp_path)
    names = [path.name for path in written]
    assert [name.count("船") for name in names] == [37, 37] and names[0] == f"out.{'船' * 37}一.mp4.srt"
    long = [moment(1, f"{letter}{'船' * 70}.mp4", 0.0, 1.0) for letter in "一二"]
    written = write_moments(long, tmp_path / "end.srt", tmp_path)
    assert len({*written}) == 2 and all(path.exists() for path in written)


@pytest.mark.parametrize("form", ["edl", "otio"])
def test_a_file_that_cannot_be_read_is_left_out_and_the_others_are_written(footage, tmp_path, form):
    found = [moment(1, "gone.mp4", 0.0, 1.0), moment(2, "b.mov", 0.0, 1.0), moment(3, "gone.mp4", 1.0, 2.0)]
    missing = []
    (path,) = write_moments(
        found, tmp_path / f"a.{form}", footage, left_out=lambda one, error: missing.append((one.rank, error.reason))
    )
    assert missing == [(1, "missing"), (3, "missing")]
    assert "b.mov" in path.read_text() and "gone.mp4" not in path.read_text()
    with pytest.raises(MediaError, match="no such file"):
        write_moments(found[:1], tmp_path / f"b.{form}", footage, left_out=lambda one, error: missing.append(one))
    assert len(missing) == 2


def test_a_file_that_is_there_is_kept_unless_it_is_to_be_replaced(tmp_path):
    found = [moment(1, "a.mp4", 0.0, 1.0), moment(2, "b.mp4", 0.0, 1.0)]
    (tmp_path / "own.b.mp4.srt").write_text("made by hand")
    with pytest.raises(VlsaError, match="is there already, and would be lost; nothing was written"):
        write_moments(found, tmp_path / "own.srt", tmp_path)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["made by hand"]
    assert len(write_moments(found, tmp_path / "own.srt", tmp_path, replace=True)) == 2
    assert "stand-out" in (tmp_path / "own.b.mp4.srt").read_text()


def test_what_cannot_be_exported_is_one_line(tmp_path):
    with pytest.raises(VlsaError, match=r"'\.xml' is no form of results"):
        write_moments([], tmp_path / "out.xml", tmp_path)
    with pytest.raises(MediaError, match="no such file"):
        write_moments([moment(1, "gone.mp4", 0.0, 1.0)], tmp_path / "out.edl", tmp_path)
    assert np.size([*tmp_path.iterdir()]) == 0
