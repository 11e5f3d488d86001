"""New splits: nothing that belongs together stands in two; shares and dates come out; the file is read as a store."""

import base64
import json
import zlib

import numpy as np
import pytest
from command_lines import call
from hypothesis import given, settings
from hypothesis import strategies as st
from preparing import made_rows, run
from stores import renamed, scene, write_clips

from vlsa.base.errors import ConfigError, StoreError
from vlsa.data.clip import digests_of, facts_of, sources_of
from vlsa.data.curate import splits_column, splits_file
from vlsa.data.curate.groups import Groups
from vlsa.data.curate.near_duplicates import Link
from vlsa.data.curate.splits import one_name_a_file, parse_shares, split_by_date, split_by_share
from vlsa.data.curate.splits_file import open_clips, read_splits, write_splits
from vlsa.data.ingest.manifest import SPLITS
from vlsa.data.loading.dataset import open_dataset
from vlsa.data.loading.loader import fingerprint
from vlsa.data.store import clip_index, index_build
from vlsa.data.store.clip_index import ClipIndex
from vlsa.data.store.reader import ClipStore, StoredClip

SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}


def clips_of(sources: list[int]) -> list[StoredClip]:
    return [
        StoredClip(
            id=f"clip-{n}", source=f"file-{source}", start_seconds=0, stop_seconds=1, texts=(), split="train",
            frame_seconds=np.empty(0), size_px=(0, 0), shard=0, frame_spans=np.empty((0, 3), np.int64), sound_span=None,
            sample_rate_hz=1,
        )
        for n, source in enumerate(sources)
    ]  # fmt: skip


def link(a: int, b: int) -> Link:
    return Link(f"clip-{a}", f"clip-{b}", "video", 0.0, 1.0)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), by_date=st.booleans(), seed=st.integers(0, 9))
def test_no_file_no_near_duplicate_and_no_group_stands_in_two_splits(data, by_date, seed):
    sources = data.draw(st.lists(st.integers(0, 12), min_size=1, max_size=40))
    places = st.integers(0, len(sources) - 1)
    links = [link(a, b) for a, b in data.draw(st.lists(st.tuples(places, places), max_size=12))]
    clips = clips_of(sources)
    values = {f"file-{n}": data.draw(st.sampled_from(["", "x", "y", "z"])) for n in set(sources)}
    if by_date:
        days = {f"file-{n}": f"2024-0{data.draw(st.integers(1, 9))}-01" for n in set(sources)}
        made = split_by_date(clips, links, days, {"val": "2024-05-01", "test": "2024-07-01"})
        assert all(days[c.source] < "2024-05-01" for c in clips if made.split_of[c.id] == "train")
    else:
        made = split_by_share(clips, links, values, "camera", SHARES, seed)
    split_of = made.split_of
    assert split_of.keys() == {clip.id for clip in clips}
    assert all(split_of[one.a] == split_of[one.b] for one in links)
    for of in [lambda c: c.source] + ([] if by_date else [lambda c: values[c.source] or c.source]):
        splits_of = {}
        for clip in clips:
            splits_of.setdefault(of(clip), set()).add(split_of[clip.id])
        assert all(len(found) == 1 for found in splits_of.values())
    assert {made.group_of[c.id]: split_of[c.id] for c in clips} == {
        group: split_of[name] for name, group in made.group_of.items()
    }


def test_without_ties_the_shares_come_out_exactly_and_the_seed_decides_who():
    clips = clips_of(list(range(100)))
    made = split_by_share(clips, [], {}, "", SHARES, 0)
    assert made.num_by_split == {"train": 80, "val": 10, "test": 10}
    assert split_by_share(clips, [], {}, "", SHARES, 0).split_of == made.split_of
    assert split_by_share(clips, [], {}, "", SHARES, 1).split_of != made.split_of


def test_each_tie_says_what_joined_two_files():
    clips = clips_of([0, 1, 2, 3])
    values = {"file-0": "A7", "file-1": "A7", "file-2": "B", "file-3": ""}
    made = split_by_share(clips, [link(1, 3), link(0, 3)], values, "camera", SHARES, 0)
    assert [(tie.why, tie.one, tie.other) for tie in made.ties] == [
        ("camera=A7", "file-0", "file-1"),
        ("video", "file-1", "file-3"),
    ]


def test_a_group_that_passes_the_day_is_on_its_later_side():
    clips = clips_of([0, 1, 2])
    dates = {"file-0": "2024-01-01", "file-1": "2024-06-01T10:00", "file-2": "2024-05-31"}
    made = split_by_date(clips, [link(0, 1)], dates, {"test": "2024-06-01"})
    assert [made.split_of[clip.id] for clip in clips] == ["test", "test", "train"]
    with pytest.raises(ConfigError, match="file-2: '' is not a date"):
        split_by_date(clips, [], {**dates, "file-2": ""}, {"test": "2024-06-01"})


def test_shares_are_read_and_what_is_missing_is_for_training():
    assert parse_shares("val=0.1, test=0.2") == {"train": pytest.approx(0.7), "val": 0.1, "test": 0.2}
    for wrong in ("dev=0.1", "test", "test=-1", "train=0.9,test=0.2"):
        with pytest.raises(ConfigError, match="Write for example"):
            parse_shares(wrong)


def test_joined_names_are_one_group_however_they_were_joined():
    groups = Groups("abcd")
    assert [groups.join("a", "b"), groups.join("c", "d"), groups.join("b", "a"), groups.join("d", "a")] == [
        True,
        True,
        False,
        True,
    ]
    assert len({groups.of(name) for name in "abcd"}) == 1


@pytest.fixture
def store(tmp_path):
    same = scene("a", 1)
    clips = [same, renamed(same, "b"), *(scene(name, seed) for seed, name in enumerate("cdef", 2))]
    return write_clips(tmp_path / "store", clips, test=("a",))


def test_a_file_of_splits_is_read_like_a_store(store, tmp_path):
    rows = [{"id": "a", "split": "val", "group": 0}, {"id": "c", "split": "test", "group": 1}]
    write_splits(tmp_path / "deep.jsonl", store, rows, {})
    found = open_dataset(tmp_path / "deep.jsonl")
    assert [(clip.id, clip.split) for clip in found.rows()] == [("a", "val"), ("c", "test")]
    assert [clip.id for clip in found.rows("val")] == ["a"]
    assert (len(found), list(found.texts("test"))) == (2, ["a scene"])
    (row,) = found.rows("test")
    assert (found.read(row).frames == store.read(store["c"]).frames).all()
    assert found.media_path(row) == str(tmp_path / "c.mp4")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("no json", "not a splits file"),
        ('{"id": "a", "path": "a.mp4"}', "not a splits file"),
        ('{"format": "vlsa-splits", "version": 9, "store": "store"}', "this vlsa reads 1"),
        ('{"format": "vlsa-splits", "version": 1, "store": "elsewhere"}', "no such folder"),
        ('{"format": "vlsa-splits", "version": 1, "store": "store"}\n{"id": "z", "split": "test"}', "no clip of"),
        ('{"format": "vlsa-splits", "version": 1, "store": "store"}\n{"id": "a", "split": "dev"}', "no clip of"),
        (
            '{"format": "vlsa-splits", "version": 1, "store": "store"}\n{"id": "\\ud800", "split": "test"}',
            ":2: .*no clip",
        ),
        ('{"format": "vlsa-splits", "version": 1, "store": "store"}\n{"id": 5, "split": "test"}', ":2: 5 in 'test'"),
        ('{"format": "vlsa-splits", "version": 1, "store": "store"}\n{"id": "a", "split": ["test"]}', ":2: 'a' in"),
        ('{"format": "vlsa-splits", "version": 1, "store": "store"}\n{"id": "a"}', "not a splits file"),
        (
            '{"format": "vlsa-splits", "version": 1, "store": "store"}\n{"id": "a", "split": "test"}\n'
            '{"id": "z", "split": "val"}\n{"id": "a", "split": "val"}',
            ":3: 'z' in 'val'",
        ),
        (
            '{"format": "vlsa-splits", "version": 1, "store": "store"}\n{"id": "a", "split": "test"}\n'
            '{"id": "a", "split": "val"}',
            "names a clip twice",
        ),
    ],
)
def test_a_broken_file_of_splits_is_refused_in_one_line(store, tmp_path, lines, words):
    (tmp_path / "splits.jsonl").write_text(lines + "\n")
    with pytest.raises(StoreError, match=words):
        read_splits(tmp_path / "splits.jsonl")


def test_facts_of_new_splits_are_those_of_their_clips(store, tmp_path):
    rows = [{"id": name, "split": "val" if name in "ad" else "train", "group": 0} for name in "fadbc"]
    write_splits(tmp_path / "s.jsonl", store, rows, {})
    found, clips = read_splits(tmp_path / "s.jsonl"), list(store.rows())
    for split, names in ((None, "abcdf"), ("train", "bcf"), ("val", "ad"), ("test", "")):
        assert [clip.id for clip in found.rows(split)] == list(names)
        chosen, facts = [clip for clip in clips if clip.id in names], facts_of(found.rows(split))
        assert facts.duration_seconds.tolist() == [clip.duration_seconds for clip in chosen]
        assert facts.modalities["video"].tolist() == [clip.has_video for clip in chosen]
        assert sources_of(found.rows(split)) == [clip.source for clip in chosen]
    assert [clip.id for clip in found.rows()[1:4]] == list("bcd")


def test_splits_are_read_by_columns_and_not_clip_by_clip(tmp_path, monkeypatch):
    """Ten million records take minutes."""
    run(made_rows(60), tmp_path / "store")
    store, read, clip_of = ClipStore.open(tmp_path / "store"), [], ClipIndex.clip

    def counted(self: ClipIndex, number: int) -> StoredClip:
        read.append(number)
        return clip_of(self, number)

    rows = [{"id": clip.id, "split": "val", "group": 0} for clip in store.rows()]
    write_splits(tmp_path / "s.jsonl", store, rows[::-1], {})
    lines = (tmp_path / "s.jsonl").read_bytes().splitlines()
    (tmp_path / "edited.jsonl").write_bytes(b"\n".join(lines))
    monkeypatch.setattr(ClipIndex, "clip", counted)
    found = read_splits(tmp_path / "edited.jsonl")
    assert len(found) == len(found.rows("val")) == facts_of(found.rows("val")).modalities["audio"].sum() == 60
    assert len(read) < 20  # those that the checks of types in these tests look at


def test_training_knows_the_clips_of_a_splits_file_without_reading_a_line_or_a_record(tmp_path, monkeypatch):
    run(made_rows(60), tmp_path / "store")
    store, path = ClipStore.open(tmp_path / "store"), tmp_path / "s.jsonl"
    split_of = {clip.id: SPLITS[number % 3] for number, clip in enumerate(store.rows()) if number != 7}
    write_splits(path, store, [{"id": id_, "split": split} for id_, split in sorted(split_of.items())], {})
    (tmp_path / "edited.jsonl").write_bytes(path.read_bytes() + b"\n")  # by its lines, which say the same
    expected = {
        split: digests_of(list(read_splits(tmp_path / "edited.jsonl").rows(split))) for split in (None, *SPLITS)
    }
    assert len({facts for facts, _ in expected.values()}) == 4
    read, clip_of = [], ClipIndex.clip
    monkeypatch.setattr(ClipIndex, "clip", lambda index, number: read.append(number) or clip_of(index, number))
    monkeypatch.setattr(splits_file, "_hashed", None)
    found = read_splits(path)
    assert {split: digests_of(found.rows(split)) for split in (None, *SPLITS)} == expected
    assert facts_of(found.rows("val")).modalities["audio"].sum() == len(found.rows("val")) == 19
    assert fingerprint(found) == "-".join(filter(None, expected["train"]))
    assert len(read) < 50  # those that the checks of types in these tests look at; each split by itself: 118


@pytest.mark.parametrize("change", ["lines", "store", "codes", "length", "digests", "none"])
def test_where_lines_or_store_have_changed_the_lines_of_a_splits_file_count(store, tmp_path, change):
    path = tmp_path / "s.jsonl"
    write_splits(path, store, [{"id": name, "split": "val"} for name in "abcd"], {})
    head, *lines = path.read_text().splitlines()
    facts = json.loads(head)
    if change == "lines":
        lines[3] = lines[3].replace("val", "test")
    elif change == "store":
        write_clips(tmp_path / "store", [scene(name, seed) for seed, name in enumerate("dcbxa")])
    elif change == "codes":
        facts["column"]["codes"] = base64.b64encode(zlib.compress(bytes([9] * 6))).decode()
    elif change == "length":
        facts["column"]["codes"] = base64.b64encode(zlib.compress(bytes(10**7))).decode()
    elif change == "digests":
        facts["column"]["digests"] = {"": 5}
    else:
        del facts["column"]
    path.write_text("\n".join([json.dumps(facts), *lines]) + "\n")
    found = read_splits(path)
    split_of = dict.fromkeys("abcd", "val") | ({"d": "test"} if change == "lines" else {})
    assert {clip.id: clip.split for clip in found.rows()} == split_of
    assert digests_of(found.rows("val")) == digests_of(list(found.rows("val")))


def test_a_splits_file_whose_two_statements_disagree_is_refused(store, tmp_path, monkeypatch):
    monkeypatch.setattr(splits_column, "CHUNK_BYTES", 7)
    path = tmp_path / "s.jsonl"
    names = dict(zip("abcd", ("val", "val", "test", "train"), strict=True))
    write_splits(path, store, [{"id": name, "split": split} for name, split in names.items()], {})
    head, *lines = path.read_text().splitlines()
    codes = np.frombuffer(zlib.decompress(base64.b64decode(json.loads(head)["column"]["codes"])), np.int8)
    assert {clip.id: clip.split for clip in read_splits(path, check=True).rows()} == names

    def with_codes(changed):
        facts = json.loads(head)
        facts["column"]["codes"] = base64.b64encode(zlib.compress(changed.astype(np.int8).tobytes())).decode()
        path.write_text("\n".join([json.dumps(facts), *lines]) + "\n")

    with_codes(np.where(codes == SPLITS.index("test"), SPLITS.index("train"), codes))  # counts differ
    with pytest.raises(StoreError, match="first line and its other lines name different splits"):
        read_splits(path)
    test, train = SPLITS.index("test"), SPLITS.index("train")
    with_codes(np.select([codes == test, codes == train], [train, test], codes))  # two clips swapped
    assert len(read_splits(path)) == 4
    with pytest.raises(StoreError, match="name different splits"):
        read_splits(path, check=True)
    done = call(f"vlsa data export {path} {tmp_path / 'out'} --format files")
    assert done.exit_code == 2 and "name different splits" in done.stderr


def test_clips_whose_ids_have_one_hash_are_told_apart_by_their_ids(tmp_path, monkeypatch):
    for module in (index_build, clip_index, splits_file):
        monkeypatch.setattr(module, "id_hash", lambda name: ord(name) // 2)  # b and c, d and e
    store = write_clips(tmp_path / "store", [scene(name, seed) for seed, name in enumerate("bcde")])
    rows = [
        {"id": name, "split": split, "group": 0} for name, split in zip("ecd", ("val", "test", "train"), strict=True)
    ]
    write_splits(tmp_path / "s.jsonl", store, rows, {})
    split_of = {clip.id: clip.split for clip in read_splits(tmp_path / "s.jsonl").rows()}
    assert split_of == {"e": "val", "c": "test", "d": "train"}


def test_the_command_ties_near_duplicates_and_leaves_out_what_is_asked(store, tmp_path):
    out, extra = tmp_path / "splits.jsonl", tmp_path / "extra.txt"
    extra.write_text("f\n")
    line = f"vlsa data split {store.path} --out {out} --shares test=0.4 --workers 0"
    done = call(f"{line} --without {extra}")
    assert done.exit_code == 0, done.output
    assert "near-duplicate" in done.stdout
    split_of = {clip.id: clip.split for clip in open_clips(out).rows()}
    assert split_of.keys() == set("abcde")
    assert split_of["a"] == split_of["b"]
    assert sorted(split_of.values()) == ["test"] * 2 + ["train"] * 3
    assert "test has" not in done.stderr
    coarse = call(f"{line} --by folder")
    assert "test has 0.0% of the clips, 40.0% were asked" in coarse.stderr
    extra.write_text("".join(f"{clip.id}\n" for clip in store.rows()))
    assert "no clip is left" in call(f"{line} --without {extra}").stderr
    ties = call(f"{line} --json").stdout.splitlines()
    assert {(json.loads(tie)["one"], json.loads(tie)["other"]) for tie in ties} == {("a.mp4", "b.mp4")}
    assert call(f"{line} --allow-near-duplicates --json").stdout == ""


def test_the_command_splits_by_a_column_and_by_date_of_a_table(store, tmp_path):
    table = "path,camera,recorded\n" + "".join(
        f"{name}.mp4,{camera},2024-0{n}-01\n"
        for n, (name, camera) in enumerate(zip("abcdef", "xxyyzz", strict=True), 1)
    )
    (tmp_path / "metadata.csv").write_text(table)
    line = f"vlsa data split {store.path} --out {tmp_path / 's.jsonl'} --metadata {tmp_path} --allow-near-duplicates"
    assert call(f"{line} --by camera --shares train=0.34,val=0.33,test=0.33").exit_code == 0
    split_of = {clip.id: clip.split for clip in open_clips(tmp_path / "s.jsonl").rows()}
    assert [split_of[one] == split_of[other] for one, other in ("ab", "cd", "ef", "ac", "ce")] == [True] * 3 + [
        False
    ] * 2
    assert call(f"{line} --date recorded --val-from 2024-03-01 --test-from 2024-05-01").exit_code == 0
    assert [clip.split for clip in open_clips(tmp_path / "s.jsonl").rows()] == ["train"] * 2 + ["val"] * 2 + [
        "test"
    ] * 2
    for wrong, words in (
        ("--by lens", "Columns: camera, recorded"),
        ("--date recorded", "needs --test-from"),
        ("--test-from 2024-05-01", "needs --test-from"),
        ("--date recorded --test-from soon", "not a date"),
    ):
        refused = call(f"{line} {wrong}")
        assert (refused.exit_code, words in refused.stderr) == (2, True), refused.output


def test_a_file_with_two_names_is_one_file(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"a")
    (tmp_path / "link.mp4").symlink_to("a.mp4")
    names = ("a.mp4", "b.mp4", str(tmp_path / "a.mp4"), "link.mp4", "./b.mp4")
    store = write_clips(tmp_path / "store", [scene(f"clip-{k}", source=name) for k, name in enumerate(names)])
    clips = one_name_a_file(store, store.rows())
    assert [clip.source for clip in clips] == ["a.mp4", "b.mp4", "a.mp4", "a.mp4", "b.mp4"]
    for seed in range(9):
        made = split_by_share(clips, [], {}, "", {"train": 0.5, "test": 0.5}, seed)
        assert len({made.split_of[f"clip-{k}"] for k in (0, 2, 3)}) == 1


@pytest.mark.parametrize("shares", ["train=0", "val=nan", "train=0,val=0,test=0", "test=inf", "test=-1", "test=2", ""])
def test_shares_that_deal_nothing_are_refused(shares):
    with pytest.raises(ConfigError, match=r"shares '.*': (each|none)"):
        parse_shares(shares)
