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


def test_a_sub_folder_may_have_a_table_of_its_own_which_comes_before_one_above_it(tmp_path: Path, caplog):
    (tmp_path / "metadata.csv").write_text("path,camera,place\nsub/cat.mp4,A7,harbour\n")
    (tmp_path / "sub" / "deeper").mkdir(parents=True)
    (tmp_path / "sub" / "Metadata.CSV").write_text("path,place\ncat.mp4,harbour\ndeeper/dog.mp4,zoo\n")
    expected = {"sub/cat.mp4": {"camera": "A7", "place": "harbour"}, "sub/deeper/dog.mp4": {"place": "zoo"}}
    assert read_metadata(tmp_path) == expected and not caplog.messages
    (tmp_path / "sub" / "deeper" / "metadata.csv").write_text("path,place\n../cat.mp4,quay\n")
    assert read_metadata(tmp_path)["sub/cat.mp4"] == {"camera": "A7", "place": "quay"}
    (line,) = caplog.messages
    deeper, middle = tmp_path / "sub/deeper/metadata.csv:2", tmp_path / "sub/Metadata.CSV:2"
    expected_line = f"{deeper}: place of sub/cat.mp4 is 'quay', and 'harbour' in {middle}; the last one holds."
    assert line.startswith(expected_line)


def test_a_table_of_other_things_in_a_sub_folder_does_not_stop_the_rest(tmp_path: Path, caplog):
    (tmp_path / "metadata.csv").write_text(PLAIN)
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "metadata.csv").write_text("file_name,text\n1.wav,hello\n")
    assert read_metadata(tmp_path) == EXPECTED
    (line,) = caplog.messages
    assert str(tmp_path / "corpus" / "metadata.csv") in line and "one named path is needed" in line
    assert line.endswith("Until then its columns are not used")


def test_rows_of_one_file_that_differ_are_told_and_the_last_one_holds(tmp_path: Path, caplog):
    rows = "a.mp4,ann,1\n./a.mp4,ann,2\na.mp4,bob,\na.mp4,bob,2\n"
    (tmp_path / "metadata.csv").write_text(f"path,crew,take\n{rows}")
    assert read_metadata(tmp_path) == {"a.mp4": {"crew": "bob", "take": "2"}}
    (line,) = caplog.messages
    table = tmp_path / "metadata.csv"
    expected = f"{table}:3: take of a.mp4 is '2', and '1' in {table}:2; the last one holds (2 such values in all)."
    assert line.startswith(expected)


def test_decimal_commas_are_those_of_numbers_where_semicolons_are_between_columns(tmp_path: Path):
    table = tmp_path / "metadata.csv"
    table.write_text("path;gain;note;take\na.mp4;-1,5;1,5;1\nb.mp4;;1,2 or 3;2\nc.mp4;3;x;3\n")
    a, b, c = read_metadata(tmp_path).values()
    assert a == {"gain": "-1.5", "note": "1,5", "take": "1"} and b == {"note": "1,2 or 3", "take": "2"}
    assert c["gain"] == "3"
    table.write_text('path,size\na.mp4,"1,500"\n')  # thousands, or decimals: as it stands
    assert read_metadata(tmp_path) == {"a.mp4": {"size": "1,500"}}
