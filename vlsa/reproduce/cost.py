"""Table 7: the cost of a recipe. Parameters itemised, FLOPs per clip, training time from a measured step, latencies.

FLOPs are counted from the settings (model/flops.py); times are measured on this machine on random inputs. The time of
the whole training is extrapolated from the median step: clips of the recipe / clips per second.
Paper: VLSA (arXiv 2405.07202), Table 7.
"""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from vlsa.base.files import write_atomically
from vlsa.base.versions import library_versions, source_commit
from vlsa.config import Config
from vlsa.data.batch import Batch
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.model.flops import StepFlops, encode_flops, step_flops
from vlsa.model.vlsa import VLSA
from vlsa.pretrain.acceleration import set_up_encoding
from vlsa.pretrain.checkpoint import build_model
from vlsa.pretrain.loop import train_step
from vlsa.pretrain.trainer import Trainer, build_optimizer
from vlsa.retrieve.evaluate.results import markdown_table

NUM_WARM_UP = 1
GALLERY = 100_000
"""Number of vectors that the query is compared with, exactly."""
PAPER_ROWS = (
    ("VLSA, in the paper", "156 M", "1,350 (V100)", "1,738 ms"),
    ("Frozen, in the paper", "232 M", "10,580", "1,989 ms"),
)
"""Parameters, GPU-hours and inference latency in the paper, which does not define the latency."""
PARTS = (
    "embedding.video", "embedding.audio", "embedding.text", "embedding", "encoder", "decoder.heads", "decoder",
    "heads", "matching",
)  # fmt: skip


NAMES = {"embedding": "embedding: modalities, positions if they are learned", "decoder": "decoder without its heads"}
"""Names of the parts that hold the rest of a module."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of a recipe on this machine."""

    recipe: str
    device: str
    parameters: dict[str, int]
    step_flops: StepFlops
    encode_flops: dict[str, int]
    batch_size: int
    """Of the measured steps; that of the recipe may not fit."""
    step_seconds: float
    clips_in_all: int
    encode_clip_seconds: float
    """Video and audio of one clip, from decoded frames and samples."""
    encode_text_seconds: float
    query_seconds: float
    """One sentence encoded and compared with GALLERY vectors."""
    versions: dict[str, str]
    commit: str | None

    @property
    def training_hours(self) -> float:
        """Of the whole recipe at the measured speed, on one such device."""
        return self.clips_in_all / (self.batch_size / self.step_seconds) / 3600

    @property
    def flops_per_second(self) -> float:
        """Of the measured step."""
        return self.step_flops.total * self.batch_size / self.step_seconds

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        derived = {"training_hours": self.training_hours, "flops_per_second": self.flops_per_second}
        return {**asdict(self), **derived, "step_flops_total": self.step_flops.total}

    def markdown(self) -> str:
        """The table, its items, and the measurements."""
        total = sum(self.parameters.values())
        own = (
            f"VLSA, recipe `{self.recipe}`, here",
            f"{total / 1e6:.1f} M",
            f"{self.training_hours:,.{0 if self.training_hours > 10 else 2}f} ({self.device})",
            f"{1e3 * (self.encode_clip_seconds + self.query_seconds):,.0f} ms",
        )
        head = ("", "parameters", "device-hours (here: extrapolated)", "latency: encode a clip, answer a query")
        items = [(NAMES.get(name, name), f"{number:,}") for name, number in self.parameters.items()]
        flops = [(f"training step, {name}", _giga(getattr(self.step_flops, name))) for name in asdict(self.step_flops)]
        flops.append(("training step, forward and backward", _giga(self.step_flops.total)))
        flops += [(f"encode {name}", _giga(number)) for name, number in self.encode_flops.items()]
        parts = [
            "# Table 7: cost",
            "\n".join(markdown_table(head, [own, *PAPER_ROWS])),
            "## Parameters",
            "\n".join(markdown_table(("part", "parameters"), [*items, ("**all**", f"**{total:,}**")])),
            "## Floating-point operations per clip",
            "\n".join(markdown_table(("what", "GFLOP"), flops)),
            "## Measured here",
            "\n".join(markdown_table(("what", "value"), self._measured())),
            self._caption(),
        ]
        return "\n\n".join(parts) + "\n"

    def _measured(self) -> list[tuple[str, str]]:
        clips_per_second = self.batch_size / self.step_seconds
        return [
            (f"training step of {self.batch_size} clips, median", f"{self.step_seconds:.3f} s"),
            ("clips per second", f"{clips_per_second:,.1f}"),
            ("reached", f"{self.flops_per_second / 1e12:.3f} TFLOP/s"),
            (f"the recipe's {self.clips_in_all:,} clip views", f"{self.training_hours:,.2f} h"),
            ("encode one clip (video and audio)", f"{1e3 * self.encode_clip_seconds:.1f} ms"),
            ("encode one sentence", f"{1e3 * self.encode_text_seconds:.1f} ms"),
            (f"one query against {GALLERY:,} clips, exactly", f"{1e3 * self.query_seconds:.1f} ms"),
        ]

    def _caption(self) -> str:
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return (
            f"Device: {self.device}. The rows of the paper are its published numbers. Hours are extrapolated "
            f"from the measured step, without reading and decoding. {versions}. Commit {self.commit or 'unknown'}."
        )


def measure_cost(
    name: str, config: Config, tokenizer: Tokenizer, *, batch_size: int, num_steps: int = 3, device: str | None = None
) -> Cost:
    """Build the model of a recipe and time it on noise of its shapes; `batch_size` clips per step."""
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    text = replace(config.model.text, vocabulary_size=tokenizer.vocabulary_size)
    config = replace(config, model=replace(config.model, text=text))
    model = build_model(config, tokenizer).to(where)
    batch = made_batch(config, batch_size).to(where)
    step_seconds = _step_seconds(config, model, tokenizer, batch, num_steps)
    set_up_encoding(model.eval(), config.compute, where)
    one = batch.rows(0, 1)
    gallery = torch.nn.functional.normalize(torch.randn(GALLERY, config.model.vector_width, device=where), dim=-1)
    with model.low_precision():
        clip = _seconds(lambda: (model.encode_video(one), model.encode_audio(one)), num_steps)
        text = _seconds(lambda: model.encode_text(one), 5 * num_steps)

    def answer() -> None:
        with model.low_precision():
            vector = model.encode_text(one)
        (vector.float() @ gallery.T).topk(10)

    return Cost(
        recipe=name,
        device=device_name(where),
        parameters=itemised(model),
        step_flops=step_flops(config.model),
        encode_flops=encode_flops(config.model),
        batch_size=batch_size,
        step_seconds=step_seconds,
        clips_in_all=config.train.num_steps * config.train.batch_size,
        encode_clip_seconds=clip,
        encode_text_seconds=text,
        query_seconds=_seconds(answer, 5 * num_steps),
        versions=library_versions(),
        commit=source_commit(),
    )


def itemised(model: VLSA) -> dict[str, int]:
    """Parameters by part; each is counted once, under the first of PARTS that its name starts with."""
    counted = dict.fromkeys(PARTS, 0)
    for name, parameter in model.named_parameters():
        plain = name.split(".towers.")[0] + ("." + name.split(".", 3)[-1] if ".towers." in name else "")
        part = next(part for part in PARTS if (plain + ".").startswith(part + "."))
        counted[part] += parameter.numel()
    return counted


def made_batch(config: Config, batch_size: int) -> Batch:
    """Noise in the shapes of the model, with every modality."""
    rng = torch.Generator().manual_seed(0)
    video, audio, text = config.model.video, config.model.audio, config.model.text
    shape = (batch_size, video.num_frames, 3, video.size_px, video.size_px)
    seconds = torch.linspace(0, audio.window_seconds, video.num_frames)
    return Batch(
        ids=tuple(f"noise-{number}" for number in range(batch_size)),
        video=torch.randint(256, shape, generator=rng, dtype=torch.uint8),
        frame_seconds=seconds.expand(batch_size, -1),
        frame_padding=torch.zeros(batch_size, video.num_frames, dtype=torch.bool),
        waveform=torch.rand(batch_size, audio.num_samples, generator=rng) - 0.5,
        num_samples=torch.full((batch_size,), audio.num_samples),
        token_ids=torch.randint(5, text.vocabulary_size, (batch_size, text.num_tokens), generator=rng),
        text_padding=torch.zeros(batch_size, text.num_tokens, dtype=torch.bool),
    )


def device_name(device: torch.device) -> str:
    """The name of a device in the table."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{os.cpu_count()} CPU cores, {platform.machine()}, {threads} thread{'s' if threads > 1 else ''}"


def write_cost(cost: Cost, out: Path) -> tuple[Path, Path]:
    """Write OUT/table7.md and OUT/table7.json."""
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "table7.md", cost.markdown().encode())
    write_atomically(out / "table7.json", json.dumps(cost.as_dict(), indent=1).encode() + b"\n")
    return out / "table7.md", out / "table7.json"


def _step_seconds(config: Config, model: VLSA, tokenizer: Tokenizer, batch: Batch, num_steps: int) -> float:
    trainer = Trainer(config, model, tokenizer, build_optimizer(model, config), data="noise")

    def step() -> None:
        losses, _ = train_step(trainer, batch)
        losses.total.item()  # wait for the device

    return _seconds(step, num_steps, grad=True)


def _seconds(call: Callable[[], object], num_calls: int, *, grad: bool = False) -> float:
    """Median time of a call after a warm-up."""
    times = []
    with torch.set_grad_enabled(grad):
        for number in range(NUM_WARM_UP + num_calls):
            started = time.perf_counter()
            call()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if number >= NUM_WARM_UP:
                times.append(time.perf_counter() - started)
    return statistics.median(times)


def _giga(number: float) -> str:
    return f"{number / 1e9:,.3f}"
