"""Screenshots of the page for the documents: each view in light and dark, and on a phone.

Why: documents that show an old page mislead. What is shown is the index that is named; look at each image afterwards.

Run: python bench/page_images.py INDEX [--words "a metal ball swings against a post"] [--out docs/images]
It serves the index at 127.0.0.1 with a folder of its own for what people keep, keeps some moments there in a
collection, and drives a Chromium that is installed. Needs playwright and the extra `serve`.
"""

import argparse
import contextlib
import json
import math
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
PHONE_GAP_PX = 48
START_SECONDS, PATIENCE_SECONDS = 300.0, 300.0
NUM_KEPT = 6
COLLECTION, NOTES = "For the trailer", ("opening shot", "", "only the sound of this one", "", "", "closes the scene")
SCHEMES = ("light", "dark")
LOADED = """() => {
  const images = [...document.querySelectorAll("main img")];
  const seen = images.filter(image => image.getBoundingClientRect().top < innerHeight);
  return !document.querySelector(".skeleton, [aria-busy=true]") && seen.every(image => image.complete);
}"""

STOP_LATER = """() => {
  const player = document.querySelector(".stage video, .stage audio");
  player.pause();
  player.currentTime += 1;
}"""


@contextlib.contextmanager
def served(index: Path) -> Iterator[str]:
    """The address of `vlsa serve` of an index, which is ended afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as state:
        command = [sys.executable, "-m", "vlsa.cli", "serve", str(index), "--port", str(port), "--state", state]
        server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            _wait(f"http://127.0.0.1:{port}", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


def _wait(address: str, server: "subprocess.Popen[bytes]") -> None:
    give_up = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < give_up:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(f"{address}/health", timeout=5)
            return
        time.sleep(0.2)
    raise SystemExit("page_images: the server did not start; `vlsa serve INDEX` says why.")


def ask(address: str, path: str, body: Any = None) -> Any:
    """The JSON of a route; a body is posted."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{address}{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
        return json.load(answer)


def prepare(address: str, words: str) -> str:
    """Keep the first moments of the answer in a collection, and make the map; the id of the collection."""
    name = ask(address, "/api/indexes")["indexes"][0]["name"]
    question = {"index": name, "question": {"parts": [{"text": words}], "k": NUM_KEPT}}
    collection = ask(address, "/api/collections", {"name": COLLECTION})["id"]
    for moment, note in zip(ask(address, "/api/search", question)["moments"], NOTES, strict=False):
        ask(address, f"/api/collections/{collection}/moments", {"moment": moment["id"], "note": note})
    ask(address, f"/api/map/{name}", {})
    while ask(address, f"/api/map/{name}")["status"] == "running":
        time.sleep(0.5)
    return collection


def open_first(page: Page) -> None:
    """Open the first moment, and stop within it."""
    page.locator("main a[data-card]").first.click()
    page.wait_for_function("() => document.querySelector('.stage video, .stage audio')?.currentTime > 0.5")
    page.evaluate(STOP_LATER)
    page.wait_for_function("() => !document.querySelector('.stage video, .stage audio').seeking")
    page.wait_for_selector(".similar a[data-card]")
    page.wait_for_function("() => document.querySelector('.spectrogram').naturalWidth > 0")


def draw_lasso(page: Page) -> None:
    """Draw around a part of the map."""
    page.get_by_role("button", name="Lasso").click()
    box = page.locator(".canvases").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] * 0.42, box["y"] + box["height"] * 0.3
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(30):
        page.mouse.move(x + 90 * math.sin(step / 5), y + 70 - 70 * math.cos(step / 5))
    page.mouse.up()
    page.wait_for_selector(".map-side a[data-card]")


def colour_map(page: Page) -> None:
    """Colour the map by a question."""
    page.get_by_role("searchbox", name="Colour by").fill("swings on a rope")
    page.keyboard.press("Enter")
    page.get_by_text("most like the question").wait_for()


def shoot(page: Page, address: str, path: Path, act: Callable[[Page], None] | None = None) -> None:
    """One image of an address, after something is done there."""
    page.goto(address)
    page.wait_for_selector("main a[data-card], main .panel, main canvas, main .shelf li")
    if act is not None:
        act(page)
    page.wait_for_function(LOADED)
    page.screenshot(path=path)
    print(path, file=sys.stderr)


def new_page(browser: Browser, scheme: str, viewport: dict[str, int]) -> Page:
    """A page without what moves."""
    page = browser.new_context(viewport=viewport, color_scheme=scheme, reduced_motion="reduce").new_page()
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    return page


def on_a_phone(browser: Browser, address: str, question: str, out: Path) -> None:
    """Three views side by side."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number}.png") for number in range(3)]
        dark, light = (new_page(browser, scheme, PHONE) for scheme in ("dark", "light"))
        shoot(dark, address + question, paths[0])
        shoot(dark, address + question, paths[1], open_first)
        shoot(light, address, paths[2])
        side = Image.new("RGB", (3 * PHONE["width"] + 2 * PHONE_GAP_PX, PHONE["height"]), "white")
        for number, path in enumerate(paths):
            side.paste(Image.open(path), (number * (PHONE["width"] + PHONE_GAP_PX), 0))
    side.save(out / "page-phone.png")


def shoot_all(browser: Browser, address: str, collection: str, words: str, out: Path) -> None:
    """Every view in light and dark."""
    question = "/?" + urlencode({"q": words, "f": "has_video~yes"})
    views: list[tuple[str, str, Callable[[Page], None] | None]] = [
        ("front", "/", None),
        ("search", question, None),
        ("files", f"{question}&group=file", None),
        ("moment", question, open_first),
        ("collections", f"/?view=collections&id={collection}", None),
        ("state", "/?view=state", None),
    ]
    for scheme in SCHEMES:
        page = new_page(browser, scheme, DESKTOP)
        for name, path, act in (*views, ("map", "/?view=map", draw_lasso if scheme == "light" else colour_map)):
            shoot(page, address + path, out / f"page-{name}{'' if scheme == 'light' else '-dark'}.png", act)
    on_a_phone(browser, address, question, out)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make all images."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("index", type=Path)
    parser.add_argument("--words", default="a metal ball swings against a post")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    chosen = parser.parse_args(arguments)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with served(chosen.index) as address, sync_playwright() as playwright:
        collection = prepare(address, chosen.words)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        shoot_all(browser, address, collection, chosen.words, chosen.out)
        browser.close()


if __name__ == "__main__":
    main()
