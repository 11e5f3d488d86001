"""Commands about the whole: demo and doctor."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlsa import jobs
from vlsa.cli.app import examples
from vlsa.cli.show import print_json, print_table, short_path
from vlsa.logs import duration

if TYPE_CHECKING:
    from vlsa.demo import DemoResult


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        "demo",
        short_help="The whole way on made footage, in one command.",
        epilog=examples(
            "vlsa demo demo",
            "vlsa demo other-seed --seed 1",
            "vlsa demo quick --train 300 --test 50 --steps 100 --set train.batch_size=32",
        ),
    )(demo)
    app.command(
        "doctor",
        short_help="Say what of the environment works, and what to do.",
        epilog=examples("vlsa doctor", "vlsa doctor --json"),
    )(doctor)


def demo(
    out: Annotated[Path, typer.Argument(help="Folder for everything that is made.", metavar="OUT")],
    train: Annotated[int, typer.Option(help="Clips to learn from.")] = 3000,
    test: Annotated[int, typer.Option(help="Held-out clips, of combinations that training never sees.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the footage and of the training.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Training steps; as many as the recipe has by default.")] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a setting of the recipe tiny.")
    ] = None,
) -> None:
    """Make footage, train a model on it, evaluate, index and search it, and show the result on a page.

    Takes minutes on two processor cores and needs nothing else. Prints retrieval in seven directions over the held-out
    clips, with what chance would give, and where everything was written.
    """
    from vlsa.demo import DemoSettings, run_demo

    settings = DemoSettings(
        num_train=train, num_test=test, seed=seed, num_steps=steps, assignments=tuple(changes or ())
    )
    _print_demo(run_demo(out, settings, num_workers=jobs.usable_cores()))


def _print_demo(result: "DemoResult") -> None:
    from vlsa.cli.training import print_evaluation

    print_evaluation(result.evaluation)
    took = ", ".join(f"{name} {duration(seconds)}" for name, seconds in result.seconds.items())
    print(f"Took {duration(sum(result.seconds.values()))}: {took}.\n")
    for label, path in result.files:
        print(f"{label + ':':32}{short_path(path)}")


def doctor(
    json: Annotated[bool, typer.Option("--json", help="One object a line instead of a table.")] = False,
) -> None:
    """Say what of the environment works, and what to do about the rest.

    Exit code 0 when footage can be prepared, trained on and searched; 2 when something for that is missing.
    """
    from vlsa.doctor import examine

    checks = examine()
    if json:
        print_json(check.as_dict() for check in checks)
    else:
        rows = [(check.name, check.state, check.found, check.advice) for check in checks]
        print_table(("what", "state", "found", "what to do"), rows)
    if any(check.blocks for check in checks):
        raise typer.Exit(2)
