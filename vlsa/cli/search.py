"""The command that searches an index: search."""

import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlsa.base.console import say
from vlsa.cli.app import examples
from vlsa.cli.output import print_json, print_table, short_path

if TYPE_CHECKING:
    from vlsa.retrieve.index.query import Hit

FROM_STDIN = ["-"]
"""Instead of a text: one query per line is read from stdin."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "search",
        short_help="Find moments by text, audio, video or image.",
        epilog=examples(
            'vlsa search index "a bell rings twice"',
            "vlsa search index --audio ring.wav -k 3",
            "vlsa search index --video clip.mp4 --in audio",
            "vlsa search index --image frame.png --json",
            "vlsa search index - --json < questions.txt",
        ),
    )(search)


def search(
    index: Annotated[Path, typer.Argument(help="An index made by vlsa index.", metavar="INDEX")],
    text: Annotated[
        list[str] | None,
        typer.Argument(help="What to find; - reads one query per line from stdin.", metavar="TEXT"),
    ] = None,
    audio: Annotated[Path | None, typer.Option(help="Search by an audio file.")] = None,
    video: Annotated[Path | None, typer.Option(help="Search by a video file.")] = None,
    image: Annotated[Path | None, typer.Option(help="Search by an image file.")] = None,
    k: Annotated[int, typer.Option("-k", help="Number of results.")] = 10,
    target: Annotated[
        str,
        typer.Option(
            "--in",
            help="What to compare with: media (words with video and audio together, a file with its own kind), video, "
            "audio or text.",
        ),
    ] = "media",
    json: Annotated[bool, typer.Option("--json", help="One object per line instead of a table.")] = False,
    run: Annotated[
        Path | None, typer.Option(help="The run that made the index, if it was moved.", show_default=False)
    ] = None,
    source: Annotated[
        Path | None, typer.Option(help="The folder of the footage, if it was moved.", show_default=False)
    ] = None,
) -> None:
    """Find moments by text, audio, video or image: file, start, stop and score, best first.

    Only the rank is meaningful: a score can be compared within one list, not between queries.
    """
    from vlsa.retrieve.index.query import Question, check_request

    check_request(target, k)
    # A question needs no quotation marks; the first is checked before the index and the model are loaded.
    texts = _lines() if text == FROM_STDIN else iter([" ".join(text) if text else None])
    media = {"audio": audio, "video": video, "image": image}
    asked = (Question(text=one, **media) for one in texts)
    questions = [*itertools.islice(asked, 1)]
    if not questions:
        return
    from vlsa.retrieve.index.index import Index

    opened = Index.open(index, run_path=run, source=source, parallel=True)
    for question in itertools.chain(questions, asked):
        hits = opened.search(question.text, k, **media, in_=target)
        shown = question.text if text == FROM_STDIN else None
        if json:
            _print_lines(hits, shown)
        elif hits:
            _print_hits(hits, shown)
        else:
            say(f"nothing found: no clip of {index} has what --in {target} compares; try another --in")


def _lines() -> Iterator[str]:
    """Questions on stdin, without blank lines."""
    return (line.strip() for line in sys.stdin if line.strip())


def _print_lines(hits: Sequence["Hit"], question: str | None) -> None:
    about = {} if question is None else {"question": question}
    print_json({**about, "rank": rank, **hit.as_dict()} for rank, hit in enumerate(hits, 1))


def _print_hits(hits: Sequence["Hit"], question: str | None) -> None:
    header = ("rank", "file", "start s", "stop s", "score", "text")
    rows = [_row(rank, hit) for rank, hit in enumerate(hits, 1)]
    print_table(header, rows, title=question or "", right="rank|start s|stop s|score")


def _row(rank: int, hit: "Hit") -> tuple[str, ...]:
    times = (f"{hit.start_seconds:.2f}", f"{hit.stop_seconds:.2f}")
    return (str(rank), short_path(hit.path), *times, f"{hit.score:.3f}", hit.text.partition("\n")[0])
