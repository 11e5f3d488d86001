"""The command that makes footage: make-world."""

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
        short_help="Make footage to try things on.",
        epilog=examples("vlsa make-world world", "vlsa make-world small-world --train 300 --test 50 --seed 1"),
    )(make_world)


def make_world(
    folder: Annotated[Path, typer.Argument(help="Where the clips go.", metavar="FOLDER")],
    train: Annotated[int, typer.Option(help="Clips to learn from.")] = 3000,
    test: Annotated[int, typer.Option(help="Held-out clips, of combinations that are not in the others.")] = 200,
    seed: Annotated[int, typer.Option(help="The same seed makes the same clips.")] = 0,
    workers: Annotated[int | None, typer.Option(help="Processes; one per core by default, 0 = none but this.")] = None,
) -> None:
    """Make footage to try things on: short .mp4 clips in which shapes move, collide and sound, with captions.

    Colour and shape are only seen, material and what happens off screen are only heard, and impacts are both.
    FOLDER/captions.csv says which clips are held out; FOLDER/truth.jsonl lists all that happens.
    """
    from vlsa.data.world import write

    num_workers = usable_cores() if workers is None else workers
    with Bar("making clips") as bar:
        summary = write.make_world(
            folder, num_train=train, num_test=test, seed=seed, num_workers=num_workers, progress=bar.update
        )
    print_text(
        f"{folder}: {summary.num_train} clips to learn from and {summary.num_test} held out, {summary.num_captions} "
        f"captions ({summary.num_written} written now, {duration(summary.seconds)})."
    )
    next_step("prepare", folder, "STORE", "--recipe", "tiny")
