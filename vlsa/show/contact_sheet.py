"""A contact sheet of a store as one HTML file: its numbers, a sample of its clips to see and hear, what was rejected.

Reads curate/description.py and the clips of a store; the template is templates/contact_sheet.html. Everything is inside
the file, and no script: it opens without a network, under a policy that forbids all else.
Axes: S samples of audio.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from vlsa.base.console import duration
from vlsa.base.files import Progress
from vlsa.data.curate.description import Description, human_bytes, read_report
from vlsa.data.ingest.manifest import NOTES, Rejection
from vlsa.data.reasons import REASONS
from vlsa.data.store.reader import ClipStore, StoredClip
from vlsa.show.gallery import ClipMedia, clip_media
from vlsa.show.pages import write_page

NUM_CLIPS, MOST_REJECTIONS = 24, 200
WAVE_POINTS, WAVE_HEIGHT = 160, 36


@dataclass(frozen=True)
class SheetClip:
    """A clip of the sheet."""

    row: StoredClip
    media: ClipMedia
    wave: str
    """Path of an SVG, WAVE_POINTS wide; "" without audio."""


@dataclass(frozen=True)
class SheetRejection:
    """A line of the report, with what helps."""

    line: Rejection
    meaning: str
    remedy: str


def sample_clips(clips: Sequence[StoredClip], num_clips: int, seed: int) -> list[StoredClip]:
    """Some of the clips, each as likely, in their order."""
    chosen = np.random.default_rng(seed).permutation(len(clips))[:num_clips]
    return [clips[row] for row in sorted(chosen.tolist())]


def wave_path(sound: Float32[np.ndarray, " S"]) -> str:
    """Peaks of some audio as a closed SVG path around the middle; the full height is full scale."""
    peaks = [float(np.abs(part).max()) for part in np.array_split(sound, min(WAVE_POINTS, len(sound)))]
    middle = WAVE_HEIGHT / 2
    heights = [max(peak, 0.02) * middle for peak in peaks]
    step = WAVE_POINTS / len(heights)
    upper = [f"{(k + 0.5) * step:.1f},{middle - height:.1f}" for k, height in enumerate(heights)]
    lower = [f"{(k + 0.5) * step:.1f},{middle + height:.1f}" for k, height in enumerate(heights)]
    return f"M{' '.join(upper + lower[::-1])}Z"


def write_contact_sheet(
    path: str | Path,
    store: ClipStore,
    description: Description,
    *,
    num_clips: int = NUM_CLIPS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Write the page and return its path. The seed decides which clips are shown. Raises StoreError (damaged clips)."""
    rows = sample_clips(store.rows(), num_clips, seed)
    shown = []
    for done, row in enumerate(rows, 1):
        clip = store.read(row)
        shown.append(SheetClip(row, clip_media(clip), "" if clip.sound is None else wave_path(clip.sound)))
        if progress:
            progress(done, len(rows), "")
    report = read_report(store)
    rejected = [line for line in report if line.reason not in NOTES]
    return write_page(
        path,
        "contact_sheet.html",
        title=Path(store.path).name or str(store.path),
        summary="",
        description=description,
        bytes_of=human_bytes,
        length_of=duration,
        clips=shown,
        seed=seed,
        rejections=[_with_remedy(line) for line in rejected[:MOST_REJECTIONS]],
        num_rejected=len(rejected),
        wave_size=(WAVE_POINTS, WAVE_HEIGHT),
    )


def _with_remedy(line: Rejection) -> SheetRejection:
    reason = REASONS.get(line.reason)
    texts = (reason.meaning, reason.remedy) if reason else ("", "")
    return SheetRejection(line, *(text.replace("`", "") for text in texts))
