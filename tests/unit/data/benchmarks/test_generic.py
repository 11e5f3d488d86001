"""Any table, JSON or Parquet: columns by name, one notion for all; rows that cannot be read are counted."""

import json

import pytest

from vlsa.base.errors import ConfigError, ManifestError
from vlsa.data.benchmarks.columns import Columns, parse_columns
from vlsa.data.benchmarks.generic import _suffix

COLUMNS = "path=file,start=from,stop=to,text=what"
TABLE = 'file,from,to,what,note\na.mp4,1.5,0:00:04,"a dog, running",x\nb.mp4,,,a cat,y\n'


@pytest.fixture
def ready(importer):
    importer.video("in/a.mp4", "b.mp4")
    return importer


def expected() -> list[tuple[object, ...]]:
    return [
        ("train", "in/a.mp4", 1.5, 4.0, ("a dog, running",)),
        ("train", "b.mp4", 0.0, 20.0, ("a cat",)),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_is_read_with_any_usual_delimiter_and_times_may_be_blank(ready, delimiter, encoding):
    rows = [["file", "from", "to", "what"], ["a.mp4", "1.5", "0:00:04", '"a dog, running"'], ["b.mp4", "", "", "a cat"]]
    text = "\r\n".join(delimiter.join(row) for row in rows)
    ready.run("csv", ready.file("train.csv", text.encode(encoding)), columns=COLUMNS)
    assert list(ready.facts().values()) == expected()


def test_a_table_is_read_as_spreadsheets_write_it(ready):
    """Semicolons that a first line announces, decimal commas, blank cells at the ends of rows."""
    table = "sep=;\r\nfile;from;to;what;\r\na.mp4;1,5;0:00:04;a dog, running;;\r\nb.mp4;;;a cat\r\n"
    ready.run("csv", ready.file("train.csv", table), columns=COLUMNS)
    assert list(ready.facts().values()) == expected()


@pytest.mark.parametrize(
    ("delimiter", "times", "spans"),
    [
        (",", [('"1,234"', '"1,240"'), ("0.5", "1.25")], [(1234, 1240), (0.5, 1.25)]),
        (",", [('"1,234"', '"1,240"'), ('"0,5"', '"1,25"')], [(1.234, 1.24), (0.5, 1.25)]),
        (";", [("1,234", "1,240"), ("9,5", "1.234,5")], [(1.234, 1.24), (9.5, 1234.5)]),
        (",", [("0:00:01.5", '"0:00:02,25"'), ("1", "2")], [(1.5, 2.25), (1, 2)]),
    ],
)
def test_a_comma_is_what_the_other_times_of_a_table_say(ready, delimiter, times, spans):
    ready.video("c.mp4", "d.mp4", seconds=2000)
    rows = [delimiter.join((file, *pair, "x")) for file, pair in zip(("c.mp4", "d.mp4"), times, strict=True)]
    table = "\n".join([delimiter.join(("file", "from", "to", "what")), *rows])
    ready.run("csv", ready.file("train.csv", table), columns=COLUMNS)
    assert [facts[2:4] for facts in ready.facts().values()] == spans


def test_a_comma_that_nothing_explains_costs_its_row(ready):
    table = 'file,from,to,what\na.mp4,"1,234","1,240",x\nb.mp4,1,2,y\n'
    ready.run("csv", ready.file("train.csv", table), columns=COLUMNS)
    assert [facts[1] for facts in ready.facts().values()] == ["b.mp4"]
    (line,) = ready.report
    assert line.reason == "malformed" and "from='1,234' may be thousands of seconds, or decimals" in line.message


def test_quotes_in_a_table_with_tabs_may_be_those_of_the_text(ready):
    table = 'file\twhat\na.mp4\t"Hi" he says\nb.mp4\ta "cat\n'
    ready.run("csv", ready.file("train.csv", table), columns="path=file,text=what")
    assert [facts[-1] for facts in ready.facts().values()] == [('"Hi" he says',), ('a "cat',)]


def test_times_that_pandas_has_for_none_are_the_whole_file(ready):
    rows = [{"file": "a.mp4", "from": 1.5, "to": 4.0, "what": "a dog, running"}]
    rows += [{"file": "b.mp4", "from": float("nan"), "to": float("nan"), "what": "a cat"}]
    ready.run("json", ready.file("train.json", rows), columns=COLUMNS)
    assert list(ready.facts().values()) == expected()
    table = TABLE.replace("b.mp4,,,", "b.mp4,NaN,nan,")
    ready.run("csv", ready.file("train.csv", table), columns=COLUMNS)
    assert list(ready.facts().values()) == expected()


def test_ids_that_are_whole_numbers_are_names(ready):
    ready.video("7.mp4")
    ready.run("json", ready.file("train.json", [{"id": 7, "what": "a cat"}]), columns="path=id,text=what")
    assert list(ready.facts().values()) == [("train", "7.mp4", 0.0, 20.0, ("a cat",))]
    with pytest.raises(ManifestError, match="not an id"):
        ready.run("json", ready.file("train.json", [{"id": 7.5, "what": "a cat"}]), columns="path=id,text=what")


JSONS = {
    "list": lambda rows: rows,
    "inside": lambda rows: {"version": 1, "authors": [{"name": "x"}], "clips": rows},
    "lines": lambda rows: "\n".join(map(json.dumps, rows)) + "\n\n",
}


@pytest.mark.parametrize("form", JSONS)
def test_objects_are_read_from_a_list_wherever_it_is_and_from_lines(ready, form):
    rows = [
        {"file": "a.mp4", "from": 1.5, "to": "0:00:04", "what": "a dog, running"},
        {"file": "b.mp4", "from": None, "to": None, "what": ["a cat"]},
    ]
    ready.run("json", ready.file("train.json", JSONS[form](rows)), columns=COLUMNS)
    assert list(ready.facts().values()) == expected()


def test_an_object_of_objects_is_named_by_its_keys(ready):
    values = {"a": {"times": [[0, 1], [2, 3.5]], "words": ["x", "y"]}, "b": {"times": [0, 4], "words": "z"}}
    ready.run("json", ready.file("test.json", values), columns="path=@key,span=times,text=words")
    assert sorted(facts[1:] for facts in ready.facts().values()) == [
        ("b.mp4", 0.0, 4.0, ("z",)),
        ("in/a.mp4", 0.0, 1.0, ("x",)),
        ("in/a.mp4", 2.0, 3.5, ("y",)),
    ]


def test_captions_come_from_any_number_of_columns_and_from_several_rows(ready):
    table = "file,caption_1,caption_2,more\na.mp4,one,two,three\na.mp4,four,,five\n"
    path = ready.file("test.csv", table)
    ready.run("csv", path, columns="path=file,text=caption_*,text=more")
    assert ready.facts()["a"][-1] == ("one", "two", "three", "four", "five")
    assert "1 caption without a word left out" in str(ready.summary)
    ready.run("csv", path, columns="path=file,text=more")
    assert ready.facts()["a"][-1] == ("three", "five")


def test_a_caption_that_programs_write_for_a_missing_one_is_none(ready):
    table = "file,caption_1,caption_2\na.mp4,one,nan\na.mp4,NaN,Nan bakes\n"
    ready.run("csv", ready.file("test.csv", table), columns="path=file,text=caption_*")
    assert ready.facts()["a"][-1] == ("one", "Nan bakes")
    assert "2 captions without a word left out" in str(ready.summary)


def test_a_column_may_say_the_split_and_the_folder(ready):
    ready.video("x/c.mp4", "y/c.mp4")
    table = "name,dir,what,part\nc,x,one,training\nc,y,two,test\na,,three,dev\n"
    ready.run("csv", f"train={ready.file('all.csv', table)}", columns="path=name,folder=dir,text=what,split=part")
    assert {facts[1]: facts[0] for facts in ready.facts().values()} == {
        "x/c.mp4": "train",
        "y/c.mp4": "test",
        "in/a.mp4": "val",
    }


def test_the_file_with_the_ending_that_is_named_goes_first_and_paths_of_another_machine_are_names(ready):
    ready.video("c.mp4", "c.mkv", "d.mp4")
    table = "file,what\n/data/them/c.mkv,one\nC:\\\\them\\\\d.avi,two\n./in/a.mp4,three\n".replace("\\\\", "\\")
    ready.run("csv", ready.file("train.csv", table), columns="path=file,text=what")
    assert [facts[1] for facts in ready.facts().values()] == ["c.mkv", "d.mp4", "in/a.mp4"]


def test_an_id_with_times_is_searched_for_as_a_cut_clip_and_a_file_name_is_not(ready):
    ready.video("c_30_40.mp4", seconds=10)
    ready.video("c.mp4", seconds=100)
    table = "file,from,to,what\nc,30,40,one\nc.mp4,30,41,two\n"
    ready.run("csv", ready.file("train.csv", table), columns=COLUMNS)
    assert [facts[1:4] for facts in ready.facts().values()] == [("c_30_40.mp4", 0.0, 10.0), ("c.mp4", 30.0, 41.0)]


def test_rows_that_cannot_be_read_are_left_out_and_counted_by_reason(ready):
    bad = [
        "a.mp4,soon,4,x,n",
        "a.mp4,5",
        ",1,2,x,n",
        "a.mp4,1,,x,n",
        "a.mp4,3,2,x,n",
        "a.mp4,1,2,,n",
        "gone.mp4,1,2,x,n",
    ]
    ready.run("csv", ready.file("train.csv", TABLE + "\n".join(bad) + "\n"), columns=COLUMNS)
    assert list(ready.facts().values()) == expected()
    assert ready.summary.reasons == {"malformed": 4, "zero_length": 1, "no_caption": 1, "missing": 1}
    assert [
        line.message.partition(": ")[0].rpartition(":")[2] for line in ready.report if line.reason == "malformed"
    ] == [
        "4",
        "5",
        "6",
        "7",
    ]
    assert ready.summary.annotated["train"].num_clips == 5


def test_when_no_row_can_be_read_the_first_says_why(ready):
    table = "file,from,to,what\na.mp4,1,soon,x\nb.mp4,?,1,x\n"
    with pytest.raises(ManifestError, match=r"train.csv:2: to='soon' is not a time in seconds"):
        ready.run("csv", ready.file("train.csv", table), columns=COLUMNS)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("path=file,text=whta", r"train.csv:1: no column or key 'whta'; .* Did you mean what\?"),
        ("path=file,text=caption_*", r"no column or key 'caption_\*'; .* Known: file, from, to, what, note"),
    ],
)
def test_a_column_that_is_not_there_is_refused_with_the_nearest(ready, columns, words):
    with pytest.raises(ManifestError, match=words):
        ready.run("csv", ready.file("train.csv", TABLE), columns=columns)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("", "csv: which columns .* Add --columns path="),
        ("path=file", "no column for text"),
        ("text=what", "no column for path"),
        ("file,text=what", "--columns file: not ROLE=COLUMN"),
        ("path=file,test=what", "cannot be the 'test' of a clip. Did you mean text\\?"),
        ("path=file,path=note,text=what", "two columns for path"),
    ],
)
def test_columns_that_make_no_sense_are_refused(ready, columns, words):
    with pytest.raises(ConfigError, match=words):
        ready.run("csv", ready.file("train.csv", TABLE), columns=columns)


def test_columns_are_parsed_into_what_they_hold():
    assert parse_columns("path=a, text=b,text=c d,stop=e") == Columns(path="a", text=("b", "c d"), stop="e")


def test_a_set_of_known_columns_takes_none(ready):
    with pytest.raises(ConfigError, match="clotho: its columns are known; .* belong to csv, json, webdataset, hf"):
        ready.run("clotho", ready.file("train.csv", TABLE), columns=COLUMNS)


def test_the_set_has_the_name_that_it_is_given(ready):
    ready.run("csv", ready.file("train.csv", TABLE), columns=COLUMNS, title="My dogs")
    assert str(ready.summary).startswith("My dogs: the annotations name 2 clips")


@pytest.mark.parametrize(
    ("reader", "content", "words"),
    [
        ("csv", b"[]", "not an annotation file of csv: found a list of nothing"),
        ("json", TABLE, "not an annotation file of json: found a first line of 'file, from"),
        ("json", b'{"a": 1}\n{"a": 2\n', "line 2: "),
        ("json", b'{"a": 1} trailing', "more follows after character 8"),
        ("json", b'[{"file": "a", "whta": "b"}]', "no column or key 'from'"),
        ("csv", "file,from,to,what,what\na,1,2,x,y\n", "two columns are named 'what'"),
        ("csv", 'file,from,to,what\na,1,2,x\nb,1,2,"y\n', "train:3: not readable as CSV"),
    ],
)
def test_a_file_of_another_form_says_what_was_found(ready, reader, content, words):
    with pytest.raises(ManifestError, match=words):
        ready.run(reader, ready.file("train", content), columns=COLUMNS)


def parquet(path, rows):
    import pyarrow
    from pyarrow.parquet import write_table

    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(pyarrow.Table.from_pylist(rows), path)


def test_a_folder_of_parquet_names_its_splits_by_files_or_by_folders(ready):
    parquet(
        ready.root / "set/data/train-00000-of-00001.parquet", [{"video": "a.mp4", "caption": "x", "from": 1, "to": 2}]
    )
    parquet(ready.root / "set/test/0.parquet", [{"video": "b.mp4", "caption": "y", "from": None, "to": None}])
    ready.run("hf", ready.root / "set", columns="path=video,text=caption,start=from,stop=to")
    assert sorted(ready.facts().values()) == [
        ("test", "b.mp4", 0.0, 20.0, ("y",)),
        ("train", "in/a.mp4", 1.0, 2.0, ("x",)),
    ]


def test_media_inside_of_parquet_are_put_into_the_media_folder_once(ready):
    rows = [
        {"audio": {"bytes": b"sound", "path": "../up/a b.wav"}, "text": ["x", "y"]},
        {"audio": {"bytes": None, "path": "b.mp4"}, "text": ["z"]},
    ]
    parquet(ready.root / "set/train.parquet", rows)
    unpacked = "train/000001-a_b.wav"
    ready.video(unpacked)
    (ready.media / unpacked).unlink()
    for _ in range(2):
        ready.run("hf", ready.root / "set", columns="path=audio,text=text")
        assert (ready.media / unpacked).read_bytes() == b"sound"
        assert [facts[1:2] + facts[4] for facts in ready.facts().values()] == [(unpacked, "x", "y"), ("b.mp4", "z")]
    assert {path.name for path in ready.media.rglob("*.wav")} == {"000001-a_b.wav"}


@pytest.mark.parametrize(
    ("begins", "suffix"),
    [
        (b"RIFF0000WAVE", ".wav"),
        (b"RIFF0000AVI ", ".avi"),
        (b"fLaC", ".flac"),
        (b"ID3", ".mp3"),
        (b"\xff\xfb\x90", ".mp3"),
        (b"OggS", ".ogg"),
        (b"\x1a\x45\xdf\xa3", ".mkv"),
        (b"\0\0\0 ftypisom", ".mp4"),
        (b"", ".mp4"),
    ],
)
def test_media_without_a_name_are_named_by_what_they_begin_with(begins, suffix):
    assert _suffix(begins) == suffix


def test_media_may_be_plain_bytes_of_a_column(ready):
    parquet(ready.root / "set/train.parquet", [{"mp4": b"one", "text": "x"}, {"mp4": b"two", "text": "y"}])
    names = ["train/000001-1.mp4", "train/000002-2.mp4"]
    ready.video(*names)
    for name in names:
        (ready.media / name).unlink()
    ready.run("hf", ready.root / "set", columns="path=mp4,text=text")
    assert [(ready.media / name).read_bytes() for name in names] == [b"one", b"two"]
    assert [facts[1:2] + facts[4] for facts in ready.facts().values()] == [(names[0], "x"), (names[1], "y")]


def test_a_folder_with_a_metadata_file_is_read_as_a_table(ready):
    ready.file("set/train/metadata.csv", "file_name,text\na.mp4,x\n")
    ready.file("set/test/metadata.jsonl", '{"file_name": "b.mp4", "text": "y"}\n')
    ready.run("hf", ready.root / "set", columns="path=file_name,text=text")
    assert sorted(facts[:2] for facts in ready.facts().values()) == [("test", "b.mp4"), ("train", "in/a.mp4")]


def test_files_of_one_name_belong_to_the_metadata_or_the_parquet_of_their_folder(ready):
    ready.video("train/1.mp4", "test/1.mp4", "train/0/000001-s.wav", "test/0/000001-s.wav")
    for split in ("train", "test"):
        ready.file(f"set/{split}/metadata.csv", f"file_name,text\n1.mp4,{split}\n")
    ready.run("hf", ready.root / "set", columns="path=file_name,text=text")
    expected = [(split, f"{split}/1.mp4", split) for split in ("test", "train")]
    assert sorted(facts[:2] + facts[4] for facts in ready.facts().values()) == expected
    for split in ("train", "test"):
        (ready.media / f"{split}/0/000001-s.wav").unlink()
        parquet(
            ready.root / f"rows/{split}/0.parquet",
            [{"sound": {"bytes": split.encode(), "path": "s.wav"}, "text": split}],
        )
    ready.run("hf", ready.root / "rows", columns="path=sound,text=text")
    expected = [(split, f"{split}/0/000001-s.wav", split) for split in ("test", "train")]
    assert sorted(facts[:2] + facts[4] for facts in ready.facts().values()) == expected


def test_a_folder_without_such_files_or_with_broken_ones_is_refused(ready):
    columns = "path=file_name,text=text"
    with pytest.raises(ManifestError, match="no such folder; hf reads a folder with"):
        ready.run("hf", ready.root / "nowhere", columns=columns)
    ready.file("set/train.parquet", b"PAR1 cut")
    with pytest.raises(ManifestError, match="not a whole Parquet file"):
        ready.run("hf", ready.root / "set", columns=columns)
    parquet(ready.root / "set/train.parquet", [{"file": "a", "text": "x"}])
    with pytest.raises(ManifestError, match="no column or key 'file_name'; .* Did you mean file"):
        ready.run("hf", ready.root / "set", columns=columns)
