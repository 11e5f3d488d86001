"""The command that serves indexes over HTTP: serve."""

from pathlib import Path
from typing import Annotated

import typer

from vlsa.base.errors import ConfigError
from vlsa.cli.app import examples


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "serve",
        short_help="Open a page that searches an index.",
        epilog=examples(
            "vlsa serve index",
            "vlsa serve index other-index --port 9000",
            "vlsa serve index --host 0.0.0.0 --token-file token.txt",
        ),
    )(serve)


def serve(
    indexes: Annotated[list[Path], typer.Argument(help="Indexes made by vlsa index.", metavar="INDEX...")],
    host: Annotated[str, typer.Option(help="The address to listen at; 0.0.0.0 is all of this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen at.")] = 8765,
    token_file: Annotated[
        Path | None, typer.Option(help="A file that holds the token; only who has it may ask.", show_default=False)
    ] = None,
    token: Annotated[
        str | None, typer.Option(help="The token itself; others on this machine can see it.", show_default=False)
    ] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Let others in without a token.")] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="A name by which this server is called, as behind a proxy.", metavar="NAME"),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            help="Where the server keeps its files; INDEX/serve, of an address ~/.local/share/vlsa/serve.",
            show_default=False,
        ),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(help="The run, or public encoder, that made the index, if it was moved.", show_default=False),
    ] = None,
    source: Annotated[
        Path | None, typer.Option(help="The folder of the footage, if it was moved.", show_default=False)
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes that decode images and sounds.")] = 2,
    open_page: Annotated[bool, typer.Option("--open", help="Show the page in a browser.")] = False,
    log_questions: Annotated[
        bool, typer.Option("--log-questions", help="Write what is asked into the log; off, it holds times alone.")
    ] = False,
) -> None:
    """Serve a page, and an HTTP interface, that search one or more indexes: until Ctrl-C.

    Only this machine can connect, unless --host says otherwise.
    """
    from vlsa.serve.http.settings import ServeSettings
    from vlsa.serve.run import run as serve_until_stopped

    if token is not None and token_file:
        raise ConfigError("serve: --token and --token-file; which one holds is not clear. Give one of them.")
    settings = ServeSettings(
        indexes=tuple(indexes),
        run=run,
        source=source,
        host=host,
        port=port,
        token=_read_token(token_file) if token_file else token,
        insecure=insecure,
        allowed_hosts=tuple(allow_host or ()),
        state=state,
        num_workers=workers,
        log_questions=log_questions,
    )
    serve_until_stopped(settings, open_page=open_page)


def _read_token(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except ValueError as error:
        raise ConfigError(f"{path}: not text; it holds no token. Write one line into it.") from error
