"""The sets that are a table: small files in the published forms, and the published numbers of clips."""

import csv
import json
import pickle

import pytest
from command_lines import ROOT
from data_sets import CLASSES

from vlsa.base.errors import ManifestError
from vlsa.data.benchmarks.adapters import ADAPTERS
from vlsa.data.benchmarks.sets import SETS

ID, OTHER = "-4wsuPCjDBc", "Ptf_2VRj-V0"
MSVD = {f"{ID}_5_15": [["a", "squirrel", "eats"], ["a", "rodent", "eats"]], f"{OTHER}_33_46": [["a", "bird"]]}


def test_msvd_has_its_captions_as_lists_of_words_and_its_splits_as_lists_of_names(importer):
    importer.video(f"{ID}_5_15.avi", seconds=10.1)
    importer.video(f"{OTHER}.mp4", seconds=300)
    captions = importer.file("raw-captions.pkl", pickle.dumps(MSVD))
    train, test = importer.file("train_list.txt", f"{OTHER}_33_46\n"), importer.file("test_list.txt", f"{ID}_5_15\n")
    importer.run("msvd", captions, train, test)
    assert importer.facts() == {
        f"{ID}@5000-15000": ("test", f"{ID}_5_15.avi", 0.0, 10.1, ("a squirrel eats", "a rodent eats")),
        f"{OTHER}@33000-46000": ("train", f"{OTHER}.mp4", 33.0, 46.0, ("a bird",)),
    }


DIDEMO = [
    {"annotation_id": 1, "video": "12@N02_1_8.mov", "description": "a dog runs", "times": [[0, 0], [1, 1]]},
    {"annotation_id": 2, "video": "13@N02_1_8.mov", "description": "rain", "times": [[2, 2]]},
    {"annotation_id": 3, "video": "12@N02_1_8.mov", "description": "it stops", "times": [[5, 5]]},
]


def test_the_sentences_of_a_video_of_didemo_are_one_paragraph_about_the_whole_file(importer):
    importer.video("12@N02_1_8.mp4", "13@N02_1_8.mov", seconds=29)
    importer.run("didemo", importer.file("test_data.json", DIDEMO))
    assert sorted(importer.facts().values()) == [
        ("test", "12@N02_1_8.mp4", 0.0, 29.0, ("a dog runs it stops",)),
        ("test", "13@N02_1_8.mov", 0.0, 29.0, ("rain",)),
    ]


def activitynet(*words: str) -> dict[str, object]:
    times = [[30.5, 60], [0, 29.9]]
    return {f"v_{ID}": {"duration": 82.7, "timestamps": times, "sentences": list(words)}}


def test_sentences_of_activitynet_are_one_paragraph_in_order_of_time_and_val_1_is_the_test(importer):
    importer.video(f"v_{ID}.mp4", seconds=82)
    test = importer.file("val_1.json", activitynet("and then falls.", "A man rides"))
    importer.run("activitynet", test)
    assert importer.facts() == {f"v_{ID}": ("test", f"v_{ID}.mp4", 0.0, 82.0, ("A man rides and then falls.",))}
    importer.run("activitynet", f"val={test}")
    assert importer.rows[0].split == "val"


def test_two_paragraphs_of_one_video_in_two_files_are_two_captions(importer):
    importer.video(f"{ID}.mp4", seconds=82)
    files = [importer.file(f"val_{k}.json", activitynet(f"b{k}", f"a{k}")) for k in (1, 2)]
    importer.run("activitynet", *files)
    assert importer.facts() == {f"v_{ID}": ("test", f"{ID}.mp4", 0.0, 82.0, ("a1 b1", "a2 b2"))}


def test_vatex_has_the_times_in_its_names_and_lists_take_a_part(importer):
    importer.video(f"{OTHER}_000122_000132.mp4", seconds=10)
    importer.video(f"{ID}.mp4", seconds=200)
    entries = [
        {"videoID": f"{OTHER}_000122_000132", "enCap": ["a", "b"], "chCap": ["c"]},
        {"videoID": f"{ID}_000010_000020", "enCap": ["d"], "chCap": []},
        {"videoID": f"{ID}_000030_000040", "enCap": ["e"], "chCap": []},
    ]
    val = importer.file("vatex_validation_v1.0.json", entries)
    listed = importer.file("test_list.txt", f"{OTHER}_000122_000132\n")
    chosen = importer.file("val_list.txt", f"{ID}_000010_000020\n")
    importer.run("vatex", val, listed, chosen)
    assert importer.facts() == {
        f"{OTHER}@122000-132000": ("test", f"{OTHER}_000122_000132.mp4", 0.0, 10.0, ("a", "b")),
        f"{ID}@10000-20000": ("val", f"{ID}.mp4", 10.0, 20.0, ("d",)),
    }


CLOTHO = "file_name,caption_1,caption_2,caption_3,caption_4,caption_5\n"


def test_development_of_clotho_is_for_training_and_evaluation_is_the_test(importer):
    importer.video("Rain, on (a) roof.wav", "dog.wav", "bell.wav")
    files = [
        importer.file("clotho_captions_development.csv", CLOTHO + '"Rain, on (a) roof.wav",a,b,c,d,"e, f"\n'),
        importer.file("clotho_captions_validation.csv", CLOTHO + "dog.wav,a,b,c,d,e\n"),
        importer.file("clotho_captions_evaluation.csv", CLOTHO + "bell.wav,a,b,c,d,e\n"),
    ]
    importer.run("clotho", *files)
    assert {(split, name): texts for split, name, _, _, texts in importer.facts().values()} == {
        ("train", "Rain, on (a) roof.wav"): ("a", "b", "c", "d", "e, f"),
        ("val", "dog.wav"): ("a", "b", "c", "d", "e"),
        ("test", "bell.wav"): ("a", "b", "c", "d", "e"),
    }


def test_webvid_has_files_in_folders_that_a_column_names(importer):
    importer.video("videos/000001_000050/1066674784.mp4", "videos/other/1066674784.mp4")
    table = "videoid,contentUrl,duration,page_dir,name\n1066674784,https://a/b.mp4,PT00H00M10S,000001_000050,A wave\n"
    importer.run("webvid", importer.file("results_2M_train.csv", table))
    assert list(importer.facts().values()) == [("train", "videos/000001_000050/1066674784.mp4", 0.0, 20.0, ("A wave",))]


def test_wavcaps_is_an_object_that_holds_the_list_and_all_is_for_training(importer):
    importer.video("AudioSet_SL/Yb0RFKhbpFJA.flac", "FreeSound/180913.flac")
    sl = {"num_captions_per_audio": 1, "data": [{"id": "Yb0RFKhbpFJA.wav", "caption": "Wind.", "duration": 10.0}]}
    freesound = {"num_captions_per_audio": 1, "data": [{"id": "180913", "file_name": "Quack.wav", "caption": "Ducks."}]}
    importer.run("wavcaps", importer.file("as_final.json", sl), importer.file("fsd_final.json", freesound))
    assert sorted(facts[:2] + facts[4] for facts in importer.facts().values()) == [
        ("train", "AudioSet_SL/Yb0RFKhbpFJA.flac", "Wind."),
        ("train", "FreeSound/180913.flac", "Ducks."),
    ]


def test_internvid_is_an_object_a_line_with_times_of_a_clock(importer):
    importer.video(f"{ID}.mp4", seconds=4000)
    lines = [
        {
            "YoutubeID": ID,
            "Start_timestamp": "01:00:49.233",
            "End_timestamp": "01:01:01.000",
            "Caption": "a",
            "UMT_Score": 1,
        },
        {"YoutubeID": ID, "Start_timestamp": "00:00:01.5", "End_timestamp": "00:00:02.000", "Caption": "b"},
    ]
    importer.run("internvid", importer.file("InternVid-10M-flt.jsonl", "\n".join(map(json.dumps, lines)) + "\n"))
    assert sorted(facts[2:] for facts in importer.facts().values()) == [
        (1.5, 2.0, ("b",)),
        (3649.233, 3661.0, ("a",)),
    ]


def test_panda_has_all_clips_of_a_video_in_one_row(importer):
    importer.video(f"{ID}.mp4", seconds=100)
    spans = [["0:00:14.281", "0:00:20.120"], ["0:00:30.0", "0:00:33.5"]]
    with (importer.root / "panda70m_validation.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["videoID", "url", "timestamp", "caption", "matching_score"])
        writer.writerow(
            [ID, f"https://www.youtube.com/watch?v={ID}", spans, ["A man's dog, running.", "A red car."], [0.4]]
        )
    importer.run("panda70m", importer.root / "panda70m_validation.csv")
    assert list(importer.facts().values()) == [
        ("val", f"{ID}.mp4", 14.281, 20.12, ("A man's dog, running.",)),
        ("val", f"{ID}.mp4", 30.0, 33.5, ("A red car.",)),
    ]


def test_a_cell_of_panda_may_be_longer_than_tables_usually_allow(importer):
    importer.video(f"{ID}.mp4", seconds=90_000)
    num_clips = 200
    spans, texts = [[k, k + 1] for k in range(num_clips)], [f"{k} {'long ' * 150}caption" for k in range(num_clips)]
    assert len(str(texts)) > 131_072
    importer.run("panda70m", importer.file("train.csv", f'videoID,timestamp,caption\n{ID},"{spans}","{texts}"\n'))
    assert len(importer.rows) == num_clips


def test_valor_names_a_stretch_of_audioset(importer):
    importer.video(f"{ID}_30.000_40.000.mp4", seconds=10)
    importer.video(f"{OTHER}.mp4", seconds=9.8)
    entries = [{"video_id": f"{ID}_30.000_40.000", "desc": "a"}, {"video_id": f"{OTHER}_30.000_40.000", "desc": "b"}]
    importer.run("valor32k", importer.file("desc_test.json", entries))
    assert {facts[1]: facts[2:] for facts in importer.facts().values()} == {
        f"{ID}_30.000_40.000.mp4": (0.0, 10.0, ("a",)),
        f"{OTHER}.mp4": (0.0, 9.8, ("b",)),
    }


def test_ave_separates_by_ampersands_and_one_of_its_files_has_a_header(importer):
    importer.video(f"AVE/{ID}.mp4", f"AVE/{OTHER}.mp4", seconds=10)
    header = "Category&VideoID&Quality&StartTime&EndTime\n"
    train = importer.file("trainSet.txt", f"{header}Church bell&{ID}&good&0&10\nDog, bark&{ID}&good&3&10\n")
    test = importer.file("testSet.txt", f"Flute&{OTHER}&good&0&10\n")
    importer.run("ave", train, test)
    assert importer.facts() == {
        ID: ("train", f"AVE/{ID}.mp4", 0.0, 10.0, ("Church bell", "Dog, bark")),
        OTHER: ("test", f"AVE/{OTHER}.mp4", 0.0, 10.0, ("Flute",)),
    }


def test_all_labels_of_a_clip_of_vggsounder_are_one_text(importer):
    importer.video("---g-f_I2yQ_000001.mp4", seconds=10)
    table = (
        "video_id,label,modality,background_music,static_image,voice_over\n"
        "---g-f_I2yQ_000001,male singing,A,True,False,False\n---g-f_I2yQ_000001,people crowd,AV,True,False,False\n"
    )
    importer.run("vggsounder", importer.file("vggsounder.csv", table))
    assert importer.facts() == {
        "---g-f_I2yQ@1000-11000": ("test", "---g-f_I2yQ_000001.mp4", 0.0, 10.0, ("male singing, people crowd",))
    }


def test_queryd_has_paragraphs_by_name_of_a_video(importer):
    importer.video(f"{ID}.mp4", f"video-{OTHER}.mkv")
    captions = {f"video-{ID}": [["a", "man"], ["he", "sings"]], f"video-{OTHER}": [["a", "road"]]}
    pickled = importer.file("raw_captions_combined_filtered.pkl", pickle.dumps(captions))
    importer.run("queryd", pickled, importer.file("test_list.txt", f"video-{ID}\nvideo-{OTHER}\n"))
    assert [facts[1:2] + facts[4] for facts in importer.facts().values()] == [
        (f"{ID}.mp4", "a man he sings"),
        (f"video-{OTHER}.mkv", "a road"),
    ]


def test_charades_has_two_kinds_of_captions_in_columns(importer):
    importer.video("AO8RW.mp4", seconds=33)
    table = (
        "id,subject,scene,quality,relevance,verified,script,objects,descriptions,actions,length\n"
        'AO8RW,HR43,Pantry,6,6,Yes,"A person opens, leaves; ends.",door,A man at a door.;He leaves.,c008 0.0 6.9,32.9\n'
    )
    importer.run("charades", importer.file("Charades_v1_test.csv", table))
    assert importer.facts()["AO8RW"][-1] == ("A person opens, leaves; ends.", "A man at a door.", "He leaves.")


@pytest.mark.parametrize(("form", "suffix"), [("csv", "file_name,caption_1,caption_2\na.wav,x,y\n"), ("json", None)])
def test_audiocaps_is_also_handed_out_by_file_names(importer, form, suffix):
    importer.video("a.wav", seconds=10)
    entries = [{"video_id": "a", "caption": "x"}, {"video_id": "a", "caption": "y"}]
    importer.run("audiocaps", importer.file(f"test.{form}", suffix or entries))
    assert importer.facts() == {"a": ("test", "a.wav", 0.0, 10.0, ("x", "y"))}


def test_a_number_of_clips_that_is_not_the_published_one_is_refused_before_any_file_is_scanned(importer):
    importer.video("dog.wav")
    path = importer.file("clotho_captions_evaluation.csv", CLOTHO + "dog.wav,a,b,c,d,e\n")
    with pytest.raises(ManifestError, match=r"clotho: .* 1 clips for test, and 1,045 are published; .*--allow-count"):
        importer.run("clotho", path, allow_count=False)
    assert importer.looked_at == []
    importer.run("clotho", path)
    assert len(importer.rows) == 1


def test_the_published_number_is_taken_and_missing_media_do_not_count(importer):
    importer.video("7.wav")
    rows = "".join(f"{k}.wav,a,b,c,d,e\n" for k in range(1045))
    importer.run("clotho", importer.file("clotho_captions_evaluation.csv", CLOTHO + rows), allow_count=False)
    assert importer.summary.reasons == {"missing": 1044}


def test_part_of_msr_vtt_or_another_set_in_its_form_is_not_taken_for_it(importer):
    importer.video("video0.mp4", "video3.mp4")
    data = {
        "videos": [{"video_id": f"video{k}", "split": "train"} for k in range(701)],
        "sentences": [{"video_id": f"video{k}", "caption": "a"} for k in range(701)],
    }
    paths = importer.file("train_val_videodatainfo.json", data), importer.file("x.csv", "video_id,sentence\nvideo0,a\n")
    with pytest.raises(ManifestError, match=r"msrvtt: .* 700 clips for train, and 9,000 are published"):
        importer.run("msrvtt", *paths, allow_count=False)
    with pytest.raises(ManifestError, match=r"701 clips for train, and 6,513 are published"):
        importer.run("msrvtt", paths[0], variant="full", allow_count=False)


def test_rows_are_counted_where_several_belong_to_one_clip(importer):
    importer.video(f"{ID}.mp4")
    rows = "".join(f"Label {k}&{ID}&good&0&10\n" for k in range(402))
    importer.run("ave", importer.file("testSet.txt", rows), allow_count=False)
    assert importer.summary.annotated["test"].num_clips == 1


SEGMENT = 'a, 0.000, 10.000, "/m/09x0r"\n'


@pytest.mark.parametrize(
    ("name", "file", "text", "number"),
    [
        ("audioset", "eval_segments.csv", SEGMENT, "20,371"),
        ("audioset", "balanced_train_segments.csv", SEGMENT, "22,160 or 2,041,789 or 2,063,949"),
        ("youcook2", "validation_youcook.csv", "end,start,task,text,video_id\n9,3,1,x,a\n", "3,350 or 3,492"),
    ],
)
def test_part_of_a_set_is_refused_by_its_number(importer, name, file, text, number):
    files = [importer.file(file, text)]
    files += [importer.file("class_labels_indices.csv", CLASSES)] if name == "audioset" else []
    with pytest.raises(ManifestError, match=rf"{name}: the annotations have 1 .* and {number} are published"):
        importer.run(name, *files, allow_count=False)


def test_a_list_alone_names_the_file_of_captions_that_is_missing(importer):
    with pytest.raises(ManifestError, match=r"a list alone has no captions. Give raw-captions.pkl"):
        importer.run("msvd", importer.file("test_list.txt", "a\nb\n"))


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_set_is_in_the_table_of_the_documents(name):
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert f"`{name}`" in text
    for published in (SETS[name].published,) if name in SETS else ():
        for numbers in published.splits.values():
            assert all(f"{number:,}" in text for number in numbers)
