"""The command that draws what a model does: show."""

from pathlib import Path
from typing import Annotated

import typer

from vlsa.base.console import Bar, say
from vlsa.cli.app import DATA_HELP, examples
from vlsa.cli.output import print_json, print_table, short_path


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        "show",
        short_help="Draw what a model does: figures, a gallery, and their numbers.",
        epilog=examples(
            "vlsa show run --data store --out figures",
            "vlsa show run --data store --out figures --split train --clips 8",
            "vlsa show run --data world:test=200 --out figures --json",
        ),
    )(show)


def show(
    run: Annotated[Path, typer.Argument(help="A run made by vlsa pretrain, or one of its checkpoints.", metavar="RUN")],
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    out: Annotated[Path, typer.Option(help="Folder for the figures.")],
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    clips: Annotated[int, typer.Option(help="Clips in each figure, and queries in each direction.")] = 4,
    json: Annotated[bool, typer.Option("--json", help="One object per line instead of a table.")] = False,
) -> None:
    """Draw what a model does with the clips of a split, and print the numbers of the figures.

    Writes OUT/reconstructions.png (masked patches and tokens, reconstructed), OUT/where_is_the_sound.png (similarity of
    each part of a frame to the audio; with the hit rate on a made world), OUT/gallery.html (queries and their results,
    to watch and listen to), OUT/embedding.png (positive and negative pairs) and OUT/figures.json.
    """
    from vlsa.data.loading.dataset import open_dataset
    from vlsa.retrieve.encode.encoders import load_run
    from vlsa.show.figures import write_figures

    encoder, dataset = load_run(run), open_dataset(data)
    with Bar("drawing figures") as bar:
        figures = write_figures(encoder, dataset, out, data=data, split=split, num_clips=clips, progress=bar.update)
    for note in figures.notes:
        say(note)
    if json:
        print_json(number.as_dict() for number in figures.numbers)
        return
    from vlsa.show.compute.numbers import TABLE_HEADER

    print_table(TABLE_HEADER, [number.row() for number in figures.numbers], right="value")
    for path in figures.files:
        print(short_path(path))
