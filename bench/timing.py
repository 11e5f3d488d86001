"""Steps timed: warm-up, then as many as the time allows, on the device's own clock; and the memory they took."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch


@dataclass(frozen=True)
class Timing:
    """What steps took after the warm-up."""

    seconds: list[float]
    """Of each step."""
    warm_up_seconds: float
    """Compilation included."""
    peak_gib: float | None
    """Largest memory in use at once on the GPU, from the first step on; None on a processor."""

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def p95(self) -> float:
        return statistics.quantiles(self.seconds, n=20, method="inclusive")[-1]


def time_steps(
    step: Callable[[], object], device: torch.device, num_steps: int, num_warm_up: int = 3, limit_seconds: float = 30.0
) -> Timing:
    """Call `step` again and again. At least two steps are timed, whatever the limit.

    A GPU is not waited for between steps: it marks the end of each by itself, as in a training that nobody interrupts.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    started = time.perf_counter()
    for _ in range(num_warm_up):
        before = time.perf_counter()
        step()
        _wait(device)
        last_seconds = time.perf_counter() - before
    warm_up_seconds = time.perf_counter() - started
    count = max(min(num_steps, int(limit_seconds / max(last_seconds, 1e-9))), 2)
    seconds = _on_gpu(step, count) if device.type == "cuda" else _on_cpu(step, count)
    peak = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else None
    return Timing(seconds, warm_up_seconds, peak)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _on_cpu(step: Callable[[], object], count: int) -> list[float]:
    seconds = []
    for _ in range(count):
        started = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - started)
    return seconds


def _on_gpu(step: Callable[[], object], count: int) -> list[float]:
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(count + 1)]
    marks[0].record()
    for mark in marks[1:]:
        step()
        mark.record()
    torch.cuda.synchronize()
    return [before.elapsed_time(after) / 1000 for before, after in pairwise(marks)]
