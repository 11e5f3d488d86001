"""A store made in parts, or added to, has the shards of one that was made at once; what it holds is never changed."""

import contextlib
import itertools
import json
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from preparing import dying_decoder, every_byte, interrupted_decoder, made_clip, made_rows, run

from vlsa.base.errors import ConfigError, MediaError, StoreError, VlsaError
from vlsa.data.clip import Clip
from vlsa.data.ingest.manifest import ClipRow, Rejection
from vlsa.data.store import given_up
from vlsa.data.store.holding import Part, shared_moment
from vlsa.data.store.reader import ClipStore
from vlsa.data.store.shards import StoreSettings, index_path, shard_path
from vlsa.data.store.summary import PartSummary, PrepareSummary

OTHERS = [replace(row, id=f"other-{number}", path=f"new-{number}.mp4") for number, row in enumerate(made_rows(6))]


def shards_of(store_path: Path) -> dict[str, bytes]:
    return every_byte(store_path / "shards")


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_parts_in_any_order_make_the_store_that_one_run_makes(tmp_path, order):
    rejections = [Rejection("empty.mp4", "empty.mp4", None, None, "empty", "empty.mp4: the file is empty.")]
    run(made_rows(30), tmp_path / "whole", rejections=rejections)
    done = [run(made_rows(30), tmp_path / "parts", part=Part(n, 3), rejections=rejections) for n in order]
    assert [type(one) for one in done] == [PartSummary, PartSummary, PrepareSummary]
    own = [len(range(number - 1, 8, 3)) for number in order]  # of eight shards
    assert f"part {order[1]}/3 is done, shards made: {own[1]}; {own[2]} of 8 shards are missing" in str(done[1])
    assert every_byte(tmp_path / "parts") == every_byte(tmp_path / "whole")
    again = run(made_rows(30), tmp_path / "parts", part=Part(2, 3), rejections=rejections)
    assert isinstance(again, PrepareSummary) and again.num_clips == 30
    assert every_byte(tmp_path / "parts") == every_byte(tmp_path / "whole")


def test_parts_at_once_do_not_meet_and_a_whole_run_waits_for_none(tmp_path):
    """Part 1 works while part 2 runs from its beginning to its end; a whole run, or part 1 again, is refused."""
    started: list[int] = []

    def meanwhile(done: int, total: int, message: str) -> None:
        if started:
            return
        started.append(1)
        (tmp_path / "store/shards").mkdir(exist_ok=True)
        half = tmp_path / "store/shards/shard-000000.tar.1.partial"
        half.write_text("half a shard of part 1")
        assert isinstance(run(made_rows(12), tmp_path / "store", part=Part(2, 2)), PartSummary)
        assert half.exists()
        with pytest.raises(StoreError, match="part 1/2 is being prepared by another process"):
            run(made_rows(12), tmp_path / "store", part=Part(1, 2))
        with pytest.raises(StoreError, match=r"a part of it \(part-1-of-2\) is being prepared"):
            run(made_rows(12), tmp_path / "store")

    summary = run(made_rows(12), tmp_path / "store", part=Part(1, 2), progress=meanwhile)
    assert summary.num_clips == 12
    run(made_rows(12), tmp_path / "whole")
    assert every_byte(tmp_path / "store") == every_byte(tmp_path / "whole")


def test_a_part_that_was_killed_is_made_again_or_completed_by_a_whole_run(tmp_path):
    rows = made_rows(10)
    run(rows, tmp_path / "whole")
    for number, finish in enumerate(({"part": Part(2, 2)}, {})):
        store_path = tmp_path / f"broken-{number}"
        run(rows, store_path, part=Part(1, 2))
        with pytest.raises(KeyboardInterrupt):
            run(rows, store_path, part=Part(2, 2), decode=interrupted_decoder)
        with pytest.raises(StoreError, match="unfinished, 1 of 3 shards"):
            ClipStore.open(store_path)
        run(rows, store_path, **finish)
        assert every_byte(store_path) == every_byte(tmp_path / "whole")


def test_a_part_waits_for_the_moment_of_another_as_long_as_it_takes_and_says_so_once(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO, logger="vlsa")
    hours, sleeps = itertools.count(0.0, 3600.0), []
    with contextlib.ExitStack() as other:

        def sleep(seconds: float) -> None:
            sleeps.append(seconds)
            if len(sleeps) == 9:
                other.close()

        other.enter_context(shared_moment(tmp_path / "store"))
        clock = SimpleNamespace(monotonic=lambda: next(hours), sleep=sleep)
        monkeypatch.setattr("vlsa.data.store.holding.time", clock)
        assert run(made_rows(4), tmp_path / "store", part=Part(1, 2)).num_clips == 4
    assert len(sleeps) == 9
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'store'}: another prepare is at work on what all parts share; waiting for it"
    ]


def test_a_part_that_begins_leaves_the_crash_that_another_writes_down(tmp_path):
    run(made_rows(12), tmp_path / "store", part=Part(1, 2))
    half = {
        number: tmp_path / "store" / f"{given_up.name_of_part(Part(number, 2).label)}.77.partial" for number in (1, 2)
    }
    for path in half.values():
        path.write_text("half a list")
    run(made_rows(12), tmp_path / "store", part=Part(1, 2))
    assert not half[1].exists() and half[2].exists()
    run(made_rows(12), tmp_path / "store")  # which no part is next to
    assert not half[2].exists()


def test_what_killed_a_decoder_of_one_part_is_tried_by_none_and_forgotten_with_the_last(tmp_path):
    rows = made_rows(10)
    run(rows, tmp_path / "store", part=Part(1, 2))
    lost = rows[5].rejected("crashed", "film-5.mp4: the decoder died.")
    given_up.add(tmp_path / "store", lost, given_up.name_of_part("2-of-2"))
    summary = run(rows, tmp_path / "store", part=Part(2, 2), decode=dying_decoder)  # here it would kill the test
    assert summary.reasons == {"crashed": 1} and not list((tmp_path / "store").glob("given_up*"))


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "1/0", "-1/4", "1/4/4", "1/9999999"])
def test_a_part_that_cannot_be_is_one_line(text):
    with pytest.raises(ConfigError, match="--shard"):
        Part.parse(text)


def test_parts_share_all_shards_among_them():
    parts = [Part.parse(f"{number}/7") for number in range(1, 8)]
    assert [sum(part.has(shard) for part in parts) for shard in range(50)] == [1] * 50


def test_new_clips_go_to_new_shards_and_the_old_ones_keep_their_bytes_and_splits(tmp_path):
    store_path = tmp_path / "store"
    run(made_rows(10), store_path)
    before = shards_of(store_path)
    moved = [replace(row, split="test") for row in made_rows(10)]  # as in a folder that had few files
    summary = run([OTHERS[0], *moved[:5], *OTHERS[1:], *moved[5:]], store_path, add=True)
    after = shards_of(store_path)
    assert {name: after[name] for name in before} == before and len(after) == len(before) + 4
    assert (summary.num_clips, summary.num_added) == (16, 6) and "Added: 6." in str(summary)
    store = ClipStore.open(store_path)
    assert [clip.id for clip in store.clips] == [row.id for row in (*made_rows(10), *OTHERS)]
    assert {clip.split for clip in store.clips[:10]} == {"train"}
    run([OTHERS[0], *moved[:5], *OTHERS[1:], *moved[5:]], store_path)  # without --add: it is whole
    assert shards_of(store_path) == after


def test_a_new_clip_of_a_file_in_the_store_goes_to_the_split_of_that_file(tmp_path):
    held_out = replace(made_rows(1)[0], split="test")
    run([held_out, *made_rows(4)[1:]], tmp_path / "store")
    second = ClipRow("clip-9", held_out.path, 0.2, 0.3, ("text",), "train")
    run([*made_rows(4), second, OTHERS[0]], tmp_path / "store", add=True)  # the file would be train in a new store
    splits = {clip.id: clip.split for clip in ClipStore.open(tmp_path / "store").clips}
    assert splits["clip-0"] == splits["clip-9"] == "test" and splits["clip-1"] == splits["other-0"] == "train"


def test_an_addition_that_was_killed_leaves_the_store_as_it_was_and_goes_on(tmp_path):
    store_path, rows = tmp_path / "store", [*made_rows(4), *OTHERS]
    run(made_rows(4), store_path)

    def breaking(row: ClipRow, settings: StoreSettings) -> Clip:
        if row.id == "other-5":
            raise KeyboardInterrupt
        return made_clip(row, settings)

    with pytest.raises(KeyboardInterrupt):
        run(rows, store_path, add=True, decode=breaking)
    assert len(ClipStore.open(store_path)) == 4
    decoded: list[str] = []
    run(rows, store_path, add=True, decode=lambda row, set: decoded.append(row.id) or made_clip(row, set))
    assert decoded == ["other-4", "other-5"]
    run(made_rows(4), tmp_path / "other")
    run(rows, tmp_path / "other", add=True)
    assert every_byte(store_path) == every_byte(tmp_path / "other")


def test_files_that_came_after_an_addition_was_killed_are_added_too(tmp_path):
    store_path = tmp_path / "store"
    run(made_rows(4), store_path)
    with pytest.raises(KeyboardInterrupt):
        run([*made_rows(4), *OTHERS[:5], *made_rows(7)[6:]], store_path, add=True, decode=interrupted_decoder)
    run([*made_rows(4), *OTHERS], store_path, add=True)
    assert [clip.id for clip in ClipStore.open(store_path).clips[4:]] == [row.id for row in OTHERS]


def test_additions_follow_each_other_and_a_damaged_shard_of_any_is_made_again(tmp_path):
    store_path = tmp_path / "store"
    for rows in (made_rows(5), [*made_rows(5), *OTHERS[:3]], [*made_rows(5), *OTHERS], [*made_rows(5), *OTHERS]):
        summary = run(rows, store_path, add=True)
    assert (summary.num_added, summary.num_clips) == (0, 11) and "Added: nothing" in str(summary)
    assert json.loads((store_path / "store.json").read_text())["added"] == [3, 3]
    whole = every_byte(store_path)
    for number in (0, 2, 3):
        os.truncate(shard_path(store_path, number), 1000)
        run([*made_rows(5), *OTHERS], store_path)
        assert every_byte(store_path) == whole


EXCLUSIVE = {
    "--restart with --shard: each part would delete": {"part": Part(1, 2), "restart": True},
    "--add with --shard: parts that see other new files .* Run `vlsa prepare --add` without": {
        "part": Part(1, 2),
        "add": True,
    },
    "--add with --restart: one keeps what the store holds.* Leave one": {"add": True, "restart": True},
}


@pytest.mark.parametrize("message", EXCLUSIVE)
def test_options_that_would_delete_what_is_to_be_kept_are_refused_before_anything_is_done(tmp_path, message):
    run(made_rows(5), tmp_path / "store")
    before = every_byte(tmp_path / "store")
    with pytest.raises(ConfigError, match=message):
        run([*made_rows(5), *OTHERS], tmp_path / "store", **EXCLUSIVE[message])
    assert every_byte(tmp_path / "store") == before
    with pytest.raises(ConfigError, match=message):
        run(made_rows(5), tmp_path / "nowhere", **EXCLUSIVE[message])
    assert not (tmp_path / "nowhere").exists()


def test_an_addition_whose_shards_hold_other_clips_is_not_committed_and_can_be_mended(tmp_path):
    store_path, rows = tmp_path / "store", [*made_rows(4), *OTHERS]
    run(made_rows(4), store_path)
    before = (store_path / "store.json").read_bytes()

    def intrude(done: int, total: int, message: str) -> None:
        for path in (shard_path, index_path):
            shutil.copy(path(store_path, 0), path(store_path, 1))

    with pytest.raises(StoreError, match=r"shard-000001.tar: holds other clips.*Delete shard-000001.jsonl"):
        run(rows, store_path, add=True, progress=intrude)
    assert (store_path / "store.json").read_bytes() == before and len(ClipStore.open(store_path)) == 4
    index_path(store_path, 1).unlink()
    run(rows, store_path, add=True)
    assert [clip.id for clip in ClipStore.open(store_path).clips] == [row.id for row in rows]


def test_all_clips_of_a_new_store_count_as_added(tmp_path):
    store_path = tmp_path / "store"
    with pytest.raises(KeyboardInterrupt):
        run(made_rows(10), store_path, add=True, decode=interrupted_decoder)
    for name, num_added in (("store", 10), ("store", 0), ("another", 10)):
        summary = run(made_rows(10), tmp_path / name, add=True)
        assert summary.num_added == num_added
        assert f"Added: {num_added or 'nothing, no file is new'}." in str(summary)


@pytest.mark.parametrize("add", [False, True])
def test_what_is_gone_or_has_changed_is_named_and_refused(tmp_path, add):
    store_path, rows = tmp_path / "store", made_rows(6)
    run(rows, store_path)
    before = every_byte(store_path)
    other = replace(rows[2], texts=("another text",))
    with pytest.raises(
        StoreError,
        match=r"made of other footage: 1 clip \(of film-2.mp4\) with other times, texts or splits.*--restart",
    ):
        run([*rows[:2], other, *rows[3:]], store_path, add=add)
    if not add:
        with pytest.raises(
            StoreError,
            match=r"made of other footage: 2 clips \(of film-0.mp4, film-5.mp4\) no longer there \(--add .*--restart",
        ):
            run(rows[1:5], store_path)
        with pytest.raises(
            StoreError, match=r"does not hold 6 clips \(of new-0.mp4, .*\.\.\.\).*Add new files with --add"
        ):
            run([*(replace(row, split="test") for row in rows), *OTHERS], store_path)  # new files may move splits
    assert every_byte(store_path) == before


@pytest.fixture
def films(tmp_path: Path) -> Iterator[list[ClipRow]]:
    rows = [replace(row, path=str(tmp_path / row.path)) for row in made_rows(3)]
    for row in rows:
        Path(row.path).write_bytes(row.id.encode() * 100_000)
    return rows


def test_clips_of_files_that_are_gone_stay_when_others_are_added(tmp_path, films, caplog):
    """As when the drive that they are on is not connected; later it is again."""
    store_path, new = tmp_path / "store", OTHERS[:3]
    run(films, store_path)
    tars = {name: data for name, data in every_byte(store_path).items() if name.startswith("shards/")}
    away = tmp_path / "away"
    shutil.move(films[1].path, away)
    summary = run([films[0], films[2], *new], store_path, add=True)
    assert (summary.num_clips, summary.num_added) == (6, 3)
    told = [line for line in caplog.messages if line.endswith("gone; its 1 clip stays as it is")]
    assert len(told) == 1 and f"1 file ({films[1].path}) is" in told[0]
    assert [clip.id for clip in ClipStore.open(store_path).clips] == [row.id for row in (*films, *new)]
    assert tars.items() <= every_byte(store_path).items()
    shutil.move(away, films[1].path)
    assert run([*films, *new], store_path, add=True).num_added == 0
    assert run([*films, *new], store_path).num_clips == 6


def test_a_clip_that_is_not_listed_while_its_file_is_there_is_still_refused(tmp_path, films):
    run(films, tmp_path / "store")
    with pytest.raises(StoreError, match=r"1 clip \(of .*film-1.mp4\) no longer listed while their files are there"):
        run([films[0], films[2], OTHERS[0]], tmp_path / "store", add=True)


@pytest.mark.parametrize("num_gone", [2, 3])
def test_all_clips_of_all_files_that_are_gone_are_counted(tmp_path, films, caplog, num_gone):
    second = replace(films[0], id="second-9", start_seconds=1.0, stop_seconds=2.0)
    run([*films, second], tmp_path / "store")
    for row in films[: num_gone - 1]:
        Path(row.path).unlink()
    run([*films[num_gone - 1 :], OTHERS[0]], tmp_path / "store", add=True)
    told = {2: "film-0.mp4) is gone; its 2 clips stay as they are", 3: "are gone; their 3 clips stay as they are"}
    assert [line for line in caplog.messages if line.endswith(told[num_gone])]


@pytest.mark.parametrize("changed", ["other times", "taken out", "the only clip of its file"])
@pytest.mark.parametrize("named", ["relative", "absolute"])
def test_clips_of_files_whose_folder_has_moved_are_not_taken_for_gone(tmp_path, monkeypatch, changed, named):
    """A folder has another name now, or is mounted at another place; one clip of it is not listed any more."""

    def listed(folder: Path) -> list[ClipRow]:
        (film, other), base = ("film.mp4", "more/other.mp4"), folder if named == "absolute" else Path()
        one, two, three, four = made_rows(4)
        rows = [replace(row, path=str(base / "footage" / film)) for row in (one, two, three)]
        return [*rows, replace(four, path=str(base / "footage" / other))]

    (tmp_path / "one/footage/more").mkdir(parents=True)
    for name in ("film.mp4", "more/other.mp4"):
        (tmp_path / "one/footage" / name).write_bytes(name.encode() * 1000)
    monkeypatch.chdir(tmp_path / "one")
    run(listed(tmp_path / "one"), tmp_path / "store")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one").rename(tmp_path / "two")
    monkeypatch.chdir(tmp_path / "two")
    rows, before = listed(tmp_path / "two"), every_byte(tmp_path / "store")
    other = replace(rows[1], id="times-9", start_seconds=0.5, stop_seconds=1.0)
    now = {
        "other times": [rows[0], other, *rows[2:]],
        "taken out": [rows[0], *rows[2:]],
        "the only clip of its file": rows[:3],
    }[changed]
    with pytest.raises(StoreError, match=r"made of other footage: 1 clip \(of .*\.mp4\) no longer listed while"):
        run(now, tmp_path / "store", add=True)
    assert every_byte(tmp_path / "store") == before
    if named == "absolute":
        monkeypatch.chdir(tmp_path)
        with pytest.raises(StoreError, match="no longer listed while"):
            run(now, tmp_path / "store", add=True)
    (tmp_path / "two/footage/more/other.mp4").unlink()
    assert run([*rows[:3], OTHERS[0]], tmp_path / "store", add=True).num_clips == 5


def test_a_file_that_was_renamed_is_not_added_a_second_time(tmp_path, films):
    run(films, tmp_path / "store")
    before = every_byte(tmp_path / "store")
    other = replace(films[1], id="other", path=str(tmp_path / "other.mp4"))
    shutil.move(films[1].path, other.path)
    with pytest.raises(StoreError, match=r"other.mp4 is .*film-1.mp4 of the store under another name; .*twice"):
        run([films[0], films[2], other], tmp_path / "store", add=True)
    assert every_byte(tmp_path / "store") == before


def test_files_that_are_gone_before_their_clips_were_made_are_not_given_up(tmp_path, films):
    def interrupted(row: ClipRow, settings: StoreSettings) -> Clip:
        raise KeyboardInterrupt

    store_path = tmp_path / "store"
    with pytest.raises(KeyboardInterrupt):
        run(films, store_path, decode=interrupted)
    Path(films[1].path).unlink()
    with pytest.raises(StoreError, match=r"film-1.mp4\) is gone before all its clips were made.*drive"):
        run([films[0], films[2]], store_path, add=True)


def test_a_file_that_was_replaced_by_another_of_its_name_is_told_and_a_copy_is_not(tmp_path, films):
    run(films, tmp_path / "store")
    for row in films:
        shutil.copy(row.path, tmp_path / "copy")
        shutil.copy(tmp_path / "copy", row.path)
        os.utime(row.path, (1e9, 1e9))
    run(films, tmp_path / "store")
    data = Path(films[1].path).read_bytes()
    for other in (data[:-1], b"?" + data[1:], data[:-1] + b"?"):
        Path(films[1].path).write_bytes(other)
        with pytest.raises(
            StoreError, match=r"1 file \(.*film-1.mp4\) replaced by another of the same name.*--restart"
        ):
            run(films, tmp_path / "store")
    Path(films[1].path).unlink()  # media may go when a store is made of a list
    run(films, tmp_path / "store")


@pytest.mark.parametrize("killed_in", ["sources.remember", "manifest.write"])
def test_a_kill_while_an_addition_is_written_down_leaves_its_files_checked(tmp_path, films, monkeypatch, killed_in):
    def killed(*args: Any) -> None:
        raise KeyboardInterrupt

    run(films[:2], tmp_path / "store")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(f"vlsa.data.store.plan.{killed_in}", killed)
        run(films, tmp_path / "store", add=True)
    run(films, tmp_path / "store", add=True)
    Path(films[2].path).write_bytes(b"another film")
    with pytest.raises(StoreError, match=r"1 file \(.*film-2.mp4\) replaced by another"):
        run(films, tmp_path / "store", add=True)


def test_a_file_that_was_replaced_before_its_addition_was_finished_is_decoded_again(tmp_path, films):
    store_path = tmp_path / "store"
    new = [replace(row, path=str(tmp_path / row.path)) for row in OTHERS]
    for row in new:
        Path(row.path).write_bytes(row.id.encode())
    run(films, store_path)

    def breaking(row: ClipRow, settings: StoreSettings) -> Clip:
        if row.id == "other-5":
            raise KeyboardInterrupt
        return made_clip(row, settings)

    with pytest.raises(KeyboardInterrupt):
        run([*films, *new], store_path, add=True, decode=breaking)
    assert shard_path(store_path, 1).exists()
    Path(new[0].path).write_bytes(b"another film")
    decoded: list[str] = []
    run([*films, *new], store_path, add=True, decode=lambda row, set: decoded.append(row.id) or made_clip(row, set))
    assert decoded == [row.id for row in new]
    run([*films, *new], store_path, add=True)


def forget(store_path: Path) -> None:
    """As a store of an earlier version is."""
    for name in ("manifest.jsonl", "sources.jsonl", "clips.safetensors"):
        (store_path / name).unlink()


def refusing(row: ClipRow, settings: StoreSettings) -> Clip:
    if row.id == "clip-1":
        raise MediaError("film-1.mp4: damaged; drop it.", reason="damaged")
    return made_clip(row, settings)


@pytest.mark.parametrize("add", [False, True])
def test_a_store_of_an_earlier_version_is_gone_on_with_and_added_to(tmp_path, add):
    store_path = tmp_path / "store"
    run(made_rows(10), store_path, decode=refusing)
    forget(store_path)
    index_path(store_path, 1).unlink() if not add else None
    with pytest.raises(StoreError, match=r"made of other clips \(10 then, 9 now\)"):
        run(made_rows(9), store_path)
    rows = [*OTHERS, *made_rows(10)] if add else made_rows(10)
    summary = run(rows, store_path, add=add, decode=refusing)
    assert summary.num_clips == len(rows) - 1 and summary.reasons == {"damaged": 1}


@pytest.mark.parametrize("added", [5, [0], ["1"], [-1], None, [3]])
def test_a_header_with_other_additions_than_the_store_has_is_one_line(tmp_path, added: Any):
    run(made_rows(6), tmp_path / "store")
    path = tmp_path / "store/store.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"added": added}))
    with pytest.raises(VlsaError, match="store.json is damaged|manifest-0001.jsonl: cannot be read"):
        run(made_rows(6), tmp_path / "store", add=True)


def test_a_manifest_that_lost_a_line_is_one_line(tmp_path):
    run(made_rows(6), tmp_path / "store")
    path = tmp_path / "store/manifest.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(StoreError, match="its manifests and its store.json disagree"):
        run(made_rows(6), tmp_path / "store", add=True)
