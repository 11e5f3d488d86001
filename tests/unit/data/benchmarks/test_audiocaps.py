"""AudioCaps: several captions a clip, lists of ids, whole videos and cut ones."""

import pytest

from vlsa.base.errors import ManifestError
from vlsa.data.ingest.scan import ScannedFile

HEADER = "audiocap_id,youtube_id,start_time,caption\n"
TEST = (
    HEADER + "".join(f'{number},-a_bcdefghi,30,"caption, {number}"\n' for number in range(5)) + "9,rqfQRErjfk8,0,rain\n"
)


def test_five_captions_of_a_clip_are_one_row_and_the_id_keeps_its_hyphen(importer):
    importer.video("-a_bcdefghi.mp4", seconds=120)
    importer.video("rqfQRErjfk8.wav", seconds=10)
    importer.run("audiocaps", importer.file("test.csv", TEST))
    texts = tuple(f"caption, {number}" for number in range(5))
    assert importer.facts() == {
        "-a_bcdefghi@30000-40000": ("test", "-a_bcdefghi.mp4", 30.0, 40.0, texts),
        "rqfQRErjfk8@0-10000": ("test", "rqfQRErjfk8.wav", 0.0, 10.0, ("rain",)),
    }
    assert "2 clips: 2 test (6 captions)" in str(importer.summary)


@pytest.mark.parametrize(
    "name",
    ["_000030", "_30", "_30_40", "_30.000", "_30.000_40.000", "_30000", "_30000_40000"],
)
@pytest.mark.parametrize("before", ["", "Y"])
def test_a_cut_clip_is_found_by_any_of_its_usual_names_and_is_the_whole_file(importer, name, before):
    importer.video(f"deep/er/{before}-a_bcdefghi{name}.flac", seconds=9.98)
    importer.video("-a_bcdefghi.mp4", seconds=120)
    importer.run("audiocaps", importer.file("test.csv", TEST))
    facts = importer.facts()["-a_bcdefghi@30000-40000"]
    assert facts[1:4] == (f"deep/er/{before}-a_bcdefghi{name}.flac", 0.0, 9.98)


def test_a_short_file_of_the_video_s_name_is_taken_for_the_cut_clip(importer):
    importer.video("-a_bcdefghi.wav", seconds=10.03)
    importer.run("audiocaps", importer.file("test.csv", TEST))
    assert importer.facts()["-a_bcdefghi@30000-40000"][2:4] == (0.0, 10.03)


def test_a_video_that_ends_before_the_stretch_is_reported(importer):
    importer.video("-a_bcdefghi.wav", seconds=25)
    importer.video("rqfQRErjfk8.wav")
    importer.run("audiocaps", importer.file("test.csv", TEST))
    assert [(line.id, line.reason) for line in importer.report] == [("-a_bcdefghi@30000-40000", "outside")]


def test_a_file_without_sound_is_reported_and_a_folder_without_any_is_refused(importer):
    importer.video("-a_bcdefghi.mp4", seconds=120, has_sound=False)
    importer.video("rqfQRErjfk8.wav")
    path = importer.file("test.csv", TEST)
    importer.run("audiocaps", path)
    assert [line.reason for line in importer.report] == ["no_sound"]
    importer.scanned["rqfQRErjfk8.wav"] = ScannedFile(20.0, False)
    with pytest.raises(ManifestError, match="none of the 2 scanned files has audio"):
        importer.run("audiocaps", path)


@pytest.mark.parametrize(
    ("id", "num_captions"),
    [("-a_bcdefghi", 5), ("-a_bcdefghi_30", 5), ("Y-a_bcdefghi_30.000_40.000.wav", 5), ("3", 1)],
)
def test_a_list_says_which_clips_or_captions_a_split_has_by_any_kind_of_id(importer, id, num_captions):
    importer.video("-a_bcdefghi.mp4", "rqfQRErjfk8.mp4", "kept_train1.mp4", seconds=60)
    train = importer.file("train.csv", HEADER + "91,kept_train1,3,birds\n")
    chosen = importer.file("final_filtered_test_list.txt", f"{id}\n")
    importer.run("audiocaps", importer.file("test.csv", TEST), train, chosen)
    assert {row.id: row.split for row in importer.rows} == {
        "-a_bcdefghi@30000-40000": "test",
        "kept_train1@3000-13000": "train",
    }
    assert len(importer.facts()["-a_bcdefghi@30000-40000"][-1]) == num_captions


def test_a_listed_clip_that_no_csv_has_is_reported_without_a_caption(importer):
    importer.video("rqfQRErjfk8.mp4", seconds=60)
    chosen = importer.file("test_list.txt", "rqfQRErjfk8\nunknown_id1\n")
    importer.run("audiocaps", importer.file("test.csv", TEST), chosen)
    assert [(line.id, line.reason) for line in importer.report] == [("unknown_id1", "no_caption")]


def test_a_missing_caption_is_reported_and_a_clip_without_media_is_not_replaced(importer):
    importer.video("a.wav", "b.wav")
    importer.run("audiocaps", importer.file("val.csv", HEADER + "1,a,0,\n2,b,0,bells\n3,c,0,whistles\n"))
    assert [row.texts for row in importer.rows] == [("bells",)]
    assert {line.id: line.reason for line in importer.report} == {"a@0-10000": "no_caption", "c@0-10000": "missing"}
    assert "c_0_10.mp4 or c.mp4" in importer.report[-1].message
    assert "Left out: 2 (1 no_caption, 1 missing)" in str(importer.summary)


@pytest.mark.parametrize("time", ["nan", "inf", "-1", "1e400", "9" * 5000, "", "soon"])
def test_a_time_that_is_none_names_its_line(importer, time):
    path = importer.file("train.csv", HEADER + f"1,a,{time},rain\n")
    with pytest.raises(ManifestError, match=r"train.csv:2: start_time=.* is not a time in seconds"):
        importer.run("audiocaps", path)


def test_a_list_alone_or_a_web_page_is_refused(importer):
    with pytest.raises(ManifestError, match="a list alone has no captions"):
        importer.run("audiocaps", importer.file("test_list.txt", "a\nb\n"))
    page = importer.file("train.csv", "<!DOCTYPE html>\n<html>not found</html>\n")
    with pytest.raises(ManifestError, match="found a first line of '<!doctype html>'"):
        importer.run("audiocaps", page)
