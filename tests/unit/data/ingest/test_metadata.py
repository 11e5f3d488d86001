"""metadata.csv as people and spreadsheets write it."""

from pathlib import Path

import pytest

from vlsa.base.errors import CaptionError
from vlsa.data.ingest.metadata import read_metadata

PLAIN = "path,camera,place\nsub/cat.mp4,A7,harbour\ndog.mp4,,zoo\n"
EXPECTED = {"sub/cat.mp4": {"camera": "A7", "place": "harbour"}, "dog.mp4": {"place": "zoo"}}


@pytest.mark.parametrize(
    "data",
    [
        PLAIN.encode(),
        PLAIN.replace(",", ";").replace("\n", "\r\n").encode("utf-8-sig"),
        f"sep=;\r\n{PLAIN.replace(',', ';')}".encode(),
        PLAIN.replace(",", "\t").encode("utf-16"),
        PLAIN.replace(",", "|").replace("path", "Path").encode(),
        PLAIN.replace("\n", ",,\n,,\n").encode(),
        f"\n{PLAIN}".encode(),
        PLAIN.replace(",", ", ").replace("harbour", '"harbour"').encode(),
    ],
    ids=["plain", "semicolons", "announced", "tabs", "bars", "empty columns and rows", "empty line", "blanks"],
)
def test_metadata_is_read_as_spreadsheets_write_it(tmp_path: Path, data: bytes):
    (tmp_path / "metadata.csv").write_bytes(data)
    assert read_metadata(tmp_path) == EXPECTED


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name,place\na.mp4,zoo\n", "one named path is needed"),
        ("path,place,place\na.mp4,zoo,sea\n", "each name once"),
        ("path,place\na.mp4,zoo,sea\n", ":2: 3 values for 2 columns"),
        ("path;place\na.mp4;zoo;sea\n", ":2: 3 values for 2 columns"),
        ('path,place\na.mp4,"zoo\n', "quotes"),
    ],
)
def test_metadata_that_would_mislead_is_refused(tmp_path: Path, text: str, says: str):
    (tmp_path / "metadata.csv").write_text(text)
    with pytest.raises(CaptionError, match=says):
        read_metadata(tmp_path)
