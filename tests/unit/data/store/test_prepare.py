"""Preparing goes on past every bad clip, reports each once, and survives being killed without losing any."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from av.stream import Disposition
from media_files import flashes, grey, onsets, scramble, tone, truncate, write_flash_and_beep, write_media, write_tracks
from preparing import (
    SETTINGS,
    dying_decoder,
    every_byte,
    interrupted_decoder,
    killed_decoder,
    made_clip,
    made_rows,
    refusing_decoder,
    run,
)

from vlsa.base.errors import ManifestError, StoreError
from vlsa.data.ingest import scan
from vlsa.data.ingest.manifest import ClipRow, Rejection
from vlsa.data.store.plan import shard_bounds
from vlsa.data.store.prepare import prepare
from vlsa.data.store.reader import ClipStore
from vlsa.data.store.shards import StoreSettings, index_path, shard_path


def read_report(store_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (store_path / "prepare_report.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return write_flash_and_beep(path, flash_seconds=(0.8, 2.0))


def test_picture_and_sound_come_through_in_time(tmp_path: Path, film: Path) -> None:
    row = ClipRow("flash", str(film), 0.5, 2.9, ("a flash",), "test")
    prepare([row], tmp_path / "store", StoreSettings(short_side_px=32), num_workers=0)
    store = ClipStore.open(tmp_path / "store")
    clip = store.read(store["flash"])
    assert clip.frames is not None and clip.sound is not None and clip.frame_seconds is not None
    assert clip.frames.shape == (19, 32, 43, 3) and len(clip.sound) == round(2.4 * 11_025)
    assert flashes(clip.frames, clip.frame_seconds) == pytest.approx([0.3, 1.5], abs=1 / 8)
    assert onsets(clip.sound, 11_025) == pytest.approx([0.3, 1.5], abs=0.01)


def make_bad_folder(folder: Path, film: Path) -> Path:
    folder.mkdir()
    shutil.copy(film, folder / "good.mp4")
    shutil.copy(film, folder / "zero.mp4")
    (folder / "empty.mp4").touch()
    (folder / "renamed.mp4").write_text("a text file by another name")
    truncate(film, folder / "truncated.mp4", 0.6)
    scramble(film, folder / "corrupt.mp4", 0.0, 0.9)
    write_media(folder / "sound.mp3", sound=tone(1.0), audio_codec="libmp3lame")
    write_media(folder / "picture.mp4", pictures=[grey(5 * k) for k in range(25)], video_codec="mpeg4")
    table = [
        "path,start_seconds,stop_seconds,text",
        "good.mp4,0,2,a flash",
        "gone.mp4,0,2,nothing",
        "zero.mp4,9,9.5,late",
    ]
    (folder / "captions.csv").write_text("\n".join(table))
    return folder


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_bad_folder_gives_its_good_clips_and_one_line_for_each_bad_one(
    tmp_path: Path, film: Path, num_workers: int
) -> None:
    folder, store_path = make_bad_folder(tmp_path / "in", film), tmp_path / "store"
    rows, rejections = scan.scan(folder, num_workers=0)
    rows.append(ClipRow("zero-length", str(folder / "good.mp4"), 1.0, 1.0, ("never",), "train"))
    rows.append(ClipRow("moved-away", str(folder / "moved.mp4"), 1.0, 2.0, ("never",), "train"))
    summary = prepare(rows, store_path, SETTINGS, num_workers=num_workers, rejections=rejections)
    kept = {Path(clip.source).name: (clip.has_video, clip.has_sound) for clip in ClipStore.open(store_path).rows()}
    assert kept == {"good.mp4": (True, True), "sound.mp3": (False, True), "picture.mp4": (True, False)}
    reported = [Path(line["path"]).name for line in read_report(store_path)]
    bad = ["empty.mp4", "renamed.mp4", "truncated.mp4", "corrupt.mp4", "gone.mp4", "zero.mp4", "good.mp4", "moved.mp4"]
    assert Counter(reported) == Counter(bad)
    assert all(line["reason"] and "\n" not in line["message"] for line in read_report(store_path))
    assert (summary.num_clips, summary.num_rejected) == (3, 8)
    assert (summary.num_with_video, summary.num_with_sound, summary.num_with_text) == (2, 2, 1)
    assert summary.seconds_of_media == pytest.approx(4.0, abs=0.1)
    assert "3 clips (" in str(summary) and "2 missing" in str(summary)


def test_a_decoder_that_dies_costs_only_its_clip_and_the_rest_has_the_same_bytes(tmp_path: Path) -> None:
    rows = made_rows(10)
    summary = run(rows, tmp_path / "died", num_workers=1, decode=dying_decoder)
    run(rows, tmp_path / "refused", decode=refusing_decoder)
    assert summary.reasons == {"crashed": 1} and summary.num_clips == 9
    (line,) = read_report(tmp_path / "died")
    assert line["id"] == "clip-5" and "SIGSEGV" in line["message"] and "film-5.mp4: 0-0.1 s" in line["message"]
    for number in range(3):
        assert (
            shard_path(tmp_path / "died", number).read_bytes() == shard_path(tmp_path / "refused", number).read_bytes()
        )
    assert not (tmp_path / "died/given_up.jsonl").exists()


def test_a_store_whose_texts_have_marks_that_nobody_sees_is_that_of_the_same_footage(tmp_path: Path) -> None:
    """Versions up to 0.8 kept them."""
    rows = made_rows(4)
    marked = [replace(row, texts=(f"\u200b{row.texts[0]}\u200e", "\u200b")) for row in rows]
    first = run(marked, tmp_path / "store")
    assert run(rows, tmp_path / "store").num_clips == first.num_clips == 4


def test_a_clip_whose_worker_is_killed_from_outside_has_a_second_chance(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)  # where marks are left of what was killed
    summary = run(made_rows(10), tmp_path / "killed", num_workers=1, decode=killed_decoder)
    run(made_rows(10), tmp_path / "refused", decode=refusing_decoder)
    assert summary.reasons == {"crashed": 1} and summary.num_clips == 9
    (line,) = read_report(tmp_path / "killed")
    assert line["id"] == "clip-5" and "SIGKILL" in line["message"]
    assert sorted(path.stem for path in tmp_path.glob("*.killed")) == ["film-1", "film-5", "film-6"]
    for number in range(3):
        shards = [shard_path(tmp_path / name, number).read_bytes() for name in ("killed", "refused")]
        assert shards[0] == shards[1]


def test_what_crashed_before_the_run_was_killed_is_not_tried_again(tmp_path: Path) -> None:
    def breaking(done: int, total: int, message: str) -> None:
        if (tmp_path / "store/given_up.jsonl").exists():
            raise KeyboardInterrupt  # right after the crash, before the shard is finished

    with pytest.raises(KeyboardInterrupt):
        run(made_rows(10), tmp_path / "store", num_workers=1, decode=dying_decoder, progress=breaking)
    assert not list(tmp_path.rglob("*.partial"))
    summary = run(made_rows(10), tmp_path / "store", num_workers=0, decode=dying_decoder)  # here it would kill the test
    assert summary.reasons == {"crashed": 1} and summary.num_clips == 9


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path) -> None:
    rows = made_rows(10)
    run(rows, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(rows, tmp_path / "broken", decode=interrupted_decoder)
    assert not list(tmp_path.rglob("*.partial"))
    assert index_path(tmp_path / "broken", 0).exists() and not index_path(tmp_path / "broken", 1).exists()
    with pytest.raises(StoreError, match="unfinished, 2 of 3 shards"):
        ClipStore.open(tmp_path / "broken")
    decoded: list[str] = []
    run(rows, tmp_path / "broken", decode=lambda row, settings: decoded.append(row.id) or made_clip(row, settings))
    assert decoded == [f"clip-{k}" for k in range(4, 10)]
    assert every_byte(tmp_path / "broken") == every_byte(tmp_path / "whole")


def test_kill_nine_of_the_whole_group_and_the_same_command_again_gives_the_same_store(tmp_path: Path) -> None:
    script = tmp_path / "slow_prepare.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys, time
            import test_prepare

            def slow_clip(row, settings):
                time.sleep(0.1)
                return test_prepare.made_clip(row, settings)

            if __name__ == "__main__":
                test_prepare.run(test_prepare.made_rows(40), sys.argv[1], num_workers=2, decode=slow_clip)
            """
        )
    )
    broken = tmp_path / "broken"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])}
    process = subprocess.Popen([sys.executable, script, broken], env=environment, start_new_session=True)
    deadline = time.monotonic() + 60
    while not index_path(broken, 1).exists() and time.monotonic() < deadline:
        assert process.poll() is None, "ended before it could be killed"
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    num_finished = len(list(broken.rglob("*.jsonl")))
    assert 0 < num_finished < 10
    run(made_rows(40), broken)
    run(made_rows(40), tmp_path / "whole")
    assert every_byte(broken) == every_byte(tmp_path / "whole")


def test_a_run_resumed_in_another_folder_names_the_same_media_files(tmp_path: Path, monkeypatch) -> None:
    rows = made_rows(10)
    (tmp_path / "footage").mkdir()
    monkeypatch.chdir(tmp_path / "footage")
    with pytest.raises(KeyboardInterrupt):
        run(rows, tmp_path / "store", decode=interrupted_decoder)
    monkeypatch.chdir(tmp_path)
    run([replace(row, path=f"footage/{row.path}") for row in rows], tmp_path / "store")
    monkeypatch.chdir("/")
    store = ClipStore.open(tmp_path / "store")
    assert [store.media_path(clip) for clip in store.rows()] == [str(tmp_path / "footage" / row.path) for row in rows]


def test_a_shard_that_was_damaged_later_is_made_again(tmp_path: Path) -> None:
    rows = made_rows(10)
    run(rows, tmp_path / "store")
    before = every_byte(tmp_path / "store")
    os.truncate(shard_path(tmp_path / "store", 1), 1000)
    run(rows, tmp_path / "store")
    assert every_byte(tmp_path / "store") == before


def test_other_settings_or_other_clips_are_refused_until_restarted(tmp_path: Path) -> None:
    store_path = tmp_path / "store"
    run(made_rows(10), store_path)
    with pytest.raises(StoreError, match="short_side_px 32 -> 64.*Choose another folder.*--restart"):
        prepare(made_rows(10), store_path, StoreSettings(short_side_px=64, clips_per_shard=4), num_workers=0)
    with pytest.raises(StoreError, match="other footage: 1 clip .of film-9.mp4. no longer there.*--restart"):
        run(made_rows(9), store_path)
    run(made_rows(9), store_path, restart=True)
    assert len(ClipStore.open(store_path)) == 9
    assert every_byte(store_path) == every_byte(_fresh(tmp_path / "fresh", 9))


def _fresh(store_path: Path, num_rows: int) -> Path:
    run(made_rows(num_rows), store_path)
    return store_path


def test_leftovers_of_a_run_killed_while_writing_are_swept_away(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store/store.json.123.partial").write_text("half a header")
    run(made_rows(10), tmp_path / "store")
    (tmp_path / "store/shards/shard-000000.tar.123.partial").write_text("half a shard")
    run(made_rows(10), tmp_path / "store")
    assert every_byte(tmp_path / "store") == every_byte(_fresh(tmp_path / "fresh", 10))


def test_a_store_can_be_prepared_where_a_refused_run_left_its_lock(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()  # on a network disk
    assert run(made_rows(1), tmp_path).num_clips == 1


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for restart in (False, True):
        with pytest.raises(StoreError, match="not empty and not a clip store"):
            run(made_rows(1), tmp_path, restart=restart)
    assert every_byte(tmp_path) == {"thesis.txt": b"years of work"}
    with pytest.raises(StoreError, match="cannot be made"):
        run(made_rows(1), tmp_path / "thesis.txt")


def test_two_runs_at_once_are_refused(tmp_path: Path) -> None:
    def second_run(done: int, total: int, message: str) -> None:
        with pytest.raises(StoreError, match="another prepare is writing this store"):
            run(made_rows(3), tmp_path / "store")

    run(made_rows(3), tmp_path / "store", progress=second_run)


def test_when_no_clip_can_be_kept_the_report_is_written_and_the_reason_told(tmp_path: Path) -> None:
    rows = [ClipRow("a", "gone.mp4", 0.0, 1.0, (), "train")]
    before = Rejection("b.mp4", "b.mp4", None, None, "empty", "b.mp4: the file is empty.")
    for given in (rows, []):
        store_path = tmp_path / f"store-{len(given)}"
        with pytest.raises(StoreError, match="no clip could be prepared; see prepare_report.jsonl.*b.mp4: the file is"):
            prepare(given, store_path, SETTINGS, num_workers=0, rejections=[before])
        assert [line["reason"] for line in read_report(store_path)] == ["empty", "missing"][: 1 + len(given)]
    with pytest.raises(ManifestError, match="no clips to prepare"):
        run([], tmp_path / "none")
    with pytest.raises(ManifestError, match="occurs twice"):
        run(made_rows(1) * 2, tmp_path / "doubled")


def test_what_was_chosen_is_kept_with_each_clip_and_counted(tmp_path: Path) -> None:
    """Two audio tracks, of which the first is a commentary; a clip without a choice has no word."""
    folder = tmp_path / "in"
    folder.mkdir()
    write_tracks(folder / "two.mkv", [tone(1.0, hz=200), tone(1.0)], [Disposition.comment, Disposition.default])
    write_media(folder / "one.wav", sound=tone(1.0), audio_codec="pcm_s16le")
    (folder / "one.srt").write_bytes("1\n00:00:00,000 --> 00:00:01,000\ncaf\u00e9\n".encode("cp1252"))
    rows, rejections = scan.scan(folder, num_workers=0)
    summary = prepare(rows, tmp_path / "store", SETTINGS, num_workers=0, rejections=rejections)
    choices = {Path(clip.source).name: clip.choices for clip in ClipStore.open(tmp_path / "store").clips}
    assert choices == {"two.mkv": ("audio-2-of-2",), "one.wav": ()}
    assert summary.choices == {"audio-2-of-2": 1} and summary.notes == {"encoding": 1} and summary.num_rejected == 0
    assert "Choices: 1 audio-2-of-2." in str(summary) and "Notes: 1 encoding" in str(summary)


def test_progress_counts_every_clip_once(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    run(made_rows(10), tmp_path / "store", decode=refusing_decoder, progress=lambda *step: seen.append(step[:2]))
    assert seen == sorted(seen) and seen[-1] == (10, 10)


@pytest.mark.parametrize("num_rows", [1, 16, 17, 100, 1700, 16_384, 100_001])
def test_shards_tile_the_rows_and_small_sets_have_enough_of_them(num_rows: int) -> None:
    bounds = shard_bounds(num_rows, 256)
    assert [row for first, last in bounds for row in range(first, last)] == list(range(num_rows))
    assert max(last - first for first, last in bounds) <= 256
    assert len(bounds) >= min(50, num_rows / 16)


def test_clips_mostly_outside_or_too_long_cost_no_memory_and_the_rest_goes_on(tmp_path: Path, film: Path) -> None:
    def row(id: str, path: str, start: float, stop: float) -> ClipRow:
        return ClipRow(id, path, start, stop, (), "train")

    rows = [
        row("good", str(film), 0.0, 1.0),
        row("endless", str(film), 0.0, 1e12),
        row("late", str(film), 100.0, 101.0),
        row("long-name", "p" * 300 + ".mp4", 0.0, 1.0),
        row("nul", "a\0b.mp4", 0.0, 1.0),
    ]
    summary = prepare(rows, tmp_path / "store", SETTINGS, num_workers=0)
    assert summary.num_clips == 1
    assert summary.reasons == {"outside": 2, "missing": 2}
    large = StoreSettings(short_side_px=100_000)
    with pytest.raises(StoreError, match="GiB of memory"):
        prepare(rows[:1], tmp_path / "large", large, num_workers=0)
