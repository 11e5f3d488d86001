"""The map over HTTP: made once in a process of its own, of the index as it is, and scored by a question."""

import shutil
import time

import numpy as np
import pytest
from serving import browser, index_by_names, write_mixed_footage

from vlsa.serve.archive.map_job import MOST_FOLDERS, OTHER_FOLDERS, POINT, folders_of


@pytest.fixture
def archive(tmp_path):
    write_mixed_footage(tmp_path / "footage")
    index_by_names(tmp_path / "footage", tmp_path / "index")
    return tmp_path


def made(client):
    client.post("/api/map/index")
    until = time.monotonic() + 120
    while (state := client.get("/api/map/index").json())["status"] == "running" and time.monotonic() < until:
        time.sleep(0.05)
    assert state["status"] == "ready", state
    return state


def read_points(client, state):
    answer = client.get(state["url_points"])
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
    return np.frombuffer(answer.content, POINT)


def test_a_map_is_made_scored_and_read_and_an_index_that_changed_needs_another(archive):
    with browser(archive / "index") as client:
        assert client.get("/api/map/index").json() == {"index": "index", "status": "absent", "progress": 0.0}
        state = made(client)
        points = read_points(client, state)
        searched = client.get("/api/indexes").json()["indexes"][0]
        assert len(points) == state["num_points"] == searched["num_windows"]
        assert points["window"].tolist() == list(range(len(points)))
        assert state["folders"] == ["", "field"]

        moments = client.get("/api/map/index/windows", params={"numbers": ",".join(map(str, points["window"]))})
        for point, moment in zip(points, moments.json()["moments"], strict=True):
            assert state["folders"][point["folder"]] == moment["folder"]
            bits = moment["has_video"] + 2 * moment["has_audio"] + 4 * bool(moment["texts"])
            assert point["modalities"] == bits, moment

        question = {"question": {"parts": [{"text": "number 7"}]}}
        answer = client.post("/api/map/index/scores", json=question, params={"state": state["state"]})
        scores = np.frombuffer(answer.content, "<f4")
        assert scores.shape == points.shape
        best = client.post("/api/search", json={"index": "index", **question}).json()["moments"][0]
        found = moments.json()["moments"][int(np.nanargmax(scores))]
        assert found["path"] == best["path"] == "field/7-flash.mp4"
        assert best["stand_out"] == pytest.approx(float(np.nanmax(scores)), rel=1e-5)

        kept = client.post("/api/map/index/scores", json={"question": question["question"] | {"where": "has_video"}})
        is_kept = ~np.isnan(np.frombuffer(kept.content, "<f4"))
        assert is_kept.tolist() == [bool(point & 1) for point in points["modalities"]]

        shutil.copy(archive / "footage" / "sound-2.wav", archive / "footage" / "sound-3.wav")
        index_by_names(archive / "footage", archive / "index")
        assert client.get("/api/map/index").json()["status"] == "absent"
        old = {"state": state["state"]}
        assert client.get(state["url_points"]).status_code == 404
        assert client.post("/api/map/index/scores", json=question, params=old).status_code == 404
        assert client.get("/api/map/index/windows", params={"numbers": "0", **old}).status_code == 404
        assert len(read_points(client, made(client))) > len(points)
    assert len(list((archive / "index" / "serve" / "maps").iterdir())) == 2  # the map of before is gone


def test_a_map_that_cannot_be_made_says_why(archive):
    with browser(archive / "index") as client:
        (archive / "index" / "serve").mkdir(exist_ok=True)
        (archive / "index" / "serve" / "maps").write_text("in the way")
        client.post("/api/map/index")
        until = time.monotonic() + 120
        while (state := client.get("/api/map/index").json())["status"] == "running" and time.monotonic() < until:
            time.sleep(0.05)
        assert state["status"] == "failed" and "exists" in state["problem"]
        assert str(archive) not in state["problem"]


@pytest.mark.parametrize("numbers", ["", "a", "1,", "-1", "1" * 10, "99999", ",".join(["1"] * 501)])
def test_windows_that_are_not_there_are_refused(mixed_client, numbers):
    assert mixed_client.get("/api/map/index/windows", params={"numbers": numbers}).status_code in (400, 404, 422)


def test_many_folders_share_the_last_number():
    paths = [f"{number}/a.mp4" for number in range(MOST_FOLDERS + 5)] + ["0/b.mp4"]
    names, numbers = folders_of(paths)
    assert len(names) == MOST_FOLDERS and names[0] == "0" and names[-1] == OTHER_FOLDERS
    assert numbers[0] == numbers[-1] == 0 and numbers.max() == MOST_FOLDERS - 1
