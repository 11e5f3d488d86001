"""How fast a run is, and what it spends its time on.

loop.py calls a `ThroughputMeter` at each step and reads the rates where it writes its log. A launch on a GPU returns
before the work is done, so the time of a single step is not meaningful; rates are over all steps between two logs, at
which the loop reads values from the device and waits for all that was launched. Reads model/flops.py; used by
reporting.py.

Model FLOPs are those of the forward and the backward pass of clips that have every modality (flops.py), without what
activation checkpointing and gradient caching compute a second time: a saving of memory is not mistaken for speed.
"""

import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from vlsa.config import ModelConfig
from vlsa.model.flops import encoder_tokens, step_flops

GIB = 2**30
CEILING_SIZE = {"cuda": 8192, "cpu": 1024}
"""Rows and columns of the product that measures a device: large enough for it to be limited by arithmetic."""
CEILING_SECONDS = 0.2


class ThroughputMeter:
    """Rates of the whole job over the steps since it was last asked.

    `num_ranks`: processes that each train on as many clips as this one. `peak_flops`: what one device can do, FLOP/s,
    as `ceiling` measures it; None leaves utilisation out.
    """

    def __init__(
        self,
        model: ModelConfig,
        device: torch.device | str,
        *,
        num_ranks: int = 1,
        peak_flops: float | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.device, self.num_ranks, self.peak_flops = torch.device(device), num_ranks, peak_flops
        self._tokens, self._flops = encoder_tokens(model), step_flops(model).total
        self._clock = clock
        self._start()

    def _start(self) -> None:
        self._started, self._away_seconds = self._clock(), 0.0
        self._waited_seconds, self._num_clips = 0.0, 0

    def step(self, waited_seconds: float, num_clips: int) -> None:
        """A step of this process was launched, on so many clips, after so long a wait for them."""
        self._waited_seconds += waited_seconds
        self._num_clips += num_clips

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave out what is no training: an evaluation, a checkpoint. Waits for the device before and after."""
        _wait(self.device)
        started = self._clock()
        try:
            yield
        finally:
            _wait(self.device)
            self._away_seconds += self._clock() - started

    def rates(self) -> dict[str, float]:
        """The rates by name, and a new stretch begins; {} without a step. To be called after the device was waited for.

        `clips_per_second`, `tokens_per_second` (that enter the encoder, isolated and joint passes both counted),
        `flops_per_second` and `mfu` (a share of the ceiling, if that is known) are of all ranks together;
        `data_wait_share` (of the time) and `memory_gib` (the most so far) are this process's own.
        """
        seconds = self._clock() - self._started - self._away_seconds
        waited_seconds, num_clips = self._waited_seconds, self._num_clips * self.num_ranks
        self._start()
        if not num_clips or seconds <= 0:
            return {}
        flops_per_second = num_clips * self._flops / seconds
        rates = {
            "clips_per_second": num_clips / seconds,
            "tokens_per_second": num_clips * self._tokens / seconds,
            "flops_per_second": flops_per_second,
            "data_wait_share": min(waited_seconds / seconds, 1.0),
            "memory_gib": peak_memory_gib(self.device),
        }
        if self.peak_flops:
            rates["mfu"] = flops_per_second / (self.num_ranks * self.peak_flops)
        return rates


def peak_memory_gib(device: torch.device) -> float:
    """The most memory held so far: by tensors on a GPU; by this process, its readers not counted, on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / GIB
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest * (1 if sys.platform == "darwin" else 1024) / GIB  # bytes on macOS, KiB on Linux


def ceiling(device: torch.device | str, dtype: torch.dtype) -> float | None:
    """FLOP/s that a GPU reaches in a large matrix product, the denominator of utilisation; None on a CPU.

    Measured, not looked up: a data sheet names what no product reaches, and cards of one name differ in power limit,
    memory and slices. On a CPU neighbours, threads and heat move the number as much as the program does, so that a
    share of it would say nothing; a benchmark that has the machine to itself may call `product_flops` there. Takes some
    0.3 s, and no memory afterwards; None where the product finds no room.
    """
    device = torch.device(device)
    if device.type != "cuda":
        return None
    try:
        return product_flops(device, dtype)
    except torch.cuda.OutOfMemoryError:
        return None
    finally:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def product_flops(device: torch.device, dtype: torch.dtype, size: int = 0, seconds: float = CEILING_SECONDS) -> float:
    """FLOP/s of the product of two square matrices: the best of a row of timings, `seconds` long in all.

    In float32 it follows torch.set_float32_matmul_precision, as the model's own products do. The numbers are drawn at
    random, because a GPU is faster on zeros; its global generator is left alone.
    """
    size = size or CEILING_SIZE.get(device.type, 1024)
    generator = torch.Generator(device).manual_seed(0)
    one, other = (torch.randn(size, size, device=device, generator=generator).to(dtype) for _ in range(2))
    product = torch.empty(size, size, device=device, dtype=dtype)
    for _ in range(3):  # chooses a kernel, and wakes the clock
        torch.mm(one, other, out=product)
    times, started = [], time.perf_counter()
    while not times or time.perf_counter() - started < seconds:
        times.append(_seconds_of(lambda: torch.mm(one, other, out=product), device))
    return 2 * size**3 / min(times)


def _seconds_of(call: Callable[[], object], device: torch.device) -> float:
    """Mean over a few calls, so that a launch does not count."""
    num_calls = 5 if device.type == "cuda" else 1
    _wait(device)
    started = time.perf_counter()
    for _ in range(num_calls):
        call()
    _wait(device)
    return (time.perf_counter() - started) / num_calls


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
