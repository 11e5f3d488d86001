"""Names of files that are written: parts of them from names of media, and whether they are free.

Used by cut.py and write.py.
"""

import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from vlsa.base.errors import VlsaError

LONGEST_BYTES = 120
"""Of such a part: most file systems take 255 bytes in all, and a letter has one to four."""


def check_free(paths: Iterable[Path], done: str = "written") -> None:
    """Raises VlsaError for a file that is there already."""
    for path in paths:
        if os.path.lexists(path):
            raise VlsaError(
                f"{path}: is there already, and would be lost; nothing was {done}. Give another name, or add --force."
            )


def plain_start(name: str) -> str:
    """The start of a name: letters, digits, `.`, `-` and `_`, which is written for all else."""
    return _plain(name)[:LONGEST_BYTES].decode(errors="ignore")


def plain_end(path: str) -> str:
    """The end of a path, with the same signs: the name of the file, and the folders before it while they fit."""
    return _plain(path)[-LONGEST_BYTES:].decode(errors="ignore")


def _plain(text: str) -> bytes:
    letters = unicodedata.normalize("NFC", text)
    return "".join(letter if _is_plain(letter) else "_" for letter in letters).encode()


def _is_plain(letter: str) -> bool:
    """Letters, their marks (vowels of Hindi and Thai are), and digits of any script."""
    return letter in "._-" or unicodedata.category(letter)[0] in "LMN"
