"""How fast is a training step, what does each improvement bring, and does it wait for data?

Why it matters: clips a second times the clip views that a recipe wants is the cost of a run. The rungs of the ladder
add one improvement each to a plain step (eager, float32 without TF32, AdamW as PyTorch has it by default), each with
the largest batch, a power of two, that fits; then the paper's whole batch by gradient caching, options that make a step
cheaper, and the same with data: a store of JPEGs read by all cores, beside clips that lie on the device already. It is
the real loop's step. The two numbers stand below: what a step must compute and move (step_cost.py), what the device can
do (ceilings.py), and so the floor. In the table:

    MFU    the method's operations (recomputed ones do not count) a second, over the measured bfloat16 ceiling
    gap    time over the floor; the floor of a rung that joins or decodes less is lower
    GiB    largest memory in use at once
    hours  of the recipe's clip views at that speed on one such GPU, or GPU-hours on many that hold the batch together

All clips are whole, without padding, so that leaving padding out gains nothing here.

    python bench/train_step.py --recipe paper --out bench/results/train_step.jsonl
    python bench/train_step.py --recipe tiny --only auto,data-auto --batch-size 96

The last line of stdout is one JSON record; `--out` gets a line as soon as a rung is measured, and the same command goes
on where it was cut off.
"""

import sys
from functools import partial
from typing import Any

from running import CEILINGS, Bench, Case, Results, main
from step_cost import floor_lines, num_weights, step_cost
from stepping import Variant, fitting, on_device, update_alone, with_data

from vlsa.config import Config
from vlsa.config.recipes import variants

AIM_MFU, AIM_HOURS, AIM_HOURS_WITH_OPTIONS = 0.5, 290, 100
PLAIN = ("compute.precision=float32", "compute.compile=off", "compute.attention=masked")
HALF = ("compute.precision=bfloat16", "compute.compile=off", "compute.attention=masked")
COMPILED = ("compute.precision=bfloat16", "compute.compile=blocks", "compute.attention=masked")
FLASH = ("compute.precision=bfloat16", "compute.compile=blocks", "compute.attention=flash")
RECOMPUTE = "compute.recompute=true"


def rung(
    name: str, says: str, settings: tuple[str, ...], *changes: Variant, kind: str = "bfloat16", **how: Any
) -> Case:
    """A case on clips that lie on the device."""
    place = {part: how.pop(part) for part in ("where", "profiled") if part in how}
    return Case(
        name, says, partial(on_device, settings=settings, changes=changes, **how), fitting(kind, *changes), **place
    )


def reading(name: str, says: str, *changes: Variant) -> Case:
    """A case on clips that are read from a store."""
    return Case(name, says, partial(with_data, settings=FLASH, changes=changes), fitting("bfloat16", *changes))


LADDER = (
    rung("plain", "eager, float32", PLAIN, kind="float32", kernel="foreach"),
    rung("bf16", "+ bfloat16 autocast", HALF, kernel="foreach"),
    rung("compile", "+ torch.compile of the blocks", COMPILED, kernel="foreach"),
    rung("flash", "+ variable-length flash attention", FLASH, kernel="foreach"),
    rung("exact", "+ fused AdamW: the recipe as it is", FLASH, profiled=True),
    rung("exact-whole", "exact, the recipe's whole batch by gradient caching", FLASH, whole_batch=True),
    rung("fast", "variant fast: late fusion, a quarter decoded", FLASH, variants.fast),
    rung("fastest", "variant fastest: one joint layer, a tenth decoded", FLASH, variants.fastest, profiled=True),
    reading("data", "exact, read from a store"),
    reading("data-fastest", "fastest, read from a store", variants.fastest),
    rung("fastest-whole", "fastest, the whole batch by gradient caching", FLASH, variants.fastest, whole_batch=True),
    reading("data-fast", "fast, read from a store", variants.fast),
    rung("partial-decoding", "exact, a quarter of the hidden patches decoded", FLASH, variants.partial_decoding),
    rung("late-fusion", "exact, a quarter of the layers joint", FLASH, variants.late_fusion),
    rung("recompute", "exact, activations recomputed", (*FLASH, RECOMPUTE), kind="recompute"),
    rung("graphs", "exact, compiled blocks in CUDA graphs", FLASH, graphs=True, where="gpu"),
    rung("auto", "what the settings choose by themselves", (), where="processor"),
    Case("data-auto", "the same, read from a store", with_data, fitting("bfloat16"), where="processor"),
    Case("update", "AdamW alone", update_alone),
)


def closing(config: Config, measured: dict[str, Results]) -> list[str]:
    """The two numbers, the floor, the aims."""
    ceilings = measured[CEILINGS]
    if "bfloat16_tflops" not in ceilings:
        return []
    num_clips = next(
        (measured[name]["batch_size"] for name in ("exact", "auto") if "batch_size" in measured.get(name, {})), 64
    )
    cost = step_cost(config.model, num_clips, num_weights(config.model), bytes_per_element=2)
    lines = floor_lines(cost, num_clips, ceilings["bfloat16_tflops"], ceilings["copy_terabytes_per_second"])
    products = f"{ceilings['step_products_tflops']:.3g} TFLOP/s"
    lines.append(f"the linear layers of its blocks by themselves: {products} in bfloat16")
    return [*lines, *aims(measured)] if config.recipe.startswith("paper") else lines


def aims(measured: dict[str, Results]) -> list[str]:
    """What was to be reached, and whether it was."""
    lines = []
    utilisation = measured.get("exact", {}).get("utilisation")
    if utilisation is not None:
        lines.append(
            f"aim: MFU of the exact recipe at least {AIM_MFU:.0%}: {utilisation:.1%}, {_met(utilisation >= AIM_MFU)}"
        )
    for says, name, aim in (
        ("the recipe as it is", "data", AIM_HOURS),
        ("with the options of fast", "data-fast", AIM_HOURS_WITH_OPTIONS),
        ("with those of fastest", "data-fastest", AIM_HOURS_WITH_OPTIONS),
    ):
        hours = measured.get(name, {}).get("hours_of_the_recipe")
        if hours is not None:
            lines.append(f"aim: {says}, reading included, in {aim} GPU-hours: {hours:.3g}, {_met(hours <= aim)}")
    return lines


def _met(met: bool) -> str:
    return "met" if met else "NOT met"


BENCH = Bench("train_step", __doc__ or "", LADDER, closing)

if __name__ == "__main__":
    sys.exit(main(BENCH))
