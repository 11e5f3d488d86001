"""Which of several processes this one is, as torchrun says in the environment. Reads nothing else; loads no library.

Used by processes.py, which joins them, and by console.py: one process speaks for all.
"""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class ProcessRank:
    """This process among those that train together; those of one machine are local to each other."""

    rank: int = 0
    num_ranks: int = 1
    local_rank: int = 0
    num_local: int = 1
    num_restarts: int = 0
    """How often torchrun has started the job anew."""

    @property
    def main(self) -> bool:
        """Whether this process writes, evaluates and speaks for all."""
        return self.rank == 0


def under_torchrun() -> bool:
    """Whether torchrun started this process, one of several perhaps."""
    return "TORCHELASTIC_RUN_ID" in os.environ  # a Slurm job sets RANK and the like for any command


def started() -> ProcessRank:
    """As torchrun's environment says; alone without it."""
    if not under_torchrun():
        return ProcessRank()
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RESTART_COUNT")
    return ProcessRank(*(int(os.environ[name]) for name in names))


def usable_cores() -> int:
    """How many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
