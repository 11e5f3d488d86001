"""What strangers send: cases made from the schema, paths that climb, bodies that are broken, and ranges that lie.

VLSA_FUZZ_CASES sets how many cases are made from the schema (5,000 for a release).
"""

import io
import itertools
import os
from urllib.parse import unquote

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import strategies

NUM_CASES = int(os.environ.get("VLSA_FUZZ_CASES", "150"))
SECRET = "the-words-of-a-secret-file"


@pytest.fixture(scope="module")
def archive(mixed_archive):
    for name in ("secret.txt", "secret.mp4"):
        (mixed_archive / name).write_text(SECRET)
    return mixed_archive


@pytest.fixture(scope="module")
def client(archive, mixed_client):
    mixed_client.post("/api/collections", json={"name": "kept"})
    return mixed_client


@pytest.fixture(scope="module")
def known(client):
    """Ids of things that are there, by the name of the parameter that takes them."""
    media = client.get("/api/files", params={"index": "index"}).json()["files"][0]["media_id"]
    collection = client.get("/api/collections").json()["collections"][0]["id"]
    return {
        "media_id": media,
        "moment_id": f"{media}:0-1000",
        "moment": f"{media}:0-1000",
        "thumbnail_id": f"{media}:500",
        "index": "index",
        "id": collection,
        "item": "0123456789abcdef",
    }


def operations(client):
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    return [found.ok() for found in schema.get_all_operations()]


def sent(client, case):
    """The response to a case, by the client of the tests."""
    asked = case.as_transport_kwargs(base_url="http://127.0.0.1:8765")
    names = ("method", "url", "headers", "params", "json", "data", "files")
    ready = requests.Request(**{name: asked[name] for name in names if name in asked}).prepare()
    return client.request(ready.method, ready.url, headers=dict(ready.headers), content=ready.body)


def test_no_case_made_from_the_schema_is_a_fault_of_the_server(client, known):
    every = operations(client)
    assert len(every) > 25
    tried, answered = [0], [0]

    def check(operation):
        @hypothesis.settings(
            max_examples=max(NUM_CASES // len(every), 1),
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy(), data=strategies.data())
        def one(case, data):
            for parameters in (case.path_parameters, case.query):
                for name in sorted(known.keys() & (parameters or {}).keys()):
                    if data.draw(strategies.booleans(), label=name):
                        parameters[name] = known[name]
            answer = sent(client, case)
            tried[0] += 1
            answered[0] += answer.status_code < 400
            assert answer.status_code < 500, (answer.status_code, answer.text)
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == "application/problem+json"
                assert set(answer.json()) == {"type", "title", "status", "detail"}

        one()

    for operation in every:
        check(operation)
    assert tried[0] >= min(NUM_CASES // 2, 5 * len(every))
    assert answered[0] > len(every)  # not all of them failed at the door


CLIMBS = ("../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%5c", "%252e%252e%252f", "..%c0%af", "....//", "..;/", "%00../")
PLACES = (
    "/static/{}",
    "/media/{}",
    "/media/index:{}",
    "/media/{}/stream",
    "/api/thumbnails/{}",
    "/api/moments/{}",
    "/api/waveforms/index:{}",
    "/api/map/{}/points",
    "/api/collections/{}",
    "/api/playback/{}",
)
FORMS = [
    place.format(climb * times + target)
    for place, climb, (times, target) in itertools.product(
        PLACES, CLIMBS, ((8, "etc/passwd"), (1, "secret.txt"), (4, "secret.mp4"))
    )
]


def ask_raw(app, raw_path):
    """GET with a path as it is, which clients would tidy up; as uvicorn hands it on."""
    import anyio

    answer, messages = {"status": 0, "body": b""}, [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive():
        return messages.pop() if messages else await anyio.sleep_forever()

    async def send(message):
        answer["status"] = message.get("status", answer["status"])
        answer["body"] += message.get("body", b"")

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": unquote(raw_path),
        "raw_path": raw_path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1:8765")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8765),
    }
    anyio.run(app, scope, receive, send)
    return answer["status"], answer["body"]


def test_no_form_of_a_climbing_path_leads_out(client):
    assert len(FORMS) >= 200
    for path in FORMS:
        status, body = ask_raw(client.app, path)
        assert 400 <= status < 500, (path, status)
        assert SECRET.encode() not in body and b"root:" not in body, path


def test_an_absolute_path_leads_nowhere(client, archive):
    for target in (archive / "secret.txt", archive / "secret.mp4", archive / "index" / "index.json"):
        for place in PLACES:
            status, body = ask_raw(client.app, place.format(target))
            assert 400 <= status < 500 and SECRET.encode() not in body


def values_in_bodies(path):
    question = {"index": "index", "question": {"parts": [{"clip": path}]}}
    yield "/api/search", question
    yield "/api/search", question | {"index": path}
    yield "/api/search", {"index": "index", "question": {"parts": [{"moment": f"{path}@0-1"}]}}
    yield "/api/map/index/scores", {"question": {"parts": [{"image": path}]}}
    yield "/api/export", {"format": "clips", "moments": [path]}
    yield "/api/export", {"format": "csv", "collection": path}


def test_no_path_in_a_body_is_read(client, archive):
    for path in (str(archive / "secret.mp4"), "../secret.mp4", "file:///etc/passwd", "index:../../secret.mp4"):
        for place, body in values_in_bodies(path):
            answer = client.post(place, json=body)
            assert 400 <= answer.status_code < 500, (place, body, answer.text)
            assert SECRET not in answer.text


BROKEN = {
    "nothing": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "a number": b"1e999",
    "deep": b"[" * 100_000,
    "deep objects": b'{"a":' * 50_000,
    "half a character": b'{"name": "\\ud800"}',
    "not UTF-8": b'{"name": "\xff\xfe"}',
    "NaN": b'{"index": "index", "question": {"parts": [{"text": "1", "weight": NaN}]}}',
    "a large number": b'{"index": "index", "question": {"parts": [{"text": "1"}], "k": ' + b"9" * 5000 + b"}}",
    "NUL": b'{"name": "a\\u0000b", "format": "csv", "moments": ["\\u0000"]}',
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("place", ["/api/search", "/api/collections", "/api/export", "/api/map/index/scores"])
def test_a_broken_body_is_one_line_of_problem_json(client, place, name):
    answer = client.post(place, content=BROKEN[name], headers={"Content-Type": "application/json"})
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("place", ["/api/search", "/api/collections", "/api/export", "/api/map/index/scores"])
def test_a_body_that_is_too_large_is_refused_whether_it_says_its_size_or_not(client, place):
    def pieces():
        for _ in range(40):
            yield b" " * 100_000

    kind = {"Content-Type": "application/json"}
    assert client.post(place, content=b" " * 4_000_000, headers=kind).status_code == 413
    assert client.post(place, content=pieces(), headers=kind).status_code == 413


HALF_A_FORM = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Starlette leaves half a file to Python
def test_forms_that_lie_are_refused(client):
    lies = [
        ("multipart/form-data; boundary=x", HALF_A_FORM),
        ("multipart/form-data", b"--x--"),
        ("multipart/form-data; boundary=" + "x" * 300, b"--x--"),
        ("multipart/form-data; boundary=x", b"--x\r\n" * 10_000),
        ("application/x-www-form-urlencoded", b"a=" * 10_000),
        ("text/plain", b"hello"),
    ]
    for kind, body in lies:
        for place in ("/api/uploads", "/api/search"):
            answer = client.post(place, content=body, headers={"Content-Type": kind})
            assert 400 <= answer.status_code < 500, (kind, place, answer.text)


def test_uploads_with_names_that_climb_stay_where_they_belong(client, archive):
    before = {path for path in archive.rglob("*") if "serve" not in path.relative_to(archive).parts}
    sound = io.BytesIO((archive / "footage" / "sound-1.wav").read_bytes())
    for name in ("../../../climbed.wav", "/tmp/climbed.wav", "..\\climbed.wav", "a\0.wav", "\n.wav", ""):
        sound.seek(0)
        answer = client.post("/api/uploads", files={"file": (name, sound, "audio/wav")})
        assert answer.status_code < 500
        if answer.status_code == 200:
            assert not set(answer.json()["name"]) & {"/", "\\", "\0", "\n"}
    after = {path for path in archive.rglob("*") if "serve" not in path.relative_to(archive).parts}
    assert before == after


RANGES = (
    "bytes=0-0",
    "bytes=-1",
    "bytes=0-",
    "bytes=5-1",
    "bytes=-0",
    "bytes=99999999999-",
    "bytes=0-99999999999999999999999",
    "bytes=a-b",
    "bytes=",
    "lines=0-1",
    "bytes=" + ",".join(f"{number}-{number}" for number in range(500)),
    "bytes=" + "0-," * 500,
    "bytes=0-0,-1",
    "\xb2",
)


@pytest.mark.parametrize("asked", RANGES)
def test_no_range_gets_more_than_the_file_or_breaks_anything(client, known, archive, asked):
    answer = client.get(f"/media/{known['media_id']}", headers={"Range": asked.encode("latin-1")})
    size = (archive / "footage" / "field" / "7-flash.mp4").stat().st_size
    assert answer.status_code in (200, 206, 400, 416)
    assert len(answer.content) <= size + 200_000  # of many ranges each has a header of its own


@pytest.mark.parametrize("place", ["waveforms", "spectrograms"])
@pytest.mark.parametrize("times", [{"stop": 1e-9}, {"start": 0.5, "stop": 0.5 + 1e-6}, {"stop": 1e7}])
def test_a_stretch_of_any_length_is_drawn(client, known, place, times):
    answer = client.get(f"/api/{place}/{known['media_id']}", params=times)
    assert answer.status_code == 200
    if place == "waveforms":
        assert answer.json()["peaks"]


def test_a_stream_of_ids_of_every_shape_finds_nothing(client):
    for id in (
        "",
        ":",
        "::",
        "index",
        "index:",
        "index:0",
        "INDEX:" + "f" * 16,
        "index:" + "F" * 16,
        "index:" + "0" * 17,
    ):
        for place in ("/media/{}", "/api/moments/{}:0-1", "/api/thumbnails/{}:1", "/api/playback/{}"):
            assert client.get(place.format(id)).status_code in (404, 405)


def test_what_is_in_the_schema_has_a_summary_and_a_tag(client):
    paths = client.get("/openapi.json").json()["paths"]
    for path, methods in paths.items():
        for method, operation in methods.items():
            assert operation.get("tags") and operation.get("description"), (method, path)
