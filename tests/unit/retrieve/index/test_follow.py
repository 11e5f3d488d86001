"""An index follows its folder: after any change it holds what a new index of the folder would."""

import json
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from fake_encoder import FakeEncoder, write_numbered_sound
from followed_folder import CUE, Counting, as_new, content, follow, write_footage
from nearest import nearest
from rights import of_anyone

from vlsa.base.errors import CaptionError, ManifestError, SearchIndexError
from vlsa.data.engine import workers
from vlsa.retrieve.encode import encoders
from vlsa.retrieve.index import lance
from vlsa.retrieve.index.build import build_index
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.report import REPORT_NAME


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_footage(tmp_path / "footage")


def test_a_renamed_file_goes_along_with_its_rows_and_nothing_is_encoded(folder, tmp_path):
    out, encoder = tmp_path / "index", Counting()
    follow(folder, out)
    for name in ("sound-1.wav", "sound-1.srt"):
        (folder / name).rename(folder / "field" / name)
    (folder / "sound-2.wav").rename(folder / "new-2.wav")
    (folder / "sound-3.wav").rename(folder / "swap")
    (folder / "sound-4.wav").rename(folder / "sound-3.wav")  # two files in each other's place
    (folder / "swap").rename(folder / "sound-4.wav")
    summary = follow(folder, out, encoder)
    assert (summary.num_files_moved, summary.num_files_added, summary.num_files_skipped) == (2, 2, 1)
    assert encoder.num_encoded == 0
    assert content(out) == as_new(folder, tmp_path / "new")
    hits = nearest(Index.open(out, encoder=FakeEncoder()), "number 1", k=10)
    assert {hit.path for hit in hits[:2]} == {str(folder / "field" / "sound-1.wav")}
    assert str(folder / "sound-1.wav") not in {hit.path for hit in hits}


def test_a_removed_emptied_or_damaged_file_answers_no_more(folder, tmp_path):
    out = tmp_path / "index"
    follow(folder, out)
    (folder / "sound-2.wav").unlink()
    (folder / "sound-3.wav").write_bytes(b"")
    os.truncate(folder / "sound-4.wav", 20)
    summary = follow(folder, out)
    assert (summary.num_files_removed, summary.num_files, summary.num_rejected) == (1, 2, 2)
    found = {os.path.basename(hit.path) for hit in nearest(Index.open(out, encoder=FakeEncoder()), "number 2", k=99)}
    assert found == {"sound-1.wav", "sound-5.wav"}
    assert content(out) == as_new(folder, tmp_path / "new")


def test_a_pipe_among_the_files_is_reported_and_the_others_are_indexed(folder, tmp_path):
    os.mkfifo(folder / "pipe.wav")
    summary = follow(folder, tmp_path / "index")
    (line,) = (tmp_path / "index" / REPORT_NAME).read_text().splitlines()
    assert summary.num_files == 5
    assert (json.loads(line)["path"], json.loads(line)["reason"]) == (str(folder / "pipe.wav"), "not_a_file")


def test_a_file_that_was_cut_answers_as_far_as_it_goes(folder, tmp_path):
    out = tmp_path / "index"
    write_numbered_sound(folder / "sound-6.wav", 6, seconds=9.0)
    follow(folder, out)
    data = (folder / "sound-6.wav").read_bytes()
    (folder / "sound-6.wav").write_bytes(data[: len(data) // 3])
    follow(folder, out)
    hits = nearest(Index.open(out, encoder=FakeEncoder()), "number 6", k=99)
    assert max(hit.stop_seconds for hit in hits if hit.path.endswith("sound-6.wav")) <= 3.0
    assert content(out) == as_new(folder, tmp_path / "new")


def test_changed_subtitles_captions_and_metadata_are_taken_up_without_encoding(folder, tmp_path):
    out, encoder = tmp_path / "index", Counting()
    follow(folder, out)
    (folder / "sound-1.srt").write_text(CUE.format(start=1, stop=2, number=7))
    (folder / "sound-2.vtt").write_text("not subtitles")
    captions = ["path,start_seconds,stop_seconds,text", "sound-3.wav,,,number 3", "sound-3.wav,9,9.5,x 1"]
    (folder / "captions.csv").write_text("\n".join(captions))
    (folder / "metadata.csv").write_text("path,place,camera\nsound-4.wav,harbour,A7\nfield/no.wav,x,y\n")
    summary = follow(folder, out, encoder)
    assert (summary.num_files_added, encoder.num_encoded) == (4, 0)
    assert summary.reasons == {"captions": 1, "outside": 1, "missing": 1}
    lines = [json.loads(line) for line in (out / REPORT_NAME).read_text().splitlines()]
    (line,) = (line for line in lines if line["reason"] == "missing")
    assert line["path"] == str(folder / "field" / "no.wav") and "in metadata.csv, but no media file" in line["message"]
    index = Index.open(out, encoder=FakeEncoder())
    (text,) = nearest(index, "number 7", k=1, in_="text")
    assert (text.start_seconds, text.text) == (1.0, "the number 7")
    facts = {one.path: one for one in index.file_facts()}
    assert facts["sound-4.wav"].columns == {"place": "harbour", "camera": "A7"}
    assert (facts["sound-3.wav"].text_from, facts["sound-1.wav"].text_from) == ("table", "sidecar")
    assert content(out) == as_new(folder, tmp_path / "new")
    for text, words in (
        ("path,place\nsound-4.wav\n", "csv:2: 1 values for 2 columns"),
        ("place\nx\n", "columns are place"),
    ):
        (folder / "metadata.csv").write_text(text)
        with pytest.raises(CaptionError, match=words):
            follow(folder, out)


def test_subtitles_in_several_languages_are_texts_in_their_languages_and_follow_their_files(folder, tmp_path):
    out = tmp_path / "index"
    for name, number in (("en", 11), ("de.sdh", 12), ("en.forced", 13)):
        (folder / f"sound-2.{name}.srt").write_text(CUE.format(start=0, stop=1, number=number))
    (folder / "sound-2.fr.srt").write_text("not subtitles")
    summary = follow(folder, out)
    assert summary.reasons == {"captions": 1, "sidecar": 1}
    texts = {row.texts[0]: row.language for row in Index.open(out).table.rows() if row.kind == "text"}
    assert texts == {"the number 1": None, "the number 11": "en", "the number 12": "de"}
    (folder / "sound-2.en.srt").unlink()
    for path in sorted(folder.glob("sound-2*")):
        path.rename(folder / "field" / path.name)
    encoder = Counting()
    assert follow(folder, out, encoder).reasons == {"captions": 1} and encoder.num_encoded == 0
    texts = {row.texts[0]: row.language for row in Index.open(out).table.rows() if row.kind == "text"}
    assert texts == {"the number 1": None, "the number 13": "en", "the number 12": "de"}
    assert content(out) == as_new(folder, tmp_path / "new")


def test_any_sequence_of_changes_ends_with_what_a_new_index_holds(folder, tmp_path):
    rng, out = random.Random(0), tmp_path / "index"
    follow(folder, out)
    for step in range(6):
        for _ in range(rng.randint(1, 3)):
            change(rng, folder)
        follow(folder, out, prune=True)
        assert content(out) == as_new(folder, tmp_path / "new"), step


def change(rng: random.Random, folder: Path) -> None:
    """One thing that people do to a folder of footage."""
    media = sorted(folder.rglob("*.wav"))
    one, place = rng.choice(media), folder / rng.choice(["", "field"])
    number = rng.randint(1, 99)
    kind = rng.choice(["new", "copy", "move", "remove", "rewrite", "damage", "touch", "words", "table", "labels"])
    if kind == "new" or len(media) < 3:
        write_numbered_sound(place / f"more-{number}.wav", number, seconds=rng.choice([0.3, 2.0, 3.4]))
    elif kind in ("copy", "move"):
        {"copy": shutil.copy, "move": shutil.move}[kind](one, place / f"{kind}-{number}.wav")
    elif kind == "remove":
        one.unlink()
    elif kind == "rewrite":
        write_numbered_sound(one, number, seconds=2.5)
    elif kind == "damage":
        os.truncate(one, 30)
    elif kind == "touch":
        os.utime(one, (number, number))
    elif kind == "words":
        suffix = rng.choice([".srt", ".en.srt", ".en.sdh.vtt", ".de.forced.srt"])
        one.with_suffix(suffix).write_text(CUE.format(start=rng.randint(0, 5), stop=5, number=number))
    elif kind == "table":
        rows = [f"{path.relative_to(folder)},{rng.randint(0, 2)},2.5,number {number}" for path in rng.sample(media, 2)]
        (folder / "captions.csv").write_text("\n".join(["path,start_seconds,stop_seconds,text", *rows]))
    else:
        (folder / "metadata.csv").write_text(f"path,place\n{one.relative_to(folder)},place {number}\n")


def test_a_folder_that_is_not_there_or_mostly_empty_takes_nothing_out_without_prune(folder, tmp_path, caplog):
    out = tmp_path / "index"
    follow(folder, out)
    before = content(out)
    folder.rename(tmp_path / "unplugged")
    with pytest.raises(ManifestError, match="no such folder; .* keeps all that it has"):
        follow(folder, out)
    folder.mkdir()
    for _ in range(2):
        caplog.clear()
        summary = follow(folder, out)
        assert (summary.num_files_gone, summary.num_files_removed, summary.num_files) == (5, 0, 5)
        (line,) = caplog.messages
        assert "5 of 5 files are gone, more than half; they stay" in line and "--prune" in line and "\n" not in line
    assert content(out) == before
    shutil.copy(tmp_path / "unplugged" / "sound-1.wav", folder)
    shutil.copy(tmp_path / "unplugged" / "sound-2.wav", folder)
    assert follow(folder, out).num_files_gone == 3
    assert follow(folder, out, prune=True).num_files_removed == 3
    assert content(out) == as_new(folder, tmp_path / "new")


def test_what_lies_in_a_folder_that_cannot_be_looked_into_is_neither_gone_nor_counted(folder, tmp_path):
    out, deep = tmp_path / "index", folder / "field" / "deep"
    deep.mkdir()
    for number in range(6, 12):
        write_numbered_sound(deep / f"sound-{number}.wav", number, seconds=3.0)
    (folder / "captions.csv").write_text("path,start_seconds,stop_seconds,text\nfield/deep/sound-6.wav,0,1,number 6\n")
    follow(folder, out)
    before = content(out)
    for locked, mode in ((folder / "field", 0), (folder / "field", 0o400), (deep, 0)):
        locked.chmod(mode)
        with of_anyone():
            summary = follow(folder, out, prune=True)
        locked.chmod(0o700)
        assert (summary.num_files, summary.num_files_gone, summary.num_files_removed) == (11, 0, 0)
        (line,) = map(json.loads, (out / REPORT_NAME).read_text().splitlines())
        assert (line["path"], line["reason"]) == (str(locked), "permission")
        assert "cannot be looked into (Permission denied)" in line["message"]
    assert follow(folder, out).num_rejected == 0
    assert content(out) == before
    (folder / "field").chmod(0)
    for number in (1, 2, 3):  # of five that are seen
        (folder / f"sound-{number}.wav").unlink()
    with of_anyone():
        assert follow(folder, out).num_files_gone == 3
        assert follow(folder, out, prune=True).num_files_removed == 3
    folder.chmod(0)
    with of_anyone(), pytest.raises(ManifestError, match=r"footage: cannot be listed \(Permission denied\)"):
        follow(folder, out, prune=True)
    folder.chmod(0o700)
    (folder / "field").chmod(0o700)
    assert follow(folder, out).num_files == 8


def test_files_of_a_linked_drive_that_is_not_connected_stay_and_are_reported(folder, tmp_path):
    out, drive = tmp_path / "index", tmp_path / "drive"
    drive.mkdir()
    for number in (6, 7):
        write_numbered_sound(drive / f"sound-{number}.wav", number, seconds=3.0)
    (folder / "drive").symlink_to(drive)
    (folder / ".#lock").symlink_to("nobody@nowhere")  # as editors make them
    assert follow(folder, out).num_files == 7
    before = content(out)
    drive.rename(tmp_path / "unplugged")
    summary = follow(folder, out, prune=True)
    assert (summary.num_files, summary.num_files_gone, summary.num_files_removed) == (7, 0, 0)
    (line,) = map(json.loads, (out / REPORT_NAME).read_text().splitlines())
    assert (line["path"], line["reason"]) == (str(folder / "drive"), "missing")
    assert f"a link to {drive}, which is not there" in line["message"] and "Connect the drive" in line["message"]
    (tmp_path / "unplugged").rename(drive)
    follow(folder, out)
    assert content(out) == before
    (folder / "drive").unlink()
    assert follow(folder, out).num_files_removed == 2


def test_a_moved_folder_is_followed_where_its_files_are_and_another_folder_is_refused(folder, tmp_path):
    out, encoder = tmp_path / "index", Counting()
    follow(folder, out)
    shutil.copytree(folder, tmp_path / "new place")  # all times are new
    shutil.rmtree(folder)
    moved = Index.open(out, encoder=FakeEncoder(), source=tmp_path / "new place")
    assert nearest(moved, "number 3", k=1)[0].path == str(tmp_path / "new place" / "sound-3.wav")
    summary = follow(tmp_path / "new place", out, encoder)
    assert (summary.num_files, encoder.num_encoded, summary.num_files_removed) == (5, 0, 0)
    assert content(out) == as_new(tmp_path / "new place", tmp_path / "new")
    (tmp_path / "wider").mkdir()
    (tmp_path / "new place").rename(tmp_path / "wider" / "deep")
    summary = follow(tmp_path / "wider", out, encoder)
    assert (summary.num_files_moved, encoder.num_encoded) == (5, 0)
    assert content(out) == as_new(tmp_path / "wider", tmp_path / "new")
    other = tmp_path / "other"
    other.mkdir()
    write_numbered_sound(other / "sound-1.wav", 8)
    with pytest.raises(SearchIndexError, match="clips of two sources"):
        follow(other, out)


def test_an_edited_copy_of_a_large_file_is_encoded_and_a_moved_one_is_not(folder, tmp_path):
    out, encoder = tmp_path / "index", Counting()
    write_numbered_sound(folder / "long-9.wav", 9, seconds=24.0, rate_hz=96_000)  # 4.6 MB
    follow(folder, out, window_seconds=8.0, step_seconds=8.0)
    data = (folder / "long-9.wav").read_bytes()
    middle = np.full(250_000, 99 / 256 * 32768, "<i2").tobytes()  # nothing of the first, middle and last million bytes
    (folder / "copy-9.wav").write_bytes(data[:1_100_000] + middle + data[1_600_000:])
    (folder / "sound-3.wav").rename(folder / "moved-3.wav")
    (folder / "long-9.wav").rename(folder / "moved-9.wav")
    summary = follow(folder, out, encoder)
    assert (summary.num_files_moved, summary.num_files_added, encoder.num_encoded) == (2, 1, 3 * 4)


def test_nothing_changed_means_no_model_no_table_and_no_decoder(folder, tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.safetensors").write_bytes(b"weights")
    monkeypatch.setattr(encoders, "load", lambda path: FakeEncoder())
    first = build_index(tmp_path / "run", folder, tmp_path / "index", num_workers=0)
    for owner, name in ((encoders, "load"), (lance.VectorTable, "open"), (workers, "WorkerPool")):
        monkeypatch.setattr(owner, name, lambda *_: pytest.fail("needless"))
    again = build_index(tmp_path / "run", folder, tmp_path / "index", num_workers=0)
    assert (again.num_rows, again.num_files_skipped, again.num_files_added) == (first.num_rows, 5, 0)
    (tmp_path / "run" / "model.safetensors").write_bytes(b"other weights")  # which model that is, loading says
    with pytest.raises(pytest.fail.Exception, match="needless"):
        build_index(tmp_path / "run", folder, tmp_path / "index", num_workers=0)


def test_many_rounds_of_changes_take_no_more_room_than_a_new_index(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(lance, "KEEP_SECONDS", 0.001)
    out = tmp_path / "index"
    follow(folder, out)
    reader = Index.open(out, encoder=FakeEncoder())
    for number in range(10):
        os.utime(folder / "sound-1.wav", (number, number))
        write_numbered_sound(folder / "sound-2.wav", 10 + number, seconds=3.0)
        follow(folder, out)
        assert nearest(reader, f"number {10 + number}", k=1)[0].path.endswith("sound-2.wav")
    as_new(folder, tmp_path / "new")
    taken, needed = (sum(path.stat().st_size for path in place.rglob("*.*")) for place in (out, tmp_path / "new"))
    assert taken < 2 * needed
