"""What an index learns of the text of a file from its subtitle files, and what it tells of them."""

from pathlib import Path

from tests.media_files import grey, write_media
from vlsa.data.ingest.sidecars import Sidecar
from vlsa.retrieve.index.survey import SurveyTask, survey_file
from vlsa.retrieve.index.texts import TEXT_REASONS


def test_subtitles_are_read_by_the_rate_of_the_film_and_what_is_odd_about_them_is_told(tmp_path: Path):
    film = write_media(tmp_path / "cat.mp4", pictures=[grey(90)] * 100, frames_per_second=10)
    (tmp_path / "cat.sub").write_text("{10}{30}a cat\n")
    (tmp_path / "cat.de.srt").write_bytes(
        "00:00:04,000 --> 00:00:05,000\nKätzchen süß\n\n00:0x --> 1\nb\n".encode("cp1252")
    )
    sidecars = (Sidecar(str(tmp_path / "cat.sub")), Sidecar(str(tmp_path / "cat.de.srt"), "de"))
    found = survey_file(SurveyTask("cat.mp4", str(film), sidecars, has_captions=False), lambda *_: None)
    assert [(text.start_seconds, text.stop_seconds, text.text, text.language) for text in found.texts] == [
        (1, 3, "a cat", None), (4, 5, "Kätzchen süß", "de")
    ]  # fmt: skip
    assert [(one.id, one.reason) for one in found.rejections] == [("cat.mp4", "cues"), ("cat.mp4", "encoding")]
    assert {one.reason for one in found.rejections} <= TEXT_REASONS  # told anew with the text, not twice
