"""The made world on disk: real files that decode to what was rendered, and a writing that can be interrupted."""

import csv
import json
import multiprocessing
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hostile_files import only_errors_of_ours, time_limit, variants, without_checks_of_types

from vlsa.base.errors import ConfigError
from vlsa.base.files import locked_folder
from vlsa.data.media.decode import decode, probe
from vlsa.data.world import make_world, render_picture, render_sound, world_log
from vlsa.data.world import write as world_write

RATE_HZ = 22_050


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "made"
    make_world(folder, num_train=6, num_test=2, seed=5, num_workers=1)
    return folder


def test_the_files_are_three_seconds_of_h264_and_aac(world):
    facts = probe(world / "train" / "00000.mp4")
    assert (facts.video_codec, facts.audio_codec) == ("h264", "aac")
    assert (facts.width_px, facts.height_px, facts.sample_rate_hz) == (64, 64, RATE_HZ)
    assert (facts.video_end_seconds, facts.audio_end_seconds) == pytest.approx((3.0, 3.0), abs=0.07)


def test_the_video_has_b_frames(world):
    import av

    with av.open(str(world / "train" / "00000.mp4")) as container:
        kinds = {int(frame.pict_type) for frame in container.decode(video=0)}
    assert kinds == {1, 2, 3}  # I, P and B


@pytest.mark.parametrize("index", range(6))
def test_a_file_decodes_to_what_was_rendered_in_step(world, index):
    log, texts = world_log(5, "train", index)
    times = [(k + 0.5) / 16 for k in range(48)]
    clip = decode(
        world / "train" / f"{index:05d}.mp4",
        0,
        3.0,
        frame_times_seconds=times,
        short_side_px=64,
        sample_rate_hz=RATE_HZ,
    )
    np.testing.assert_allclose(clip.frame_seconds, np.arange(48) / 16, atol=1e-4)
    assert np.abs(clip.frames.astype(int) - render_picture(log)).mean(axis=(1, 2, 3)).max() < 5
    sound = render_sound(log, RATE_HZ)
    lags = np.fft.irfft(np.fft.rfft(clip.sound, 2 * len(sound)) * np.fft.rfft(sound, 2 * len(sound)).conj())
    assert lags.argmax() == 0  # the encoder's delay is undone to the sample
    assert np.corrcoef(clip.sound, sound)[0, 1] > 0.97
    assert len(texts) == 3


def test_captions_name_existing_files_with_their_split(world):
    with (world / "captions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "start_seconds", "stop_seconds", "text", "split"]
    assert len(rows) == 6 * 3 + 2
    assert all((world / row["path"]).is_file() and row["path"].startswith(row["split"] + "/") for row in rows)
    assert [row["text"] for row in rows[:3]] == list(world_log(5, "train", 0)[1])


def test_the_truth_holds_the_log_of_each_clip(world):
    truth = [json.loads(line) for line in (world / "truth.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["path"] for line in truth][-2:] == ["test/00000.mp4", "test/00001.mp4"]
    log, _ = world_log(5, "train", 3)
    assert truth[3]["facts"]["material"] == log.facts.material
    assert [event["seconds"] for event in truth[3]["events"]] == pytest.approx(list(log.impact_seconds))


def test_going_on_makes_only_what_is_missing_with_the_same_bytes(world):
    lost, kept = world / "train" / "00002.mp4", world / "train" / "00003.mp4"
    before, kept_at = lost.read_bytes(), kept.stat().st_mtime_ns
    lost.unlink()
    lost.with_name(".00002.mp4.part").write_bytes(b"cut short")
    done: list[tuple[int, int]] = []
    summary = make_world(
        world, num_train=6, num_test=2, seed=5, num_workers=1, progress=lambda *counts: done.append(counts)
    )
    assert summary.num_written == 1 and done == [(8, 8)]
    assert lost.read_bytes() == before and kept.stat().st_mtime_ns == kept_at
    assert not list(world.rglob("*.part"))


def test_a_clip_that_fails_to_be_written_leaves_no_file(tmp_path):
    odd = np.zeros((4, 33, 33, 3), dtype=np.uint8)
    with pytest.raises(Exception):  # noqa: B017 - whatever the media library says
        world_write.write_clip(tmp_path / "odd.mp4", odd, np.zeros(100, dtype=np.float32), 16, RATE_HZ)
    assert not (tmp_path / "odd.mp4").exists()


def test_a_world_grows_but_does_not_shrink(tmp_path):
    make_world(tmp_path, num_train=1, num_test=0, num_workers=1)
    assert make_world(tmp_path, num_train=2, num_test=1, num_workers=1).num_written == 2
    with pytest.raises(ConfigError, match=r"2 train clips \(asked: 1\)"):
        make_world(tmp_path, num_train=1, num_test=1, num_workers=1)


def test_two_processes_write_the_same_bytes_as_one(tmp_path):
    alone, together = tmp_path / "alone", tmp_path / "together"
    make_world(alone, num_train=2, num_test=0, num_workers=1)
    make_world(together, num_train=16, num_test=0, num_workers=2)
    for name in ("00000.mp4", "00001.mp4"):
        assert (alone / "train" / name).read_bytes() == (together / "train" / name).read_bytes()


def _kill_children_at_work(folder: Path, num_kills: int) -> list[int]:
    """Kill that many worker processes, each a second after files have appeared. Returns their process ids."""
    killed: list[int] = []
    deadline = time.monotonic() + 120
    while len(killed) < num_kills and time.monotonic() < deadline:
        time.sleep(0.02)
        if len(list(folder.glob("train/*.mp4"))) > 2 * len(killed):
            workers = [child.pid for child in multiprocessing.active_children() if child.pid not in killed]
            if workers:
                os.kill(workers[0], signal.SIGKILL)
                killed.append(workers[0])
    return killed


def test_a_world_is_whole_although_its_workers_are_killed(tmp_path):
    with ThreadPoolExecutor(1) as thread, time_limit(300):
        killing = thread.submit(_kill_children_at_work, tmp_path / "world", 3)
        summary = make_world(tmp_path / "world", num_train=30, num_test=2, seed=5, num_workers=2)
        assert len(killing.result()) == 3
    assert summary.num_written == 32
    for index in range(30):
        assert probe(tmp_path / "world" / "train" / f"{index:05d}.mp4").duration_seconds == pytest.approx(3.0, abs=0.1)
    alone = tmp_path / "alone"
    make_world(alone, num_train=1, num_test=0, seed=5)
    assert (alone / "train/00000.mp4").read_bytes() == (tmp_path / "world/train/00000.mp4").read_bytes()
    assert not list(tmp_path.rglob("*.part"))


def _die(task, heartbeat):
    heartbeat(str(task.path), 30)
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_file_that_kills_each_of_its_workers_ends_the_job_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(world_write, "_write_task", _die)
    with pytest.raises(ConfigError, match=r"0000\d\.mp4: cannot be written: 3 times .*SIGKILL.*fewer workers"):
        make_world(tmp_path, num_train=16, num_test=0, num_workers=2)


def test_a_world_that_another_process_writes_is_refused(tmp_path):
    with (
        locked_folder(tmp_path, ConfigError("busy")),
        pytest.raises(ConfigError, match="another make-world is writing this world. Wait for it"),
    ):
        make_world(tmp_path, num_train=1)


@without_checks_of_types()
def test_every_field_of_a_world_record_may_hold_anything(tmp_path):
    make_world(tmp_path, num_train=1, num_test=0)
    record = json.loads((tmp_path / "world.json").read_text())
    for variant in variants(record):
        (tmp_path / "world.json").write_text(json.dumps(variant))
        only_errors_of_ours(lambda: make_world(tmp_path, num_train=1, num_test=0), variant)


def test_without_x264_the_files_are_mpeg4_and_still_decode(tmp_path, monkeypatch):
    import av

    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    make_world(tmp_path, num_train=1, num_test=0, num_workers=1)
    path = tmp_path / "train" / "00000.mp4"
    assert probe(path).video_codec == "mpeg4"
    clip = decode(path, 0, 3.0, frame_times_seconds=[1.03], short_side_px=64, sample_rate_hz=None)
    assert np.abs(clip.frames[0].astype(int) - render_picture(world_log(0, "train", 0)[0])[16]).mean() < 5


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"num_train": 0, "num_test": 0}, "Try 3000 and 200"),
        ({"num_test": -1}, "cannot be made"),
        ({"num_test": 5000}, "at most 1200"),
        ({"size_px": 63}, "Try 64"),
        ({"size_px": 8}, "Try 64"),
        ({"seed": -1}, "Try seed=0"),
    ],
)
def test_a_world_that_cannot_be_is_refused_in_one_line_before_anything_is_written(tmp_path, settings, says):
    with pytest.raises(ConfigError, match=says) as caught:
        make_world(tmp_path / "world", **settings)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "world").exists()


@pytest.mark.parametrize("settings", [{"seed": 6}, {"seed": 5, "size_px": 96}])
def test_another_world_in_the_same_folder_is_refused(world, settings):
    with pytest.raises(ConfigError, match="holds another world") as caught:
        make_world(world, num_train=6, num_test=2, **settings)
    assert "\n" not in str(caught.value)


def test_a_file_in_the_place_of_the_folder_and_a_broken_record_are_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="Name another"):
        make_world(tmp_path / "file", num_train=1)
    (tmp_path / "world.json").write_text("{")
    with pytest.raises(ConfigError, match="not JSON"):
        make_world(tmp_path, num_train=1)
