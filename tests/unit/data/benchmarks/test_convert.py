"""What all imports share: names of sets and options, finding media, reports, and files that are the wrong ones."""

import json
import pickle
from pathlib import Path

import pytest

from vlsa.base.errors import ConfigError, ManifestError, VlsaError
from vlsa.data.benchmarks.adapters import ADAPTERS
from vlsa.data.benchmarks.convert import convert, report_path_of
from vlsa.data.benchmarks.finder import Found, MediaFinder
from vlsa.data.benchmarks.merging import LONGEST_ID, merge, row_id
from vlsa.data.benchmarks.placing import stretch
from vlsa.data.benchmarks.requests import AnnotatedClip, parse_source

HEADER = "audiocap_id,youtube_id,start_time,caption\n"


def clip(**facts: object) -> AnnotatedClip:
    return AnnotatedClip(**{"key": "a", "split": "train", "texts": ("x",), "where": "f:1", "path": Path("f"), **facts})


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("audiocap", {}, "audiocap: no data set of this name .* Did you mean audiocaps\\? Known: csv, json"),
        ("qqqq", {}, "no data set of this name can be imported. Known: csv"),
        ("msrvtt", {"variant": "8k"}, "its variants are 9k, 7k, full"),
        ("lsmdc", {"variant": "full"}, "it has no variants"),
        ("lsmdc", {"subtitles": True}, "only msrvtt, youcook2 have them"),
    ],
)
def test_an_unknown_set_or_option_is_refused_with_the_known_ones(importer, name, options, words):
    with pytest.raises(ConfigError, match=words):
        importer.run(name, "train.csv", **options)


BAD_FILES = {
    "missing": None,
    "empty": b"",
    "blank": b"\n\n  \n",
    "binary": bytes(range(256)) * 4,
    "zeros": bytes(1000),
    "latin-1": "a,b\nh\u00e9llo,1\n".encode("latin-1"),
    "half json": b'{"data": [',
    "deep json": b"[" * 100_000,
    "long number": b"[" + b"9" * 5000 + b"]",
    "json null": b"[null]",
    "empty list": b"[]",
    "empty object": b"{}",
    "list of lists": b"[[[]]]",
    "quotes": b'a,b\n"never closed,1\n',
    "one column": b"word\nanother\n",
    "web page": b"<!DOCTYPE html><html><body>404</body></html>",
    "zip": b"PK\x03\x04" + bytes(100),
    "pickle": b"\x80\x04N.",
    "old mac": b"a,b\rc,d\r",
    "huge cell": b"a," + b"b" * 200_000,
}


@pytest.mark.parametrize("kind", BAD_FILES)
@pytest.mark.parametrize("name", ADAPTERS)
def test_no_set_takes_a_bad_file_and_each_says_so_in_one_line_that_names_it(importer, name, kind):
    path = importer.root / "train.csv"
    if BAD_FILES[kind] is not None:
        path.write_bytes(BAD_FILES[kind])
    with pytest.raises(VlsaError) as caught:
        importer.run(name, path)
    assert "\n" not in str(caught.value)
    assert "train.csv" in str(caught.value) or name in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert not importer.manifest.exists()


def test_what_a_person_writes_before_the_equals_sign_is_the_split_unless_a_file_is_called_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse_source("val=a=b.csv") == parse_source("val=a=b.csv")
    assert (parse_source("val=a=b.csv").path, parse_source("val=a=b.csv").asked_split) == (Path("a=b.csv"), "val")
    assert (parse_source("dev=b.csv").path, parse_source("dev=b.csv").asked_split) == (Path("dev=b.csv"), None)
    Path("test=b.csv").touch()
    assert (parse_source("test=b.csv").path, parse_source("test=b.csv").asked_split) == (Path("test=b.csv"), None)


@pytest.mark.parametrize("name", ["captions.csv", "train_and_test.csv", "contest.csv"])
def test_a_name_that_does_not_tell_the_split_is_asked_for(importer, name):
    importer.video("a.wav")
    path = importer.file(name, HEADER + "1,a,0,rain\n")
    with pytest.raises(ManifestError, match=f"Write train=.*{name}"):
        importer.run("audiocaps", path)
    importer.run("audiocaps", f"test={path}")
    assert importer.rows[0].split == "test"


def test_annotation_files_are_neither_read_twice_nor_written_over(importer):
    path = importer.file("train.csv", HEADER + "1,a,0,rain\n")
    with pytest.raises(ConfigError, match="given twice"):
        importer.run("audiocaps", path, f"test={path}")
    with pytest.raises(ConfigError, match="would be written over"):
        importer.run("audiocaps", importer.file("clips.jsonl", "a"))
    with pytest.raises(ConfigError, match="would be written over"):
        importer.run("audiocaps", importer.file("clips_report.jsonl", "a"))
    with pytest.raises(ConfigError, match="no annotation files"):
        importer.run("audiocaps")
    importer.manifest.unlink()
    importer.manifest.mkdir()
    with pytest.raises(ConfigError, match="is a folder"):
        importer.run("audiocaps", path)


def test_media_that_cannot_be_read_are_reported_beside_those_that_are_missing(importer):
    importer.video("good.wav")
    importer.broken("bad.wav")
    table = HEADER + "1,good,0,rain\n2,bad,0,hail\n3,gone,0,snow\n"
    summary = importer.run("audiocaps", importer.file("train.csv", table))
    assert summary.reasons == {"missing": 1, "unreadable": 1}
    assert {Path(line.path).name: line.reason for line in importer.report} == {"": "missing", "bad.wav": "unreadable"}
    assert str(summary) == (
        f"audiocaps: the annotations name 3 clips: 3 train (3 captions). {importer.manifest} has 1 clip: 1 train (1 "
        f"caption); 1 clip with audio. Left out: 2 (1 unreadable, 1 missing); see {report_path_of(importer.manifest)}."
    )


def test_when_nothing_is_left_the_report_is_there_and_no_manifest(importer):
    importer.video("other.wav")
    with pytest.raises(
        ManifestError, match=r"not one of 1 clips could be used; see .*clips_report.jsonl. The first: .*a_0"
    ):
        importer.run("audiocaps", importer.file("train.csv", HEADER + "1,a,0,rain\n"))
    assert [line.reason for line in importer.report] == ["missing"]
    assert not importer.manifest.exists()


def test_a_file_s_rows_of_one_clip_are_looked_at_once(importer):
    importer.video("v.mp4", seconds=100)
    table = "end,start,task,text,video_id\n" + "".join(f"{k + 5},{k},1,step {k},v\n" for k in range(30))
    importer.run("youcook2", importer.file("validation.csv", table))
    assert len(importer.rows) == 30
    assert importer.looked_at == ["v.mp4"]


def test_a_video_goes_before_its_sound_file_and_two_videos_are_ambiguous(importer):
    names = ["a/x.wav", "b/x.mp4", "c/y.mp4", "d/y.mp4", "e/z.mkv", "e/z.mp4", "b/n.tar.mp4"]
    finder = MediaFinder(importer.media, names)
    assert finder.find(clip(cut_names=("x",))) == (Found(("b/x.mp4",), True),)
    assert finder.find(clip(cut_names=("y",)))[0].names == ("c/y.mp4", "d/y.mp4")
    assert finder.find(clip(cut_names=("d/y",)))[0].names == ("d/y.mp4",)
    assert finder.find(clip(cut_names=("z",)))[0].names == ("e/z.mkv",)
    assert finder.find(clip(cut_names=("z",), suffix=".mp4"))[0].names == ("e/z.mp4",)
    assert finder.find(clip(cut_names=("no", "n.tar")))[0].names == ("b/n.tar.mp4",)
    assert finder.find(clip(cut_names=("no",), video_names=("x",))) == (Found(("b/x.mp4",), False),)
    assert finder.find(clip(cut_names=("no",))) == ()
    with_sounds = MediaFinder(importer.media, names, needs_sound=True)
    assert with_sounds.find(clip(cut_names=("x",))) == (Found(("b/x.mp4",), True), Found(("a/x.wav",), True))
    importer.video("c/video0.mp4", "d/video0.mp4", "video1.mp4")
    test = importer.file("test.csv", "video_id,sentence\nvideo0,a\nvideo1,b\n")
    importer.run("msrvtt", test)
    assert [(line.id, line.reason) for line in importer.report] == [("video0", "ambiguous")]
    assert "c/video0.mp4 and d/video0.mp4" in importer.report[0].message


def test_the_stretch_is_all_of_a_cut_file_and_the_span_of_a_whole_one():
    ten = clip(span=(30.0, 40.0), often_cut=True)
    assert stretch(ten, 10.0, is_cut=True) == (0.0, 10.0)
    assert stretch(ten, 100.0, is_cut=False) == (30.0, 40.0)
    assert stretch(ten, 35.0, is_cut=False) == (30.0, 35.0)
    assert stretch(ten, 10.9, is_cut=False) == (0.0, 10.9)
    assert stretch(clip(span=(30.0, 40.0)), 10.9, is_cut=False) == (30.0, 10.9)
    assert stretch(clip(span=(0.0, 10.0), often_cut=True), 9.7, is_cut=False) == (0.0, 9.7)
    assert stretch(clip(), 7.0009, is_cut=False) == (0.0, 7.0)


def test_ids_are_safe_and_stay_apart():
    assert row_id("07033137") == "07033137"
    assert row_id("-x_@9-10") == "-x_@9-10"
    keys = ["a.b", "a b", "a_b", "", ".", "é", "x" * LONGEST_ID, "x" * (LONGEST_ID + 1), "x" * (LONGEST_ID + 2)]
    assert len({row_id(key) for key in keys}) == len(keys)
    assert all(set(row_id(key)) <= set("abxe_-0123456789cdf") for key in keys)


def test_a_text_that_another_file_told_counts_once_but_twice_in_one_file_counts_twice():
    one, two = Path("one.csv"), Path("two.csv")
    told = [("x", one), ("x", one), ("x", two), ("y", two), ("y", one)]
    kept, rejections = merge(clip(texts=(text,), path=path) for text, path in told)
    assert [each.texts for each in kept] == [("x", "x", "y")]
    assert rejections == []


@pytest.mark.parametrize("order", [("test", "train"), ("train", "test"), ("val", "test", "train")])
def test_a_clip_of_two_splits_stays_in_the_held_out_one(order):
    kept, rejections = merge(clip(split=split) for split in order)
    assert [each.split for each in kept] == ["test"]
    assert {rejection.reason for rejection in rejections} == {"duplicate"}
    assert len(rejections) == len(order) - 1


def test_the_manifest_is_complete_json_lines_with_whole_paths(importer, monkeypatch):
    importer.video("a.wav")
    importer.file("train.csv", HEADER + '1,a,0,"d\u00e9j\u00e0 ""vu"""\n')
    monkeypatch.chdir(importer.root)
    importer.media = Path("media")
    importer.run("audiocaps", "train.csv")
    line = json.loads(importer.manifest.read_text(encoding="utf-8"))
    assert line == {
        "id": "a@0-10000",
        "path": str(importer.root / "media/a.wav"),
        "start_seconds": 0.0,
        "stop_seconds": 10.0,
        "texts": ['d\u00e9j\u00e0 "vu"'],
        "split": "train",
    }


def test_a_column_that_occurs_twice_is_refused(importer):
    importer.file("train.csv", HEADER.replace("caption", "caption,caption") + "1,v1,0,a,b\n")
    with pytest.raises(ManifestError, match=r"train\.csv:1: two columns are named 'caption'"):
        importer.run("audiocaps", importer.root / "train.csv")


@pytest.mark.parametrize("name", ["media/v1.mp4", "clips_report.jsonl"])
def test_a_file_that_is_no_list_of_clips_is_not_written_over(importer, name):
    importer.file("train.csv", HEADER + "1,v1,0,a dog\n")
    importer.video("v1.mp4")
    kept = importer.file(name, b"\0\0\0 ftypisom")
    manifest = importer.root / name.replace("_report", "")
    with pytest.raises(ConfigError, match="would be written over"):
        convert("audiocaps", [importer.root / "train.csv"], importer.media, manifest, num_workers=0)
    assert kept.read_bytes() == b"\0\0\0 ftypisom"


def test_an_import_may_be_done_again(importer):
    importer.file("train.csv", HEADER + "1,v1,0,a dog\n2,v2,0,gone\n")
    importer.video("v1.mp4")
    for _ in range(2):
        importer.run("audiocaps", importer.root / "train.csv")
    assert [row.id for row in importer.rows] == ["v1@0-10000"]


def test_a_manifest_without_a_name_is_refused(importer):
    importer.file("train.csv", HEADER + "1,v1,0,a dog\n")
    with pytest.raises(ConfigError, match="is a folder; the manifest is a file"):
        convert("audiocaps", [importer.root / "train.csv"], importer.media, "", num_workers=0)


def test_a_pickle_of_a_list_that_holds_itself_is_the_wrong_file(importer):
    endless: list[object] = []
    endless.append(endless)
    importer.file("d.pkl", pickle.dumps(endless))
    with pytest.raises(ManifestError, match=r"found a list of lists; .* Expected descriptions\.pkl"):
        importer.run("sounddescs", importer.root / "d.pkl")
