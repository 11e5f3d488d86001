"""Collections over HTTP: kept by path, bytes and times, so that they outlive indexing anew and moved files."""

import pytest
from serving import browser, index_by_names, write_mixed_footage

from vlsa.serve.archive.open_index import OpenIndex


@pytest.fixture
def archive(tmp_path):
    index_by_names(write_mixed_footage(tmp_path / "footage"), tmp_path / "index")
    return tmp_path


def found(client, words="number 7"):
    answer = client.post("/api/search", json={"index": "index", "question": {"parts": [{"text": words}]}})
    assert answer.status_code == 200, answer.text
    return answer.json()["moments"][0]


def test_a_moment_is_kept_moved_noted_removed_and_restored(archive):
    with browser(archive / "index") as client:
        first, second = found(client, "number 7"), found(client, "number 1")
        made = client.post("/api/collections", json={"name": "Flashes"})
        assert made.status_code == 201
        at = f"/api/collections/{made.json()['id']}"
        client.post(f"{at}/moments", json={"moment": first["id"], "note": "the flash"})
        both = client.post(f"{at}/moments", json={"moment": second["id"]}).json()
        assert [one["moment"]["id"] for one in both["moments"]] == [first["id"], second["id"]]
        assert both["moments"][1]["moment"]["texts"] == ["the number 1"]
        last = both["moments"][1]["item"]
        after = client.patch(f"{at}/moments/{last}", json={"position": 0, "note": "first now"}).json()
        assert [one["note"] for one in after["moments"]] == ["first now", "the flash"]
        assert client.delete(f"{at}/moments/{last}").json()["num_moments"] == 1
        restored = client.post(f"{at}/restore", json={"item": last}).json()
        assert [one["note"] for one in restored["moments"]] == ["first now", "the flash"]
        assert client.patch(at, json={"name": "Other"}).json()["name"] == "Other"
        assert client.delete(at).status_code == 204
        assert client.get(at).status_code == 404
        assert client.get("/api/collections").json() == {"collections": []}
        assert client.post(f"{at}/restore").json()["name"] == "Other"


def test_a_moment_follows_its_file_and_outlives_a_new_index(archive):
    with browser(archive / "index") as client:
        kept = found(client)
        id = client.post("/api/collections", json={"name": "kept"}).json()["id"]
        client.post(f"/api/collections/{id}/moments", json={"moment": kept["id"], "note": "stays"})
    folder = archive / "footage"
    (folder / "field" / "7-flash.mp4").rename(folder / "renamed-7.mp4")
    index_by_names(folder, archive / "index")
    with browser(archive / "index") as client:
        (item,) = client.get(f"/api/collections/{id}").json()["moments"]
        assert (item["moment"]["path"], item["last_path"]) == ("renamed-7.mp4", "field/7-flash.mp4")
        times = ("start_seconds", "stop_seconds")
        assert [item["moment"][name] for name in times] == [kept[name] for name in times]
    (folder / "renamed-7.mp4").unlink()
    index_by_names(folder, archive / "index")
    with browser(archive / "index") as client:
        (item,) = client.get(f"/api/collections/{id}").json()["moments"]
        assert (item["moment"], item["note"]) == (None, "stays")


@pytest.mark.parametrize(
    ("method", "where", "body", "status"),
    [
        ("POST", "", {"name": " "}, 400),
        ("POST", "", {"name": "x" * 300}, 422),
        ("POST", "", {"name": "a", "other": 1}, 422),
        ("GET", "/none", None, 404),
        ("DELETE", "/none", None, 404),
        ("PATCH", "/none", {"name": "a"}, 404),
        ("POST", "/none/moments", {"moment": "../../etc/passwd"}, 404),
        ("POST", "/none/restore", {}, 404),
        ("PATCH", "/none/moments/none", {"position": -1}, 422),
        ("DELETE", "/none/moments/none", None, 404),
    ],
)
def test_what_cannot_be_done_is_one_line_of_problem_json(mixed_client, method, where, body, status):
    answer = mixed_client.request(method, f"/api/collections{where}", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert "\n" not in answer.json()["detail"]


def test_the_index_is_read_once_for_all_moments_of_a_collection(mixed_client, monkeypatch):
    at = f"/api/collections/{mixed_client.post('/api/collections', json={'name': 'Twice'}).json()['id']}"
    moment, read = found(mixed_client, "number 1"), []
    for note in ("first", "second", "third"):
        mixed_client.post(f"{at}/moments", json={"moment": moment["id"], "note": note})
    reading = OpenIndex.reading
    monkeypatch.setattr(OpenIndex, "reading", lambda index, read_it: read.append(index) or reading(index, read_it))
    kept = mixed_client.get(at).json()["moments"]
    assert [(one["note"], one["moment"]["texts"]) for one in kept] == [
        (note, ["the number 1"]) for note in ("first", "second", "third")
    ]
    assert len(read) == 1
