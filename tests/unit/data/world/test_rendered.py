"""A made world that is rendered as it is read: the same clips as those made whole, and clear words for a wrong one."""

import numpy as np
import pytest

from vlsa.base.errors import ConfigError
from vlsa.data.world import made_clips, render_picture, world_log
from vlsa.data.world.rendered import WorldClips, WorldSpec


@pytest.fixture
def source() -> WorldClips:
    return WorldClips(WorldSpec(train=3, test=2, px=16), sample_rate_hz=4000)


def test_a_clip_is_the_one_that_is_made_whole(source):
    whole = list(made_clips(0, range(2), sample_rate_hz=4000, split="test", size_px=16))
    for row, made in zip(source.rows("test"), whole, strict=True):
        clip = source.read(row)
        assert (clip.id, clip.texts, row.texts) == (made.id, made.texts, made.texts)
        np.testing.assert_array_equal(clip.frames, made.frames)
        np.testing.assert_array_equal(clip.sound, made.sound)
        np.testing.assert_array_equal(row.frame_seconds, made.frame_seconds)
        assert row.num_samples == len(made.sound)


def test_a_part_is_cut_from_the_whole(source):
    row = source.rows("train")[1]
    whole, part = source.read(row), source.read(row, frame_indices=[2, 9, 23], sound_range=(100, 900))
    np.testing.assert_array_equal(part.frames, whole.frames[[2, 9, 23]])
    np.testing.assert_array_equal(part.sound, whole.sound[100:900])
    assert source.read(row, frame_indices=[]).frames is None
    assert source.read(row, sound_range=(0, 0)).sound is None


@pytest.mark.parametrize("index", range(8))
def test_some_frames_are_those_of_the_whole_picture(index):
    log, _ = world_log(3, "train", index)
    whole = render_picture(log, 32, 16)
    chosen = [0, 5, 6, 17, 18, 19, 30, 47]
    np.testing.assert_array_equal(render_picture(log, 32, 16, chosen), whole[chosen])


def test_training_clips_begin_where_they_are_asked_to():
    one, other = (WorldClips(WorldSpec(train=2, first=first)) for first in (0, 1))
    assert one.rows("train")[1].texts == other.rows("train")[0].texts
    assert one.rows("test")[0].id == other.rows("test")[0].id
    assert list(one.texts("train")) == [text for row in one.rows("train") for text in row.texts]


def test_a_description_is_read_and_written():
    spec = WorldSpec.parse("world:train=50000,px=112")
    assert (spec.train, spec.test, spec.px, spec.seed) == (50_000, 200, 112, 0)
    assert WorldSpec.parse(str(spec)) == spec
    assert WorldSpec.parse("world:") == WorldSpec()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("world:tran=3", "no 'tran'. Did you mean train?"),
        ("world:train=many", "train needs a whole number, found 'many'"),
        ("world:train=-1", "train needs a whole number, found '-1'"),
        ("world:train", "train needs a whole number, found ''"),
        ("world:px=2", "px must lie in 8..1024"),
        ("world:px=99999", "px must lie in 8..1024"),
        ("world:train=3,train=4", "train is given twice"),
        ("world:test=1201", "Ask for at most test=1200"),
    ],
)
def test_a_wrong_description_is_one_line_that_shows_a_right_one(text, says):
    with pytest.raises(ConfigError) as caught:
        WorldSpec.parse(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_validation_clips_are_of_combinations_that_neither_training_nor_test_clips_have():
    clips = WorldClips(WorldSpec.parse("world:train=300,test=50,val=40"))
    logs = {
        split: [world_log(0, row.split, row.index)[0].facts.combination for row in clips.rows(split)]
        for split in ("train", "val", "test")
    }
    assert [len(rows) for rows in logs.values()] == [300, 40, 50]
    assert not set(logs["val"]) & (set(logs["train"]) | set(logs["test"]))
    assert len({row.id for row in clips.rows()}) == 390
    assert str(WorldSpec.parse("world:val=40")).endswith(",val=40")
    assert "val" not in str(WorldSpec.parse("world:test=5"))
    with pytest.raises(ConfigError, match="Ask for at most test=1160 with val=40"):
        WorldSpec.parse("world:test=1161,val=40")
