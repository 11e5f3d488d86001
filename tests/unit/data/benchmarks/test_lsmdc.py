"""LSMDC: tabs in a .csv without header, ids that are not unique, files in a folder a film."""

import pytest

from vlsa.base.errors import ManifestError
from vlsa.data.benchmarks.lsmdc import movie_of

FIRST = "0001_American_Beauty_00.00.51.926-00.00.54.129"
SECOND = "1005_Signs_00.01.02.000-00.01.04.500"


def line(clip_id: str, sentence: str) -> str:
    return "\t".join((clip_id, "00.00.51.926", "00.00.54.129", "00.00.51.000", "00.00.54.000", sentence))


def test_the_folder_of_a_clip_is_its_name_before_the_first_dot_less_three_characters():
    assert movie_of(FIRST) == "0001_American_Beauty"
    assert movie_of(SECOND) == "1005_Signs"


def test_clips_of_one_id_become_one_row_with_all_its_sentences(importer):
    importer.video(f"0001_American_Beauty/{FIRST}.avi", f"1005_Signs/{SECOND}.avi", seconds=2.5)
    text = "\r\n".join((line(FIRST, 'He says "hello", and goes.'), line(SECOND, "Rain."), line(FIRST, "SOMEONE nods.")))
    importer.run("lsmdc", importer.file("LSMDC16_challenge_1000_publictect.csv", text))
    rows = {row.texts: row for row in importer.rows}
    assert set(rows) == {('He says "hello", and goes.', "SOMEONE nods."), ("Rain.",)}
    row = rows["Rain.",]
    assert (row.split, row.path, row.stop_seconds) == ("test", f"{importer.media}/1005_Signs/{SECOND}.avi", 2.5)
    assert len({row.id for row in importer.rows}) == 2
    assert all("." not in row.id for row in importer.rows)


def test_a_quote_before_a_clip_s_name_is_not_part_of_it(importer):
    importer.video(f"0001_American_Beauty/{FIRST}.avi")
    importer.run("lsmdc", importer.file("test.csv", '"' + line(FIRST, 'He says "so".')))
    assert [row.texts for row in importer.rows] == [('He says "so".',)]


def test_published_names_tell_their_splits(importer):
    importer.video(f"a/{FIRST}.avi", f"b/{SECOND}.avi")
    train = importer.file("LSMDC16_annos_training.csv", line(FIRST, "a"))
    val = importer.file("LSMDC16_annos_val.csv", line(SECOND, "b"))
    importer.run("lsmdc", train, val)
    assert {row.texts[0]: row.split for row in importer.rows} == {"a": "train", "b": "val"}


def test_the_film_s_own_folder_goes_before_another_of_the_same_file_name(importer):
    importer.video(f"copies/{FIRST}.avi", f"avi/0001_American_Beauty/{FIRST}.avi")
    importer.run("lsmdc", importer.file("test.csv", line(FIRST, "a")))
    assert importer.rows[0].path.endswith(f"avi/0001_American_Beauty/{FIRST}.avi")


def test_a_file_with_commas_or_with_a_short_line_is_refused(importer):
    with pytest.raises(ManifestError, match=r"found a first line of 'key, video'.*CLIP_ID START_ALIGNED"):
        importer.run("lsmdc", importer.file("train.csv", "key,video\na,b\n"))
    short = importer.file("train.csv", line(FIRST, "a") + "\n1005_Signs\tonly this\n")
    with pytest.raises(ManifestError, match=r"train.csv:2: 2 values"):
        importer.run("lsmdc", short)
