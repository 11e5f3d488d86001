"""The command that searches an index: search."""

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlsa.base.console import say
from vlsa.base.errors import VlsaError
from vlsa.cli.app import examples
from vlsa.cli.found import print_answer, print_lines

if TYPE_CHECKING:
    from vlsa.retrieve.search.answer import Answer
    from vlsa.retrieve.search.moments import Moment
    from vlsa.retrieve.search.question import Question

FROM_STDIN = ["-"]
"""Instead of a text: one query per line is read from stdin."""


IndexFolder = Annotated[Path, typer.Argument(help="An index made by vlsa index.", metavar="INDEX")]
Text = Annotated[
    list[str] | None,
    typer.Argument(
        help='What to find; what is in "double quotes" inside it has to occur in the text; - reads one query per '
        "line from stdin.",
        metavar="TEXT",
    ),
]
Like = Annotated[
    list[str] | None,
    typer.Option(help="Like the video and audio of FILE or FILE@START-STOP, or like an image.", metavar="FILE"),
]
LikeSound = Annotated[list[str] | None, typer.Option(help="Like the audio of a file.", metavar="FILE")]
LikeVideo = Annotated[list[str] | None, typer.Option(help="Like the video of a file.", metavar="FILE")]
LikeMoment = Annotated[
    list[str] | None,
    typer.Option(help="Like FILE@START-STOP as the index holds it; nothing is decoded.", metavar="MOMENT"),
]
Unlike = Annotated[list[str] | None, typer.Option(help="Words that it should be unlike.", metavar="TEXT")]
In = Annotated[
    str,
    typer.Option(
        "--in",
        help="What to compare with: media (words with video and audio together, an example with its own kind), "
        "video, audio or text.",
    ),
]
Where = Annotated[
    str | None, typer.Option(help="Only files that this keeps, such as: duration > 60 and folder = '2025'.")
]
NumResults = Annotated[int, typer.Option("-k", help="Number of results.")]
GroupBy = Annotated[str, typer.Option(help="moment, or file: the moments of a file stand together.")]
MaxPerFile = Annotated[int | None, typer.Option(help="Most results of one file.")]
Fold = Annotated[float | None, typer.Option(help="Show results of at least this cosine with a better one once (0.98).")]
QuestionFile = Annotated[
    str | None,
    typer.Option(help="The whole question as JSON; - reads one per line from stdin.", metavar="FILE.json"),
]
Export = Annotated[
    Path | None, typer.Option(help="Write the results as .csv, .jsonl, .srt, .edl or .otio.", metavar="FILE")
]
Force = Annotated[bool, typer.Option("--force", help="Let --export write over a file that is there.")]
Cut = Annotated[Path | None, typer.Option(help="Cut the results into clips in this folder.", metavar="DIR")]
Copy = Annotated[
    bool, typer.Option("--copy", help="Cut without encoding anew: quick, from the key frame before the start.")
]
Json = Annotated[bool, typer.Option("--json", help="One object per line instead of a table.")]
Run = Annotated[
    Path | None,
    typer.Option(help="The run, or public encoder, that made the index, if it was moved.", show_default=False),
]
Source = Annotated[Path | None, typer.Option(help="The folder of the footage, if it was moved.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "search",
        short_help="Find moments by words, sounds, videos and images.",
        epilog=examples(
            'vlsa search index "a bell rings twice"',
            "vlsa search index --like-sound ring.wav -k 3",
            "vlsa search index a ball --like clip.mp4@0-2 --unlike twice",
            "vlsa search index --like frame.png --where 'duration > 2 and has_audio' --json",
            "vlsa search index a ball --export found.csv --cut clips",
            "vlsa search index - --json < questions.txt",
        ),
    )(search)


def search(
    index: IndexFolder,
    text: Text = None,
    like: Like = None,
    like_sound: LikeSound = None,
    like_video: LikeVideo = None,
    like_moment: LikeMoment = None,
    unlike: Unlike = None,
    target: In = "media",
    where: Where = None,
    k: NumResults = 10,
    group_by: GroupBy = "moment",
    max_per_file: MaxPerFile = None,
    fold: Fold = None,
    question: QuestionFile = None,
    export: Export = None,
    force: Force = False,
    cut: Cut = None,
    copy: Copy = False,
    json: Json = False,
    run: Run = None,
    source: Source = None,
) -> None:
    """Find moments by words, sounds, videos and images, added up: file, time, and why, best first.

    FILE^0.5 gives a part another weight. The rank is what counts; stand-out says how far a result lies above a typical
    window of the index, and can be compared between queries.
    """
    settings: dict[str, Any] = {"target": target, "where": where, "k": k, "group_by": group_by}
    settings |= {"max_per_file": max_per_file, "fold_above": fold}
    pieces = {"like": like, "like_sound": like_sound, "like_video": like_video, "like_moment": like_moment}
    asked = _questions(question, text, {**pieces, "unlike": unlike}, settings)
    _check_files(export, force, cut, copy, one=text != FROM_STDIN and question != "-")
    after = _after(export, force, cut, exact=not copy)
    questions = [*itertools.islice(asked, 1)]  # the first is checked before the index and the model are loaded
    if not questions:
        return
    from vlsa.retrieve.search.library import Library

    library = Library.open(index, run_path=run, source=source, parallel=True)
    for title, one in itertools.chain(questions, asked):
        answer = library.ask(one)
        _print(answer, library.source, one, title, json)
        after(answer, library.source)


def _questions(
    question: str | None, text: list[str] | None, pieces: dict[str, list[str] | None], settings: dict[str, Any]
) -> "Iterator[tuple[str, Question]]":
    """The questions that are asked, each with its title. Raises VlsaError for words next to --question."""
    given = {name: value or () for name, value in pieces.items()}
    if question and (text or any(given.values())):
        raise VlsaError("search: words or examples next to --question; what is asked is not clear. Put all into one.")
    return _from_json(question) if question else _from_words(text, given | settings)


def _from_words(text: list[str] | None, pieces: dict[str, Any]) -> "Iterator[tuple[str, Question]]":
    """The question of the command line, or one for each line of stdin, which is then its title."""
    from vlsa.retrieve.search.pieces import question_of

    if text == FROM_STDIN:
        yield from ((line, question_of(line, **pieces)) for line in _lines(sys.stdin))
    else:
        yield "", question_of(" ".join(text) if text else None, **pieces)  # a question needs no quotation marks


def _from_json(path: str) -> "Iterator[tuple[str, Question]]":
    from vlsa.retrieve.search.question import Question

    if path == "-":
        yield from ((line, Question.from_json(line)) for line in _lines(sys.stdin))
    else:
        yield "", Question.from_json(Path(path).read_bytes())


def _lines(lines: Iterable[str]) -> Iterator[str]:
    """Without blank lines."""
    return (line.strip() for line in lines if line.strip())


def _print(answer: "Answer", source: str, question: "Question", title: str, json: bool) -> None:
    if json:
        print_lines(answer, source, **({"question": title} if title else {}))
    elif answer.moments:
        print_answer(answer, source, title)
    else:
        say(f"nothing found: no window has what --in {question.target} compares, or none is kept; try another --in")


def _check_files(export: Path | None, force: bool, cut: Path | None, copy: bool, *, one: bool) -> None:
    """Raises VlsaError for files that cannot be written so, before anything is searched."""
    if export is not None:
        from vlsa.retrieve.search.export.write import check_free, check_name

        check_name(export)
        check_free([] if force else [export])
    if not one and (export is not None or cut is not None):
        raise VlsaError(
            "search: --export or --cut with queries from stdin; each would overwrite the last. Ask one at a time."
        )
    if copy and cut is None:
        raise VlsaError("search: --copy without --cut; nothing would be cut. Add --cut DIR.")


def _after(export: Path | None, force: bool, cut: Path | None, *, exact: bool) -> "Callable[[Answer, str], None]":
    """What is done with an answer."""

    def write(answer: "Answer", source: str) -> None:
        if export is not None:
            from vlsa.retrieve.search.export.write import write_moments

            paths = write_moments(answer.moments, export, source, left_out=_say_left_out, replace=force)
            say(f"wrote {', '.join(map(str, paths))}")
        if cut is not None:
            from vlsa.retrieve.search.export.cut import cut_moments

            clips = cut_moments(answer.moments, source, cut, exact=exact, left_out=_say_left_out)
            say(f"cut {len(clips)} clips into {cut}")

    return write


def _say_left_out(moment: "Moment", error: VlsaError) -> None:
    say(f"left out rank {moment.rank}: {error}")
