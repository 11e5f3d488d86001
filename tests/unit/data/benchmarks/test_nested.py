"""Captions and times inside of other columns, in lists, and in tables as pandas and people write them."""

import io
import json
import tarfile

import pytest

from vlsa.data.ingest.scan import ScannedFile

NESTED = [
    {"video": {"file": "a.mp4", "fps": 25}, "captions": [{"text": "a dog", "n": 1}, {"text": "it runs", "n": 2}]},
    {"video": {"file": "b.mp4", "fps": 25}, "captions": [{"text": "a cat", "n": 1}]},
]
TIMED = [{"video": "a.mp4", "events": {"start": [1.0, 4], "end": [3.5, 6], "text": ["a dog", "it runs"]}}]


@pytest.fixture
def ready(importer):
    importer.video("a.mp4", "b.mp4")
    return importer


def texts(ready):
    return {facts[1]: facts[-1] for facts in ready.facts().values()}


def parquet(path, rows):
    import pyarrow
    from pyarrow.parquet import write_table

    path.parent.mkdir(parents=True)
    write_table(pyarrow.Table.from_pylist(rows), path)


def test_a_column_with_a_dot_is_inside_of_another(ready):
    columns = "path=video.file,text=captions.text"
    ready.run("json", ready.file("train.json", NESTED), columns=columns)
    expected = {"a.mp4": ("a dog", "it runs"), "b.mp4": ("a cat",)}
    assert texts(ready) == expected
    parquet(ready.root / "set/train.parquet", NESTED)
    ready.run("hf", ready.root / "set", columns=columns)
    assert texts(ready) == expected


def test_a_column_whose_name_has_a_dot_is_itself(ready):
    rows = [{"file": "a.mp4", "en.text": "a dog", "en": {"text": "no"}}, {"file": "b.mp4", "en.text": "a cat", "en": 1}]
    ready.run("json", ready.file("train.json", rows), columns="path=file,text=en.text")
    assert texts(ready) == {"a.mp4": ("a dog",), "b.mp4": ("a cat",)}


def test_lists_of_starts_and_stops_belong_to_a_list_of_captions(ready):
    columns = "path=video,start=events.start,stop=events.end,text=events.text"
    spans = [("train", "a.mp4", 1.0, 3.5, ("a dog",)), ("train", "a.mp4", 4.0, 6.0, ("it runs",))]
    ready.run("json", ready.file("train.json", TIMED), columns=columns)
    assert list(ready.facts().values()) == spans
    parquet(ready.root / "set/train.parquet", TIMED)
    ready.run("hf", ready.root / "set", columns=columns)
    assert list(ready.facts().values()) == spans
    listed = [{"start": 1.0, "end": 3.5, "text": "a dog"}, {"start": 4, "end": 6, "text": "it runs"}]
    ready.run("json", ready.file("train.json", [{"video": "a.mp4", "events": listed}]), columns=columns)
    assert list(ready.facts().values()) == spans


def test_lists_that_do_not_belong_together_cost_their_row(ready):
    rows = [
        {"file": "a.mp4", "from": [0, 1], "to": [2], "what": ["x", "y"]},
        {"file": "b.mp4", "from": 0, "to": 1, "what": "z"},
    ]
    ready.run("json", ready.file("train.json", rows), columns="path=file,start=from,stop=to,text=what")
    (line,) = ready.report
    assert line.reason == "malformed" and "2 starts and 1 stops" in line.message


def test_an_object_where_a_text_should_be_is_reported_with_its_keys(ready):
    rows = [{"file": "a.mp4", "what": [{"raw": "a dog"}]}, {"file": "b.mp4", "what": "a cat"}]
    ready.run("json", ready.file("train.json", rows), columns="path=file,text=what")
    (line,) = ready.report
    assert line.reason == "malformed" and "what.raw" in line.message


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("\"['a dog', 'it runs']\"", ("a dog", "it runs")),
        ('"[""a dog"", ""it\'s here""]"', ("a dog", "it's here")),
        ("\"['a dog' 'it runs'\n 'off']\"", ("a dog", "it runs", "off")),
        ("['a dog']", ("a dog",)),
        ("[music] a dog", ("[music] a dog",)),
        ("[1]", ("[1]",)),
        ('"[\'a dog, cut"', ("['a dog, cut",)),
    ],
)
def test_a_list_in_a_cell_is_several_captions_as_pandas_and_numpy_write_it(ready, cell, expected):
    ready.run("csv", ready.file("train.csv", f"file,what\na.mp4,{cell}\n"), columns="path=file,text=what")
    assert texts(ready) == {"a.mp4": expected}


def test_blanks_after_commas_minutes_beyond_99_and_units_are_read(ready):
    table = 'file, from, to, what\na.mp4, 0:01, 4.5s, "a dog, running"\nc.mp4, 100:01, 100:03.5, "a cat"\n'
    ready.video("c.mp4", seconds=7000)
    ready.run("csv", ready.file("train.csv", table), columns="path=file,start=from,stop=to,text=what")
    assert list(ready.facts().values()) == [
        ("train", "a.mp4", 1.0, 4.5, ("a dog, running",)),
        ("train", "c.mp4", 6001.0, 6003.5, ("a cat",)),
    ]


def test_keys_inside_of_the_json_of_a_sample_are_its_words(ready):
    shard = ready.root / "train-0.tar"
    ready.scanned["train-0/01.mp4"] = ScannedFile(20.0, True)
    with tarfile.open(shard, "w") as tar:
        for name, data in (("01.mp4", b"film"), ("01.json", json.dumps(NESTED[0]).encode())):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    ready.run("webdataset", shard, columns="text=captions.text")
    assert [facts[-1] for facts in ready.facts().values()] == [("a dog", "it runs")]
