"""Annotation files with hostile values or changed bytes: they are imported, or refused in one line."""

import json
import pickle
import resource
import struct
from pathlib import Path
from typing import Any

import pytest
from data_sets import CLASSES, Importer
from hostile_files import damaged_bytes, only_errors_of_ours, put_pipe, time_limit, variants

from tests.subtitles import read_subtitles
from vlsa.base.errors import CaptionError, ManifestError
from vlsa.data.benchmarks.files import open_file
from vlsa.data.benchmarks.pickles import read_pickle
from vlsa.data.benchmarks.requests import Source
from vlsa.data.ingest import manifest
from vlsa.data.ingest.captions import read_caption_table
from vlsa.data.ingest.scan import scan

VAST = [{"video_id": "video0_1_2", "desc": ["a cat", "a dog"], "subtitle": "meow"}]
DOCUMENTS: dict[str, tuple[str, Any, dict[str, str]]] = {
    "msrvtt": (
        "full.json",
        {
            "videos": [{"video_id": "video0", "split": "train", "start time": 1.0, "end time": 2.0}],
            "sentences": [{"video_id": "video0", "caption": "a cat", "sen_id": 0}],
        },
        {"variant": "full"},
    ),
    "youcook2": (
        "official.json",
        {
            "database": {
                "video0": {
                    "subset": "training",
                    "annotations": [{"segment": [1, 2], "id": 0, "sentence": "cut the onion"}],
                }
            }
        },
        {},
    ),
    "howto100m": ("caption.json", {"video0": {"start": [1.0], "end": [2.0], "text": ["now we"]}}, {}),
    "cavmae": (
        "train.json",
        {"data": [{"video_id": "video0", "wav": "/x/video0.flac", "video_path": "/x", "labels": "/m/09x0r"}]},
        {},
    ),
    "sounddescs": ("descriptions.json", {"video0": "rain", "1": ["a robin", "sings"]}, {}),
}
GENERIC: dict[str, tuple[Any, str]] = {
    "activitynet": ({"v_video0": {"timestamps": [[0, 5], [6, 7.5]], "sentences": ["a", "b"]}}, ""),
    "msvd": ({"video0": [["a", "cat"]]}, ""),
    "json": ([{"p": "video0", "s": [1, 2], "t": "a", "f": "x", "m": "train"}], "path=p,span=s,text=t,folder=f,split=m"),
}
TABLES = {
    "audiocaps": b'audiocap_id,youtube_id,start_time,caption\n1,video0,30,a cat\n2,video1,5,"a, dog"\n',
    "audioset": b'# YTID\n# start\n# end\nvideo0, 0.000, 10.000, "/m/09x0r,/m/068hy"\n',
    "vggsound": b'video0,1,"cat, meowing",train\nvideo1,2,dog,test\n',
    "lsmdc": b"0001_Film_00.00.51.926-00.00.54.129\t1\t2\t3\t4\tSomeone walks.\n",
    "youcook2": b"end,start,task,text,video_id\n20,10,101,cut it,video0\n",
    "howto100m": b"start,end,text\n1.5,2.5,now we\n",
    "panda70m": b"videoID,timestamp,caption\nvideo0,\"[['0:00:01.0', '0:00:02.5'], [3, 4]]\",\"['a', 'b']\"\n",
}


@pytest.fixture
def ready(importer: Importer) -> Importer:
    importer.video("video0.mp4", "video1.mp4")
    importer.file("classes.csv", CLASSES)
    importer.file("test_list.txt", "video0\n1\n")
    return importer


def others(importer: Importer, dataset: str) -> list[Path]:
    """What the data set needs besides."""
    names = {"cavmae": "classes.csv", "audioset": "classes.csv", "sounddescs": "test_list.txt"}
    return [importer.root / names[dataset]] if dataset in names else []


@pytest.mark.parametrize("dataset", [*DOCUMENTS, "vast"])
@pytest.mark.parametrize("as_pickle", [False, True])
def test_every_value_of_a_document_may_be_anything(ready: Importer, dataset: str, as_pickle: bool) -> None:
    name, document, options = DOCUMENTS.get(dataset, ("train.json", VAST, {}))
    dataset = "youcook2" if dataset == "vast" else dataset
    for variant in variants(document):
        content = pickle.dumps(variant) if as_pickle else json.dumps(variant)
        path = ready.file(name.replace("json", "pkl") if as_pickle else name, content)
        only_errors_of_ours(lambda path=path: ready.run(dataset, path, *others(ready, dataset), **options), variant)


@pytest.mark.parametrize("dataset", GENERIC)
def test_every_value_of_a_set_that_is_a_table_may_be_anything(ready: Importer, dataset: str) -> None:
    document, columns = GENERIC[dataset]
    for variant in variants(document):
        name, content = (
            ("train.pkl", pickle.dumps(variant)) if dataset == "msvd" else ("train.json", json.dumps(variant))
        )
        path = ready.file(name, content)
        only_errors_of_ours(lambda path=path: ready.run(dataset, path, columns=columns), variant)


@pytest.mark.parametrize("key", [10**5000, b"x", None, 5, float("nan"), "\ud800"], ids=lambda key: str(type(key)))
@pytest.mark.parametrize("dataset", DOCUMENTS)
def test_keys_and_values_that_only_a_pickle_can_hold_are_refused(ready: Importer, dataset: str, key: Any) -> None:
    _, document, options = DOCUMENTS[dataset]
    inside = next(iter(document.values()))
    for variant in (document | {key: inside}, {key: key}, {name: {key: key} for name in document},
                    {name: [{key: key}] for name in document}, {name: [key] for name in document}):  # fmt: skip
        path = ready.file("train.pkl", pickle.dumps(variant))
        only_errors_of_ours(lambda path=path: ready.run(dataset, path, *others(ready, dataset), **options), dataset)


@pytest.mark.parametrize("dataset", TABLES)
def test_a_table_with_changed_bytes_is_imported_or_refused(ready: Importer, dataset: str) -> None:
    for number in range(200):
        path = ready.file("train.csv", damaged_bytes(TABLES[dataset], number))
        only_errors_of_ours(lambda path=path: ready.run(dataset, path, *others(ready, dataset)), path.read_bytes())


def test_a_pickle_with_changed_bytes_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        data = pickle.dumps(DOCUMENTS["howto100m"][1] | {"more": [1, 2.5, None, True, b"x", {"a"}, 10**30]}, protocol)
        for number in range(400):
            path.write_bytes(damaged_bytes(data, number))
            only_errors_of_ours(lambda: read_pickle(path), path.read_bytes())


HUGE = 2 * 10**9
BOMBS = {
    "memo": b"\x80\x02Nr" + struct.pack("<I", HUGE // 16) + b".",
    "bytes": b"\x80\x03B" + struct.pack("<I", HUGE),
    "long bytes": b"\x80\x04\x8e" + struct.pack("<Q", HUGE),
    "text": b"\x80\x02X" + struct.pack("<I", HUGE),
    "long text": b"\x80\x04\x8d" + struct.pack("<Q", HUGE),
    "bytearray": b"\x80\x05\x96" + struct.pack("<Q", HUGE),
    "frame": b"\x80\x04\x95" + struct.pack("<Q", HUGE),
    "number": b"\x80\x02\x8b" + struct.pack("<i", HUGE),
    "string": b"T" + struct.pack("<i", HUGE),
    "tuples as a key": b"\x80\x02}" + b")" + b"2\x86" * 60 + b"Ns.",
    "frozen sets": b"\x80\x04}(\x91" + b"2\x86" * 60 + b"Ns.",
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_few_bytes_that_ask_for_gigabytes_or_years_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(BOMBS[kind])
    limits = resource.getrlimit(resource.RLIMIT_AS)
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + 200_000_000, limits[1]))
    try:
        with time_limit(10):
            if kind == "memo":  # it is a whole pickle, of None
                assert read_pickle(path) is None
            else:
                with pytest.raises(ManifestError, match="not a whole pickle") as caught:
                    read_pickle(path)
                assert "MemoryError" not in str(caught.value)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def test_tuples_of_a_pickle_are_lists(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": (), "b": (1,), "c": (1, 2), "d": (1, 2, 3), "e": (1, 2, 3, 4)}))
    assert read_pickle(tmp_path / "a.pkl") == {"a": [], "b": [1], "c": [1, 2], "d": [1, 2, 3], "e": [1, 2, 3, 4]}


ROW = {"id": "a", "path": "a.mp4", "start_seconds": 0, "stop_seconds": 6.5, "texts": ["a cat"], "split": "train"}


def test_every_field_of_a_list_of_clips_may_hold_anything(tmp_path: Path) -> None:
    path = tmp_path / "clips.jsonl"
    for variant in variants(ROW):
        path.write_text(f"{json.dumps(ROW | {'id': 'b'})}\n{json.dumps(variant)}\n")
        only_errors_of_ours(lambda: manifest.write(path, manifest.read(path)), variant)


def test_every_field_of_a_caption_table_may_hold_anything(tmp_path: Path) -> None:
    row = {"path": "a.mp4", "start_seconds": 1, "stop_seconds": 2.5, "text": "a cat", "split": "train", "id": "x"}
    for variant in variants(row):
        (tmp_path / "captions.jsonl").write_text(json.dumps(variant))
        only_errors_of_ours(lambda: scan(tmp_path, num_workers=0), variant)


TEXTS = {
    "captions.csv": b'path,start_seconds,stop_seconds,text\na.mp4,1,2,"a, cat"\nb.mp4,,,dog\n',
    "captions.jsonl": json.dumps(ROW | {"text": "a"}).encode(),
    "cat.srt": b"1\n00:00:01,000 --> 00:00:02,500\nHello <i>there</i>\n\n2\n00:00:03,0 --> 00:00:04,0\nyou\n",
    "cat.vtt": b"WEBVTT\n\nNOTE x\n\n00:01.000 --> 00:02.500 align:start\nHello\n",
    "clips.jsonl": json.dumps(ROW).encode(),
}
READERS = {"captions": read_caption_table, "cat": read_subtitles, "clips": manifest.read}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_file_with_changed_bytes_is_read_or_refused(tmp_path: Path, name: str) -> None:
    read = READERS[name.partition(".")[0]]
    for number in range(300):
        (tmp_path / name).write_bytes(damaged_bytes(TEXTS[name], number))
        only_errors_of_ours(lambda: read(tmp_path / name), (tmp_path / name).read_bytes())
    (tmp_path / name).unlink()
    for put in (put_pipe, lambda path: path.symlink_to("/dev/zero")):
        put(tmp_path / name)
        with time_limit(5), pytest.raises((CaptionError, ManifestError), match="not a regular file"):
            read(tmp_path / name)
        (tmp_path / name).unlink()


@pytest.mark.parametrize("name", ["a.pkl", "a.json", "a.csv"])
def test_a_pipe_in_the_place_of_an_annotation_file_is_refused_at_once(tmp_path: Path, name: str) -> None:
    put_pipe(tmp_path / name)
    with time_limit(5), pytest.raises(ManifestError, match="not a regular file"):
        open_file(Source(tmp_path / name))
