"""Clip to tensors: one window for picture and sound, frames in time, crops that never mirror, padding that is told."""

import numpy as np
import pytest
import torch
from tiny import RATE_HZ, change, plain_clip, tiny_config

from vlsa.base.errors import StoreError
from vlsa.data.clip import cut
from vlsa.data.loading.loader import MemoryClips, read_tensors
from vlsa.data.loading.transform import (
    Crop,
    choose_frames,
    choose_window,
    clip_tensors,
    square,
    wanted_times,
)

WINDOW_SECONDS = tiny_config().audio.window_seconds  # 3.07


def tensors_of(clip, config, tokenizer, rng=None):
    source = MemoryClips({"train": [clip]})
    return read_tensors(source, source.rows()[0], config, tokenizer, rng)


def long_clip(seconds: float = 10.0, **fields):
    """Ten frames a second, frame f = value f; sound sample s = s / 100,000."""
    return plain_clip(num_frames=round(10 * seconds), seconds=seconds, **fields)


# --- the window


def test_the_regular_window_is_the_middle():
    window = choose_window(np.arange(100) / 10, 10.0, tiny_config(), None)
    assert window.start_seconds + window.stop_seconds == pytest.approx(10.0)
    assert window.stop_seconds - window.start_seconds == pytest.approx(WINDOW_SECONDS)


def test_random_windows_stay_inside_and_reach_both_ends():
    rng = np.random.default_rng(0)
    starts = [choose_window(np.arange(100) / 10, 10.0, tiny_config(), rng).start_seconds for _ in range(300)]
    assert 0 <= min(starts) < 0.1
    assert 10 - WINDOW_SECONDS - 0.1 < max(starts) <= 10 - WINDOW_SECONDS
    assert np.mean(starts) == pytest.approx((10 - WINDOW_SECONDS) / 2, abs=0.4)


def test_the_window_of_a_short_clip_is_the_clip():
    window = choose_window(np.arange(10) / 10, 1.0, tiny_config(), np.random.default_rng(0))
    assert (window.start_seconds, window.stop_seconds) == (0.0, 1.0)


@pytest.mark.parametrize("seed", [None, 0, 1, 2])
def test_picture_and_sound_come_from_the_same_window(config, tokenizer, seed):
    """Each frame's time, counted from the first sample, is when it was on screen in the clip."""
    config = change(config, "video", num_frames=6)
    rng = None if seed is None else np.random.default_rng(seed)
    tensors = tensors_of(long_clip(), config, tokenizer, rng)
    first_sample_seconds = round(tensors.waveform[0].item() * 100_000) / RATE_HZ
    shown = tensors.video[:, 0, 0, 0].double() / 10  # frame f is shown at f / 10 s
    assert (tensors.frame_seconds + first_sample_seconds - shown).abs().max() < 1 / RATE_HZ
    assert tensors.num_samples == config.audio.num_samples
    steps = tensors.waveform.double().diff() * 100_000
    torch.testing.assert_close(steps, torch.ones_like(steps), atol=0.05, rtol=0)


# --- frames


def test_regular_times_are_the_middles_of_equal_stretches():
    assert wanted_times(1.0, 3.0, 4).tolist() == pytest.approx([1.25, 1.75, 2.25, 2.75])


def test_random_times_fall_one_into_each_stretch():
    rng = np.random.default_rng(0)
    for _ in range(50):
        times = wanted_times(1.0, 3.0, 4, rng)
        assert np.floor((times - 1.0) / 0.5).tolist() == [0, 1, 2, 3]


def test_a_frame_is_the_one_on_screen_at_the_wanted_time():
    uneven = np.array([0.0, 0.4, 0.5, 1.9])
    assert choose_frames(uneven, 0.0, 2.0, 2, None) == (2,)  # 0.5 and 1.5: the third frame is on screen at both
    assert choose_frames(uneven, 0.0, 2.0, 4, None) == (0, 2)  # 0.25, 0.75, 1.25, 1.75


def test_before_the_first_frame_the_first_one_is_taken():
    assert choose_frames(np.array([0.9, 1.0]), 0.0, 1.0, 4, None) == (0,)


def test_a_clip_with_fewer_frames_than_the_model_is_padded_not_repeated(config, tokenizer):
    config = change(config, "video", num_frames=6)
    tensors = tensors_of(plain_clip(num_frames=4, seconds=2.0), config, tokenizer)
    assert tensors.frame_padding.tolist() == [False] * 4 + [True] * 2
    assert tensors.video[:4, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert tensors.frame_seconds[:4].tolist() == [0.0, 0.5, 1.0, 1.5]


def test_an_image_is_a_clip_of_one_frame(config, tokenizer):
    clip = plain_clip(num_frames=1, seconds=0.0, rate_hz=None)
    tensors = tensors_of(clip, config, tokenizer)
    assert tensors.frame_padding.tolist() == [False, True]
    assert tensors.num_samples == 0


# --- the crop


def marked_frames(height: int, width: int) -> torch.Tensor:
    """Two frames; a pixel's red is its column, its green its row."""
    rows, columns = np.mgrid[:height, :width].astype(np.uint8)
    frame = np.stack([columns, rows, np.zeros_like(rows)])
    return torch.from_numpy(np.stack([frame, frame]))


def test_a_square_of_the_right_size_is_left_as_it_is():
    frames = marked_frames(16, 16)
    assert torch.equal(square(frames, 16, np.random.default_rng(0)), frames)


@pytest.mark.parametrize(("height", "width"), [(16, 40), (40, 16)])
def test_the_regular_crop_is_the_middle(height, width):
    cropped = square(marked_frames(height, width), 16, None)
    assert cropped[0, 0, 0, 0] == (12 if width == 40 else 0)
    assert cropped[0, 1, 0, 0] == (12 if height == 40 else 0)


def test_random_crops_move_along_the_long_side_and_all_frames_alike():
    rng = np.random.default_rng(0)
    lefts = set()
    for _ in range(200):
        cropped = square(marked_frames(16, 40), 16, rng)
        assert torch.equal(cropped[0], cropped[1])
        lefts.add(cropped[0, 0, 0, 0].item())
    assert min(lefts) == 0
    assert max(lefts) == 24


def test_a_picture_is_never_mirrored():
    rng = np.random.default_rng(0)
    for _ in range(100):
        cropped = square(marked_frames(30, 50), 16, rng).float()
        assert (cropped[:, 0].diff(dim=-1) > 0).all()
        assert (cropped[:, 1].diff(dim=-2) > 0).all()


def resized_boxes(crop: Crop, num_crops: int = 400) -> np.ndarray:
    """Left, top, width and height of random resized crops of 200 x 150 pixels, read off the values of these."""
    rng, frames, boxes = np.random.default_rng(0), marked_frames(150, 200), []
    for _ in range(num_crops):
        across, down, _ = square(frames, 50, rng, crop)[0].double()
        columns, rows = across[25, [10, 40]], down[[10, 40], 25]
        size = torch.stack([columns[1] - columns[0], rows[1] - rows[0]]) * 50 / 30
        middle = torch.stack([columns.mean(), rows.mean()])  # of samples 10 and 40: half a sample beyond the middle
        boxes.append([*(middle - size / 2), *size])
    return np.array(boxes)


def test_random_resized_crops_have_the_areas_and_stretches_that_are_set():
    left, top, width, height = resized_boxes(Crop(least_area=0.25, most_stretch=1.5)).T
    areas, stretches = width * height / 150**2, width / height
    assert areas.min() == pytest.approx(0.25, abs=0.04)
    assert areas.max() == pytest.approx(1.0, abs=0.05)
    assert areas.mean() == pytest.approx(0.625, abs=0.05)  # drawn evenly
    assert stretches.min() == pytest.approx(1 / 1.5, abs=0.08)
    assert stretches.max() == pytest.approx(1.5, abs=0.12)
    assert np.log(stretches).mean() == pytest.approx(0, abs=0.05)
    assert min(left.min(), top.min()) > -4
    assert (left + width).max() < 204
    assert (top + height).max() < 154
    assert abs(np.corrcoef(left, top)[0, 1]) < 0.3  # the two places are drawn apart


def test_crops_without_stretch_are_square_and_the_largest_one_draws_one_number():
    _, _, width, height = resized_boxes(Crop(least_area=0.5), 50).T
    np.testing.assert_allclose(width, height, atol=4)
    one, other = np.random.default_rng(5), np.random.default_rng(5)
    square(marked_frames(16, 40), 16, one)
    other.random()
    assert one.random() == other.random()


def test_a_crop_s_place_counts_only_where_nothing_is_random():
    frames = marked_frames(16, 40)
    assert [square(frames, 16, None, Crop(place=place))[0, 0, 0, 0].item() for place in (0.0, 0.5, 1.0)] == [0, 12, 24]
    rng, same = np.random.default_rng(3), np.random.default_rng(3)
    assert torch.equal(square(frames, 16, rng, Crop(place=0.0)), square(frames, 16, same))


def test_resizing_averages():
    frames = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    frames[..., ::2] = 200
    assert square(frames, 8, None)[..., 2:6].float().mean() == pytest.approx(100, abs=3)


def test_a_single_colour_stays_through_resizing():
    frames = torch.full((1, 3, 50, 30), 137, dtype=torch.uint8)
    assert square(frames, 16, None).eq(137).all()


# --- sound


def test_a_short_sound_stands_in_front_and_its_length_is_told(config, tokenizer):
    tensors = tensors_of(plain_clip(seconds=1.0), config, tokenizer)
    assert tensors.num_samples == RATE_HZ
    assert tensors.waveform[1] > 0
    assert tensors.waveform[RATE_HZ:].eq(0).all()


def test_sound_that_ends_before_the_picture_is_as_long_as_it_is(config, tokenizer):
    clip = plain_clip(sound=np.ones(2 * RATE_HZ, dtype=np.float32))
    assert tensors_of(clip, config, tokenizer).num_samples == 2 * RATE_HZ


def test_a_window_past_the_end_of_the_sound_has_none(config, tokenizer):
    clip = long_clip(sound=np.ones(RATE_HZ, dtype=np.float32))  # one second; the middle window begins at 3.5 s
    tensors = tensors_of(clip, config, tokenizer)
    assert tensors.num_samples == 0
    assert not tensors.frame_padding.any()


def test_sound_of_another_rate_is_refused_with_both_rates(config, tokenizer):
    with pytest.raises(StoreError, match=r"plain: audio at 8000 Hz, the model takes 4000 Hz; .*sample_rate_hz=8000"):
        tensors_of(plain_clip(rate_hz=8000), config, tokenizer)


# --- words and absent modalities


def test_the_regular_text_is_the_first_and_a_random_one_is_any(config, tokenizer):
    texts = ("a red ball", "a blue star", "a small cube")
    ids = [tuple(tokenizer.encode(text, config.text.num_tokens)[0].tolist()) for text in texts]
    rngs = [None, *map(np.random.default_rng, range(40))]
    found = [tensors_of(plain_clip(texts=texts), config, tokenizer, rng).token_ids for rng in rngs]
    assert tuple(found[0].tolist()) == ids[0]
    assert {tuple(words.tolist()) for words in found} == set(ids)


@pytest.mark.parametrize(
    ("fields", "padding"),
    [
        ({"frames": None, "frame_seconds": None}, "frame_padding"),
        ({"texts": ()}, "text_padding"),
    ],
)
def test_an_absent_modality_is_all_padding(config, tokenizer, fields, padding):
    tensors = tensors_of(plain_clip(**fields), config, tokenizer)
    for name in ("frame_padding", "text_padding"):
        assert getattr(tensors, name).all() == (name == padding)


def test_the_same_random_state_gives_the_same_tensors(config, tokenizer):
    first, again, other = (tensors_of(long_clip(), config, tokenizer, np.random.default_rng(s)) for s in (7, 7, 8))
    assert torch.equal(first.waveform, again.waveform)
    assert torch.equal(first.video, again.video)
    assert not torch.equal(first.waveform, other.waveform)


def test_cut_takes_frames_and_samples_and_drops_what_is_empty():
    clip = plain_clip()
    part = cut(clip, [2, 5], 10, 20)
    assert part.frames[:, 0, 0, 0].tolist() == [2, 5]
    assert part.frame_seconds.tolist() == clip.frame_seconds[[2, 5]].tolist()
    assert len(part.sound) == 10
    assert part.sound[0] == clip.sound[10]
    nothing = cut(clip, [], 10, 10)
    assert nothing.frames is None
    assert nothing.frame_seconds is None
    assert nothing.sound is None


def test_a_clip_that_is_already_cut_is_taken_whole(config, tokenizer):
    """What read_tensors does in two steps."""
    clip = long_clip()
    window = choose_window(clip.frame_seconds, 10.0, config, None)
    part = cut(clip, window.frame_indices, *window.sample_range(RATE_HZ))
    whole = clip_tensors(part, window, config, tokenizer)
    assert torch.equal(whole.waveform, tensors_of(clip, config, tokenizer).waveform)
