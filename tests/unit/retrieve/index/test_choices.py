"""Where a file leaves a choice, an index says what was decided, and leaves nothing out for it."""

import json
from pathlib import Path

from av.stream import Disposition
from followed_folder import follow
from media_files import tone, write_media, write_tracks

from vlsa.retrieve.index.report import REPORT_NAME


def test_a_chosen_audio_stream_is_reported_and_counted(tmp_path: Path):
    folder = tmp_path / "footage"
    folder.mkdir()
    write_tracks(folder / "two.mkv", [tone(3.0, hz=200), tone(3.0)], [Disposition.comment, Disposition.default])
    write_media(folder / "one.wav", sound=tone(3.0), audio_codec="pcm_s16le")
    summary = follow(folder, tmp_path / "index")
    assert summary.choices == {"audio-2-of-2": 1} and summary.num_rejected == 0 and summary.num_files == 2
    assert "Choices: 1 audio-2-of-2. Nothing was left out." in str(summary)
    (line,) = map(json.loads, (tmp_path / "index" / REPORT_NAME).read_text().splitlines())
    assert line["reason"] == "choice" and line["path"].endswith("two.mkv") and "audio-2-of-2" in line["message"]
