"""Image files of every depth, profile and size, and animations."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from media_files import grey, numbered, numbers, write_media
from PIL import Image, ImageCms

from vlsa.base.errors import MediaError
from vlsa.data.media.decode import decode, decode_image, probe
from vlsa.data.media.suffixes import is_animation

RAMP = np.tile(np.linspace(0, 1, 64), (64, 1))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("a.png", (RAMP * 65_535).astype(np.uint16)),
        ("a.tif", (RAMP * 65_535).astype(np.uint16)),
        ("b.tif", RAMP.astype(np.float32)),
        ("c.tif", (RAMP * 3000 - 1000).astype(np.float32)),
        ("d.png", (RAMP * 255).astype(np.uint8)),
    ],
)
def test_a_grey_ramp_is_a_ramp_in_every_depth(tmp_path: Path, name: str, values: np.ndarray):
    Image.fromarray(values).save(tmp_path / name)
    frame = decode_image(tmp_path / name).frames[0]
    np.testing.assert_allclose(frame, np.repeat(255 * RAMP[..., None], 3, axis=2), atol=1.01)


def test_a_pixel_that_is_no_number_does_not_blacken_the_picture(tmp_path: Path):
    values = (RAMP * 3000 - 1000).astype(np.float32)
    values[0, 1:4] = np.nan, np.inf, -np.inf
    Image.fromarray(values).save(tmp_path / "a.tif")
    frame = decode_image(tmp_path / "a.tif").frames[0, ..., 0]
    np.testing.assert_allclose(frame[1:], 255 * RAMP[1:], atol=1.01)
    assert frame[0, 1:4].tolist() == [0, 255, 0]


def test_a_transparent_picture_is_laid_on_white_and_said_to_be(tmp_path: Path):
    picture = np.zeros((8, 8, 4), np.uint8)
    picture[:, :4] = (200, 0, 0, 255)
    picture[:, 4:] = (0, 0, 0, 0)
    for name in ("a.png", "a.webp"):
        Image.fromarray(picture).save(tmp_path / name, **({"lossless": True} if name == "a.webp" else {}))
        clip = decode_image(tmp_path / name)
        np.testing.assert_array_equal(clip.frames[0, 4, [1, 6]], [(200, 0, 0), (255, 255, 255)])
        assert clip.choices == ("on-white",)
    Image.fromarray(picture[..., :3]).save(tmp_path / "b.png")
    assert decode_image(tmp_path / "b.png").choices == ()


def test_colours_of_a_profile_become_those_of_the_screen(tmp_path: Path):
    """A picture coded for linear light: the code 55 of 255 is a mid grey (0.2158), which sRGB codes as 128."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    Image.fromarray(grey(90)).save(tmp_path / "same.png", icc_profile=profile.tobytes())
    assert np.abs(decode_image(tmp_path / "same.png").frames.astype(int) - 90).max() <= 1
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    Image.fromarray(grey(90)).save(tmp_path / "damaged.png", icc_profile=lab.tobytes()[:60])
    assert np.abs(decode_image(tmp_path / "damaged.png").frames.astype(int) - 90).max() <= 1


def test_a_picture_over_the_limit_is_refused_by_its_size(tmp_path: Path):
    Image.new("1", (20_000, 10_000)).save(tmp_path / "a.png")
    with pytest.raises(MediaError, match=r"179 million pixels.*MAX_IMAGE_PIXELS") as caught:
        decode_image(tmp_path / "a.png")
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize("size", [(101, 1), (4, 405)])
def test_a_small_picture_that_would_fill_the_memory_is_refused(tmp_path: Path, size: tuple[int, int]):
    Image.new("L", size).save(tmp_path / "a.png")
    with pytest.raises(MediaError, match="a.png: an image of .* more than 100 times") as caught:
        decode_image(tmp_path / "a.png", 224)
    assert caught.value.reason == "too_large"
    write_media(tmp_path / "a.mkv", pictures=[grey(99, *size)], video_codec="ffv1")
    with pytest.raises(MediaError, match="a.mkv: an image of .* more than 100 times") as caught:
        decode(tmp_path / "a.mkv", 0, 0.04, frame_times_seconds=[0.02], short_side_px=224, sample_rate_hz=None)
    assert caught.value.reason == "too_large"


def test_a_long_picture_that_fits_is_kept(tmp_path: Path):
    Image.new("L", (100, 1)).save(tmp_path / "a.png")
    assert decode_image(tmp_path / "a.png", 8).frames.shape == (1, 8, 800, 3)


def test_a_large_picture_below_the_limit_gives_no_warning(tmp_path: Path):
    Image.new("1", (10_000, 9_500)).save(tmp_path / "a.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_image(tmp_path / "a.png", 8).frames.shape == (1, 8, 8, 3)


@pytest.mark.parametrize("name", ["a.gif", "a.webp"])
def test_an_animation_is_a_moving_picture(tmp_path: Path, name: str):
    pictures = [Image.fromarray(picture) for picture in numbered(10)]
    settings = {"lossless": True} if name == "a.webp" else {}
    pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:], duration=200, **settings)
    facts = probe(tmp_path / name)
    assert facts.duration_seconds == pytest.approx(2.0) and facts.frames_per_second == pytest.approx(5)
    assert (facts.width_px, facts.height_px, facts.has_sound) == (64, 48, False)
    clip = decode(
        tmp_path / name,
        0.5,
        1.5,
        frame_times_seconds=[0.05, 0.45, 0.85],
        short_side_px=None,
        sample_rate_hz=16_000,
        facts=facts,
    )
    assert numbers(clip.frames) == [2, 4, 6]
    np.testing.assert_allclose(clip.frame_seconds, [-0.1, 0.3, 0.7], atol=1e-9)


def test_a_still_webp_is_not_an_animation(tmp_path: Path):
    Image.fromarray(grey(90)).save(tmp_path / "a.webp")
    assert not is_animation(tmp_path / "a.webp") and not is_animation(tmp_path / "b.webp")


def test_a_broken_animation_is_refused_with_its_reason(tmp_path: Path):
    pictures = [Image.fromarray(picture) for picture in numbered(10)]
    pictures[0].save(tmp_path / "a.webp", save_all=True, append_images=pictures[1:], duration=200)
    data = bytearray((tmp_path / "a.webp").read_bytes())
    data[60:] = bytes(len(data) - 60)
    (tmp_path / "a.webp").write_bytes(data)
    with pytest.raises(MediaError) as caught:
        probe(tmp_path / "a.webp")
    assert caught.value.reason == "unreadable"
