"""Subtitles that count frames, tenths or milliseconds: MicroDVD, MPL2, SAMI; images of text that look like them."""

from pathlib import Path

import pytest

from tests.media_files import grey, tone, write_media
from tests.subtitles import read_subtitles
from vlsa.base.errors import CaptionError
from vlsa.data.ingest.scan import scan
from vlsa.data.media.subtitles import TimedText, read_subtitle_file

STYLES = """<STYLE TYPE="text/css"><!--
P { margin-left: 8pt; text-align: center; }
.KRCC { Name: Korean; lang: ko-KR; SAMIType: CC; }
.ENCC { Name: English; lang: en-US; SAMIType: CC; }
--></STYLE>"""


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def sami(body: str, styles: str = STYLES) -> str:
    return f"<SAMI>\r\n<HEAD><TITLE>cats</TITLE>{styles}</HEAD>\r\n<BODY>\r\n{body}\r\n</BODY></SAMI>\r\n"


def test_backslash_codes_of_substation_are_spaces_in_other_files_too(tmp_path: Path):
    text = "00:00:01,000 --> 00:00:02,000\n{}\n"
    spoken = r"a\hdoor\Nshuts\nand\h\h opens: C:\new\home, \\server\new, A:\Now; he said:\Nyes"
    expected = r"a door shuts and opens: C:\new\home, \\server\new, A:\Now; he said: yes"
    assert read_subtitles(write(tmp_path / "a.srt", text.format(spoken))) == [TimedText(1, 2, expected)]
    assert read_subtitles(write(tmp_path / "a.vtt", f"WEBVTT\n\n{text.format(spoken)}".replace(",000", ".000"))) == [
        TimedText(1, 2, expected)
    ]


@pytest.mark.parametrize("head", ["{1}{1}25.000\n", "{0}{0}25 fps\n", "\ufeff{1}{1}25,0\r\n", "{1}{}25\n"])
def test_microdvd_counts_frames_at_the_rate_that_it_names(tmp_path: Path, head: str):
    text = f"{head}{{25}}{{50}}{{y:i}}a bell|{{c:$0000ff}}/rings {{sic}}\n{{100}}{{}}end\n{{125}}{{150}}25\n"
    path = write(tmp_path / "a.sub", text)
    expected = [TimedText(1, 2, "a bell rings {sic}"), TimedText(4, 5, "end"), TimedText(5, 6, "25")]
    assert read_subtitles(path) == expected
    assert list(read_subtitle_file(path, frames_per_second=10.0).cues) == expected


def test_microdvd_without_a_rate_counts_frames_of_the_film(tmp_path: Path):
    path = write(tmp_path / "a.sub", "{24}{48}a bell\n\nnot a cue\n{72}{96}24\n")
    found = read_subtitle_file(path, frames_per_second=24.0)
    assert found.cues == (TimedText(1, 2, "a bell"), TimedText(3, 4, "24")) and found.num_skipped == 1
    with pytest.raises(CaptionError, match=r"a\.sub: counts frames, .*\{1\}\{1\}25"):
        read_subtitles(path)


def test_mpl2_counts_tenths_of_seconds(tmp_path: Path):
    assert read_subtitles(write(tmp_path / "a.sub", "[10][25]/a bell|/rings\n[30][]end\n")) == [
        TimedText(1, 2.5, "a bell rings"), TimedText(3, 13, "end")
    ]  # fmt: skip


def test_subviewer_in_a_sub_file_is_read(tmp_path: Path):
    text = "[INFORMATION]\n[TITLE]cats\n[END INFORMATION]\n[SUBTITLE]\n00:00:01.50,00:00:02.75\na bell[br]rings\n\n"
    assert read_subtitles(write(tmp_path / "a.sub", text)) == [TimedText(1.5, 2.75, "a bell rings")]


def test_sami_shows_a_text_from_its_sync_to_the_next_and_blanks_end_it(tmp_path: Path):
    body = (
        "<SYNC Start=1500><P Class=ENCC>a bell<br>rings &amp;\nrings<!-- loud -->\n"
        '<SYNC Start="2750"><P Class=ENCC>&nbsp;\n'
        "<sync start='16000ms'><p class=encc><i>a door</i><BR/>shuts</p></sync>\n"
        "<SYNC Start=31000><P Class=ENCC>end"
    )
    assert read_subtitles(write(tmp_path / "a.smi", sami(body))) == [
        TimedText(1.5, 2.75, "a bell rings & rings"), TimedText(16, 31, "a door shuts"), TimedText(31, 41, "end")
    ]  # fmt: skip


BOTH = (
    "<SYNC Start=1000><P Class=KRCC>종이 울린다\n<SYNC Start=2000><P Class=KRCC>&nbsp;\n"
    "<SYNC Start=5000><P Class=KRCC>고양이\n<SYNC Start=7000><P Class=KRCC>&nbsp;\n"
    "<SYNC Start=1000><P Class=ENCC>a bell rings\n<SYNC Start=3000><P Class=ENCC>&nbsp\n"
)


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        (None, [TimedText(1, 3, "a bell rings")]),
        ("eng", [TimedText(1, 3, "a bell rings")]),
        ("ko", [TimedText(1, 2, "종이 울린다"), TimedText(5, 7, "고양이")]),
        ("fr", [TimedText(1, 3, "a bell rings")]),
    ],
)
def test_of_the_languages_of_a_sami_file_one_is_read_and_the_others_are_named(
    tmp_path: Path, language: str | None, texts: list[TimedText]
):
    path = write(tmp_path / "a.smi", sami(BOTH))
    found = read_subtitle_file(path, language=language)
    other = "en-us" if language == "ko" else "ko-kr"
    assert list(found.cues) == texts
    ((reason, message),) = found.remarks(path)
    assert reason == "sidecar" and message.endswith(f"and not {other}.")


def test_sami_of_one_language_is_read_whatever_its_encoding_and_styles(tmp_path: Path):
    one = "".join(BOTH.splitlines(keepends=True)[:4])
    found = read_subtitle_file(write(tmp_path / "a.smi", sami(one, ""), "cp949"))
    assert [cue.text for cue in found.cues] == ["종이 울린다", "고양이"]
    assert [reason for reason, _ in found.remarks("a.smi")] == ["encoding"]


def test_a_sami_text_without_a_time_is_counted(tmp_path: Path):
    found = read_subtitle_file(
        write(tmp_path / "a.smi", "<SYNC Start=x><P>lost\n<SYNC Start=-500><P>a\n<SYNC Start=900><P>")
    )
    assert found.cues == (TimedText(0, 0.9, "a"),) and found.num_skipped == 1


def test_files_of_these_kinds_give_a_folder_its_texts_and_images_of_text_are_named(tmp_path: Path):
    write_media(tmp_path / "cat.mp4", pictures=[grey(90)] * 100, frames_per_second=10)
    write(tmp_path / "cat.sub", "{10}{30}a cat\n")
    write_media(tmp_path / "dog.mp4", pictures=[grey(90)] * 100, frames_per_second=10)
    (tmp_path / "dog.sub").write_bytes(b"\0\0\1\xba" + bytes(2044))
    write(tmp_path / "dog.idx", "# VobSub index file, v7\n")
    write(tmp_path / "dog.en.srt", "00:00:01,000 --> 00:00:02,000\na dog\n")
    write_media(tmp_path / "fox.wav", sound=tone(8), audio_codec="pcm_s16le")
    write(tmp_path / "fox.ko.smi", sami(BOTH))
    write_media(tmp_path / "owl.wav", sound=tone(8), audio_codec="pcm_s16le")
    write(tmp_path / "owl.sub", "{10}{30}an owl\n")
    rows, rejections = scan(tmp_path, num_workers=0)
    found = {(Path(row.path).name, row.start_seconds, row.stop_seconds): row.texts for row in rows if row.texts}
    assert found == {
        ("cat.mp4", 1, 3): ("a cat",),
        ("dog.mp4", 1, 2): ("a dog",),
        ("fox.wav", 1, 2): ("종이 울린다",),
        ("fox.wav", 5, 7): ("고양이",),
    }
    told = {one.id: (one.reason, one.message) for one in rejections}
    assert told.keys() == {"dog.mp4", "fox.wav", "owl.wav"}
    assert told["dog.mp4"][0] == "sidecar" and "dog.sub: not read; its text is images" in told["dog.mp4"][1]
    assert told["fox.wav"][0] == "sidecar" and told["owl.wav"][0] == "captions"
