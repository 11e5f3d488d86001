"""The command line: parse, call a stage of jobs/, print.

Answers go to stdout, as a table for people or with --json as one object a line; progress and notes go to stderr. What a
person can mend is one line on stderr and exit code 2; after Ctrl-C the code is 130.
"""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from vlsa.cli import comparing, exporting, footage, importing, reproducing, searching, showing, training, whole
from vlsa.cli.app import app
from vlsa.logs import set_up
from vlsa.ranks import started

__all__ = ["app", "main"]

# In the order of the pipeline, which is the order of `vlsa --help`.
for _module in (whole, importing, footage, training, comparing, showing, reproducing, searching, exporting):
    _module.register(app)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command (None: as the shell asked) and exit."""
    set_up()
    try:
        app(args=arguments, prog_name="vlsa")
    except SystemExit as end:
        if started().num_ranks > 1 and isinstance(end.code, int):
            _leave(end.code)
        raise
    raise SystemExit(0)


def _leave(code: int) -> NoReturn:
    """End one of several processes at once: gloo's threads now and then abort one that ends in order (torch 2.13)."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
