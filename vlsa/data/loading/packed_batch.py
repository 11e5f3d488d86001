"""A batch whose tensors are one piece of memory, which reading writes clip by clip and processes may share.

A tensor that leaves a process is a file of its own, which the receiver asks the sender for, and the sender is busy with
its next batch. So one piece takes one such question instead of one for each field. Used by loader.py.
Axes: B clips.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import prod

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from vlsa.data.batch import Batch

ALIGNMENT = 64
"""Bytes; tensors begin at multiples of it."""
Shapes = Mapping[str, tuple[str, tuple[int, ...]]]
"""Type and shape of each field of a clip, by its name: `transform.clip_shapes`."""


@dataclass(frozen=True)
class Place:
    """Where a field of the batch lies."""

    dtype: str
    """As NumPy and PyTorch name it."""
    shape: tuple[int, ...]
    start: int
    """Bytes from the beginning."""

    def of(self, memory: UInt8[Tensor, " N"]) -> Tensor:
        """The field, which shares the memory."""
        dtype = getattr(torch, self.dtype)
        num_bytes = prod(self.shape) * dtype.itemsize
        return memory[self.start : self.start + num_bytes].view(dtype).view(self.shape)


@dataclass(frozen=True, eq=False)
class PackedBatch:
    """The fields of a `Batch` side by side."""

    ids: tuple[str, ...]
    memory: UInt8[Tensor, " N"]
    places: dict[str, Place]
    """By the names of the fields."""

    @classmethod
    def empty(cls, shapes: Shapes, ids: Sequence[str], *, is_shared: bool) -> "PackedBatch":
        """Room for clips of these ids, to be written; `is_shared`: in memory that processes share."""
        sizes = [prod((len(ids), *shape)) * np.dtype(dtype).itemsize for dtype, shape in shapes.values()]
        starts = [0, *accumulate(-(-size // ALIGNMENT) * ALIGNMENT for size in sizes)]
        places = {
            name: Place(dtype, (len(ids), *shape), start)
            for (name, (dtype, shape)), start in zip(shapes.items(), starts, strict=False)
        }
        if not is_shared:
            return cls(tuple(ids), torch.empty(starts[-1], dtype=torch.uint8), places)
        storage = torch.UntypedStorage._new_shared(starts[-1])  # as PyTorch's own collate; share_memory_() would copy
        return cls(tuple(ids), torch.empty(0, dtype=torch.uint8).set_(storage), places)

    def rows(self) -> Iterator[dict[str, np.ndarray]]:
        """The fields of each clip, to be written to."""
        arrays = {name: place.of(self.memory).numpy() for name, place in self.places.items()}
        for number in range(len(self.ids)):
            yield {name: array[number, ...] for name, array in arrays.items()}

    def pin_memory(self) -> "PackedBatch":
        """The same in memory that a GPU reads while it computes."""
        return PackedBatch(self.ids, self.memory.pin_memory(), self.places)

    def unpacked(self) -> Batch:
        """The batch, whose tensors share the memory."""
        return Batch(ids=self.ids, **{name: place.of(self.memory) for name, place in self.places.items()})
