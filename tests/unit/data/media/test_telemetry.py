"""What cameras write as subtitles is not said by anyone: it is no text of a film, and that is reported."""

from pathlib import Path

import pytest

from tests.media_files import grey, write_media
from tests.subtitles import read_subtitles
from vlsa.base.errors import CaptionError
from vlsa.data.ingest.scan import scan
from vlsa.data.media.telemetry import nothing_said

MEASURED = {
    "DJI, 2020 on": (
        "FrameCnt: {n}, DiffTime: 33ms 2024-05-01 12:00:00.033 [iso: 100] [shutter: 1/1000.0] [fnum: 2.8] [ev: 0] "
        "[latitude: 48.137] [longitude: 11.575] [rel_alt: 1.200 abs_alt: 500.100] [ct: 5500]"
    ),
    "DJI Mini": "F/2.8, SS 206.14, ISO 100, EV 0, GPS (11.5750, 48.1370, 17), D {n}.25m, H 6.00m, H.S 0.00m/s",
    "DJI Phantom": "HOME(11.5750,48.1370) 2024.05.01 12:00:0{n} GPS(11.5750,48.1370,17) BAROMETER:6.0",
    "camcorder": "2024-05-01 12:00:0{n}",
    "camcorder of America": "05/01/2024 12:00:0{n} PM",
}


def srt(*texts: str) -> str:
    return "\n".join(f"{n}\n00:00:0{n},000 --> 00:00:0{n + 1},000\n{text}\n" for n, text in enumerate(texts))


@pytest.mark.parametrize("kind", MEASURED)
def test_what_a_camera_measures_is_no_text_of_its_film(tmp_path: Path, kind: str):
    texts = [MEASURED[kind].format(n=n) for n in range(3)]
    write_media(tmp_path / "air.mp4", pictures=[grey(90)] * 100)
    (tmp_path / "air.SRT").write_text(srt(*(f'<font size="28">{text}</font>' for text in texts)))
    cues = [(n, n + 1, text) for n, text in enumerate(texts)]
    write_media(tmp_path / "inside.mp4", pictures=[grey(90)] * 100, cues=cues)
    rows, rejections = scan(tmp_path, num_workers=0)
    assert {Path(row.path).name for row in rows} == {"air.mp4", "inside.mp4"} and not any(row.texts for row in rows)
    assert [(one.id, one.reason) for one in rejections] == [("air.mp4", "captions"), ("inside.mp4", "captions")]
    assert all("a camera measured" in one.message for one in rejections)


def test_words_with_numbers_and_times_among_them_are_text(tmp_path: Path):
    said = ["the home (of the brave)", "it was 2024-05-01 12:00", "2024", "GPS is on", "12:30", "ISO 100"]
    assert not nothing_said(said)
    assert not nothing_said([*said[:2], *[MEASURED["camcorder"].format(n=n) for n in range(2)]])  # as many as words
    path = tmp_path / "a.srt"
    path.write_text(srt(*said))
    assert [cue.text for cue in read_subtitles(path)] == said


@pytest.mark.parametrize("cue", ["sprite-{n}.jpg#xywh=0,{n},160,90", "thumbs/{n}.WEBP", '{{"lat": 48.{n}, "lon": 11}}'])
def test_thumbnails_and_data_for_a_player_are_no_text(tmp_path: Path, cue: str):
    path = tmp_path / "cat.vtt"
    path.write_text("WEBVTT\n\n" + "".join(f"00:0{n}.000 --> 00:0{n + 1}.000\n{cue.format(n=n)}\n\n" for n in range(5)))
    with pytest.raises(CaptionError, match="thumbnails or data for a player, not words"):
        read_subtitles(path)
    path.write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nopen cat.jpg\n\n00:03.000 --> 00:04.000\n{a} b: c\n")
    assert [cue.text for cue in read_subtitles(path)] == ["open cat.jpg", "{a} b: c"]
