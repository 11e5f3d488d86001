"""Kinds of subtitle files beside SubRip and WebVTT: TTML, SubViewer, SubStation with its own columns; odd timings."""

from pathlib import Path

import pytest

from tests.media_files import tone, write_media
from tests.subtitles import read_subtitles
from vlsa.base.errors import CaptionError
from vlsa.data.ingest.scan import scan
from vlsa.data.media.subtitles import TimedText, read_subtitle_file
from vlsa.data.media.ttml import ttml_paragraphs

XML = '<?xml version="1.0" encoding="utf-8"?>\n'
TT = '<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter" xml:lang="en" {}>'


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def document(body: str, parameters: str = "", head: str = "") -> str:
    return f"{XML}{TT.format(parameters)}<head>{head}</head><body>{body}</body></tt>"


def spans(text: str) -> list[tuple[float, float]]:
    return [(pytest.approx(start), pytest.approx(stop)) for start, stop, _ in ttml_paragraphs(text)[0]]


DIALECTS = {
    "today": document(
        '<div><p begin="00:00:01.500" end="00:00:02.750">a bell<br/>rings &amp; <span>rings</span></p></div>'
    ),
    "2006": (
        '<tt xmlns="http://www.w3.org/2006/10/ttaf1"><body><div><p begin="1.5s" dur="1.25s">a bell<br />rings '
        "&amp; rings</p></div></body></tt>"
    ),
    "prefixed": (
        '<!-- by <b>hand</b> -->\n<t:tt xmlns:t="http://www.w3.org/ns/ttml"><t:body><t:div begin="1s">'
        '<t:p begin="500ms" end="1750ms">a bell\n  <t:br/>rings &amp; <t:metadata>no words</t:metadata>rings'
        "</t:p></t:div></t:body></t:tt>"
    ),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", ["a.ttml", "a.dfxp", "a.XML", "a.srt"])
def test_ttml_is_read_whatever_its_dialect_and_name(tmp_path: Path, dialect: str, name: str):
    assert read_subtitles(write(tmp_path / name, DIALECTS[dialect])) == [TimedText(1.5, 2.75, "a bell rings & rings")]


@pytest.mark.parametrize(
    ("parameters", "begin", "end", "expected"),
    [
        ("", "00:01:02.25", "62.5s", (62.25, 62.5)),
        ("", "0.5m", "0.01h", (30, 36)),
        ("", "12.5", "01:02.5", (12.5, 62.5)),
        ("", "00:00:01:500", "00:00:02:015", (1.5, 2.5)),
        ("", "00:00:01:15", "45f", (1.5, 1.5)),
        ('ttp:frameRate="25"', "00:00:01:05", "50f", (1.2, 2)),
        ('ttp:frameRate="24" ttp:frameRateMultiplier="1000 1001"', "24f", "00:00:02:12", (1.001, 2.5005)),
        ('ttp:tickRate="10000000"', "15000000t", "20000000t", (1.5, 2)),
        ('ttp:frameRate="25" ttp:subFrameRate="2"', "50t", "00:00:01:05.1", (1, 1.22)),
        ("", "3t", "4t", (3, 4)),
        ('ttp:timeBase="smpte" ttp:frameRate="25"', "00:00:01:05", "00:00:02:00", (1.2, 2)),
        ('ttp:timeBase="smpte" ttp:frameRateMultiplier="1000 1001"', "00:00:10:00", "00:01:00:00", (10.01, 60.06)),
        (
            'ttp:timeBase="smpte" ttp:frameRateMultiplier="1000 1001" ttp:dropMode="dropNTSC"',
            "00:01:00:02",
            "00:10:00:00",
            (60.06, 599.9994),
        ),
    ],
)
def test_times_of_ttml_are_clocks_offsets_frames_and_ticks(parameters: str, begin: str, end: str, expected: tuple):
    assert spans(document(f'<div><p begin="{begin}" end="{end}">words</p></div>', parameters)) == [expected]


def test_a_programme_of_ttml_that_starts_at_ten_starts_at_zero():
    begins = "<x:documentStartOfProgramme xmlns:x='urn:ebu:tt:metadata'>10:00:00:00</x:documentStartOfProgramme>"
    body = '<div><p begin="10:00:01:05" end="10:00:02:00">words</p></div>'
    parameters = 'ttp:timeBase="smpte" ttp:frameRate="25"'
    assert spans(document(body, parameters, f"<metadata>{begins}</metadata>")) == [(1.2, 2)]


def test_parts_of_ttml_count_from_what_they_are_in():
    par = '<div begin="10s" end="20s"><p begin="1s" end="4s">a</p><p begin="5s">b</p><p end="2s">c</p><p>d</p></div>'
    assert spans(document(par)) == [(10, 12), (10, 20), (11, 14), (15, 20)]
    seq = '<div timeContainer="seq" begin="5s"><p dur="2s">a</p><p begin="1s" dur="3s">b</p><p end="1s">c</p></div>'
    assert spans(document(seq)) == [(5, 7), (8, 11), (11, 12)]


def test_spans_with_times_are_cues_where_their_paragraph_has_none():
    words = '<p{}><span begin="1s" end="2s">a bell</span> <span begin="2s" end="3s">rings</span></p>'
    assert spans(document(f"<div>{words.format('')}</div>")) == [(1, 2), (2, 3)]
    timed = words.format(' begin="0s" end="4s"')
    assert ttml_paragraphs(document(f"<div>{timed}</div>")) == ([(0, 4, ("a bell rings",))], 0)


def test_a_paragraph_of_ttml_without_an_end_is_shown_until_the_next_and_one_without_times_is_counted(tmp_path: Path):
    body = '<div><p begin="1s">a</p><p begin="4s" end="5s">b</p><p>c</p><p begin="soon">d</p><p begin="9s">e</p></div>'
    found = read_subtitle_file(write(tmp_path / "a.ttml", document(body)))
    assert found.cues == (TimedText(1, 4, "a"), TimedText(4, 5, "b")) and found.num_skipped == 3


def test_readings_of_ruby_in_ttml_are_no_words():
    ruby = '<span s:ruby="container"><span s:ruby="base">漢</span><span s:ruby="text">kan</span></span>字'
    body = f'<div xmlns:s="http://www.w3.org/ns/ttml#styling"><p begin="0s" end="1s">{ruby}</p></div>'
    assert ttml_paragraphs(document(body))[0] == [(0, 1, ("漢字",))]


SAYS = '<tt xmlns="http://www.w3.org/ns/ttml"><body><div><p begin="0s" end="1s">{}</p></div></body></tt>'


@pytest.mark.parametrize(
    "text",
    [
        f'{XML}<!DOCTYPE tt [<!ENTITY a "boom"><!ENTITY b "&a;&a;">]>{SAYS.format("&b;")}',
        f'{XML}<!DOCTYPE tt [<!ENTITY x SYSTEM "file:///etc/passwd">]>{SAYS.format("&x;")}',
        document('<div><p begin="0s" end="1s">cut'),
        document("<div>" * 3000 + "</div>" * 3000),
        document('<div><p begin="0s" end="1s">words</p></div>', 'ttp:frameRate="0"'),
        document('<div><p begin="0s" end="1s">words</p></div>', 'ttp:tickRate="nan"'),
        document("<div/>"),
    ],
    ids=["entities", "external", "cut", "deep", "no rate", "no number", "no cue"],
)
def test_ttml_that_cannot_be_read_is_refused_in_one_line(tmp_path: Path, text: str):
    path = write(tmp_path / "a.ttml", text)
    with pytest.raises(CaptionError) as caught:
        read_subtitles(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message and "root:" not in message and "boom" not in message


@pytest.mark.parametrize(
    "text",
    [
        "0:00:01.500,0:00:02.750\na bell\nrings\n\n0:01:00.000,0:01:02.000\n42\n",
        "[INFORMATION]\n[TITLE]no words\n[END INFORMATION]\n[SUBTITLE]\n00:00:01.50,00:00:02.75\na bell[br]rings\n\n"
        "00:01:00.00,00:01:02.00\n42\n\n",
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_subviewer_is_read(tmp_path: Path, text: str, line_end: str):
    path = write(tmp_path / "a.sbv", text.replace("\n", line_end))
    assert read_subtitles(path) == [TimedText(1.5, 2.75, "a bell rings"), TimedText(60, 62, "42")]


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ("Start, End, Text", "0:00:01.50,0:00:02.75,left, then right"),
        ("Layer, End, Start, Style, Text", "0,0:00:02.75,0:00:01.50,Default,left, then right"),
        ("Style,Text,Start,End", "Default,left, then right,0:00:01.50,0:00:02.75"),
        ("Marked, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text",
         "Marked=0, 0:00:01.50 , 0:00:02.75,Default,Ann,0,0,0,,left, then right"),
    ],
)  # fmt: skip
def test_substation_is_read_by_its_format_line(tmp_path: Path, columns: str, line: str):
    styles = "[V4+ Styles]\nFormat: Name, Fontname, Fontsize\nStyle: Default,Arial,twenty\n"
    text = f"[Script Info]\n{styles}\n[Events]\nFormat: {columns}\nComment: {line}\nDialogue: {line}\n"
    assert read_subtitles(write(tmp_path / "a.ass", text)) == [TimedText(1.5, 2.75, "left, then right")]


def test_a_line_of_substation_that_cannot_be_read_costs_itself_alone(tmp_path: Path):
    lines = ["0,0:00:01.00,0:00:02.00", "0,0:0x:01.00,0:00:02.00", "0,-0:00:01.00,0:00:03.00"]
    text = "[Events]\n" + "".join(f"Dialogue: {line},Default,,0,0,0,,{k}\n" for k, line in enumerate(lines))
    found = read_subtitle_file(write(tmp_path / "a.ass", f"{text}Dialogue: 0,0:00:01.00,0:00:02.00,short\n"))
    assert found.cues == (TimedText(0, 3, "2"), TimedText(1, 2, "0")) and found.num_skipped == 2


@pytest.mark.parametrize(
    "timing",
    [
        "00:00:01:500 --> 00:00:02:750", "00:00:01,500 -> 00:00:02,750", "00:00:01,500 --&gt; 00:00:02,750",
        "00:00:01,500 –> 00:00:02,750", "00:00:01,500 → 00:00:02,750", "\u202a00:00:01,500 --> 00:00:02,750\u202c",
        "1 00:00:01,500 --> 00:00:02,750",
    ],
)  # fmt: skip
def test_timings_are_read_as_editors_and_web_pages_spoil_them(tmp_path: Path, timing: str):
    text = f"1\n{timing}\n{{b}}5 -> 6{{/b}} → 7\n\n\ufeff2\n00:00:03,000 --> 00:00:04,000\nend\n"
    expected = [TimedText(1.5, 2.75, "5 -> 6 → 7"), TimedText(3, 4, "end")]
    assert read_subtitles(write(tmp_path / "a.srt", text)) == expected


def test_an_xml_file_is_subtitles_only_if_its_content_is(tmp_path: Path):
    for name in ("cat", "dog", "fox"):
        write_media(tmp_path / f"{name}.wav", sound=tone(3), audio_codec="pcm_s16le")
    write(tmp_path / "cat.xml", document('<div><p begin="0s" end="2s">a cat</p></div>'))
    write(tmp_path / "dog.xml", f"{XML}<NonRealTimeMeta/>")
    (tmp_path / "fox.de.xml").write_bytes(DIALECTS["2006"].encode("utf-16"))
    rows, rejections = scan(tmp_path, num_workers=0)
    assert {Path(row.path).name: row.texts for row in rows} == {
        "cat.wav": ("a cat",), "dog.wav": (), "fox.wav": ("a bell rings & rings",)
    }  # fmt: skip
    assert rejections == []


MANY = 100_000


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.srt", "00:00:01,500 --> 00:00:02,750\n{}left\n".format("{y:" * MANY)),
        ("b.srt", "00:00:01,500 --> 00:00:02,750\n{}left\n".format("{\\" * MANY)),
        ("c.ass", "Dialogue: 0,0:00:01.50,0:00:02.75,Default,,0,0,0,,{}left\n".format("{\\p" * MANY)),
        ("d.srt", "{}\n00:00:01,500 --> 00:00:02,750\nleft\n".format("1" * MANY + "\n" * MANY)),
        ("e.srt", "Dialogue:{}\n00:00:01,500 --> 00:00:02,750\nleft\n".format("1" * MANY)),
    ],
)
def test_marks_without_number_are_read_at_once(tmp_path: Path, name: str, text: str):
    """Each of them would take hours if every mark was looked for to the end of the text."""
    (cue,) = read_subtitles(write(tmp_path / name, text))
    assert (cue.start_seconds, cue.stop_seconds) == (1.5, 2.75) and cue.text.endswith("left")
