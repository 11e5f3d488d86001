"""A clip as tensors, and a batch of them.

transform.py makes `ClipTensors` of a `Clip`, loader.py makes `Batch`, model/vlsa.py eats `Batch`.
Axes: V sampled frames, H W pixels, S samples of audio, L tokens of text, B clips.
"""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from vlsa.data.clip import ShapesInRepr


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ClipTensors(ShapesInRepr):
    """One clip in the model's shapes; an absent modality is all padding (padding True = not real)."""

    id: str
    video: Tensor
    """uint8, V 3 H W."""
    frame_seconds: Tensor
    """float32, V: time of each frame from the start of the audio window."""
    frame_padding: Tensor
    """bool, V."""
    waveform: Tensor
    """float32, S."""
    num_samples: Tensor
    """int64, scalar: how many samples of `waveform` are real; 0 = no audio."""
    token_ids: Tensor
    """int64, L."""
    text_padding: Tensor
    """bool, L."""

    def __post_init__(self) -> None:
        assert self.video.shape[:1] == self.frame_seconds.shape == self.frame_padding.shape, self
        assert self.token_ids.shape == self.text_padding.shape, self


TENSORS = tuple(field.name for field in fields(ClipTensors) if field.name != "id")
"""The fields that are tensors, of a clip and of a batch."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Batch(ShapesInRepr):
    """Clips stacked along a first axis B; fields as in `ClipTensors`."""

    ids: tuple[str, ...]
    video: Tensor
    """uint8, B V 3 H W."""
    frame_seconds: Tensor
    """float32, B V."""
    frame_padding: Tensor
    """bool, B V."""
    waveform: Tensor
    """float32, B S."""
    num_samples: Tensor
    """int64, B."""
    token_ids: Tensor
    """int64, B L."""
    text_padding: Tensor
    """bool, B L."""

    def __post_init__(self) -> None:
        assert self.video.shape[:2] == self.frame_seconds.shape == self.frame_padding.shape, self
        assert len(self.ids) == len(self.video) == len(self.waveform) == len(self.num_samples) == len(self.token_ids), (
            self
        )
        assert self.token_ids.shape == self.text_padding.shape, self

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def stack(cls, clips: list[ClipTensors]) -> "Batch":
        """Stack clips of one shape."""
        stacked = {name: torch.stack([getattr(clip, name) for clip in clips]) for name in TENSORS}
        return cls(ids=tuple(clip.id for clip in clips), **stacked)

    def rows(self, start: int, stop: int) -> "Batch":
        """Some of the batch's clips."""
        return replace(self, **{f.name: getattr(self, f.name)[start:stop] for f in fields(self)})

    def pin_memory(self) -> "Batch":
        """The same batch in memory that a GPU reads while it computes."""
        return replace(self, **{name: getattr(self, name).pin_memory() for name in TENSORS})

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on another device."""
        return replace(self, **{name: getattr(self, name).to(device, non_blocking=True) for name in TENSORS})
