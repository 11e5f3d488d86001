"""An index follows its folder: after any change it holds what a new index of the folder would."""

import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from fake_encoder import FakeEncoder, write_numbered_sound
from media_files import write_media
from nearest import nearest

from vlsa.base.errors import CaptionError, ManifestError, SearchIndexError
from vlsa.data.engine import workers
from vlsa.data.media import content_digest
from vlsa.data.media.probe import recording_time
from vlsa.retrieve.encode import encoders
from vlsa.retrieve.index import lance
from vlsa.retrieve.index.build import build_index
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.report import REPORT_NAME

CUE = "1\n00:00:{start:02d},000 --> 00:00:{stop:02d},500\nthe number {number}\n"


class Counting(FakeEncoder):
    """Counts the windows that it encodes, but for those that show whether it is usable."""

    def __init__(self) -> None:
        self.encoded = []

    @property
    def num_encoded(self) -> int:
        return len(self.encoded)

    def encode_audio(self, clips):
        self.encoded += [clip.id for clip in clips if clip.source != "noise"]  # a list, which copies share
        return super().encode_audio(clips)


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "footage"
    (folder / "field").mkdir(parents=True)
    for number in range(1, 6):
        write_numbered_sound(folder / f"sound-{number}.wav", number, seconds=3.0)
    (folder / "sound-1.srt").write_text(CUE.format(start=0, stop=1, number=1))
    return folder


def follow(folder: Path, out: Path, encoder: FakeEncoder | None = None, **options):
    return build_index(encoder or FakeEncoder(), folder, out, **{"num_workers": 0, **options})


def content(out: Path) -> list[tuple]:
    """All that the tables and the report hold, in order."""
    index = Index.open(out)
    rows = [(row.id, row.digest()) for row in index.table.rows()]
    return sorted(rows) + index.file_facts() + (out / REPORT_NAME).read_text().splitlines()


def as_new(folder: Path, out: Path) -> list[tuple]:
    """The content of a new index of the folder."""
    shutil.rmtree(out, ignore_errors=True)
    follow(folder, out)
    return content(out)


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


def test_changed_subtitles_captions_and_metadata_are_taken_up_without_encoding(folder, tmp_path):
    out, encoder = tmp_path / "index", Counting()
    follow(folder, out)
    (folder / "sound-1.srt").write_text(CUE.format(start=1, stop=2, number=7))
    (folder / "sound-2.vtt").write_text("not subtitles")
    captions = ["path,start_seconds,stop_seconds,text", "sound-3.wav,,,number 3", "sound-3.wav,9,9.5,x 1"]
    (folder / "captions.csv").write_text("\n".join(captions))
    (folder / "metadata.csv").write_text("path,place,camera\nsound-4.wav,harbour,A7\nfield/no.wav,x,y\n")
    summary = follow(folder, out, encoder)
    assert (summary.num_files_added, encoder.num_encoded, summary.reasons) == (4, 0, {"captions": 1, "outside": 1})
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
        one.with_suffix(".srt").write_text(CUE.format(start=rng.randint(0, 5), stop=5, number=number))
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


def test_a_large_file_that_was_written_again_in_place_is_encoded_again_and_a_moved_one_is_not(
    folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(content_digest, "SAMPLE_BYTES", 100)
    out, encoder = tmp_path / "index", Counting()
    follow(folder, out)
    with (folder / "sound-2.wav").open("r+b") as file:  # between the samples
        file.seek(10_000)
        file.write(np.full(5_000, 99 / 256 * 32768, "<i2").tobytes())
    (folder / "sound-3.wav").rename(folder / "moved-3.wav")
    summary = follow(folder, out, encoder)
    assert (summary.num_files_moved, summary.num_files_added, encoder.num_encoded) == (1, 1, 2)


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


def test_restart_with_a_folder_that_is_missing_or_empty_leaves_the_index_as_it_is(folder, tmp_path):
    out = tmp_path / "index"
    follow(folder, out)
    before = content(out)
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.mp4").write_bytes(b"")
    for name, error, words in (
        ("nofolder", ManifestError, "no such folder"),
        ("empty", ManifestError, "no media files"),
        ("bad", SearchIndexError, "no clip could be indexed"),
    ):
        with pytest.raises(error, match=words):
            follow(tmp_path / name, out, restart=True)
        assert sorted(row for row in content(out) if isinstance(row, tuple)) == sorted(
            row for row in before if isinstance(row, tuple)
        )


def test_the_old_index_answers_until_the_new_one_is_finished_and_readers_go_over_to_it(folder, tmp_path):
    out = tmp_path / "index"
    follow(folder, out)
    reader = Index.open(out, encoder=FakeEncoder())
    (folder / "sound-3.wav").unlink()
    answers = []

    def ask(done: int, total: int, message: str) -> None:
        answers.append(nearest(reader, "number 3", k=1)[0].score)

    follow(folder, out, restart=True, progress=ask)
    assert min(answers) == pytest.approx(1)
    assert nearest(reader, "number 3", k=1)[0].score < 0.99
    assert len([path for path in out.iterdir() if path.name.startswith("data-")]) == 1


def test_a_restart_that_was_interrupted_goes_on_where_it_was_or_is_forgotten(folder, tmp_path, monkeypatch):
    out, encoder = tmp_path / "index", Counting()
    follow(folder, out)
    monkeypatch.setattr("vlsa.retrieve.index.writer.ROWS_PER_WRITE", 2)

    def interrupt(done: int, total: int, message: str) -> None:
        if message.startswith("indexing") and done == 6:
            raise KeyboardInterrupt

    for again in (True, False):
        with pytest.raises(KeyboardInterrupt):
            follow(folder, out, restart=True, progress=interrupt)
        assert len(Index.open(out)) == 11
        summary = follow(folder, out, encoder, restart=again)
        assert summary.num_files == 5
        assert summary.num_files_skipped == (2 if again else 5)
        assert not (out / "restart.json").exists()
        assert len([path for path in out.iterdir() if path.name.startswith("data-")]) == 1


def test_a_restart_whose_unfinished_index_is_damaged_begins_anew(folder, tmp_path):
    out = tmp_path / "index"
    follow(folder, out)
    (out / "restart.json").write_bytes((out / "index.json").read_bytes().replace(b'"data": "data-', b'"data": "data-0'))
    assert follow(folder, out, restart=True).num_files == 5
    assert content(out) == as_new(folder, tmp_path / "new")


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


def test_the_facts_of_a_file_are_those_of_its_streams_and_its_container(tmp_path):
    folder = tmp_path / "footage"
    (folder / "2025" / "ferry").mkdir(parents=True)
    pictures = [np.full((48, 64, 3), 10 + k, np.uint8) for k in range(30)]
    write_media(
        folder / "2025" / "ferry" / "film-10.mp4", pictures=pictures, frames_per_second=10,
        sound=np.full(144_000, 10 / 256, np.float32), video_codec="mpeg4", cues=[(0.5, 1.5, "number 10")],
    )  # fmt: skip
    write_media(
        folder / "dated-11.mp4", pictures=pictures, frames_per_second=10, video_codec="mpeg4",
        set_up=lambda stream: stream.container.metadata.update(creation_time="2024-05-01T12:00:00+02:00"),
    )  # fmt: skip
    os.utime(folder / "2025" / "ferry" / "film-10.mp4", (1_700_000_000, 1_700_000_000))
    follow(folder, tmp_path / "index")
    facts, dated = Index.open(tmp_path / "index").file_facts()
    assert (dated.recorded_at, dated.recorded_from) == ("2024-05-01T10:00:00Z", "container")
    assert (facts.path, facts.tags) == ("2025/ferry/film-10.mp4", ("2025", "ferry"))
    assert (facts.width_px, facts.height_px, facts.frames_per_second) == (64, 48, pytest.approx(10))
    assert (facts.video_codec, facts.audio_codec, facts.sample_rate_hz) == ("mpeg4", "aac", 48_000)
    assert (facts.has_video, facts.has_audio, facts.has_text, facts.text_from) == (True, True, True, "subtitles")
    assert facts.duration_seconds == pytest.approx(3.0, abs=0.1)
    assert (facts.modified_at, facts.recorded_at, facts.recorded_from) == (
        "2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z", "file"
    )  # fmt: skip
    assert facts.content.startswith("whole:") and facts.size_bytes == (folder / facts.path).stat().st_size


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ("2024-05-01T12:00:00.000000Z", "2024-05-01T12:00:00Z"), ("2024-05-01 12:00:00", "2024-05-01T12:00:00Z"),
        ("1904-01-01T00:00:00Z", None), ("1970-01-01T00:00:00Z", None), ("yesterday", None), ("", None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)  # fmt: skip
def test_a_time_of_recording_is_a_date_in_utc_or_nothing(written, time):
    assert recording_time(written) == time


@pytest.mark.parametrize(("vectors", "words"), [(np.nan, "of audio are not finite"), (0.25, "of audio are all alike")])
def test_a_model_without_usable_vectors_is_refused_before_anything_is_written(folder, tmp_path, vectors, words):
    class Useless(FakeEncoder):
        def encode_audio(self, clips):
            return np.full((len(clips), self.width), vectors, np.float32)

    with pytest.raises(SearchIndexError, match=words) as caught:
        follow(folder, tmp_path / "index", Useless())
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "index" / "index.json").exists()


def test_an_index_of_version_1_is_replaced_by_restart_with_all_that_it_had(folder, tmp_path):
    out = tmp_path / "index"
    (out / "lance" / "clips.lance").mkdir(parents=True)
    (out / "files.jsonl").write_text("{}\n")
    (out / "index.json").write_text('{"format": "vlsa-index", "version": 1}')
    with pytest.raises(SearchIndexError, match="index of version 1, this vlsa reads 2; .* --restart"):
        follow(folder, out)
    assert (out / "lance" / "clips.lance").exists()
    assert follow(folder, out, restart=True).num_files == 5
    assert not (out / "lance").exists() and not (out / "files.jsonl").exists()
