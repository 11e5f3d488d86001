"""The command that compares two files of results: compare."""

from pathlib import Path
from typing import Annotated

import typer

from vlsa.base.console import say
from vlsa.base.errors import ConfigError
from vlsa.cli.app import examples
from vlsa.cli.output import print_json, print_table, print_text


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "compare",
        short_help="Test whether one model retrieves better than another.",
        epilog=examples(
            "vlsa compare a.json b.json",
            "vlsa compare a.json b.json --post dual-softmax --json",
            "vlsa compare a0.json a1.json a2.json --against b0.json --against b1.json --against b2.json",
        ),
    )(compare)


def compare(
    results: Annotated[
        list[Path],
        typer.Argument(help="Files of vlsa evaluate --out: A and B; with --against, all of A.", metavar="RESULTS"),
    ],
    against: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A file of B, if each side has several training seeds; may be repeated."),
    ] = None,
    post: Annotated[
        str, typer.Option(help="Compare these rows: a re-ranking, within-folder or within-file; none = the plain ones.")
    ] = "none",
    resamples: Annotated[int, typer.Option(help="Number of resamples of the clips.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed of the resamples.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="One object per line instead of a table.")] = False,
) -> None:
    """Compare two results query by query: A minus B in each metric, its 95% interval, and p.

    Both are scored on the same resamples of the clips, all queries of a clip together, so clips that are hard for both
    do not add noise. Several files per side are training seeds of one model: they are averaged, and the spread between
    them is included. A star marks rows that are significant after correction for all rows (Holm). Higher R@k is better,
    lower MedR and MeanR.
    """
    _check(results, against, resamples, seed)
    from vlsa.retrieve.evaluate.compare import TABLE_HEADER
    from vlsa.retrieve.evaluate.compare import compare as compare_results
    from vlsa.retrieve.evaluate.results_file import read_results

    of_a, of_b = (results, against) if against else (results[:1], results[1:])
    sides = ([read_results(path) for path in paths] for paths in (of_a, of_b))
    found = compare_results(*sides, post=post, num_resamples=resamples, seed=seed)
    if json:
        about = {"post_processing": found.post, "num_resamples": found.num_resamples, "seed": found.seed}
        about["files_without_clips"] = list(found.without_clips)
        print_json({**difference.as_dict(), **about} for difference in found.differences)
        if note := found.too_few_note():
            say(note)
    else:
        print_table(TABLE_HEADER, found.rows(), right="|".join(TABLE_HEADER[2:]))
        print_text(found.caption())


def _check(results: list[Path], against: list[Path] | None, resamples: int, seed: int) -> None:
    """Raises ConfigError for options that cannot be used with any files."""
    if not against and len(results) != 2:
        raise ConfigError(
            f"compare: {len(results)} file(s) given; which is A and which is B is not clear. "
            "Give two, or the files of B with --against."
        )
    if not 0 < resamples <= 10**6:
        raise ConfigError(f"--resamples {resamples}: a number from 1 to 1,000,000 is needed. The default is 10,000.")
    if seed < 0:
        raise ConfigError(f"--seed {seed}: a seed cannot be negative. The default is 0.")
