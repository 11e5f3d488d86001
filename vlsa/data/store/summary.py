"""What a run of prepare.py came to, in numbers and in one paragraph. Reads a finished store and its rejections."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlsa.data.ingest.manifest import SPLITS, Rejection
from vlsa.data.store.reader import ClipStore

REPORT_NAME = "prepare_report.jsonl"
"""In the store: one line per rejected clip."""


@dataclass(frozen=True)
class PrepareSummary:
    """What a store holds and what was left out."""

    store_path: str
    num_clips: int
    num_rejected: int
    reasons: dict[str, int]
    """How many rejections of each reason, the most frequent first."""
    num_with_video: int
    num_with_sound: int
    num_with_text: int
    num_by_split: dict[str, int]
    seconds_of_media: float

    def __str__(self) -> str:
        splits = ", ".join(f"{count} {split}" for split, count in self.num_by_split.items())
        kept = (
            f"{self.store_path}: {self.num_clips} clips ({splits}), {self.seconds_of_media / 60:.1f} minutes; "
            f"{self.num_with_video} with video, {self.num_with_sound} with audio, {self.num_with_text} with text."
        )
        if not self.num_rejected:
            return f"{kept} Nothing was rejected."
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.reasons.items())
        return f"{kept} Rejected: {self.num_rejected} ({reasons}); see {Path(self.store_path) / REPORT_NAME}."


def summarise(store: ClipStore, report: Sequence[Rejection]) -> PrepareSummary:
    """Count what a finished store holds, and the rejections next to it."""
    splits = Counter(clip.split for clip in store.clips)
    return PrepareSummary(
        store_path=str(store.path),
        num_clips=len(store),
        num_rejected=len(report),
        reasons=dict(Counter(rejection.reason for rejection in report).most_common()),
        num_with_video=sum(clip.has_video for clip in store.clips),
        num_with_sound=sum(clip.has_sound for clip in store.clips),
        num_with_text=sum(bool(clip.texts) for clip in store.clips),
        num_by_split={split: splits[split] for split in SPLITS if splits[split]},
        seconds_of_media=sum(clip.duration_seconds for clip in store.clips),
    )
