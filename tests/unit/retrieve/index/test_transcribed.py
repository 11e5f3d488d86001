"""An index hears files that have no text: phrases with times, that say that they were heard, and follow their files."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from fake_encoder import FakeEncoder
from followed_folder import CUE, Counting, content, follow
from heard import NAMES, Beeps, write_beeps

from vlsa.base.errors import ConfigError, MediaError
from vlsa.data.ingest.scan import scan
from vlsa.data.ingest.transcribe import Speech
from vlsa.data.store.prepare import prepare
from vlsa.data.store.shards import StoreSettings
from vlsa.retrieve.index.check import check_index
from vlsa.retrieve.index.facts import read_facts
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.search.library import Library
from vlsa.retrieve.search.tables import SearchTables

ONE, TWO, THREE = NAMES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A file with subtitles, and one of four seconds that says "low1 middle2." and, after a pause, "high3"."""
    (tmp_path / "in").mkdir()
    write_beeps(tmp_path / "in/sound-1.wav", 3.0, [(0.5, ONE)])
    write_beeps(tmp_path / "in/sound-2.wav", 4.0, [(0.4, ONE), (0.9, TWO), (2.5, THREE)])
    (tmp_path / "in/sound-1.srt").write_text(CUE.format(start=0, stop=1, number=1))
    return tmp_path / "in"


@pytest.fixture
def beeps(tmp_path: Path) -> Beeps:
    return Beeps(tmp_path / "log")


def texts(out: Path) -> list[tuple[str, float, float, str, str | None]]:
    rows = [row for row in Index.open(out).table.rows() if row.kind == "text"]
    return sorted((row.path, round(row.start_seconds, 1), round(row.stop_seconds, 1), row.texts[0], row.language)
                  for row in rows)  # fmt: skip


SUBTITLE = ("sound-1.wav", 0.0, 1.5, "the number 1", None)
HEARD = [("sound-2.wav", 0.4, 1.1, "low1 middle2.", "en"), ("sound-2.wav", 2.5, 2.7, "high3", "en")]


def test_texts_are_phrases_and_a_moment_says_that_they_were_heard(folder, tmp_path, beeps):
    out = tmp_path / "index"
    follow(folder, out, transcribe=beeps)
    assert texts(out) == [SUBTITLE, *HEARD]
    assert {one.path: one.text_from for one in Index.open(out).file_facts()} == {
        "sound-1.wav": "sidecar",
        "sound-2.wav": "transcript",
    }
    library = Library.open(out, encoder=FakeEncoder())
    (moment,) = library.search('"middle2"', k=1)
    assert (Path(moment.path).name, moment.text_from, moment.texts[0]) == ("sound-2.wav", "transcript", "low1 middle2.")
    assert moment.as_dict()["text_from"] == "transcript"
    assert {m.text_from for m in library.search("number 1", k=9, where="text_from = 'sidecar'")} <= {"sidecar", None}
    kept = SearchTables.open(out).kept("text_from = 'transcript'")
    assert 0 < kept.sum() < len(kept)


def test_the_same_command_goes_on_hearing_and_encodes_nothing_twice(folder, tmp_path, beeps):
    out, encoder = tmp_path / "index", Counting()
    follow(folder, out, encoder)
    assert texts(out) == [SUBTITLE]
    encoder.encoded.clear()
    follow(folder, out, encoder, transcribe=beeps)
    assert (texts(out), encoder.num_encoded, beeps.num_heard) == ([SUBTITLE, *HEARD], 0, 1)
    assert follow(folder, out, encoder).num_files_skipped == 2
    assert check_index(out) == []
    assert read_facts(out)["transcribe"] == {"name": "beeps", "fingerprint": "beeps1"}
    (folder / "sound-2.wav").rename(folder / "moved-2.wav")
    follow(folder, out, encoder, transcribe=beeps)
    assert [text[0] for text in texts(out)] == ["moved-2.wav", "moved-2.wav", "sound-1.wav"]
    (folder / "moved-2.srt").write_text(CUE.format(start=0, stop=1, number=2))
    follow(folder, out, encoder, transcribe=beeps)
    assert [text[3] for text in texts(out)] == ["the number 2", "the number 1"]
    (folder / "moved-2.srt").unlink()
    follow(folder, out, encoder, transcribe=beeps)
    assert (encoder.num_encoded, beeps.num_heard) == (0, 1)
    new = tmp_path / "new"
    shutil.copytree(out / "transcripts", new / "transcripts")
    follow(folder, new, transcribe=beeps)
    assert (content(new), beeps.num_heard) == (content(out), 1)


def test_another_model_replaces_what_was_heard(folder, tmp_path, beeps):
    out, encoder = tmp_path / "index", Counting()
    follow(folder, out, encoder, transcribe=beeps)
    encoder.encoded.clear()
    follow(folder, out, encoder, transcribe=replace(beeps, fingerprint="beeps2"))
    assert (beeps.num_heard, encoder.num_encoded) == (2, 0)
    assert read_facts(out)["transcribe"]["fingerprint"] == "beeps2"
    follow(folder, out, encoder, restart=True)
    assert texts(out) == [SUBTITLE]


def test_a_file_that_cannot_be_heard_is_reported_and_found_by_its_sound(folder, tmp_path, beeps, monkeypatch):
    def fails(self, sound, language):
        raise MediaError("sound-2.wav: damaged at 1.00 s", reason="damaged")

    out = tmp_path / "index"
    with monkeypatch.context() as patch:
        patch.setattr(Beeps, "hear", fails)
        summary = follow(folder, out, transcribe=beeps)
    assert (summary.reasons["transcript"], texts(out)) == (1, [SUBTITLE])
    assert summary.num_files == 2
    follow(folder, out, transcribe=beeps, restart=True)
    assert texts(out) == [SUBTITLE, *HEARD]


def test_a_store_keeps_the_kind_of_its_texts_and_is_not_heard_again(folder, tmp_path, beeps):
    settings = StoreSettings(short_side_px=16, frames_per_second=2.0, sample_rate_hz=8000, window_seconds=2.0)
    store = tmp_path / "store"
    rows, _ = scan(folder, window_seconds=2.0, num_workers=0, speech=Speech(beeps, store))
    prepare(rows, store, settings, num_workers=0)
    follow(store, tmp_path / "index")
    found = {Path(one.path).name: one.text_from for one in Index.open(tmp_path / "index").file_facts()}
    assert found == {"sound-1.wav": "table", "sound-2.wav": "transcript"}
    with pytest.raises(ConfigError, match="a store has the text it was prepared with"):
        follow(store, tmp_path / "other", transcribe=beeps)
