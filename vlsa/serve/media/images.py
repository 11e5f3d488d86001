"""What a file shows at a time, as a small JPEG: a task of a decoding process.

Reads media files; feeds the route of thumbnails.
"""

import io
from dataclasses import dataclass
from typing import Any

from vlsa.base.errors import MediaError

WIDTHS_PX = (160, 320, 640, 1280)
"""Thumbnails are made in these widths, so that the cache stays small."""
QUALITY = 82


def nearest_width(width_px: int) -> int:
    """The smallest width that is made and at least as wide."""
    return next((known for known in WIDTHS_PX if known >= width_px), WIDTHS_PX[-1])


@dataclass(frozen=True)
class Thumbnail:
    """The frame that is shown at a time, not wider than `width_px` and never enlarged."""

    path: str
    seconds: float
    width_px: int
    duration_seconds: float
    """Of the file, by its index."""

    def run(self) -> bytes:
        """The bytes of a JPEG file. Raises MediaError, reason `nothing` without a frame."""
        from vlsa.data.media.frames import read_frames
        from vlsa.data.media.joined import facts_if_joined
        from vlsa.data.media.probe import open_known

        with open_known(self.path, facts_if_joined(self.path, self.duration_seconds)) as source:
            for seconds in (self.seconds, max(self.seconds - 1.0, 0.0), 0.0):  # the last frame may end before the file
                found = read_frames(source, [seconds], None)
                if found is not None:
                    return jpeg(found.frames[0], self.width_px)
        raise MediaError(
            f"{self.path}: shows nothing at {self.seconds:g} s; there is no image. It may be sound alone.",
            reason="nothing",
        )


def jpeg(frame: Any, width_px: int) -> bytes:
    """A frame (uint8, H W 3) as a JPEG file of at most this width."""
    from PIL import Image

    image = Image.fromarray(frame)
    if image.width > width_px:
        image = image.resize((width_px, max(round(image.height * width_px / image.width), 1)), Image.Resampling.BOX)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
