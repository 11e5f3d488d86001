"""Clips of a split as batches, for figures: the model's middle window, and which rows a picture shows.

Reads a store and the loader's transform; feeds rebuild.py and sounding.py.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from vlsa.config import ModelConfig
from vlsa.data.clip import Batch, Dataset
from vlsa.data.loading.loader import read_tensors
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.data.loading.transform import choose_window

MOST_CLIPS = 500
"""A number is a mean over so many clips of the split at most, evenly spread."""


def spread(rows: Sequence[Any], number: int) -> list[Any]:
    """So many rows (or all, if there are fewer) at even distances, the first among them: nobody picks them."""
    number = min(number, len(rows))
    return [rows[k * len(rows) // number] for k in range(number)]


def batches(
    source: Dataset, rows: Sequence[Any], config: ModelConfig, tokenizer: Tokenizer, batch_size: int = 32
) -> Iterator[tuple[list[Any], Batch]]:
    """Rows and their tensors, in batches that are as even as can be: none has a single clip unless there is but one."""
    num_batches = -(-len(rows) // batch_size)
    for part in np.array_split(np.arange(len(rows)), num_batches) if num_batches else ():
        chosen = [rows[k] for k in part]
        yield chosen, Batch.stack([read_tensors(source, row, config, tokenizer) for row in chosen])


def window_start_seconds(row: Any, config: ModelConfig) -> float:
    """Where the model's window begins in a clip."""
    return choose_window(row.frame_seconds, row.duration_seconds, config, None).start_seconds


def device_of(model: torch.nn.Module) -> torch.device:
    """Where the weights are."""
    return next(model.parameters()).device
