"""Subtitle files as converters, editors and web pages spoil them: no word is lost, and no markup becomes one."""

from pathlib import Path

import pytest

from tests.subtitles import read_subtitles
from vlsa.base.errors import CaptionError
from vlsa.data.media.subtitles import read_subtitle_file

VTT = "WEBVTT\n\n00:01.000 --> 00:02.500\na bell\nrings\n\nNOTE nobody\n\n00:03.000 --> 00:04.000\na dog\n"
SRT = "1\n00:00:01,000 --> 00:00:02,500\na bell\nrings\n\n2\n00:00:03,000 --> 00:00:04,000\na dog\n"


def read(path: Path, data: str | bytes) -> list[tuple[float, float, str]]:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return [(cue.start_seconds, cue.stop_seconds, cue.text) for cue in read_subtitles(path)]


@pytest.mark.parametrize("line_end", ["\r\n", "\r", "\r\r\n", "\r\r\r\n"])
@pytest.mark.parametrize(("name", "text"), [("a.vtt", VTT), ("a.srt", SRT)])
def test_carriage_returns_of_a_file_that_was_converted_twice_are_no_empty_lines(tmp_path, name, text, line_end):
    assert read(tmp_path / name, text.replace("\n", line_end)) == [(1, 2.5, "a bell rings"), (3, 4, "a dog")]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("&lt;i&gt;a bell&lt;/i&gt;", "a bell"),
        ("&lt;font color=&quot;#fff&quot;&gt;a bell&lt;/font&gt;", "a bell"),
        ("it&amp;#39;s a bell &amp;amp; a dog", "it's a bell & a dog"),
        ("the tag &lt;i&gt; and &lt;/b&gt;", "the tag <i> and </b>"),
        ("a &lt; b &gt; c, 1 &lt; 2", "a < b > c, 1 < 2"),
        ("&amp;lt;3 bells", "<3 bells"),
    ],
)
def test_markup_and_references_that_are_written_as_references_are_not_said(tmp_path, written, said):
    assert read(tmp_path / "a.srt", SRT.replace("a dog", written))[1][2] == said


@pytest.mark.parametrize(("colon", "comma"), [("\uff1a", "\uff0c"), ("\uff1a", ","), (":", "\uff0e")])
def test_wide_colons_and_commas_in_times_are_read(tmp_path, colon, comma):
    wide = SRT.replace(":", colon).replace(",", comma)
    assert read(tmp_path / "a.srt", wide) == [(1, 2.5, "a bell rings"), (3, 4, "a dog")]


def test_where_no_time_can_be_read_the_error_says_so_and_how_many(tmp_path):
    (tmp_path / "a.srt").write_text(SRT.replace(",000", ":00").replace(",500", ":12"))
    with pytest.raises(CaptionError, match=r"no cue with text; 2 have a timing that cannot be read \(00:00:01,500 -->"):
        read_subtitles(tmp_path / "a.srt")


def test_some_western_bytes_in_a_file_of_utf8_cost_no_other_letter(tmp_path):
    path = tmp_path / "a.srt"
    found = read(
        path,
        SRT.replace("rings", "läutet über").encode() + "\n3\n00:00:05,000 --> 00:00:06,000\nnaïve\n".encode("cp1252"),
    )
    assert [text for _, _, text in found] == ["a bell läutet über", "a dog", "naïve"]
    assert read_subtitle_file(path).guessed == "utf-8 with cp1252 in places"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "le garçon où est l'été, déjà vu"),
        ("cp1251", "колокол громко звонит Сегодня"),
        ("gb18030", "联通的人们在这里说话很大声"),
        ("cp932", "鐘が大きな音で鳴っています"),
        ("cp949", "종소리가 크게 울립니다 오늘"),
        ("cp1253", "η καμπάνα χτυπά δυνατά"),
        ("big5", "鐘聲很響亮今天的人們"),
    ],
)
def test_text_of_other_encodings_is_not_taken_for_spoilt_utf8(tmp_path, encoding, text):
    path = tmp_path / "a.srt"
    path.write_bytes(SRT.replace("rings", text).encode(encoding))
    guessed = read_subtitle_file(path)
    assert "utf-8" not in guessed.guessed and guessed.cues[0].text == f"a bell {text}"
