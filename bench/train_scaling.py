"""What does a step send over many processes, and how many clips a second do so many GPUs train?

Why it matters: a recipe for many GPUs is bought before it is run. In 1, 2 and 4 gloo processes on this machine the real
step is taken, with as many clips a process (weak scaling), and each collective that PyTorch issues is counted, next to
what the closed form says and what the loopback device has carried. The closed form then says what 8, 64 and 512 GPUs
send; the time of a step on one GPU and the bandwidth of the links make a prediction of it:

    none hidden   all communication is waited for: the pessimist's number
    hidden        gradients (DDP) travel during the backward pass, two thirds of a step; parts of weights (FSDP2) during
                  the whole; the globals are waited for always. One tenth of that time is taken to be of no use.

Within a node a collective runs at the bandwidth of a GPU's NVLink; between nodes at that of the one network link of a
GPU, though NCCL can use those of a whole node together. Each collective takes a latency times the binary logarithm of
the number of GPUs. Bandwidths are stated, not measured; so is the time of a step unless --step-seconds gives it.

    python bench/train_scaling.py --out bench/results/train_scaling.jsonl
    python bench/train_scaling.py --recipe paper --step-seconds 0.91 --clips 256 --ranks ""

The last line of stdout is one JSON record.
"""

import argparse
import dataclasses
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from records import above_zero, circumstances, exit_status, finish
from step_cost import num_weights
from torch.utils._python_dispatch import TorchDispatchMode

from vlsa.config import Config, ModelConfig
from vlsa.config.recipes import recipe
from vlsa.data.loading.loader import TrainingClips, training_batches
from vlsa.data.world.rendered import WorldClips, WorldSpec
from vlsa.model.encoder import Block
from vlsa.model.flops import step_flops
from vlsa.model.types import SpecialTokens
from vlsa.model.vlsa import VLSA
from vlsa.pretrain import loop
from vlsa.pretrain.checkpoint import build_model
from vlsa.pretrain.parallel import spread
from vlsa.pretrain.step import Objective

WARM_UP, MEASURED = 1, 3
CLIPS_HERE = 4
BUCKET_BYTES = 25 * 2**20
SMALL_COLLECTIVES = 15
"""Of a step: which globals there are, the counts of masked patches, the loss, the norm of the gradient."""
PERFECT = 0.9
"""Of the time in which communication may hide, the part in which it does."""


@dataclasses.dataclass(frozen=True)
class Sent:
    """Bytes that one process sends in a step: of weights and gradients, and of globals."""

    weights: float
    globals: float
    num_collectives: int

    @property
    def total(self) -> float:
        return self.weights + self.globals


def closed_form(model: ModelConfig, num_ranks: int, clips: int, sharding: str) -> Sent:
    """What a step sends, by the best algorithms of its collectives (rings).

    With n processes, S bytes of weights and G bytes of globals of all clips (float32): DDP 2 (n - 1) / n S; FSDP2
    3 (n - 1) / n S for the blocks (weights gathered for each pass, gradients scattered) and 2 for the rest, which stays
    gathered; globals 2 (n - 1) / n G, for the gathering and for the scattered sum of their gradients. gloo scatters a
    sum by making all of it: its loopback carries more than a ring would.
    """
    share = (num_ranks - 1) / num_ranks
    weight_bytes = 4 * num_weights(model)
    block_bytes = 4 * block_weights(model)
    names = {name for pair in model.objective.pairs for name in pair.split("-")} | {"video", "audio", "text"}
    global_bytes = 4 * len(names) * clips * num_ranks * model.vector_width
    units = model.encoder.num_layers + model.decoder.num_layers + 1
    large = 3 * units if sharding == "shard" else math.ceil(weight_bytes / BUCKET_BYTES)
    again = block_bytes if sharding == "shard" else 0
    return Sent(share * (2 * weight_bytes + again), 2 * share * global_bytes, large + SMALL_COLLECTIVES)


def block_weights(model: ModelConfig) -> int:
    """Trained numbers of the blocks of encoder and decoder."""
    blocks = [part for part in on_no_device(model).modules() if isinstance(part, Block)]
    return sum(weight.numel() for block in blocks for weight in block.parameters())


def on_no_device(model: ModelConfig) -> VLSA:
    """The model without memory for its weights."""
    with torch.device("meta"):
        return VLSA(model, SpecialTokens(1, 2, 3))


# --- counted here


class Collectives(TorchDispatchMode):
    """Counts collectives, and the bytes that a ring sends for each."""

    def __init__(self) -> None:
        super().__init__()
        self.num_bytes, self.number = 0.0, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "c10d":
            self.number += 1
            share = (dist.get_world_size() - 1) / dist.get_world_size()
            name = func.name().partition("::")[2]
            twice = 2 if name.startswith("allreduce") else 1
            whole = args[1] if "reduce_scatter" in name else args[0]
            self.num_bytes += twice * share * _bytes(whole)
        return func(*args, **(kwargs or {}))


def _bytes(value: Any) -> int:
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    return sum(map(_bytes, value)) if isinstance(value, list | tuple) else 0


def carried_by_loopback() -> int:
    """Bytes that the loopback device has carried since the machine started; 0 where that is not known."""
    try:
        lines = Path("/proc/net/dev").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[9]) for line in lines if line.strip().startswith("lo:")), 0)


def here(config: Config, sharding: str, num_ranks: int) -> Config:
    """The recipe `tiny` with so many clips a process."""
    train = dataclasses.replace(config.train, batch_size=CLIPS_HERE * num_ranks, num_steps=100, num_workers=0)
    return dataclasses.replace(config, train=train, compute=dataclasses.replace(config.compute, sharding=sharding))


def fresh_trainer(config: Config, source: WorldClips) -> loop.Trainer:
    """The loop's own trainer, spread over the processes."""
    tokenizer = loop.learn_tokenizer(config, source)
    text = dataclasses.replace(config.model.text, vocabulary_size=tokenizer.vocabulary_size)
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, text=text))
    model = build_model(config, tokenizer)
    objective = spread(Objective(model), config.compute, torch.device("cpu"))
    optimizer = loop.build_optimizer(model, config)
    return loop.Trainer(config, model, tokenizer, optimizer, "noise", spread_objective=objective)


def of_a_rank(rank: int, num_ranks: int, sharding: str, path: str) -> None:
    """Steps in one process of several; rank 0 writes down what it counted."""
    torch.set_num_threads(1)
    if num_ranks > 1:
        dist.init_process_group("gloo", init_method=f"file://{path}.store", rank=rank, world_size=num_ranks)
    config = here(recipe("tiny"), sharding, num_ranks)
    source = WorldClips(WorldSpec.parse(f"world:train={CLIPS_HERE * num_ranks},test=0,px=64"))
    trainer = fresh_trainer(config, source)
    with training_batches(TrainingClips(source, config.model, config.train, trainer.tokenizer), 0) as batches:
        batch = next(batches)
    for _ in range(WARM_UP):
        loop.train_step(trainer, batch)
    before, started, counter = carried_by_loopback(), time.perf_counter(), Collectives()
    with counter:
        for _ in range(MEASURED):
            loop.train_step(trainer, batch)
    seconds = (time.perf_counter() - started) / MEASURED
    if num_ranks > 1:
        dist.barrier()
    if rank == 0:
        model = trainer.config.model
        expected = closed_form(model, num_ranks, CLIPS_HERE, sharding)
        found = {
            "ranks": num_ranks,
            "sharding": sharding,
            "step_seconds": round(seconds, 4),
            "collectives": counter.number // MEASURED,
            "bytes_issued": round(counter.num_bytes / MEASURED),
            "bytes_closed_form": round(expected.total),
            "bytes_on_loopback": round((carried_by_loopback() - before) / MEASURED / num_ranks),
        }
        torch.save(found, path)
    if num_ranks > 1:
        dist.destroy_process_group()


def counted(num_ranks: int, sharding: str, folder: Path) -> dict[str, Any]:
    """What a step of so many processes sends, counted on this machine."""
    path = str(folder / f"{sharding}-{num_ranks}")
    mp.spawn(of_a_rank, (num_ranks, sharding, path), nprocs=num_ranks)
    return torch.load(path)


# --- predicted


@dataclasses.dataclass(frozen=True)
class Machine:
    """Links and clock of the GPUs that are asked about."""

    step_seconds: float
    """Of one GPU's clips, alone."""
    clips: int
    """A GPU and step."""
    gpus_per_node: int = 8
    nvlink_bytes: float = 450e9
    network_bytes: float = 50e9
    latency_seconds: float = 15e-6


def predict(model: ModelConfig, num_gpus: int, sharding: str, machine: Machine) -> dict[str, Any]:
    """Clips a second of so many GPUs, with communication waited for and with it hidden."""
    sent = closed_form(model, num_gpus, machine.clips, sharding)
    bandwidth = machine.nvlink_bytes if num_gpus <= machine.gpus_per_node else machine.network_bytes
    latency = sent.num_collectives * machine.latency_seconds * math.log2(max(num_gpus, 2))
    weights_seconds, globals_seconds = sent.weights / bandwidth, sent.globals / bandwidth
    cover = machine.step_seconds * PERFECT * (1 if sharding == "shard" else 2 / 3)
    none_hidden = machine.step_seconds + weights_seconds + globals_seconds + latency
    hidden = machine.step_seconds + max(weights_seconds + latency - cover, 0) + globals_seconds
    clips = num_gpus * machine.clips
    return {
        "gpus": num_gpus,
        "sharding": sharding,
        "gigabytes_sent": round(sent.total / 1e9, 2),
        "of_globals": round(sent.globals / 1e9, 2),
        "clips_per_second_none_hidden": round(clips / none_hidden),
        "clips_per_second_hidden": round(clips / hidden),
        "efficiency_none_hidden": round(machine.step_seconds / none_hidden, 3),
        "efficiency_hidden": round(machine.step_seconds / hidden, 3),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Columns under their names."""
    names = list(rows[0])
    widths = [max(len(name), *(len(str(row[name])) for row in rows)) for name in names]
    lines = [names, *([str(row[name]) for name in names] for row in rows)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def numbers(text: str) -> list[int]:
    """Of a list with commas; none of an empty text."""
    return [above_zero(int)(part) for part in text.split(",") if part]


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--ranks", type=numbers, default=[1, 2, 4], help="processes to count in; '' counts nothing")
    options.add_argument("--recipe", default="paper", help="predicted for")
    options.add_argument("--gpus", type=numbers, default=[8, 64, 512])
    options.add_argument("--clips", type=above_zero(int), default=256, help="a GPU and step")
    options.add_argument(
        "--step-seconds", type=above_zero(float), help="measured on one GPU; else by FLOPs at --tflops"
    )
    options.add_argument(
        "--tflops", type=above_zero(float), default=350.0, help="that a GPU reaches, if --step-seconds is not given"
    )
    options.add_argument("--gpus-per-node", type=above_zero(int), default=8)
    options.add_argument("--nvlink-gigabytes", type=above_zero(float), default=450.0, help="a second, one direction")
    options.add_argument("--network-gigabits", type=above_zero(float), default=400.0, help="a second, of each GPU")
    options.add_argument("--latency-us", type=float, default=15.0, help="of a collective, times log2 of the GPUs")
    options.add_argument("--out", type=Path)
    return options


def main(arguments: list[str] | None = None) -> int:
    """Count, predict, print."""
    options = parser().parse_args(arguments)
    model = recipe(options.recipe).model
    assumed = step_flops(model).total * options.clips / (options.tflops * 1e12)
    machine = Machine(
        step_seconds=options.step_seconds or assumed,
        clips=options.clips,
        gpus_per_node=options.gpus_per_node,
        nvlink_bytes=options.nvlink_gigabytes * 1e9,
        network_bytes=options.network_gigabits / 8 * 1e9,
        latency_seconds=options.latency_us * 1e-6,
    )
    shardings = ("replicate", "shard")
    with tempfile.TemporaryDirectory() as folder:
        found = [counted(ranks, how, Path(folder)) for ranks in options.ranks for how in shardings[: 1 + (ranks > 1)]]
    if found:
        print(f"counted here: recipe tiny, {CLIPS_HERE} clips a process, bytes that a process sends in a step\n")
        print(table(found), "\n")
    rows = [predict(model, gpus, how, machine) for how in shardings for gpus in options.gpus]
    stated = "measured" if options.step_seconds else f"{options.tflops:g} TFLOP/s assumed"
    print(f"predicted: {options.recipe}, {machine.clips} clips a GPU in {machine.step_seconds:.3f} s ({stated})\n")
    print(table(rows), "\n")
    about = {"bench": "train_scaling", "recipe": options.recipe, **circumstances()}
    stated = {**dataclasses.asdict(machine), "step_seconds_are": stated}
    return finish({**about, "machine": stated, "counted": found, "predicted": rows}, options.out)


if __name__ == "__main__":
    sys.exit(exit_status(main))
