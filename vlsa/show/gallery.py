"""A retrieval gallery as one HTML file: queries in each direction, their first results, and the right one marked.

Reads compute/ranked_queries.py and the clips of a store; the template is templates/gallery.html. Frames and audio are
inside the file, once per clip, so it needs neither a network nor other files.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from vlsa.base.errors import VlsaError
from vlsa.data.clip import Clip
from vlsa.data.store.codecs import encode_jpeg, encode_wav
from vlsa.show.compute.ranked_queries import RankedQuery
from vlsa.show.pages import data_uri, write_page

NUM_FRAMES, LARGEST_FRAME_PX, SMALLEST_FRAME_PX, GAP_PX = 4, 160, 96, 3
JPEG_QUALITY = 82


@dataclass(frozen=True)
class ClipMedia:
    """A clip as the page shows it; image and audio are data URIs, "" where the clip has none."""

    id: str
    image: str
    audio: str
    texts: tuple[str, ...]


def clip_media(clip: Clip) -> ClipMedia:
    """Four frames of a clip in one JPEG, its audio as WAV."""
    image = audio = ""
    if clip.frames is not None:
        image = data_uri("image/jpeg", encode_jpeg(frame_grid(clip.frames), JPEG_QUALITY))
    if clip.sound is not None and clip.sample_rate_hz:
        audio = data_uri("audio/wav", encode_wav(clip.sound, clip.sample_rate_hz))
    return ClipMedia(clip.id, image, audio, clip.texts)


def frame_grid(frames: UInt8[np.ndarray, "V H W 3"]) -> UInt8[np.ndarray, "H_grid W_grid 3"]:
    """Four evenly spaced frames in two rows of two with a white gap, each at most 160 px wide."""
    from PIL import Image

    chosen = np.linspace(0, len(frames) - 1, NUM_FRAMES + 2).round().astype(int)[1:-1]
    height, width = frames.shape[1:3]
    wide = min(max(width, SMALLEST_FRAME_PX), LARGEST_FRAME_PX)
    high = max(round(wide * height / width), 1)
    grid = np.full((2 * high + GAP_PX, 2 * wide + GAP_PX, 3), 255, np.uint8)
    for number, frame in enumerate(chosen):
        top, left = (number // 2) * (high + GAP_PX), (number % 2) * (wide + GAP_PX)
        grid[top : top + high, left : left + wide] = np.asarray(Image.fromarray(frames[frame]).resize((wide, high)))
    return grid


def shown_clips(queries: Iterable[RankedQuery]) -> list[int]:
    """Rows of all clips that a page of these queries shows, ascending."""
    return sorted(
        {clip for one in queries for clip in (one.clip, one.right.clip, *(item.clip for item in one.results))}
    )


def write_gallery(
    path: str | Path,
    queries: Sequence[RankedQuery],
    media_of: Callable[[int], ClipMedia],
    *,
    title: str,
    summary: str = "",
) -> Path:
    """Write the page and return its path. `media_of` gives a clip by its row, and is called once for each.

    `queries` are ordered by direction. Raises VlsaError when there is none.
    """
    if not queries:
        raise VlsaError(f"{path}: no clip has two modalities, so there is no query to show. Choose another split.")
    media = {row: media_of(row) for row in shown_clips(queries)}
    directions = {direction: list(group) for direction, group in groupby(queries, lambda one: one.direction)}
    data = {row: [one.image, one.audio] for row, one in media.items()}
    return write_page(path, "gallery.html", title=title, summary=summary, directions=directions, media=media, data=data)
