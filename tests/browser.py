"""Debian's Chromium (or another) in tests of the page: one for a module, a clean page for a test, nothing on its console."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--disable-gpu"]
PATIENCE_SECONDS = 30
"""Nothing takes as long on an idle machine."""
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser of this machine; without one the tests are skipped."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser on this machine: install one of {', '.join(NAMES)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=OPTIONS)
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
