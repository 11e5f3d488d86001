"""What a store holds, in numbers: clips and hours by split, what they lack, their shapes, what was rejected, its size.

Reads the rows of store/reader.py and the report of prepare.py; feeds `vlsa data describe`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vlsa.base.errors import ManifestError, StoreError
from vlsa.base.files import read_json_lines
from vlsa.data.ingest.manifest import NOTES, SPLITS, Rejection, parse_rejection
from vlsa.data.store.reader import ClipStore, StoredClip
from vlsa.data.store.summary import REPORT_NAME

PAPER_CLIPS = 900_000
"""Clips that the paper pre-trains on; a store of so many is estimated from the bytes a clip of this one."""
ALL = "all"


@dataclass(frozen=True, kw_only=True)
class SplitCounts:
    """Clips of one split (`all` = of the store)."""

    split: str
    num_clips: int
    hours: float
    num_with_video: int
    num_with_sound: int
    num_with_text: int

    @property
    def num_without(self) -> tuple[int, int, int]:
        """Clips without video, audio, text."""
        return tuple(self.num_clips - n for n in (self.num_with_video, self.num_with_sound, self.num_with_text))  # type: ignore[return-value]


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The least, the middle and the largest of some numbers."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """None of nothing."""
        return cls(least=min(values), median=float(np.median(values)), most=max(values)) if values else None


@dataclass(frozen=True, kw_only=True)
class Description:
    """What `vlsa data describe` prints."""

    store: str
    splits: tuple[SplitCounts, ...]
    """Each split that has clips, then `all`."""
    length_seconds: Spread | None
    frames_per_clip: Spread | None
    """Of clips with video."""
    num_files: int
    """Media files that the clips come from."""
    sizes_px: dict[str, int]
    """Clips by the width x height of their frames, the most frequent first."""
    sample_rates_hz: dict[int, int]
    """Clips with audio by its rate, the most frequent first."""
    choices: dict[str, int]
    """Clips by each word on what was decided where their file left it open."""
    rejected: dict[str, int]
    """Clips and files that were left out, by reason."""
    notes: dict[str, int]
    """Lines of the report about files that were kept, by reason."""
    frame_bytes: int
    sound_bytes: int
    stored_bytes: int
    """All files of the store: frames, audio, texts, index."""

    @property
    def bytes_per_clip(self) -> float:
        """Of all files of the store."""
        return self.stored_bytes / max(self.splits[-1].num_clips, 1)

    @property
    def paper_bytes(self) -> float:
        """Size of a store of the paper's number of clips that are like these."""
        return self.bytes_per_clip * PAPER_CLIPS

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        sizes = {"bytes_per_clip": self.bytes_per_clip, "bytes_for_900000_clips": self.paper_bytes}
        return asdict(self) | sizes


def describe(store: ClipStore) -> Description:
    """Count what a store holds. Raises StoreError if its report is damaged."""
    rows = store.rows()
    report = read_report(store)
    return Description(
        store=str(store.path),
        splits=_splits(rows),
        length_seconds=Spread.of([row.duration_seconds for row in rows]),
        frames_per_clip=Spread.of([len(row.frame_seconds) for row in rows if row.has_video]),
        num_files=len({row.source for row in rows}),
        sizes_px=_ordered(f"{row.size_px[1]} x {row.size_px[0]}" for row in rows if row.has_video),
        sample_rates_hz=_ordered(row.sample_rate_hz for row in rows if row.has_sound),
        choices=_ordered(word for row in rows for word in row.choices),
        rejected=_ordered(line.reason for line in report if line.reason not in NOTES),
        notes=_ordered(line.reason for line in report if line.reason in NOTES),
        frame_bytes=sum(int(row.frame_spans[:, 1].sum()) for row in rows),
        sound_bytes=sum(row.sound_span[1] for row in rows if row.sound_span),
        stored_bytes=sum(path.stat().st_size for path in store.path.rglob("*") if path.is_file()),
    )


def read_report(store: ClipStore) -> list[Rejection]:
    """The lines of prepare_report.jsonl: those of files too, which no shard has. Raises StoreError if it is damaged."""
    path = store.path / REPORT_NAME
    if not path.exists():
        return list(store.rejections)
    try:
        return [parse_rejection(line, str(path)) for line in read_json_lines(path)]
    except (OSError, ValueError, ManifestError) as error:
        raise StoreError(
            f"{path}: damaged ({error}); what was rejected is not known. Delete it: the shards list rejected clips too."
        ) from error


def _splits(rows: Sequence[StoredClip]) -> tuple[SplitCounts, ...]:
    by_split: dict[str, list[StoredClip]] = {split: [] for split in SPLITS}
    for row in rows:
        by_split[row.split].append(row)
    found = [_counts(split, part) for split, part in by_split.items() if part]
    return (*found, _counts(ALL, rows))


def _counts(split: str, rows: Sequence[StoredClip]) -> SplitCounts:
    return SplitCounts(
        split=split,
        num_clips=len(rows),
        hours=sum(row.duration_seconds for row in rows) / 3600,
        num_with_video=sum(row.has_video for row in rows),
        num_with_sound=sum(row.has_sound for row in rows),
        num_with_text=sum(bool(row.texts) for row in rows),
    )


def _ordered(values: Iterable[Any]) -> dict[Any, int]:
    return dict(Counter(values).most_common())


def human_bytes(num_bytes: float) -> str:
    """Bytes for people: 712 B, 48.3 kB, 1.24 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if num_bytes < 1000:
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:,.3g} TB"
