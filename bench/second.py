"""Table 5 at the size `small` on one GPU within 290 seconds, with the curves of its trainings.

    python3 bench/second.py                on the machine with the GPU; results in $OUT, else runs/gpu
    python3 bench/second.py --small        the same at a tiny size, in a minute, on a processor too

The made world is rendered once by all cores; a short probe of the step, and what is left of the budget, say how many
steps each arm gets. The arms follow in this order, so that a cut at any second costs the least: LPMM + GAM, neither,
GAM, LPMM; the table of those that are finished is written after each. It needs torch 2.11 or newer and no network;
git, PyAV and Lance may be missing. More steps and seeds, without a budget: `vlsa reproduce table5 --recipe small`.
"""

import os
import sys

import budget  # noqa: F401 - the clock of the budget starts here
from records import require_packages

NEEDED = ("torch", "numpy", "einops", "jaxtyping", "safetensors", "tokenizers", "pillow", "matplotlib", "rich")


def main() -> int:
    """Check the machine, then train and evaluate."""
    require_packages(*NEEDED)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "1")  # evaluation is in float32

    import table5
    from records import exit_status

    return exit_status(table5.main)


if __name__ == "__main__":
    sys.exit(main())
