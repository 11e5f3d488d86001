"""The page in a browser: searching by words, sounds and pictures, playing, filters, history, keyboard, sizes, colours."""

import base64
import re

import pytest
from browser import PHONE, chromium, clean_page, until
from page_server import FILM_SECONDS, make_archive, serving

pytest.importorskip("playwright")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

DROP = """([name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], name, { type }));
  for (const kind of ["dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: files, bubbles: true, cancelable: true }));
  }
}"""
SHOWN = """video => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 160, height: 96 });
  canvas.getContext("2d", { willReadFrequently: true }).drawImage(video, 0, 0, 160, 96);
  const light = at => canvas.getContext("2d").getImageData(at * 20 + 10, 72, 1, 1).data[1] > 128;
  return [0, 1, 2, 3, 4, 5, 6, 7].reduce((sum, bit) => sum + (light(bit) ? 1 << bit : 0), 0);
}"""
"""The number of the frame that a film shows (media_files.py, numbered)."""


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


def cards(page: Page):
    return page.locator("main a[data-card]")


def names(page: Page) -> list[str]:
    expect(cards(page).first).to_be_visible()
    return page.locator("main .card .named strong").all_text_contents()


def search(page: Page, words: str) -> None:
    page.goto("/")
    page.get_by_role("searchbox", name="Words to search for").fill(words)
    page.keyboard.press("Enter")
    expect(cards(page).first).to_be_visible()


def drop(page: Page, path, kind: str) -> None:
    page.goto("/")
    expect(page.get_by_role("searchbox")).to_be_visible()
    page.evaluate(DROP, [path.name, kind, base64.b64encode(path.read_bytes()).decode()])
    expect(page.locator(".chip .what")).to_have_text(path.name)
    expect(cards(page).first).to_be_visible()


def test_words_find_the_film_in_which_they_are_said_and_the_page_says_why(page):
    search(page, "ferry")
    assert names(page)[0] == "film-0.mp4"
    first = page.locator("article.card").first
    expect(first.locator(".said")).to_contain_text("the ferry leaves the harbour")
    expect(first.locator(".why")).to_contain_text("By words that occur alone this is first")
    expect(first.locator("img")).to_have_js_property("complete", True)
    assert first.locator("img").evaluate("image => image.naturalWidth") > 0


def test_a_dropped_sound_finds_the_film_that_sounds_so(page, index):
    drop(page, index.parent / "asked.wav", "audio/wav")
    assert names(page)[0] == "film-2.mp4"


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", ["/", "/?q=ferry", "/?q=fog&group=file", "/?view=collections", "/?view=state", "MOMENT"])
def test_axe_finds_nothing_serious(page, scheme, address):
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    if address == "MOMENT":
        search(page, "ferry")
        cards(page).first.click()
    else:
        page.goto(address)
    page.wait_for_load_state("networkidle")
    found = Axe().run(page).response["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in serious] == []


def test_a_phone_shows_everything_without_scrolling_sideways(page):
    page.set_viewport_size(PHONE)
    for address in ("/", "/?q=ferry", "/?q=ferry&group=file", "/?view=collections", "/?view=state"):
        page.goto(address)
        page.wait_for_load_state("networkidle")
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
