"""The command that turns footage into a store: prepare."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlsa.base.console import Bar, say
from vlsa.cli.app import examples
from vlsa.cli.engine import EngineName, EngineOption, RayAddress, engine_of
from vlsa.cli.output import next_step, print_text
from vlsa.cli.speech import Transcribe, speech_of

if TYPE_CHECKING:
    from vlsa.data.ingest.manifest import ClipRow, Rejection
    from vlsa.data.store.shards import StoreSettings
    from vlsa.data.store.summary import PartSummary, PrepareSummary
    from vlsa.data.store.watch import Listing


Source = Annotated[
    Path, typer.Argument(help="A folder of media files, or a list of clips (.jsonl).", metavar="FOLDER_OR_MANIFEST")
]
Store = Annotated[
    str, typer.Argument(help="Folder for the prepared clips, or an address such as s3://BUCKET/STORE.", metavar="STORE")
]
Recipe = Annotated[
    str | None,
    typer.Option(help="Store what this recipe needs: tiny, small, base, large, huge or paper.", show_default="paper"),
]
ShortSide = Annotated[int | None, typer.Option(help="Short side of the stored frames, in px.")]
FrameRate = Annotated[float | None, typer.Option(help="Stored frames per second.")]
SampleRate = Annotated[
    int | None, typer.Option(help="Stored samples of audio per second, in Hz; CLAP and PE-AV need 48000.")
]
Window = Annotated[float | None, typer.Option(help="Length in seconds of clips without timed text.")]
TestShare = Annotated[float, typer.Option(help="Share of held-out files, if no table names splits.")]
AllowOutside = Annotated[bool, typer.Option("--allow-outside", help="Caption tables may name files outside of FOLDER.")]
Scenes = Annotated[bool, typer.Option("--scenes", help="Look for cuts; no clip without a caption goes across one.")]
Drop = Annotated[
    list[str] | None,
    typer.Option(
        help="Leave out clips with no_video, no_sound or no_text; may be given several times.", metavar="LACK"
    ),
]
Workers = Annotated[int | None, typer.Option(help="Worker processes; one per core by default, 0 = none.")]
Restart = Annotated[bool, typer.Option("--restart", help="Delete what STORE holds first.")]
Add = Annotated[
    bool,
    typer.Option(
        "--add", help="Add new files to STORE; what it holds stays, also of files that are gone. Not with --shard."
    ),
]
Watch = Annotated[bool, typer.Option("--watch", help="Add new files to STORE as they appear in FOLDER, until Ctrl-C.")]
Shard = Annotated[
    str | None,
    typer.Option(help="Make the i-th of n parts of the shards, next to processes that make the others.", metavar="I/N"),
]


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
            "vlsa prepare footage store --recipe tiny --watch --drop no_sound",
            "vlsa prepare clips.jsonl store --shard 3/16",
            "vlsa prepare footage s3://bucket/store --recipe tiny",
            "vlsa prepare clips.jsonl store --engine ray --ray-address head:6379",
        ),
    )(prepare)


def prepare(
    source: Source,
    store: Store,
    recipe: Recipe = None,
    short_side: ShortSide = None,
    frames_per_second: FrameRate = None,
    sample_rate: SampleRate = None,
    window: Window = None,
    test_share: TestShare = 0.1,
    allow_outside: AllowOutside = False,
    transcribe: Transcribe = None,
    scenes: Scenes = False,
    drop: Drop = None,
    workers: Workers = None,
    restart: Restart = False,
    add: Add = False,
    watch: Watch = False,
    shard: Shard = None,
    engine: EngineOption = EngineName.local,
    ray_address: RayAddress = None,
) -> None:
    """Turn a folder of video and audio files into a store of clips to train on.

    Text is taken from FOLDER/captions.csv or captions.jsonl (path,start_seconds,stop_seconds,text), from cat.srt,
    cat.vtt or cat.en.srt next to cat.mp4, or from subtitles inside the file; files without text become clips of equal
    length; --transcribe gives each what is said in it. A clip that cannot be read is left out and listed in
    STORE/prepare_report.jsonl, and the rest continues.
    """
    from vlsa.data.store.holding import Part, check_options

    _check_source(source, store, is_watched=watch, begins_anew=bool(restart or shard), looks=bool(transcribe or scenes))
    part = Part.parse(shard) if shard else None
    check_options(store, part, add=add or watch, restart=restart)
    kept = _folder_for_findings(store, is_needed=bool(transcribe or scenes))
    settings = _store_settings(
        recipe,
        short_side_px=short_side,
        frames_per_second=frames_per_second,
        sample_rate_hz=sample_rate,
        window_seconds=window,
        drop=None if drop is None else tuple(drop),
    )
    scanning = {
        "window_seconds": settings.window_seconds,
        "test_share": test_share,
        "num_workers": workers,
        "allow_outside": allow_outside,
        "speech": speech_of(transcribe, kept, again=restart),
        "scenes": kept if scenes else None,
        "begin_share": (part.number - 1) / part.of if part else 0.0,
    }
    options = {"settings": settings, "restart": restart, "add": add or watch, "part": part}
    with engine_of(engine, ray_address, workers) as chosen:
        list_clips = partial(_rows, source, engine=chosen, **scanning)
        make = partial(_prepare, store_path=store, engine=chosen, **options)
        if watch:
            _watch(list_clips, make, source, kept)
            return
        summary = make(*list_clips())
    _conclude(summary, recipe, store)


def _check_source(source: Path, store: str, *, is_watched: bool, begins_anew: bool, looks: bool) -> None:
    """Raises BadParameter for what cannot be done with a list of clips, or where a folder is followed."""
    from vlsa.data.store.objects import is_address

    if is_watched and is_address(store):
        raise typer.BadParameter("--watch: STORE is a folder. For one on an object store run --add again and again.")
    if is_watched and (source.is_file() or begins_anew):
        raise typer.BadParameter("--watch: follows a FOLDER, without --restart and --shard. Prepare with these first.")
    if source.is_file() and looks:
        raise typer.BadParameter("--transcribe, --scenes: a list of clips has its texts and times. Name a folder.")


def _conclude(summary: "PrepareSummary | PartSummary", recipe: str | None, store: str) -> None:
    from vlsa.data.store.summary import PartSummary

    print_text(summary)
    if not isinstance(summary, PartSummary):
        next_step("pretrain", "--recipe", recipe or "tiny", "--data", store, "--out", "RUN")


def _folder_for_findings(store: str, is_needed: bool) -> Path:
    """Where transcripts and cuts are kept. A store that cannot be reached is an error now, not after hours of work."""
    from vlsa.data.store.objects import Objects, is_address
    from vlsa.data.store.staging import Staging

    if not is_address(store):
        return Path(store)
    if is_needed:
        return Staging(store).fetch_kept()
    Objects(store).list()
    return Path()


def _rows(source: Path, **options: Any) -> "tuple[list[ClipRow], list[Rejection]]":
    """The clips of a manifest, or of a folder with its rejections; `options` are those of scan."""
    from vlsa.data.ingest import manifest
    from vlsa.data.ingest.scan import scan

    if source.is_file():
        return manifest.read(source), []
    with Bar("scanning files") as bar:
        return scan(source, progress=bar.update, **options)


def _prepare(
    rows: "Sequence[ClipRow]", rejections: "Sequence[Rejection]", **options: Any
) -> "PrepareSummary | PartSummary":
    """`options` are those of prepare."""
    from vlsa.data.store.prepare import prepare

    with Bar("preparing clips") as bar:
        return prepare(rows, rejections=rejections, progress=bar.update, **options)


def _watch(list_clips: "Callable[[], Listing]", add: "Callable[..., Any]", source: Path, store: Path) -> None:
    from vlsa.data.store.watch import watch_store

    for summary in watch_store(list_clips, add, source, store):
        print_text(summary)
        say(f"watching {source}; Ctrl-C ends it")


def _store_settings(recipe: str | None, **asked: Any) -> "StoreSettings":
    """Those of the recipe, but for what is asked (None = not)."""
    from vlsa.config.recipes import settings_of
    from vlsa.data.store.prepare import store_settings

    settings = store_settings(settings_of(recipe or "paper"))
    return replace(settings, **{name: value for name, value in asked.items() if value is not None})
