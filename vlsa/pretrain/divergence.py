"""Stops a run whose loss or gradient is not a number, or whose loss has run away, before a weight is spoilt.

The device decides by itself, so that no step is waited for: from the first bad step on each update is skipped (AdamW's
fused kernel reads `found_inf`). The host asks at leisure, and always before anything is logged or saved. Used by
loop.py.
"""

import math
from collections import deque

import torch
from jaxtyping import Float
from torch import Tensor

from vlsa.base.errors import VlsaError
from vlsa.base.processes import any_rank, first_to_tell, wait_for_all

NEVER = 2**62


class DivergenceGuard:
    """Watches the steps of a run."""

    def __init__(self, device: torch.device, diverged_at: float, first_loss: float | None = None) -> None:
        self.diverged_at = diverged_at
        self._first_bad = torch.full((), NEVER, dtype=torch.int64, device=device)
        self._found = torch.zeros(3, device=device)
        self._first_loss = None if first_loss is None else torch.full((), first_loss, device=device)
        self._recent: deque[tuple[int, tuple[str, ...]]] = deque()

    @torch.no_grad()
    def observe(
        self,
        step: int,
        ids: tuple[str, ...],
        loss: Float[Tensor, ""],
        norm: Float[Tensor, ""],
        own_loss: Float[Tensor, ""] | None = None,
    ) -> Float[Tensor, ""]:
        """1 if this step's update must be skipped, else 0, on the device; `step` counts from 1.

        `own_loss`: the part of the loss that is this process's, as `ids` are its clips.
        """
        self._recent.append((step, ids))
        if self._first_loss is None:
            self._first_loss = loss.detach().clone()
        bad = ~(loss.isfinite() & norm.isfinite())
        if self.diverged_at:
            bad = bad | (loss > self.diverged_at * self._first_loss.clamp(min=1.0))
        is_first = bad & (self._first_bad == NEVER)
        self._first_bad = torch.where(is_first, step, self._first_bad)
        self._found = torch.where(
            is_first, torch.stack([loss, norm, loss if own_loss is None else own_loss]), self._found
        )
        return (self._first_bad < NEVER).float()

    @property
    def first_loss(self) -> float | None:
        """The loss of the run's first step, if there was one; waits for the device."""
        return None if self._first_loss is None else self._first_loss.item()

    def check(self) -> None:
        """Waits for the device. Raises VlsaError naming the first bad step and its clips, if there was one."""
        first_bad = int(self._first_bad.item())
        if first_bad == NEVER:
            self._recent.clear()
            return
        loss, norm, own_loss = self._found.tolist()
        is_own = not math.isfinite(own_loss)
        if any_rank(is_own) == is_own:  # the process whose clips did it reports it, not one that only heard of it
            first_to_tell()
        wait_for_all()
        ids = dict(self._recent)[first_bad]
        what = "the loss has run away" if math.isfinite(loss) and math.isfinite(norm) else "not a number"
        raise VlsaError(
            f"step {first_bad}: loss {loss:.6g}, norm of its gradient {norm:.6g}: {what}. The clips were "
            f"{', '.join(ids[:8])}{' ...' if len(ids) > 8 else ''}. No weight took this step and the last checkpoint "
            "is good: inspect these clips, or lower train.learning_rate in a new run."
        )
