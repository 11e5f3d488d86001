"""The command that makes footage searchable: index."""

from pathlib import Path
from typing import Annotated

import typer

from vlsa.base.console import Bar, say
from vlsa.cli.app import examples
from vlsa.cli.output import next_step, print_text


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "index",
        short_help="Make footage searchable.",
        epilog=examples(
            "vlsa index run footage --out index",
            "vlsa index run store --out store-index --restart",
            "vlsa index clip:FOLDER+clap:FOLDER footage --out index",
        ),
    )(index)


def index(
    run: Annotated[
        Path, typer.Argument(help="A run, an export of it, or a public encoder (vlsa encoders).", metavar="RUN")
    ],
    source: Annotated[
        Path, typer.Argument(help="What to search: a folder of media, or a store.", metavar="FOLDER_OR_STORE")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the index.")],
    workers: Annotated[int | None, typer.Option(help="Decoding processes; one per core by default, 0 = none.")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Delete what the index holds first.")] = False,
) -> None:
    """Make footage searchable. The same command again adds only new and changed files.

    A file that cannot be read is left out and listed in INDEX/index_report.jsonl.
    """
    from vlsa.retrieve.index.build import build_index

    with Bar("indexing") as bar:
        summary = build_index(run, source, out, num_workers=workers, restart=restart, progress=bar.update)
    if summary.note:
        say(summary.note)
    print_text(summary)
    next_step("search", out, "what you look for")
