"""Commands that export a model: export onnx, export hub."""

from pathlib import Path
from typing import Annotated

import typer

from vlsa.base.console import say
from vlsa.base.errors import ConfigError
from vlsa.cli.app import examples
from vlsa.cli.output import next_step, print_json, print_table, print_text


def register(app: typer.Typer) -> None:
    """Add the commands."""
    lines = (
        "vlsa export onnx run --out run-onnx",
        "vlsa export onnx run --out run-int8 --int8",
    )
    group = typer.Typer(
        help="Export a trained model for other programs, or other people.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command(
        "onnx",
        short_help="Write the three encoders as ONNX files.",
        epilog=examples(*lines, "vlsa evaluate run-onnx --data store"),
    )(onnx)
    group.command(
        "hub",
        short_help="Write a model as a repository of the Hugging Face hub.",
        epilog=examples(
            "vlsa export hub run --out run-hub --results results.json", "vlsa export hub run --push ORG/NAME"
        ),
    )(hub)
    app.add_typer(
        group, name="export", short_help="Export a model: to ONNX, or to the Hugging Face hub.", epilog=examples(*lines)
    )


def onnx(
    run: Annotated[Path, typer.Argument(help="A run made by vlsa pretrain, or one of its checkpoints.", metavar="RUN")],
    out: Annotated[Path, typer.Option(help="Folder for the files; an existing export is replaced.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="Weights of the transformer in 8 bits: smaller, faster, less exact.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One object per line instead of a table.")] = False,
) -> None:
    """Write the three encoders of a model as ONNX files, after comparing each with the run.

    OUT holds video.onnx, audio.onnx, text.onnx, tokenizer.json and export.json. It can replace the run in vlsa
    evaluate, index and search. In float32 its vectors equal those of the run to 1e-4, otherwise nothing is written; an
    index of the run can be searched with it. Needs pip install '.[export]'.
    """
    from vlsa.retrieve.encode.onnx.write import export_onnx

    written = export_onnx(run, out, int8=int8, progress=say)
    if json:
        print_json(encoder.as_dict() for encoder in written.encoders)
        return
    rows = [encoder.row() for encoder in written.encoders]
    print_table(
        ("encoder", "MB", "largest difference", "least cosine"), rows, right="MB|largest difference|least cosine"
    )
    print_text(written)
    next_step("evaluate", out, "--data", "STORE")


def hub(
    run: Annotated[Path, typer.Argument(help="A run made by vlsa pretrain, or one of its checkpoints.", metavar="RUN")],
    out: Annotated[Path | None, typer.Option(help="Folder for the files.")] = None,
    push: Annotated[
        str | None, typer.Option(help="Repository to upload them to, as ORG/NAME; needs hf auth login.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="File of vlsa evaluate --out, for the table of the model card.")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="A new repository is visible to its owner only.")] = False,
) -> None:
    """Write a model as a repository of the Hugging Face hub: model.safetensors, config.json, tokenizer.json, README.md.

    vlsa:FOLDER and vlsa:ORG/NAME can be given wherever a command takes RUN. From Python: vlsa.HubEncoder. Needs
    pip install '.[public]'.
    """
    if out is None and push is None:
        raise ConfigError("export hub: neither --out nor --push is given; there is nothing to write to. Give one.")
    from vlsa.retrieve.encode.encoders import load_run
    from vlsa.retrieve.evaluate.hub import HubEncoder

    encoder, card = HubEncoder.of(load_run(run, "cpu")), {"results": results}
    if out is not None:
        encoder.save_pretrained(out, model_card_kwargs=card)
        print_text(f"{out}: written.")
        next_step("evaluate", f"vlsa:{out}", "--data", "STORE")
    if push is not None:
        print_text(f"{encoder.push_to_hub(push, private=private, model_card_kwargs=card)}: uploaded.")
