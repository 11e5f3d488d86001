"""How a step is computed on the device at hand: precision, attention kernel, compilation, activation checkpointing.

Reads `ComputeConfig`; sets up a `VLSA` for the loop. Nothing here changes what a step means.
"""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from functools import cache, partial

import torch
from torch import Tensor, nn

from vlsa.base.errors import ConfigError
from vlsa.base.processes import in_parts
from vlsa.config import ComputeConfig
from vlsa.config.checks import require
from vlsa.model.attention import Attention, Packing
from vlsa.model.encoder import Block, RunBlock, Transformer, recomputing, run
from vlsa.model.vlsa import VLSA

MOST_GRAPHS = 128
"""Of blocks, in one process: by shape, groups, and whether a gradient is wanted."""


def set_up(model: VLSA, compute: ComputeConfig, device: torch.device) -> None:
    """Make the model train as the settings ask. Raises ConfigError for what the device cannot do."""
    model.precision = precision(compute, device)
    kernel = attention(compute, device, model)
    run_block = _compiled(model) if compiles(compute, device) else run
    run_block = recomputing(run_block) if compute.recompute else run_block
    for transformer in transformers(model):
        transformer.kernel, transformer.run_block = kernel, run_block


def set_up_encoding(model: VLSA, compute: ComputeConfig, device: torch.device) -> None:
    """Make the model encode fast: on a GPU in bfloat16 and with flash attention, unless the settings rule them out.

    A processor encodes in float32 with the exact kernel. Nothing is compiled, since texts and last batches differ in
    shape. Never raises: what the device at hand lacks is left out.
    """
    asked = ComputeConfig(
        precision="float32" if compute.precision == "float32" else "auto",
        attention="masked" if compute.attention == "masked" else "auto",
    )
    model.precision = precision(asked, device)
    kernel = attention(asked, device, model)
    for transformer in transformers(model):
        transformer.encoding_kernel = kernel


def transformers(model: nn.Module) -> Iterator[Transformer]:
    """Those of the encoder and of the decoder."""
    return (module for module in model.modules() if isinstance(module, Transformer))


def precision(compute: ComputeConfig, device: torch.device) -> torch.dtype:
    """Of the matrix products. Raises ConfigError for bfloat16 on a GPU without it."""
    if compute.precision == "float32" or (compute.precision == "auto" and device.type != "cuda"):
        return torch.float32
    has_it = device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)
    require(
        has_it or compute.precision == "auto",
        f"compute.precision=bfloat16: {_name(device)} has no bfloat16; each product would be emulated, slower than "
        "float32. Set compute.precision=float32.",
    )
    return torch.bfloat16 if has_it else torch.float32


def attention(compute: ComputeConfig, device: torch.device, model: VLSA) -> str:
    """The kernel. Raises ConfigError for flash attention where the device has none."""
    widths = {part.head_width for part in model.modules() if isinstance(part, Attention)}
    odd = next((width for width in sorted(widths) if width % 8), None)
    has_kernel = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
    if compute.attention == "flash":
        where, remedy = f"compute.attention=flash: {_name(device)}", "Set compute.attention=auto."
        require(has_kernel, f"{where} has no such kernel; a GPU of compute capability 8.0 or more has. {remedy}")
        require(odd is None, f"{where} has the kernel for heads of 8, 16, 24, ... and here are some of {odd}. {remedy}")
        in_half = precision(compute, device) == torch.bfloat16
        require(in_half, f"{where} has the kernel in bfloat16 alone. {remedy}")
    able = has_kernel and odd is None and precision(compute, device) == torch.bfloat16
    return "flash" if able and compute.attention != "masked" else "masked"


def compiles(compute: ComputeConfig, device: torch.device) -> bool:
    """Whether blocks are compiled; by default on a GPU, where what compiles is at hand."""
    return compute.compile == "blocks" or (compute.compile == "auto" and device.type == "cuda" and has_compiler())


def has_compiler() -> bool:
    """Whether torch.compile can make kernels for a GPU: Triton, and the C compiler that it calls."""
    c_compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang") or shutil.which("cc")
    return importlib.util.find_spec("triton") is not None and bool(c_compiler)


def _compiled(model: VLSA) -> RunBlock:
    blocks = [block for transformer in transformers(model) for block in transformer.blocks]
    if not any(map(in_parts, blocks[0].parameters())):
        return compiled_run()
    for block in blocks:  # what gathers the parts of its weights stays outside
        block.forward = partial(_compiled_forward(), block)
    return run


@cache
def compiled_run() -> RunBlock:
    """A block by torch.compile: blocks of one shape share one compilation, which is of static shapes."""
    return _static(run)


@cache
def _compiled_forward() -> RunBlock:
    """As `compiled_run`, of what a block does when FSDP2 has gathered it."""
    return _static(_forward)


def _static(function: RunBlock) -> RunBlock:
    """Compiled once for each shape; PyTorch would end at eight, and a process may train many models, or try batches."""
    from torch._dynamo import config

    config.recompile_limit = max(config.recompile_limit, MOST_GRAPHS)
    return compile_errors_reported(torch.compile(function, dynamic=False, fullgraph=True))


def compile_errors_reported(compiled: RunBlock) -> RunBlock:
    """A compiled block that raises ConfigError where it cannot be compiled: no compiler, or one that fails."""
    from torch._dynamo.exc import BackendCompilerFailed

    def run_block(block: Block, x: Tensor, packing: Packing) -> Tensor:
        try:
            return compiled(block, x, packing)
        except BackendCompilerFailed as error:
            cause = error.inner_exception
            reason = f"{type(cause).__name__}: {str(cause).strip().partition(chr(10))[0]}"
            raise ConfigError(
                f"compute.compile=blocks: torch.compile cannot make its kernels here ({reason[:200]}); no step can be "
                "taken so. Install a compiler for C++ (g++), or set compute.compile=off: the same result."
            ) from error

    return run_block


def _forward(block: Block, x: Tensor, packing: Packing) -> Tensor:
    return Block.forward(block, x, packing)


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "a processor"
