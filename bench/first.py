"""The first measurements on a GPU, within 400 seconds: is the fast step the right one, and how fast is it?

    python3 bench/first.py                     all of it, on the machine with the GPU; results in $OUT, else runs/gpu
    python3 bench/first.py --small             the same at a tiny size, in a minute, on a processor too
    python3 bench/first.py --only exact,fast   some of the cases, and those that are not among the first

In this order, so that a cut at any second costs the least: flash against masked attention (tests/gpu), the ceilings of
the card, step 1 in float32 as the reference, the step of `paper` as it is, without flash attention, in `transformers`'
layers, with data from a store, in batches of 2,048 by gradient caching, the tests of the compiled step, attention
alone by each kernel, and the step with each further setting of `compute`, as far as time allows. Rungs and aims:
train_step.py. It needs torch 2.11 or newer and no network; git, PyAV and Lance may be missing.
"""

import os
import sys

import budget  # noqa: F401 - the clock of the budget starts here
from records import missing_packages, require_packages

NEEDED = ("torch", "numpy", "einops", "jaxtyping", "safetensors", "tokenizers", "pillow")
USED_BY_SOME = ("pytest", "transformers", "triton")


def main() -> int:
    """Check the machine, then measure."""
    require_packages(*NEEDED)
    missing = missing_packages(USED_BY_SOME)
    if missing and "--small" not in sys.argv:
        print(f"missing here: {', '.join(missing)}; the cases that need them will fail", file=sys.stderr)
    for name in ("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "NVIDIA_TF32_OVERRIDE"):  # float32 is to mean float32
        os.environ.pop(name, None)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if "--small" in sys.argv:
        os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")  # compiling would take most of the minute

    import running
    from train_step import BENCH

    return running.main(BENCH)


if __name__ == "__main__":
    sys.exit(main())
