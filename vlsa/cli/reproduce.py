"""The command that makes the paper's tables and figures: reproduce."""

import inspect
import textwrap
from pathlib import Path
from typing import Annotated

import typer

from vlsa.base.console import printable
from vlsa.base.errors import ConfigError
from vlsa.cli.app import examples
from vlsa.cli.output import short_path
from vlsa.config.overrides import nearest
from vlsa.reproduce.plan import Plan
from vlsa.reproduce.targets import DATA_SETS, NAMES, TARGETS, target

MOST_SEEDS = 1000
BENCHMARKS = tuple(dict.fromkeys(DATA_SETS.values()))
ABOUT = {one.name: one.title.split(": ")[-1] for one in TARGETS.values()} | {
    "table7": "cost: parameters, FLOPs, hours, latency"
}
HELP_COLUMNS = 76
"""Of a terminal of 80, what the indentation of the help leaves."""
Pairs = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PAIR",
        help="What fine-tuning matches: text-video, text-audio or audio-video; may be repeated. The first two by "
        "default.",
    ),
]
Benchmark = Annotated[
    str,
    typer.Option(
        help=f"The evaluated data set is one of the paper ({', '.join(BENCHMARKS)}): show its numbers next to ours."
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Change a setting of the recipe; may be repeated."),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "reproduce",
        short_help="Make a table or figure of the paper: train, evaluate, draw.",
        help=f"{inspect.getdoc(reproduce)}\n\n\b\nTables and figures:\n{_list_of_targets()}",
        epilog=examples(
            "vlsa reproduce table5 --data store --out paper-tables --recipe paper",
            "vlsa reproduce table5 --data world:train=3000,test=1000 --out tables --budget-steps 400 --batch-size 96 "
            "--finetune-data world:train=600,test=0,first=100000",
            "vlsa reproduce figure5 --data store --finetune-data msrvtt --evaluate-data msrvtt --benchmark msrvtt "
            "--out tables",
            "vlsa reproduce table7 --recipe paper --out tables",
        ),
    )(reproduce)


def _list_of_targets() -> str:
    """Names and what each shows, in two columns."""
    wide = max(map(len, ABOUT)) + 2
    lines = (
        textwrap.fill(f"{name:{wide}}{about[0].upper()}{about[1:]}", HELP_COLUMNS, subsequent_indent=" " * wide)
        for name, about in ABOUT.items()
    )
    return textwrap.indent("\n".join(lines), "  ")


def reproduce(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(NAMES)}.", metavar="TABLE")],
    out: Annotated[Path, typer.Option(help="Folder of the runs, tables and figures.")],
    data: Annotated[str, typer.Option(help="Store, or made world, to pre-train on.")] = "",
    finetune_data: Annotated[str, typer.Option(help="Store to fine-tune on; that of --data by default.")] = "",
    evaluate_data: Annotated[str, typer.Option(help="Store to evaluate on; that of --data by default.")] = "",
    recipe: Annotated[str, typer.Option(help="Size of the model: tiny, small, base or paper.")] = "tiny",
    seeds: Annotated[int, typer.Option(help="Number of training seeds.")] = 3,
    budget_steps: Annotated[
        int | None, typer.Option(help="Steps of each pre-training; those of the recipe by default.")
    ] = None,
    epochs: Annotated[int, typer.Option(help="Epochs of fine-tuning.")] = 20,
    batch_size: Annotated[int, typer.Option(help="Batch size of fine-tuning (table7: of the measured step).")] = 256,
    pair: Pairs = None,
    split: Annotated[str, typer.Option(help="Split to evaluate: test or val.")] = "test",
    benchmark: Benchmark = "",
    vocabulary: Annotated[Path | None, typer.Option(help="BERT's vocab.txt, as for pretrain.")] = None,
    changes: Changes = None,
) -> None:
    """Train what a table or figure needs, evaluate it, and write OUT/TABLE.md, .json and .png.

    Finished runs are kept and shared between tables of one folder; an interrupted run resumes. Below the table is
    whether the paper's order holds. table5 with 3 seeds is 9 pre-trainings and 12 fine-tunings: try --seeds 1 and
    --budget-steps first. table7 trains nothing, and needs no --data.
    """
    from vlsa.reproduce import reproduce as make

    _check_numbers(name, seeds=seeds, budget_steps=budget_steps, batch_size=batch_size)
    if name == "table7":
        _print(make.reproduce_cost(recipe, changes or [], out, batch_size, vocabulary))
        return
    wanted = target(name)
    _check_data(name, data, benchmark)
    plan = Plan(
        recipe=recipe,
        data=data,
        finetune_data=finetune_data,
        evaluate_data=evaluate_data,
        split=split,
        budget_steps=budget_steps,
        pairs=tuple(pair or Plan.pairs),
        epochs=epochs,
        batch_size=batch_size,
        vocabulary=str(vocabulary or ""),
        assignments=tuple(changes or ()),
    )
    _print(make.reproduce(wanted, plan, seeds, out, benchmark))


def _check_numbers(name: str, **numbers: int | None) -> None:
    """Raises ConfigError for a number of seeds, steps or clips that is below 1."""
    for option, number in numbers.items():
        if number is not None and number < 1:
            raise ConfigError(f"reproduce {name}: --{option.replace('_', '-')} {number}: must be at least 1.")
    if numbers["seeds"] and numbers["seeds"] > MOST_SEEDS:
        raise ConfigError(
            f"reproduce {name}: --seeds {numbers['seeds']} would never end. Give {MOST_SEEDS} at most; 3 are usual."
        )


def _check_data(name: str, data: str, benchmark: str) -> None:
    """Raises ConfigError where there is nothing to train on, and for a benchmark that the paper does not have."""
    if not data:
        raise ConfigError(
            f"reproduce {name}: no --data; there is nothing to train on. "
            "Give a store, or a made world: --data world:train=3000,test=1000"
        )
    if benchmark and benchmark not in BENCHMARKS:
        raise ConfigError(
            f"--benchmark {benchmark}: the paper's table has no such data. {nearest(benchmark, BENCHMARKS)}"
        )


def _print(files: list[Path]) -> None:
    """Print the table, then the paths of the files."""
    for line in files[0].read_text(encoding="utf-8").split("\n"):
        print(printable(line))
    for path in files:
        print(short_path(path))
