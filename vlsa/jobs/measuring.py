"""Measuring: retrieval of a run, and the paper's tables and figures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlsa.jobs.settings import public_tokenizer, settings_of
from vlsa.jobs.training import open_clips
from vlsa.logs import Bar

if TYPE_CHECKING:
    from vlsa.data.clip import ClipSource
    from vlsa.reproduce.runs import Plan
    from vlsa.reproduce.targets import Target
    from vlsa.retrieve.embed import ClipEncoder
    from vlsa.retrieve.evaluate import Evaluation
    from vlsa.serve.figures import Figures


def evaluate(
    run_path: Path,
    data: str | Path,
    split: str = "test",
    *,
    post: Sequence[str] = (),
    identical_captions_count: bool = False,
    out: Path | None = None,
) -> "Evaluation":
    """Retrieval in seven directions, and after re-rankings that are named; written to `out`. Raises VlsaError."""
    from vlsa.retrieve.encoders import load
    from vlsa.retrieve.rerank import parse_posts
    from vlsa.retrieve.written import require_place

    parse_posts(post)  # before anything is loaded
    if out is not None:
        require_place(out)
    encoder = load(run_path)
    how = {"data": str(data), "post": post, "identical_captions_count": identical_captions_count}
    evaluation = evaluate_clips(encoder, open_clips(data), split, **how)
    if out is not None:
        evaluation.write(out)
    return evaluation


def evaluate_clips(encoder: "ClipEncoder", clips: "ClipSource", split: str, **how: Any) -> "Evaluation":
    """`evaluate` of an encoder on an opened source; `how` goes to `evaluate_store`. Raises VlsaError."""
    from vlsa.retrieve.evaluate import evaluate_store

    with Bar("encoding clips") as bar:
        return evaluate_store(encoder, clips, split, progress=bar.update, **how)


def show(run_path: Path, data: str | Path, out: Path, *, split: str = "test", num_clips: int = 4) -> "Figures":
    """Pictures of what a model does, a page of answers, and numbers. Raises VlsaError."""
    from vlsa.retrieve.encoders import load_run
    from vlsa.serve.figures import write_figures

    encoder, clips = load_run(run_path), open_clips(data)
    with Bar("drawing figures") as bar:
        return write_figures(encoder, clips, out, data=str(data), split=split, num_clips=num_clips, progress=bar.update)


def reproduce(target: "Target", plan: "Plan", num_seeds: int, out: Path, benchmark: str = "") -> list[Path]:
    """A table or figure of the paper: its Markdown first, then its other files. Raises VlsaError."""
    from vlsa.reproduce.pairs import draw_pairs
    from vlsa.reproduce.pictures import draw_table
    from vlsa.reproduce.runs import carry_out
    from vlsa.reproduce.tables import make_table, write_table

    carry_out(target, plan, num_seeds, out)
    table = make_table(target, plan, num_seeds, out, benchmark)
    files = [*write_table(table, out), draw_table(table, out / f"{target.name}.png")]
    return [*files, *draw_pairs(target, plan, out)] if target.maps_pairs else files


def reproduce_cost(
    recipe_name: str, assignments: Sequence[str], out: Path, batch_size: int, vocabulary_path: Path | None
) -> list[Path]:
    """Table 7 for a recipe on this machine. Raises VlsaError."""
    from vlsa.data.tokenizer import Tokenizer
    from vlsa.reproduce.cost import measure_cost, write_cost

    config = settings_of(recipe_name, assignments)
    size = config.model.text.vocabulary_size
    # The words do not matter for the cost, their number does.
    tokenizer = public_tokenizer(config, vocabulary_path) if vocabulary_path else Tokenizer.of_size(size)
    return [*write_cost(measure_cost(recipe_name, config, tokenizer, batch_size=batch_size), out)]
