"""Clips of a split as batches for figures, at the model's middle window.

Reads a store and the loader's transform; feeds reconstruction.py and sound_map.py.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from vlsa.config import ModelConfig
from vlsa.data.batch import Batch
from vlsa.data.clip import Dataset
from vlsa.data.loading.loader import read_tensors
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.data.loading.transform import choose_window

MOST_CLIPS = 500
"""A number is a mean over at most so many evenly spaced clips of the split."""


def evenly_spaced(rows: Sequence[Any], number: int) -> list[Any]:
    """So many rows at even distances, starting with the first; all if there are fewer."""
    number = min(number, len(rows))
    return [rows[k * len(rows) // number] for k in range(number)]


def batches(
    source: Dataset, rows: Sequence[Any], config: ModelConfig, tokenizer: Tokenizer, batch_size: int = 32
) -> Iterator[tuple[list[Any], Batch]]:
    """Rows and their tensors in batches of nearly equal size: none has a single clip unless that is the only one."""
    num_batches = -(-len(rows) // batch_size)
    for part in np.array_split(np.arange(len(rows)), num_batches) if num_batches else ():
        chosen = [rows[k] for k in part]
        yield chosen, Batch.stack([read_tensors(source, row, config, tokenizer) for row in chosen])


def window_start_seconds(row: Any, config: ModelConfig) -> float:
    """Where the model's window starts in a clip."""
    return choose_window(row.frame_seconds, row.duration_seconds, config, None).start_seconds


def device_of(model: torch.nn.Module) -> torch.device:
    """The device of the weights."""
    return next(model.parameters()).device
