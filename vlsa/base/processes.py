"""Several processes that train one model: their ranks, what they exchange, and how they end.

torchrun starts them and sets their ranks in the environment; PyTorch connects them, with NCCL between GPUs and gloo
between CPUs. A process that was started alone is rank 0 of 1, and nothing here has an effect. Reads the environment;
used by data/loading/loader.py (each rank reads its own clips), model/matching.py, pretrain/ and the command line.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from itertools import count
from typing import Any

import torch
import torch.distributed as dist

from vlsa.base.errors import ConfigError, LostProcess
from vlsa.base.launch import ProcessRank, started

LONGEST_WAIT = timedelta(hours=1)
"""How long ranks wait for each other while rank 0 evaluates and saves. One that dies is detected at once."""
LONGEST_START = timedelta(minutes=10)
"""How long the first rank of a job waits for the last to join."""
SETTLE_SECONDS = 0.2
"""For gloo's threads to release the last tensors, which needs Python's GIL. torch 2.13 joins these threads with the GIL
held: a process sometimes hung, or crashed at exit."""
_JOINED = count()
_TOKEN = torch.zeros(())


def own_device(ranks: ProcessRank, asked: torch.device | str | None = None) -> torch.device:
    """The device of a rank: `asked`, else its own GPU, else the CPU.

    Raises ConfigError if a machine has fewer GPUs than ranks.
    """
    device = torch.device(asked or ("cuda" if torch.cuda.is_available() else "cpu"))
    if device.type != "cuda" or device.index is not None:
        return device
    num_gpus = torch.cuda.device_count()
    if ranks.num_local > num_gpus:
        raise ConfigError(
            f"torchrun --nproc-per-node {ranks.num_local}: this machine has {num_gpus} GPUs; each process needs its "
            f"own. Start --nproc-per-node {num_gpus}."
        )
    return torch.device("cuda", ranks.local_rank)


@contextmanager
def joined(device: torch.device | str | None = None) -> Iterator[tuple[ProcessRank, torch.device]]:
    """The rank of this process and its device; several processes are connected meanwhile.

    Raises ConfigError for more ranks than GPUs, and LostProcess if another rank ended early.
    """
    ranks = ProcessRank(rank(), num_processes()) if dist.is_initialized() else started()
    place = own_device(ranks, device)
    if place.type == "cuda":
        torch.cuda.set_device(place)
    if ranks.num_ranks == 1 or dist.is_initialized():
        yield ranks, place
        return
    backend = "cpu:gloo,cuda:nccl" if place.type == "cuda" else "gloo"
    store = dist.PrefixStore(f"vlsa/{ranks.num_restarts}/{next(_JOINED)}", _store())  # a second run, other addresses
    dist.init_process_group(backend, store=store, rank=ranks.rank, world_size=ranks.num_ranks, timeout=LONGEST_WAIT)
    try:
        yield ranks, place
        wait_for_all()
    except BaseException as error:
        first_to_tell()  # before the others detect that this process is gone
        if place.type == "cuda":
            _abort()
        if not _is_loss(error):
            raise
        raise LostProcess(
            f"rank {ranks.rank} of {ranks.num_ranks}: another process of this training ended, so the current step "
            "cannot be finished. The last checkpoint is complete: run the same command again, or let torchrun do so "
            "with --max-restarts 3; it resumes from there."
        ) from error
    finally:
        time.sleep(SETTLE_SECONDS)
        if dist.is_initialized():
            dist.destroy_process_group()


def _abort() -> None:
    """Abort what the GPUs still wait for.

    An orderly shutdown would hang: this process waits for kernels whose peer is gone, and the peers, which detect it by
    closed connections, wait for this process.
    """
    dist.distributed_c10d._abort_process_group()


def _is_loss(error: BaseException) -> bool:
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo/transport" in str(error))


@cache
def _store() -> dist.TCPStore:
    """The key-value store of the ranks: that of torchrun, which outlives each of them; else rank 0 hosts it."""
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    kept_by_us = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    return dist.TCPStore(host, port, is_master=kept_by_us and started().main, timeout=LONGEST_START)


@cache
def first_to_tell() -> bool:
    """Whether this is the first process of a job to report an error, so that it is printed once."""
    ranks = started()
    if ranks.num_ranks == 1:
        return True
    try:
        return _store().add(f"vlsa/reported/{ranks.num_restarts}", 1) == 1
    except dist.DistError:  # better printed twice than never
        return True


def num_processes() -> int:
    """Processes that train together; 1 if they are not connected."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this process among them, from 0."""
    return dist.get_rank() if num_processes() > 1 else 0


def first_row(num_clips: int) -> int:
    """Index of this rank's first clip in the whole batch, of which each rank holds as many clips."""
    return num_clips * rank()


@torch.no_grad()
def sum_over_processes(values: torch.Tensor) -> torch.Tensor:
    """The sum of the values of all ranks; for counts and reports, without a gradient."""
    if num_processes() > 1:
        values = values.clone()
        dist.all_reduce(values)
    return values


def in_parts(tensor: torch.Tensor) -> bool:
    """Whether a tensor is sharded over the processes (FSDP2's DTensor).

    A single process does not import the module of such tensors, which takes a second.
    """
    if num_processes() == 1:
        return False
    from torch.distributed.tensor import DTensor

    return isinstance(tensor, DTensor)


def wait_for_all() -> None:
    """A barrier; the CPUs wait, not the GPUs."""
    if num_processes() > 1:
        dist.all_reduce(_TOKEN)  # a tensor that outlives the call: see SETTLE_SECONDS


def any_rank(flag: bool) -> bool:
    """Whether the flag is set on any rank; all ranks must call it."""
    if num_processes() == 1:
        return flag
    value = torch.tensor(float(flag))
    dist.all_reduce(value, dist.ReduceOp.MAX)
    return bool(value)


def from_main(value: Any) -> Any:
    """The value of rank 0 (JSON types) on every rank; all ranks must call it."""
    if num_processes() == 1:
        return value
    text = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
    size = torch.tensor(len(text))
    dist.broadcast(size, 0)
    text = text if rank() == 0 else torch.empty(int(size), dtype=torch.uint8)
    dist.broadcast(text, 0)
    return json.loads(bytes(text.numpy()))
