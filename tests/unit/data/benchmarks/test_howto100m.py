"""HowTo100M: a CSV a video or one file for all, the copy without sound, and the intersection with AudioSet."""

import pickle

import pytest

from vlsa.base.errors import ManifestError

CSV = 'start,end,text\n1.5,4.25,"first, we"\n3,6,cut the wood\n9,8,no\n'
ALL = {
    "vid_a": {"start": [1.5, 3], "end": [4.25, 6], "text": ["first, we", "cut the wood"]},
    "-vid_b": {"start": [0], "end": [5], "text": ["hello"]},
}
SEGMENTS = (
    "# Segments csv created Sun Mar  5 10:54:31 2017\n# num_ytids=2, num_segs=2\n"
    '# YTID, start_seconds, end_seconds, positive_labels\n-vid_b, 30.000, 40.000, "/m/068hy,/m/07q6cd_"\n'
    'other, 0.000, 10.000, "/m/068hy"\n'
)


@pytest.fixture
def howto(importer):
    importer.video("vid_a.mp4", "-vid_b.webm", seconds=100)
    return importer


def test_a_csv_is_one_video_by_its_name_and_windows_may_overlap(howto):
    howto.run("howto100m", howto.file("captions/vid_a.csv", CSV))
    assert howto.facts() == {
        "vid_a@1500-4250": ("train", "vid_a.mp4", 1.5, 4.25, ("first, we",)),
        "vid_a@3000-6000": ("train", "vid_a.mp4", 3.0, 6.0, ("cut the wood",)),
    }
    assert [(line.id, line.reason) for line in howto.report] == [("vid_a@9000-8000", "zero_length")]


def test_a_folder_holds_a_csv_for_each_video(howto):
    howto.file("captions/vid_a.csv", CSV)
    howto.file("captions/-vid_b.csv", "start,end,text\n0,5,hello\n")
    howto.run("howto100m", howto.root / "captions")
    assert [row.id for row in howto.rows] == ["-vid_b@0-5000", "vid_a@1500-4250", "vid_a@3000-6000"]


@pytest.mark.parametrize("form", ["caption.json", "caption.pickle"])
def test_one_file_for_all_is_read_as_json_or_pickle(howto, form):
    howto.run("howto100m", howto.file(form, ALL if form.endswith("json") else pickle.dumps(ALL)))
    assert {id: facts[-1] for id, facts in howto.facts().items()} == {
        "vid_a@1500-4250": ("first, we",),
        "vid_a@3000-6000": ("cut the wood",),
        "-vid_b@0-5000": ("hello",),
    }


def test_the_list_of_videos_takes_a_part(howto):
    listed = howto.file("HowTo100M_v1.csv", "video_id,category_1,category_2,rank,task_id\n-vid_b,a,b,1,2\n")
    howto.run("howto100m", howto.file("caption.json", ALL), listed)
    assert [row.id for row in howto.rows] == ["-vid_b@0-5000"]


@pytest.mark.parametrize("table", ["video_path\ndeep/-vid_b.webm\n", "video_path\n-vid_b.mp4\n", "video_id\n-vid_b\n"])
def test_a_list_of_files_takes_a_part_too(howto, table):
    howto.run("howto100m", howto.file("caption.json", ALL), howto.file("list.csv", table))
    assert [row.id for row in howto.rows] == ["-vid_b@0-5000"]


def test_the_copy_without_sound_is_refused_with_that_reason_before_all_is_looked_at(howto):
    names = [f"v{number:03d}" for number in range(100)]
    howto.video(*(f"{name}.mp4" for name in names), has_sound=False)
    captions = {name: {"start": [0], "end": [5], "text": ["a"]} for name in names}
    with pytest.raises(ManifestError, match=r"none of the 20 scanned files .*HowTo100M .* no audio"):
        howto.run("howto100m", howto.file("caption.json", captions))
    assert len(howto.looked_at) == 20
    howto.video("v050.mp4")
    howto.run("howto100m", howto.root / "caption.json")
    assert [row.id for row in howto.rows] == ["v050@0-5000"]
    assert howto.summary.reasons == {"no_sound": 99}


def test_the_paper_s_set_is_the_videos_that_are_in_both(howto):
    captions, segments = howto.file("caption.json", ALL), howto.file("unbalanced_train_segments.csv", SEGMENTS)
    howto.run("howto100m-audioset", captions, segments)
    assert howto.facts() == {"-vid_b@0-5000": ("train", "-vid_b.webm", 0.0, 5.0, ("hello",))}
    with pytest.raises(ManifestError, match="no file of AudioSet was given"):
        howto.run("howto100m-audioset", captions)
    only_a = howto.file("caption.json", {"vid_a": ALL["vid_a"]})
    with pytest.raises(ManifestError, match="no video is in both the captions and AudioSet's 2 videos"):
        howto.run("howto100m-audioset", only_a, segments)


def test_captions_of_videos_that_are_not_wanted_are_not_even_opened(howto):
    howto.file("captions/-vid_b.csv", "start,end,text\n0,5,hello\n")
    howto.file("captions/elsewhere.csv", b"\xff\xfe broken")
    howto.run("howto100m-audioset", howto.root / "captions", howto.file("eval_segments.csv", SEGMENTS))
    assert [row.id for row in howto.rows] == ["-vid_b@0-5000"]


@pytest.mark.parametrize(
    ("captions", "words"),
    [
        ({"vid_a": {"start": [1], "end": [2]}}, "no 'text'"),
        ({"vid_a": {"start": [1], "end": [2, 3], "text": ["a"]}}, "lists of equal length"),
        ({"vid_a": {"start": 1, "end": 2, "text": "a"}}, "lists of equal length"),
        ({"vid_a": 3}, "no 'start'"),
        ({"vid_a": {"start": [float("nan")], "end": [2], "text": ["a"]}}, "caption 1: start=nan is not a time"),
        ({"vid_a": {"start": [True], "end": [2], "text": ["a"]}}, "start=True is not a time"),
        ({"vid_a": {"start": [10**400], "end": [2], "text": ["a"]}}, "start=a number is not a time"),
        ({"vid_a": {"start": [0], "end": [2], "text": [7]}}, "text=7 is not a text"),
        ({"vid_a": {"start": [0], "end": [2], "text": ["\ud83d"]}}, "half a character"),
        ({"": {"start": [0], "end": [2], "text": ["a"]}}, "id='' is not an id"),
    ],
)
def test_malformed_captions_name_the_video(howto, captions, words):
    with pytest.raises(ManifestError, match=words):
        howto.run("howto100m", howto.file("caption.json", captions))


def test_other_files_are_refused_with_what_is_expected(howto):
    with pytest.raises(ManifestError, match=r"found a first line of 'from, to'.*start,end,text.*HowTo100M_v1.csv"):
        howto.run("howto100m", howto.file("captions.csv", "from,to\n1,2\n"))
    (howto.root / "empty").mkdir()
    with pytest.raises(ManifestError, match="no .csv in this folder"):
        howto.run("howto100m", howto.root / "empty")
    with pytest.raises(ManifestError, match="no captions were given"):
        howto.run("howto100m", howto.file("list.csv", "video_id,task_id\na,1\n"))
