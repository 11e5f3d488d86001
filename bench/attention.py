"""Attention alone: which kernel is fastest at the shapes of the encoder and of the decoder, without padding?

Why it matters: variable-length flash attention leaves padding out in one call for all groups of tokens, and no mask is
read; but it is FlashAttention-2, and the dense kernels of PyTorch (cuDNN's above all) may be faster where a batch has
no padding. Each kernel is timed forward and backward on the queries, keys and values of one layer, side by side as the
model has them, and its output compared with float32. `order` is what variable-length attention does before the first
layer and after the last one: tokens brought into its order, and back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from running import Job, Results
from step_cost import decoded_patches
from timing import time_steps
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from vlsa.config import ModelConfig
from vlsa.model.attention import Flash, Masked
from vlsa.model.flops import visible_tokens

Attend = Callable[[Tensor], Tensor]
CLIPS_COMPARED = 2
"""With float32, whose attention matrix is large."""
DENSE = {"flash": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION, "math": SDPBackend.MATH}


@dataclass(frozen=True)
class Shape:
    """One layer's attention: tokens of each group, width and heads."""

    groups: tuple[int, ...]
    width: int
    num_heads: int

    def flops(self, num_clips: int) -> float:
        """Two products forward and four backward; the one that a kernel computes again does not count."""
        return 3 * 4 * num_clips * self.width * sum(length**2 for length in self.groups)


def shapes(config: ModelConfig) -> dict[str, Shape]:
    """Of a layer of the encoder in which both passes run, and of one of the decoder."""
    encoder, decoder, alone = config.encoder, config.decoder, tuple(visible_tokens(config).values())
    return {
        "encoder": Shape((*alone, sum(alone)), encoder.width, encoder.num_heads),
        "decoder": Shape((sum(alone) + sum(decoded_patches(config)),), decoder.width, decoder.num_heads),
    }


def measure(job: Job) -> Results:
    """Milliseconds forward and backward, TFLOP/s and relative error of each kernel at each place."""
    results: Results = {}
    for place, shape in shapes(job.config.model).items():
        for name, attend in kernels(shape, job.equal_clips, job.device).items():
            try:
                results |= _timed(f"{place} {name}", shape, attend, job)
            except RuntimeError as error:  # a kernel that this card, or this version of PyTorch, does not have
                if isinstance(error, torch.OutOfMemoryError):
                    raise
                results[f"{place} {name}"] = str(error).partition("\n")[0][:80]
    return results


def kernels(shape: Shape, num_clips: int, device: torch.device) -> dict[str, Attend]:
    """From queries, keys and values side by side to the output, for so many clips without padding."""
    paddings = [torch.zeros(num_clips, length, dtype=torch.bool, device=device) for length in shape.groups]
    masked = Masked.of(paddings)
    found: dict[str, Attend] = {
        "masked": lambda packed: masked.attend(packed, shape.num_heads),
        "dense": lambda packed: dense(packed, shape, [*DENSE.values()]),
    }
    if device.type == "cuda":
        flash = Flash.of(paddings)
        found["varlen"] = lambda packed: flash.attend(packed, shape.num_heads)
        found["order"] = lambda packed: flash.restore(flash.arrange(packed[..., : shape.width]))
        for name in ("flash", "cudnn"):
            found[name] = lambda packed, backend=DENSE[name]: dense(packed, shape, [backend])
    return found


def dense(packed: Tensor, shape: Shape, backends: Sequence[SDPBackend]) -> Tensor:
    """Each group in a call without a mask; PyTorch takes the first of these kernels, in its own order, that can."""
    heads = rearrange(packed, "b n (three h d) -> three b h n d", three=3, h=shape.num_heads)
    with sdpa_kernel(list(backends)):
        parts = [F.scaled_dot_product_attention(*group) for group in heads.split(list(shape.groups), dim=3)]
    return torch.cat([rearrange(part, "b h n d -> b n (h d)") for part in parts], dim=1)


def _timed(name: str, shape: Shape, attend: Attend, job: Job) -> Results:
    dtype = torch.bfloat16 if job.device.type == "cuda" else torch.float32
    generator = torch.Generator(job.device).manual_seed(0)
    size = (job.equal_clips, sum(shape.groups), 3 * shape.width)
    packed = torch.randn(size, generator=generator, device=job.device).to(dtype).requires_grad_()
    output = attend(packed)
    gradient = torch.randn_like(output)

    def step() -> None:
        packed.grad = None
        attend(packed).backward(gradient)

    seconds = time_steps(step, job.device, 3 * job.num_steps, limit_seconds=job.seconds(1.0)).median
    results: Results = {f"{name} ms": seconds * 1e3}
    if not name.endswith(" order"):
        results[f"{name} tflops"] = shape.flops(job.equal_clips) / seconds / 1e12
        results[f"{name} error"] = _error(output, packed, shape)
    return results


def _error(output: Tensor, packed: Tensor, shape: Shape) -> float:
    """Of the outputs of the first clips, relative to float32."""
    with torch.no_grad():
        right = dense(packed[:CLIPS_COMPARED].float(), shape, [SDPBackend.MATH])
        return ((output[:CLIPS_COMPARED].float() - right).norm() / right.norm()).item()


def table(results: Results) -> list[str]:
    """A line a kernel and place; of what was not measured, why."""
    lines = ["", f"{'attention alone':<24}{'ms':>9}{'TFLOP/s':>9}{'error':>10}   forward and backward, one layer"]
    names = dict.fromkeys(" ".join(key.split()[:2]) for key in results if key.split()[0] in ("encoder", "decoder"))
    for name in names:
        if f"{name} ms" not in results:
            lines.append(f"{name:<24}  {results[name]}")
            continue
        speed, error = results.get(f"{name} tflops"), results.get(f"{name} error")
        rest = f"{speed:>9.1f}{error:>10.1e}" if speed is not None and error is not None else ""
        lines.append(f"{name:<24}{results[f'{name} ms']:>9.3f}{rest}")
    return lines if names else []
