"""What can this device do at best: matrix products, and moving memory?

Why it matters: a share of a datasheet's figure says little, since no program reaches it. The ceilings are measured: a
large square matrix product (bfloat16, and float32 without TF32) of random numbers, and a large copy, whose bytes read
and written both count. The products of a training step are smaller and oddly shaped; run by themselves at their own
shapes they say how much of the ceiling PyTorch's kernels can give this model, whatever the loop around them does.

    python bench/ceilings.py --recipe paper --out bench/results/ceilings.jsonl

The last line of stdout is one JSON record.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from records import circumstances, finish
from step_cost import linear_products
from timing import time_steps

from vlsa.config import ModelConfig
from vlsa.config.recipes import recipe
from vlsa.pretrain.throughput import product_flops


def measure(device: torch.device, config: ModelConfig, num_clips: int = 64) -> dict[str, float]:
    """TFLOP/s of the products, the best as a run's own utilisation has it, and TB/s of the copy, the median."""
    big = device.type == "cuda"
    size = 8192 if big else 512
    return {
        "bfloat16_tflops": product_flops(device, torch.bfloat16, size) / 1e12,
        "float32_tflops": product_flops(device, torch.float32, size // 2) / 1e12,
        "copy_terabytes_per_second": copy_speed(device, 2**30 if big else 2**24),
        "step_products_tflops": step_products_tflops(device, config, num_clips if big else 1),
    }


def product_tflops(device: torch.device, dtype: torch.dtype, rows: int, inner: int, columns: int) -> float:
    """Of one product of random matrices, rows x inner by inner x columns."""
    left = torch.randn(rows, inner, device=device, dtype=dtype)
    right = torch.randn(inner, columns, device=device, dtype=dtype)
    return 2 * rows * inner * columns / _seconds(lambda: left @ right, device) / 1e12


def copy_speed(device: torch.device, num_bytes: int) -> float:
    """TB/s, read and written."""
    source = torch.randint(0, 255, (num_bytes,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * num_bytes / _seconds(lambda: target.copy_(source), device) / 1e12


def step_products_tflops(device: torch.device, config: ModelConfig, num_clips: int) -> float:
    """The blocks' linear layers forward and backward in bfloat16, one at a time: operations over the sum of times."""
    flops, seconds = 0.0, 0.0
    for (rows, inner, columns), times in linear_products(config, num_clips).items():
        for shape in ((rows, inner, columns), (rows, columns, inner), (inner, rows, columns)):
            operations = 2 * rows * inner * columns
            speed = product_tflops(device, torch.bfloat16, *shape) * 1e12
            flops, seconds = flops + times * operations, seconds + times * operations / speed
    return flops / seconds / 1e12


def _seconds(call: Callable[[], object], device: torch.device) -> float:
    return time_steps(call, device, 30 if device.type == "cuda" else 3, limit_seconds=2.0).median


def main() -> int:
    """Measure, print, and end with the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="paper", help="whose step's products are run")
    parser.add_argument("--out", type=Path, help="append the record to this file")
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    results = measure(device, recipe(options.recipe).model)
    return finish({"bench": "ceilings", "recipe": options.recipe, **circumstances(), "results": results}, options.out)


if __name__ == "__main__":
    sys.exit(main())
