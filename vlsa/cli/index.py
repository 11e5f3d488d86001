"""The command that makes footage searchable: index."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlsa.base.console import Bar, say
from vlsa.cli.app import examples
from vlsa.cli.engine import EngineName, RayAddress, engine_of
from vlsa.cli.output import next_step, print_table, print_text
from vlsa.cli.speech import Transcribe

if TYPE_CHECKING:
    from vlsa.retrieve.index.report import IndexSummary


Run = Annotated[
    Path | None,
    typer.Argument(
        help="A run, an export of it, or a public encoder (vlsa encoders).", metavar="RUN", show_default=False
    ),
]
Source = Annotated[
    Path | None,
    typer.Argument(
        help="What to search: a folder of media, or a store.", metavar="FOLDER_OR_STORE", show_default=False
    ),
]
Out = Annotated[
    str | None,
    typer.Option(
        help="Folder of the index, or an address such as s3://BUCKET/INDEX.", metavar="INDEX", show_default=False
    ),
]
Window = Annotated[
    float | None, typer.Option(help="Seconds of a window; that of the model, rounded up to 0.5 s, by default.")
]
Step = Annotated[float | None, typer.Option(help="Seconds from one window to the next; half a window by default.")]


class Precision(StrEnum):
    """How vectors are stored."""

    float32 = "float32"
    float16 = "float16"


Vectors = Annotated[
    Precision | None,
    typer.Option(
        help="How vectors are stored, float32 by default; float16 halves the disk and the memory of a search.",
        show_default=False,
    ),
]
Workers = Annotated[int | None, typer.Option(help="Decoding processes; one per core by default, 0 = none.")]
EncodingEngine = Annotated[
    EngineName, typer.Option(help="Who decodes and encodes: processes of this machine, or a Ray cluster.")
]
Restart = Annotated[
    bool, typer.Option("--restart", help="Make it anew; the old one answers until the new one is finished.")
]
Prune = Annotated[bool, typer.Option("--prune", help="Take out files that are gone, even if more than half are.")]
Watch = Annotated[
    bool,
    typer.Option(
        "--watch", help="Keep following the folder until Ctrl-C; --restart and --prune hold for the first time."
    ),
]
Check = Annotated[
    str | None,
    typer.Option(
        help="Compare the vectors of this index, its list of files, and the disk; change none of them.",
        metavar="INDEX",
        show_default=False,
    ),
]
SelfTest = Annotated[
    str | None,
    typer.Option(
        help="Ask this index with its own vectors: how many of the best windows are found, and how fast.",
        metavar="INDEX",
        show_default=False,
    ),
]
Questions = Annotated[int, typer.Option(help="With --self-test: questions of each kind.", min=1, max=10_000)]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "index",
        short_help="Make footage searchable.",
        epilog=examples(
            "vlsa index run footage --out index",
            "vlsa index run footage --out index --watch",
            "vlsa index run footage --out index --transcribe Systran/faster-whisper-small",
            "vlsa index run store --out store-index --restart",
            "vlsa index run footage --out s3://BUCKET/INDEX",
            "vlsa index run footage --out index --engine ray --ray-address head:6379",
            "vlsa index clip:FOLDER+clap:FOLDER footage --out index",
            "vlsa index --check index",
            "vlsa index --self-test index --questions 20",
        ),
    )(index)


def index(
    run: Run = None,
    source: Source = None,
    out: Out = None,
    window: Window = None,
    step: Step = None,
    vectors: Vectors = None,
    transcribe: Transcribe = None,
    workers: Workers = None,
    engine: EncodingEngine = EngineName.local,
    ray_address: RayAddress = None,
    restart: Restart = False,
    prune: Prune = False,
    watch: Watch = False,
    check: Check = None,
    self_test: SelfTest = None,
    questions: Questions = 50,
) -> None:
    """Make footage searchable. The same command again follows the folder: new, changed, moved and removed files.

    A moved or renamed file is not encoded again. A file that cannot be read is left out and listed in
    INDEX/index_report.jsonl; what lies in a folder that cannot be listed stays as it is. If more than half of the files
    are gone, as without their drive, all stay until --prune. A folder that was moved is given by its new place.
    """
    if check is not None:
        _check(check)
        return
    if self_test is not None:
        _self_test(self_test, questions)
        return
    named = {"RUN": run, "FOLDER_OR_STORE": source, "--out": out}
    if missing := [name for name, value in named.items() if value is None]:
        raise typer.BadParameter(f"{' and '.join(missing)} missing. Try: vlsa index run footage --out index")
    windows = {"window_seconds": window, "step_seconds": step, "vectors": None if vectors is None else vectors.value}
    if transcribe is not None:
        from vlsa.data.ingest.speech_model import WhisperModel

        windows["transcribe"] = WhisperModel.find(transcribe)
    options = {"num_workers": workers, "restart": restart, "prune": prune, **windows}
    with engine_of(engine, ray_address, workers) as chosen:
        options["engine"] = None if engine is EngineName.local else chosen
        (_watch if watch else _build)(run, source, out, options)


def _build(run: Path, source: Path, out: str, options: dict[str, Any]) -> None:
    from vlsa.retrieve.index.build import build_index

    with Bar("indexing") as bar:
        summary = build_index(run, source, out, progress=bar.update_part, **options)
    _print(summary)
    next_step("search", out, "what you look for")


def _print(summary: "IndexSummary") -> None:
    if summary.note:
        say(summary.note)
    print_text(summary)


def _watch(run: Path, source: Path, out: str, options: dict[str, Any]) -> None:
    from vlsa.retrieve.index.watch import watch_index

    for summary in watch_index(run, source, out, **options):
        _print(summary)
        say(f"watching {source}; Ctrl-C ends it")


def _check(path: str) -> None:
    """Print what differs. Raises typer.Exit with code 1 if anything does."""
    from vlsa.retrieve.index.check import check_index

    found = check_index(path)
    for line in found:
        print_text(line)
    if found:
        raise typer.Exit(1)
    print_text(f"{path}: vectors, list of files and disk agree.")


def _self_test(path: str, num_questions: int) -> None:
    """Print what is found of the best windows. Raises typer.Exit with code 1 where that is too little."""
    from vlsa.retrieve.search.self_test import HEADER, LEAST_RECALL, by_candidates, self_test
    from vlsa.retrieve.search.tables import SearchTables

    searched = SearchTables.open(path).searched
    found = self_test(searched, num_questions)
    how = "by candidates" if by_candidates(searched) else "exactly, as any index of its size"
    print_table(HEADER, [one.row() for one in found], title=f"{path} is searched {how}", right="|".join(HEADER[1:]))
    if not all(one.passes for one in found):
        print_text(f"Less than {LEAST_RECALL:g} of the ten best windows are found: ask with exact=True, in Python.")
        raise typer.Exit(1)
