"""Where is the sound: a planted map hits always, a flat one by chance, and maps come from isolated passes."""

import dataclasses

import numpy as np
import pytest
import torch
from tiny import plain_clip, tiny_clips, without

from vlsa.data.loading.loader import MemoryClips
from vlsa.data.world.truth import truths
from vlsa.show.compute.sound_map import (
    SoundMap,
    Target,
    hits,
    maps_of_batch,
    object_patches,
    patch_outputs,
    pointing_numbers,
    sound_maps,
    target_of,
)


def planted(right: np.ndarray, own: np.ndarray, other: np.ndarray | None, name: str) -> SoundMap:
    return SoundMap(
        name, own.astype(np.float32), None if other is None else other.astype(np.float32), np.arange(len(right)) / 8
    )


def random_targets(num_clips: int = 12, seed: int = 0) -> dict[str, Target]:
    """One patch of sixteen sounds, another is silent, in five frames."""
    rng = np.random.default_rng(seed)
    found = {}
    for clip in range(num_clips):
        places = np.stack([rng.permutation(16)[:2] for _ in range(5)])
        marks = [np.eye(16, dtype=bool)[places[:, k]].reshape(5, 4, 4) for k in range(2)]
        found[f"clip-{clip}"] = Target(*marks)
    return found


def by_name(numbers) -> dict[str, object]:
    return {number.name: number for number in numbers}


def test_a_planted_likeness_hits_always_and_a_flat_one_by_chance():
    targets = random_targets()
    maps = [planted(t.sounding, t.sounding, np.zeros((5, 4, 4)), name) for name, t in targets.items()]
    found = by_name(pointing_numbers(maps, targets))
    sounding = found["maximum on the sounding object"]
    assert sounding.value == 1
    assert sounding.interval == pytest.approx((0.025 ** (1 / 12), 1))  # twelve of twelve, by Clopper and Pearson
    assert sounding.baselines == {"chance": 1 / 16, "another clip's audio": 1 / 16}
    assert found["maximum on the silent object"].interval == pytest.approx((0, 1 - 0.025 ** (1 / 12)))
    added = found["maximum on the sounding object, own minus another's audio"]
    assert added.value == 15 / 16
    assert -1 < added.interval[0] < 15 / 16 < added.interval[1] < 1


def test_a_map_that_points_at_the_silent_object_scores_on_that_object():
    targets = random_targets()
    maps = [planted(t.sounding, t.silent, np.zeros((5, 4, 4)), name) for name, t in targets.items()]
    found = by_name(pointing_numbers(maps, targets))
    assert found["maximum on the sounding object"].value == 0
    assert found["maximum on the silent object"].value == 1


def test_random_maps_are_near_chance_with_an_interval_around_it():
    targets, rng = random_targets(200), np.random.default_rng(1)
    maps = [planted(t.sounding, rng.normal(size=(5, 4, 4)), rng.normal(size=(5, 4, 4)), n) for n, t in targets.items()]
    number = pointing_numbers(maps, targets)[0]
    assert number.interval[0] < 1 / 16 < number.interval[1]


def test_patches_that_share_the_maximum_count_by_their_share():
    similarity = np.array([[[1.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 2.0]]])
    right = np.array([[[True, False], [True, True]], [[True, True], [True, False]]])
    assert hits(similarity, right).tolist() == [0.5, 0.0]


def test_clips_of_which_nothing_is_known_give_no_number():
    maps = [planted(np.zeros(3), np.zeros((3, 2, 2)), np.zeros((3, 2, 2)), "unknown")]
    assert pointing_numbers(maps, {}) == []


def test_a_lone_clip_has_no_other_sound_and_so_no_number():
    targets = random_targets(1)
    assert pointing_numbers([planted(t.sounding, t.sounding, None, n) for n, t in targets.items()], targets) == []


def test_a_patch_is_the_objects_from_a_tenth_on_or_when_it_has_the_most():
    cover = np.zeros((3, 20, 20), bool)
    cover[0, :10, 5:12] = True  # all of one patch's right half, a fifth of the next
    cover[1, 0, 0] = True  # a single pixel
    found = object_patches(cover, 10)
    assert found[0].tolist() == [[True, True], [False, False]]
    assert found[1].tolist() == [[True, False], [False, False]]
    assert not found[2].any()
    cover[0, :10, 10:12] = False
    cover[0, 0, 10] = True  # a hundredth
    assert object_patches(cover, 10)[0].tolist() == [[True, False], [False, False]]


def test_the_mean_of_the_patches_is_the_clips_global(model, batch):
    """Ties what is mapped to Eq. 6, by the way that retrieval takes."""
    mean = torch.nn.functional.normalize(patch_outputs(model, batch).mean(dim=1), dim=-1)
    torch.testing.assert_close(mean, model.encode_video(batch))


def test_a_map_holds_the_cosine_of_each_patch_with_the_sound_frame_by_frame_and_row_by_row(model, batch):
    maps = maps_of_batch(model, batch, [0.0] * len(batch))
    assert [found.id for found in maps] == list(batch.ids)
    patches, sounds = patch_outputs(model, batch), model.encode_audio(batch)
    for clip, frame, row, column in ((0, 0, 0, 0), (3, 1, 2, 1), (5, 1, 3, 3)):
        patch = patches[clip, 16 * frame + 4 * row + column]
        for found, sound in ((maps[clip].own, sounds[clip]), (maps[clip].other, sounds[(clip + 1) % 6])):
            expected = torch.cosine_similarity(patch, sound, dim=0).item()
            assert found[frame, row, column] == pytest.approx(expected, abs=1e-5)


def test_the_map_follows_the_sound_and_the_patches_do_not_see_it(model, batch):
    """With the sounds of two clips exchanged, each gets the map that was the other sound's."""
    pair = batch.rows(0, 2)
    exchanged = dataclasses.replace(pair, waveform=pair.waveform.flip(0), num_samples=pair.num_samples.flip(0))
    before, after = (maps_of_batch(model, given, [0.0, 0.0]) for given in (pair, exchanged))
    for one, two in zip(before, after, strict=True):
        np.testing.assert_allclose(one.own, two.other, atol=1e-5)
        np.testing.assert_allclose(one.other, two.own, atol=1e-5)


def test_clips_that_are_not_seen_or_not_heard_have_no_map(model, batch):
    maps = maps_of_batch(model, without(without(batch, "audio", 1), "video", 3), [0.0] * 6)
    assert [found.id for found in maps] == [batch.ids[k] for k in (0, 2, 4, 5)]


def test_maps_of_a_split_pass_silent_clips_over(model, tokenizer):
    clips = [*tiny_clips(3), plain_clip(rate_hz=None, id="silent"), plain_clip(num_frames=0, id="blind")]
    source = MemoryClips({"test": clips})
    maps = sound_maps(model, tokenizer, source, source.rows("test"), batch_size=2)
    assert [found.id for found in maps] == ["train/00000", "train/00001", "train/00002"]


def test_the_target_of_a_made_clip_follows_the_object(model, tokenizer, config):
    source = MemoryClips({"test": tiny_clips(8)})
    rows = source.rows("test")
    known = truths(rows)
    for found in sound_maps(model, tokenizer, source, rows):
        target = target_of(known[found.id], found, config)
        assert target.sounding.any(axis=(1, 2)).all()
        assert target.silent.any() == bool(known[found.id].log.facts.companion) or not target.silent.any()
        assert not (target.sounding & target.silent).any()


@pytest.mark.parametrize("num_clips", [1, 5])
def test_means_are_over_clips(num_clips):
    targets = random_targets(num_clips)
    maps = [planted(t.sounding, t.sounding, np.zeros((5, 4, 4)), n) for n, t in targets.items()]
    assert pointing_numbers(maps, targets)[0].over == f"{num_clips} clip{'s' if num_clips > 1 else ''}"
