"""With --scenes no clip goes across a cut, unless its caption does; cuts are looked for once."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_shots import FRAMES_PER_SECOND, pictures, still
from media_files import grey, tone, write_media

from vlsa.base.errors import MediaError, StoreError
from vlsa.data.engine.workers import Done, Lost
from vlsa.data.ingest import scan, shots
from vlsa.data.ingest.segments import Lengths, cut_shots, cut_windows
from vlsa.data.ingest.shots import kept_cuts
from vlsa.data.media.decode import probe
from vlsa.data.store.prepare import prepare
from vlsa.data.store.reader import ClipStore
from vlsa.data.store.shards import StoreSettings


@settings(deadline=None)
@given(
    cuts=st.lists(st.integers(0, 300).map(lambda tenths: tenths / 10), max_size=8).map(sorted),
    window_seconds=st.floats(0.5, 9.0),
    file_seconds=st.integers(5, 300).map(lambda tenths: tenths / 10),
)
def test_clips_tile_each_shot_and_none_goes_across_a_cut(cuts, window_seconds, file_seconds):
    lengths = Lengths(file_seconds=file_seconds, window_seconds=window_seconds, shortest_seconds=0.5)
    found = cut_shots(lengths, cuts)
    assert found[0].start_seconds == 0
    assert found[-1].stop_seconds == pytest.approx(file_seconds, abs=2e-3)
    assert all(one.stop_seconds == pytest.approx(other.start_seconds, abs=2e-3) for one, other in pairwise(found))
    for cut in found:
        assert not any(cut.start_seconds + 2e-3 < second < cut.stop_seconds - 2e-3 for second in cuts)
        assert not cut.reason or cut.stop_seconds - cut.start_seconds < 0.4995
    if not cuts:
        assert found == cut_windows(lengths)


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    """A film of shots of 2.3, 0.3 and 2.4 s, three times: plain, with captions, and with subtitles; and a sound."""
    folder = tmp_path / "in"
    folder.mkdir()
    frames = pictures(np.concatenate([still(1, 23), still(2, 3), still(3, 24)]))
    for name in ("plain", "row", "cue"):
        write_media(folder / f"{name}.mp4", pictures=frames, frames_per_second=FRAMES_PER_SECOND)
    write_media(folder / "sound.wav", sound=tone(3.0), audio_codec="pcm_s16le")
    (folder / "captions.csv").write_text("path,start_seconds,stop_seconds,text\nrow.mp4,0,2.3,one\nrow.mp4,1,4,two\n")
    (folder / "cue.srt").write_text("1\n00:00:00,200 --> 00:00:01,000\nhello\n")
    return folder


def times(rows: list, name: str) -> list[tuple[float, float]]:
    return [(row.start_seconds, row.stop_seconds) for row in rows if Path(row.path).stem == name]


def test_shots_are_cut_as_files_are_and_captions_stay(footage, tmp_path, monkeypatch):
    monkeypatch.setattr("vlsa.data.media.scenes.APART_SECONDS", 0.2)
    rows, rejections = scan.scan(footage, window_seconds=1.0, num_workers=0, scenes=tmp_path / "store")
    assert times(rows, "plain") == [(0, 1), (1, 2.3), (2.6, 3.6), (3.6, 5)]
    assert times(rows, "row") == [(0, 2.3), (1, 4)]
    assert times(rows, "cue") == [(0.2, 1)]
    assert times(rows, "sound") == [(0, 1), (1, 2), (2, 3)]
    assert Counter(one.reason for one in rejections) == {"too_short": 1, "scenes": 1}
    short, spanning = rejections
    assert "the shot from 2.3 s is only 0.3 s long" in short.message
    assert "row.mp4: 1 of 2 clips with captions go across a cut" in spanning.message
    store = tmp_path / "store"
    settings = StoreSettings(short_side_px=18, frames_per_second=4.0, sample_rate_hz=8000, window_seconds=1.0)
    summary = prepare(rows, store, settings, num_workers=0, rejections=rejections)
    assert (summary.reasons, summary.notes) == ({"too_short": 1}, {"scenes": 1})
    for clip in ClipStore.open(store).clips:
        if Path(clip.source).stem == "plain":
            frames = ClipStore.open(store).read(clip).frames.astype(float)
            assert np.abs(frames - frames[:1]).mean(axis=(1, 2, 3)).max() < 6  # one still picture
    again, _ = scan.scan(footage, window_seconds=1.0, num_workers=0, scenes=store)
    assert again == rows


def test_cuts_are_looked_for_once_for_each_content(footage, tmp_path, monkeypatch):
    path = footage / "plain.mp4"
    facts = probe(path)
    first = kept_cuts(path, facts, tmp_path)
    monkeypatch.setattr(shots, "find_cuts", lambda path, facts: [9.0])
    assert kept_cuts(footage / "row.mp4", facts, tmp_path) == first
    (kept,) = (tmp_path / "scenes").iterdir()
    kept.write_text('["no"]')
    assert kept_cuts(path, facts, tmp_path) == ([9.0], [])
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        kept_cuts(path, facts, tmp_path / "file")


def test_a_file_whose_cuts_cannot_be_found_is_kept_without_them(tmp_path, monkeypatch):
    folder = tmp_path / "in"
    folder.mkdir()
    write_media(folder / "a.mp4", pictures=[grey(k) for k in range(20)], frames_per_second=10)

    def fails(path, facts):
        raise MediaError(f"{path}: damaged at 1.00 s. Copy it again.", reason="damaged")

    monkeypatch.setattr(shots, "find_cuts", fails)
    rows, rejections = scan.scan(folder, window_seconds=1.0, num_workers=0, scenes=tmp_path / "store")
    assert times(rows, "a") == [(0, 1), (1, 2)]
    assert [one.reason for one in rejections] == ["scenes"]
    assert "without cuts" in rejections[0].message


class Kills:
    """An engine whose pool loses the worker when it looks for cuts."""

    def pool(self, function, tasks, needs):
        self.tasks = [*tasks]
        return self

    def submit(self, task):
        self.tasks.append(task)

    def events(self):
        while self.tasks:
            task = self.tasks.pop(0)
            if task.scenes is not None:
                yield Lost(task, task.name, "crashed", "the decoder died (SIGSEGV)")
            else:
                yield Done(task, scan.scan_file(task, lambda label, patience: None))


def test_a_file_that_kills_its_worker_is_scanned_without_cuts(tmp_path):
    write_media(tmp_path / "a.mp4", pictures=[grey(k) for k in range(20)], frames_per_second=10)
    rows, rejections = scan.scan(tmp_path, window_seconds=1.0, engine=Kills(), scenes=tmp_path / "store")
    assert times(rows, "a") == [(0, 1), (1, 2)]
    assert [(one.reason, "SIGSEGV" in one.message) for one in rejections] == [("scenes", True)]
