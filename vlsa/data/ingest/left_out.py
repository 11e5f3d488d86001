"""What to say of what lies in a folder of footage and is not taken up. Used by listing.py."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from vlsa.data.ingest.manifest import Rejection

UNFINISHED = (".part", ".crdownload", ".download", ".partial", ".tmp", ".temp", ".aria2", ".opdownload")
"""Of downloads and copies."""
PREVIEWS = (".lrv", ".lrf", ".glv")
"""Of cameras, next to the films that they are of."""
TEXTS = frozenset(
    ".txt .tsv .csv .json .jsonl .docx .odt .rtf .xlsx .ods .eaf .textgrid .trs .cha .stl .usf .otr".split()  # noqa: SIM905
)
"""What people and programs (speech recognition, ELAN, Praat, Transcriber, CHAT, EBU STL) keep words of a file in."""
SAMPLE_BYTES = 65_536


def repeat(name: str, path: Path, to: str) -> Rejection:
    """A link to what was found under another name."""
    message = f"{path}: a link to {to}, which is taken up already; it is not followed. Nothing needs to be done."
    return Rejection(name, str(path), None, None, reason="linked", message=message)


def loose(name: str, path: Path) -> Rejection:
    """A subtitle file of no media file."""
    message = f"{path}: not read; no media file next to it has its name. Name it cat.srt or cat.en.srt next to cat.mp4."
    return Rejection(name, str(path), None, None, reason="sidecar", message=message)


def table(name: str, path: Path, kinds: Sequence[str]) -> Rejection:
    """A caption table of a kind that is not among those that are read."""
    message = f"{path}: not read; caption tables are {' and '.join(kinds)}. Save it as one of these."
    return Rejection(name, str(path), None, None, reason="sidecar", message=message)


def texts_of(folder: Path, media: Iterable[str], others: Iterable[str]) -> dict[str, str]:
    """Of other files those that have the name of a media file, but for the ending, and are likely to hold its words;
    and that media file.
    """
    named = {os.path.splitext(name)[0]: name for name in media}
    found = {name: named[stem] for name in others if (stem := os.path.splitext(name)[0]) in named}
    return {
        name: of for name, of in found.items() if not name.lower().endswith(".json") or _is_transcript(folder / name)
    }


def _is_transcript(path: Path) -> bool:
    """Whether a .json is what a program heard: most others are about a file, as of downloads and photo archives."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            head = file.read(SAMPLE_BYTES)
    except OSError:
        return False
    return b'"segments"' in head or b'"words"' in head or b'"transcript' in head


def text(name: str, path: Path) -> Rejection:
    """A file with the name of a media file that may hold its words."""
    message = (
        f"{path}: not read; it has the name of a media file. If it holds its words: write them to captions.csv "
        "(path,text, and start_seconds,stop_seconds if known), or to a .srt or .vtt of the same name."
    )
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
