"""What can be said of a media file without decoding it: whether it can be read, and why it cannot be opened.

Feeds container.py, decode.py and images.py.
"""

import os
from pathlib import Path

from vlsa.base.errors import MediaError


def check_file(path: str | os.PathLike[str]) -> None:
    """Raise MediaError unless the path is a file with bytes in it that we may read."""
    file = Path(path)
    try:
        there = file.exists()
    except OSError as error:  # a name that is too long, a folder that we may not enter
        raise MediaError(f"{path}: cannot be reached ({error.strerror}). Check the path.", reason="missing") from error
    if not there:
        raise MediaError(f"{path}: no such file; nothing can be read. Check the path.", reason="missing")
    if not file.is_file():
        raise MediaError(f"{path}: not a file; a media file is needed here. Name one file.", reason="not_a_file")
    if file.stat().st_size == 0:
        raise MediaError(f"{path}: the file is empty (0 bytes). Copy or download it again, or drop it.", reason="empty")
    try:
        file.open("rb").close()
    except PermissionError as error:
        message = f"{path}: no permission to read the file. Run chmod +r on it, or drop it."
        raise MediaError(message, reason="permission") from error


def _lacks_movie_box(path: str) -> bool:
    """Whether the file starts as MP4 does and its top-level boxes end before the index does."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        offset, is_movie = 0, False
        while offset + 8 <= size:
            file.seek(offset)
            header = file.read(16)
            length, name = int.from_bytes(header[:4], "big"), header[4:8]
            is_movie = is_movie or (offset == 0 and name == b"ftyp")
            if length == 1:
                length = int.from_bytes(header[8:16], "big")
            if not is_movie or (name == b"moov" and offset + length <= size):
                return False
            if length < 8:
                break
            offset += length
    return is_movie


def out_of_memory(path: str) -> MediaError:
    """The error for a clip that does not fit: the file may be whole."""
    return MediaError(
        f"{path}: not enough memory to decode it; it may be whole. Give the job more memory or fewer workers, or cut "
        "the clip into shorter ones.",
        reason="memory",
    )


def encrypted(path: str) -> MediaError:
    """The error for a file that needs a key."""
    return MediaError(
        f"{path}: the file is encrypted (DRM), noise without its key. Use an unprotected copy, or drop it.",
        reason="encrypted",
    )


def explain(path: str, error: Exception) -> MediaError:
    """Why a file could not be opened, as far as its first bytes show."""
    if _lacks_movie_box(path):
        return MediaError(
            f"{path}: an MP4 file without its whole index ('moov' box), cut short or still being written; nothing can "
            "be decoded. Copy or download it again, or drop it.",
            reason="truncated",
        )
    what = getattr(error, "strerror", None) or type(error).__name__
    return MediaError(
        f"{path}: not a readable media file ({what}); it may be damaged, or of another kind than its name says. "
        "Check that it plays elsewhere; copy it again, or drop it.",
        reason="unreadable",
    )
