"""Sources whose sound is wrong on purpose: it is, and nothing else is."""

import numpy as np
from tiny import plain_clip, tiny_clips

from vlsa.data.loading.loader import MemoryClips
from vlsa.data.loading.sound_controls import ShiftedSound, SwappedSound


def test_shifted_sound_is_turned_round_and_nothing_else_changes():
    source = MemoryClips({"train": [plain_clip(seconds=3.0)]})
    row = source.rows("train")[0]
    plain, shifted = source.read(row), ShiftedSound(source, 1.0).read(row)
    assert (shifted.sound[4000:] == plain.sound[:8000]).all()
    assert (shifted.sound[:4000] == plain.sound[8000:]).all()
    assert (shifted.frames == plain.frames).all()
    part = ShiftedSound(source, 1.0).read(row, frame_indices=[3, 5], sound_range=(3990, 4010))
    assert (part.sound == shifted.sound[3990:4010]).all()
    assert (part.frames == plain.frames[[3, 5]]).all()


def test_swapped_sound_is_that_of_another_clip_and_the_picture_stays():
    clips = tiny_clips(3)
    source = MemoryClips({"train": clips})
    swapped = SwappedSound(source)
    for number, row in enumerate(swapped.rows("train")):
        clip = swapped.read(row)
        np.testing.assert_array_equal(clip.sound, clips[(number + 1) % 3].sound)
        np.testing.assert_array_equal(clip.frames, clips[number].frames)
        assert clip.texts == clips[number].texts
        assert (swapped.read(row, sound_range=(10, 60)).sound == clip.sound[10:60]).all()


def test_a_clip_without_sound_gets_none():
    clips = [*tiny_clips(2), plain_clip(id="mute", rate_hz=None)]
    swapped = SwappedSound(MemoryClips({"test": clips}))
    assert swapped.read(swapped.rows("test")[2]).sound is None
    np.testing.assert_array_equal(swapped.read(swapped.rows("test")[1]).sound, clips[0].sound)


def test_a_sound_that_has_no_other_to_take_its_place_is_left_out():
    swapped = SwappedSound(MemoryClips({"test": [*tiny_clips(1), plain_clip(id="mute", rate_hz=None)]}))
    assert swapped.read(swapped.rows("test")[0]).sound is None
