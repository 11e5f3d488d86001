"""The contact sheet: what is in the store, readable in any browser without scripts or a network."""

import re

import numpy as np
import pytest
from browser import chromium, clean_page
from command_lines import call
from pages import Page
from stores import scene, write_clips

from vlsa.data.curate.description import describe
from vlsa.data.ingest.manifest import Rejection
from vlsa.show.contact_sheet import sample_clips, wave_path, write_contact_sheet

LEFT_OUT = Rejection("x", "<b>.mp4", 1.0, 4.0, "nothing", "<b>.mp4: nothing in it <script>alert(1)</script>.")
REMARK = Rejection("cat", "cat.mp4", None, None, "cues", "2 cues cannot be read.")


@pytest.fixture
def store(tmp_path):
    clips = [
        scene("a", 1, choices=("deinterlaced",), texts=("<script>alert(1)</script> & more",)),
        scene("b", 2, audio=False, texts=()),
        scene("c", 3, video=False, texts=("one", "two", "three", "four")),
    ]
    return write_clips(tmp_path / "store", clips, test=("c",), rejections=(LEFT_OUT, REMARK))


def test_the_sheet_shows_clips_and_what_was_rejected_and_escapes_all_of_it(store, tmp_path):
    text = write_contact_sheet(tmp_path / "s.html", store, describe(store)).read_text()
    page = Page(re.sub(r"<path [^>]*/>", "", text))
    assert [tag for tag, _ in page.found if tag in ("script", "b", "link")].count("script") == 0
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2
    assert [source[:15] for source in page.attributes("src")] == [
        "data:image/jpeg",
        "data:audio/wav;",
        "data:image/jpeg",
        "data:audio/wav;",
    ]
    for words in ("no video", "no audio", "no text", "and 1 more texts", "deinterlaced", "0:00:01.5", "note: cues"):
        assert words in text
    assert "Rejected: 1" in text
    assert "choose other times, or drop the clip" in text


def test_a_browser_opens_the_sheet_under_its_own_policy_and_runs_nothing(store, tmp_path):
    path = write_contact_sheet(tmp_path / "s.html", store, describe(store))
    with chromium() as browser, clean_page(browser, "") as page:
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def test_the_seed_decides_which_clips_are_drawn_and_they_keep_their_order(store):
    rows = list(store.rows()) * 20
    first = sample_clips(rows, 12, seed=0)
    assert first == sample_clips(rows, 12, seed=0) != sample_clips(rows, 12, seed=1)
    assert [clip.id for clip in sample_clips(store.rows(), 12, seed=0)] == [clip.id for clip in store.rows()]


def test_a_wave_is_as_high_as_the_audio_is_loud():
    path = wave_path(np.concatenate([np.zeros(800), np.ones(800)]).astype(np.float32))
    points = [tuple(map(float, point.split(","))) for point in path[1:-1].split()]
    assert len(points) == 2 * 160
    assert [points[k][1] for k in (0, 159, 160, 319)] == [17.6, 0.0, 36.0, 18.4]
    assert min(x for x, _ in points) == 0.5
    assert max(x for x, _ in points) == 159.5


def test_the_command_writes_a_sheet_of_as_many_clips_as_asked(store, tmp_path):
    done = call(f"vlsa data describe {store.path} --html {tmp_path / 'sheet.html'} --clips 2 --seed 3")
    assert done.exit_code == 0, done.output
    assert "Contact sheet: " in done.stdout
    assert "2 clips, drawn with seed 3" in (tmp_path / "sheet.html").read_text()


def test_a_store_of_rejections_alone_has_a_sheet(tmp_path):
    store = write_clips(tmp_path / "store", [], rejections=(LEFT_OUT,))
    text = write_contact_sheet(tmp_path / "s.html", store, describe(store)).read_text()
    assert "0 clips, drawn with seed 0" in text
