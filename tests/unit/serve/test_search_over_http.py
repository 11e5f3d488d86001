"""Questions over HTTP: the same answers as those of the library, by ids and without paths."""

import io
import json
import logging
import shutil

import pytest
from fake_encoder import FakeEncoder, write_numbered_sound, write_numbered_tape
from followed_folder import follow
from heard import Beeps, write_beeps
from PIL import Image
from serving import ask, browser

from vlsa.retrieve.search.library import Library
from vlsa.retrieve.search.pieces import question_of
from vlsa.retrieve.search.question import Question


@pytest.fixture(scope="module")
def library(archive):
    return Library.open(archive, encoder=FakeEncoder())


def sound(path, number):
    write_numbered_sound(path, number)
    return path.read_bytes()


def by_name(client, name):
    """The facts of a file by the end of its path."""
    files = client.get("/api/files", params={"index": "index"}).json()["files"]
    return next(file for file in files if file["path"].endswith(name))


def test_the_answer_is_that_of_the_library(client, library):
    answer = ask(client, {"text": "number 3"}, k=3)
    expected = library.ask(question_of("number 3", k=3))
    assert [moment["path"] for moment in answer["moments"]] == [moment.path for moment in expected.moments]
    for moment, other in zip(answer["moments"], expected.moments, strict=True):
        shared = moment.keys() & other.as_dict().keys()
        assert {name: moment[name] for name in shared} == {name: other.as_dict()[name] for name in shared}
    assert answer["stands_out"] == expected.stands_out
    assert answer["question"] == {"parts": [{"text": "number 3"}], "k": 3}


def test_parts_that_are_null_are_none_as_in_python(client, library):
    asked = {"parts": None, "phrases": ["words"], "where": None}
    response = client.post("/api/search", json={"index": "index", "question": asked})
    assert response.status_code == 200 and response.json()["question"] == {"phrases": ["words"]}
    expected = library.ask(Question.from_dict(asked)).moments
    assert [moment["path"] for moment in response.json()["moments"]] == [moment.path for moment in expected]


def test_a_part_comes_back_as_it_was_sent_with_what_it_alone_is_compared_with(client):
    part = {"audio": by_name(client, "sound-5.wav")["media_id"], "weight": 0.5, "in": "video"}
    assert ask(client, part)["question"] == {"parts": [part]}


def test_ids_name_the_file_and_its_times(client):
    moment = ask(client, {"text": "number 3"}, k=1)["moments"][0]
    start_ms, stop_ms = (round(1000 * moment[name]) for name in ("start_seconds", "stop_seconds"))
    assert moment["id"] == f"{moment['media_id']}:{start_ms}-{stop_ms}"
    assert moment["media_id"] == by_name(client, "sound-3.wav")["media_id"]
    assert (moment["name"], moment["folder"], moment["mime"]) == ("sound-3.wav", "", "audio/wav")
    assert moment["thumbnail"] is None  # there is nothing to see


def test_words_that_the_model_does_not_know_are_a_note_and_no_line_of_the_log(client, caplog):
    with caplog.at_level(logging.INFO):
        answer = ask(client, {"text": "number 3 xylophone"}, k=1)
    assert answer["notes"] == ["the model has never seen: xylophone; the answers follow the other words"]
    assert "xylophone" not in caplog.text


def test_one_can_ask_with_an_upload_and_with_a_stretch_of_it(client, tmp_path):
    sent = client.post("/api/uploads", files={"file": ("a b.wav", sound(tmp_path / "4.wav", 4))}).json()
    assert (sent["kind"], sent["name"], sent["has_audio"], sent["has_video"]) == ("audio", "a b.wav", True, False)
    assert sent["duration_seconds"] == pytest.approx(2.0, abs=0.01)
    for value in (sent["id"], f"{sent['id']}@0.5-1.5"):
        answer = ask(client, {"audio": value}, k=1)
        assert answer["moments"][0]["name"] == "sound-4.wav"
        assert answer["question"]["parts"] == [{"audio": value}]


def test_a_long_upload_finds_each_thing_in_it_and_a_part_of_it_that_alone(client, tmp_path):
    write_numbered_tape(tmp_path / "tape.wav", [2, 9, 4, 9, 5])
    sent = client.post("/api/uploads", files={"file": ("tape.wav", (tmp_path / "tape.wav").read_bytes())}).json()
    found = {"": {"sound-2.wav", "sound-4.wav", "sound-5.wav"}, "@4-6": {"sound-4.wav"}, "@0:08-10s": {"sound-5.wav"}}
    for stretch, names in found.items():
        moments = ask(client, {"audio": sent["id"] + stretch}, k=5)["moments"]
        alike = {moment["name"] for moment in moments if moment["why"][0]["score"] > 0.999}
        assert alike == names, stretch


def test_a_form_holds_the_question_and_its_files(client, tmp_path):
    question = {"index": "index", "question": {"parts": [{"audio": "upload:it@0-2"}], "k": 1}}
    files = {"it": ("bark.wav", sound(tmp_path / "2.wav", 2))}
    answer = client.post("/api/search", data={"question": json.dumps(question)}, files=files).json()
    assert answer["moments"][0]["name"] == "sound-2.wav"
    assert answer["question"]["parts"][0]["audio"].endswith("@0-2")


def test_one_can_ask_with_what_the_index_holds(client):
    file = by_name(client, "sound-5.wav")
    for part in (
        {"audio": file["media_id"]},
        {"audio": f"{file['media_id']}@1-2"},
        {"moment": file["media_id"] + ":0-3000"},
    ):
        assert ask(client, part, k=1)["moments"][0]["name"] == "sound-5.wav", part


def test_an_image_is_an_upload_too(client):
    image = io.BytesIO()
    Image.new("RGB", (40, 30), (16, 16, 16)).save(image, "PNG")
    sent = client.post("/api/uploads", files={"file": ("a.txt", image.getvalue())}).json()
    assert sent["kind"] == "image"
    assert ask(client, {"image": sent["id"]}, k=1)["moments"][0]["has_video"]


def test_a_stretch_behind_the_end_of_an_upload_is_told_by_the_name_that_it_was_sent_with(client, tmp_path):
    write_numbered_sound(tmp_path / "a.wav", 2)
    sent = client.post("/api/uploads", files={"file": ("bark.wav", (tmp_path / "a.wav").read_bytes())}).json()
    question = {"parts": [{"audio": f"{sent['id']}@60-36000"}]}
    refused = client.post("/api/search", json={"index": "index", "question": question})
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith("bark.wav: ends at 0:00:02; there is nothing at 0:01:00 to ask with.")
    assert ask(client, {"audio": f"{sent['id']}@1-36000"}, k=1)["moments"][0]["name"] == "sound-2.wav"


def test_similar_moments_leave_out_the_moment_itself(client):
    moment = ask(client, {"text": "number 3"}, k=1)["moments"][0]
    answer = client.get("/api/similar", params={"moment": moment["id"], "by": "audio", "k": 3}).json()
    assert len(answer["moments"]) == 3
    assert moment["media_id"] not in {other["media_id"] for other in answer["moments"]}


def test_an_empty_filter_is_refused_wherever_one_is_given(client):
    moment = ask(client, {"text": "number 3"}, k=1)["moments"][0]
    for address, given in (("/api/files", {"index": "index"}), ("/api/similar", {"moment": moment["id"]})):
        response = client.get(address, params=given | {"where": ""})
        assert response.status_code == 400 and "an empty filter" in response.json()["detail"]


def test_facets_count_the_files_that_the_filter_keeps(client):
    everything = ask(client, {"text": "number 3"})["facets"]
    assert everything["num_files"] == 6 and everything["has_video"] == 1
    assert everything["folders"] == [{"name": "", "count": 5}, {"name": "field", "count": 1}]
    kept = ask(client, {"text": "number 3"}, where="place = 'wood'")
    assert kept["facets"]["num_files"] == 1 and [moment["name"] for moment in kept["moments"]] == ["sound-2.wav"]


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ({"index": "nowhere", "question": {"parts": [{"text": "1"}]}}, 404, "no such index"),
        ({"index": "index", "question": {"prts": []}}, 400, "Did you mean 'parts'?"),
        ({"index": "index", "question": {"parts": [{"audio": "/etc/passwd"}]}}, 404, "not the id"),
        ({"index": "index", "question": {"parts": [{"moment": "../a.mp4@0-2"}]}}, 404, "not the id"),
        ({"index": "index", "question": {"parts": [{"audio": "upload:" + "0" * 32}]}}, 404, "Send the file again"),
        ({"index": "index", "question": {"parts": [{"text": "1"}], "k": 5000}}, 400, "500 at once"),
        ({"index": "index", "question": {"parts": [{"text": "1"}], "where": "duratoin > 1"}}, 400, "duration"),
        ({"index": "index", "question": {"parts": [{"text": "1", "weight": 10**400}]}}, 400, "hundreds of digits"),
        ({"index": "index"}, 400, "the body is not"),
        ([1], 400, "the body is not"),
    ],
)
def test_what_cannot_be_asked_is_one_line_with_advice(client, body, status, detail):
    response = client.post("/api/search", json=body)
    assert response.status_code == status and response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status and detail in problem["detail"] and "\n" not in problem["detail"]


def test_the_page_knows_what_can_be_asked_and_filtered(client):
    (index,) = client.get("/api/indexes").json()["indexes"]
    assert (index["name"], index["num_files"], index["source_name"]) == ("index", 6, "footage")
    assert index["can_ask"]["text"] == ["media", "video", "audio", "text"] and not index["is_growing"]
    columns = {column["name"]: column for column in index["columns"]}
    assert columns["place"]["values"] == [{"value": "harbour", "count": 1}, {"value": "wood", "count": 1}]
    assert (columns["duration"]["least"], columns["duration"]["most"]) == (3.0, 6.0)
    assert columns["year"]["kind"] == "number"


def test_files_come_sorted_a_page_at_a_time(client):
    asked = {"index": "index", "sort": "-duration", "limit": 2}
    first = client.get("/api/files", params=asked).json()
    assert first["total"] == 6 and first["files"][0]["name"] == "film.mp4"
    others = client.get("/api/files", params={**asked, "offset": 2, "limit": 10}).json()["files"]
    assert len({file["path"] for file in [*first["files"], *others]}) == 6


def test_a_note_is_said_once_however_many_parts_are_of_its_words(client):
    part = {"text": "number 3 xylophone"}
    answer = ask(client, part | {"in": "audio"}, part | {"in": "text"})
    assert answer["notes"] == ["the model has never seen: xylophone; the answers follow the other words"]


def test_an_index_that_is_gone_does_not_hide_the_others(archive, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(archive, other)
    with browser(archive, other, state=tmp_path / "state") as client:
        shutil.rmtree(other)
        assert [index["name"] for index in client.get("/api/indexes").json()["indexes"]] == ["index"]
        gone = client.post("/api/search", json={"index": "other", "question": {"parts": [{"text": "number 3"}]}})
        assert gone.status_code == 503 and str(tmp_path) not in gone.json()["detail"]


def test_two_indexes_of_one_name_have_two_names(archive, tmp_path):
    with browser(archive, archive, state=tmp_path) as client:
        names = [index["name"] for index in client.get("/api/indexes").json()["indexes"]]
        assert names == ["index", "index-2"]
        body = {"index": "index-2", "question": {"parts": [{"text": "number 3"}], "k": 1}}
        assert client.post("/api/search", json=body).json()["moments"][0]["id"].startswith("index-2:")


def test_words_that_a_model_has_heard_are_told_from_written_ones(tmp_path):
    footage = tmp_path / "footage"
    footage.mkdir()
    write_beeps(footage / "spoken-1.wav", 3.0, [(0.4, 1000), (1.6, 2000)])
    write_numbered_sound(footage / "sound-2.wav", 2, seconds=3.0)
    (footage / "sound-2.srt").write_text("1\n00:00:00,000 --> 00:00:01,500\nthe number 2\n")
    follow(footage, tmp_path / "index", transcribe=Beeps(tmp_path / "log"))
    with browser(tmp_path / "index") as client:
        found = ask(client, {"text": "number 2"}, k=10)["moments"]
        sources = {one["name"]: one["text_from"] for one in found if one["texts"]}
        assert sources == {"spoken-1.wav": "transcript", "sound-2.wav": "sidecar"}
        for one in found:
            opened = client.get(f"/api/moments/{one['id']}").json()
            assert opened["file"]["text_from"] == sources[one["name"]]
            assert opened["moment"]["text_from"] == (sources[one["name"]] if opened["moment"]["texts"] else None)


JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
ASKED = b'{"question": {"parts": [{"text": "number 3"}], "k": 1}}'


@pytest.mark.parametrize("body", [ASKED, b"\xef\xbb\xbf" + ASKED, ASKED.decode().encode("utf-16")])
@pytest.mark.parametrize("headers", [JSON, FORM, {}])  # as curl sends what it is given
def test_json_is_read_whatever_it_is_called(client, headers, body):
    assert client.post("/api/search", content=body, headers=headers).json()["moments"][0]["name"] == "sound-3.wav"


@pytest.mark.parametrize(
    ("body", "headers", "detail"),
    [
        ("café".encode("latin-1").join(ASKED.split(b"number")), JSON, "the body is not UTF-8 (byte "),
        (b"text=number+3", FORM, "Send JSON, or files as multipart/form-data."),
        (b"{", JSON, "Check its brackets."),
        (ASKED, {"content-type": "multipart/form-data"}, "the form cannot be read (Missing boundary in multipart); "),
        (ASKED, {"content-type": "multipart/form-data; boundary=x"}, "Send multipart/form-data with its boundary"),
    ],
)
def test_a_body_of_another_kind_is_one_line_with_what_to_send(client, body, headers, detail):
    response = client.post("/api/search", content=body, headers=headers)
    assert response.status_code == 400 and detail in response.json()["detail"]


def test_too_many_files_and_other_methods_and_addresses_say_what_there_is(client):
    files = [("file", (f"{number}.wav", b"x")) for number in range(9)]
    assert "Too many files" in client.post("/api/uploads", files=files).json()["detail"]
    wrong = client.put("/api/search")
    assert wrong.status_code == 405 and wrong.headers["allow"] == "POST" and "Use POST." in wrong.json()["detail"]
    assert "/openapi.json" in client.get("/api/nowhere").json()["detail"]
