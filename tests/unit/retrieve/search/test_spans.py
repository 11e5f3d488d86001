"""FILE@START-STOP, and times."""

import pytest

from vlsa.base.errors import VlsaError
from vlsa.retrieve.search.spans import Span, clock, parse_span, parse_time, require_span


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("clip.mp4", Span("clip.mp4")),
        ("clip.mp4@12-15", Span("clip.mp4", 12, 15)),
        ("a/b c.mp4@1:02-1:03:04.5", Span("a/b c.mp4", 62, 3784.5)),
        ("me@home.mp4", Span("me@home.mp4")),
        ("me@home.mp4@0-0.25", Span("me@home.mp4", 0, 0.25)),
        ("odd@1-2@3-4", Span("odd@1-2", 3, 4)),
        ("@1-2", Span("@1-2")),
        ("clip.mp4@-3", Span("clip.mp4@-3")),
        ("a\0b@5", Span("a\0b@5")),
    ],
)
def test_a_stretch_is_read_from_the_end_of_the_text(text, span):
    assert parse_span(text) == span


def test_a_file_whose_whole_name_looks_like_a_stretch_is_that_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse_span("take@1-2") == Span("take", 1, 2)
    (tmp_path / "take@1-2").touch()
    assert parse_span("take@1-2") == Span("take@1-2")
    assert parse_span("take@1-2@5-6") == Span("take@1-2", 5, 6)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("62", 62), ("1:02.5", 62.5), ("1:02,5", 62.5), ("00:01:02,500", 62.5), ("90:00", 5400), ("1h2m", 3720),
        ("1h2m3.5s", 3723.5), ("1h3s", 3603), ("2m", 120), ("90s", 90), ("0,25s", 0.25),
    ],
)  # fmt: skip
def test_times_are_read_as_people_write_them(text, seconds):
    assert parse_time(text) == seconds
    assert parse_span(f"clip.mp4@{text}-2h") == Span("clip.mp4", seconds, 7200)


@pytest.mark.parametrize(
    "rest", ["5", "5-", "-5", "1..2", "1-end", "1–2", " 1 - 2", "1:2:3:4-5", "1m2h-3h", "-1-2", "٣-٤"]
)
def test_what_follows_the_name_of_a_file_and_is_no_stretch_is_one_line(tmp_path, rest):
    (tmp_path / "clip.mp4").touch()
    with pytest.raises(VlsaError, match="is no stretch of .*clip.mp4; what to ask with is not clear") as caught:
        parse_span(f"{tmp_path}/clip.mp4@{rest}")
    assert "\n" not in str(caught.value)
    assert parse_span(f"clip.mp4@{rest}") == Span(f"clip.mp4@{rest}")  # no such file is there
    gone = f"{tmp_path}@home/{rest}.mp4"  # the folder before the sign is there
    assert parse_span(gone) == Span(gone)


@pytest.mark.parametrize("text", ["1h90m", "1m90s", "1h60s", "2h1m60,5s"])
def test_60_and_more_after_a_larger_unit_is_refused(text):
    with pytest.raises(VlsaError, match=f"{text}.*more than 59 after a larger unit"):
        parse_time(text)


@pytest.mark.parametrize("text", ["9" * 400, "9" * 400 + "h", "9" * 400 + ":00", "1000000001"])
def test_a_time_after_the_end_of_any_file_is_refused(text):
    with pytest.raises(VlsaError, match="no time in a file"):
        parse_span(f"clip.mp4@0-{text}")


@pytest.mark.parametrize("text", ["clip.mp4@5-5", "clip.mp4@15-12", "clip.mp4@0:75-2:00"])
def test_a_stretch_that_cannot_be_is_refused(text):
    with pytest.raises(VlsaError, match=r"not after its start|more than 59"):
        parse_span(text)


def test_where_a_stretch_is_needed_a_file_is_refused():
    assert require_span("clip.mp4@1-2") == Span("clip.mp4", 1, 2)
    with pytest.raises(VlsaError, match="names no stretch of a file"):
        require_span("clip.mp4")


def test_times_survive_being_written_and_read():
    assert [clock(seconds) for seconds in (0, 75.5, 3599.9996, 36000.001)] == [
        "0:00:00",
        "0:01:15.5",
        "1:00:00",
        "10:00:00.001",
    ]
    assert all(parse_time(clock(n / 8)) == n / 8 for n in range(0, 100_000, 77))
    assert str(Span("a.mp4", 12, 75.5)) == "a.mp4@0:00:12-0:01:15.5" and str(Span("a.mp4")) == "a.mp4"
    with pytest.raises(VlsaError, match="not a time"):
        parse_time("1.5.2")
