"""Which file a clip is in: names that downloaders write, lengths, copies, silent videos; and interrupted imports."""

import json

import pytest

from vlsa.base.errors import ManifestError
from vlsa.data.benchmarks.convert import notes_path_of
from vlsa.data.ingest import scan as folders

HEADER = "audiocap_id,youtube_id,start_time,caption\n"
ID = "-a_bcdefghi"
ROW = HEADER + f"103549,{ID},30,rain\n"
STEPS = "end,start,task,text,video_id\n20,13,1,cut,v\n26,13,1,fry,v\n"


@pytest.mark.parametrize(
    "name",
    [
        "103549.wav",
        f"{ID}_30.0-40.0.wav",
        f"{ID}_30.0_40.0.wav",
        f"{ID}_000030_000040.mp4",
        f"{ID}_30-40.m4a",
        f"id_{ID}.m4a",
        f"v{ID}_30_40_out.mkv",
        f"v_{ID}_30.mp4",
        f"video-{ID}_30000.mp4",
    ],
)
def test_a_clip_is_found_by_the_names_that_downloaders_write(importer, name):
    importer.video(name, seconds=10)
    importer.run("audiocaps", importer.file("test.csv", ROW))
    assert importer.facts() == {f"{ID}@30000-40000": ("test", name, 0.0, 10.0, ("rain",))}


@pytest.mark.parametrize("name", ["v1_30.mp4", "id_1_30.mp4", "11_30.mp4", f"{ID}_31_40.mp4", f"x{ID}_30.mp4"])
def test_a_name_that_may_be_another_clip_s_is_not_taken(importer, name):
    importer.video(name, "1_0.mp4", seconds=10)
    importer.run("audiocaps", importer.file("test.csv", ROW + "7,1,30,hail\n8,1,0,snow\n"))
    assert [facts[1] for facts in importer.facts().values()] == ["1_0.mp4"]


@pytest.mark.parametrize(("seconds", "fits"), [(12.0, True), (12.1, False), (700, False), (5.0, True), (4.9, False)])
def test_a_file_of_the_clip_alone_is_as_long_as_the_clip(importer, seconds, fits):
    importer.video(f"{ID}_30.wav", seconds=seconds)
    importer.video("other_0.wav", seconds=10)
    importer.run("audiocaps", importer.file("test.csv", ROW + "2,other,0,hail\n"))
    assert (f"{ID}@30000-40000" in importer.facts()) == fits
    assert [line.reason for line in importer.report] == ([] if fits else ["length"])
    assert all(f"is {seconds:.1f} s long" in line.message and "10 s" in line.message for line in importer.report)


def test_a_file_of_another_length_makes_way_for_the_whole_video(importer):
    importer.video("v_13.mp4", seconds=25)
    importer.video("v.mp4", seconds=300)
    importer.run("youcook2", importer.file("validation.csv", STEPS))
    assert importer.facts() == {
        "v@13000-20000": ("test", "v.mp4", 13.0, 20.0, ("cut",)),
        "v@13000-26000": ("test", "v.mp4", 13.0, 26.0, ("fry",)),
    }


def test_both_times_in_a_name_go_before_a_number_that_may_be_a_part_s(importer):
    importer.video("v_13.mp4", "v_13_20.mp4", "v_13_26.mp4", seconds=8)
    importer.run("youcook2", importer.file("validation.csv", STEPS))
    assert [facts[1] for facts in importer.facts().values()] == ["v_13_20.mp4", "v_13_26.mp4"]


def test_a_file_that_has_the_name_of_two_clips_is_neither_s(importer):
    importer.video("v_13.mp4", seconds=8)
    importer.video("w_0.mp4", seconds=5)
    importer.run("youcook2", importer.file("validation.csv", STEPS + "5,0,1,stir,w\n"))
    assert [facts[1] for facts in importer.facts().values()] == ["w_0.mp4"]
    assert [line.reason for line in importer.report] == ["ambiguous"] * 2
    assert "validation.csv:2" in importer.report[1].message and "validation.csv:3" in importer.report[1].message


def test_equal_files_in_several_folders_are_one_and_different_ones_are_ambiguous(importer):
    importer.video(f"a/{ID}_30.wav", f"b/{ID}_30.wav", "a/x_0.wav", "b/x_0.wav", seconds=10)
    (importer.media / f"b/{ID}_30.wav").write_bytes((importer.media / f"a/{ID}_30.wav").read_bytes())
    importer.run("audiocaps", importer.file("test.csv", ROW + "2,x,0,hail\n"))
    assert [facts[1] for facts in importer.facts().values()] == [f"a/{ID}_30.wav"]
    assert [(line.id, line.reason) for line in importer.report] == [("x@0-10000", "ambiguous")]


def test_a_silent_video_makes_way_for_the_sound_file_next_to_it_where_sound_is_needed(importer):
    importer.video("video/x_0.mp4", "video/y_0.mp4", seconds=10, has_sound=False)
    importer.video("audio/x_0.wav", seconds=10)
    importer.run("audiocaps", importer.file("test.csv", HEADER + "1,x,0,rain\n"))
    assert [facts[1] for facts in importer.facts().values()] == ["audio/x_0.wav"]
    assert importer.summary.num_with_sound == 1
    importer.run("msvd", importer.file("c.json", {"x_0": ["a"]}), importer.file("test_list.txt", "x_0\n"))
    assert [facts[1] for facts in importer.facts().values()] == ["video/x_0.mp4"]


def test_only_clips_in_the_list_count_as_clips_with_audio(importer):
    importer.video("v.mp4", seconds=10)
    importer.run("howto100m", importer.file("v.csv", "start,end,text\n1,2,a\n50,60,b\n"))
    assert importer.summary.num_with_sound == len(importer.rows) == 1
    assert [line.reason for line in importer.report] == ["outside"]


@pytest.fixture
def interrupted(importer, monkeypatch):
    """An import that ends after its first files were scanned."""
    importer.video(*(f"x{k}_0.wav" for k in range(6)), seconds=10)
    importer.csv = importer.file("test.csv", HEADER + "".join(f"{k},x{k},0,word {k}\n" for k in range(6)))
    monkeypatch.setattr("vlsa.data.benchmarks.media_scan.FILES_AT_A_TIME", 2)
    scan = folders.scan_files

    def end_at_third(tasks, num_workers, progress):
        if len(importer.looked_at) >= 4:
            raise KeyboardInterrupt
        return scan(tasks, num_workers, progress)

    with monkeypatch.context() as patch:
        patch.setattr(folders, "scan_files", end_at_third)
        with pytest.raises(KeyboardInterrupt):
            importer.run("audiocaps", importer.csv)
    assert not importer.manifest.exists()
    importer.before, importer.looked_at = importer.looked_at, []
    return importer


def test_an_interrupted_import_scans_only_what_it_had_not(interrupted):
    interrupted.run("audiocaps", interrupted.csv)
    assert len(interrupted.before) == 4
    assert sorted(interrupted.before + interrupted.looked_at) == [f"x{k}_0.wav" for k in range(6)]
    assert len(interrupted.rows) == 6
    assert not notes_path_of(interrupted.manifest).exists()


def test_a_file_that_changed_since_is_scanned_again_and_a_line_cut_short_is_no_harm(interrupted):
    changed = interrupted.before[0]
    (interrupted.media / changed).write_text("longer than it was")
    notes = notes_path_of(interrupted.manifest)
    lines = notes.read_bytes().splitlines(keepends=True)
    assert {json.loads(line)["name"] for line in lines} == set(interrupted.before)
    notes.write_bytes(b"".join(lines)[:-20])
    interrupted.run("audiocaps", interrupted.csv)
    last = json.loads(lines[-1])["name"]
    assert {changed, last} <= set(interrupted.looked_at)
    assert len(interrupted.looked_at) == 4
    assert len(interrupted.rows) == 6


def test_the_copy_without_sound_is_refused_though_single_clips_have_a_second_file(importer):
    importer.video(*(f"v{k}.mp4" for k in range(5)), "w.mp4", has_sound=False)
    importer.video("w.wav")
    captions = {name: {"start": [0], "end": [5], "text": ["a"]} for name in ("v0", "v1", "v2", "v3", "v4", "w")}
    with pytest.raises(ManifestError, match="none of the 5 scanned files has audio"):
        importer.run("howto100m", importer.file("caption.json", captions))
