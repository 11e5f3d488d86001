"""How a step is computed on the device at hand: precision, attention kernel, compilation, activation checkpointing.

Reads `ComputeConfig`; sets up a `VLSA` for the loop. Nothing here changes what a step means.
"""

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from vlsa.base.errors import ConfigError
from vlsa.base.processes import in_parts, num_processes
from vlsa.config import ComputeConfig
from vlsa.config.checks import require
from vlsa.data.batch import Batch
from vlsa.model.attention import Attention, Packing
from vlsa.model.encoder import Block, RunBlock, Transformer, recomputing, run
from vlsa.model.vlsa import VLSA

MOST_GRAPHS = 128
"""Of blocks, in one process: by shape, groups, and whether a gradient is wanted."""


def set_up(model: VLSA, compute: ComputeConfig, device: torch.device) -> None:
    """Make the model train as the settings ask. Raises ConfigError for what the device cannot do."""
    model.precision = precision(compute, device)
    kernel, residual = attention(compute, device, model), residual_type(compute, model.precision)
    run_block = _compiled(model) if compiles(compute, device) else run
    run_block = recomputing(run_block) if compute.recompute else run_block
    for transformer in transformers(model):
        transformer.kernel, transformer.residual, transformer.run_block = kernel, residual, run_block
    if compute.compile == "step" and not any(map(in_parts, model.parameters())):
        for stage in ("visible_tokens", "local_losses", *(("global_losses",) if num_processes() == 1 else ())):
            setattr(model, stage, partial(_compiled_stage(getattr(VLSA, stage)), model))


def set_up_encoding(model: VLSA, compute: ComputeConfig, device: torch.device) -> None:
    """Make the model encode fast: on a GPU in bfloat16 and with flash attention, unless the settings rule them out.

    A processor encodes in float32 with the exact kernel. Nothing is compiled, since texts and last batches differ in
    shape. Never raises: what the device at hand lacks is left out.
    """
    asked = ComputeConfig(
        precision="float32" if compute.precision == "float32" else "auto",
        attention="masked" if compute.attention in ("masked", "dense") else "auto",
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


def residual_type(compute: ComputeConfig, precision: torch.dtype) -> torch.dtype | None:
    """Of the residual stream; None: as it comes. Raises ConfigError for bfloat16 around products in float32."""
    require(
        compute.residual == "float32" or precision == torch.bfloat16,
        "compute.residual=bfloat16: the matrix products are in float32, which a rounded input would not make faster. "
        "Set compute.precision=bfloat16, or compute.residual=float32.",
    )
    return torch.bfloat16 if compute.residual == "bfloat16" else None


def attention(compute: ComputeConfig, device: torch.device, model: VLSA) -> str:
    """The kernel. Raises ConfigError for flash attention where the device has none."""
    widths = {part.head_width for part in model.modules() if isinstance(part, Attention)}
    odd = next((width for width in sorted(widths) if width % 8), None)
    has_kernel = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
    if compute.attention in ("flash", "flash_dense"):
        where, remedy = f"compute.attention={compute.attention}: {_name(device)}", "Set compute.attention=auto."
        require(has_kernel, f"{where} has no such kernel; a GPU of compute capability 8.0 or more has. {remedy}")
        require(odd is None, f"{where} has the kernel for heads of 8, 16, 24, ... and here are some of {odd}. {remedy}")
        in_half = precision(compute, device) == torch.bfloat16
        require(in_half, f"{where} has the kernel in bfloat16 alone. {remedy}")
    if compute.attention != "auto":
        return compute.attention
    able = has_kernel and odd is None and precision(compute, device) == torch.bfloat16
    return "flash" if able else "masked"


def require_real(compute: ComputeConfig, model: VLSA, batches: Iterable[Batch]) -> Iterator[Batch]:
    """The batches as they are. Raises ConfigError for padding in one where attention would not mask it."""
    for batch in batches:
        if compute.attention in ("dense", "flash_dense"):
            paddings = {
                "frames": batch.frame_padding,
                "audio": model.spectrogram.padding(batch.num_samples),
                "text": batch.text_padding,
            }
            for name, padding in paddings.items():
                row = next(iter(padding.any(dim=1).nonzero()[:, 0].tolist()), None)
                require(
                    row is None,
                    f"compute.attention={compute.attention}: there is padding in the {name} of clip "
                    f"{batch.ids[row or 0]}, which it would attend to; the loss would be another one. "
                    "Set compute.attention=auto.",
                )
        yield batch


def compiles(compute: ComputeConfig, device: torch.device) -> bool:
    """Whether blocks are compiled; by default on a GPU, where what compiles is at hand."""
    return compute.compile in ("blocks", "step") or (
        compute.compile == "auto" and device.type == "cuda" and has_compiler()
    )


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


@cache
def _compiled_stage(stage: Callable[..., Any]) -> Callable[..., Any]:
    """A stage of a step by torch.compile."""
    return _static(stage)


def _static(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiled once for each shape; PyTorch would end at eight, and a process may train many models, or try batches."""
    from torch._dynamo import config

    config.recompile_limit = max(config.recompile_limit, MOST_GRAPHS)
    return compile_errors_reported(torch.compile(function, dynamic=False, fullgraph=True))


def compile_errors_reported(compiled: Callable[..., Any]) -> Callable[..., Any]:
    """A compiled function that raises ConfigError where it cannot be compiled: no compiler, or one that fails."""
    from torch._dynamo.exc import BackendCompilerFailed

    def called(*arguments: Any) -> Any:
        try:
            return compiled(*arguments)
        except BackendCompilerFailed as error:
            cause = error.inner_exception
            reason = f"{type(cause).__name__}: {str(cause).strip().partition(chr(10))[0]}"
            raise ConfigError(
                f"compute.compile: torch.compile cannot make its kernels here ({reason[:200]}); no step can be "
                "taken so. Install a compiler for C++ (g++), or set compute.compile=off, with the same result."
            ) from error

    return called


def _forward(block: Block, x: Tensor, packing: Packing) -> Tensor:
    return Block.forward(block, x, packing)


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "a processor"
