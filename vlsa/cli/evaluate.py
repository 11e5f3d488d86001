"""The command that measures retrieval: evaluate."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlsa.base.console import say
from vlsa.cli.app import DATA_HELP, examples
from vlsa.cli.output import print_json, print_table, print_text

if TYPE_CHECKING:
    from vlsa.retrieve.evaluate.results import Evaluation

Posts = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME[:SCALE]",
        help="Also after a re-ranking that uses all queries: dual-softmax, qb-norm or sinkhorn; may be repeated.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "evaluate",
        short_help="Measure retrieval in twelve directions, with chance level.",
        epilog=examples(
            "vlsa evaluate run --data store",
            "vlsa evaluate run --data store --split train --out train-results.json",
            "vlsa evaluate run --data store --post dual-softmax --post sinkhorn --post qb-norm",
            "vlsa evaluate run --data store --within folder",
            "vlsa evaluate run --data store --windows 1 --crops 1",
            "vlsa evaluate run --data store --json",
        ),
    )(evaluate)


def evaluate(
    run: Annotated[
        Path, typer.Argument(help="A run, one of its checkpoints, an export of it, or a public encoder.", metavar="RUN")
    ],
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    out: Annotated[Path | None, typer.Option(help="Also write all results to this file, as JSON.")] = None,
    post: Posts = None,
    identical_captions: Annotated[
        bool, typer.Option("--identical-captions", help="A caption that several clips share is correct for each.")
    ] = False,
    within: Annotated[
        str | None,
        typer.Option(help="folder or file: also rank each query only among the clips of its own folder, or file."),
    ] = None,
    windows: Annotated[
        int,
        typer.Option(help="A clip longer than the model's window is the mean over at most this many; 1 = the middle."),
    ] = 8,
    crops: Annotated[
        int, typer.Option(help="A frame that is not square is the mean over at most this many crops; 1 = the centre.")
    ] = 3,
    json: Annotated[bool, typer.Option("--json", help="One object per line instead of a table.")] = False,
) -> None:
    """Measure retrieval in twelve directions: text, audio and video by each other, and any two of them by the third.

    R@k is the share of queries whose correct item is among the first k, MedR the median rank; the last columns give
    the scores of chance, N (clips or captions in the gallery) and Q (queries). Media is video and audio in one vector,
    as in an index. Captions that several clips share, and files that also have clips in the training split, are
    reported.
    """
    from vlsa.config import require
    from vlsa.retrieve.encode.sampling import Sampling
    from vlsa.retrieve.evaluate.evaluate import evaluate_run

    options = {"post": post or (), "identical_captions_count": identical_captions, "within": within, "out": out}
    for option, number in (("--windows", windows), ("--crops", crops)):
        require(number >= 1, f"{option} {number}: nothing of a clip would be encoded. Give 1 or more.")
    sampling = Sampling(num_windows=windows, num_crops=crops)
    evaluation = evaluate_run(run, data, split, sampling=sampling, **options)
    if json:
        print_json(_as_lines(evaluation))
        for warning in evaluation.warnings():
            say(warning)
    else:
        print_evaluation(evaluation)


def print_evaluation(evaluation: "Evaluation") -> None:
    """The table of all directions, one more for each re-ranking and within groups, and the caption."""
    header = [name.replace("chance ", "chance\n") for name in evaluation.header]  # fits a terminal of 80 columns
    for title, rows in evaluation.tables():
        print_table(header, rows, title=title, right="|".join(header[1:]))
    for line in (evaluation.caption(), *evaluation.notes()):
        print_text(line)


def _as_lines(evaluation: "Evaluation") -> Iterator[dict[str, object]]:
    results = evaluation.as_dict()
    for name, scores in results["directions"].items():
        yield {"direction": name, "split": evaluation.split, "post_processing": "none", **scores}
    for by, again in results.get("within", {}).items():
        for name, scores in again["directions"].items():
            yield {"direction": name, "split": evaluation.split, "post_processing": "none", "within": by, **scores}
    for post, again in results.get("post_processed", {}).items():
        about = {"post_processing": post, "parameters": again["parameters"]}
        for name, scores in again["directions"].items():
            yield {"direction": name, "split": evaluation.split, **about, **scores}
