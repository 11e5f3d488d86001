"""A browser in tests of the page: one for a module, a clean page for a test, nothing on its console."""

import base64
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = (
    *("--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),  # a microphone that hears beeps
)
PATIENCE_SECONDS = 30
"""Nothing takes as long on an idle machine."""
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}

DROP = """([name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], name, { type }));
  for (const kind of ["dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: files, bubbles: true, cancelable: true }));
  }
}"""
SETTLED = """() => {
  const main = document.querySelector("main");
  return main.querySelector(".shelf li, article.card:not(.skeleton), .empty, .panel, canvas")
    && !document.querySelector(".skeleton, [aria-busy=true]");
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser of this machine; without one the tests are skipped."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser on this machine: install one of {', '.join(NAMES)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=[*OPTIONS])
        yield browser
        browser.close()


@contextmanager
def clean_page(browser: Browser, address: str, **context: Any) -> Iterator[Page]:
    """A page of a new visitor. Whatever the console says is wrong fails the test at its end."""
    visitor = browser.new_context(base_url=address, viewport=DESKTOP, **context)
    page = visitor.new_page()
    said: list[str] = []
    page.on("console", lambda line: said.append(line.text) if line.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    yield page
    visitor.close()
    assert said == [], said


def until(holds: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> None:
    """Waits until something holds; fails when it does not in that time."""
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up, "it does not hold in time"
        time.sleep(0.05)


def cards(page: Page) -> Locator:
    """The moments that are shown."""
    return page.locator("main a[data-card]")


def names(page: Page) -> list[str]:
    """Of the files of the moments, in order."""
    expect(cards(page).first).to_be_visible()
    return page.locator("main .card .named strong").all_text_contents()


def settle(page: Page) -> None:
    """Waits until what an address shows is there: a view with something in it, and nothing that is still loading."""
    page.wait_for_function(SETTLED)


def search(page: Page, words: str) -> None:
    """As a person does."""
    page.goto("/")
    page.get_by_role("searchbox", name="Words to search for").fill(words)
    page.keyboard.press("Enter")
    expect(cards(page).first).to_be_visible()


def drop(page: Page, path: Path, kind: str) -> None:
    """A file onto the page."""
    page.goto("/")
    expect(page.get_by_role("searchbox")).to_be_visible()
    page.evaluate(DROP, [path.name, kind, base64.b64encode(path.read_bytes()).decode()])
    expect(page.locator(".chip .what")).to_have_text(path.name)
    expect(cards(page).first).to_be_visible()
