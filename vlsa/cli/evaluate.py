"""The command that measures retrieval: evaluate."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlsa.cli.app import DATA_HELP, examples
from vlsa.cli.output import print_json, print_table, print_text

if TYPE_CHECKING:
    from vlsa.retrieve.evaluate.results import Evaluation


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "evaluate",
        short_help="Measure retrieval in seven directions, chance beside it.",
        epilog=examples(
            "vlsa evaluate run --data store",
            "vlsa evaluate run --data store --split train --out train-results.json",
            "vlsa evaluate run --data store --post dual-softmax --post sinkhorn --post qb-norm",
            "vlsa evaluate run --data store --windows 1 --crops 1",
            "vlsa evaluate run --data store --json",
        ),
    )(evaluate)


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run, one of its checkpoints, or an export of it.", metavar="RUN")],
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    out: Annotated[Path | None, typer.Option(help="Also write everything that was measured here, as JSON.")] = None,
    post: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:SCALE]",
            help="Also after a re-ranking that uses all queries: dual-softmax, qb-norm or sinkhorn; may be repeated.",
        ),
    ] = None,
    identical_captions: Annotated[
        bool, typer.Option("--identical-captions", help="A caption that several clips share is right for each of them.")
    ] = False,
    windows: Annotated[
        int,
        typer.Option(help="A clip beyond the model's window is the mean over so many at most; 1 = the middle."),
    ] = 8,
    crops: Annotated[
        int, typer.Option(help="A frame that is not square is the mean over so many crops at most; 1 = the centre.")
    ] = 3,
    json: Annotated[bool, typer.Option("--json", help="One object a line instead of a table.")] = False,
) -> None:
    """Measure retrieval: words, sound and picture, each found by each other, and picture with sound found by words.

    R@k is the share of questions whose right answer is among the first k, MedR the median rank; beside them stands
    what chance would give. N is how many clips or captions are searched, Q how many questions are asked; media is
    picture and sound in one vector, as in an index.
    """
    from vlsa.retrieve.encode.sampling import Sampling
    from vlsa.retrieve.evaluate.evaluate import evaluate_run

    options = {"post": post or (), "identical_captions_count": identical_captions, "out": out}
    sampling = Sampling(num_windows=windows, num_crops=crops)
    evaluation = evaluate_run(run, data, split, sampling=sampling, **options)
    if json:
        print_json(_as_lines(evaluation))
    else:
        print_evaluation(evaluation)


def print_evaluation(evaluation: "Evaluation") -> None:
    """The table of all directions, one more for each re-ranking, and the line that says what was measured."""
    from vlsa.retrieve.evaluate.results import TABLE_HEADER

    header = [name.replace("chance ", "chance\n") for name in TABLE_HEADER]  # fits a terminal of 80 columns
    for title, rows in evaluation.tables():
        print_table(header, rows, title=title, right="|".join(header[1:]))
    for line in (evaluation.caption(), *evaluation.notes()):
        print_text(line)


def _as_lines(evaluation: "Evaluation") -> Iterator[dict[str, object]]:
    results = evaluation.as_dict()
    for name, scores in results["directions"].items():
        yield {"direction": name, "split": evaluation.split, "post_processing": "none", **scores}
    for post, again in results.get("post_processed", {}).items():
        about = {"post_processing": post, "parameters": again["parameters"]}
        for name, scores in again["directions"].items():
            yield {"direction": name, "split": evaluation.split, **about, **scores}
