"""The command that makes synthetic footage: make-world."""

from pathlib import Path
from typing import Annotated

import typer

from vlsa.base.console import Bar, duration
from vlsa.base.launch import usable_cores
from vlsa.cli.app import examples
from vlsa.cli.output import next_step, print_text


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "make-world",
        short_help="Make synthetic footage with captions.",
        epilog=examples("vlsa make-world world", "vlsa make-world small-world --train 300 --test 50 --seed 1"),
    )(make_world)


def make_world(
    folder: Annotated[Path, typer.Argument(help="Folder for the clips.", metavar="FOLDER")],
    train: Annotated[int, typer.Option(help="Training clips.")] = 3000,
    test: Annotated[int, typer.Option(help="Held-out clips, of combinations that training lacks.")] = 200,
    seed: Annotated[int, typer.Option(help="The same seed gives the same clips.")] = 0,
    workers: Annotated[int | None, typer.Option(help="Worker processes; one per core by default, 0 = none.")] = None,
) -> None:
    """Make synthetic footage: short .mp4 clips in which shapes move, collide and make sounds, with captions.

    Colour and shape are in the video only, material and off-screen sounds in the audio only, impacts in both.
    FOLDER/captions.csv has captions and splits; FOLDER/truth.jsonl lists all events.
    """
    from vlsa.data.world import write

    num_workers = usable_cores() if workers is None else workers
    with Bar("making clips") as bar:
        summary = write.make_world(
            folder, num_train=train, num_test=test, seed=seed, num_workers=num_workers, progress=bar.update
        )
    print_text(
        f"{folder}: {summary.num_train} training clips and {summary.num_test} held out, {summary.num_captions} "
        f"captions ({summary.num_written} written now, {duration(summary.seconds)})."
    )
    next_step("prepare", folder, "STORE", "--recipe", "tiny")
