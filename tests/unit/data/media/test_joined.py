"""Joined recordings are known by what their containers claim, and read whole only then."""

import os

import pytest
from media_files import numbered, write_joined, write_media

from vlsa.base.errors import MediaError
from vlsa.data.media import joined
from vlsa.data.media.decode import probe
from vlsa.data.media.joined import facts_if_joined


def test_a_file_whose_time_stamps_start_again_is_known_by_how_long_it_plays(tmp_path):
    path = write_joined(tmp_path / "tape.ts")
    facts = probe(path)
    assert facts.duration_seconds == pytest.approx(4, abs=0.2) and len(facts.shifts_seconds) == 2
    assert facts_if_joined(path, facts.duration_seconds) == facts


def test_a_file_that_is_one_recording_is_not_read_whole(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(joined, "probe", read.append)
    for suffix in (".ts", ".mp4", ".mkv"):
        path = write_media(tmp_path / f"film{suffix}", pictures=numbered(75), frames_per_second=25)
        assert facts_if_joined(path, probe(path).duration_seconds) is None
        assert facts_if_joined(path, 0.0) is None  # how long it plays is not known
    assert read == []


def test_a_file_that_was_written_again_is_looked_at_again(tmp_path):
    path = write_joined(tmp_path / "tape.ts")
    seconds = probe(path).duration_seconds
    assert facts_if_joined(path, seconds) is not None
    os.replace(write_media(tmp_path / "other.ts", pictures=numbered(100), frames_per_second=25), path)
    assert facts_if_joined(path, seconds) is None
    path.unlink()
    with pytest.raises(MediaError, match="no such file"):
        facts_if_joined(path, seconds)
