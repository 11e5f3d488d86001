"""Commands that train: pretrain and finetune."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlsa.base.console import duration
from vlsa.cli.app import DATA_HELP, examples
from vlsa.cli.output import next_step, print_table, print_text

if TYPE_CHECKING:
    from vlsa.model.warm_start import Report
    from vlsa.pretrain.loop import RunSummary


Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Change a setting, as train.num_steps=2000; may be repeated. config.json of a run has all of them.",
    ),
]
Vocabulary = Annotated[
    Path | None,
    typer.Option(
        help="BERT's vocab.txt, for base and larger; by default it is downloaded from the hub as "
        "bert-base-uncased. tiny and small learn a vocabulary from the captions."
    ),
]
Init = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SOURCE",
        help="Initialise from a public ViT, ViTMAE, CLIP, VideoMAE, BERT or AST: a folder or a hub id, or "
        "audio=FOLDER for one modality alone; may be repeated.",
    ),
]
ReportTo = Annotated[
    list[str] | None,
    typer.Option(
        "--report-to",
        metavar="TRACKER",
        help="Also log to wandb or mlflow (extras of those names); may be repeated. tensorboard is always on if it is "
        "installed.",
    ),
]
AllowChanges = Annotated[
    bool,
    typer.Option(
        "--allow-changes", help="Resume a run with other settings than it was started with; they are listed. Not exact."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        "pretrain",
        short_help="Train a model on a store, or resume a run.",
        epilog=examples(
            "vlsa pretrain --recipe tiny --data store --out run",
            "vlsa pretrain --recipe tiny --data store --out longer --set train.num_steps=2000 --set train.seed=1",
            "vlsa pretrain --recipe paper --data store --out paper --vocabulary vocab.txt",
            "vlsa pretrain --recipe paper --data store --out warm --init facebook/vit-mae-base "
            "--set model.encoder.norm_eps=1e-12 --set model.encoder.positions=learned",
            "vlsa pretrain --recipe paper --data store --out run --report-to wandb --report-to mlflow",
        ),
    )(pretrain)
    app.command(
        "finetune",
        short_help="Fine-tune a pre-trained model for retrieval.",
        epilog=examples(
            "vlsa finetune run --data store --out fine",
            "vlsa finetune run --data store --out fine --pair text-video --epochs 5 --batch-size 64",
            "vlsa finetune run --data store --out fine --pair text-audio --set train.learning_rate=1e-5",
        ),
    )(finetune)


def pretrain(
    recipe: Annotated[
        str,
        typer.Option(help="Named settings: tiny, small, base, large, huge, paper; or a variant: tiny/gam-only."),
    ],
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    out: Annotated[Path, typer.Option(help="Folder of the run: checkpoints, settings, metrics.")],
    changes: Changes = None,
    vocabulary: Vocabulary = None,
    init: Init = None,
    report_to: ReportTo = None,
    allow_changes: AllowChanges = False,
) -> None:
    """Train a model on the clips of a store, from scratch or from public weights, or resume a run that was stopped.

    Ctrl-C or SIGTERM ends after the current step, with a checkpoint. A run that was killed resumes from its last
    checkpoint when the same command is given again, and ends with the same weights. Watch it with: tensorboard
    --logdir RUN

    On several GPUs: torchrun --nproc-per-node 8 -m vlsa.cli pretrain ...; the result is that of one GPU.
    """
    from vlsa.config.recipes import settings_of
    from vlsa.data.loading.dataset import can_measure
    from vlsa.pretrain import start
    from vlsa.retrieve.evaluate.evaluate import held_out_evaluator

    config = settings_of(recipe, changes or ())
    start.log_idle(config, changes or ())
    summary = start.pretrain(
        config,
        data,
        out,
        vocabulary,
        make_evaluator=held_out_evaluator,
        init=init or (),
        on_initialised=_print_warm_start,
        trackers=report_to or (),
        allow_changes=allow_changes,
    )
    print_run(out, summary)
    if can_measure(data):
        next_step("evaluate", out, "--data", data)
    else:
        next_step("index", out, "FOLDER", "--out", "INDEX")


def _print_warm_start(report: "Report") -> None:
    print_table(report.HEADER, report.rows, title="What the model is initialised from")


def print_run(out: Path, summary: "RunSummary") -> None:
    """Print a summary of the run in one line."""
    loss = f", loss {summary.metrics['loss']:.3f}" if "loss" in summary.metrics else ""
    done = "finished already" if summary.resumed_from == summary.step else "finished"
    resumed = f", resumed at step {summary.resumed_from}" if 0 < summary.resumed_from < summary.step else ""
    steps = f"{summary.step} step" + "s" * (summary.step != 1)
    few = ": so few that only held-out clips show what it learned" if summary.data.is_small else ""
    data = f", on {summary.data.num_clips:,} clips{few}"
    print_text(f"{out}: {done}: {steps} in {duration(summary.seconds)} of training{resumed}{loss}{data}.")


def finetune(
    run: Annotated[Path, typer.Argument(help="A run made by vlsa pretrain, or one of its checkpoints.", metavar="RUN")],
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    out: Annotated[Path, typer.Option(help="Folder of the new run; RUN stays as it is.")],
    pair: Annotated[
        list[str] | None,
        typer.Option(metavar="PAIR", help="What to match: text-video, text-audio or audio-video; may be repeated."),
    ] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the training clips.")] = 20,
    batch_size: Annotated[int, typer.Option(help="Clips per step.")] = 256,
    changes: Changes = None,
    report_to: ReportTo = None,
    allow_changes: AllowChanges = False,
) -> None:
    """Fine-tune a pre-trained model for retrieval, with contrast only, on the pairs of modalities that it needs.

    Without --pair, text is matched with video and with audio. The defaults are those of the paper. The same command
    resumes an interrupted run. The last step is used, not the best on a test split.
    """
    from vlsa.pretrain import start
    from vlsa.retrieve.evaluate.evaluate import held_out_evaluator

    summary = start.finetune(
        run,
        data,
        out,
        pairs=pair or ["text-video", "text-audio"],
        num_epochs=epochs,
        batch_size=batch_size,
        make_evaluator=held_out_evaluator,
        assignments=changes or (),
        trackers=report_to or (),
        allow_changes=allow_changes,
    )
    print_run(out, summary)
    next_step("evaluate", out, "--data", data)
