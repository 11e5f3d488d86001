"""YouCook2: end before start in the columns, the official JSON, and ids with their times."""

import pytest

from vlsa.base.errors import ManifestError

CSV = "end,start,task,text,video_id\n102,90,226,spread the sauce,GLd3aX16zBg\n80,80,226,cut,GLd3aX16zBg\n7,9,1,a,xx_x\n"
JSON = {
    "database": {
        "GLd3aX16zBg": {
            "duration": 241.6,
            "subset": "validation",
            "recipe_type": "113",
            "annotations": [{"segment": [90, 102], "id": 0, "sentence": "spread the sauce"}],
            "video_url": "x",
        },
        "0O4bxhpFX9o": {
            "duration": 30,
            "subset": "training",
            "annotations": [
                {"segment": [1.5, 4], "id": 0, "sentence": "boil"},
                {"segment": [4, 9], "id": 1, "sentence": "fry"},
            ],
        },
        "hidden_test": {"duration": 30, "subset": "testing"},
    }
}


def test_the_csv_has_the_end_first_and_validation_is_our_test(importer):
    importer.video("validation/226/GLd3aX16zBg.mp4", "validation/101/xx_x.webm", seconds=241.6)
    importer.run("youcook2", importer.file("validation_youcook.csv", CSV))
    assert importer.facts() == {
        "GLd3aX16zBg@90000-102000": ("test", "validation/226/GLd3aX16zBg.mp4", 90.0, 102.0, ("spread the sauce",))
    }
    assert {line.id: line.reason for line in importer.report} == {
        "GLd3aX16zBg@80000-80000": "zero_length",
        "xx_x@9000-7000": "zero_length",
    }


def test_a_split_that_a_person_names_is_kept(importer):
    importer.video("GLd3aX16zBg.mp4", seconds=241.6)
    importer.run("youcook2", f"val={importer.file('steps.csv', CSV)}")
    assert {row.split for row in importer.rows} == {"val"}
    with pytest.raises(ManifestError, match=r"train=.*steps.csv"):
        importer.run("youcook2", importer.root / "steps.csv")


def test_the_official_json_has_its_subsets_inside(importer):
    importer.video("GLd3aX16zBg.mp4", "0O4bxhpFX9o.mp4", seconds=241.6)
    importer.run("youcook2", importer.file("youcookii_annotations_trainval.json", JSON))
    assert {id: (facts[0], *facts[2:]) for id, facts in importer.facts().items()} == {
        "GLd3aX16zBg@90000-102000": ("test", 90.0, 102.0, ("spread the sauce",)),
        "0O4bxhpFX9o@1500-4000": ("train", 1.5, 4.0, ("boil",)),
        "0O4bxhpFX9o@4000-9000": ("train", 4.0, 9.0, ("fry",)),
    }


def test_the_form_of_vast_finds_cut_files_and_whole_videos(importer):
    entries = [
        {"video_id": "GLd3aX16zBg_90_102", "desc": "spread the sauce", "subtitle": "now the sauce"},
        {"video_id": "a_b_c_d_e_f_1_12", "desc": "cut", "subtitle": ""},
    ]
    importer.video("GLd3aX16zBg_90_102.mp4", seconds=12.1)
    importer.video("a_b_c_d_e_f.mp4", seconds=100)
    path = importer.file("descs_cap_test.json", entries)
    importer.run("youcook2", path)
    assert importer.facts() == {
        "GLd3aX16zBg@90000-102000": ("test", "GLd3aX16zBg_90_102.mp4", 0.0, 12.1, ("spread the sauce",)),
        "a_b_c_d_e_f@1000-12000": ("test", "a_b_c_d_e_f.mp4", 1.0, 12.0, ("cut",)),
    }
    importer.run("youcook2", path, subtitles=True)
    assert [row.texts for row in importer.rows] == [("now the sauce",)]


def test_a_whole_video_cut_short_is_not_taken_for_a_clip(importer):
    importer.video("GLd3aX16zBg.mp4", seconds=12)
    with pytest.raises(ManifestError, match="not one of 3 clips could be used"):
        importer.run("youcook2", importer.file("validation_youcook.csv", CSV))
    assert {line.reason for line in importer.report} == {"outside", "zero_length", "missing"} - {"missing"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"database": []}, "'database' is not an object"),
        ({"database": {"a": []}}, "no 'subset'"),
        ({"database": {"a": {"subset": "dev"}}}, "training, validation, testing"),
        ({"database": {"a": {"subset": "training", "annotations": [{"segment": [1]}]}}}, r"\[start, end\]"),
        ({"database": {"a": {"subset": "training", "annotations": [{"segment": [1, None]}]}}}, "not a time"),
        ({"database": {"a": {"subset": "training", "annotations": {"segment": [1, 2]}}}}, "a list is needed"),
        ([{"video_id": "no times", "desc": "a"}], "not ID_START_END"),
        ([{"video_id": "a_1_2", "desc": {}}], "desc=an object is not a text"),
        ({"data": {}}, r"found an object with the keys 'data'.*end,start,task,text,video_id.*database.*VAST"),
    ],
)
def test_a_malformed_json_names_the_place_and_what_is_needed(importer, content, words):
    with pytest.raises(ManifestError, match=words):
        importer.run("youcook2", importer.file("train.json", content))


def test_the_csv_has_no_subtitles(importer):
    with pytest.raises(ManifestError, match="has no subtitles"):
        importer.run("youcook2", importer.file("validation.csv", CSV), subtitles=True)
