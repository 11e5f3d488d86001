"""The command that makes footage searchable: index."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlsa.base.console import Bar, say
from vlsa.cli.app import examples
from vlsa.cli.output import next_step, print_text

if TYPE_CHECKING:
    from vlsa.retrieve.index.report import IndexSummary


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "index",
        short_help="Make footage searchable.",
        epilog=examples(
            "vlsa index run footage --out index",
            "vlsa index run footage --out index --watch",
            "vlsa index run store --out store-index --restart",
            "vlsa index --check index",
        ),
    )(index)


def index(
    run: Annotated[
        Path | None, typer.Argument(help="A run, or an export of it.", metavar="RUN", show_default=False)
    ] = None,
    source: Annotated[
        Path | None,
        typer.Argument(
            help="What to search: a folder of media, or a store.", metavar="FOLDER_OR_STORE", show_default=False
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the index.", show_default=False)] = None,
    window: Annotated[
        float | None,
        typer.Option(help="Seconds of a window; that of the model, rounded up to 0.5 s, by default."),
    ] = None,
    step: Annotated[
        float | None,
        typer.Option(help="Seconds from one window to the next; half a window by default."),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Decoding processes; one per core by default, 0 = none.")] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Make it anew; the old one answers until the new one is finished.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Take out files that are gone, even if more than half are.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Keep following the folder until Ctrl-C.")] = False,
    check: Annotated[
        Path | None,
        typer.Option(
            help="Compare the vectors of this index, its list of files, and the disk; change nothing.",
            metavar="INDEX",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make footage searchable. The same command again follows the folder: new, changed, moved and removed files.

    A moved or renamed file is not encoded again. A file that cannot be read is left out and listed in
    INDEX/index_report.jsonl. If more than half of the files are gone, as without their drive, all stay until --prune.
    A folder that was moved is given by its new place.
    """
    if check is not None:
        _check(check)
        return
    missing = [name for name, value in (("RUN", run), ("FOLDER_OR_STORE", source), ("--out", out)) if value is None]
    if missing:
        raise typer.BadParameter(f"{' and '.join(missing)} missing. Try: vlsa index run footage --out index")
    options: dict[str, Any] = {"num_workers": workers, "window_seconds": window, "step_seconds": step}
    options |= {"restart": restart, "prune": prune}
    if watch:
        _watch(run, source, out, options)
        return
    from vlsa.retrieve.index.build import build_index

    with Bar("indexing") as bar:
        summary = build_index(run, source, out, progress=bar.update, **options)
    _print(summary)
    next_step("search", out, "what you look for")


def _print(summary: "IndexSummary") -> None:
    if summary.note:
        say(summary.note)
    print_text(summary)


def _watch(run: Path | None, source: Path | None, out: Path | None, options: dict[str, Any]) -> None:
    from vlsa.retrieve.index.watch import watch_index

    assert run is not None and source is not None and out is not None
    for summary in watch_index(run, source, out, **options):
        _print(summary)
        say(f"watching {source}; Ctrl-C ends it")


def _check(path: Path) -> None:
    """Print what differs. Raises typer.Exit with code 1 if anything does."""
    from vlsa.retrieve.index.check import check_index

    found = check_index(path)
    for line in found:
        print_text(line)
    if found:
        raise typer.Exit(1)
    print_text(f"{path}: vectors, list of files and disk agree.")
