"""Folder or store to index: what is indexed, what is left out and said, and going on after an interruption."""

import dataclasses
import fcntl
import functools
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from command_lines import ROOT
from fake_encoder import CollapsedEncoder, FakeEncoder, decode_killed_once, decode_or_die, write_numbered_sound
from followed_folder import content
from nearest import nearest

from vlsa.base.errors import ConfigError, ManifestError, SearchIndexError
from vlsa.data.ingest.manifest import ClipRow
from vlsa.data.ingest.scan import scan
from vlsa.data.loading.loader import fingerprint
from vlsa.data.store.prepare import prepare
from vlsa.data.store.reader import ClipStore, StoreSettings
from vlsa.retrieve.encode.sampling import WindowSpec
from vlsa.retrieve.index import encode_windows, writer
from vlsa.retrieve.index.build import build_index, only_writer
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.report import REPORT_NAME

SETTINGS = StoreSettings(sample_rate_hz=8000)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "footage"
    folder.mkdir()
    for number in range(1, 5):
        write_numbered_sound(
            folder / f"sound-{number}.wav", number, seconds=4.0
        )  # three windows of 2 s, a second apart
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "renamed.mp4").write_text("just words")
    return folder


def index_folder(folder, out, **options):
    return build_index(FakeEncoder(), folder, out, **{"num_workers": 0, **options})


def report_of(out) -> list[dict]:
    return [json.loads(line) for line in (out / REPORT_NAME).read_text().splitlines()]


def test_a_folder_becomes_windows_that_are_found_by_their_sound(folder, tmp_path):
    summary = index_folder(folder, tmp_path / "index")
    assert (summary.num_rows, summary.num_files_added, summary.num_rejected) == (12, 4, 2)
    assert (summary.num_files, summary.num_windows, summary.num_texts) == (4, 12, 0)
    assert (summary.covered_seconds, summary.seconds) == (16.0, 16.0)
    hits = nearest(Index.open(tmp_path / "index", encoder=FakeEncoder()), "number 3", k=3)
    assert {(hit.path, hit.start_seconds, hit.stop_seconds) for hit in hits} == {
        (str(folder / "sound-3.wav"), start, start + 2.0) for start in (0.0, 1.0, 2.0)
    }
    assert hits[0].score == pytest.approx(1, abs=1e-6)


def test_each_unreadable_file_is_reported_once_with_its_reason(folder, tmp_path):
    summary = index_folder(folder, tmp_path / "index")
    report = report_of(tmp_path / "index")
    assert sorted(os.path.basename(line["path"]) for line in report) == ["empty.mp4", "renamed.mp4"]
    assert all(line["reason"] and "\n" not in line["message"] for line in report)
    assert "Left out: 2" in str(summary)
    assert REPORT_NAME in str(summary)


def test_the_same_command_again_skips_what_has_not_changed(folder, tmp_path):
    index_folder(folder, tmp_path / "index")
    again = index_folder(folder, tmp_path / "index")
    assert (again.num_files_added, again.num_files_skipped, again.num_rows, again.num_rejected) == (0, 6, 12, 2)


def test_new_and_changed_files_and_captions_are_taken_up(folder, tmp_path):
    index_folder(folder, tmp_path / "index")
    write_numbered_sound(folder / "sound-1.wav", 9, seconds=2.0)
    write_numbered_sound(folder / "sound-5.wav", 5)
    (folder / "sound-2.srt").write_text("1\n00:00:00,500 --> 00:00:02,500\nthe number 2\n")
    again = index_folder(folder, tmp_path / "index")
    assert (again.num_files_added, again.num_files_skipped, again.num_rows) == (3, 4, 1 + (3 + 1) + 3 + 3 + 1)
    index = Index.open(tmp_path / "index", encoder=FakeEncoder())
    assert nearest(index, "number 9", k=1)[0].path.endswith("sound-1.wav")
    assert [hit.text for hit in nearest(index, "number 2", k=3)] == ["the number 2"] * 3
    (text,) = nearest(index, "number 2", k=1, in_="text")
    assert (text.start_seconds, text.stop_seconds, text.text) == (0.5, 2.5, "the number 2")


def test_an_interrupted_run_loses_nothing_that_was_acknowledged(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "ROWS_PER_WRITE", 6)

    def interrupt(done, total, message):
        if message.startswith("windows encoded") and done == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index_folder(folder, tmp_path / "index", progress=interrupt)
    assert len(Index.open(tmp_path / "index")) == 6
    summary = index_folder(folder, tmp_path / "index")
    assert (summary.num_files_skipped, summary.num_files_added, summary.num_rows) == (4, 2, 12)


def test_a_clip_that_kills_its_worker_costs_only_itself(tmp_path):
    folder = tmp_path / "footage"
    folder.mkdir()
    write_numbered_sound(folder / "deadly-1.wav", 1, seconds=4.0)
    write_numbered_sound(folder / "sound-2.wav", 2)
    summary = index_folder(folder, tmp_path / "index", num_workers=1, decode=decode_or_die)
    assert (summary.num_rows, summary.reasons) == (3, {"crashed": 1})
    assert {line["start_seconds"] for line in report_of(tmp_path / "index")} == {1.0}


def test_a_decoder_that_is_killed_from_outside_costs_nothing(folder, tmp_path):
    (tmp_path / "marks").mkdir()
    decode = functools.partial(decode_killed_once, tmp_path / "marks")
    index_folder(folder, tmp_path / "index", num_workers=2, decode=decode)
    assert len(list((tmp_path / "marks").iterdir())) == 4
    index_folder(folder, tmp_path / "unbroken")
    assert content(tmp_path / "index") == content(tmp_path / "unbroken")


def test_another_model_or_another_folder_is_refused_and_restart_begins_anew(folder, tmp_path):
    index_folder(folder, tmp_path / "index")
    with pytest.raises(SearchIndexError, match="vectors of two models"):
        build_index(CollapsedEncoder(), folder, tmp_path / "index", num_workers=0)
    other = tmp_path / "other"
    other.mkdir()
    write_numbered_sound(other / "sound-6.wav", 6)
    with pytest.raises(SearchIndexError, match="clips of two sources"):
        index_folder(other, tmp_path / "index")
    assert index_folder(other, tmp_path / "index", restart=True).num_rows == 1
    assert len(Index.open(tmp_path / "index")) == 1


def test_restart_removes_nothing_that_is_not_an_index(folder, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "index.json").write_text('{"format": "something else"}')
    with pytest.raises(SearchIndexError, match="not of an index"):
        index_folder(folder, tmp_path / "precious", restart=True)
    assert (tmp_path / "precious" / "index.json").exists()


def test_a_folder_without_anything_readable_says_why(tmp_path):
    folder = tmp_path / "footage"
    folder.mkdir()
    with pytest.raises(ManifestError, match="no media files"):
        index_folder(folder, tmp_path / "index")
    (folder / "empty.mp4").write_bytes(b"")
    with pytest.raises(SearchIndexError, match="no clip could be indexed") as caught:
        index_folder(folder, tmp_path / "index")
    assert "\n" not in str(caught.value)
    assert len(report_of(tmp_path / "index")) == 1


def test_two_writers_of_one_index_exclude_each_other(folder, tmp_path):
    with only_writer(tmp_path / "index"), pytest.raises(SearchIndexError, match="another process is writing"):
        index_folder(folder, tmp_path / "index")
    with (tmp_path / "index" / "index.lock").open("w") as lock:  # as vlsa 0.3 does
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(SearchIndexError, match="another process is writing"):
            index_folder(folder, tmp_path / "index")


def test_a_clip_store_is_indexed_without_its_media(folder, tmp_path):
    rows, _ = scan(folder, window_seconds=2.0, num_workers=0)
    prepare(rows, tmp_path / "store", SETTINGS, num_workers=0)
    with pytest.raises(ConfigError, match="the clips of a store are its windows"):
        build_index(FakeEncoder(), tmp_path / "store", tmp_path / "index", step_seconds=1.0)
    summary = build_index(FakeEncoder(), tmp_path / "store", tmp_path / "index")
    assert summary.num_rows == len(ClipStore.open(tmp_path / "store")) == 8
    hit = nearest(Index.open(tmp_path / "index", encoder=FakeEncoder()), audio="4.wav", k=1)[0]
    assert hit.path == str(folder / "sound-4.wav")


def test_a_store_prepared_again_with_other_settings_is_indexed_again_and_one_that_is_the_same_is_not(folder, tmp_path):
    rows, _ = scan(folder, window_seconds=2.0, num_workers=0)

    def prepare_and_index(**settings) -> int:
        settings = dataclasses.replace(SETTINGS, **settings)
        prepare(rows, tmp_path / "store", settings, num_workers=0, restart=True)
        return build_index(FakeEncoder(), tmp_path / "store", tmp_path / "index").num_files_added

    assert prepare_and_index() == 4
    assert prepare_and_index(sample_rate_hz=16_000) == 4
    os.utime(folder / "sound-1.wav", (0, 0))  # the store's clips are what is encoded, not the file
    assert prepare_and_index(sample_rate_hz=16_000) == 0


def test_a_store_of_relative_paths_names_the_same_files_wherever_it_is_indexed(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepare(scan("footage", window_seconds=2.0, num_workers=0)[0], tmp_path / "store", SETTINGS, num_workers=0)
    for place, num_added in (("/", 4), (tmp_path, 0)):
        monkeypatch.chdir(place)
        summary = build_index(FakeEncoder(), tmp_path / "store", tmp_path / "index")
        assert (summary.num_files_added, summary.num_rows) == (num_added, 8)
        hit = nearest(Index.open(tmp_path / "index", encoder=FakeEncoder()), audio="4.wav", k=1)[0]
        assert hit.path == str(folder / "sound-4.wav")


def test_a_folder_of_other_things_is_not_made_an_index(folder, tmp_path):
    (tmp_path / "mine" / "lance").mkdir(parents=True)
    (tmp_path / "mine" / "notes.txt").write_text("x")
    with pytest.raises(SearchIndexError, match="not empty and not an index"):
        index_folder(folder, tmp_path / "mine")
    assert sorted(os.listdir(tmp_path / "mine")) == ["lance", "notes.txt"]
    with pytest.raises(SearchIndexError, match="a file; an index is a folder"):
        index_folder(folder, tmp_path / "mine" / "notes.txt")


def test_a_disk_that_is_full_is_one_line(folder, tmp_path, monkeypatch):
    import lancedb

    def full(*_: object, **__: object) -> None:
        raise RuntimeError("lance error: No space left on device (os error 28), /some/source.rs:3")

    monkeypatch.setattr(lancedb.db.LanceDBConnection, "create_table", full)
    with pytest.raises(
        SearchIndexError, match=r"cannot be written \(lance error: No space left on device \(os error 28\)\)"
    ):
        index_folder(folder, tmp_path / "index")


def test_clips_of_many_files_are_encoded_in_whole_batches(folder, tmp_path, monkeypatch):
    sizes = []

    class Counting(FakeEncoder):
        def encode_audio(self, clips):
            sizes.append(len(clips))
            return super().encode_audio(clips)

    monkeypatch.setattr(encode_windows, "CLIPS_PER_BATCH", 5)
    build_index(Counting(), folder, tmp_path / "index", num_workers=0)  # four files of three windows
    assert sizes == [4, 5, 5, 2]  # the first to see that the model is usable
    index = Index.open(tmp_path / "index", encoder=FakeEncoder())
    assert [os.path.basename(nearest(index, f"number {n}", k=1)[0].path) for n in range(1, 5)] == [
        f"sound-{n}.wav" for n in range(1, 5)
    ]
    store, sizes[:] = tmp_path / "store", []
    prepare(scan(folder, window_seconds=2.0, num_workers=0)[0], store, SETTINGS, num_workers=0)
    build_index(Counting(), store, tmp_path / "store-index", num_workers=0)
    assert sizes == [4, 5, 3]


@pytest.mark.parametrize(("short_side_px", "num_rows"), [(64, 32), (224, 31), (1080, 1)])
def test_a_worker_gets_as_many_windows_of_one_file_as_its_memory_allows(short_side_px, num_rows):
    spec = WindowSpec(window_seconds=3.0, num_frames=8, short_side_px=short_side_px, sample_rate_hz=8000)
    rows = [ClipRow(f"{path}-{k}", path, 1.5 * k, 1.5 * k + 3, (), "test") for path in "ab" for k in range(70)]
    tasks = encode_windows.tasks(rows, spec)
    assert [row for task in tasks for row in task] == rows
    assert max(map(len, tasks)) == num_rows and all(len({row.path for row in task}) == 1 for task in tasks)


@pytest.mark.parametrize(("modality", "vectors", "words"), [
    ("audio", np.nan, "of audio are not finite"), ("audio", 0.25, "of audio are all alike"),
    ("text", np.inf, "of text are not finite"),
])  # fmt: skip
def test_a_model_without_usable_vectors_is_refused_before_anything_is_written(
    folder, tmp_path, modality, vectors, words
):
    class Useless(FakeEncoder):
        pass

    useless = lambda _, items: np.full((len(items), FakeEncoder.width), vectors, np.float32)  # noqa: E731
    setattr(Useless, f"encode_{modality}", useless)

    with pytest.raises(SearchIndexError, match=words) as caught:
        build_index(Useless(), folder, tmp_path / "index", num_workers=0)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "index" / "index.json").exists()


@pytest.mark.parametrize("data", ["folder", "same store", "other store", "unknown"])
def test_what_the_training_data_means_is_said_once(folder, tmp_path, data):
    store = tmp_path / "store"
    prepare(scan(folder, window_seconds=2.0, num_workers=0)[0], store, SETTINGS, num_workers=0)
    known = fingerprint(ClipStore.open(store)) if data == "same store" else "abc123"

    class Trained(FakeEncoder):
        about = {} if data == "unknown" else {"training_data": known}

    source = folder if data == "folder" else store
    first, again = (build_index(Trained(), source, tmp_path / "index", num_workers=0) for _ in range(2))
    expected = {"folder": "on this footage or on other", "other store": "was not trained on this store"}
    assert expected.get(data, "") in first.note and bool(first.note) == (data in expected)
    assert again.note == ""


def test_an_index_killed_again_and_again_at_random_places_is_that_of_an_unbroken_run(tmp_path):
    footage = tmp_path / "footage"
    footage.mkdir()
    for number in range(1, 13):
        write_numbered_sound(footage / f"sound-{number}.wav", number, seconds=4.0)
    script = ROOT / "tests" / "kill_indexing.py"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    command = [sys.executable, script, footage, tmp_path / "out", "0", "8"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.removeprefix("writer: ")) >= 3, "most tries ended before they were killed"
    # Of twelve files one is gone, one has one window, and one is empty; one has a text.
    assert len(Index.open(tmp_path / "out" / "round-1")) == 9 * 3 + 1 + 1
