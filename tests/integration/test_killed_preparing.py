"""`vlsa prepare`, killed at a random moment and started again, makes the store of an unbroken run, byte for byte.

`VLSA_KILLS=30 pytest -s tests/integration/test_killed_preparing.py` kills the process, its group, and a worker 30 times
each (10 minutes of two cores or more).
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_lines import ROOT
from media_files import numbered, tone, write_media

NUM_KILLS = int(os.environ.get("VLSA_KILLS", "1"))


@pytest.mark.slow
@pytest.mark.timeout(120 + 120 * NUM_KILLS)
def test_a_store_whose_making_was_killed_at_random_moments_has_the_bytes_of_an_unbroken_one(tmp_path: Path) -> None:
    footage = tmp_path / "footage"
    footage.mkdir()
    film = write_media(footage / "film-0.mp4", pictures=numbered(225, 160, 120), sound=tone(9.0))
    for number in range(1, 12):  # 36 clips in all, in three shards
        shutil.copy(film, footage / f"film-{number}.mp4")
    command = [sys.executable, ROOT / "tests" / "kill_preparing.py", footage, tmp_path / "stores", "0", str(NUM_KILLS)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = {victim: int(count) for victim, count in (part.split(": ") for part in done.stdout.strip().split(", "))}
    print(counts)
    assert list(counts) == ["parent", "group", "worker"] and sum(counts.values()) > 0, "all tries ended before"
