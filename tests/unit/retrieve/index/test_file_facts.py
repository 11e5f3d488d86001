"""The table of files: what filters and pages want to know of each."""

import os

import numpy as np
import pytest
from followed_folder import follow
from media_files import write_media

from vlsa.data.media.recorded import recording_time
from vlsa.retrieve.index.file_facts import FileFacts
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.source import SourceFile


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
    assert len(facts.content) == 32 and facts.size_bytes == (folder / facts.path).stat().st_size


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


@pytest.mark.parametrize(
    ("seconds", "time"),
    [
        (0.0, "1970-01-01T00:00:00Z"), (1_700_000_000.9, "2023-11-14T22:13:20Z"), (-1.0, "1969-12-31T23:59:59Z"),
        (-4e10, "0702-06-15T00:53:20Z"), (3e11, None), (1e18, None), (-1e18, None), (None, None),
    ],
)  # fmt: skip
def test_a_time_that_is_no_date_is_not_known(seconds, time):
    file = SourceFile(path="a.wav", media="", modified_seconds=seconds)
    facts = FileFacts(path="b.wav", file_id="b").of(file)
    assert (facts.modified_at, facts.recorded_at, facts.recorded_from) == (time, time, "file" if time else None)
    assert not facts.fault()
