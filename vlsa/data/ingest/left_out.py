"""What to say of what lies in a folder of footage and is not taken up. Used by listing.py."""

import os
from pathlib import Path

from vlsa.data.ingest.manifest import Rejection

UNFINISHED = (".part", ".crdownload", ".download", ".partial", ".tmp", ".temp", ".aria2", ".opdownload")
"""Of downloads and copies."""
PREVIEWS = (".lrv", ".lrf", ".glv")
"""Of cameras, next to the films that they are of."""


def repeat(name: str, path: Path, to: str) -> Rejection:
    """A link to what was found under another name."""
    message = f"{path}: a link to {to}, which is taken up already; it is not followed. Nothing needs to be done."
    return Rejection(name, str(path), None, None, reason="linked", message=message)


def loose(name: str, path: Path) -> Rejection:
    """A subtitle file of no media file."""
    message = f"{path}: not read; no media file next to it has its name. Name it cat.srt or cat.en.srt next to cat.mp4."
    return Rejection(name, str(path), None, None, reason="sidecar", message=message)


def misnamed(name: str, path: Path) -> Rejection:
    """A file that begins as media do, and has another ending."""
    if name.lower().endswith(UNFINISHED):
        why = "an unfinished download or copy, by its ending; it is not taken up. Finish it, or remove it."
    elif name.lower().endswith(PREVIEWS):
        why = "a preview that a camera made of a film, by its ending; it is not taken up. Nothing needs to be done."
    else:
        why = "begins as media do, and has no ending of media; it is not taken up. Rename it, such as to .mp4."
    return Rejection(name, str(path), None, None, reason="ending", message=f"{path}: {why}")


def unseen(name: str, path: Path, error: OSError) -> Rejection:
    """A folder that cannot be looked into, or a link that leads nowhere."""
    if path.is_symlink() and not isinstance(error, PermissionError):
        message = (
            f"{path}: a link to {os.readlink(path)}, which is not there; nothing is taken up from there, and what "
            "an index has of it stays. Connect the drive, or remove the link."
        )
        return Rejection(name, str(path), None, None, reason="missing", message=message)
    message = f"{path}: this folder cannot be looked into ({error.strerror}); nothing in it is taken up. "
    if isinstance(error, PermissionError):
        return Rejection(name, str(path), None, None, reason="permission", message=f"{message}chmod u+rx it.")
    return Rejection(name, str(path), None, None, reason="unreadable", message=f"{message}Check the disk.")
