"""Batches on the device, copied there while the step before them is computed. Used by loop.py."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import fields

import torch

from vlsa.data.batch import Batch


def prefetch(batches: Iterable[Batch], device: torch.device) -> Iterator[tuple[Batch, float]]:
    """Each batch on the device, with the seconds for which nothing could be done but wait for it."""
    stream = torch.cuda.Stream(device) if device.type == "cuda" else None
    iterator = iter(batches)
    while True:
        idle = torch.cuda.Event() if stream else None
        if idle:
            idle.record()
        started = time.perf_counter()
        batch = next(iterator, None)
        waited_seconds = time.perf_counter() - started
        if batch is None:
            return
        if idle and not idle.query():  # the device had steps to compute all the while
            waited_seconds = 0.0
        yield (_copied(batch, device, stream) if stream else batch.to(device)), waited_seconds


def _copied(batch: Batch, device: torch.device, stream: torch.cuda.Stream) -> Batch:
    with torch.cuda.stream(stream):
        batch = batch.to(device)
    current = torch.cuda.current_stream(device)
    current.wait_stream(stream)
    for field in fields(batch):
        if field.name != "ids":
            getattr(batch, field.name).record_stream(current)
    return batch
