"""How a rung of the ladder is measured: the real loop's step, on clips that lie on the device or come from a store.

Each rung first takes step 1 of the same batch from the same weights, and keeps its loss and gradient norm: a rung that
computes something else is not faster. A rung whose memory does not hold that batch takes it by gradient caching.
"""

import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from made import random_batch, write_store
from running import Job, Results, hand_over
from step_cost import largest_batch, num_weights, step_cost
from timing import Timing, time_steps

from vlsa.base.errors import ConfigError
from vlsa.config import Config, ModelConfig
from vlsa.config.overrides import override
from vlsa.data.batch import Batch
from vlsa.data.loading.loader import TrainingClips, training_batches
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.model.flops import encoder_tokens
from vlsa.model.types import Losses, SpecialTokens
from vlsa.model.vlsa import VLSA
from vlsa.pretrain import oom
from vlsa.pretrain.loop import Trainer, build_optimizer, train_step
from vlsa.pretrain.prefetch import prefetch

FLASH_DENSE = "compute.attention=flash_dense"
Variant = Callable[[Config], Config]
READ_STEPS = 30
"""Steps timed with data: more, since batches that were read ahead during compilation come first and are left out."""
MOST_CLIPS = 512
"""At a time: more make no step faster."""


class UnfusedAdamW(torch.optim.AdamW):
    """AdamW by other kernels than the loop's, which alone heed the guard's `found_inf`."""

    found_inf = property(lambda _self: None, lambda _self, _value: None)


def start(config: Config, device: torch.device, kernel: str = "fused") -> Trainer:
    """A fresh run with the recipe's whole vocabulary."""
    torch.manual_seed(0)
    model = VLSA(config.model, SpecialTokens(1, 2, 3)).to(device)
    optimizer = build_optimizer(model, config)
    if kernel != "fused":
        groups = [
            {"params": group["params"], "weight_decay": group["weight_decay"]} for group in optimizer.param_groups
        ]
        optimizer = UnfusedAdamW(groups, lr=config.train.learning_rate, betas=config.train.betas, foreach=True)
    tokenizer = Tokenizer.of_size(config.model.text.vocabulary_size)  # the step does not read it
    return Trainer(config, model, tokenizer, optimizer, data="bench")


def _does_not_fit(_trainer: Trainer, batch: Batch, *_rest: Any) -> ConfigError:
    return ConfigError(f"a step of {len(batch)} clips does not fit")


def _take(trainer: Trainer, batch: Batch) -> tuple[Losses, torch.Tensor]:
    """A step of the loop, which says no more than that a batch does not fit: the bench halves it by itself."""
    with mock.patch.object(oom, "too_much", _does_not_fit):
        return train_step(trainer, batch)


def step_of(trainer: Trainer, batches: Iterator[Batch]) -> None:
    """One step of the loop."""
    _take(trainer, next(batches))
    trainer.step += 1


def first_step(trainer: Trainer, job: Job) -> Results:
    """Loss and gradient norm of step 1 of the batch that all cases have, and the seconds, compilation included."""
    started, config = time.perf_counter(), trainer.config
    if job.num_clips < job.equal_clips and not config.compute.chunk_size:
        trainer.config = override(config, [f"compute.chunk_size={job.num_clips}"])
    losses, norm = _take(trainer, random_batch(config.model, job.equal_clips, job.device))
    trainer.step, trainer.config = 1, config
    return first_step_results(config.model, job.equal_clips, losses.total, norm, started)


def first_step_results(
    model: ModelConfig, num_clips: int, loss: torch.Tensor, norm: torch.Tensor, started: float, kind: str = ""
) -> Results:
    """What is kept of step 1; `model` and `kind` say whose losses may be compared."""
    digest = hashlib.sha256(f"{model}{kind}".encode()).hexdigest()[:12]
    values = {"loss": loss.item(), "gradient_norm": norm.item()}
    return {"first_step": {"model": digest, "clips": num_clips, **values, "seconds": time.perf_counter() - started}}


def reference(job: Job) -> Results:
    """Step 1 alone: eager, in float32, with masked attention, in small chunks so that it fits."""
    settings = ("compute.precision=float32", "compute.compile=off", "compute.attention=masked")
    config = override(job.config, [*settings, f"compute.chunk_size={max(job.equal_clips // 8, 1)}"])
    return first_step(start(config, job.device), job)


def on_device(
    job: Job,
    settings: tuple[str, ...] = (),
    changes: tuple[Variant, ...] = (),
    kernel: str = "fused",
    whole_batch: bool = False,
) -> Results:
    """Time steps on clips that lie on the device; with `whole_batch` in chunks, so that step 1 takes two of them."""
    config = _changed(job, settings, changes)
    num_clips = job.num_clips
    if whole_batch:
        num_clips = 4 * num_clips if job.small else config.train.batch_size
        config = override(config, [f"compute.chunk_size={max(job.num_clips // 2, 1)}"])
    trainer = start(config, job.device, kernel)
    results = first_step(trainer, job)
    batch = random_batch(config.model, num_clips, job.device)
    step = partial(step_of, trainer, iter(lambda: batch, None))
    warm_up = 1 if whole_batch else 2
    timing = time_steps(step, job.device, job.num_steps, num_warm_up=warm_up, limit_seconds=job.seconds(20))
    trainer.guard.check()
    results |= results_of(config, num_clips, timing, chunks=num_clips // (config.compute.chunk_size or num_clips))
    if job.profile:
        hand_over(results)  # a profile that is cut off costs nothing
        write_profile(step, job.profile)
    return results


def with_data(job: Job, settings: tuple[str, ...] = (), changes: tuple[Variant, ...] = ()) -> Results:
    """Time steps on clips that the loop's loader reads from a store, once what was read ahead is used up.

    The reading alone is timed before, on batches of the same loader.
    """
    num_workers = 0 if job.small else max((os.cpu_count() or 2) - 1, 1)
    ahead = 2 * num_workers + 2
    num_steps = job.num_steps if job.small else READ_STEPS
    num_read = 2 * ahead + num_steps
    train = [f"train.batch_size={job.num_clips}", f"train.num_workers={num_workers}"]
    config = override(_changed(job, settings, changes), [*train, f"train.num_steps={num_read + ahead + num_steps}"])
    trainer, waits = start(config, job.device), []
    results = first_step(trainer, job)
    with tempfile.TemporaryDirectory() as folder:
        source = write_store(Path(folder), max(2 * job.num_clips, 4), config.model, max(num_workers, 1))
        tokenizer = Tokenizer.train(list(source.texts("train")), config.model.text.vocabulary_size)
        clips = TrainingClips(source, config.model, config.train, tokenizer)
        with training_batches(clips, 0, job.device) as read:
            batches = _noted(prefetch(read, job.device), waits)
            reading = reading_speed(batches, num_read, ahead, job.num_clips)
            step = partial(step_of, trainer, batches)
            timing = time_steps(step, job.device, num_steps, ahead, limit_seconds=job.seconds(30))
    first = num_read + ahead
    waited = sum(waits[first : first + len(timing.seconds)]) / sum(timing.seconds)
    results |= results_of(config, job.num_clips, timing)
    return results | {"data_wait_share": waited, "reading_clips_per_second": reading}


def reading_speed(batches: Iterator[Batch], num_batches: int, ahead: int, num_clips: int) -> float:
    """Clips a second that the loader gives to a step which takes no time; the first batches wait for its processes."""
    for _ in range(ahead):
        next(batches)
    started = time.perf_counter()
    for _ in range(num_batches - ahead):
        next(batches)
    return (num_batches - ahead) * num_clips / (time.perf_counter() - started)


def _noted(pairs: Iterator[tuple[Batch, float]], waits: list[float]) -> Iterator[Batch]:
    for batch, waited_seconds in pairs:
        waits.append(waited_seconds)
        yield batch


def update_alone(job: Job) -> Results:
    """Milliseconds of one AdamW update by each of PyTorch's kernels."""
    model = VLSA(job.config.model, SpecialTokens(1, 2, 3)).to(job.device)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    for weight in weights:
        weight.grad = torch.randn_like(weight)
    results = {}
    for name in ("fused", "foreach", "for-loop"):
        kind = {"fused": name == "fused", "foreach": name == "foreach"}
        optimizer = torch.optim.AdamW(weights, lr=1e-4, **kind)
        results[f"{name}_ms"] = time_steps(optimizer.step, job.device, job.num_steps).median * 1e3
    return results


def write_profile(step: Callable[[], None], path: Path) -> None:
    """A table of the kernels that take longest, over three steps."""
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        for _ in range(3):
            step()
        torch.cuda.synchronize()
    path.parent.mkdir(parents=True, exist_ok=True)
    table = profile.key_averages().table(sort_by="self_device_time_total", row_limit=40, max_name_column_width=90)
    path.write_text(table + "\n", encoding="utf-8")


def _changed(job: Job, settings: tuple[str, ...], changes: tuple[Variant, ...]) -> Config:
    config = job.config
    for change in changes:
        config = change(config)
    if job.device.type == "cpu":  # which has no flash attention: the rung is tried with the other kernel
        kernels = {"compute.attention=flash": "compute.attention=masked", FLASH_DENSE: "compute.attention=dense"}
        settings = tuple(kernels.get(setting, setting) for setting in settings)
    return override(config, list(settings))


def results_of(config: Config, num_clips: int, timing: Timing, chunks: int = 1) -> Results:
    """What a case hands over of its steps."""
    cost = step_cost(config.model, num_clips, num_weights(config.model), bytes_per_element=2, chunks=chunks)
    return {
        "batch_size": num_clips,
        "step_seconds_median": timing.median,
        "step_seconds_p95": timing.p95,
        "clips_per_second": num_clips / statistics.fmean(timing.seconds),
        "tokens_per_second": num_clips * encoder_tokens(config.model) / statistics.fmean(timing.seconds),
        "flops": cost.flops,
        "bytes": cost.num_bytes,
        "peak_gib": timing.peak_gib,
        "warm_up_seconds": timing.warm_up_seconds,
        "num_steps": len(timing.seconds),
        "chunks": chunks,
    }


def fitting(kind: str, *changes: Variant) -> Callable[[Config, float], int]:
    """Clips that should fit, kept in float32, in bfloat16 or recomputed."""

    def clips(config: Config, memory_gib: float) -> int:
        for change in changes:
            config = change(config)
        return min(largest_batch(config.model, kind, memory_gib, num_weights(config.model)), MOST_CLIPS)

    return clips
