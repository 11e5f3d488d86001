"""The page in a browser: searching by words, sounds and pictures, playing, keeping, the map, keyboard, phone, dark."""

import functools
import re
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import av
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import PHONE, cards, chromium, clean_page, drop, names, search, settle, until
from media_files import tone, write_media
from page_server import FILM_SECONDS, MARKUP, film_hz, make_archive, serving
from playwright.sync_api import expect
from serving import application, listening_server, write_archive

from vlsa.base.errors import VlsaError
from vlsa.retrieve.search.pieces import split_phrases
from vlsa.retrieve.search.spans import parse_time
from vlsa.retrieve.search.where.evaluate import passes
from vlsa.retrieve.search.where.parse import parse

SHOWN = """video => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 160, height: 96 });
  canvas.getContext("2d", { willReadFrequently: true }).drawImage(video, 0, 0, 160, 96);
  const light = at => canvas.getContext("2d").getImageData(at * 20 + 10, 72, 1, 1).data[1] > 128;
  return [0, 1, 2, 3, 4, 5, 6, 7].reduce((sum, bit) => sum + (light(bit) ? 1 << bit : 0), 0);
}"""
"""The number of the frame that a film shows (media_files.py, numbered)."""

ADDRESSES = ("/", "/?q=ferry", "/?q=fog&group=file", "/?view=collections", "/?view=map", "/?view=state")
COLOURS = """canvas => {
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return [...new Set(new Uint32Array(pixels.buffer))];
}"""


def time_or_none(text: str) -> float | None:
    """As the command reads it."""
    try:
        return parse_time(text)
    except VlsaError:
        return None


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return make_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def server(index):
    with serving(index) as server:
        yield server


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser, server):
    with clean_page(browser, server.address) as page:
        yield page


def test_words_find_the_film_in_which_they_are_said_and_the_page_says_why(page):
    search(page, "ferry")
    assert names(page)[0] == "film-0.mp4"
    expect(page.locator("[aria-busy]")).to_have_count(0)  # or a screen reader would go on waiting
    first = page.locator("article.card").first
    expect(first.locator(".said")).to_contain_text("the ferry leaves the harbour")
    expect(first.locator(".why")).to_contain_text("By words that occur alone this is first")
    expect(first.locator("img")).to_have_js_property("complete", True)
    assert first.locator("img").evaluate("image => image.naturalWidth") > 0


def test_the_page_reads_quotation_marks_as_the_command_does(page):
    page.goto("/")
    asked = [
        'say "open the door" twice',
        "„Guten Tag“ “so” «la» “ja”",
        "”hej”då »hej« »då»",
        "彼は「おはよう」と『本』 ＂x＂",
    ]
    read = "async text => Object.values((await import('/static/question.js')).splitPhrases(text))"
    for text in asked:
        words, phrases = page.evaluate(read, text)
        assert (words, tuple(phrases)) == split_phrases(text)


def test_a_dropped_sound_finds_the_film_that_sounds_so(page, index):
    drop(page, index.parent / "asked.wav", "audio/wav")
    assert names(page)[0] == "film-2.mp4"


def test_a_stretch_of_a_dropped_sound_is_asked_with_alone_and_is_in_the_address(page, tmp_path):
    halves = np.concatenate([tone(3, hz=film_hz(number)) for number in (2, 5)])
    drop(page, write_media(tmp_path / "halves.wav", sound=halves, audio_codec="pcm_s16le"), "audio/wav")

    def ask(start: str, stop: str) -> None:
        page.get_by_role("button", name="Stretch of sound halves.wav").click()
        page.get_by_role("textbox", name="Start of sound halves.wav").fill(start)
        page.get_by_role("textbox", name="End of sound halves.wav").fill(stop)
        page.keyboard.press("Enter")

    stretch = page.locator(".chip .stretch")
    expect(stretch).to_have_text("all of it")
    ask("3.25", "0:05,5")
    expect(stretch).to_have_text("0:03.25–0:05.5")
    until(lambda: names(page)[:1] == ["film-5.mp4"])
    assert "@3.25-5.5~halves.wav" in page.evaluate("decodeURIComponent(location.search)")
    page.reload()
    expect(stretch).to_have_text("0:03.25–0:05.5")
    ask("", "2.5")
    until(lambda: names(page)[:1] == ["film-2.mp4"])
    ask("5", "4")
    assert page.locator(".popup input:invalid").count() == 1  # told at the field, and not asked
    page.keyboard.press("Escape")
    expect(stretch).to_have_text("0:00–0:02.5")
    ask("", "")
    expect(stretch).to_have_text("all of it")
    assert "@" not in page.evaluate("decodeURIComponent(location.search)")


WHERE = """async filters => {
  const { newQuestion, toApi } = await import("/static/question.js");
  const columns = filters.map(({ column }) => ({ name: column, kind: "text" }));
  return toApi({ ...newQuestion(), words: "fog", filters }, { columns }).where;
}"""


def test_filters_of_the_page_name_any_column(page):
    page.goto("/")
    names = ["like", "In", 'a"b', "Größe", "metadata.language", "camera model", "null"]
    where = page.evaluate(WHERE, [{"column": name, "values": ["it's", "b"]} for name in names])
    assert passes(parse(where, dict.fromkeys(names, "text")), dict.fromkeys(names, "it's"))
    named = ["has_x", "folder", "file.folder", "metadata.folder"]  # as of a metadata.csv with two such columns
    where = page.evaluate(WHERE, [{"column": name, "values": ["it's", "b"]} for name in named])
    columns = dict.fromkeys(["has_x", "file.folder", "metadata.folder"], "text")
    assert passes(parse(where, columns), dict.fromkeys(columns, "it's"))


CALLED = """async () => {
  const { day, languageName, recordedAt } = await import("/static/format.js");
  const languages = ["en", "pt-br", "yue", "qaa", "not a language"].map(languageName);
  return [languages, day("2025-03-01"), recordedAt("2025-03-01T02:00:00Z")];
}"""


def test_languages_have_names_and_days_are_those_of_filters_wherever_the_browser_is(browser, server):
    with clean_page(browser, server.address, locale="en-US", timezone_id="America/New_York") as page:
        page.goto("/")
        languages, day, recorded = page.evaluate(CALLED)
    assert languages == ["English", "Brazilian Portuguese", "Cantonese", "qaa", "not a language"]
    assert day == "Mar 1, 2025" and recorded.replace("\u202f", " ") == "Mar 1, 2025, 2:00 AM UTC"


def test_the_top_folder_is_a_filter_as_any_other(page):
    page.goto("/?q=fog")
    folders = page.locator("fieldset", has_text="Folder")
    folders.get_by_label("(top)").check()
    expect(page.get_by_role("list", name="Filters in force")).to_contain_text("(top)")
    until(lambda: {*names(page)} == {"bell.wav", "old.avi"})
    page.reload()
    expect(folders.get_by_label("(top)")).to_be_checked()


def test_a_moment_of_sound_alone_is_asked_with_whatever_counts_how_much(page):
    page.goto("/")
    expect(page.locator(".front")).to_be_visible()
    page.locator(".shelf a", has_text="bell.wav").click()
    page.get_by_role("button", name="Search with it").click()
    expect(cards(page).first).to_be_visible()
    page.locator("summary", has_text="Balance").click()
    with page.expect_request("**/api/search") as asked:
        page.get_by_role("slider", name="Picture").press("Home")
    (part,) = asked.value.post_data_json["question"]["parts"]
    assert part.pop("audio").startswith("index:") and part == {"weight": 1}
    until(lambda: names(page)[:1] == ["bell.wav"])


def test_the_page_reads_times_as_the_command_does(page):
    page.goto("/")
    read = "async text => (await import('/static/stretch.js')).readTime(text)"
    for text in ("75.5", "1:15.5", "0:01:15,5", "1m15.5s", "90s", "1h", "1h2m3s", "99:59", ".5", "1.", "007"):
        assert page.evaluate(read, text) == time_or_none(text)
    for text in ("1:75", "2:99:01", "x", "12:", "1h75m", "-5", "1.2.3", "٣", "1e3", "5-6"):
        assert page.evaluate(read, text) is time_or_none(text) is None


def test_what_the_microphone_hears_is_a_question(browser, server):
    with clean_page(browser, server.address, permissions=["microphone"]) as page:
        page.goto("/")
        record = page.get_by_role("button", name="Record a sound to search with")
        record.click()
        expect(record).to_have_attribute("aria-pressed", "true")
        page.wait_for_timeout(1500)  # it beeps each second
        record.click()
        expect(page.locator(".chip .what")).to_have_text("recording.webm")
        expect(cards(page).first).to_be_visible()


def test_a_dropped_picture_finds_the_film_that_shows_it_and_a_chip_turns_it_round(page, index):
    drop(page, index.parent / "asked.png", "image/png")
    assert names(page)[0] == "film-3.mp4"
    expect(page.locator(".chip canvas.preview")).to_be_visible()
    page.get_by_role("searchbox", name="Words to search for").fill("ferry")
    page.keyboard.press("Enter")
    expect(page.locator(".chip")).to_have_count(2)
    page.get_by_role("button", name="Unlike picture asked.png").click()
    expect(page.locator(".chip.unlike")).to_have_count(1)
    assert "image~-1~" in page.evaluate("decodeURIComponent(location.search)")


def test_a_moment_plays_where_it_is_and_a_click_in_the_sound_or_the_words_seeks(page):
    search(page, "ferry")
    cards(page).first.click()
    video = page.locator(".stage video")
    expect(video).to_be_visible()
    until(lambda: video.evaluate("video => video.currentTime") > 0.3)
    shown = video.evaluate(SHOWN)
    page.get_by_role("button", name=re.compile("fog over the water")).click()
    until(lambda: video.evaluate("video => video.currentTime >= 4 && !video.seeking"))
    assert video.evaluate(SHOWN) >= 38 > shown
    video.evaluate("video => video.pause()")
    strip = page.get_by_role("slider", name="Time in the file")
    box = strip.bounding_box()
    strip.click(position={"x": box["width"] * 0.75, "y": 20})
    until(lambda: abs(video.evaluate("video => video.currentTime") - 0.75 * FILM_SECONDS) < 0.15)
    until(lambda: page.locator(".spectrogram").evaluate("image => image.naturalWidth") > 100)
    assert page.locator(".scrub canvas").evaluate(
        "one => one.getContext('2d').getImageData(0, 0, one.width, one.height).data.some(value => value > 0)"
    )


def test_a_card_plays_while_it_is_pointed_at(page):
    search(page, "ferry")
    cards(page).first.hover()
    expect(page.locator("a[data-card].playing video")).to_have_count(1)
    assert page.locator("a[data-card] video").evaluate("video => video.muted")
    page.get_by_role("searchbox", name="Words to search for").hover()
    expect(page.locator("a[data-card] video")).to_have_count(0)


def test_filters_keep_what_they_say_and_show_counts(page):
    search(page, "fog")
    camera = page.locator("fieldset", has_text="camera")
    expect(camera.locator("label", has_text="FX3")).to_contain_text("3")
    camera.get_by_label("FX3").check()
    expect(page.get_by_role("list", name="Filters in force")).to_contain_text("FX3")
    assert set(names(page)) <= {f"film-{number}.mp4" for number in (3, 4, 5)}
    page.get_by_role("button", name="Remove the filter camera").click()
    page.locator("fieldset", has_text="Folder").get_by_label("harbour").check()
    expect(page.get_by_role("list", name="Filters in force")).to_contain_text("harbour")
    assert set(page.locator(".card .named small").all_text_contents()) == {"harbour"}


def test_picture_sound_and_words_count_as_much_as_the_sliders_say(page):
    search(page, "ferry")
    page.locator("summary", has_text="Balance").click()
    with page.expect_request("**/api/search") as asked:
        page.get_by_role("slider", name="Sound").press("Home")
    parts = asked.value.post_data_json["question"]["parts"]
    assert parts == [{"text": "ferry", "weight": 1, "in": "video"}, {"text": "ferry", "weight": 1, "in": "text"}]
    expect(cards(page).first).to_be_visible()
    assert "mix=1%2C0%2C1" in page.url


def test_what_files_say_is_shown_as_text_and_never_as_markup(page):
    search(page, "fog")
    page.get_by_role("link", name=re.compile("film-3.mp4")).first.click()
    expect(page.locator(".facts")).to_contain_text(MARKUP)
    assert page.locator("img[src=x]").count() == 0


def test_the_address_holds_the_question_and_back_and_forward_lead_through_it(page, browser, server):
    search(page, "ferry")
    page.get_by_role("button", name="Files", exact=True).click()
    expect(page.locator(".file-group").first).to_be_visible()
    expect(page.locator(".timeline a").first).to_be_visible()
    shared = page.evaluate("location.pathname + location.search")
    cards(page).first.click()
    expect(page.locator(".stage")).to_be_visible()
    page.go_back()
    expect(page.locator(".file-group").first).to_be_visible()
    page.go_back()
    expect(page.locator(".file-group")).to_have_count(0)
    expect(cards(page).first).to_be_visible()
    page.go_back()
    expect(page.locator(".front")).to_be_visible()
    page.go_forward()
    expect(page.get_by_role("searchbox", name="Words to search for")).to_have_value("ferry")
    with clean_page(browser, server.address) as other:
        other.goto(shared)
        expect(other.locator(".file-group h3").first).to_have_text("film-0.mp4")


def test_the_keyboard_alone_searches_plays_opens_and_goes_back(page):
    page.goto("/")
    expect(page.locator(".front")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("fog")
    page.keyboard.press("Enter")
    expect(cards(page).first).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(cards(page).nth(0)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(cards(page).nth(1)).to_be_focused()
    page.keyboard.press(" ")
    expect(page.locator("a[data-card].playing")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("a[data-card].playing")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.locator(".stage")).to_be_visible()
    page.keyboard.press("Escape")
    expect(cards(page).nth(1)).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Words to search for")).to_be_focused()


def test_a_question_that_cannot_be_asked_says_so(browser, server):
    with pytest.raises(AssertionError, match="400"), clean_page(browser, server.address) as page:
        page.goto("/?q=qqqq")
        expect(page.get_by_role("alert")).to_contain_text("has no word that this model knows")


def test_what_a_browser_cannot_play_is_converted_while_it_plays(page):
    page.goto("/")
    page.get_by_role("link", name=re.compile("old.avi")).click()
    video = page.locator(".stage video")
    until(lambda: video.evaluate("video => video.currentTime") > 0.3)
    expect(page.locator(".controls .note")).to_contain_text("converted while it plays")
    page.get_by_role("slider", name="Time in the file").click(position={"x": 600, "y": 20})
    until(lambda: video.evaluate("video => video.readyState > 2 && !video.seeking"))
    assert video.evaluate(SHOWN) > 30


def test_what_is_kept_survives_a_kill_of_the_server_and_is_exported_as_clips(page, server, tmp_path):
    search(page, "ferry")
    page.get_by_role("button", name="Keep film-0.mp4 in a collection").first.click()
    page.get_by_label("Name of a new collection").fill("For the trailer")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("Kept in For the trailer")).to_be_visible()
    page.goto("about:blank")
    server.kill()
    server.start()
    page.goto("/?view=collections")
    page.get_by_role("link", name=re.compile("For the trailer")).click()
    note = page.get_by_label("Note to film-0.mp4")
    note.fill("the first shot")
    with page.expect_response(lambda answer: answer.request.method == "PATCH"):
        note.blur()
    page.reload()
    expect(page.get_by_label("Note to film-0.mp4")).to_have_value("the first shot")
    page.locator("summary", has_text="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Cut clips").click()
    download.value.save_as(tmp_path / "clips.zip")
    with zipfile.ZipFile(tmp_path / "clips.zip") as clips:
        name = next(name for name in clips.namelist() if name.endswith(".mp4"))
        clips.extract(name, tmp_path)
    with av.open(str(tmp_path / name)) as clip:
        assert next(clip.decode(video=0)).width == 160 and clip.streams.audio
    page.get_by_role("button", name="Delete this collection").click()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_label("Note to film-0.mp4")).to_have_value("the first shot")


def test_the_map_shows_every_window_and_plays_what_is_chosen(page):
    page.goto("/?view=map")
    canvas = page.get_by_role("img", name=re.compile("Map of"))
    expect(canvas).to_be_visible(timeout=120_000)  # a process of its own lays it out
    until(lambda: len(canvas.evaluate(COLOURS)) > 2)
    canvas.press("Enter")
    expect(page.locator(".map-side a[data-card]")).to_have_count(1)
    page.get_by_role("button", name="Lasso").click()
    box = canvas.bounding_box()
    across, down = box["width"] - 12, box["height"] - 12
    page.mouse.move(box["x"] + 12, box["y"] + 12)  # not in the round corner
    page.mouse.down()
    for x, y in ((across, 12), (across, down), (12, down)):
        page.mouse.move(box["x"] + x, box["y"] + y)
    page.mouse.up()
    shown = page.get_by_role("heading", name="Map").locator("xpath=following-sibling::small").inner_text()
    expect(page.locator(".map-side strong").first).to_have_text(shown)
    page.get_by_role("searchbox", name="Colour by the score of these words").fill("fog")
    page.keyboard.press("Enter")
    expect(page.get_by_role("list", name="Colours")).to_contain_text("most like the question")


def test_a_map_that_could_not_be_made_says_why_and_is_made_when_one_tries_again(page):
    failed = {"index": "index", "status": "failed", "progress": 0.0, "problem": "its process ended early"}
    page.route("**/api/map/*", lambda route: route.fulfill(json=failed))
    page.goto("/?view=map")
    expect(page.locator(".empty")).to_contain_text("its process ended early")
    with page.expect_request(lambda request: request.method == "POST" and "/api/map/" in request.url):
        page.get_by_role("button", name="Try again").click()


@pytest.mark.parametrize(
    ("address", "scheme"),
    [*((address, "light") for address in (*ADDRESSES, "MOMENT")), ("/?q=ferry", "dark"), ("MOMENT", "dark")],
)
def test_axe_finds_nothing_serious(page, address, scheme):
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    if address == "MOMENT":
        search(page, "ferry")
        cards(page).first.click()
    else:
        page.goto(address)
    settle(page)
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in serious] == []


def test_a_phone_shows_everything_without_scrolling_sideways(page):
    page.set_viewport_size(PHONE)
    for address in ADDRESSES:
        page.goto(address)
        settle(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], address
    expect(page.get_by_role("navigation", name="Views")).to_be_in_viewport()


def test_dark_follows_the_system_until_another_choice_is_made_and_remembered(page):
    colour = "getComputedStyle(document.body).backgroundColor"
    page.goto("/")
    light = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(colour)
    assert dark != light
    page.get_by_role("button", name="Switch between light and dark").click()
    assert page.evaluate(colour) == light
    page.reload()
    assert page.evaluate(colour) == light


TOKEN = "correct-horse-battery-staple"
ASK_FROM_ELSEWHERE = """address => fetch(`${address}/api/search`, {
  method: "POST", mode: "no-cors", credentials: "include", headers: { "Content-Type": "text/plain" }, body: "{}",
}).catch(() => null)"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """The address of a server with a token."""
    with listening_server(application(write_archive(tmp_path_factory.mktemp("guarded")), token=TOKEN)) as address:
        yield address


def test_the_token_opens_the_page_and_keeps_it_open_and_another_does_not(browser, guarded):
    with clean_page(browser, guarded) as page:
        page.goto("/?view=state")
        expect(page).to_have_url(f"{guarded}/login?view=state")
        page.get_by_label("Token").fill("correct-horse-battery-stapler")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("not the token of this server")
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Sign in").click()
        expect(page).to_have_url(re.compile(r"/\?view=state#?$"))  # what was asked for
        page.goto("/")
        expect(page.locator(".front .shelf li").first).to_be_visible()
        page.reload()
        expect(page.locator(".front .shelf li").first).to_be_visible()
        assert page.evaluate("document.cookie") == ""  # no script can read it
        search(page, "number 3")
    with pytest.raises(AssertionError, match="401"), clean_page(browser, guarded) as page:
        page.context.add_cookies([{"name": "vlsa_8765", "value": "0" * 64, "url": guarded}])
        page.goto("/static/icon.svg")
        assert page.evaluate("fetch('/api/indexes').then(answer => answer.status)") == 401


@pytest.fixture
def elsewhere(tmp_path):
    """The address of a page of somebody else."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{other.server_port}"
        other.shutdown()


def test_a_page_of_another_origin_is_refused_though_its_browser_has_the_cookie(browser, guarded, elsewhere):
    with clean_page(browser, guarded) as page:
        page.goto("/login")
        page.get_by_label("Token").fill(TOKEN)
        page.keyboard.press("Enter")
        expect(page.locator(".front .shelf li").first).to_be_visible()
        other = page.context.new_page()
        other.goto(elsewhere)
        assert other.evaluate(ASK_FROM_ELSEWHERE, guarded) is None
        assert 'route="none",status="403"} 1.0' in page.request.get("/metrics").text()
