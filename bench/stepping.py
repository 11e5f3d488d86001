"""How a rung of the ladder is measured: the real loop's step, on clips that lie on the device or come from a store."""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from made import random_batch, write_store
from running import Job, Results
from step_cost import largest_batch, num_weights, step_cost
from timing import Timing, time_steps

from vlsa.base.errors import ConfigError
from vlsa.config import Config
from vlsa.config.overrides import override
from vlsa.data.clip import Batch
from vlsa.data.loading.loader import TrainingClips, training_batches
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.model.flops import encoder_tokens
from vlsa.model.types import SpecialTokens
from vlsa.model.vlsa import VLSA
from vlsa.pretrain import acceleration, oom
from vlsa.pretrain.loop import Trainer, build_optimizer, train_step
from vlsa.pretrain.prefetch import prefetch

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
    oom.too_much = _say_so  # the bench halves a batch by itself, in a fresh process
    torch.manual_seed(0)
    model = VLSA(config.model, SpecialTokens(1, 2, 3)).to(device)
    optimizer = build_optimizer(model, config)
    if kernel != "fused":
        groups = [
            {"params": group["params"], "weight_decay": group["weight_decay"]} for group in optimizer.param_groups
        ]
        optimizer = UnfusedAdamW(groups, lr=config.train.learning_rate, betas=config.train.betas, foreach=True)
    return Trainer(config, model, None, optimizer, data="bench")  # type: ignore[arg-type]


def _say_so(_trainer: Trainer, batch: Batch, *_rest: Any) -> ConfigError:
    return ConfigError(f"a step of {len(batch)} clips does not fit")


def step_of(trainer: Trainer, batches: Iterator[Batch]) -> None:
    """One step of the loop."""
    train_step(trainer, next(batches))
    trainer.step += 1


def on_device(
    job: Job,
    settings: tuple[str, ...] = (),
    changes: tuple[Variant, ...] = (),
    kernel: str = "fused",
    whole_batch: bool = False,
    graphs: bool = False,
) -> Results:
    """Time steps on clips that lie on the device; with `whole_batch` in chunks of the job's clips."""
    config = _changed(job, settings, changes)
    num_clips = job.num_clips
    if whole_batch:
        num_clips = 4 * num_clips if job.small else config.train.batch_size
        config = override(config, [f"compute.chunk_size={job.num_clips}"])
    if graphs:
        _capture_blocks()
    trainer = start(config, job.device, kernel)
    batch = random_batch(config.model, num_clips, job.device)
    step = partial(step_of, trainer, iter(lambda: batch, None))
    timing = time_steps(step, job.device, job.num_steps, num_warm_up=warm_up_steps(job, whole_batch), limit_seconds=20)
    trainer.guard.check()
    if job.profile:
        write_profile(step, job.profile)
    return results_of(config, num_clips, timing, chunks=num_clips // job.num_clips)


def warm_up_steps(job: Job, whole_batch: bool) -> int:
    """Fewer where a step is long."""
    return 1 if job.small else 2 if whole_batch else 3


def with_data(job: Job, settings: tuple[str, ...] = (), changes: tuple[Variant, ...] = ()) -> Results:
    """Time steps on clips that the loop's loader reads from a store, once what was read ahead is used up."""
    num_workers = 0 if job.small else max((os.cpu_count() or 2) - 1, 1)
    ahead = 3 + 2 * num_workers + 2
    num_steps = job.num_steps if job.small else READ_STEPS
    train = [f"train.batch_size={job.num_clips}", f"train.num_workers={num_workers}"]
    config = override(_changed(job, settings, changes), [*train, f"train.num_steps={ahead + num_steps}"])
    with tempfile.TemporaryDirectory() as folder:
        source = write_store(Path(folder), max(2 * job.num_clips, 4), config.model, max(num_workers, 1))
        tokenizer = Tokenizer.train(list(source.texts("train")), config.model.text.vocabulary_size)
        clips = TrainingClips(source, config.model, config.train, tokenizer)
        reading = reading_speed(clips, ahead, job)
        trainer, waits = start(config, job.device), []
        batches = _noted(prefetch(training_batches(clips, 0, job.device), job.device), waits)
        timing = time_steps(partial(step_of, trainer, batches), job.device, num_steps, ahead, limit_seconds=60)
        batches.close()
    waited = sum(waits[ahead : ahead + len(timing.seconds)]) / sum(timing.seconds)
    return results_of(config, job.num_clips, timing) | {"data_wait_share": waited, "reading_clips_per_second": reading}


def reading_speed(clips: TrainingClips, ahead: int, job: Job) -> float:
    """Clips a second that the loader gives to a step which takes no time."""
    batches = iter(training_batches(clips, 0, job.device))
    for _ in range(ahead):
        next(batches)
    started, count = time.perf_counter(), 0
    for _ in batches:
        count += 1
    return count * job.num_clips / (time.perf_counter() - started)


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
    table = profile.key_averages().table(sort_by="self_cuda_time_total", row_limit=40, max_name_column_width=90)
    path.write_text(table + "\n", encoding="utf-8")


def _capture_blocks() -> None:
    """Compiled blocks in CUDA graphs: a try of the bench, which the loop does not offer."""
    acceleration.compiled_run = lambda: torch.compile(
        acceleration.run, dynamic=False, fullgraph=True, mode="reduce-overhead"
    )


def _changed(job: Job, settings: tuple[str, ...], changes: tuple[Variant, ...]) -> Config:
    config = job.config
    for change in changes:
        config = change(config)
    if job.device.type == "cpu":  # which has no flash attention: the rung is tried with the other kernel
        settings = tuple(setting.replace("attention=flash", "attention=masked") for setting in settings)
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
