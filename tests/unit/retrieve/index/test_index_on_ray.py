"""`vlsa index --engine ray` on a cluster of two workers: the rows that one machine makes, whatever is killed."""

import gc
import importlib.util
import os
import signal
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from command_lines import call
from fake_encoder import FakeEncoder, decode_or_die, write_numbered_sound
from page_server import write_run
from ray_variables import VARIABLES

from vlsa.base.errors import ConfigError, SearchIndexError
from vlsa.data.engine.ray_cluster import RayEngine, ray_engine
from vlsa.retrieve.index.build import build_index
from vlsa.retrieve.index.encode_elsewhere import NamedModel
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.report import REPORT_NAME

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra ray"),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
WINDOWS = {"window_seconds": 2.0, "step_seconds": 1.0}


@pytest.fixture(scope="module")
def engine() -> Iterator[RayEngine]:
    """Two workers of this machine, with vlsa and tests/ importable."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        for name, value in VARIABLES.items():
            patch.setenv(name, value)
        with ray_engine(num_workers=2) as engine:
            yield engine
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray leaves log files of its processes open
        gc.collect()


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A run, and sounds, one of which ends its decoder, and one of which is none."""
    place = tmp_path_factory.mktemp("ray")
    write_run(place / "run")
    (place / "footage").mkdir()
    for number in range(1, 7):
        write_numbered_sound(place / "footage" / f"sound-{number}.wav", number, seconds=6.0)
    write_numbered_sound(place / "footage" / "deadly-7.wav", 7, seconds=6.0)
    (place / "footage" / "none-8.wav").write_bytes(b"not a sound" * 9)
    return place


def decode_and_lose_parent(spec, rows, beat):
    """As decode_or_die; once, it first kills the process that started it, which is one of the two workers."""
    mark = Path(rows[0].path).parent.with_name("killed")
    if "sound-3" in rows[0].path and not mark.exists():
        mark.touch()
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    return decode_or_die(spec, rows, beat)


def test_two_workers_one_of_which_is_killed_make_the_rows_of_one_machine(engine, place):
    options = {"num_workers": 1, "decode": decode_or_die, **WINDOWS}
    here = build_index(place / "run", place / "footage", place / "here", **options)
    options |= {"decode": decode_and_lose_parent, "engine": engine}
    there = build_index(place / "run", place / "footage", place / "there", **options)
    assert (place / "killed").exists()
    assert (there.num_files, there.num_windows, there.reasons) == (here.num_files, here.num_windows, here.reasons)
    assert there.reasons["crashed"] == 1
    assert (place / "there" / REPORT_NAME).read_text() == (place / "here" / REPORT_NAME).read_text()
    rows, expected = (
        sorted(Index.open(place / name).table.rows(), key=lambda row: row.id) for name in ("there", "here")
    )
    assert [(row.id, row.path, row.start_seconds) for row in rows] == [
        (row.id, row.path, row.start_seconds) for row in expected
    ]
    np.testing.assert_allclose([row.audio for row in rows], [row.audio for row in expected], atol=1e-6)


def test_what_was_made_on_a_cluster_is_followed_on_one_machine(engine, place):
    (place / "few").mkdir()
    write_numbered_sound(place / "few" / "sound-1.wav", 1, seconds=6.0)
    build_index(place / "run", place / "few", place / "both", num_workers=1, engine=engine)
    write_numbered_sound(place / "few" / "sound-2.wav", 2, seconds=6.0)
    again = build_index(place / "run", place / "few", place / "both", num_workers=0)
    assert (again.num_files_added, again.num_files_skipped) == (1, 1)


def test_a_model_that_is_another_one_on_a_node_is_refused(place):
    from vlsa.retrieve.encode import encoders

    model = NamedModel.of(str(place / "run"), encoders.load(place / "run"))
    assert model.load().fingerprint == model.fingerprint
    with pytest.raises(SearchIndexError, match="a node has model .* Put the same files on every node"):
        NamedModel(model.name, "another", model.sampling).load()


def test_what_a_cluster_cannot_do_is_one_line_before_anything_is_made(place, tmp_path):
    with pytest.raises(ConfigError, match="engine: the model has to be named by its path"):
        build_index(FakeEncoder(), place / "footage", tmp_path / "index", engine=RayEngine())
    result = call(f"vlsa index {place / 'run'} {place / 'footage'} --out {tmp_path / 'index'} --ray-address auto")
    assert (result.exit_code, "Add --engine ray" in result.output) == (2, True)
    assert not (tmp_path / "index").exists()
