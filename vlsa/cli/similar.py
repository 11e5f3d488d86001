"""The commands that compare an index with itself: similar and duplicates."""

from pathlib import Path
from typing import Annotated

import typer

from vlsa.base.console import say
from vlsa.cli.app import examples
from vlsa.cli.found import print_answer, print_lines, say_if_missing, short_clock
from vlsa.cli.output import print_json, print_table, print_text, short_path


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        "similar",
        short_help="Find moments like a moment of the index.",
        epilog=examples("vlsa similar index clip.mp4@0:12-0:15", "vlsa similar index clip.mp4@0-2 --by audio --json"),
    )(similar)
    app.command(
        "duplicates",
        short_help="Find footage that is in the index more than once.",
        epilog=examples("vlsa duplicates index", "vlsa duplicates index --at-least 0.95 --by video --json"),
    )(duplicates)


Index = Annotated[Path, typer.Argument(help="An index made by vlsa index.", metavar="INDEX")]
By = Annotated[str, typer.Option(help="What is compared: video, audio, or both.")]
Source = Annotated[Path | None, typer.Option(help="The folder of the footage, if it was moved.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="One object per line instead of a table.")]


def similar(
    index: Index,
    moment: Annotated[
        str, typer.Argument(help="A stretch of a file, as the index or the disk names it.", metavar="FILE@START-STOP")
    ],
    by: By = "both",
    k: Annotated[int, typer.Option("-k", help="Number of results.")] = 10,
    where: Annotated[str | None, typer.Option(help="Only files that this keeps, such as: duration > 60.")] = None,
    json: Json = False,
    source: Source = None,
) -> None:
    """Find moments like a stretch of a file in the index. The model is not needed: vectors are compared as they are."""
    from vlsa.retrieve.search.spans import require_span
    from vlsa.retrieve.search.tables import SearchTables

    span = require_span(moment)
    tables = SearchTables.open(index, source)
    answer = tables.similar(span, k, by=by, where=where)
    if json:
        print_lines(answer, tables.index.source)
    elif answer.moments:
        print_answer(answer, tables.index.source)
    elif answer.notes:
        say(f"nothing found: {'; '.join(answer.notes)}")
    else:
        kept = " that the filter keeps" if where is not None else ""
        say(f"nothing found: no other window{kept} can be compared with it by {by}; keep more, or try another --by")
    if answer.moments:
        say_if_missing(tables.index.source)


def duplicates(
    index: Index,
    at_least: Annotated[float, typer.Option(help="The cosine from which windows are near-duplicates.")] = 0.98,
    by: By = "both",
    json: Json = False,
    source: Source = None,
) -> None:
    """Find footage that is in the index more than once: groups of stretches that are nearly alike, the longest first.

    A group is a chain: its ends may be less alike than --at-least. The vectors of the model are compared, so that what
    means the same can count as a duplicate. For the same footage encoded, scaled, cropped or cut otherwise, in a store
    and without a model, use vlsa data dedup.
    """
    from vlsa.retrieve.search.tables import SearchTables

    tables = SearchTables.open(index, source)
    groups = tables.duplicates(at_least, by=by)
    where = Path(tables.index.source)
    found = [
        (group, one.start_seconds, one.stop_seconds, one.path) for group, many in enumerate(groups, 1) for one in many
    ]
    if json:
        names = ("group", "start_seconds", "stop_seconds", "path")
        print_json(dict(zip(names, (*place, str(where / path)), strict=True)) for *place, path in found)
    elif found:
        rows = [(str(group), short_clock(a), short_clock(b), short_path(where / path)) for group, a, b, path in found]
        print_table(("group", "start", "stop", "file"), rows, right="group|start|stop")
    else:
        print_text(f"No two windows of {index} have a cosine of {at_least:g} or more.")
    if found:
        say_if_missing(str(where))
