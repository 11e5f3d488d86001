"""The command that searches an index: search."""

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlsa.base.console import say
from vlsa.base.errors import SearchIndexError, VlsaError
from vlsa.cli.app import examples
from vlsa.cli.found import print_answer, print_lines, say_if_missing

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
        "line from stdin, and goes on after one that cannot be asked.",
        metavar="TEXT",
    ),
]
Like = Annotated[
    list[str] | None,
    typer.Option(
        help="Like the video and audio of FILE or FILE@START-STOP, or like an image. An example that is longer than "
        "the model's window finds what is like any of up to 32 windows, spread over it; START-STOP chooses a part.",
        metavar="FILE",
    ),
]
LikeSound = Annotated[list[str] | None, typer.Option(help="Like the audio of FILE or FILE@START-STOP.", metavar="FILE")]
LikeVideo = Annotated[list[str] | None, typer.Option(help="Like the video of FILE or FILE@START-STOP.", metavar="FILE")]
LikeMoment = Annotated[
    list[str] | None,
    typer.Option(help="Like FILE@START-STOP as the index holds it; nothing is decoded.", metavar="MOMENT"),
]
Unlike = Annotated[list[str] | None, typer.Option(help="Words that it should be unlike.", metavar="TEXT")]
In = Annotated[
    str | None,
    typer.Option(
        "--in",
        show_default="media",
        help="What to compare with: media (words with video and audio together, an example with its own kind), "
        "video, audio or text.",
    ),
]
Where = Annotated[
    str | None, typer.Option(help="Only files that this keeps, such as: duration > 60 and folder = '2025'.")
]
NumResults = Annotated[int | None, typer.Option("-k", show_default="10", help="Number of results.")]
GroupBy = Annotated[
    str | None, typer.Option(show_default="moment", help="moment, or file: the moments of a file stand together.")
]
MaxPerFile = Annotated[int | None, typer.Option(help="Most results of one file.")]
Fold = Annotated[float | None, typer.Option(help="Show results of at least this cosine with a better one once (0.98).")]
QuestionFile = Annotated[
    str | None,
    typer.Option(
        help="The whole question as JSON; - reads one per line from stdin. What --in, --where, -k, --group-by, "
        "--max-per-file and --fold say comes first.",
        metavar="FILE.json",
    ),
]
Export = Annotated[
    Path | None, typer.Option(help="Write the results as .csv, .jsonl, .srt, .edl or .otio.", metavar="FILE")
]
Force = Annotated[bool, typer.Option("--force", help="Let --export and --cut write over files that are there.")]
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
    target: In = None,
    where: Where = None,
    k: NumResults = None,
    group_by: GroupBy = None,
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

    FILE^0.5, or TEXT^0.5, gives a part another weight. The rank is what counts; stand-out says how far a result lies
    above a typical window of the index, and can be compared between queries.
    """
    settings: dict[str, Any] = {"target": target, "where": where, "k": k, "group_by": group_by}
    settings |= {"max_per_file": max_per_file, "fold_above": fold}
    typed = {name: value for name, value in settings.items() if value is not None}
    pieces = {"like": like, "like_sound": like_sound, "like_video": like_video, "like_moment": like_moment}
    failed: list[str] = []
    asked = _questions(question, text, {**pieces, "unlike": unlike}, typed, failed)
    _check_files(export, force, cut, copy, one=text != FROM_STDIN and question != "-")
    after = _after(export, force, cut, exact=not copy)
    questions = [*itertools.islice(asked, 1)]  # the first is checked before the index and the model are loaded
    if questions:
        from vlsa.retrieve.search.library import Library

        library = Library.open(index, run_path=run, source=source, parallel=True)
        shows_paths = False
        for title, one in itertools.chain(questions, asked):
            with _going_on(title, failed):
                answer = library.ask(one)
                shows_paths |= bool(answer.moments)
                _print(answer, library.source, one, title, json)
                after(answer, library.source)
        if shows_paths:
            say_if_missing(library.source)
    if failed:
        raise typer.Exit(2)


@contextmanager
def _going_on(title: str, failed: list[str]) -> Iterator[None]:
    """An error with one line of stdin is printed and put into `failed`, and the next line is asked.

    An index that cannot be searched ends the command.
    """
    try:
        yield
    except VlsaError as error:
        if not title or isinstance(error, SearchIndexError):
            raise
        failed.append(title)
        say(f"{title[:80]}: {' '.join(str(error).split())}")


def _questions(
    question: str | None,
    text: list[str] | None,
    pieces: dict[str, list[str] | None],
    settings: dict[str, Any],
    failed: list[str],
) -> "Iterator[tuple[str, Question]]":
    """The questions that are asked, each with its title; lines of stdin that are none are put into `failed`.

    Raises VlsaError for words next to --question.
    """
    given = {name: value or () for name, value in pieces.items()}
    is_json = question is not None
    if is_json and (text or any(given.values())):
        raise VlsaError("search: words or examples next to --question; what is asked is not clear. Put all into one.")
    make = partial(_from_json, settings=settings) if is_json else partial(_from_words, pieces=given | settings)
    if question == "-" or text == FROM_STDIN:
        return _of_lines(make, failed)
    return iter([("", make(Path(question).read_bytes() if is_json else " ".join(text) if text else None))])


def _from_words(text: str | None, pieces: dict[str, Any]) -> "Question":
    from vlsa.retrieve.search.pieces import question_of

    return question_of(text, **pieces)


def _from_json(text: str | bytes, settings: dict[str, Any]) -> "Question":
    """The question of a document, with what the command line says otherwise."""
    from vlsa.retrieve.search.question import Question

    return replace(Question.from_json(text), **settings)


def _of_lines(make: "Callable[[str], Question]", failed: list[str]) -> "Iterator[tuple[str, Question]]":
    """A question for each line of stdin, which is its title."""
    for line in _lines(sys.stdin):
        with _going_on(line, failed):
            yield line, make(line)


def _lines(lines: Iterable[str]) -> Iterator[str]:
    """Without blank lines, and the mark that some editors put before the first."""
    return (line.strip() for line in (line.removeprefix("\ufeff") for line in lines) if line.strip())


def _print(answer: "Answer", source: str, question: "Question", title: str, json: bool) -> None:
    if json:
        print_lines(answer, source, **({"question": title} if title else {}))
    elif answer.moments:
        print_answer(answer, source, title)
    else:
        say(f"nothing found: {'; '.join(answer.notes)}" if answer.notes else _nothing(question))


def _nothing(question: "Question") -> str:
    """Why a question has no answer, and what to do."""
    window = "no window that the filter keeps" if question.where else "no window"
    if question.phrases:
        quoted = ", ".join(f'"{phrase}"' for phrase in question.phrases)
        return (
            f"nothing found: {window} has the quoted words {quoted}; take the quotation marks away to search by meaning"
        )
    if question.where:
        return (
            f"nothing found: no window that the filter keeps has what --in {question.target} compares; keep more, or "
            "try another --in"
        )
    return f"nothing found: no window has what --in {question.target} compares; try another --in"


def _check_files(export: Path | None, force: bool, cut: Path | None, copy: bool, *, one: bool) -> None:
    """Raises VlsaError for files that cannot be written so, before anything is searched."""
    if export is not None:
        from vlsa.retrieve.search.export.names import check_free
        from vlsa.retrieve.search.export.write import check_name

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

            clips = cut_moments(answer.moments, source, cut, exact=exact, left_out=_say_left_out, replace=force)
            say(f"cut {len(clips)} clips into {cut}")

    return write


def _say_left_out(moment: "Moment", error: VlsaError) -> None:
    say(f"left out rank {moment.rank}: {error}")
