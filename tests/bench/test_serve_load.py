"""The load bench at a small size: clients that ask without a pause while the index is written, and no answer fails."""

import os
import shutil
import urllib.parse

import serve_load
from serving import NamedEncoder, index_by_names, listening_server, write_mixed_footage

from vlsa.serve.app import create_app
from vlsa.serve.http.settings import ServeSettings


def test_no_answer_fails_while_files_come_in(tmp_path, monkeypatch):
    monkeypatch.setattr(serve_load, "WORDS", ("number 7", "number 1"))
    footage, index = write_mixed_footage(tmp_path / "footage"), tmp_path / "index"
    index_by_names(footage, index)

    def come_in(until):
        for number in (4, 5):
            shutil.copy(footage / "sound-2.wav", footage / f"sound-{number}.wav")
            index_by_names(footage, index)

    app = create_app(ServeSettings(indexes=(index,), num_workers=1), NamedEncoder())
    with listening_server(app) as address:
        port = urllib.parse.urlsplit(address).port
        seen = serve_load.load(port, os.getpid(), num_clients=6, seconds=2.0, work=come_in)
    found = serve_load.summary(seen, 2.0)
    assert found["failures"] == {}
    assert set(found["answers"]) == {"search", "moment", "thumbnail", "range", "state"}
    assert found["memory"]["end_mib"] > 0


def test_failures_are_counted_and_fail_the_bench():
    seen = serve_load.Seen(memory=[(0.0, 100), (2.0, 110), (6.0, 121)])
    seen.failures["search: 500"] += 1
    seen.seconds["search"] = [0.1, 0.2, 0.3]
    found = serve_load.summary(seen, 6.0)
    assert found["failures"] == {"search: 500": 1}
    assert found["answers"]["search"] == {"num": 3, "median_ms": 200.0, "p95_ms": 290.0}
    assert found["memory"] == {"after_a_third_mib": 110, "end_mib": 121, "ratio": 1.1}
