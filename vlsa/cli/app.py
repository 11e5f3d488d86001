"""The frame of the command line: the group of commands, the handling of errors, and the main help text."""

import errno
import io
import os
import re
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from vlsa import __version__
from vlsa.base.console import printable, say
from vlsa.base.errors import VlsaError
from vlsa.base.launch import started, under_torchrun

ABOUT = """Video, audio and text in one model: train it on your own footage, then search with it.

\b
The whole pipeline on synthetic footage, in one command:
  vlsa demo demo

\b
On your own footage, step by step:
  vlsa prepare footage store --recipe tiny
  vlsa pretrain --recipe tiny --data store --out run
  vlsa evaluate run --data store
  vlsa index run footage --out index
  vlsa search index "a dog barks twice"

An interrupted step resumes when the same command is run again.
"""


SECRET = re.compile(r"\b([a-z][a-z0-9+.-]*):/{1,2}[^/@:\s]+:[^@\s]+@")
"""A name and a password in an address, which a path shortens to one slash."""
DISK_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG})
"""Errors of a write that do not name the file."""


UsageError: Any = typer.BadParameter.__base__
"""Raised for a command line that does not parse; its module differs between versions of typer."""


class Commands(TyperGroup):
    """Runs a command; an error that the user can fix becomes one line and exit code 2."""

    def invoke(self, ctx: Any) -> Any:
        """The value of the command. Raises typer.Exit."""
        _make_stdout_robust()
        try:
            value = super().invoke(ctx)
            sys.stdout.flush()  # a closed pipe raises here, not when Python ends
            return value
        except UsageError as error:
            error.message = printable(error.message)
            raise
        except VlsaError as error:
            _report(re.sub(r"\s*[\r\n]\s*", " ", str(error)))
            raise typer.Exit(2) from None
        except OSError as error:  # a full disk, missing permissions: the user can fix it
            if error.filename is None and error.errno not in DISK_FAULTS:
                raise
            where = error.filename or "the disk"
            what = f"{where}: cannot be read or written ({error.strerror}); the command needs it."
            _report(f"{what} Check the path, the permissions, and the free space on the disk.")
            raise typer.Exit(2) from None
        except (MemoryError, RuntimeError) as error:
            if not _lacks_memory(error):
                raise
            _report(
                f"{ctx.invoked_subcommand}: the machine has not enough memory ({' '.join(str(error).split())[-200:]}); "
                "the command needs it. Make what it is asked for smaller, as the batch or the model, or close others."
            )
            raise typer.Exit(2) from None
        except KeyboardInterrupt as stop:
            if started().main:
                say(str(stop) or "stopped; the same command resumes")
            raise typer.Exit(getattr(stop, "exit_code", 130)) from None


def _lacks_memory(error: Exception) -> bool:
    """Whether it is memory of the machine that was refused; torch has no class of its own for that."""
    return isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error)


def _report(message: str) -> None:
    """Print an error; of several processes with the same one, only the first does."""
    if under_torchrun():
        from vlsa.base.processes import first_to_tell

        if not first_to_tell():
            return
    say(SECRET.sub(r"\1://...@", message))


def _make_stdout_robust() -> None:
    """Let printing not fail for a file name that the terminal cannot show, nor if the caller closed stdout."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    elif isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        is_utf8 = sys.stdout.encoding.lower().replace("-", "") == "utf8"
        sys.stdout.reconfigure(errors="surrogateescape" if is_utf8 else "backslashreplace")


DATA_HELP = (
    "A store made by vlsa prepare (a folder or s3://BUCKET/STORE), or splits of one (vlsa data split); a list of "
    "clips (.jsonl), whose media are decoded as they are read; or a made world in memory: "
    "world:train=3000,test=200,px=64."
)


HELP_WIDTH = 80
"""Columns of a terminal that the help fits into; sentences are broken where it is wider or narrower, examples here."""
_WORD = re.compile(r"""(?:'[^']*'|"[^"]*"|[^\s'"])+""")
"""Of a command line."""


def examples(*lines: str) -> str:
    """The examples at the end of a command's help; a long one goes on in the next line, as a shell reads it."""
    return "\b\nExamples:\n" + "\n".join(f"  {_broken(line)}" for line in lines)


def _broken(line: str) -> str:
    """A command line, with a backslash and a line break before options that do not fit."""
    parts: list[str] = []  # the command, and each option with what follows it
    for word in _WORD.findall(line):
        if parts and not re.match("--?[a-z]", word):
            parts[-1] += f" {word}"
        else:
            parts.append(word)
    rows = [parts[0]]
    for part in parts[1:]:
        if len(rows[-1]) + len(part) < HELP_WIDTH - len("      ") - len(r" \ "):
            rows[-1] += f" {part}"
        else:
            rows.append(part)
    return " \\\n      ".join(rows)


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
