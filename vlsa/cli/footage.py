"""Commands that make footage and prepare it: make-world and prepare."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlsa import jobs
from vlsa.cli.app import examples
from vlsa.cli.show import next_step, print_text
from vlsa.logs import duration

if TYPE_CHECKING:
    from vlsa.data.shards import StoreSettings


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        "make-world",
        short_help="Make footage to try things on.",
        epilog=examples("vlsa make-world world", "vlsa make-world small-world --train 300 --test 50 --seed 1"),
    )(make_world)
    app.command(
        "prepare",
        short_help="Turn a folder of videos and sounds into a store of clips.",
        epilog=examples(
            "vlsa prepare footage store --recipe tiny",
            "vlsa prepare footage store --recipe tiny --window 4 --test-share 0.2",
            "vlsa prepare clips.jsonl store --short-side 128 --workers 8",
        ),
    )(prepare)


def make_world(
    folder: Annotated[Path, typer.Argument(help="Where the clips go.", metavar="FOLDER")],
    train: Annotated[int, typer.Option(help="Clips to learn from.")] = 3000,
    test: Annotated[int, typer.Option(help="Held-out clips, of combinations that are not in the others.")] = 200,
    seed: Annotated[int, typer.Option(help="The same seed makes the same clips.")] = 0,
    workers: Annotated[int | None, typer.Option(help="Processes; one per core by default, 0 = none but this.")] = None,
) -> None:
    """Make footage to try things on: short .mp4 clips in which shapes move, collide and sound, with captions.

    Colour and shape are only seen, material and what happens off screen are only heard, and impacts are both.
    FOLDER/captions.csv says which clips are held out; FOLDER/truth.jsonl tells all that happens.
    """
    summary = jobs.make_world(folder, train, test, seed, jobs.usable_cores() if workers is None else workers)
    print_text(
        f"{folder}: {summary.num_train} clips to learn from and {summary.num_test} held out, {summary.num_captions} "
        f"captions ({summary.num_written} written now, {duration(summary.seconds)})."
    )
    next_step("prepare", folder, "STORE", "--recipe", "tiny")


def prepare(
    source: Annotated[
        Path, typer.Argument(help="A folder of media files, or a list of clips (.jsonl).", metavar="FOLDER_OR_MANIFEST")
    ],
    store: Annotated[Path, typer.Argument(help="Where the clips are kept, ready for training.", metavar="STORE")],
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Keep what this recipe needs: tiny, small, base, large, huge or paper.", show_default="paper"
        ),
    ] = None,
    short_side: Annotated[int | None, typer.Option(help="Short side of the pictures kept, in px.")] = None,
    frames_per_second: Annotated[float | None, typer.Option(help="Pictures kept of each second.")] = None,
    window: Annotated[float | None, typer.Option(help="Seconds of a clip where no text says its times.")] = None,
    test_share: Annotated[float, typer.Option(help="Share of the files held out, if no table says which.")] = 0.1,
    workers: Annotated[int | None, typer.Option(help="Processes; one per core by default, 0 = none but this.")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Throw away what STORE holds.")] = False,
) -> None:
    """Turn a folder of videos and sounds into a store of clips to train on.

    Words are taken from FOLDER/captions.csv or captions.jsonl (path,start_seconds,stop_seconds,text), from cat.srt or
    cat.vtt beside cat.mp4, or from subtitles inside the file; files without words become clips of equal length. A clip
    that cannot be read is left out, with its reason in STORE/prepare_report.jsonl, and the rest goes on.
    """
    settings = _store_settings(recipe, short_side, frames_per_second, window)
    summary = jobs.prepare(source, store, settings, test_share=test_share, num_workers=workers, restart=restart)
    print_text(summary)
    next_step("pretrain", "--recipe", recipe or "tiny", "--data", store, "--out", "RUN")


def _store_settings(
    recipe: str | None, short_side_px: int | None, frames_per_second: float | None, window_seconds: float | None
) -> "StoreSettings":
    settings = jobs.store_settings(jobs.settings_of(recipe or "paper"))
    asked = {
        "short_side_px": short_side_px, "frames_per_second": frames_per_second, "window_seconds": window_seconds
    }  # fmt: skip
    return replace(settings, **{name: value for name, value in asked.items() if value is not None})
