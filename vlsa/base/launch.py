"""The rank of this process, as torchrun sets it in the environment. Reads nothing else; imports no library.

Used by processes.py, which connects the processes, and by console.py: only rank 0 prints.
"""

import os
from dataclasses import dataclass

MOST_WORKERS = 512
"""Processes that read, or decode, for one command. More is a slip: each takes some 170 MB."""


@dataclass(frozen=True)
class ProcessRank:
    """This process among those that train together; local = on the same machine."""

    rank: int = 0
    num_ranks: int = 1
    local_rank: int = 0
    num_local: int = 1
    num_restarts: int = 0
    """How often torchrun has restarted the job."""

    @property
    def main(self) -> bool:
        """Whether this process writes, evaluates and prints for all."""
        return self.rank == 0


def under_torchrun() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ  # a Slurm job sets RANK and the like for any command


def started() -> ProcessRank:
    """From the environment of torchrun; rank 0 of 1 without it."""
    if not under_torchrun():
        return ProcessRank()
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RESTART_COUNT")
    return ProcessRank(*(int(os.environ[name]) for name in names))


def usable_cores() -> int:
    """How many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
