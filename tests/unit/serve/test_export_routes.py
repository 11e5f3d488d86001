"""Downloads of found and kept moments: read back by Python's csv, zipfile, PyAV and OpenTimelineIO."""

import csv
import io
import json
import os
import zipfile

import av
import pytest
from serving import browser, index_by_names, write_mixed_footage


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    for name in ("one", "two"):
        index_by_names(write_mixed_footage(folder / f"footage {name}"), folder / name)
    return folder


@pytest.fixture(scope="module")
def client(archive):
    with browser(archive / "one", archive / "two") as client:
        yield client


def found(client, words, index="one"):
    question = {"parts": [{"text": words}], "k": 1}
    return client.post("/api/search", json={"index": index, "question": question}).json()["moments"][0]


def export(client, form, ids, **more):
    answer = client.post("/api/export", json={"format": form, "moments": ids, **more})
    assert answer.status_code == 200, answer.text
    return answer


def test_a_table_names_files_by_the_paths_of_their_index(client):
    ids = [found(client, "number 7")["id"], found(client, "number 1")["id"]]
    answer = export(client, "csv", ids)
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''moments.csv"
    assert answer.content.count(b"\r\n") == answer.content.count(b"\n") == len(ids) + 1  # RFC 4180
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["rank"], row["path"]) for row in rows] == [("1", "field/7-flash.mp4"), ("2", "sound-1.wav")]
    assert rows[1]["text"] == "the number 1"


def test_moments_of_several_indexes_are_told_apart_by_the_name_of_the_index(client):
    ids = [found(client, "number 7", index)["id"] for index in ("one", "two")]
    lines = [json.loads(line) for line in export(client, "jsonl", ids).text.splitlines()]
    assert [line["path"] for line in lines] == ["one/field/7-flash.mp4", "two/field/7-flash.mp4"]


@pytest.mark.parametrize("indexes", [("one",), ("one", "two")])
def test_a_timeline_leads_to_the_files_here_and_names_no_folder_elsewhere(client, archive, indexes):
    ids = [found(client, "number 7", index)["id"] for index in indexes]
    clips = json.loads(export(client, "otio", ids).text)["tracks"]["children"][0]["children"]
    urls = [clip["media_references"]["DEFAULT_MEDIA"]["target_url"] for clip in clips]
    assert urls == [(archive / f"footage {name}" / "field" / "7-flash.mp4").as_uri() for name in indexes]
    with browser(*(archive / name for name in indexes), host="0.0.0.0", token="t" * 20) as other:
        ids_there = {"format": "otio", "moments": ids}
        answer = other.post("/api/export", json=ids_there, headers={"Authorization": f"Bearer {'t' * 20}"})
        assert str(archive) not in answer.text and "footage%20" not in answer.text
        assert "field/7-flash.mp4" in answer.text


def test_subtitles_of_several_files_come_as_a_zip(client):
    answer = export(client, "srt", [found(client, "number 7")["id"], found(client, "number 1")["id"]])
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert names == ["moments.field_7-flash.mp4.srt", "moments.sound-1.wav.srt"]


@pytest.mark.parametrize("exact", [True, False])
def test_clips_are_cut_and_play(client, exact):
    flash, sound = found(client, "number 7"), found(client, "number 1")
    answer = export(client, "clips", [flash["id"], sound["id"]], exact=exact)
    assert answer.headers["content-type"] == "application/zip"
    clips = zipfile.ZipFile(io.BytesIO(answer.content))
    assert clips.testzip() is None
    assert [name.partition("_")[0] for name in clips.namelist()] == ["001", "002"]
    with av.open(io.BytesIO(clips.read(clips.namelist()[0]))) as clip:
        seconds = flash["stop_seconds"] - flash["start_seconds"]
        assert clip.duration / 1e6 == pytest.approx(seconds, abs=0.1 if exact else 3.0)
        assert len(list(clip.decode(video=0))) > 20


def test_a_collection_is_exported_in_its_order_with_its_notes(client):
    id = client.post("/api/collections", json={"name": "Bells & “whistles”/1"}).json()["id"]
    for words, note in (("number 1", "=the ring"), ("number 7", "")):
        client.post(f"/api/collections/{id}/moments", json={"moment": found(client, words)["id"], "note": note})
    answer = client.post("/api/export", json={"format": "csv", "collection": id})
    assert answer.headers["content-disposition"].endswith("''Bells%20_%20_whistles_1.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["text"] for row in rows] == ["'=the ring / the number 1", ""]


def test_what_cannot_be_cut_is_named_in_the_zip_and_alone_it_is_an_error(tmp_path):
    folder = write_mixed_footage(tmp_path / "footage")
    with browser(index_by_names(folder, tmp_path / "one")) as client:
        ids = [found(client, "number 7")["id"], found(client, "number 1")["id"]]
        os.remove(folder / "sound-1.wav")
        clips = zipfile.ZipFile(io.BytesIO(export(client, "clips", ids).content))
        assert clips.read("left_out.txt") == b"002 sound-1.wav: missing\n"
        alone = client.post("/api/export", json={"format": "clips", "moments": ids[1:]})
        assert (alone.status_code, alone.headers["content-type"]) == (404, "application/problem+json")
        assert str(tmp_path) not in alone.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"format": "csv"}, 400),
        ({"format": "csv", "moments": []}, 400),
        ({"format": "csv", "moments": [], "collection": "x"}, 400),
        ({"format": "csv", "collection": "none"}, 404),
        ({"format": "exe", "moments": []}, 422),
        ({"format": "csv", "moments": ["one:0123456789abcdef:0-1"]}, 404),
        ({"format": "csv", "moments": ["../../etc/passwd"]}, 404),
    ],
)
def test_what_cannot_be_written_is_one_line_of_problem_json(client, body, status):
    answer = client.post("/api/export", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_there_is_a_limit_to_what_is_cut_at_a_time(client):
    flash = found(client, "number 7")["media_id"]
    answer = client.post("/api/export", json={"format": "clips", "moments": [f"{flash}:0-3600001"]})
    assert answer.status_code == 413 and "at most" in answer.json()["detail"]
    answer = client.post("/api/export", json={"format": "clips", "moments": [f"{flash}:0-1"] * 201})
    assert answer.status_code == 413
