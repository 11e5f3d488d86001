"""Uploads and the cache on disk: limits, ages, sizes, and files that kill their decoder."""

import io
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fake_encoder import write_numbered_sound
from PIL import Image

from vlsa.base.errors import MediaError
from vlsa.serve.http.problems import TooMuchError, UnknownIdError
from vlsa.serve.http.settings import Limits
from vlsa.serve.media.decoding import LookAt
from vlsa.serve.media.disk_cache import DiskCache
from vlsa.serve.media.uploads import KEPT_SECONDS, Uploads
from vlsa.serve.routes.bodies import shown_name

LIMITS = Limits(upload_bytes=100_000, uploads_bytes=120_000, upload_seconds=3.0, upload_pixels=10_000)


@pytest.fixture
def uploads(tmp_path):
    return Uploads(tmp_path / "uploads", LIMITS, lambda task, name: task.run())


def wave(tmp_path, number, seconds=2.0):
    write_numbered_sound(tmp_path / f"{number}.wav", number, seconds)
    return io.BytesIO((tmp_path / f"{number}.wav").read_bytes())


def test_the_same_bytes_are_one_upload(uploads, tmp_path):
    first, second = uploads.add(wave(tmp_path, 1).read, "a.wav"), uploads.add(wave(tmp_path, 1).read, "b.wav")
    assert first.hex == second.hex and first.path == second.path
    assert uploads.get(first.hex).facts == first.facts


def test_bytes_that_are_there_have_the_name_of_who_sends_them_now(uploads, tmp_path):
    uploads.add(wave(tmp_path, 1).read, "private.wav")
    assert uploads.add(wave(tmp_path, 1).read, "mine.wav").name == "mine.wav"


def test_an_upload_whose_file_is_gone_can_be_sent_again(uploads, tmp_path):
    kept = uploads.add(wave(tmp_path, 1).read, "a.wav")
    kept.path.unlink()
    with pytest.raises(UnknownIdError, match="Send the file again"):
        uploads.get(kept.hex)
    assert uploads.add(wave(tmp_path, 1).read, "a.wav").path.exists()


def test_on_a_full_disk_an_upload_is_one_line_and_leaves_nothing(client, tmp_path, monkeypatch):
    def full(suffix, dir):
        return os.open("/dev/full", os.O_WRONLY), str(tmp_path / f"x{suffix}")

    monkeypatch.setattr(tempfile, "mkstemp", full)
    response = client.post("/api/uploads", files={"file": ("a.wav", wave(tmp_path, 1).read())})
    assert (response.status_code, response.headers["content-type"]) == (507, "application/problem+json")
    assert "No space left on device" in response.json()["detail"] and "/" not in response.json()["detail"]
    assert not (tmp_path / "x.partial").exists()


def test_many_can_be_sent_at_once(uploads, tmp_path):
    sounds = [wave(tmp_path, number, seconds=0.2) for number in range(1, 9)]
    with ThreadPoolExecutor(8) as threads:
        kept = [*threads.map(lambda sound: uploads.add(sound.read, "a.wav"), [*sounds])]
    assert len({one.hex for one in kept}) == 8


def test_too_many_bytes_seconds_and_pixels_are_refused_and_leave_nothing(uploads, tmp_path):
    large, long = io.BytesIO(bytes(LIMITS.upload_bytes + 1)), wave(tmp_path, 2, seconds=4.0)
    wide = io.BytesIO()
    Image.new("L", (200, 200)).save(wide, "PNG")
    with pytest.raises(TooMuchError, match="100,000 bytes"):
        uploads.add(large.read, "a.wav")
    with pytest.raises(TooMuchError, match=r"2\.wav: lasts 4 s"):
        uploads.add(long.read, "2.wav")
    with pytest.raises(MediaError, match=r"b\.png: frames of 0 megapixels"):
        uploads.add(io.BytesIO(wide.getvalue()).read, "b.png")
    assert [*(tmp_path / "uploads").iterdir()] == []


def test_what_is_no_media_is_refused_by_its_own_name(uploads):
    with pytest.raises(MediaError, match=r"^letter\.mp4: not a readable media file"):
        uploads.add(io.BytesIO(b"Dear Sir or Madam").read, "letter.mp4")
    image = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(image, "PNG")
    with pytest.raises(MediaError, match=r"^broken\.png: not a readable image"):
        uploads.add(io.BytesIO(image.getvalue()[:-2000]).read, "broken.png")


def test_a_list_of_other_uploads_is_no_upload(uploads, tmp_path):
    kept = uploads.add(wave(tmp_path, 1).read, "a.wav")
    with pytest.raises(MediaError):
        uploads.add(io.BytesIO(f"ffconcat version 1.0\nfile {kept.path.name}\n".encode()).read, "b.mp4")


def test_the_oldest_go_when_a_day_is_over_or_there_are_too_many(uploads, tmp_path):
    first = uploads.add(wave(tmp_path, 1).read, "a.wav")
    os.utime(first.path, (0, time.time() - KEPT_SECONDS - 10))
    second = uploads.add(wave(tmp_path, 2).read, "a.wav")
    with pytest.raises(UnknownIdError, match="Send the file again"):
        uploads.get(first.hex)
    for number in range(3, 9):  # 32 kB each
        uploads.add(wave(tmp_path, number).read, "a.wav")
    with pytest.raises(UnknownIdError):
        uploads.get(second.hex)
    sizes = [path.stat().st_size for path in (tmp_path / "uploads").glob("*.wav")]
    assert sum(sizes) <= LIMITS.uploads_bytes + 33_000  # what came last is kept in any case


@pytest.mark.parametrize("hex", ["", "..", "../../etc/passwd", "0" * 31, "0" * 32, "É" * 32])
def test_an_id_is_never_a_path(uploads, hex):
    with pytest.raises(UnknownIdError):
        uploads.get(hex)


def test_names_of_senders_are_short_single_lines():
    assert shown_name("C:\\films\\a\nb\x1b.mp4") == "ab.mp4"
    assert shown_name("../../x/é.wav") == "é.wav" and shown_name("/") == "upload" and len(shown_name("a" * 999)) == 200


def test_an_upload_is_looked_at_whatever_its_name(uploads, tmp_path):
    image = io.BytesIO()
    Image.new("RGB", (30, 20)).save(image, "GIF")
    (tmp_path / "a.mp4").write_bytes(image.getvalue())
    assert LookAt(str(tmp_path / "a.mp4"), 10_000).run().kind == "image"


def test_the_cache_gives_what_was_made_and_makes_it_once(tmp_path):
    cache, made = DiskCache(tmp_path, 10_000), []

    def make():
        made.append(1)
        return b"abc"

    assert [cache.get(("a", 1), make) for _ in range(3)] == [b"abc"] * 3 and len(made) == 1
    assert DiskCache(tmp_path, 10_000).get(("a", 1), make) == b"abc" and len(made) == 1  # it stays on disk
    assert (cache.num_hits, cache.num_misses) == (2, 1)


def test_the_cache_stays_within_its_size_and_keeps_what_was_used_last(tmp_path):
    cache = DiskCache(tmp_path, 1000)
    for number in range(9):
        cache.get(number, lambda: bytes(100))
    for number, path in enumerate(sorted(tmp_path.glob("*/*"))):
        os.utime(path, (number, number))
    cache.get(0, lambda: bytes(100))  # is now the last one used
    for number in range(9, 12):
        cache.get(number, lambda: bytes(100))
    assert sum(path.stat().st_size for path in tmp_path.glob("*/*")) == cache.num_bytes <= 1000
    used = cache.num_hits
    cache.get(0, lambda: pytest.fail("it was kept"))
    assert cache.num_hits == used + 1


def test_a_cache_that_cannot_be_written_still_gives(tmp_path):
    (tmp_path / "file").write_text("")
    cache = DiskCache(tmp_path / "file", 1000)
    assert cache.get("a", lambda: b"abc") == b"abc"
