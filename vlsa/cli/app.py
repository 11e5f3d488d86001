"""The frame of the command line: the group of commands, what becomes of errors, and the words of its help."""

import errno
import io
import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from vlsa import __version__
from vlsa.base.console import say
from vlsa.base.errors import VlsaError
from vlsa.base.launch import started, under_torchrun

ABOUT = """Video, sound and words in one model: train it on your own footage, then search with it.

\b
The whole way on made footage, in one command:
  vlsa demo demo

\b
On your own, step by step:
  vlsa prepare footage store --recipe tiny
  vlsa pretrain --recipe tiny --data store --out run
  vlsa evaluate run --data store
  vlsa index run footage --out index
  vlsa search index "a dog barks twice"

Each step stopped by Ctrl-C, or worse, goes on where it was when the same command is run again.
"""


DISK_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG})
"""What a write raises without naming the file."""


class Commands(TyperGroup):
    """Runs a command; what a person can mend becomes one line and exit code 2."""

    def invoke(self, ctx: Any) -> Any:
        """The command's value. Raises typer.Exit."""
        _make_stdout_sure()
        try:
            value = super().invoke(ctx)
            sys.stdout.flush()  # a pipe that was closed is found out here, not when Python ends
            return value
        except VlsaError as error:
            _tell(" ".join(str(error).split()))
            raise typer.Exit(2) from None
        except OSError as error:  # a full disk, a folder without rights: not ours, but a person can mend it
            if error.filename is None and error.errno not in DISK_FAULTS:
                raise
            where = error.filename or "the disk"
            what = f"{where}: cannot be read or written ({error.strerror}); the command needs it."
            _tell(f"{what} Check the path, the rights, and the room on the disk.")
            raise typer.Exit(2) from None
        except KeyboardInterrupt as stop:
            if started().main:
                say(str(stop) or "stopped; the same command goes on where it was")
            raise typer.Exit(getattr(stop, "exit_code", 130)) from None


def _tell(message: str) -> None:
    """Of several processes with the same trouble one says so."""
    if under_torchrun():
        from vlsa.base.processes import first_to_tell

        if not first_to_tell():
            return
    say(message)


def _make_stdout_sure() -> None:
    """A file's name may hold what the terminal cannot show, and a caller may have closed stdout: no reason to fail."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    elif isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        is_utf8 = sys.stdout.encoding.lower().replace("-", "") == "utf8"
        sys.stdout.reconfigure(errors="surrogateescape" if is_utf8 else "backslashreplace")


DATA_HELP = "A store made by vlsa prepare; or a made world, without files: world:train=3000,test=200,px=64."


def examples(*lines: str) -> str:
    """The end of a command's help."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def _print_version(asked: bool) -> bool:
    if asked:
        typer.echo(f"vlsa {__version__}")
        raise typer.Exit
    return asked


app = typer.Typer(
    cls=Commands,
    help=ABOUT,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback()
def _start(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    pass
