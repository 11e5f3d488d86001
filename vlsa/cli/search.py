"""Commands that find things: index and search."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlsa.base.console import Bar, say
from vlsa.cli.app import examples
from vlsa.cli.output import next_step, print_json, print_table, print_text, short_path

if TYPE_CHECKING:
    from vlsa.retrieve.index.query import Hit


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        "index",
        short_help="Make footage searchable.",
        epilog=examples("vlsa index run footage --out index", "vlsa index run store --out store-index --restart"),
    )(index)
    app.command(
        "search",
        short_help="Find moments by words, a sound, a video or a picture.",
        epilog=examples(
            'vlsa search index "a bell rings twice"',
            "vlsa search index --audio ring.wav -k 3",
            "vlsa search index --video clip.mp4 --in audio",
            "vlsa search index --image frame.png --json",
        ),
    )(search)


def index(
    run: Annotated[Path, typer.Argument(help="A run, or an export of it.", metavar="RUN")],
    source: Annotated[
        Path, typer.Argument(help="What is to be found: a folder of media, or a store.", metavar="FOLDER_OR_STORE")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the index.")],
    workers: Annotated[
        int | None, typer.Option(help="Processes that read; one per core by default, 0 = none but this.")
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Throw away what the index holds.")] = False,
) -> None:
    """Make footage searchable. The same command again takes up new and changed files only.

    A file that cannot be read is left out, with its reason in INDEX/index_report.jsonl.
    """
    from vlsa.retrieve.index.build import build_index

    with Bar("indexing") as bar:
        summary = build_index(run, source, out, num_workers=workers, restart=restart, progress=bar.update)
    print_text(summary)
    next_step("search", out, "what you look for")


def search(
    index: Annotated[Path, typer.Argument(help="An index made by vlsa index.", metavar="INDEX")],
    words: Annotated[list[str] | None, typer.Argument(help="What is seen or heard.", metavar="[WORDS]...")] = None,
    audio: Annotated[Path | None, typer.Option(help="Ask with a sound file.")] = None,
    video: Annotated[Path | None, typer.Option(help="Ask with a video file.")] = None,
    image: Annotated[Path | None, typer.Option(help="Ask with a picture file.")] = None,
    k: Annotated[int, typer.Option("-k", help="How many answers.")] = 10,
    target: Annotated[
        str, typer.Option("--in", help="Where to look: media (picture and sound), video, audio or text.")
    ] = "media",
    json: Annotated[bool, typer.Option("--json", help="One object a line instead of a table.")] = False,
    run: Annotated[
        Path | None, typer.Option(help="The run that made the index, if it was moved.", show_default=False)
    ] = None,
) -> None:
    """Find moments by words, by a sound, by a video or by a picture: file, start, stop and score, best first.

    Rank is what counts: a score may be compared within one list only.
    """
    from vlsa.retrieve.index.index import Index

    asked = " ".join(words) if words else None  # so that a question needs no quotation marks
    hits = Index.open(index, run_path=run).search(asked, k, audio=audio, video=video, image=image, in_=target)
    if json:
        print_json({"rank": rank, **hit.as_dict()} for rank, hit in enumerate(hits, 1))
    elif not hits:
        say(f"nothing found: no clip of {index} has what --in {target} compares; try another --in")
    else:
        rows = [_row(rank, hit) for rank, hit in enumerate(hits, 1)]
        print_table(("rank", "file", "start s", "stop s", "score", "words"), rows, right="rank|start s|stop s|score")


def _row(rank: int, hit: "Hit") -> tuple[str, ...]:
    times = (f"{hit.start_seconds:.2f}", f"{hit.stop_seconds:.2f}")
    words = hit.text.partition("\n")[0]
    return (str(rank), short_path(hit.path), *times, f"{hit.score:.3f}", words)
