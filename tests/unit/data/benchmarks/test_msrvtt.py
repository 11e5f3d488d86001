"""MSR-VTT: both JSON forms, the two training sets of 1k-A, the full split, and the form of VAST."""

import pytest

from vlsa.base.errors import ManifestError

DATA = {
    "videos": [
        {"video_id": "video0", "category": 9, "split": "train"},
        {"video_id": "video1", "category": 9, "split": "validate"},
        {"video_id": "video2", "category": 9, "split": "test"},
        {"video_id": "video3", "category": 9, "split": "test"},
    ],
    "sentences": [
        {"video_id": f"video{number}", "caption": f"{word} of {number}", "sen_id": 0}
        for number in range(4)
        for word in ("first", "second")
    ],
}
OLD = {"annotations": [{"image_id": row["video_id"], "caption": row["caption"]} for row in DATA["sentences"]]}
TEST = 'key,vid_key,video_id,sentence\nret0,msr3,video3,"a man, in a test"\n'


@pytest.fixture
def msrvtt(importer):
    importer.video(*(f"TrainValVideo/video{number}.mp4" for number in range(4)))
    importer.data = importer.file("MSRVTT_data.json", DATA)
    importer.old = importer.file("old.json", OLD)
    importer.test = importer.file("MSRVTT_JSFUSION_test.csv", TEST)
    return importer


def splits(importer) -> dict[str, str]:
    return {row.id: row.split for row in importer.rows}


def test_9k_is_all_that_is_not_tested_and_the_test_caption_is_that_of_the_csv(msrvtt):
    msrvtt.run("msrvtt", msrvtt.data, msrvtt.test)
    assert splits(msrvtt) == {"video0": "train", "video1": "train", "video2": "train", "video3": "test"}
    assert msrvtt.facts()["video3"] == ("test", "TrainValVideo/video3.mp4", 0.0, 20.0, ("a man, in a test",))
    assert msrvtt.facts()["video0"][-1] == ("first of 0", "second of 0")
    assert "val" not in msrvtt.summary.kept


def test_7k_is_training_and_validation_of_the_official_split(msrvtt):
    msrvtt.run("msrvtt", msrvtt.data, msrvtt.test, variant="7k")
    assert splits(msrvtt) == {"video0": "train", "video1": "train", "video3": "test"}


@pytest.mark.parametrize("form", ["data", "old"])
def test_a_list_says_which_videos_are_trained_on_with_either_json(msrvtt, form):
    chosen = msrvtt.file("MSRVTT_train.7k.csv", "video_id\nvideo1\n")
    msrvtt.run("msrvtt", getattr(msrvtt, form), msrvtt.test, chosen)
    assert splits(msrvtt) == {"video1": "train", "video3": "test"}
    assert msrvtt.facts()["video1"][-1] == ("first of 1", "second of 1")


def test_a_list_without_a_header_says_which_videos_are_trained_on(msrvtt):
    msrvtt.run("msrvtt", msrvtt.old, msrvtt.test, msrvtt.file("train_list.txt", "video1\nvideo2\n"))
    assert splits(msrvtt) == {"video1": "train", "video2": "train", "video3": "test"}


def test_the_full_split_is_that_of_the_json(msrvtt):
    msrvtt.run("msrvtt", msrvtt.data, variant="full")
    assert splits(msrvtt) == {"video0": "train", "video1": "val", "video2": "test", "video3": "test"}
    assert msrvtt.summary.kept["test"].num_captions == 4


def test_the_full_split_of_the_older_json_comes_from_lists(msrvtt):
    with pytest.raises(ManifestError, match="does not say the split of its videos"):
        msrvtt.run("msrvtt", msrvtt.old, variant="full")
    lists = [msrvtt.file("train.csv", "video_id\nvideo0\n"), msrvtt.file("test.csv", "video_id\nvideo2\nvideo3\n")]
    msrvtt.run("msrvtt", msrvtt.old, *lists, variant="full")
    assert splits(msrvtt) == {"video0": "train", "video2": "test", "video3": "test"}


def test_the_test_csv_alone_serves_a_zero_shot_evaluation(msrvtt):
    msrvtt.run("msrvtt", msrvtt.test)
    assert splits(msrvtt) == {"video3": "test"}


def test_a_test_video_in_the_training_list_stays_a_test_video(msrvtt):
    leaky = msrvtt.file("MSRVTT_train.9k.csv", "video_id\nvideo0\nvideo3\n")
    msrvtt.run("msrvtt", msrvtt.data, msrvtt.test, leaky)
    assert splits(msrvtt) == {"video0": "train", "video3": "test"}
    assert msrvtt.facts()["video3"][-1] == ("a man, in a test",)
    assert [(line.id, line.reason) for line in msrvtt.report] == [("video3", "duplicate")]


def test_equal_captions_of_two_people_stay_two_and_blank_ones_are_counted(msrvtt):
    sentences = [
        *DATA["sentences"],
        {"video_id": "video0", "caption": "first of 0"},
        {"video_id": "video0", "caption": ""},
    ]
    data = msrvtt.file("MSRVTT_data.json", {**DATA, "sentences": sentences})
    msrvtt.run("msrvtt", data, msrvtt.test)
    assert msrvtt.facts()["video0"][-1] == ("first of 0", "second of 0", "first of 0")
    assert "1 caption without a word left out" in str(msrvtt.summary)


def test_a_listed_video_without_a_caption_is_reported(msrvtt):
    more = msrvtt.file("MSRVTT_train.9k.csv", "video_id\nvideo0\nvideo77\n")
    msrvtt.run("msrvtt", msrvtt.data, msrvtt.test, more)
    assert [(line.id, line.reason) for line in msrvtt.report] == [("video77", "no_caption")]
    assert "MSRVTT_train.9k.csv:3" in msrvtt.report[0].message


VAST = [
    {"video_id": "video0", "desc": ["a cat", "a grey cat"], "subtitle": "here she is"},
    {"video_id": "video1", "desc": "a dog", "subtitle": ""},
]


def test_the_form_of_vast_has_descriptions_as_text_or_a_list(msrvtt):
    msrvtt.run("msrvtt", msrvtt.file("descs_ret_train.json", VAST))
    assert {id: facts[-1] for id, facts in msrvtt.facts().items()} == {
        "video0": ("a cat", "a grey cat"),
        "video1": ("a dog",),
    }


def test_the_form_of_vast_gives_subtitles_when_asked(msrvtt):
    msrvtt.run("msrvtt", msrvtt.file("descs_ret_test.json", VAST), subtitles=True)
    assert msrvtt.facts() == {"video0": ("test", "TrainValVideo/video0.mp4", 0.0, 20.0, ("here she is",))}
    assert [(line.id, line.reason) for line in msrvtt.report] == [("video1", "no_caption")]


@pytest.mark.parametrize(
    ("names", "options", "words"),
    [
        (["data"], {}, "MSRVTT_JSFUSION_test.csv with the columns key,vid_key,video_id,sentence"),
        (["data", "test"], {"variant": "full"}, "belongs to 1k-A"),
        (["test"], {"variant": "full"}, "belongs to 1k-A"),
        (["data", "test", "list"], {"variant": "7k"}, "may contradict each other"),
        (["test", "list"], {}, "captions in MSRVTT_data.json"),
        (["old", "test"], {"variant": "7k"}, "MSRVTT_train.7k.csv"),
        (["data", "test"], {"subtitles": True}, "no subtitles"),
        (["vast", "data"], {}, "MSRVTT_data.json would contradict"),
        (["silent"], {"subtitles": True}, "no entry has a 'subtitle'"),
        (["wrong"], {}, r"found a first line of 'id, words'.*older.*JSFUSION.*VAST"),
    ],
)
def test_files_that_do_not_go_together_are_refused(msrvtt, names, options, words):
    msrvtt.list = msrvtt.file("MSRVTT_train.9k.csv", "video_id\nvideo0\n")
    msrvtt.vast = msrvtt.file("descs_ret_train.json", VAST)
    msrvtt.silent = msrvtt.file("descs_test.json", [{"video_id": "video0", "desc": "a"}])
    msrvtt.wrong = msrvtt.file("wrong.csv", "id,words\n1,a\n")
    with pytest.raises(ManifestError, match=words):
        msrvtt.run("msrvtt", *(getattr(msrvtt, name) for name in names), **options)
    assert not msrvtt.manifest.exists()
