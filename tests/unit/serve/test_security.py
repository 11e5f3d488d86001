"""Who may ask: hosts, origins, the token, and what a response lets a browser do."""

import asyncio
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from serving import ADDRESS, browser

from vlsa.base.errors import ConfigError
from vlsa.cli.serve import serve
from vlsa.serve.http.security import Guard, cookie_name, cookie_value, is_token
from vlsa.serve.http.settings import Limits, ServeSettings, is_loopback
from vlsa.serve.routes.page import STATIC

TOKEN = "correct-horse-battery-staple"
QUESTION = {"index": "index", "question": {"parts": [{"text": "number 3"}], "k": 1}}


@pytest.fixture(scope="module")
def guarded(archive, tmp_path_factory):
    """A server for other machines, with a token."""
    settings = {"host": "0.0.0.0", "token": TOKEN, "allowed_hosts": ("archive.example",)}
    with browser(archive, state=tmp_path_factory.mktemp("guarded"), **settings) as client:
        yield client


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost", "LOCALHOST:1", "[::1]:8765", "127.0.0.1."])
def test_this_machine_is_called_by_its_own_names(client, host):
    assert client.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "192.168.1.5", "", "localhost.evil.example:1"]
)
def test_a_name_that_is_not_of_this_server_is_not_answered(client, host):
    response = client.get("/api/indexes", headers={"Host": host})
    assert response.status_code == 421 and "not a name of this server" in response.json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "http://127.0.0.1:8765.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_page_of_another_site_cannot_ask(client, headers):
    assert client.post("/api/search", json=QUESTION, headers=headers).status_code == 403


@pytest.mark.parametrize("headers", [{}, {"Origin": ADDRESS}, {"Sec-Fetch-Site": "same-origin", "Origin": ADDRESS}])
def test_the_page_itself_and_programs_can_ask(client, headers):
    assert client.post("/api/search", json=QUESTION, headers=headers).status_code == 200


def test_other_sites_can_link_to_the_page_but_not_take_its_images(client):
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.get("/", headers=link).status_code == 200
    assert (
        client.get("/api/indexes", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}).status_code
        == 403
    )


@pytest.mark.parametrize("path", ["/", "/health", "/api/indexes", "/media/index:0000000000000000", "/nowhere"])
def test_every_response_says_what_a_browser_may_do_with_it(client, path):
    headers = client.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'self'" and policy["frame-ancestors"] == "'none'" and "script-src" not in policy
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"


def test_without_the_token_nothing_of_the_archive_is_shown(guarded):
    for path in (
        "/api/indexes",
        "/metrics",
        "/openapi.json",
        "/media/index:0000000000000000",
        "/api/files?index=index",
    ):
        response = guarded.get(path)
        assert response.status_code == 401 and response.headers["www-authenticate"] == "Bearer", path
        assert response.json()["detail"].startswith("no token")
    assert guarded.post("/api/search", json=QUESTION).status_code == 401
    assert guarded.get("/health").status_code == 200
    assert guarded.get("/").headers["location"] == "/login"


@pytest.mark.parametrize("header", ["Bearer wrong", f"Basic {TOKEN}", "Bearer", f"Bearer {TOKEN}x", "Bearer é"])
def test_another_token_is_none(guarded, header):
    assert guarded.get("/api/indexes", headers={"Authorization": header.encode()}).status_code == 401


def test_the_token_in_a_header_is_enough(guarded):
    assert guarded.get("/api/indexes", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_the_login_page_sets_a_cookie_that_is_enough_and_does_not_hold_the_token(guarded, monkeypatch):
    monkeypatch.setattr("vlsa.serve.routes.login.WRONG_SECONDS", 0.0)
    page = guarded.get("/login")
    assert page.status_code == 200 and page.headers["referrer-policy"] == "same-origin"
    wrong = guarded.post("/login", data={"token": "wrong"})
    assert wrong.headers["location"] == "/login#wrong" and "set-cookie" not in wrong.headers
    right = guarded.post("/login", data={"token": TOKEN})
    cookie = right.headers["set-cookie"]
    assert right.headers["location"] == "/#" and "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert TOKEN not in cookie
    assert guarded.get("/api/indexes").status_code == 200  # the client keeps the cookie
    guarded.cookies.clear()
    forged = {"Cookie": f"{cookie_name(ServeSettings(indexes=(Path('x'),)))}={cookie_value('another' * 3)}"}
    assert guarded.get("/api/indexes", headers=forged).status_code == 401


@pytest.mark.parametrize(
    "query", ["q=a+dog%20barks&p=like~1~x%7Ey&f=folder~a", "//evil.example", "view=%0d%0aSet-Cookie:a"]
)
def test_what_was_asked_for_is_kept_through_the_login_and_leads_nowhere_else(guarded, monkeypatch, query):
    monkeypatch.setattr("vlsa.serve.routes.login.WRONG_SECONDS", 0.0)
    guarded.cookies.clear()
    assert guarded.get(f"/?{query}").headers["location"] == f"/login?{query}"
    wrong = guarded.post(f"/login?{query}", data={"token": "wrong"})
    assert wrong.headers["location"] == f"/login?{query}#wrong"
    right = guarded.post(f"/login?{query}", data={"token": TOKEN})
    assert right.headers["location"] == f"/?{query}#" and right.headers.get_list("set-cookie")[0].startswith("vlsa")
    assert len(right.headers.get_list("set-cookie")) == 1
    guarded.cookies.clear()


@pytest.mark.parametrize(("host", "status"), [("10.0.0.7:8765", 200), ("archive.example", 200), ("evil.example", 421)])
def test_a_server_for_others_is_called_by_addresses_and_names_that_it_was_given(guarded, host, status):
    assert guarded.get("/health", headers={"Host": host}).status_code == status


def test_a_token_is_compared_as_a_whole():
    settings = ServeSettings(indexes=(Path("x"),), token=TOKEN)
    assert is_token(TOKEN, settings) and not is_token(TOKEN[:-1], settings) and not is_token("", settings)


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({"host": "0.0.0.0"}, "--token-file"),
        ({"host": "192.168.1.4"}, "--insecure"),
        ({"token": "short"}, "token_urlsafe"),
        ({"indexes": ()}, "Name the folder"),
        ({"indexes": (Path("a"), Path("b")), "run": "run"}, "Serve one index"),
    ],
)
def test_settings_that_are_not_safe_are_refused_with_advice(settings, advice):
    with pytest.raises(ConfigError, match=advice):
        ServeSettings(**{"indexes": (Path("x"),), **settings})


def test_what_a_server_of_an_address_writes_lies_in_a_folder_of_people_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("VLSA_CACHE", str(tmp_path / "cache"))
    places = ("s3://films/index", "s3://films/old/index")
    folders = [ServeSettings(indexes=(Path(place),)).state_folder for place in places]
    assert len({*folders}) == 2
    assert all(folder.parent == tmp_path / "data" / "vlsa" / "serve" for folder in folders)
    assert all(folder.name.startswith("index-") for folder in folders)
    assert ServeSettings(indexes=(Path(places[0]),), state=tmp_path / "own").state_folder == tmp_path / "own"
    assert ServeSettings(indexes=(Path("index"),)).state_folder == Path("index/serve")


def test_a_server_may_listen_for_others_if_it_is_said():
    assert not ServeSettings(indexes=(Path("x"),), host="0.0.0.0", insecure=True).is_local
    assert (
        is_loopback("127.0.0.5") and is_loopback("[::1]") and is_loopback("LocalHost") and not is_loopback("10.0.0.1")
    )


def in_parts(num_bytes):
    """A body whose length no header says."""
    for _ in range(num_bytes // 1000):
        yield b" " * 1000


@pytest.mark.parametrize("in_advance", [True, False], ids=["the header says so", "no header says so"])
def test_a_body_that_is_too_large_is_not_read_to_its_end(archive, tmp_path, in_advance):
    limits = Limits(body_bytes=10_000, upload_bytes=20_000)
    with browser(archive, state=tmp_path, limits=limits) as client:
        for path in ("/api/search", "/api/uploads", "/login"):
            content = b" " * 30_000 if in_advance else in_parts(30_000)
            kind = {"Content-Type": "multipart/form-data; boundary=x"}
            response = client.post(path, content=content, headers=kind)
            assert response.status_code == 413, (path, response.text)
            assert "can be sent at once" in response.json()["detail"]
            assert response.headers["x-content-type-options"] == "nosniff"


def test_who_sends_too_much_and_goes_away_is_gone():
    messages = [{"type": "http.request", "body": bytes(2000), "more_body": True}, {"type": "http.disconnect"}]
    seen = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        seen.append(message)

    async def app(scope, receive, send):
        seen.extend([(await receive())["type"], (await receive())["type"]])

    settings = ServeSettings(indexes=(Path("index"),), limits=Limits(body_bytes=1000))
    scope = {"type": "http", "method": "POST", "path": "/api/export", "headers": [(b"host", b"localhost")]}
    asyncio.run(Guard(app, settings, lambda route, status: None)(scope, receive, send))
    assert seen == ["http.request", "http.disconnect"]


def test_whoever_comes_through_a_proxy_is_not_told_where_files_are(client, archive, tmp_path):
    files = client.get("/api/files", params={"index": "index"}).json()["files"]
    assert all(file["absolute_path"].endswith(file["path"]) for file in files)
    with browser(archive, state=tmp_path, token=TOKEN, allowed_hosts=("archive.example",)) as proxied:
        asked = {"Host": "archive.example", "Authorization": f"Bearer {TOKEN}"}
        files = proxied.get("/api/files", params={"index": "index"}, headers=asked).json()["files"]
    assert files and all("absolute_path" not in file for file in files)


@pytest.mark.parametrize("allowed", ["Archive.Example", "archive.example:8443", "archive.example."])
def test_a_name_that_is_allowed_may_be_written_with_its_port(archive, tmp_path, allowed):
    with browser(archive, state=tmp_path, allowed_hosts=(allowed, "2001:db8::7", "")) as proxied:
        for host in ("archive.example", "archive.example:8443", "[2001:db8::7]:80"):
            assert proxied.get("/health", headers={"Host": host}).status_code == 200
        for host in ("archive.example.evil", "", ":80", "[2001:db8::8]"):
            assert proxied.get("/health", headers={"Host": host}).status_code == 421


def test_an_empty_token_is_refused_and_not_taken_for_none():
    with pytest.raises(ConfigError, match="a token of 0 characters"):
        serve([Path("index")], token="")


def test_without_a_process_that_decodes_nothing_is_served():
    with pytest.raises(ConfigError, match="Use --workers 1"):
        ServeSettings(indexes=(Path("index"),), num_workers=0)


class Inline(HTMLParser):
    """Finds what the policy would not run or show."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.found += [name for name in given if name == "style" or name.startswith("on")]
        self.found += [tag] if tag == "style" or (tag == "script" and "src" not in given) else []
        self.found += [value for value in given.values() if value and "://" in value]


@pytest.mark.parametrize("page", sorted(STATIC.glob("*.html")), ids=lambda page: page.name)
def test_pages_hold_no_script_or_style_and_load_nothing_from_elsewhere(page):
    parser = Inline()
    parser.feed(page.read_text(encoding="utf-8"))
    assert parser.found == []


def test_metrics_count_requests_and_hold_no_question(client):
    client.post("/api/search", content=json.dumps(QUESTION))
    text = client.get("/metrics").text
    assert 'vlsa_requests_total{route="/api/search",status="200"}' in text
    assert 'vlsa_search_seconds_count{index="index"}' in text and "number 3" not in text
