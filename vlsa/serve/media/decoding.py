"""What decoding processes do with files of others: look at an upload, and decode what a question is asked with.

Tasks of task.py; reads media files; feeds uploads.py and asking.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlsa.base.errors import MediaError

if TYPE_CHECKING:
    from vlsa.data.clip import Clip
    from vlsa.retrieve.encode.sampling import WindowSpec
    from vlsa.retrieve.search.spans import Span

IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
"""Those that need no other program to be read."""


@dataclass(frozen=True)
class UploadFacts:
    """What an upload is."""

    kind: str
    """image, audio or video."""
    has_video: bool
    has_audio: bool
    duration_seconds: float
    num_pixels: int
    """Of a frame."""


@dataclass(frozen=True)
class LookAt:
    """Find out what a file is, whatever its name says."""

    path: str
    most_pixels: int

    def run(self) -> UploadFacts:
        """Raises MediaError for what is neither an image nor media, or has larger frames than may be decoded."""
        size = _image_size(self.path)
        if size is not None:
            self._check(size[0] * size[1])
            from vlsa.data.media.images import read_image

            read_image(self.path, 64)  # the whole file is there
            return UploadFacts("image", True, False, 0.0, size[0] * size[1])
        from vlsa.data.media.probe import probe

        self._check(self._declared_pixels())
        facts = probe(self.path)
        seconds = max(facts.video_end_seconds or 0.0, facts.audio_end_seconds or 0.0)
        num_pixels = (facts.width_px or 0) * (facts.height_px or 0)
        kind = "video" if facts.has_video else "audio"
        return UploadFacts(kind, facts.has_video, facts.has_sound, seconds, num_pixels)

    def _declared_pixels(self) -> int:
        """Of a frame, by the header."""
        from vlsa.data.media.container import open_media

        with open_media(self.path) as source:
            stream = source.stream("video")
            return 0 if stream is None else stream.codec_context.width * stream.codec_context.height

    def _check(self, num_pixels: int) -> None:
        if num_pixels > self.most_pixels:
            raise MediaError(
                f"{self.path}: frames of {num_pixels / 1e6:,.0f} megapixels; {self.most_pixels / 1e6:,.0f} can be "
                "decoded. Scale it down.",
                reason="too_long",
            )


def _image_size(path: str) -> tuple[int, int] | None:
    """Width and height of an image by its header; None for any other file."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=IMAGE_FORMATS) as image:
            return image.size
    except UnidentifiedImageError:
        return None
    except Exception as error:  # Pillow raises a dozen kinds of errors on damaged files
        raise MediaError(
            f"{path}: not a readable image ({type(error).__name__}). Check that it opens elsewhere.",
            reason="unreadable",
        ) from error


@dataclass(frozen=True)
class ExampleWindows:
    """The windows of a file, or of a stretch of it, that have a modality."""

    spec: "WindowSpec"
    span: "Span"
    modality: str

    def run(self) -> "Sequence[Clip]":
        """Raises MediaError."""
        from vlsa.retrieve.search.asked import decode_example

        return decode_example(self.spec, self.span, self.modality)
