"""The page of results: self-contained, links that lead to the files, and everything escaped."""

import base64
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from fake_encoder import FakeEncoder, numbered_clip
from pages import Page

from vlsa.data.loading.loader import MemoryClips
from vlsa.data.media.suffixes import SOUND_SUFFIXES
from vlsa.retrieve.evaluate.evaluate import Evaluation, evaluate_store
from vlsa.retrieve.search.moments import Moment
from vlsa.show.report import SearchShown, write_report

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def hit(path: Path, start_seconds: float, stop_seconds: float, stand_out: float, *texts: str) -> Moment:
    """A moment of one window."""
    times = {"start_seconds": start_seconds, "stop_seconds": stop_seconds}
    best = {f"best_{name}": seconds for name, seconds in times.items()}
    return Moment(rank=1, path=str(path), score=0.9, stand_out=stand_out, texts=texts, **times, **best)


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    clips = [numbered_clip(n, texts=(f"clip {n}",)) for n in range(20)]
    return evaluate_store(FakeEncoder(), MemoryClips({"test": clips}), data="made <store>", num_resamples=20)


@pytest.fixture
def page(tmp_path, evaluation) -> Page:
    media = tmp_path / "media"
    media.mkdir()
    for name in ("a cat & #1.mp4", "ring.wav", "still.png"):
        (media / name).write_bytes(b"x")
    (tmp_path / "curves.png").write_bytes(PIXEL)
    hits = [
        hit(media / "a cat & #1.mp4", 62.5, 65.0, 4.5, "a <b>cat</b>", "second text"),
        hit(media / "ring.wav", 0.0, 2.0, 0.5),
    ]
    searches = [
        SearchShown("text", '<script>alert("x")</script>', hits, note="in sound & picture"),
        SearchShown("audio", str(media / "ring.wav"), hits),
        SearchShown("image", str(media / "still.png"), []),
        SearchShown("video", str(media / "a cat & #1.mp4"), hits[:1]),
    ]
    path = write_report(
        tmp_path / "out" / "report.html",
        [("paper's objective", evaluation), ("with video-text", evaluation)],
        title="A & B",
        curves_png=tmp_path / "curves.png",
        searches=searches,
        files=[("results", tmp_path / "curves.png")],
    )
    assert path == tmp_path / "out" / "report.html"
    return Page(path.read_text(encoding="utf-8"))


def test_the_page_needs_nothing_from_elsewhere(page):
    targets = page.attributes("src") + page.attributes("href")
    assert not [target for target in targets if urlsplit(target).scheme not in ("", "data") or target.startswith("/")]
    assert [a for tag, a in page.found if tag == "script" and a] == []


def test_every_link_leads_to_a_file_from_where_the_page_lies(page, tmp_path):
    links = [link for link in page.attributes("src") + page.attributes("href") if not link.startswith("data:")]
    assert len(links) >= 8
    for link in links:
        assert (tmp_path / "out" / unquote(urlsplit(link).path)).exists(), link


def test_hits_play_their_own_stretch_and_audio_files_get_an_audio_player(page, tmp_path):
    players = [(tag, a) for tag, a in page.found if "data-start" in a]
    tag, cat = players[0]
    assert tag == "video"
    assert cat["src"].endswith("#t=62.500,65.000")
    assert cat["preload"] == "metadata"
    assert (cat["data-start"], cat["data-stop"]) == ("62.500", "65.000")
    assert "controls" in cat
    assert players[1][0] == "audio"
    assert "<span>0:01:02.5–0:01:05.0</span>" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("suffix", sorted(SOUND_SUFFIXES))
def test_every_kind_of_audio_file_gets_an_audio_player(tmp_path, evaluation, suffix):
    hits = [hit(tmp_path / f"ring{suffix.upper()}", 0.0, 1.0, 0.9)]
    written = write_report(tmp_path / "r.html", [("a", evaluation)], searches=[SearchShown("text", "a bell", hits)])
    found = Page(written.read_text(encoding="utf-8")).found
    assert [tag for tag, attributes in found if "data-start" in attributes] == ["audio"]


def test_the_clip_that_a_question_was_taken_from_is_marked_or_said_to_be_missing(tmp_path, evaluation):
    hits = [hit(tmp_path / f"{n}.mp4", 0.0, 1.0, 0.9) for n in range(2)]
    found = SearchShown("text", "a ball", hits, answer=str(tmp_path / "x" / ".." / "1.mp4"))
    missing = SearchShown("text", "a bell", hits, answer=str(tmp_path / "7.mp4"))
    path = write_report(tmp_path / "report.html", [("tiny", evaluation)], searches=[found, missing])
    with_mark, without = path.read_text(encoding="utf-8").split("<section")[1:]
    assert with_mark.count('class="right"') == with_mark.count("source of the query") == 1
    assert with_mark.index("0.mp4") < with_mark.index('class="right"') < with_mark.index("1.mp4")
    assert 'class="right"' not in without
    assert "7.mp4, the source of the query, is not among these" in without


def test_text_of_users_cannot_become_markup(page, tmp_path):
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert" in text
    assert "a &lt;b&gt;cat&lt;/b&gt;" in text
    assert "made &lt;store&gt;" in text
    assert "<title>A &amp; B</title>" in text


def test_a_table_of_twelve_directions_with_chance_stands_for_each_evaluation(page, tmp_path):
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert len(re.findall(r"<tr><td>[\w+]+ → [\w+]+</td>", text)) == 24
    assert text.count("chance 50.0") >= 12
    lowest = 100 * 0.025 ** (1 / 20)  # Clopper and Pearson: all of 20 clips right
    assert f"<small>{lowest:.0f} to 100</small>" in text
    assert "Nothing found" in text
    assert "data:image/png;base64," + base64.b64encode(PIXEL).decode() in text


def test_re_rankings_and_what_is_missing_are_reported_next_to_the_plain_rows(tmp_path):
    clips = [numbered_clip(n, sound=n > 2, texts=(f"clip {n}",)) for n in range(9)]
    found = evaluate_store(FakeEncoder(), MemoryClips({"test": clips}), num_resamples=0, post=["sinkhorn"])
    text = write_report(tmp_path / "report.html", [("tiny", found)]).read_text(encoding="utf-8")
    Page(text)
    assert text.count("<tr><td>text → video</td>") == text.count("<tr><td>text → video, sinkhorn</td>") == 1
    assert "text → audio: 3 more queries lack one of the two sides" in text
    assert text.count("<td>–</td>") == 2 * 10  # R@50 is between text and sound only


def test_a_page_without_searches_curves_or_files_has_no_empty_sections(tmp_path, evaluation):
    text = write_report(tmp_path / "report.html", [("tiny", evaluation)]).read_text(encoding="utf-8")
    Page(text)
    assert re.findall(r"<h2>(.*?)</h2>", text) == ["tiny"]
    assert sorted(entry.name for entry in Path(tmp_path).iterdir()) == ["report.html"]
