"""The guard: no weight takes a bad step, and the step and its clips are told."""

import math

import pytest
import torch

from vlsa.base.errors import VlsaError
from vlsa.pretrain.divergence import DivergenceGuard

CPU = torch.device("cpu")


def watch(guard: DivergenceGuard, step: int, loss: float, norm: float = 1.0) -> bool:
    return bool(guard.observe(step, (f"clip-{step}",), torch.tensor(loss), torch.tensor(norm)))


@pytest.mark.parametrize(("loss", "norm"), [(math.nan, 1.0), (math.inf, 1.0), (1.0, math.nan), (1.0, math.inf)])
def test_the_first_bad_step_is_told_and_every_later_one_skipped(loss, norm):
    guard = DivergenceGuard(CPU, diverged_at=10.0)
    assert [watch(guard, 1, 2.0), watch(guard, 2, loss, norm), watch(guard, 3, 2.0)] == [False, True, True]
    with pytest.raises(
        VlsaError, match=r"^step 2: .* not a number\. The clips were clip-2\. .*lower train\."
    ) as caught:
        guard.check()
    assert "\n" not in str(caught.value)


def test_a_loss_that_runs_away_is_told():
    guard = DivergenceGuard(CPU, diverged_at=10.0)
    assert not watch(guard, 1, 2.0)
    assert not watch(guard, 2, 19.9)
    assert watch(guard, 3, 20.1)
    with pytest.raises(VlsaError, match=r"^step 3: loss 20\.1, .* the loss has run away"):
        guard.check()


def test_a_small_first_loss_is_taken_for_one_so_that_a_warm_start_may_rise():
    guard = DivergenceGuard(CPU, diverged_at=10.0)
    assert not watch(guard, 1, 0.01)
    assert not watch(guard, 2, 9.0)
    assert watch(guard, 3, 11.0)


def test_zero_means_never():
    guard = DivergenceGuard(CPU, diverged_at=0.0)
    assert not any(watch(guard, step, 10.0**step) for step in range(1, 9))
    guard.check()


def test_a_run_that_goes_on_is_measured_against_its_first_step():
    guard = DivergenceGuard(CPU, diverged_at=10.0, first_loss=3.0)
    assert not watch(guard, 50, 29.0)
    assert watch(guard, 51, 31.0)
    assert guard.first_loss == 3.0


def test_adamw_leaves_the_weights_alone_when_the_guard_says_so():
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([weight], lr=0.1, fused=True)
    guard = DivergenceGuard(CPU, diverged_at=10.0)
    for step, gradient in enumerate((1.0, math.nan, 1.0), start=1):
        before = weight.detach().clone()
        weight.grad = torch.full((3,), gradient)
        optimizer.found_inf = guard.observe(step, (), torch.tensor(1.0), weight.grad.norm())
        optimizer.step()
        assert torch.equal(weight, before) == (step > 1)
    assert optimizer.state[weight]["step"].item() == 1
    assert optimizer.state[weight]["exp_avg"].isfinite().all()
