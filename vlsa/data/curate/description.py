"""What a store holds, in numbers: clips and hours by split, what they lack, their shapes, what was rejected, its size.

Reads the rows of store/reader.py and the report of prepare.py; feeds `vlsa data describe`.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vlsa.base.errors import ManifestError, StoreError
from vlsa.base.files import read_json_lines
from vlsa.data.clip import sources_of
from vlsa.data.ingest.manifest import NOTES, SPLITS, Rejection, parse_rejection
from vlsa.data.media.transcripts import FOLDER_NAME, kept_transcript
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
    num_transcribed: int
    """Of those with text, clips whose text was heard by a model for speech."""

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
    languages_heard: dict[str, int]
    """Files that were transcribed by the language that was heard in them (ISO 639-1: en), the most frequent first."""
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


@dataclass
class _Tally:
    """What is counted clip by clip, since a clip of a store is made anew each time it is asked for."""

    splits: dict[str, Counter[str]]
    """For each split the number of clips, of those with a modality, and seconds."""
    lengths_seconds: array = field(default_factory=lambda: array("d"))
    frames: array = field(default_factory=lambda: array("q"))
    sizes_px: Counter[str] = field(default_factory=Counter)
    sample_rates_hz: Counter[int] = field(default_factory=Counter)
    choices: Counter[str] = field(default_factory=Counter)
    frame_bytes: int = 0
    sound_bytes: int = 0

    def add(self, clip: StoredClip) -> None:
        """Count a clip."""
        has = {"video": clip.has_video, "sound": clip.has_sound, "text": bool(clip.texts)}
        has["transcript"] = has["text"] and clip.text_kind == "transcript"
        self.splits[clip.split].update(clips=1, seconds=clip.duration_seconds, **has)
        self.lengths_seconds.append(clip.duration_seconds)
        self.choices.update(clip.choices)
        if clip.has_video:
            self.frames.append(len(clip.frame_seconds))
            self.sizes_px[f"{clip.size_px[1]} x {clip.size_px[0]}"] += 1
            self.frame_bytes += int(clip.frame_spans[:, 1].sum())
        if clip.has_sound:
            self.sample_rates_hz[clip.sample_rate_hz] += 1
        if clip.sound_span:
            self.sound_bytes += clip.sound_span[1]


def describe(store: ClipStore) -> Description:
    """Count what a store holds. Raises StoreError if its report is damaged."""
    tally = _Tally({split: Counter() for split in SPLITS})
    rows, report = store.rows(), read_report(store)
    for clip in rows:
        tally.add(clip)
    splits = {split: counts for split, counts in tally.splits.items() if counts["clips"]}
    return Description(
        store=str(store.path),
        splits=tuple(_counts(*named) for named in (*splits.items(), (ALL, sum(splits.values(), Counter())))),
        length_seconds=Spread.of(tally.lengths_seconds),
        frames_per_clip=Spread.of(tally.frames),
        num_files=len(set(sources_of(rows))),
        sizes_px=dict(tally.sizes_px.most_common()),
        sample_rates_hz=dict(tally.sample_rates_hz.most_common()),
        choices=dict(tally.choices.most_common()),
        languages_heard=_languages_heard(store.place.fetched(FOLDER_NAME)),
        rejected=_ordered(line.reason for line in report if line.reason not in NOTES),
        notes=_ordered(line.reason for line in report if line.reason in NOTES),
        frame_bytes=tally.frame_bytes,
        sound_bytes=tally.sound_bytes,
        stored_bytes=store.place.num_bytes(),
    )


def read_report(store: ClipStore) -> list[Rejection]:
    """The lines of prepare_report.jsonl: those of files too, which no shard has. Raises StoreError if it is damaged."""
    path = store.place.fetched(REPORT_NAME)
    if not path.exists():
        return list(store.rejections)
    try:
        return [parse_rejection(line, str(path)) for line in read_json_lines(path)]
    except (OSError, ValueError, ManifestError) as error:
        raise StoreError(
            f"{path}: damaged ({error}); what was rejected is not known. Delete it: the shards list rejected clips too."
        ) from error


def _counts(split: str, counts: Counter[str]) -> SplitCounts:
    return SplitCounts(
        split=split,
        num_clips=counts["clips"],
        hours=counts["seconds"] / 3600,
        num_with_video=counts["video"],
        num_with_sound=counts["sound"],
        num_with_text=counts["text"],
        num_transcribed=counts["transcript"],
    )


def _languages_heard(folder: Path) -> dict[str, int]:
    """Files of each language that a model for speech heard in them; those in which it heard no word do not count."""
    kept = (kept_transcript(path) for path in sorted(folder.glob("*.json")))
    return _ordered(one.language for one in kept if one is not None and one.words and one.language)


def _ordered(values: Iterable[Any]) -> dict[Any, int]:
    return dict(Counter(values).most_common())


def human_bytes(num_bytes: float) -> str:
    """Bytes for people: 712 B, 48.3 kB, 1.24 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if num_bytes < 1000:
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:,.3g} TB"
