"""The command that turns public data sets into manifests: import."""

import textwrap
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from vlsa.base.console import Bar
from vlsa.cli.app import HELP_WIDTH, examples
from vlsa.cli.output import next_step, print_text

ABOUT_COLUMN = 22
"""Where what is said of a data set starts in the help."""


class Text(StrEnum):
    """Which text a clip gets."""

    captions = "captions"
    subtitles = "subtitles"


class ImportCommand(TyperCommand):
    """Its help names the data sets; what reads them is imported only to show it."""

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write the help text."""
        self.help = _help()
        super().format_help_text(ctx, formatter)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "import",
        cls=ImportCommand,
        short_help="Turn a public data set into a list of clips.",
        epilog=examples(
            "vlsa import audiocaps train.csv test.csv --media audio audiocaps.jsonl",
            "vlsa import msrvtt MSRVTT_data.json MSRVTT_JSFUSION_test.csv --media videos msrvtt.jsonl",
            "vlsa import youcook2 test=steps.csv --media videos youcook2.jsonl",
            "vlsa import csv train=list.csv --columns path=file,start=from,stop=to,text=words --media clips own.jsonl",
            "vlsa import webdataset 'train-{000..099}.tar' --columns text=caption --media unpacked web.jsonl",
        ),
    )(import_dataset)


def import_dataset(
    name: Annotated[str, typer.Argument(help="One of the data sets above.", metavar="NAME")],
    files: Annotated[
        list[str],
        typer.Argument(
            help="Its published files; train=PATH, val=PATH or test=PATH if a name has no split.", metavar="FILE..."
        ),
    ],
    manifest: Annotated[Path, typer.Argument(help="The list of clips to write (.jsonl).", metavar="MANIFEST")],
    media: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of the media, searched with its subfolders.")],
    columns: Annotated[
        str,
        typer.Option(
            metavar="ROLE=COLUMN,...",
            help="Of csv, json, webdataset, hf: path=, text= (several; caption_* is all that begin so), and if there "
            "are any start=, stop=, span=, split=, folder=, name=.",
        ),
    ] = "",
    title: Annotated[str, typer.Option(help="What a data set read by csv, json, webdataset or hf is called.")] = "",
    variant: Annotated[str | None, typer.Option(help="Of msrvtt: 9k, 7k (both of split 1k-A) or full.")] = None,
    text: Annotated[Text, typer.Option(help="Which text to use; subtitles if a file has them.")] = Text.captions,
    allow_count: Annotated[
        bool, typer.Option("--allow-count", help="Go on if the number of clips is not the published one.")
    ] = False,
    workers: Annotated[int | None, typer.Option(help="Worker processes; one per core by default, 0 = none.")] = None,
) -> None:
    """Import a data set; the help text is generated from the adapters."""
    from vlsa.data.benchmarks.convert import convert

    with Bar("importing") as bar:
        summary = convert(
            name,
            files,
            media,
            manifest,
            variant=variant,
            subtitles=text is Text.subtitles,
            columns=columns,
            title=title,
            allow_count=allow_count,
            num_workers=workers,
            progress=bar.update,
        )
    print_text(summary)
    next_step("prepare", manifest, "STORE")


def _listed(name: str, about: str) -> str:
    """An entry of a list in two columns that fits the terminal."""
    first, *rest = textwrap.wrap(about, HELP_WIDTH - ABOUT_COLUMN - 2, break_on_hyphens=False)
    return "\n".join([f"{name:<{ABOUT_COLUMN}}{first}", *(" " * ABOUT_COLUMN + line for line in rest)])


def _help() -> str:
    from vlsa.data.benchmarks.adapters import ADAPTERS

    known = "\n".join(_listed(f"  {name}", adapter.about) for name, adapter in ADAPTERS.items())
    return f"""Turn the published annotation files of a public data set into a list of clips, for `vlsa prepare`.

\b
{known}

Files are recognised by their columns or keys, not by their names. Media are found by the ids in the annotations; each
file is scanned once. A clip whose media are missing or cannot be used is left out and listed with its reason in a file
named as MANIFEST with _report.jsonl. The number of clips of each split is printed, and compared with the published one.
"""
