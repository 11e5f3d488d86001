"""Several processes on one machine: started by torch.multiprocessing and joined by gloo, or started by torchrun."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from command_lines import ROOT

from vlsa.data.loading.readers import fresh_processes

PRELOADED = ("vlsa.pretrain.loop", "torch.distributed.fsdp", "torch._dynamo")
"""What takes seconds to import, once for all processes of a test and of those after it."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _joined(rank: int, num_ranks: int, port: int, work: Callable, arguments: tuple) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=num_ranks)
    work(*arguments)
    dist.barrier()
    time.sleep(0.2)  # until the others have heard of it
    os._exit(0)  # gloo's threads may abort a process that ends in order: see SETTLE_SECONDS in vlsa/base/processes.py


def in_processes(num_ranks: int, work: Callable, *arguments: object) -> None:
    """Call a function of a module in each of so many joined processes."""
    fresh_processes(*PRELOADED)
    arguments = (num_ranks, free_port(), work, arguments)
    mp.start_processes(_joined, arguments, nprocs=num_ranks, start_method="forkserver")


def environment() -> dict[str, str]:
    """With vlsa and tests/ importable."""
    return os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"}


def torchrun_command(*arguments: str, num_ranks: int = 2) -> list[str]:
    """Of this machine."""
    return [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={num_ranks}", *arguments]


def torchrun(*arguments: str, num_ranks: int = 2) -> subprocess.CompletedProcess:
    """Run torchrun and wait for its end."""
    command = torchrun_command(*arguments, num_ranks=num_ranks)
    return subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=200)


def lines_of_ours(done: subprocess.CompletedProcess) -> list[str]:
    """What vlsa said on stderr."""
    return [line for line in done.stderr.splitlines() if line.startswith("vlsa: ")]


def script(folder: Path, text: str) -> str:
    """A Python file."""
    path = folder / "script.py"
    path.write_text(text, encoding="utf-8")
    return str(path)
