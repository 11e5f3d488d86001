"""The command line: parse, call the stage, print.

Results go to stdout, as a table or with --json as one object per line; progress and notes go to stderr. An error that
the user can fix is one line on stderr and exit code 2; after Ctrl-C the code is 130, after SIGTERM 143.
"""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from vlsa.base.console import set_up
from vlsa.base.launch import started
from vlsa.cli import (
    compare,
    data,
    demo,
    doctor,
    encoders,
    evaluate,
    export,
    import_data,
    index,
    make_world,
    prepare,
    pretrain,
    reproduce,
    search,
    serve,
    show,
    similar,
)
from vlsa.cli.app import app

__all__ = ["app", "main"]

# In the order of the pipeline, which is the order of `vlsa --help`.
for _module in (
    demo,
    doctor,
    import_data,
    make_world,
    prepare,
    pretrain,
    encoders,
    evaluate,
    compare,
    show,
    reproduce,
    index,
    search,
    similar,
    serve,
    data,
    export,
):
    _module.register(app)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command (None: that of sys.argv) and exit."""
    os.environ["PYTHONSAFEPATH"] = "1"  # workers import nothing from the user's folder, which may hold a socket.py
    set_up()
    try:
        app(args=arguments, prog_name="vlsa")
    except SystemExit as end:
        if started().num_ranks > 1 and isinstance(end.code, int):
            _leave(end.code)
        raise
    raise SystemExit(0)


def _leave(code: int) -> NoReturn:
    """Exit without cleanup: gloo's threads sometimes abort a process that exits normally (torch 2.13)."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
