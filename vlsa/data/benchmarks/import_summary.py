"""What an import came to, in numbers and in one paragraph. Used by convert.py."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vlsa.data.benchmarks.counts import Count
from vlsa.data.benchmarks.requests import AnnotatedClip
from vlsa.data.ingest.manifest import SPLITS, ClipRow


@dataclass(frozen=True, kw_only=True)
class ImportSummary:
    """What the annotations name, what of it is in the manifest, and why the rest is not."""

    name: str
    manifest_path: str
    report_path: str
    annotated: Mapping[str, Count]
    """By split, before anything was left out."""
    kept: Mapping[str, Count]
    num_blank: int
    """Captions without a word."""
    num_with_sound: int
    reasons: Mapping[str, int]
    """How many were left out for each, the most frequent first."""

    @property
    def num_clips(self) -> int:
        """In the manifest."""
        return sum(count.num_clips for count in self.kept.values())

    def __str__(self) -> str:
        left_out = sum(self.reasons.values())
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.reasons.items())
        blank = f" {_plural(self.num_blank, 'caption')} without a word left out." if self.num_blank else ""
        tail = f"Left out: {left_out:,} ({reasons}); see {self.report_path}." if left_out else "Nothing was left out."
        return (
            f"{self.name}: the annotations name {_listed(self.annotated)}. {self.manifest_path} has "
            f"{_listed(self.kept)}; {_plural(self.num_with_sound, 'clip')} with audio.{blank} {tail}"
        )


def count(clips: Iterable[AnnotatedClip] | Iterable[ClipRow]) -> dict[str, Count]:
    """Clips and captions by split."""
    numbers = {split: [0, 0] for split in SPLITS}
    for clip in clips:
        numbers[clip.split][0] += 1
        numbers[clip.split][1] += len(clip.texts)
    return {split: Count(*found) for split, found in numbers.items() if found[0]}


def _listed(counts: Mapping[str, Count]) -> str:
    parts = (
        f"{found.num_clips:,} {split} ({_plural(found.num_captions, 'caption')})" for split, found in counts.items()
    )
    return f"{_plural(sum(found.num_clips for found in counts.values()), 'clip')}: {', '.join(parts)}"


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
