"""A flash and a beep at the same time, in every container and with every codec that the media library can write."""

from pathlib import Path

import numpy as np
import pytest
from containers import FILES, write_in
from media_files import flashes, grey, onsets, tone

from vlsa.data.media.decode import decode, probe, regular_times
from vlsa.data.media.suffixes import MEDIA_SUFFIXES

RATE_HZ = 16_000
LATE_CONTAINERS = {"ts", "m2ts", "mpg", "m2v", "vob", "flv", "avi", "wmv", "wma", "aac", "amr", "ac3", "eac3"}
"""Their time 0 is the start of the encoder's delay (up to 25 ms, at most 45 in .avi and .m2v), for both alike."""


@pytest.mark.parametrize("name", FILES)
def test_flash_and_beep_are_found_at_their_time(tmp_path: Path, name: str):
    suffix, video, audio = name.split()
    pictures = [grey(235 if 20 <= k < 25 else 16, *FILES[name].get("size_px", (64, 48))) for k in range(40)]
    beep = tone(1.6, on_seconds=[(0.8, 1.0)], rate_hz=FILES[name].get("rate_hz", 48_000))
    path = write_in(tmp_path / f"a.{suffix}", name, pictures, beep)
    facts = probe(path)
    late_seconds = 0.045 if suffix in LATE_CONTAINERS else 0.0
    assert facts.duration_seconds == pytest.approx(1.6, abs=0.012 + late_seconds)
    clip = decode(
        path,
        0.0,
        1.5,
        frame_times_seconds=regular_times(1.5, 100) if video != "-" else None,
        short_side_px=16,
        sample_rate_hz=RATE_HZ,
        facts=facts,
    )
    seen = flashes(clip.frames, clip.frame_seconds) if video != "-" else []
    heard = onsets(clip.sound, RATE_HZ) if audio != "-" else []
    assert (len(seen), len(heard)) == (video != "-", audio != "-")
    for seconds in (*seen, *heard):
        assert 0.8 - 0.002 <= seconds <= 0.8 + 0.012 + late_seconds
    if seen and heard:
        assert np.abs(seen[0] - heard[0]) <= (0.02 if suffix == "avi" else 0.012)


def test_every_kind_of_file_that_is_taken_up_is_tried_here():
    tried = {f".{name.split()[0]}" for name in FILES}
    same = {".m4v": ".mp4", ".mts": ".ts", ".mpeg": ".mpg", ".aiff": ".aif", ".f4v": ".mp4", ".qt": ".mov"}
    same |= {".divx": ".avi", ".asf": ".wmv", ".m4b": ".m4a", ".oga": ".ogg", ".weba": ".webm", ".mka": ".mkv"}
    same |= {
        ".mk3d": ".mkv",
        ".m2t": ".ts",
        ".tod": ".ts",
        ".trp": ".ts",
        ".mpe": ".mpg",
        ".mod": ".mpg",
        ".3gpp": ".3gp",
    }
    same |= {".ogm": ".ogv", ".bwf": ".wav", ".rf64": ".wav", ".mpga": ".mp3", ".m4r": ".m4a", ".spx": ".ogg"}
    same |= {".awb": ".amr", ".3ga": ".3gp", ".264": ".h264", ".265": ".hevc", ".h265": ".hevc", ".snd": ".au"}
    in_test_endings = {".nut", ".ivf", ".h264", ".hevc", ".w64", ".au", ".wv", ".tta", ".dav"}
    cannot_be_written = {".rm", ".rmvb", ".ape", ".dsf", ".dts"}
    assert {same.get(suffix, suffix) for suffix in MEDIA_SUFFIXES} <= tried | in_test_endings | cannot_be_written
