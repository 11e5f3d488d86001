"""The command that lists public encoders: encoders."""

from typing import Annotated

import typer

from vlsa.cli.app import examples
from vlsa.cli.output import print_json, print_table, print_text


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "encoders",
        short_help="List public encoders that can stand in for a run.",
        epilog=examples("vlsa encoders", "vlsa encoders --json"),
    )(encoders)


def encoders(
    json: Annotated[bool, typer.Option("--json", help="One object per line instead of a table.")] = False,
) -> None:
    """List public encoders that can stand in for a run, and which of them are on this disk.

    A name of the list, or FAMILY:FOLDER, can be given wherever a command takes RUN; so can a sum of two that compare
    different pairs, as clip:FOLDER+clap:FOLDER. Needs pip install '.[public]'. hf download ID fetches one.
    """
    from vlsa.retrieve.encode.public.known import TABLE_HEADER, listed

    found = listed()
    if json:
        print_json(encoder.as_dict() for encoder in found)
        return
    for spaces in dict.fromkeys(encoder.spaces for encoder in found):  # a table of all does not fit 80 columns
        rows = [encoder.row() for encoder in found if encoder.spaces == spaces]
        print_table(TABLE_HEADER, rows, title=f"Compare {', '.join(spaces)}", right="size", whole="name")
    print_text(
        "Sizes are in parameters. Licences as published; read them before use. None of these has been measured by vlsa."
    )
