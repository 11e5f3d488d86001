"""AudioSet, VGGSound and CAV-MAE: comma and space, comments, no headers, and names for classes."""

import pytest
from data_sets import CLASSES

from vlsa.base.errors import ManifestError

SEGMENTS = (
    "# Segments csv created Sun Mar  5 10:54:31 2017\n# num_ytids=2, num_segs=2, num_unique_labels=527\n"
    "# YTID, start_seconds, end_seconds, positive_labels\n"
    '--4gqARaEJE, 0.000, 10.000, "/m/068hy,/m/05zppz"\n'
    'lO_x, 30.5, 40.500, "/m/09x0r"\nbb_, 30.000, 30.000, "/m/09x0r"\n'
)


def test_audioset_has_comments_comma_and_space_and_text_by_class(importer):
    importer.video("--4gqARaEJE.mp4", "lO_x.mp4", "bb_.mp4", seconds=200)
    importer.run("audioset", importer.file("eval_segments.csv", SEGMENTS), importer.file("classes.csv", CLASSES))
    assert importer.facts() == {
        "--4gqARaEJE@0-10000": ("test", "--4gqARaEJE.mp4", 0.0, 10.0, ("Pets, Male speech, man speaking",)),
        "lO_x@30500-40500": ("test", "lO_x.mp4", 30.5, 40.5, ("Speech",)),
    }
    assert [(line.id, line.reason) for line in importer.report] == [("bb_@30000-30000", "zero_length")]


def test_published_names_of_audioset_tell_training_from_test(importer):
    importer.video("a.wav", "b.wav")
    classes = importer.file("class_labels_indices.csv", CLASSES)
    train = importer.file("unbalanced_train_segments.csv", 'a, 0.000, 10.000, "/m/09x0r"\n')
    test = importer.file("eval_segments.csv", 'b, 0.000, 10.000, "/m/09x0r"\n')
    importer.run("audioset", train, test, classes)
    assert {row.id: row.split for row in importer.rows} == {"a@0-10000": "train", "b@0-10000": "test"}


def test_all_rows_of_segments_with_a_plain_header_are_clips(importer):
    importer.video("v0.mp4", seconds=200)
    rows = "".join(f'v{k},0.000,10.000,"/m/068hy,/m/09x0r"\n' for k in range(300))
    header = "YTID,start_seconds,end_seconds,positive_labels\n"
    importer.run("audioset", importer.file("eval_segments.csv", header + rows), importer.file("classes.csv", CLASSES))
    assert importer.summary.annotated["test"].num_clips == 300
    assert importer.facts() == {"v0@0-10000": ("test", "v0.mp4", 0.0, 10.0, ("Pets, Speech",))}


@pytest.mark.parametrize(
    ("segments", "words"),
    [
        ('a, 0.000, 10.000, "/m/unknown"\n', r"train.csv:1: label '/m/unknown' has no name"),
        ('a, 0.000, 10.000, "/m/09x0r\n', "not readable as CSV"),
        ('a, 0.000, 10.000, "/m/09x0r"\nb, 0.000\n', r"train.csv:2: 2 values"),
        ('a, 0.000, 10.000, "/m/09x0r"\nb, 0.000, NaN, "/m/09x0r"\n', r"train.csv:2: time='NaN'"),
        ("# only comments\n", "found a first line of nothing"),
        ("ytid,label\n", "found a first line of 'ytid, label'"),
    ],
)
def test_malformed_segments_name_the_line(importer, segments, words):
    with pytest.raises(ManifestError, match=words):
        importer.run("audioset", importer.file("train.csv", segments), importer.file("classes.csv", CLASSES))


def test_without_the_file_of_classes_labels_say_nothing(importer):
    with pytest.raises(ManifestError, match=r"Add class_labels_indices.csv with the columns index,mid,display_name"):
        importer.run("audioset", importer.file("eval_segments.csv", SEGMENTS))


ALL = '---g-f_I2yQ,1,people marching,test\n--0PQM4-hqg,30,"eating, noisily",train\n'
FILES = '---g-f_I2yQ_000001.mp4,people marching\nodd name.mp4,"a label, with comma"\n'


def test_vggsound_has_its_split_inside_and_ten_seconds_each(importer):
    importer.video("---g-f_I2yQ_000001.mp4", seconds=10)
    importer.video("--0PQM4-hqg.mp4", seconds=300)
    importer.run("vggsound", importer.file("vggsound.csv", ALL))
    assert importer.facts() == {
        "---g-f_I2yQ@1000-11000": ("test", "---g-f_I2yQ_000001.mp4", 0.0, 10.0, ("people marching",)),
        "--0PQM4-hqg@30000-40000": ("train", "--0PQM4-hqg.mp4", 30.0, 40.0, ("eating, noisily",)),
    }


def test_vggsounds_list_of_files_means_the_same_clips_and_its_label_counts_once(importer):
    importer.video("---g-f_I2yQ_000001.mp4", "--0PQM4-hqg_30.mp4", "odd name.mp4", seconds=10)
    importer.run("vggsound", importer.file("vggsound.csv", ALL), importer.file("test.csv", FILES))
    by_text = {row.texts: (row.split, row.id) for row in importer.rows}
    assert by_text["people marching",] == ("test", "---g-f_I2yQ@1000-11000")
    assert by_text["a label, with comma",][0] == "test"
    assert len(by_text) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("YouTubeID,start,label,split\n", "YouTubeID,start,label,split without header"),
        ("a,1,dog,train\nb,1,dog\n", r"vggsound.csv:2: found 'b,1,dog'"),
        ("a,1,dog,valid\n", r"vggsound.csv:1: found 'a,1,dog,valid'"),
        ("a.mp4,dog\nb.mp4,dog,cat\n", r"vggsound.csv:2: found 'b.mp4,dog,cat'"),
    ],
)
def test_a_wrong_file_for_vggsound_says_what_was_found(importer, text, words):
    with pytest.raises(ManifestError, match=words):
        importer.run("vggsound", f"test={importer.file('vggsound.csv', text)}")


CAVMAE = {
    "data": [
        {
            "video_id": "007P6bFgRCU",
            "wav": "/their/audio/007P6bFgRCU.flac",
            "video_path": "/their",
            "labels": "/m/09x0r",
        },
        {
            "video_id": "clip2",
            "wav": "/their/audio/clip2_000030.wav",
            "video_path": "/their/video/clip2_x.mp4",
            "labels": "/m/068hy,/m/05zppz",
        },
        {"video_id": "gone", "wav": "gone.wav", "labels": "/m/09x0r"},
    ]
}


def test_cavmae_names_files_of_another_machine_which_are_found_by_their_names(importer):
    importer.video("007P6bFgRCU.mp4", "here/clip2_000030.wav", "here/clip2_x.mp4", seconds=9.5)
    data, classes = importer.file("data.json", CAVMAE), importer.file("class_labels_indices.csv", CLASSES)
    importer.run("cavmae", f"train={data}", classes)
    assert importer.facts() == {
        "007P6bFgRCU": ("train", "007P6bFgRCU.mp4", 0.0, 9.5, ("Speech",)),
        "clip2": ("train", "here/clip2_x.mp4", 0.0, 9.5, ("Pets, Male speech, man speaking",)),
    }
    assert [(line.id, line.reason) for line in importer.report] == [("gone", "missing")]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"data": {}}, "a list is needed"),
        ({"data": [3]}, "no 'video_id' .found: a number"),
        ({"data": [{"video_id": 7, "labels": ""}]}, "video_id=7 is not an id"),
        ({"data": [{"video_id": "a"}]}, r"no 'labels' \(found: video_id\)"),
        ({"rows": []}, r"found an object with the keys 'rows'.*\"video_id\", \"wav\""),
    ],
)
def test_a_malformed_cavmae_json_names_the_place(importer, value, words):
    classes = importer.file("class_labels_indices.csv", CLASSES)
    with pytest.raises(ManifestError, match=words):
        importer.run("cavmae", importer.file("train.json", value), classes)
