"""A batch on its way from a reading process to the training: all tensors in one piece of shared memory.

A tensor that leaves a process is a file of its own, which the receiver asks the sender for, and the sender is busy with
its next batch. So one piece takes one such question instead of one for each field, and clips are stacked where they are
read. Used by loader.py.
Axes: B clips.
"""

from dataclasses import dataclass
from itertools import accumulate
from math import prod

import torch
from jaxtyping import UInt8
from torch import Tensor

from vlsa.data.batch import TENSORS, Batch, ClipTensors

ALIGNMENT = 64
"""Bytes; tensors begin at multiples of it."""


@dataclass(frozen=True)
class Place:
    """Where a field of the batch lies."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    """Bytes from the beginning."""

    def of(self, memory: UInt8[Tensor, " N"]) -> Tensor:
        """The field, which shares the memory."""
        num_bytes = prod(self.shape) * self.dtype.itemsize
        return memory[self.start : self.start + num_bytes].view(self.dtype).view(self.shape)


@dataclass(frozen=True, eq=False)
class PackedBatch:
    """The fields of a `Batch` side by side."""

    ids: tuple[str, ...]
    memory: UInt8[Tensor, " N"]
    places: tuple[Place, ...]
    """In the order of the fields."""

    @classmethod
    def stack(cls, clips: list[ClipTensors]) -> "PackedBatch":
        """As `Batch.stack`, into memory that processes share."""
        firsts = [getattr(clips[0], name) for name in TENSORS]
        sizes = [-(-len(clips) * first.nbytes // ALIGNMENT) * ALIGNMENT for first in firsts]
        starts = [0, *accumulate(sizes)]
        places = tuple(
            Place(first.dtype, (len(clips), *first.shape), start)
            for first, start in zip(firsts, starts[:-1], strict=True)
        )
        storage = torch.UntypedStorage._new_shared(starts[-1])  # as PyTorch's own collate; share_memory_() would copy
        memory = torch.empty(0, dtype=torch.uint8).set_(storage)
        for name, place in zip(TENSORS, places, strict=True):
            torch.stack([getattr(clip, name) for clip in clips], out=place.of(memory))
        return cls(tuple(clip.id for clip in clips), memory, places)

    def pin_memory(self) -> "PackedBatch":
        """The same in memory that a GPU reads while it computes."""
        return PackedBatch(self.ids, self.memory.pin_memory(), self.places)

    def unpacked(self) -> Batch:
        """The batch, whose tensors share the memory."""
        fields = {name: place.of(self.memory) for name, place in zip(TENSORS, self.places, strict=True)}
        return Batch(ids=self.ids, **fields)
