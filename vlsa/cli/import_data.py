"""The command that turns public data sets into manifests: import."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vlsa.base.console import Bar
from vlsa.cli.app import examples
from vlsa.cli.output import next_step, print_text
from vlsa.data.benchmarks.adapters import ADAPTERS


class Text(StrEnum):
    """Which text a clip gets."""

    captions = "captions"
    subtitles = "subtitles"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "import",
        short_help="Turn a public data set into a list of clips.",
        help=_help(),
        epilog=examples(
            "vlsa import audiocaps --annotations train.csv --annotations test.csv --media audio audiocaps.jsonl",
            "vlsa import msrvtt --annotations MSRVTT_data.json --annotations MSRVTT_JSFUSION_test.csv --media videos "
            "msrvtt.jsonl",
            "vlsa import youcook2 --annotations test=steps.csv --media videos youcook2.jsonl",
        ),
    )(import_dataset)


def import_dataset(
    name: Annotated[str, typer.Argument(help="One of the data sets above.", metavar="NAME")],
    manifest: Annotated[Path, typer.Argument(help="The list of clips to write (.jsonl).", metavar="MANIFEST")],
    annotations: Annotated[
        list[str],
        typer.Option(
            metavar="PATH",
            help="A published file; may be repeated; train=PATH, val=PATH or test=PATH if its name has no split.",
        ),
    ],
    media: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of the media, searched with its subfolders.")],
    variant: Annotated[str | None, typer.Option(help="Of msrvtt: 9k, 7k (both of split 1k-A) or full.")] = None,
    text: Annotated[Text, typer.Option(help="Which text to use; subtitles if a file has them.")] = Text.captions,
    workers: Annotated[int | None, typer.Option(help="Worker processes; one per core by default, 0 = none.")] = None,
) -> None:
    """Import a data set; the help text is generated from the adapters."""
    from vlsa.data.benchmarks.convert import convert

    with Bar("scanning files") as bar:
        summary = convert(
            name,
            annotations,
            media,
            manifest,
            variant=variant,
            subtitles=text is Text.subtitles,
            num_workers=workers,
            progress=bar.update,
        )
    print_text(summary)
    next_step("prepare", manifest, "STORE")


def _help() -> str:
    known = "\n".join(f"  {name:<20}{adapter.about}" for name, adapter in ADAPTERS.items())
    return f"""Turn the published annotation files of a public data set into a list of clips, for `vlsa prepare`.

\b
{known}

Files are recognised by their columns or keys, not by their names. Media are found by the ids in the annotations; each
file is scanned once. A clip whose media are missing or cannot be used is left out and listed with its reason in a file
named as MANIFEST with _report.jsonl. The number of clips of each split is printed.
"""
