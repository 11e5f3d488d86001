"""The command that runs the whole pipeline: demo."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlsa.base.console import duration, say
from vlsa.base.launch import usable_cores
from vlsa.cli.app import examples
from vlsa.cli.output import next_step, short_path

if TYPE_CHECKING:
    from vlsa.demo import DemoResult


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "demo",
        short_help="Run the whole pipeline on synthetic footage.",
        epilog=examples(
            "vlsa demo demo",
            "vlsa demo demo --serve",
            "vlsa demo other-seed --seed 1",
            "vlsa demo quick --train 300 --test 50 --steps 100 --set train.batch_size=32",
        ),
    )(demo)


def demo(
    out: Annotated[Path, typer.Argument(help="Folder for all results.", metavar="OUT")],
    train: Annotated[int, typer.Option(help="Training clips.")] = 3000,
    test: Annotated[int, typer.Option(help="Held-out clips, of combinations that training lacks.")] = 200,
    seed: Annotated[int, typer.Option(help="Seed of the footage and of the training.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Training steps; those of the recipe by default.")] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a setting of the recipe tiny.")
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="At the end, open the page that searches what was made.")
    ] = False,
) -> None:
    """Make synthetic footage, train a model on it, evaluate, index and search it, and write a page with the results.

    Takes minutes on two processor cores. Prints retrieval in twelve directions on the held-out clips, with chance, and
    the paths of all results. The same command resumes an interrupted demo.
    """
    from vlsa.demo import DemoSettings, run_demo

    settings = DemoSettings(
        num_train=train, num_test=test, seed=seed, num_steps=steps, assignments=tuple(changes or ())
    )
    _print_demo(run_demo(out, settings, num_workers=usable_cores()))
    index = out / "index"
    if serve:
        from vlsa.serve.http.settings import ServeSettings
        from vlsa.serve.run import run

        say('on the page, search for "a green star"')
        run(ServeSettings(indexes=(index,)), open_page=True)
    else:
        next_step("serve", index)


def _print_demo(result: "DemoResult") -> None:
    from vlsa.cli.evaluate import print_evaluation

    print_evaluation(result.evaluation)
    took = ", ".join(f"{name} {duration(seconds)}" for name, seconds in result.seconds.items())
    print(f"Took {duration(sum(result.seconds.values()))}: {took}.\n")
    for label, path in result.files:
        print(f"{label + ':':32}{short_path(path)}")
