"""What was measured as a table: a line for each case, its share of the ceilings, and whether step 1 agrees."""

from typing import Any

from vlsa.config import Config

Results = dict[str, Any]
LOSS_TOLERANCE, NORM_TOLERANCE = 0.02, 0.1
"""By how much step 1 in bfloat16 may differ from the reference in float32."""
HEAD = (
    f"{'case':<15}{'clips':>6}{'ms/step':>9}{'clips/s':>9}{'MFU':>7}{'gap':>6}{'GiB':>7}{'hours':>7}{'loss':>9}"
    f"{'norm':>8}  what it is"
)
LEGEND = (
    "MFU = share of the measured bfloat16 product; gap = time over the floor; hours = the whole recipe on one GPU;\n"
    "loss and norm (of the gradient) = of step 1 at equal batch"
)


def shares(results: Results, ceilings: Results, config: Config) -> Results:
    """Utilisation, gap and hours, from clips a second and the ceilings."""
    speed = results.get("clips_per_second")
    if not speed:
        return {}
    views = config.train.batch_size * config.train.num_steps
    num_clips, flops, num_bytes = results["batch_size"], results["flops"], results["bytes"]
    shares: Results = {"tflops": speed * flops / num_clips / 1e12, "hours_of_the_recipe": views / speed / 3600}
    if "bfloat16_tflops" in ceilings:
        by_arithmetic = flops / ceilings["bfloat16_tflops"] / 1e12
        by_memory = num_bytes / ceilings["copy_terabytes_per_second"] / 1e12
        shares["utilisation"] = shares["tflops"] / ceilings["bfloat16_tflops"]
        shares["floor_seconds"] = max(by_arithmetic, by_memory)
        shares["gap"] = num_clips / speed / shares["floor_seconds"]
    return shares


def agreement(results: Results, reference: Results) -> Results:
    """By how much step 1 differs from the reference, and whether that is rounding; of the same model and clips."""
    own, right = results.get("first_step"), reference.get("first_step")
    if not own or not right or any(own[name] != right[name] for name in ("model", "clips")):
        return {}
    loss, norm = (own[name] / right[name] - 1 for name in ("loss", "gradient_norm"))
    agrees = abs(loss) <= LOSS_TOLERANCE and abs(norm) <= NORM_TOLERANCE  # False for what is not a number
    return {"loss_difference": loss, "norm_difference": norm, "agrees": agrees}


def row(name: str, about: str, results: Results) -> str:
    """A case as a line of the table."""
    text = results.get("skipped") or ("failed: " + results["failed"] if "failed" in results else "")
    if not text and not {"clips_per_second", "first_step"} & results.keys():
        values = {
            key: value for key, value in results.items() if isinstance(value, int | float) and key != "case_seconds"
        }
        listed = ", ".join(f"{key} {value:.4g}" for key, value in values.items())
        text = listed if len(values) < 10 else f"{len(values)} values, see below"
    if text:
        return f"{name:<15}  {text[:160]}"
    first_step, hours = results.get("first_step", {}), results.get("hours_of_the_recipe")
    milliseconds = results["step_seconds_median"] * 1e3 if "step_seconds_median" in results else None
    columns = [
        _cell(results.get("batch_size"), 6, "d"),
        _cell(milliseconds, 9, ".1f"),
        _cell(results.get("clips_per_second"), 9, ".1f"),
        _cell(results.get("utilisation"), 7, ".1%"),
        _cell(results.get("gap"), 6, ".2f"),
        _cell(results.get("peak_gib"), 7, ".1f"),
        _cell(hours, 7, ",.0f" if hours and hours >= 100 else ",.3g"),
        _cell(first_step.get("loss"), 9, ".4f"),
        _cell(first_step.get("gradient_norm"), 8, ".3f"),
    ]
    more = f"; {results['does_not_fit']} do not fit" if results.get("does_not_fit") else ""
    more += "" if results.get("agrees", True) else "; step 1 DIFFERS from the reference"
    return f"{name:<15}{''.join(columns)}  {about}{more}"


def _cell(value: float | None, width: int, form: str) -> str:
    return " " * width if value is None else f"{value:>{width}{form}}"
