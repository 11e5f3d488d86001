"""Files and what is drawn of them: ranges, thumbnails, peaks, spectrograms, neighbours."""

import io
import os

import numpy as np
import pytest
from media_files import grey, numbered, tone, write_media
from PIL import Image
from serving import ask, browser, index_by_names, write_archive


@pytest.fixture(scope="module")
def film(client):
    files = client.get("/api/files", params={"index": "index", "where": "has_video"}).json()["files"]
    return files[0]


@pytest.fixture(scope="module")
def film_bytes(archive):
    return (archive.parent / "footage" / "field" / "film.mp4").read_bytes()


@pytest.mark.parametrize(
    ("asked", "start", "stop"), [("bytes=0-99", 0, 100), ("bytes=100-", 100, None), ("bytes=-50", -50, None)]
)
def test_a_range_is_that_part_of_the_file(client, film, film_bytes, asked, start, stop):
    response = client.get(f"/media/{film['media_id']}", headers={"Range": asked})
    assert response.status_code == 206 and response.content == film_bytes[start:stop]
    assert response.headers["content-type"] == "video/mp4"
    assert response.headers["content-range"].endswith(f"/{len(film_bytes)}")


def test_a_file_is_sent_whole_and_its_head_alone(client, film, film_bytes):
    assert client.get(f"/media/{film['media_id']}").content == film_bytes
    head = client.head(f"/media/{film['media_id']}")
    assert head.headers["content-length"] == str(len(film_bytes)) and head.content == b""


def test_a_range_beyond_the_end_is_refused(client, film):
    assert client.get(f"/media/{film['media_id']}", headers={"Range": "bytes=99999999-"}).status_code == 416


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=5-2",
        "bytes=",
        "bytes=a-b",
        "items=0-1",
        "bytes=1-2-3",
        "bytes=--1",
        "bytes=0-0,x",
        "bytes 0-1",
        "bytes=0-" + "9" * 5000,
    ],
)
def test_a_range_that_makes_no_sense_is_no_range(client, film, film_bytes, asked):
    response = client.get(f"/media/{film['media_id']}", headers={"Range": asked})
    assert (response.status_code, response.content) == (200, film_bytes)


def test_a_browser_that_has_a_file_is_not_sent_it_again(client, film, film_bytes):
    address = f"/media/{film['media_id']}"
    first = client.get(address).headers
    mark, time = first["etag"], first["last-modified"]
    for asked in (
        {"If-None-Match": mark},
        {"If-None-Match": f'"other", W/{mark}'},
        {"If-None-Match": mark, "Range": "bytes=0-9"},
        {"If-Modified-Since": time},
    ):
        known = client.get(address, headers=asked)
        assert (known.status_code, known.content) == (304, b"") and known.headers["etag"] == mark
    for asked in (
        {"If-None-Match": '"other"', "If-Modified-Since": time},
        {"If-Modified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"},
        {"If-Modified-Since": "yesterday"},
        {"If-Range": '"other"', "Range": "bytes=0-9"},
    ):
        assert client.get(address, headers=asked).content == film_bytes
    assert client.get(address, headers={"If-Range": mark, "Range": "bytes=0-9"}).content == film_bytes[:10]


def test_the_page_is_asked_for_again_after_an_update_and_is_well_for_who_asks_for_the_head_alone(client):
    for address in ("/", "/static/main.js"):
        first = client.get(address)
        assert first.headers["cache-control"] == "private, no-cache"
        assert client.get(address, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    for address in ("/", "/health"):
        assert (client.head(address).status_code, client.head(address).content) == (200, b"")


def brightness(response):
    assert response.status_code == 200 and response.headers["content-type"] == "image/jpeg", response.text
    image = Image.open(io.BytesIO(response.content))
    return float(np.asarray(image).mean()), image.width


def test_a_thumbnail_shows_the_film_at_its_time(client, film):
    dark, width = brightness(client.get(f"/api/thumbnails/{film['media_id']}:1000"))
    light, _ = brightness(client.get(f"/api/thumbnails/{film['media_id']}:2100"))
    assert dark < 40 < 200 < light and width == 64  # never enlarged


def test_a_thumbnail_beyond_the_end_is_an_early_frame(client, film):
    assert brightness(client.get(f"/api/thumbnails/{film['media_id']}:9999999"))[1] == 64


def test_a_browser_that_has_an_image_is_not_sent_it_again(client, film):
    first = client.get(f"/api/thumbnails/{film['media_id']}:1000")
    again = client.get(f"/api/thumbnails/{film['media_id']}:1000", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_browser_asks_again_whether_a_file_was_replaced(tmp_path):
    footage = tmp_path / "footage"
    footage.mkdir()
    write_media(footage / "1.mp4", pictures=[grey(20)] * 25)
    index = index_by_names(footage, tmp_path / "index")
    with browser(index) as client:
        media = client.get("/api/files", params={"index": "index"}).json()["files"][0]["media_id"]
        image, address = f"/api/thumbnails/{media}:500", client.get(f"/api/playback/{media}").json()["url"]
        first = client.get(image)
        assert first.headers["cache-control"] == "private, no-cache" and brightness(first)[0] < 60
        assert "max-age" in client.get(address).headers["cache-control"]
        write_media(footage / "1.mp4", pictures=[grey(230)] * 30)
        again = client.get(image, headers={"If-None-Match": first.headers["etag"]})
        assert brightness(again)[0] > 200
        assert client.get(f"/api/playback/{media}").json()["url"] != address
        assert client.get(address).headers["cache-control"] == "private, no-cache"


def test_peaks_are_loud_where_the_beep_is(client, film):
    answer = client.get(f"/api/waveforms/{film['media_id']}", params={"points": 60}).json()
    heights = np.array([high for _, high in answer["peaks"]])
    assert (answer["start_seconds"], answer["stop_seconds"]) == (0.0, pytest.approx(6.0, abs=0.1))
    loud = np.flatnonzero(heights > 0.3) * 6 / 60
    assert set(np.round(loud)) == {2.0, 5.0}
    part = client.get(f"/api/waveforms/{film['media_id']}", params={"points": 10, "start": 3, "stop": 4}).json()
    assert np.abs(part["peaks"]).max() < 0.05


def test_a_spectrogram_is_bright_at_the_pitch_and_time_of_the_beep(client, film):
    asked = {"width": 60, "height": 100, "start": 0, "stop": 6}
    response = client.get(f"/api/spectrograms/{film['media_id']}", params=asked)
    light = np.asarray(Image.open(io.BytesIO(response.content))).sum(axis=2, dtype=int)
    assert light.shape == (100, 60)
    row, column = np.unravel_index(light.argmax(), light.shape)
    octaves_up = (99 - row) / 99 * np.log2(8000 / 60)
    assert 60 * 2**octaves_up == pytest.approx(1000, rel=0.05) and round(column / 10) in (2, 5)


def test_a_moment_has_its_words_windows_and_neighbours(client):
    moment = ask(client, {"text": "number 1"}, k=1)["moments"][0]
    answer = client.get(f"/api/moments/{moment['media_id']}:1000-2000").json()
    assert [text["text"] for text in answer["texts"]] == ["the number 1"]
    assert answer["moment"]["texts"] == ["the number 1"] and answer["file"]["columns"]["place"] == "harbour"
    assert answer["windows"] and answer["neighbours"]["before"]["start_seconds"] < 1.0
    assert os.path.isfile(answer["file"]["absolute_path"])


@pytest.mark.parametrize(
    "path",
    [
        "/media/index:0000000000000000",
        "/media/nowhere:0000000000000000",
        "/media/..%2f..%2fetc%2fpasswd",
        "/media/%2e%2e",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/api/thumbnails/index:0000000000000000",
        "/api/moments/index:0000000000000000:5-5",
    ],
)
def test_what_the_index_does_not_hold_is_not_there(client, path):
    assert client.get(path).status_code == 404


def test_a_moment_after_the_end_of_its_file_is_not_there(client, film):
    assert client.get(f"/api/moments/{film['media_id']}:90000-91000").status_code == 404
    assert client.get(f"/api/waveforms/{film['media_id']}", params={"start": 5, "stop": 5}).status_code == 400


def test_sound_alone_has_no_thumbnail(client):
    sound = client.get("/api/files", params={"index": "index", "where": "not has_video"}).json()["files"][0]
    response = client.get(f"/api/thumbnails/{sound['media_id']}:0")
    assert response.status_code == 422 and "sound alone" in response.json()["detail"]


def test_a_file_that_is_gone_is_said_to_be_by_its_name_in_the_index(tmp_path):
    index = write_archive(tmp_path)
    with browser(index) as client:
        file = client.get("/api/files", params={"index": "index", "where": "has_video"}).json()["files"][0]
        os.unlink(index.parent / "footage" / "field" / "film.mp4")
        os.mkfifo(index.parent / "footage" / "field" / "film.mp4")  # would never end
        response = client.get(f"/media/{file['media_id']}")
    assert response.status_code == 404 and response.json()["detail"].startswith("field/film.mp4: not a file any more")


def test_whatever_an_index_holds_is_shown_and_played(tmp_path):
    footage = tmp_path / "footage"
    footage.mkdir()
    write_media(footage / "1.aif", sound=tone(2), audio_codec="pcm_s16be")
    write_media(footage / "2.m4b", sound=tone(2), audio_codec="aac")
    write_media(footage / "3.mxf", pictures=numbered(50), video_codec="mpeg2video")
    frames = [Image.fromarray(picture) for picture in numbered(20)]
    frames[0].save(footage / "4.gif", save_all=True, append_images=frames[1:], duration=100)
    (footage / "notes.txt").write_text("no media")
    index = index_by_names(footage, tmp_path / "index")
    with browser(index) as client:
        files = client.get("/api/files", params={"index": "index"}).json()["files"]
        assert [file["path"] for file in files] == ["1.aif", "2.m4b", "3.mxf", "4.gif"]
        assert [client.get(f"/media/{file['media_id']}").status_code for file in files] == [200] * 4
        pictures = [client.get(f"/api/thumbnails/{file['media_id']}:500").status_code for file in files]
        assert pictures == [422, 422, 200, 200]
        assert client.get(f"/api/waveforms/{files[0]['media_id']}").json()["peaks"]
        plays = [client.get(f"/api/playback/{file['media_id']}").json()["how"] for file in files]
        assert plays == ["transcoded", "direct", "transcoded", "transcoded"]
