"""How fast is a training step, what does each improvement bring, does it wait for data, and is it the right step?

Why it matters: clips a second times the clip views that a recipe wants is the cost of a run. The rungs of the ladder
change one thing each, from a plain step (eager, float32 without TF32, AdamW as PyTorch has it by default) on, each with
the largest batch, a power of two, that fits; then the paper's whole batch by gradient caching, options that make a step
cheaper, the same step in `transformers`' layers (peer_step.py), and the step with data: a store of JPEGs read by all
cores, next to clips that lie on the device already. It is the real loop's step. Below the table stand the two numbers:
what a step must compute and move (step_cost.py), what the device can do (ceilings.py), and so the floor. In the table:

    MFU    the method's operations (recomputed ones do not count) a second, over the measured bfloat16 ceiling
    gap    time over the floor; the floor of a rung that joins or decodes less is lower
    GiB    largest memory in use at once
    hours  of the recipe's clip views at that speed on one such GPU, or GPU-hours on many that hold the batch together
    loss, norm   of step 1, of the same weights, clips and masks in every rung of the same model; `reference` is float32

All clips are whole, without padding, so that leaving padding out gains nothing here. Run by first.py.
"""

from functools import partial
from typing import Any

import attention
import gpu_tests
from ceilings import measure as measure_ceilings
from peer_step import PEERS
from peer_step import closing as peer_closing
from running import CEILINGS, REFERENCE, Bench, Case
from step_cost import floor_lines, num_weights, step_cost
from stepping import FLASH_DENSE, Variant, fitting, on_device, reference, update_alone, with_data
from table import Results

from vlsa.config import Config
from vlsa.config.recipes import variants

AIM_MFU, AIM_HOURS, AIM_HOURS_OPTIONS = 0.5, 290, 100
PLAIN = ("compute.precision=float32", "compute.compile=off", "compute.attention=masked")
HALF = ("compute.precision=bfloat16", "compute.compile=off", "compute.attention=masked")
COMPILED = ("compute.precision=bfloat16", "compute.compile=blocks", "compute.attention=masked")
FLASH = ("compute.precision=bfloat16", "compute.compile=blocks", "compute.attention=flash")
HOURS = "hours_of_the_recipe"
RECOMPUTE = "compute.recompute=true"
FITS = fitting("bfloat16")


def rung(
    name: str, about: str, settings: tuple[str, ...], *changes: Variant, kind: str = "bfloat16", **how: Any
) -> Case:
    """A case on clips that lie on the device."""
    case = {part: how.pop(part) for part in ("where", "profiled", "least_seconds") if part in how}
    measure = partial(on_device, settings=settings, changes=changes, **how)
    return Case(name, about, measure, fitting(kind, *changes), **case)


def reading(name: str, about: str, *changes: Variant) -> Case:
    """A case on clips that are read from a store."""
    measure = partial(with_data, settings=FLASH, changes=changes)
    return Case(name, about, measure, fitting("bfloat16", *changes), least_seconds=30)


FIRST = (
    gpu_tests.case("tests-flash", "flash against masked attention", "flash_attention"),
    Case(CEILINGS, "", lambda job: measure_ceilings(job.device, job.config.model), most_seconds=60),
    Case(REFERENCE, "step 1 alone: eager, float32, masked", reference),
    rung("exact", "the recipe as it is", FLASH, profiled=True),
    rung("compile", "with masked attention in the place of flash", COMPILED),
    *PEERS[:1],
    reading("data", "exact, read from a store"),
    rung("whole", "exact, the recipe's whole batch by gradient caching", FLASH, whole_batch=True, least_seconds=30),
    gpu_tests.case("tests-step", "the compiled step against a processor's", "steps_on_a_gpu or compiles_anew"),
    Case("attention", "", attention.measure),
    rung("dense", "exact with dense attention that reads no mask", (*COMPILED[:2], "compute.attention=dense")),
    rung("step", "exact with the float32 parts compiled too", (*FLASH, "compute.compile=step")),
    rung("residual", "exact with the residual stream in bfloat16", (*FLASH, "compute.residual=bfloat16")),
    rung("flash-dense", "exact without moving tokens for flash attention", (*COMPILED[:2], FLASH_DENSE)),
)
MORE = (
    rung("plain", "eager, float32, AdamW unfused", PLAIN, kind="float32", kernel="foreach"),
    rung("bf16", "plain in bfloat16 autocast", HALF, kernel="foreach"),
    rung("foreach", "exact with AdamW unfused", FLASH, kernel="foreach"),
    rung("fast", "variant fast: late fusion, a quarter decoded", FLASH, variants.fast),
    rung("fastest", "variant fastest: one joint layer, a tenth decoded", FLASH, variants.fastest, profiled=True),
    reading("data-fast", "fast, read from a store", variants.fast),
    reading("data-fastest", "fastest, read from a store", variants.fastest),
    rung("recompute", "exact, activations recomputed", (*FLASH, RECOMPUTE), kind="recompute"),
    *PEERS[1:],
    gpu_tests.case("tests", "all tests that need a GPU", ""),
    rung("auto", "what the settings choose by themselves", (), where="processor"),
    Case("data-auto", "the same, read from a store", with_data, FITS, where="processor"),
    Case("update", "AdamW alone", update_alone),
)


def closing(config: Config, measured: dict[str, Results]) -> list[str]:
    """Whether step 1 is the right one, the two numbers and the floor, attention alone, the aims."""
    lines = [*correctness(measured), *attention.table(measured.get("attention", {}))]
    ceilings = measured.get(CEILINGS, {})
    if "bfloat16_tflops" in ceilings:
        sizes = (measured[name]["batch_size"] for name in ("exact", "auto") if "batch_size" in measured.get(name, {}))
        num_clips = next(sizes, 64)
        cost = step_cost(config.model, num_clips, num_weights(config.model), bytes_per_element=2)
        lines += floor_lines(cost, num_clips, ceilings["bfloat16_tflops"], ceilings["copy_terabytes_per_second"])
        products = f"{ceilings['step_products_tflops']:.3g} TFLOP/s"
        lines.append(f"the linear layers of its blocks by themselves: {products} in bfloat16")
    return [*lines, *aims(measured), *peer_closing(measured)] if config.recipe.startswith("paper") else lines


def correctness(measured: dict[str, Results]) -> list[str]:
    """What step 1 of each rung differs from the reference by."""
    compared = {name: results for name, results in measured.items() if "agrees" in results and name != REFERENCE}
    if not compared:
        return []
    clips = measured[REFERENCE]["first_step"]["clips"]
    parts = (
        f"{name} {results['loss_difference']:+.2%} / {results['norm_difference']:+.2%}"
        + ("" if results["agrees"] else " DIFFERS")
        for name, results in compared.items()
    )
    return [f"step 1 of {clips} clips against float32, loss / gradient norm: {', '.join(parts)}"]


def aims(measured: dict[str, Results]) -> list[str]:
    """What was to be reached, and whether it was; a rung whose step 1 is not the right one reaches nothing."""
    lines = []
    for name, about, key, aim in (
        ("exact", f"MFU of the exact recipe at least {AIM_MFU:.0%}", "utilisation", AIM_MFU),
        ("data", f"the recipe as it is, reading included, in {AIM_HOURS} GPU-hours", HOURS, AIM_HOURS),
        ("whole", f"in its whole batches by gradient caching, in {AIM_HOURS} GPU-hours", HOURS, AIM_HOURS),
        (
            "data-fast",
            f"with the options of fast, in {AIM_HOURS_OPTIONS} GPU-hours",
            HOURS,
            AIM_HOURS_OPTIONS,
        ),
        (
            "data-fastest",
            f"with those of fastest, in {AIM_HOURS_OPTIONS} GPU-hours",
            HOURS,
            AIM_HOURS_OPTIONS,
        ),
    ):
        results = measured.get(name, {})
        if key not in results:
            continue
        value, met = results[key], results[key] <= aim if key == HOURS else results[key] >= aim
        verdict = "met" if met else "NOT met"
        verdict = verdict if results.get("agrees", True) else "NOT judged: step 1 differs from the reference"
        lines.append(f"aim: {about}: {f'{value:.3g}' if key == HOURS else f'{value:.1%}'}, {verdict}")
    return lines


CASES = (*FIRST, *MORE)
BENCH = Bench("first", __doc__ or "", CASES, [case.name for case in FIRST], closing, 400.0, FITS)
