"""What a run of prepare.py came to, in numbers and in one paragraph. Reads a finished store and its rejections."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vlsa.data.clip import facts_of
from vlsa.data.ingest.manifest import NOTES, SPLITS, Rejection
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
    num_transcribed: int = 0
    """Of the clips with text, those whose text was heard by a model for speech."""
    choices: dict[str, int] = field(default_factory=dict)
    """Clips of each word on what was decided where their file left it open, the most frequent first."""
    notes: dict[str, int] = field(default_factory=dict)
    """Lines of the report about files that were kept, by reason."""
    num_added: int | None = None
    """Clips that were new to the store, those left out included; None where none were to be added."""

    def __str__(self) -> str:
        splits = ", ".join(f"{count} {split}" for split, count in self.num_by_split.items())
        kept = (
            f"{self.store_path}: {self.num_clips} clips ({splits}), {self.seconds_of_media / 60:.1f} minutes; "
            f"{self.num_with_video} with video, {self.num_with_sound} with audio, {self.num_with_text} with text"
            f"{f', {self.num_transcribed} of them with transcripts' if self.num_transcribed else ''}."
        )
        if self.num_added is not None:
            kept += f" Added: {self.num_added or 'nothing, no file is new'}."
        if self.choices:
            kept += f" Choices: {_counted(self.choices)}."
        report = os.path.join(self.store_path, REPORT_NAME)
        notes = f" Notes: {_counted(self.notes)}{'' if self.num_rejected else f'; see {report}'}." if self.notes else ""
        if not self.num_rejected:
            return f"{kept}{notes} Nothing was rejected."
        return f"{kept}{notes} Rejected: {self.num_rejected} ({_counted(self.reasons)}); see {report}."


@dataclass(frozen=True)
class PartSummary:
    """What a part of a run did, when other parts are still missing."""

    store_path: str
    part: str
    num_made: int
    """Shards that this process made."""
    num_shards: int
    num_missing: int

    def __str__(self) -> str:
        return (
            f"{self.store_path}: part {self.part} is done, shards made: {self.num_made}; {self.num_missing} of "
            f"{self.num_shards} shards are missing. The part that ends last completes the store, or the same command "
            "without --shard does."
        )


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def summarise(store: ClipStore, report: Sequence[Rejection]) -> PrepareSummary:
    """Count what a finished store holds, and the rejections next to it."""
    rejected = [line.reason for line in report if line.reason not in NOTES]
    facts = facts_of(store.clips)
    num_with = {name: int(has.sum()) for name, has in facts.modalities.items()}
    num_by_split = {split: len(store.rows(split)) for split in SPLITS}
    num_transcribed, choices = 0, Counter[str]()
    for clip in store.clips:  # once: a clip is read when it is asked for
        num_transcribed += clip.text_kind == "transcript"
        choices.update(clip.choices)
    return PrepareSummary(
        store_path=str(store.path),
        num_clips=len(store),
        num_rejected=len(rejected),
        reasons=dict(Counter(rejected).most_common()),
        num_with_video=num_with["video"],
        num_with_sound=num_with["audio"],
        num_with_text=num_with["text"],
        num_transcribed=num_transcribed,
        num_by_split={split: number for split, number in num_by_split.items() if number},
        seconds_of_media=float(facts.duration_seconds.sum()),
        choices=dict(choices.most_common()),
        notes=dict(Counter(line.reason for line in report if line.reason in NOTES).most_common()),
    )
