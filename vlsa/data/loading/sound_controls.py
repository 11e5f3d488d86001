"""Controls: sources whose sound is wrong on purpose, so that what the right sound is worth can be measured.

Each wraps a source of clips and stands in its place: ShiftedSound in training (loader.py), SwappedSound in evaluation
(reproduce/). They say something about a model only next to the same measurement with the clip's own audio.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vlsa.data.clip import Clip, Dataset, WrappedDataset, cut


class ShiftedSound(WrappedDataset):
    """A source in which each clip's audio is shifted by some seconds, its end moved to the start."""

    def __init__(self, source: Dataset, shift_seconds: float) -> None:
        super().__init__(source)
        self.shift_seconds = shift_seconds

    def read(
        self, clip: Any, *, frame_indices: Sequence[int] | None = None, sound_range: tuple[int, int] | None = None
    ) -> Clip:
        """The asked part of a clip."""
        whole = self.source.read(clip, frame_indices=frame_indices)
        if whole.sound is None:
            return whole
        turned = np.roll(whole.sound, round(self.shift_seconds * clip.sample_rate_hz))
        num_frames = 0 if whole.frames is None else len(whole.frames)
        return cut(replace(whole, sound=turned), range(num_frames), *(sound_range or (0, len(turned))))


class SwappedSound(WrappedDataset):
    """A source in which each clip has the sound of the next clip of its split; a lone sound is left out."""

    def __init__(self, source: Dataset) -> None:
        super().__init__(source)
        self._sounds: dict[str, Any] = {}
        for split in ("train", "val", "test"):
            heard = [row for row in source.rows(split) if row.num_samples]
            if len(heard) > 1:
                self._sounds |= {row.id: other for row, other in zip(heard, [*heard[1:], *heard[:1]], strict=True)}

    @property
    def path(self) -> str:
        """What names it in results."""
        return f"{getattr(self.source, 'path', 'clips in memory')}, each with the sound of another clip"

    def read(
        self, clip: Any, *, frame_indices: Sequence[int] | None = None, sound_range: tuple[int, int] | None = None
    ) -> Clip:
        """The asked part of a clip, with the same part of another's sound."""
        own = self.source.read(clip, frame_indices=frame_indices, sound_range=sound_range)
        if clip.id not in self._sounds:
            return replace(own, sound=None, sample_rate_hz=None)
        other = self.source.read(self._sounds[clip.id], frame_indices=[], sound_range=sound_range)
        return replace(own, sound=other.sound, sample_rate_hz=other.sample_rate_hz)
