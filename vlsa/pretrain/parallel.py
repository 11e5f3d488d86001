"""One model over several processes: a copy in each (DDP), or a shard of each weight in each (FSDP2).

Both are PyTorch's, and both give the gradient of the whole batch: bit for bit the same on two processes. Reads
`ComputeConfig.sharding`; used by loop.py. With one process nothing is wrapped, and FSDP2 is not loaded.
"""

import inspect
from collections.abc import Iterable
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from vlsa.base.processes import in_parts, num_processes, rank
from vlsa.config import ComputeConfig, Config
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.model.encoder import Block
from vlsa.model.vlsa import VLSA
from vlsa.pretrain.checkpoint import build_model
from vlsa.pretrain.step import Objective


def initial_device(compute: ComputeConfig, device: torch.device) -> torch.device:
    """Where a model lies before `spread`: on the CPU if it is sharded then, so that no GPU ever holds all of it."""
    return torch.device("cpu") if _is_sharding(compute) else device


def _is_sharding(compute: ComputeConfig) -> bool:
    return num_processes() > 1 and compute.sharding == "shard"


def spread(objective: Objective, compute: ComputeConfig, device: torch.device) -> nn.Module:
    """The objective for all processes, on their devices; to be called before the optimizer is made.

    FSDP2 replaces the weights by their shards; rank 0's weights are everyone's under DDP.
    """
    if _is_sharding(compute):
        return _sharded(objective, device)
    objective.to(device)
    if num_processes() == 1:
        return objective
    # DDP changes its buckets after the first step unless parameters may be unused; sums would then be in another order,
    # and a resumed run would not end with the bits of an unbroken one.
    buffers = "forward_sync_buffers" if "forward_sync_buffers" in _options(DistributedDataParallel) else None
    return DistributedDataParallel(
        objective,
        find_unused_parameters=True,
        gradient_as_bucket_view=True,
        **{buffers or "broadcast_buffers": False},  # they are constants
    )


def _options(called: type) -> Iterable[str]:
    return inspect.signature(called).parameters


def _sharded(objective: Objective, device: torch.device) -> nn.Module:
    """Each block is moved to the device, sharded and let go before the next one is: the most at a time is one block."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    mesh = init_device_mesh(device.type, (num_processes(),))
    for module in objective.modules():
        if isinstance(module, Block):
            fully_shard(module, mesh=mesh)
    ignored = undivided(objective)
    fully_shard(objective, mesh=mesh, ignored_params=set(ignored))
    for parameter in ignored:
        parameter.data = parameter.data.to(device)
    for method in (Objective.encode_no_grad, Objective.contrast):
        register_fsdp_forward_method(objective, method.__name__)
    return objective


def is_sharded(module: nn.Module) -> bool:
    """Whether FSDP2 holds its weights."""
    return any(map(in_parts, module.parameters()))


def undivided(module: nn.Module) -> list[nn.Parameter]:
    """Scalars, which FSDP2 does not shard: each process keeps them whole."""
    return [parameter for parameter in module.parameters() if parameter.ndim == 0]


def finish_gradients(objective: nn.Module) -> None:
    """After the backward pass: mean over processes of the gradients that FSDP2 leaves alone."""
    if is_sharded(objective):
        for parameter in undivided(objective):
            if parameter.grad is not None:
                dist.all_reduce(parameter.grad)
                parameter.grad /= num_processes()


def whole(tensor: Tensor) -> Tensor:
    """The full tensor where each process may hold a shard; all processes must call this."""
    return tensor.full_tensor() if in_parts(tensor) else tensor


def whole_model(model: VLSA, config: Config, tokenizer: Tokenizer) -> VLSA | None:
    """On rank 0 a model with all the weights, for evaluation; None elsewhere. All ranks must call this.

    Of a sharded model it is a copy on the device, gathered weight by weight.
    """
    parts = model.state_dict()
    if not is_sharded(model):
        return model if rank() == 0 else None
    copy = build_model(config, tokenizer).to(model.pixel_scale.device) if rank() == 0 else None
    into = copy.state_dict() if copy else {}
    for name, part in parts.items():
        weight = whole(part)
        if copy:
            into[name].copy_(weight)
    return cast(VLSA, copy)
