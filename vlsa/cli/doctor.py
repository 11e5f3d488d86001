"""The command that checks the environment: doctor."""

from pathlib import Path
from typing import Annotated

import typer

from vlsa.cli.app import examples
from vlsa.cli.output import print_json, print_table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "doctor",
        short_help="Check the environment, and say how to fix it.",
        epilog=examples("vlsa doctor", "vlsa doctor run", "vlsa doctor --json"),
    )(doctor)


def doctor(
    run: Annotated[
        Path | None, typer.Argument(help="A run or a checkpoint whose weights are checked too.", metavar="RUN")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One object per line instead of a table.")] = False,
) -> None:
    """Check the environment, and say how to fix what is missing.

    Exit code 0 if footage can be prepared, trained on and searched; 2 if something for that is missing.
    """
    from vlsa.doctor import check_model, examine

    checks = [*examine(), *([check_model(run)] if run else [])]
    if json:
        print_json(check.as_dict() for check in checks)
    else:
        rows = [(check.name, check.state, check.found, check.advice) for check in checks]
        print_table(("what", "state", "found", "what to do"), rows)
    if any(check.blocks for check in checks):
        raise typer.Exit(2)
