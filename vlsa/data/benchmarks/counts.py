"""How many clips a public data set has as it was published, and what is said when annotation files have another number.

Used by convert.py before any file is searched for. The sources of the numbers are in docs/benchmarks.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vlsa.base.errors import ManifestError


@dataclass(frozen=True)
class Count:
    """Clips, and their captions."""

    num_clips: int
    num_captions: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """Numbers of each split, several where lists and papers differ; a split that is not named is not checked."""

    splits: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    captions: bool = False
    """Captions are counted, and not clips: rows of sets whose clips occur several times."""

    def check(self, name: str, annotated: Mapping[str, Count]) -> None:
        """Raises ManifestError for a split with another number than the published one."""
        unit = "captions" if self.captions else "clips"
        for split, known in self.splits.items():
            if split not in annotated:
                continue
            number = annotated[split].num_captions if self.captions else annotated[split].num_clips
            if number not in known:
                listed = " or ".join(f"{each:,}" for each in known)
                raise ManifestError(
                    f"{name}: the annotations have {number:,} {unit} for {split}, and {listed} are published; numbers "
                    "would not be comparable with papers. Give the publisher's own files, or go on with --allow-count."
                )
