"""Shards that the webdataset library wrote: samples, words, splits, names that lead elsewhere, damaged tar files."""

import gzip
import io
import tarfile
from pathlib import Path

import braceexpand
import pytest
import webdataset

from vlsa.base.errors import ManifestError
from vlsa.data.benchmarks.webdataset import expand


def shard(path: Path, *samples: dict[str, object]) -> Path:
    """A shard as the library writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with webdataset.TarWriter(str(path)) as writer:
        for sample in samples:
            writer.write(sample)
    return path


def sample(key: str, words: str = "", **members: object) -> dict[str, object]:
    return {"__key__": key, "mp4": f"video {key}".encode(), **({"txt": words} if words else {}), **members}


@pytest.fixture
def ready(importer):
    importer.video(
        *(f"{shard}/{name}.mp4" for shard in ("train-000", "train-001", "test-0") for name in ("1", "2", "in/3"))
    )
    for path in importer.media.rglob("*.mp4"):
        path.unlink()
    return importer


def test_shards_of_a_brace_pattern_are_unpacked_and_their_texts_are_the_captions(ready):
    shard(ready.root / "train-000.tar", sample("1", "a dog"), sample("2", "two\nlines"))
    shard(ready.root / "train-001.tar", sample("1", "a cat"), sample("in/3", "a bird"))
    shard(ready.root / "test-0.tar", sample("1", "rain"))
    ready.run("webdataset", ready.root / "train-{000..001}.tar", ready.root / "test-0.tar")
    assert sorted(facts[:2] + facts[4] for facts in ready.facts().values()) == [
        ("test", "test-0/1.mp4", "rain"),
        ("train", "train-000/1.mp4", "a dog"),
        ("train", "train-000/2.mp4", "two lines"),
        ("train", "train-001/1.mp4", "a cat"),
        ("train", "train-001/in/3.mp4", "a bird"),
    ]
    assert (ready.media / "train-001/in/3.mp4").read_bytes() == b"video in/3"


def test_a_second_run_copies_only_what_is_missing(ready):
    path = shard(ready.root / "train-000.tar", sample("1", "a"), sample("2", "b"))
    ready.run("webdataset", path)
    kept, gone = (ready.media / f"train-000/{name}.mp4" for name in ("1", "2"))
    before = kept.stat().st_mtime_ns
    gone.unlink()
    ready.run("webdataset", path)
    assert kept.stat().st_mtime_ns == before
    assert gone.read_bytes() == b"video 2"


@pytest.mark.parametrize("content", [b"video 9", b"another length"])
def test_media_of_another_import_are_never_replaced(ready, content):
    ready.run("webdataset", shard(ready.root / "train-000.tar", sample("1", "a")))
    other = shard(ready.root / "elsewhere/train-000.tar", sample("1", "b", mp4=content))
    with pytest.raises(ManifestError, match=r"train-000/1.mp4 is there, and is another file"):
        ready.run("webdataset", other)
    assert (ready.media / "train-000/1.mp4").read_bytes() == b"video 1"


def test_shards_of_one_name_in_several_folders_keep_their_media_apart(importer):
    names = ("train/00/1.mp4", "test/00/1.mp4", "cc.train-0/1.mp4", "cc.test-0/1.mp4")
    importer.video(*names)
    for name in names:
        (importer.media / name).unlink()
    shards = [shard(importer.root / f"{Path(name).parent}.tar", sample("1", name, mp4=name.encode())) for name in names]
    importer.run(
        "webdataset",
        *(f"{'train' if 'train' in name else 'test'}={path}" for name, path in zip(names, shards, strict=True)),
    )
    assert {facts[:2] + facts[4] for facts in importer.facts().values()} == {
        ("train" if "train" in name else "test", name, name) for name in names
    }
    assert all((importer.media / name).read_bytes() == name.encode() for name in names)


def test_words_may_be_in_members_of_other_endings_and_begin_with_a_mark(ready):
    names = {"TXT": b"\xef\xbb\xbfa dog", "caption": b"a cat", "text": b"rain"}
    path = ready.root / "train-000.tar"
    with tarfile.open(path, "w") as tar:
        for key, (ending, words) in zip(("1", "2", "in/3"), names.items(), strict=True):
            for name, data in ((f"{key}.mp4", b"x"), (f"{key}.{ending}", words)):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    ready.run("webdataset", path)
    assert [facts[-1] for facts in ready.facts().values()] == [("a dog",), ("a cat",), ("rain",)]


def test_words_may_be_in_members_of_longer_endings_and_compressed(ready):
    words = {
        "caption.txt": b"a dog",
        "TXT.gz": gzip.compress(b"a cat"),
        "en.txt": b"rain",
        "meta.json.gz": gzip.compress(b'{"en": "snow"}'),
        "@name.txt": b"elsewhere.mp4",
        "text.gz": b"not compressed",
    }
    for number, (ending, data) in enumerate(words.items()):
        named_in = ready.root / f"train-{number}.tar"
        with tarfile.open(named_in, "w") as tar:
            for name, content in (("1.mp4", b"x"), (f"1.{ending}", data)):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        ready.video(f"train-{number}/1.mp4")
        (ready.media / f"train-{number}/1.mp4").unlink()
    ready.run("webdataset", *(ready.root / f"train-{number}.tar" for number in (0, 1)))
    assert [facts[-1] for facts in ready.facts().values()] == [("a dog",), ("a cat",)]
    ready.run("webdataset", *(ready.root / f"train-{number}.tar" for number in (2, 3)), columns="text=en")
    assert [facts[-1] for facts in ready.facts().values()] == [("rain",), ("snow",)]
    for number, reason in ((4, "no 'txt' in this sample"), (5, "cannot be decompressed")):
        with pytest.raises(ManifestError, match=reason):
            ready.run("webdataset", ready.root / f"train-{number}.tar")


@pytest.mark.parametrize(
    "aside",
    [
        {"meta.json": b'{"caption": "wrong"}'},
        {"faces.json": b"not JSON"},
        {"ocr.txt": b"\xff\xfe not UTF-8"},
        {"caption.txt": b"wrong"},
    ],
    ids=lambda aside: next(iter(aside)),
)
@pytest.mark.parametrize("first", [True, False])
def test_members_of_longer_endings_replace_no_words_and_spoil_no_sample(ready, aside, first):
    own = {"mp4": b"x", "json": b'{"caption": "right"}'}
    with tarfile.open(ready.root / "train-0.tar", "w") as tar:
        for ending, content in (aside | own if first else own | aside).items():
            info = tarfile.TarInfo(f"1.{ending}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    ready.video("train-0/1.mp4")
    (ready.media / "train-0/1.mp4").unlink()
    ready.run("webdataset", ready.root / "train-0.tar", columns="text=caption")
    assert [facts[-1] for facts in ready.facts().values()] == [("right",)]


def test_a_key_of_the_json_member_cannot_name_the_file(ready):
    told = {"@name": "train-001/2.mp4", "caption": "a dog"}
    ready.run("webdataset", shard(ready.root / "train-000.tar", sample("1", json=told)), columns="text=caption")
    assert [facts[1] for facts in ready.facts().values()] == ["train-000/1.mp4"]


def test_words_may_be_keys_of_the_json_member_and_name_a_stretch(ready):
    told = {"caption": ["a dog", "a brown dog"], "from": 1, "to": "0:00:03", "url": "x"}
    path = shard(ready.root / "train-000.tar", sample("1", json=told))
    ready.run("webdataset", path, columns="text=caption,start=from,stop=to")
    assert list(ready.facts().values()) == [("train", "train-000/1.mp4", 1.0, 3.0, ("a dog", "a brown dog"))]


def test_samples_without_words_or_media_are_counted_and_other_members_do_not_matter(ready):
    broken = {"__key__": "4", "json": b"{no json", "mp4": b"x"}
    path = shard(
        ready.root / "train-000.tar",
        sample("1", "good", jpg=b"picture", cls=b"3"),
        sample("2"),
        {"__key__": "in/3", "txt": "no file"},
        broken,
    )
    ready.run("webdataset", path)
    assert [facts[1] for facts in ready.facts().values()] == ["train-000/1.mp4"]
    assert ready.summary.reasons == {"malformed": 3}
    assert [line.message.split(": ")[2].split(" (")[0] for line in ready.report] == [
        "no 'txt' in this sample",
        "no media file in this sample",
        "is not json",
    ]


def hostile_tar(path: Path, *names: str) -> Path:
    with tarfile.open(path, "w") as tar:
        for name in names:
            for ending, data in (("mp4", b"x" * 10), ("txt", b"words")):
                info = tarfile.TarInfo(f"{name}.{ending}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link.mp4")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return path


def test_names_that_lead_out_of_the_media_folder_and_links_write_nothing(ready):
    path = hostile_tar(ready.root / "train-000.tar", "../../evil", "in/../../../evil", "1")
    ready.run("webdataset", path)
    assert ready.summary.reasons == {"malformed": 2}
    assert [file.relative_to(ready.root) for file in ready.root.rglob("*.mp4")] == [Path("media/train-000/1.mp4")]


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_shard_that_is_cut_short_is_refused_and_leaves_no_half_file(ready, share):
    path = shard(ready.root / "train-000.tar", sample("1", "a", mp4=b"v" * 50_000), sample("2", "b", mp4=b"w" * 50_000))
    path.write_bytes(path.read_bytes()[: int(100_000 * share)])
    with pytest.raises(ManifestError, match=r"train-000.tar.*(not a whole tar file|cut short)"):
        ready.run("webdataset", path)
    assert {file.stat().st_size for file in ready.media.rglob("*") if file.is_file()} <= {50_000}


@pytest.mark.parametrize(
    ("content", "words"), [(None, "cannot be read"), (b"", "not a whole tar"), (b"<html>" * 500, "not a whole tar")]
)
def test_what_is_no_shard_is_refused(ready, content, words):
    path = ready.root / "train-000.tar"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ManifestError, match=words):
        ready.run("webdataset", path)


@pytest.mark.parametrize(
    "pattern", ["a.tar", "a-{000..012}.tar", "{a,b}/x-{8..11}.tar", "{0..1}{2..3}", "a-{9..9}.tar", "x{p,q,}y"]
)
def test_braces_stand_for_the_shards_that_webdataset_takes(pattern):
    assert [str(path) for path in expand(pattern)] == list(braceexpand.braceexpand(pattern))


@pytest.mark.parametrize("pattern", ["{5..1}.tar", "{0..99999999}.tar", "{0..9999}{0..9999}.tar"])
def test_braces_that_cannot_be_meant_are_refused(pattern):
    with pytest.raises(ManifestError, match="Correct the numbers"):
        expand(pattern)
