"""Image files as arrays, and animations that FFmpeg does not decode (WebP). Feeds decode.py and probe.py.

Axes: F frames, H W pixels.
"""

import io
import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from vlsa.base.errors import MediaError
from vlsa.data.media.colour import on_white
from vlsa.data.media.file_checks import check_file
from vlsa.data.media.render import PickedFrames, fit_short_side
from vlsa.data.media.suffixes import IMAGE_SUFFIXES

WIDE_MODES = ("I", "F")
"""Pillow's modes with more than 8 bits a pixel, which it would cut off and not scale; with `I;16` and its like."""
SHORTEST_SHOWN_MS = 10
"""A frame of an animation without a length is shown for so long."""


def is_image(path: str | os.PathLike[str]) -> bool:
    """Whether the name is that of an image (by its ending)."""
    return os.path.splitext(os.fspath(path))[1].lower() in IMAGE_SUFFIXES


def read_image(path: str | os.PathLike[str], short_side_px: int | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """An image file, upright, in sRGB (uint8, 1 H W 3), and words on what was decided, such as `on-white`.

    Raises MediaError, reason missing, empty, too_large, unreadable and so on.
    """
    with _opened(path) as file, _explained(path):
        return image_frames(file, short_side_px)


def image_frames(image: Any, short_side_px: int | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """An image of Pillow, as `read_image` gives that of a file. Raises MediaError, reason too_large."""
    from PIL import ImageOps

    where = os.fspath(getattr(image, "filename", "")) or "an image in memory"
    frame, choices = _image(ImageOps.exif_transpose(image), short_side_px, where)
    return frame[None], choices


def animation_starts(path: str | os.PathLike[str]) -> tuple[list[float], float, tuple[int, int]]:
    """When each frame of an animation is first shown, when the last one ends, in seconds; and width and height."""
    with _opened(path) as file, _explained(path):
        lengths_ms = []
        for number in range(getattr(file, "n_frames", 1)):
            file.seek(number)
            file.load()
            lengths_ms.append(max(file.info.get("duration", 0), SHORTEST_SHOWN_MS))
        ends = np.cumsum(lengths_ms) / 1000
        return [0.0, *ends[:-1].tolist()], float(ends[-1]), file.size


def read_animation(
    path: str | os.PathLike[str], wanted_seconds: Sequence[float], short_side_px: int | None
) -> PickedFrames | None:
    """The frames of an animation that are shown at the wanted times; None when it holds less than half of them."""
    starts, end_seconds, _ = animation_starts(path)
    wanted = [time for time in wanted_seconds if time < end_seconds]
    if not wanted or 2 * len(wanted) < len(wanted_seconds):
        return None
    numbers = np.searchsorted(starts, wanted, side="right") - 1
    images: dict[int, np.ndarray] = {}
    choices: dict[str, None] = {}
    with _opened(path) as file, _explained(path):
        for number in sorted(set(numbers.tolist())):
            file.seek(number)
            images[number], words = _image(file, short_side_px, os.fspath(path))
            choices |= dict.fromkeys(words)
    frames = np.stack([images[number] for number in numbers.tolist()])
    return PickedFrames(frames, np.array(starts)[numbers], tuple(choices))


class _explained:
    """Turns what Pillow raises of a damaged image into a MediaError."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> None:
        self._caught.__enter__()
        warnings.simplefilter("ignore")  # about sizes and odd metadata

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        self._caught.__exit__(kind, error, trace)
        if isinstance(error, Exception) and not isinstance(error, MediaError):
            raise MediaError(
                f"{self.path}: not a readable image ({type(error).__name__}). Check that it opens elsewhere, or drop "
                "it.",
                reason="unreadable",
            ) from error


def _opened(path: str | os.PathLike[str]) -> Any:
    from PIL import Image

    check_file(path)
    with _explained(path):
        try:
            return Image.open(path)
        except Image.DecompressionBombError as error:
            raise MediaError(
                f"{path}: more than {2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6:.0f} million pixels, the most that are "
                "decoded. Make it smaller; or raise PIL.Image.MAX_IMAGE_PIXELS in a program of yours.",
                reason="too_large",
            ) from error


def _image(image: Any, short_side_px: int | None, where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """An opened image as uint8, H W 3; `where` is its name in errors."""
    from PIL import Image

    size = fit_short_side(*image.size, short_side_px, where)
    profile = image.info.get("icc_profile")
    transparent = image.has_transparency_data
    if image.mode.split(";")[0] in WIDE_MODES:
        image = _scaled(image)
    elif transparent:
        image = Image.fromarray(on_white(np.asarray(image.convert("RGBA"))))
    image = _in_srgb(image, profile).convert("RGB")
    image = image.resize(size, Image.Resampling.BOX) if size != image.size else image
    return np.array(image, np.uint8), ("on-white",) if transparent else ()


def _scaled(image: Any) -> Any:
    """A image of more than 8 bits by the range of its type; one of real numbers by [0, 1], or its own range.

    What is no number is as the least.
    """
    from PIL import Image

    values = np.asarray(image).astype(np.float64)
    if image.mode == "F":
        finite = values[np.isfinite(values)]
        least, most = (finite.min(), finite.max()) if len(finite) else (0.0, 1.0)
        values = np.nan_to_num(values, nan=least, posinf=most, neginf=least)
        low, high = (0.0, 1.0) if least >= 0 and most <= 1 else (least, most)
    else:
        low, high = 0.0, 65_535.0 if values.max() <= 65_535 else 2.0**31 - 1
    return Image.fromarray(np.round(255 * np.clip((values - low) / max(high - low, 1e-9), 0, 1)).astype(np.uint8))


def _in_srgb(image: Any, profile: bytes | None) -> Any:
    """A image whose colours are those of its ICC profile, in sRGB; as it is where the profile is damaged."""
    from PIL import ImageCms

    if not profile or image.mode not in ("RGB", "L", "CMYK"):
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return image
