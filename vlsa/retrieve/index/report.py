"""What an index holds after a run, and what was left out: the summary, and INDEX/index_report.jsonl.

Reads the ledger; feeds build.py and the command line.
"""

import itertools
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from vlsa.base.console import duration
from vlsa.base.files import read_json_lines, write_json_lines
from vlsa.data.ingest.manifest import Rejection
from vlsa.retrieve.index.ledger import IndexedFile

CHOICE = "choice"
"""Reason of a line on what was decided where a file leaves a choice; nothing is left out."""
REPORT_NAME = "index_report.jsonl"
"""In the index: one line per clip, or file, that is left out."""


@dataclass(frozen=True, kw_only=True)
class IndexSummary:
    """What an index holds after a run, and what was left out."""

    index_path: str
    num_files: int
    """Files of which something can be found."""
    num_windows: int
    num_texts: int
    seconds: float
    """Of media in all files that can be read."""
    covered_seconds: float
    """Of that, how much lies in an indexed window."""
    num_rejected: int
    reasons: dict[str, int]
    """How many rejections of each reason, the most frequent first."""
    choices: dict[str, int] = field(default_factory=dict)
    """Files of each word on what was decided where a file leaves a choice, such as `audio-2-of-3`."""
    num_files_added: int = 0
    """New or changed files, and files with another text, of which something can be found."""
    num_files_skipped: int = 0
    """Files that were indexed before and have not changed."""
    num_files_moved: int = 0
    num_files_removed: int = 0
    num_files_gone: int = 0
    """Files that are not there any more and still answer, since more than half are gone."""
    note: str = ""
    """What the model's training data means for the answers; empty for an index that existed before."""

    @property
    def num_rows(self) -> int:
        return self.num_windows + self.num_texts

    def __str__(self) -> str:
        done = {"indexed now": self.num_files_added, "moved": self.num_files_moved, "removed": self.num_files_removed}
        changes = [f"{count:,} {what}" for what, count in done.items() if count or what == "indexed now"]
        kept = (
            f"{self.index_path}: {self.num_files:,} files, {self.num_windows:,} windows, {self.num_texts:,} texts; "
            f"{duration(self.covered_seconds)} of {duration(self.seconds)} of media covered; "
            f"{', '.join(changes)}, {self.num_files_skipped:,} unchanged."
        )
        if self.choices:
            kept += f" Choices: {', '.join(f'{count} {word}' for word, count in self.choices.items())}."
        if not self.num_rejected:
            return f"{kept} Nothing was left out."
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.reasons.items())
        return f"{kept} Left out: {self.num_rejected} ({reasons}); see {os.path.join(self.index_path, REPORT_NAME)}."


def summarize(
    index_path: Path, known: Mapping[str, IndexedFile], rejections: Sequence[Rejection], **counts: int
) -> IndexSummary:
    """What the ledger says of an index, and what was left out."""
    lines = known.values()
    left_out = [rejection.reason for rejection in rejections if rejection.reason not in (CHOICE, "linked")]
    return IndexSummary(
        index_path=str(index_path),
        num_files=sum(line.num_rows > 0 for line in lines),
        num_windows=sum(line.num_windows for line in lines),
        num_texts=sum(line.num_texts for line in lines),
        seconds=round(sum(line.seconds for line in lines), 3),
        covered_seconds=round(sum(line.covered_seconds for line in lines), 3),
        num_rejected=len(left_out),
        reasons=dict(Counter(left_out).most_common()),
        choices=dict(Counter(itertools.chain.from_iterable(map(_words, rejections))).most_common()),
        **counts,
    )


def _words(line: Rejection) -> list[str]:
    """`audio-2-of-3`, `deinterlaced` and so on, from a line that the survey wrote; none from another one."""
    words = line.message.rpartition(": read as ")[2] if line.reason == CHOICE else ""
    return re.findall(r"[a-z0-9]+(?:-[a-z0-9]+)*(?=,)", words)


def all_rejections(known: Mapping[str, IndexedFile], others: Iterable[Rejection], root: str) -> list[Rejection]:
    """What was left out, with absolute paths, in the order of paths; `others` are those of no file of the ledger."""
    inside = (shown(rejection, root) for _, line in sorted(known.items()) for rejection in line.rejections)
    return [*others, *inside]


def write_report(index_path: Path, rejections: Iterable[Rejection]) -> None:
    """Replace the report of an index, if it is another one."""
    path, lines = index_path / REPORT_NAME, [asdict(rejection) for rejection in rejections]
    try:
        written = list(read_json_lines(path))
    except (OSError, ValueError):
        written = None
    if written != lines:
        write_json_lines(path, lines)


def stored(rejection: Rejection, root: str) -> Rejection:
    """A rejection as the ledger has it: with paths relative to the source, which may move."""
    prefix = os.path.join(root, "")
    path, message = rejection.path.removeprefix(prefix), rejection.message.removeprefix(prefix)
    return replace(rejection, path=path, message=message)


def shown(rejection: Rejection, root: str) -> Rejection:
    """The inverse of `stored`."""
    named = rejection.message.startswith(rejection.path)
    message = os.path.join(root, rejection.message) if named else rejection.message
    return replace(rejection, path=os.path.join(root, rejection.path), message=message)


def renamed(rejection: Rejection, path: str, new_id: str) -> Rejection:
    """A rejection of the ledger for the same content at another path."""
    message = rejection.message
    if message.startswith(rejection.path):
        message = path + message.removeprefix(rejection.path)
    return replace(rejection, id=new_id, path=path, message=message)
