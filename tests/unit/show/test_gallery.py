"""The gallery: one file that needs nothing else, everything escaped, the right answer marked with its rank."""

import base64
import json
import os
import re

import numpy as np
import pytest
from fake_encoder import FakeEncoder, numbered_clip
from pages import Page

from vlsa.base.errors import VlsaError
from vlsa.retrieve.encode.embed import embed_clips
from vlsa.show.compute.ranked_queries import ranked_queries
from vlsa.show.gallery import clip_media, frame_grid, shown_clips, write_gallery

WICKED = '<img src=x onerror="alert(1)"> & "quotes" </script>'


def clips(num_clips: int = 9) -> list:
    kinds = [{}, {"sound": False}, {"picture": False}]
    return [numbered_clip(n, texts=() if n == 3 else (f"clip {n} {WICKED}",), **kinds[n % 3]) for n in range(num_clips)]


@pytest.fixture
def text(tmp_path) -> str:
    made = clips()
    found = ranked_queries(embed_clips(FakeEncoder(), made), num_queries=3, k=3)
    path = write_gallery(tmp_path / "g.html", found, lambda row: clip_media(made[row]), title="A & B", summary="<run>")
    return path.read_text(encoding="utf-8")


def media(text: str) -> dict[str, list[str]]:
    return json.loads(re.search(r'id="media">(.*?)</script>', text)[1])


def test_the_page_is_whole_and_needs_no_network_and_no_other_file(text):
    page = Page(text)
    assert not [a for _, a in page.found if "src" in a]
    links = [a["href"] for tag, a in page.found if "href" in a]
    assert [link for link in links if not link.startswith(("#", "data:"))] == []
    assert "://" not in re.sub(r'id="media">.*?</script>', "", text)
    targets = {a["id"] for _, a in page.found if "id" in a}
    assert {link[1:] for link in links if link.startswith("#")} <= targets


def test_captions_cannot_become_markup(text):
    page = Page(text)
    assert not [a for _, a in page.found if "onerror" in a]
    assert "&lt;img src=x onerror=" in text
    assert "&lt;run&gt;" in text
    assert text.count("</script>") == 2  # the data's and the script's


def test_every_picture_and_player_has_its_clip_in_the_page(text):
    held = media(text)
    shown = [(tag, a["data-clip"]) for tag, a in Page(text).found if "data-clip" in a]
    assert {tag for tag, _ in shown} == {"img", "audio"}
    for tag, clip in shown:
        assert held[clip][0 if tag == "img" else 1].startswith("data:image/jpeg" if tag == "img" else "data:audio/wav")


def test_clips_without_picture_or_sound_say_so(text):
    held = media(text)
    assert held["1"][1] == "" and held["2"][0] == ""
    assert "no audio" in text
    assert "no video" in text


def test_the_right_answer_is_marked_with_its_rank_also_beyond_the_first(tmp_path):
    made = [numbered_clip(n, texts=(f"clip {n}",)) for n in range(9)]
    embeddings = embed_clips(FakeEncoder(), made)
    embeddings.video[:] = np.roll(embeddings.video, 1, axis=0)
    found = [one for one in ranked_queries(embeddings, num_queries=1, k=2) if one.direction == "text_to_video"]
    text = write_gallery(tmp_path / "g.html", found, lambda row: clip_media(made[row]), title="t").read_text()
    cards = re.findall(r'<li class="([^"]*)">.*?<b>(\d+)</b>(.*?)</li>', text)
    assert [kind for kind, _, _ in cards] == ["by-video", "by-video", "right after by-video"]
    assert cards[-1][1] == f"{found[0].rank:g}"
    assert "✓ right" in cards[-1][2]
    assert text.count("✓ right") == 1
    assert f"Ranks of the right result among 9: {found[0].rank:g}." in text


def test_each_clip_is_read_once(tmp_path):
    made = [numbered_clip(n, texts=(f"clip {n}",)) for n in range(6)]
    found, read = ranked_queries(embed_clips(FakeEncoder(), made), num_queries=6, k=6), []

    def media_of(row):
        read.append(row)
        return clip_media(made[row])

    write_gallery(tmp_path / "g.html", found, media_of, title="t")
    assert read == shown_clips(found) == list(range(6))


def test_nothing_to_ask_is_one_line(tmp_path):
    with pytest.raises(VlsaError, match="no clip has two modalities"):
        write_gallery(tmp_path / "g.html", [], clip_media, title="t")


def test_a_sound_in_the_page_is_a_wav_file():
    sound = clip_media(numbered_clip(7)).audio
    assert base64.b64decode(sound.partition(",")[2])[:4] == b"RIFF"


@pytest.mark.parametrize(("num_frames", "height", "width"), [(1, 40, 60), (3, 64, 64), (30, 90, 300)])
def test_four_frames_stand_in_two_rows_with_a_gap(num_frames, height, width):
    frames = np.arange(num_frames, dtype=np.uint8)[:, None, None, None] * np.ones((1, height, width, 3), np.uint8)
    picture = frame_grid(frames)
    size = min(max(width, 96), 160)
    assert picture.shape == (2 * round(size * height / width) + 3, 2 * size + 3, 3)
    assert (picture[:, size : size + 3] == 255).all()
    corners = [int(picture[0, 0, 0]), int(picture[0, -1, 0]), int(picture[-1, 0, 0]), int(picture[-1, -1, 0])]
    assert corners == sorted(corners)
    assert max(corners) < num_frames


def test_data_whose_name_is_not_utf_8_is_shown_with_a_mark(tmp_path):
    found = ranked_queries(embed_clips(FakeEncoder(), clips()), num_queries=1)
    summary = os.fsdecode(b"clips of st\xffre")
    path = write_gallery(tmp_path / "g.html", found, lambda row: clip_media(clips()[row]), title="t", summary=summary)
    assert b"clips of st?re" in path.read_bytes()
