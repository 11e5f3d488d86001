"""The command that turns footage into a store: prepare."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlsa.base.console import Bar
from vlsa.cli.app import examples
from vlsa.cli.output import next_step, print_text
from vlsa.cli.speech import Transcribe, speech_of

if TYPE_CHECKING:
    from vlsa.data.ingest.manifest import ClipRow, Rejection
    from vlsa.data.store.shards import StoreSettings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "prepare",
        short_help="Turn a folder of video and audio files into a store of clips.",
        epilog=examples(
            "vlsa prepare footage store --recipe tiny",
            "vlsa prepare footage store --recipe tiny --window 4 --test-share 0.2 --scenes",
            "vlsa prepare footage store --recipe tiny --transcribe Systran/faster-whisper-small",
            "vlsa prepare clips.jsonl store --short-side 128 --workers 8",
            "vlsa prepare footage store --recipe tiny --add",
            "vlsa prepare clips.jsonl store --shard 3/16",
        ),
    )(prepare)


def prepare(
    source: Annotated[
        Path, typer.Argument(help="A folder of media files, or a list of clips (.jsonl).", metavar="FOLDER_OR_MANIFEST")
    ],
    store: Annotated[Path, typer.Argument(help="Folder for the prepared clips.", metavar="STORE")],
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Store what this recipe needs: tiny, small, base, large, huge or paper.", show_default="paper"
        ),
    ] = None,
    short_side: Annotated[int | None, typer.Option(help="Short side of the stored frames, in px.")] = None,
    frames_per_second: Annotated[float | None, typer.Option(help="Stored frames per second.")] = None,
    sample_rate: Annotated[
        int | None, typer.Option(help="Stored samples of audio per second, in Hz; CLAP and PE-AV need 48000.")
    ] = None,
    window: Annotated[float | None, typer.Option(help="Length in seconds of clips without timed text.")] = None,
    test_share: Annotated[float, typer.Option(help="Share of held-out files, if no table names splits.")] = 0.1,
    allow_outside: Annotated[
        bool, typer.Option("--allow-outside", help="Caption tables may name files outside of FOLDER.")
    ] = False,
    transcribe: Transcribe = None,
    scenes: Annotated[
        bool, typer.Option("--scenes", help="Look for cuts; no clip without a caption goes across one.")
    ] = False,
    workers: Annotated[int | None, typer.Option(help="Worker processes; one per core by default, 0 = none.")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Delete what STORE holds first.")] = False,
    add: Annotated[
        bool, typer.Option("--add", help="Add new files to STORE; what it holds stays as it is. Not with --shard.")
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            help="Make the i-th of n parts of the shards, next to processes that make the others.", metavar="I/N"
        ),
    ] = None,
) -> None:
    """Turn a folder of video and audio files into a store of clips to train on.

    Text is taken from FOLDER/captions.csv or captions.jsonl (path,start_seconds,stop_seconds,text), from cat.srt,
    cat.vtt or cat.en.srt next to cat.mp4, or from subtitles inside the file; files without text become clips of equal
    length; --transcribe gives each what is said in it. A clip that cannot be read is left out and listed in
    STORE/prepare_report.jsonl, and the rest continues.
    """
    from vlsa.data.store.holding import Part, check_options

    part = Part.parse(shard) if shard else None
    check_options(store, part, add=add, restart=restart)
    settings = _store_settings(recipe, short_side, frames_per_second, sample_rate, window)
    if source.is_file() and (transcribe or scenes):
        raise typer.BadParameter("--transcribe, --scenes: a list of clips has its texts and times. Name a folder.")
    rows, rejections = _rows(
        source,
        window_seconds=settings.window_seconds,
        test_share=test_share,
        num_workers=workers,
        allow_outside=allow_outside,
        speech=speech_of(transcribe, store, again=restart),
        scenes=store if scenes else None,
    )
    from vlsa.data.store import prepare as preparing
    from vlsa.data.store.summary import PartSummary

    with Bar("preparing clips") as bar:
        summary = preparing.prepare(
            rows,
            store,
            settings,
            num_workers=workers,
            rejections=rejections,
            restart=restart,
            add=add,
            part=part,
            progress=bar.update,
        )
    print_text(summary)
    if isinstance(summary, PartSummary):
        return
    next_step("pretrain", "--recipe", recipe or "tiny", "--data", store, "--out", "RUN")


def _rows(source: Path, **options: Any) -> "tuple[list[ClipRow], list[Rejection]]":
    """The clips of a manifest, or of a folder with its rejections; `options` are those of scan."""
    from vlsa.data.ingest import manifest
    from vlsa.data.ingest.scan import scan

    if source.is_file():
        return manifest.read(source), []
    with Bar("scanning files") as bar:
        return scan(source, progress=bar.update, **options)


def _store_settings(
    recipe: str | None,
    short_side_px: int | None,
    frames_per_second: float | None,
    sample_rate_hz: int | None,
    window_seconds: float | None,
) -> "StoreSettings":
    from vlsa.config.recipes import settings_of
    from vlsa.data.store.prepare import store_settings

    settings = store_settings(settings_of(recipe or "paper"))
    asked = {
        "short_side_px": short_side_px, "frames_per_second": frames_per_second,
        "sample_rate_hz": sample_rate_hz, "window_seconds": window_seconds,
    }  # fmt: skip
    return replace(settings, **{name: value for name, value in asked.items() if value is not None})
