"""Subtitle files and caption tables: what is read, and what is refused in one line that names the place."""

import json
import re
from pathlib import Path

import pytest

from tests.subtitles import read_subtitles
from vlsa.base.errors import CaptionError
from vlsa.data.ingest.captions import CaptionRow, read_caption_table
from vlsa.data.media.subtitles import TimedText, clean_substation, clean_text, read_subtitle_file

SRT = """1
00:00:01,500 --> 00:00:02,750
<i>A bell</i> rings &amp; rings,
twice

2
00:01:00,000 --> 00:01:02,000
{\\an8}Größe
"""
VTT = """WEBVTT - a title

NOTE nothing to see

00:01.500 --> 00:02.750 align:start position:10%
<v Ann>A bell <c.loud>rings</c> &amp; rings,
twice

later
00:01:00.000 --> 00:01:02.000
Größe
"""
CUES = [TimedText(1.5, 2.75, "A bell rings & rings, twice"), TimedText(60.0, 62.0, "Größe")]
HEADER = "path,start_seconds,stop_seconds,text"


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


UNSEEN = ["\u200b", "&lrm;", "\ufeff \u200d"]


def message_of(call: object, path: Path) -> str:
    """The message of the CaptionError that a call raises: one line that begins with the file."""
    with pytest.raises(CaptionError) as caught:
        call(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message
    return message


@pytest.mark.parametrize(("name", "text"), [("a.srt", SRT), ("a.vtt", VTT), ("A.SRT", SRT)])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_cues_are_read_without_markup(tmp_path: Path, name: str, text: str, encoding: str, line_end: str):
    path = write(tmp_path / name, text.replace("\n", line_end).encode(encoding))
    assert read_subtitles(path) == CUES


def test_big_endian_utf_16_is_told_by_its_mark(tmp_path: Path):
    assert read_subtitles(write(tmp_path / "a.srt", b"\xfe\xff" + SRT.encode("utf-16-be"))) == CUES


def test_text_of_windows_programs_is_read_and_said_to_be_a_guess(tmp_path: Path):
    text = "1\n00:00:01,000 --> 00:00:02,000\ncaf\u00e9 \u201copen\u201d\n"
    found = read_subtitle_file(write(tmp_path / "a.srt", text.encode("cp1252")))
    assert found.cues == (TimedText(1.0, 2.0, "caf\u00e9 \u201copen\u201d"),)
    ((reason, message),) = found.remarks("a.srt")
    assert reason == "encoding" and "cp1252" in message


def test_bytes_of_no_encoding_are_refused_with_the_place_and_the_remedy(tmp_path: Path):
    data = SRT.replace("Gr\u00f6\u00dfe", "x").encode() + b"\x81\x8d"
    message = message_of(read_subtitles, write(tmp_path / "a.srt", data))
    assert f"byte {data.index(0x81)} " in message and ".srt:9:" in message
    assert "UTF-8" in message and f"iconv -f CP1252 -t UTF-8 {tmp_path / 'a.srt'}" in message


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_told_by_its_zeros(tmp_path: Path, encoding: str):
    assert read_subtitles(write(tmp_path / "a.srt", SRT.encode(encoding))) == CUES
    holes = SRT.encode().replace(b"1", b"\0").replace(b"2", b"\0\0")
    assert "UTF-16LE" in message_of(read_subtitles, write(tmp_path / "holes.srt", holes))


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("cp1251", "\u041f\u0440\u0438\u0432\u0435\u0442, \u043a\u0430\u043a \u0434\u0435\u043b\u0430?"),
        ("cp932", "\u3053\u3093\u306b\u3061\u306f\u3001\u732b\u304c\u5f3e\u3044\u3066\u3044\u308b"),
        ("gb18030", "\u4f60\u597d\uff0c\u4e00\u53ea\u732b\u5728\u5f39\u94a2\u7434"),
        ("cp1252", "O\u00f9 est-il pass\u00e9\u00a0? \u00c7a va, \u00e0 bient\u00f4t"),
    ],
)
def test_text_in_other_scripts_is_not_read_as_latin_letters(tmp_path: Path, encoding: str, words: str):
    text = "".join(f"{k}\n00:00:0{k},000 --> 00:00:0{k},900\n{words}\n\n" for k in range(1, 6))
    found = read_subtitle_file(write(tmp_path / "a.srt", text.encode(encoding)))
    assert {cue.text for cue in found.cues} == {" ".join(words.split())} and found.guessed == encoding


def test_half_a_utf_16_character_is_refused(tmp_path: Path):
    assert "UTF-16" in message_of(read_subtitles, write(tmp_path / "a.srt", SRT.encode("utf-16")[:-1]))


def test_cues_that_nobody_can_see_are_left_out(tmp_path: Path):
    text = (
        "1\n00:00:05,000 --> 00:00:06,000\nlast\n\n"
        "2\n00:00:03,000 --> 00:00:03,000\nno time\n\n"
        "3\n00:00:04,000 --> 00:00:03,000\nbackwards\n\n"
        "4\n00:00:01,000 --> 00:00:02,000\n<i> </i>\n\n"
        "5\n00:00:01,000 --> 00:00:02,000\nfirst\n"
    )
    assert [cue.text for cue in read_subtitles(write(tmp_path / "a.srt", text))] == ["first", "last"]


@pytest.mark.parametrize("text", ["", "just some words\n", "1\n00:00:01,000 --> 00:00:02,000\n\n"])
@pytest.mark.parametrize("name", ["a.srt", "a.vtt"])
def test_a_file_without_cues_is_refused(tmp_path: Path, name: str, text: str):
    message_of(read_subtitles, write(tmp_path / name, text))


def test_numbers_notes_and_styles_around_webvtt_cues_are_not_their_words(tmp_path: Path):
    text = (
        "WEBVTT\n\nSTYLE\n::cue { color: red }\n\n7\n00:01.000 --> 00:02.000\ncounting to\n42\n\n"
        "NOTE\na remark\n\n00:03.000 --> 00:04.000\n99\n\nNOTE the end"
    )
    assert [cue.text for cue in read_subtitles(write(tmp_path / "a.vtt", text))] == ["counting to 42", "99"]


BROKEN = "1\n00:00:0x,000 --> 00:00:04,000\n{}\n"


@pytest.mark.parametrize("text", [BROKEN.format("b") + "\n" + SRT, SRT + "\n" + BROKEN.format("b")])
def test_a_broken_timing_costs_its_own_cue_alone_and_is_counted(tmp_path: Path, text: str):
    found = read_subtitle_file(write(tmp_path / "a.srt", text))
    assert list(found.cues) == CUES and found.num_skipped == 1
    assert [reason for reason, _ in found.remarks("a.srt")] == ["cues"]


def test_a_time_before_the_start_is_the_start(tmp_path: Path):
    text = "1\n-00:00:01,000 --> 00:00:02,000\na\n\n2\n00:00:03,000 --> 00:00:04,000\nb\n"
    assert read_subtitles(write(tmp_path / "a.srt", text)) == [TimedText(0.0, 2.0, "a"), TimedText(3.0, 4.0, "b")]


AUTOMATIC = """WEBVTT
Kind: captions

00:00:01.000 --> 00:00:02.000 align:start position:0%
 
the<00:00:01.200><c> bell</c><00:00:01.600><c> rings</c>

00:00:01.990 --> 00:00:02.000 align:start position:0%
the bell rings
 

00:00:02.000 --> 00:00:04.000 align:start position:0%
the bell rings
twice<00:00:02.300><c> and</c>

00:00:03.990 --> 00:00:04.000 align:start position:0%
twice and
 

00:00:04.000 --> 00:00:06.000 align:start position:0%
twice and
stops
"""


def test_every_word_of_automatic_captions_comes_once_and_at_its_time(tmp_path: Path):
    expected = [TimedText(1, 2, "the bell rings"), TimedText(2, 4, "twice and"), TimedText(4, 6, "stops")]
    assert read_subtitles(write(tmp_path / "a.vtt", AUTOMATIC)) == expected
    plain = re.sub(r"<[^>]*>", "", AUTOMATIC)  # as a converter to SubRip leaves them
    cues = re.findall(r"(\S+ --> \S+).*\n((?:.+\n)+)", plain)
    srt = "".join(f"{number}\n{timing.replace('.', ',')}\n{text}\n" for number, (timing, text) in enumerate(cues, 1))
    assert read_subtitles(write(tmp_path / "a.srt", srt)) == expected


def test_words_of_cues_with_word_times_stay_where_lines_hold_a_space(tmp_path: Path):
    text = (
        "WEBVTT\n\n00:01.000 --> 00:02.000\nthe<00:00:01.200><c> bell</c><00:00:01.600><c> rings</c>\n\n"
        "00:03.000 --> 00:04.000\n \na door shuts\n\n00:05.000 --> 00:06.000\nend\n"
    )
    assert read_subtitles(write(tmp_path / "k.vtt", text)) == [
        TimedText(1, 2, "the bell rings"),
        TimedText(3, 4, "a door shuts"),
        TimedText(5, 6, "end"),
    ]


def test_the_same_words_said_again_are_said_again(tmp_path: Path):
    cues = [(1, "no"), (2, "no"), (4, "yes"), (6, "yes")]
    text = "".join(f"{k}\n00:00:0{k},000 --> 00:00:0{k + 1},000\n{word}\n\n" for k, word in cues)
    assert [cue.text for cue in read_subtitles(write(tmp_path / "a.srt", text))] == ["no", "no", "yes", "yes"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.vtt", "WEBVTT\n\n00:01.500 --> 00:02.750\nleft --&gt; right\n"),
        ("a.srt", "1\n00:00:01,500 --> 00:00:02,750\nleft --> right\n"),
        ("b.vtt", "1\n00:00:01,500 --> 00:00:02,750\nleft --> right\n"),
        ("b.srt", "1\r00:00:01,500 --> 00:00:02,750\rleft --> right\r"),
        ("c.srt", "WEBVTT\n\n1\n00:01.500 --> 00:02.750 line:0\nleft -->\nright\n"),
        (
            "a.ass",
            "[Script Info]\nScriptType: v4.00+\n\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, "
            "MarginV, Effect, Text\n"
            "Dialogue: 0,0:00:01.50,0:00:02.75,Default,,0,0,0,,{\\p1}m 0 0 l 9 0 9 9{\\p0}left --> right\n",
        ),
    ],
)
def test_subtitles_are_read_by_what_they_are_and_not_by_their_name(tmp_path: Path, name: str, text: str):
    assert read_subtitles(write(tmp_path / name, text)) == [TimedText(1.5, 2.75, "left --> right")]


def test_only_webvtt_has_cues_with_names_so_that_subrip_without_numbers_loses_no_line(tmp_path: Path):
    cues = "00:00:01,000 --> 00:00:02,000\nfirst\n\nsecond\n00:00:03,000 --> 00:00:04,000\nthird\n\nfourth\n"
    expected = [TimedText(1, 2, "first second"), TimedText(3, 4, "third fourth")]
    assert read_subtitles(write(tmp_path / "a.srt", cues)) == expected
    named = [TimedText(1, 2, "first"), TimedText(3, 4, "third")]
    assert read_subtitles(write(tmp_path / "a.vtt", f"WEBVTT\n\n{cues}".replace(",", "."))) == named


def test_commands_of_a_drawing_are_no_words():
    assert clean_text(r"{\p1}m 0 0 l 9 0 9 9{\p0}a lorry") == "a lorry"
    assert clean_text(r"a {\an8\p2}m 0 0 l 9 0") == "a"


@pytest.mark.parametrize("head", ["[script info]\n[events]\n", ";" * 3000 + "\n[Script Info]\n[Events]\n", ""])
def test_a_substation_file_is_known_by_its_cues(tmp_path: Path, head: str):
    path = write(tmp_path / "a.ass", f"{head}Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{{note}}one\\ntwo\n")
    assert read_subtitles(path) == [TimedText(1, 2, "one two")]


def test_marks_that_nobody_sees_are_no_text(tmp_path: Path):
    text = "".join(f"00:00:0{k},000 --> 00:00:0{k},900\n{words}\n\n" for k, words in enumerate([*UNSEEN, " a\u200bb "]))
    assert [cue.text for cue in read_subtitles(write(tmp_path / "a.srt", text))] == ["ab"]
    table = write(tmp_path / "captions.csv", f"{HEADER}\na.mp4,0,1,{UNSEEN[0]}\n")
    assert "is not a text" in message_of(read_caption_table, table)
    persian = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    assert clean_text(persian) == persian


def test_other_files_are_refused(tmp_path: Path):
    assert ".srt" in message_of(read_subtitles, write(tmp_path / "a.txt", SRT))
    assert "No such file" in message_of(read_subtitles, tmp_path / "missing.srt")
    assert ".csv" in message_of(read_caption_table, write(tmp_path / "a.tsv", HEADER))
    assert "No such file" in message_of(read_caption_table, tmp_path / "missing.csv")


def test_markup_goes_and_words_stay():
    assert clean_substation("{\\i1}a{\\i0}\\Nb\\hc{a comment}") == "a b c"
    assert clean_text("{*\\pos(1,2)}a<br>b<BR />c <span class=x>d</span> <em>e</em>\\Nf") == "a b c d e f"
    assert clean_text("{\\an8}C:\\new and C:\\New <cough>") == "C:\\new and C:\\New <cough>"
    assert clean_text('<font color="#ff0000">red</font> <b>bold</b>') == "red bold"
    assert clean_text("<00:01.500>la <00:00:02.000><c>la</c>") == "la la"
    assert clean_text("1 < 2 > 0, {no code}, &lt;i&gt;") == "1 < 2 > 0, {no code}, <i>"
    assert clean_text("<ruby>\u6f22<rt>kan</rt>\u5b57<rt.small>ji</ruby> <ruby>a<rp>(</rp><rt>b</rt><rp>)</rp>") == (
        "\u6f22\u5b57 a"
    )
    assert clean_text("a <rt>b") == "a b" and clean_text("a</rp> b</rt> c") == "a b c"
    assert clean_text(" \n ") == ""


def test_a_csv_table_is_read_by_its_header(tmp_path: Path):
    text = (
        "\ufeffText, Path ,stop_seconds,start_seconds,colour,split,id\r\n"
        '"a dog barks, twice\r\nand then ""stops""",a b.mp4,3.5,0,red,train,one\r\n'
        "\r\n"
        "a cat,b.mp4,,,blue,,\r\n"
    )
    assert read_caption_table(write(tmp_path / "captions.csv", text)) == [
        CaptionRow("a b.mp4", 0.0, 3.5, 'a dog barks, twice and then "stops"', "train", 2, "one"),
        CaptionRow("b.mp4", None, None, "a cat", None, 5, None),
    ]


def test_a_jsonl_table_is_read_line_by_line(tmp_path: Path):
    text = (
        '{"path": "a.mp4", "start_seconds": 0, "stop_seconds": 3.5, "text": "one\\ntwo", "split": "test", "x": [1]}\n\n'
        '{"path": "a.mp4", "start_seconds": null, "stop_seconds": null, "text": "\u2028three"}\n'
    )
    assert read_caption_table(write(tmp_path / "captions.jsonl", text)) == [
        CaptionRow("a.mp4", 0.0, 3.5, "one two", "test", 1),
        CaptionRow("a.mp4", None, None, "three", None, 3),
    ]


def test_several_captions_of_one_clip_stay_several_rows(tmp_path: Path):
    rows = read_caption_table(write(tmp_path / "c.csv", f"{HEADER}\na.mp4,0,1,one\na.mp4,0,1,two\n"))
    assert [row.text for row in rows] == ["one", "two"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            "path,start,stop_seconds,text\na.mp4,0,1,x\n",
            (":1:", "no start_seconds", "path, start, stop_seconds, text", HEADER),
        ),
        ("root:x:0:0:root:/root:/bin/bash\n", (":1:", "found: none of them", HEADER)),
        ("", (":1:", "found: none", HEADER)),
        (f"{HEADER}\n", ("no rows",)),
        (f"{HEADER}\na.mp4,0,1,one\na.mp4,0,1,a dog, loud\n", (":3:", "5 values for 4 columns", "quotes")),
        (f"{HEADER}\na.mp4,0,1\n", (":2:", "3 values for 4 columns")),
        (f"{HEADER}\na.mp4,0,soon,x\n", (":2:", "stop_seconds='soon'")),
        (f"{HEADER}\na.mp4,00:00:61,2,x\n", (":2:", "start_seconds='00:00:61'")),
        (f"{HEADER}\na.mp4,-1,2,x\n", (":2:", "start_seconds='-1'")),
        (f"{HEADER}\na.mp4,nan,2,x\n", (":2:", "only stop_seconds")),
        ("path,start,text\na.mp4,0,x\n", (":1:", "no start_seconds, stop_seconds")),
        (f"{HEADER}\na.mp4,0,inf,x\n", (":2:", "stop_seconds='inf'")),
        (f"{HEADER},text\na.mp4,0,2,x,y\n", (":1:", "two columns are named text")),
        (f"{HEADER}\na.mp4,2,,x\n", (":2:", "only start_seconds")),
        (f"{HEADER}\na.mp4,,2,x\n", (":2:", "only stop_seconds")),
        (f"{HEADER}\na.mp4,0,1, \n", (":2:", "text=")),
        (f"{HEADER}\n,0,1,x\n", (":2:", "path=")),
        (f"{HEADER}\na.mp4,soon,1,x\nb.mp4,0,1,x\nc.mp4,0,late,x\n", (":2:", "'soon'", "Also line 4: ", "'late'")),
        (f"{HEADER},split\na.mp4,0,1,x,dev\n", (":2:", "split='dev'", "train, val, test")),
        (f'{HEADER}\na.mp4,0,1,"never closed\n', (":2:", "quotes")),
        (f"{HEADER}\na.mp4,0,1,caf\xe9\n".encode("latin-1"), (":2:", "byte 50", "iconv -f CP1252")),
    ],
)
def test_a_csv_that_would_mislead_is_refused_at_its_line(tmp_path: Path, lines: str | bytes, expected: tuple[str, ...]):
    message = message_of(read_caption_table, write(tmp_path / "captions.csv", lines))
    for part in expected:
        assert part in message, message


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{'path': 'a.mp4'}", (":2:", "not JSON")),
        ("[1, 2]", (":2:", "not a JSON object")),
        ('{"path": "a.mp4", "text": "x"}', (":2:", "no start_seconds, stop_seconds", "path, text")),
        ('{"path": "a.mp4", "start_seconds": true, "stop_seconds": 2, "text": "x"}', (":2:", "start_seconds=True")),
        ('{"path": "a.mp4", "start_seconds": [0], "stop_seconds": 2, "text": "x"}', (":2:", "start_seconds=[0]")),
        ('{"path": "a.mp4", "start_seconds": 0, "stop_seconds": 2, "text": 7}', (":2:", "text=7")),
    ],
)
def test_a_jsonl_that_would_mislead_is_refused_at_its_line(tmp_path: Path, line: str, expected: tuple[str, ...]):
    good = '{"path": "a.mp4", "start_seconds": 0, "stop_seconds": 2, "text": "x"}'
    message = message_of(read_caption_table, write(tmp_path / "captions.jsonl", f"{good}\n{line}\n"))
    for part in expected:
        assert part in message, message


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ("[" * 100_000, "not JSON"),
        ('{"path": "a.mp4", "start_seconds": ' + "9" * 5000, "not JSON"),
        ('{"path": "a.mp4", "start_seconds": 0, "stop_seconds": ' + "9" * 400 + ', "text": "x"}', "not a time"),
        ('{"path": "a.mp4", "start_seconds": 0, "stop_seconds": 1, "text": "x \\ud800"}', "half a character"),
        ('{"path": "a\\ud800", "start_seconds": 0, "stop_seconds": 1, "text": "x"}', "half a character"),
    ],
)
def test_json_that_no_reader_takes_is_one_line(tmp_path: Path, record: str, says: str):
    assert says in message_of(read_caption_table, write(tmp_path / "captions.jsonl", record + "\n"))


def test_a_name_that_is_not_utf_8_may_be_captioned(tmp_path: Path):
    record = '{"path": "a\\udcff.mp4", "start_seconds": 0, "stop_seconds": 1, "text": "x"}\n'
    assert read_caption_table(write(tmp_path / "captions.jsonl", record))[0].path == "a\udcff.mp4"


SPREADSHEET = (
    "Path;Start_seconds;Stop_seconds;Text;\ncat.mp4;0,5;0:02;\u201ca, b\u201d;\n;;;;\nsub\\dog.mp4;1:00:01,5;3603;c;\n"
)


@pytest.mark.parametrize(
    "data",
    [
        SPREADSHEET.encode("utf-8-sig"),
        SPREADSHEET.replace(";", "\t").encode("utf-16"),
        SPREADSHEET.replace("\n", "\r\n").encode(),
        SPREADSHEET.replace(";", "|").encode(),
    ],
)
def test_tables_are_read_as_spreadsheets_write_them(tmp_path: Path, data: bytes):
    """Semicolons, tabs, UTF-16, decimal commas, clock times, empty rows and columns."""
    assert read_caption_table(write(tmp_path / "captions.csv", data)) == [
        CaptionRow("cat.mp4", 0.5, 2.0, "\u201ca, b\u201d", None, 2),
        CaptionRow("sub\\dog.mp4", 3601.5, 3603.0, "c", None, 4),
    ]


def test_the_line_that_announces_the_separator_is_no_header(tmp_path: Path):
    rows = read_caption_table(write(tmp_path / "captions.csv", f"sep=;\r\n{SPREADSHEET}"))
    assert [(row.path, row.line_number) for row in rows] == [("cat.mp4", 3), ("sub\\dog.mp4", 5)]


def times_of(tmp_path: Path, table: str, name: str = "captions.csv") -> list[tuple[float | None, float | None]]:
    return [(row.start_seconds, row.stop_seconds) for row in read_caption_table(write(tmp_path / name, table))]


def test_a_comma_is_what_the_other_times_of_the_table_say(tmp_path: Path):
    """Half of the world writes 1,234 for a thousand and more, the other half for one and a quarter."""
    thousands = f'{HEADER}\na.mp4,998.5,999.25,x\na.mp4,"1,234","1,240",y\na.mp4,"1,234.5","1,240.25",z\n'
    assert times_of(tmp_path, thousands) == [(998.5, 999.25), (1234, 1240), (1234.5, 1240.25)]
    decimals = f'{HEADER}\na.mp4,"0,5","1,25",x\na.mp4,"1,234","1,240",y\n'
    assert times_of(tmp_path, decimals) == [(0.5, 1.25), (1.234, 1.24)]
    semicolons = f"{HEADER.replace(',', ';')}\na.mp4;1,234;1,240;x\na.mp4;998,5;1.234,5;y\n"
    assert times_of(tmp_path, semicolons) == [(1.234, 1.24), (998.5, 1234.5)]
    clock = f'{HEADER}\na.mp4,"0:02,5","1,250",x\n'.replace("0:02,5", "0:00,5")
    assert times_of(tmp_path, clock) == [(0.5, 1.25)]


def test_a_comma_that_nothing_explains_is_refused(tmp_path: Path):
    table = f'{HEADER}\na.mp4,"1,234","2,345",x\n'
    message = message_of(read_caption_table, write(tmp_path / "captions.csv", table))
    assert "captions.csv:2: start_seconds='1,234' may be thousands of seconds, or decimals" in message
    mixed = f'{HEADER}\na.mp4,"0,5",1.5,x\na.mp4,"1,234","2,345",y\n'
    assert ":3: start_seconds='1,234' may be" in message_of(read_caption_table, write(tmp_path / "captions.csv", mixed))


def test_a_table_of_files_and_texts_alone_is_about_whole_files(tmp_path: Path):
    assert times_of(tmp_path, "path,text\na.mp4,a cat\nb.mp4,a dog\n") == [(None, None), (None, None)]
    rows = read_caption_table(write(tmp_path / "captions.csv", "Text;Path;Split\na cat;a.mp4;test\n"))
    assert rows == [CaptionRow("a.mp4", None, None, "a cat", "test", 2)]


def test_times_that_pandas_has_for_none_are_the_whole_file(tmp_path: Path):
    assert times_of(tmp_path, f"{HEADER}\na.mp4,NaN,nan,x\n") == [(None, None)]
    line = '{"path": "a.mp4", "start_seconds": NaN, "stop_seconds": NaN, "text": "x"}\n'
    assert times_of(tmp_path, line, "captions.jsonl") == [(None, None)]


@pytest.mark.parametrize("none", ["NaN", "None", "null", "NULL", " "])
def test_what_programs_write_for_no_value_is_none(tmp_path: Path, none: str):
    table = f"{HEADER},split,id\na.mp4,{none},{none},x,{none},\n"
    assert read_caption_table(write(tmp_path / "a.csv", table)) == [CaptionRow("a.mp4", None, None, "x", None, 2)]
    line = '{"path": "a.mp4", "start_seconds": NaN, "stop_seconds": null, "text": "x", "split": NaN, "id": NaN}\n'
    assert read_caption_table(write(tmp_path / "a.jsonl", line)) == [CaptionRow("a.mp4", None, None, "x", None, 1)]


def test_an_id_may_be_a_number_and_any_word(tmp_path: Path):
    line = '{"path": "a.mp4", "start_seconds": 0, "stop_seconds": 1, "text": "x", "id": 7}\n'
    assert read_caption_table(write(tmp_path / "a.jsonl", line))[0].id == "7"
    assert read_caption_table(write(tmp_path / "a.csv", f"{HEADER},id\na.mp4,0,1,x,None\n"))[0].id == "None"


def test_a_table_with_a_blank_after_each_comma_may_have_quotes_there(tmp_path: Path):
    spaced = 'path, start_seconds, stop_seconds, text\r\na.mp4, 0, 1, "a dog, ""loud"""\r\nb.mp4, 0, 1, a cat\r\n'
    assert [row.text for row in read_caption_table(write(tmp_path / "a.csv", spaced))] == ['a dog, "loud"', "a cat"]
    plain = f'{HEADER}\na.mp4,0,1, "stop" he says\n'
    assert [row.text for row in read_caption_table(write(tmp_path / "b.csv", plain))] == ['"stop" he says']


def test_seconds_may_have_their_unit(tmp_path: Path):
    assert times_of(tmp_path, f'{HEADER}\na.mp4,0.5s,"1,25 s",x\na.mp4,2sec,3 seconds,x\n') == [(0.5, 1.25), (2, 3)]


def test_lines_of_files_and_texts_alone_are_about_whole_files(tmp_path: Path):
    lines = '{"path": "a.mp4", "text": "a cat", "split": "val"}\n{"path": "b.mp4", "text": "a dog"}\n'
    assert times_of(tmp_path, lines, "captions.jsonl") == [(None, None), (None, None)]
    mixed = lines + '{"path": "c.mp4", "text": "x", "start": 1}\n'
    assert ":1: no start_seconds" in message_of(read_caption_table, write(tmp_path / "captions.jsonl", mixed))


def test_quotes_in_a_table_with_tabs_may_be_those_of_the_text(tmp_path: Path):
    table = f'{HEADER}\na.mp4,0,1,"Hi" he says\nb.mp4,0,1,a "cat\n'.replace(",", "\t")
    rows = read_caption_table(write(tmp_path / "captions.csv", table))
    assert [row.text for row in rows] == ['"Hi" he says', 'a "cat']
    quoted = f'{HEADER}\na.mp4,0,1,"a, b ""c"""\n'.replace(",", "\t")
    assert read_caption_table(write(tmp_path / "captions.csv", quoted))[0].text == 'a b "c"'


def test_an_object_may_have_a_list_of_texts(tmp_path: Path):
    lines = [
        {"path": "a.mp4", "start_seconds": 0, "stop_seconds": 2, "text": ["a cat", "one cat"]},
        {"path": "a.mp4", "start_seconds": 2, "stop_seconds": 4, "text": "a dog"},
    ]
    rows = read_caption_table(write(tmp_path / "captions.jsonl", "\n".join(map(json.dumps, lines))))
    assert [(row.start_seconds, row.text, row.line_number) for row in rows] == [
        (0, "a cat", 1), (0, "one cat", 1), (2, "a dog", 2)
    ]  # fmt: skip
    for texts in ([], ["a", 5], [["a"]], ["a", ""]):
        line = json.dumps({**lines[0], "text": texts})
        assert "is not a text" in message_of(read_caption_table, write(tmp_path / "captions.jsonl", line))


def test_splits_are_read_in_capital_letters_and_a_text_that_is_not_a_number_is_none(tmp_path: Path):
    table = f"{HEADER},split\na.mp4,0,1,x,Train\na.mp4,1,2,y,TEST\na.mp4,2,3,nana,\n"
    assert [row.split for row in read_caption_table(write(tmp_path / "captions.csv", table))] == ["train", "test", None]
    message = message_of(read_caption_table, write(tmp_path / "captions.csv", f"{HEADER}\na.mp4,0,1,nan\n"))
    assert ":2: text='nan' is not a text" in message
