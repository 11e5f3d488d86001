"""What is known of made clips: found beside the footage, and where it says that the objects are."""

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hostile_files import only_errors_of_ours, put_pipe, time_limit, variants, without_checks_of_types
from tiny import tiny_clips

from vlsa.base.errors import StoreError
from vlsa.data.loading.loader import MemoryClips
from vlsa.data.world import make_world, world_log
from vlsa.data.world.picture import companion_cover, object_cover, render_picture
from vlsa.data.world.rendered import WorldClips, WorldSpec
from vlsa.data.world.truth import read_truth, truths


def logs(motion: str = "", companion: bool | None = None, number: int = 3):
    found = (world_log(0, "train", index)[0] for index in range(400))
    kept = (
        log
        for log in found
        if motion in ("", log.facts.motion) and (companion is None or companion == bool(log.facts.companion))
    )
    return [log for log, _ in zip(kept, range(number), strict=False)]


@pytest.mark.parametrize("motion", ["bounce", "knock", "stairs", "swing"])
def test_the_cover_is_where_the_picture_changes_when_the_object_is_painted_otherwise(motion):
    """An independent reference: the same clip drawn with the object in another colour."""
    for log in logs(motion):
        other = "red" if log.facts.colour != "red" else "blue"
        repainted = dataclasses.replace(log, facts=dataclasses.replace(log.facts, colour=other))
        one, two = (render_picture(drawn, 64, 16).astype(int) for drawn in (log, repainted))
        changed = np.abs(one - two).max(axis=-1) > 60
        cover = object_cover(log, np.arange(len(one)) / 16, 64, 16)
        assert (changed & ~cover).sum() <= 0.08 * cover.sum()  # but for half-covered pixels at its edge
        assert (cover & changed).sum() >= 0.6 * cover.sum()  # marks and rings lie over the rest


def test_between_two_frames_the_first_is_still_on_screen():
    log = logs("knock")[0]
    seconds = np.arange(48) / 16
    np.testing.assert_array_equal(object_cover(log, seconds, 32), object_cover(log, seconds + 0.06, 32))


def test_the_companion_stands_where_it_is_drawn_and_nowhere_when_there_is_none():
    with_one, without = logs(companion=True)[0], logs(companion=False)[0]
    assert companion_cover(with_one, 64).any()
    assert not companion_cover(without, 64).any()
    alone = dataclasses.replace(with_one, facts=dataclasses.replace(with_one.facts, companion=None))
    one, two = (render_picture(log, 64)[0].astype(int) for log in (with_one, alone))
    changed = np.abs(one - two).max(axis=-1) > 60
    cover = companion_cover(with_one, 64) & ~object_cover(with_one, np.zeros(1), 64)[0]
    assert (changed ^ cover).sum() <= 0.35 * cover.sum()  # edge pixels of an object of eight pixels


def stored(path, clip_id: str = "a") -> SimpleNamespace:
    return SimpleNamespace(id=clip_id, source=str(path), frame_seconds=np.arange(4) / 16)


def test_the_log_is_found_beside_made_footage_whole(tmp_path):
    make_world(tmp_path / "world", num_train=1, num_test=1, num_workers=0)
    found = truths([stored(tmp_path / "world/train/00000.mp4"), stored(tmp_path / "world/test/00000.mp4", "b")])
    assert found["a"].log == world_log(0, "train", 0)[0]
    assert found["b"].log == world_log(0, "test", 0)[0]
    assert found["a"].frames_per_second == 16


def test_other_footage_has_no_truth(tmp_path):
    assert truths([stored(tmp_path / "a/b.mp4")]) == {}


def test_clips_in_memory_are_known_by_their_name():
    rows = MemoryClips({"train": tiny_clips(2)}).rows()
    found = truths(rows)
    assert found["train/00001"].log == world_log(0, "train", 1)[0]
    assert found["train/00001"].frames_per_second == 8


@pytest.mark.parametrize("line", ["words", '{"path": "a"}', "[]", '{"path": "a", "facts": {"companion": null}}'])
def test_a_damaged_truth_is_one_line(tmp_path, line):
    (tmp_path / "truth.jsonl").write_text(line + "\n")
    with pytest.raises(StoreError, match=r"truth\.jsonl:1: not an event log") as caught:
        truths([stored(tmp_path / "test/00000.mp4")])
    assert "\n" not in str(caught.value)


def test_clips_of_a_world_without_files_are_known_too():
    rows = WorldClips(WorldSpec.parse("world:train=2,test=2,seed=5,fps=10")).rows("test")
    found = truths(rows)
    assert found["test/00001"].log == world_log(5, "test", 1)[0]
    assert found["test/00001"].frames_per_second == 10


@without_checks_of_types()
def test_every_field_of_a_truth_file_may_hold_anything(tmp_path: Path) -> None:
    log, _ = world_log(0, "train", 0)
    path = tmp_path / "truth.jsonl"
    for variant in variants(json.loads(json.dumps({"path": "train/00000.mp4", "split": "train"} | log.as_dict()))):
        path.write_text(json.dumps(variant))
        only_errors_of_ours(lambda: [each.impact_seconds + 1.0 for each in read_truth(path).values()], variant)
    put_pipe(path)
    with time_limit(5), pytest.raises(StoreError, match="not a regular file"):
        read_truth(path)
